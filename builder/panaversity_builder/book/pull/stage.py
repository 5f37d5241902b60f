"""Where a pull keeps bytes before they go into the source: by digest, verified, below the project's state folder.

One pull a source and book at a time; what an interrupted one downloaded is taken over by the next, what it left in the
source is noted here before it is made. Knows the staging that hydrate uses too; does not know what the bytes are for.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Final

from panaversity_builder.book.hydrate.folder import CHUNK, STATE, Folder
from panaversity_builder.book.hydrate.staging import Staging
from panaversity_builder.book.ingest_state import memory_name
from panaversity_builder.locking import taken_alone
from panaversity_builder.state_folder import make_state_folder
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.errors import OutputLocked

PENDING: Final = f"{STATE}/pending.json"
_LOCK: Final = f"{STATE}/lock"


class Stage:
    """The stage of one pull; use ``opened``."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.staging = Staging(folder)

    def left(self) -> list[str]:
        """What an interrupted pull may have left in the source; damaged notes are none."""
        try:
            with self._folder.reading(PENDING) as file:
                paths = json.loads(os.read(file, 1 << 26))
            return [path for path in paths if isinstance(path, str) and "\0" not in path]
        except Exception:  # noqa: BLE001 — a note that cannot be read is no note: nothing depends on it
            return []

    def note(self, paths: Sequence[str]) -> None:
        """Remember what will be made in the source, before it is."""
        self._folder.remove(PENDING)
        self._folder.write(PENDING, json.dumps(list(paths)).encode())

    def bytes_of(self, digest: Digest) -> Iterator[bytes]:
        """The bytes of a staged blob, which was verified when it came."""
        with self._folder.reading(self.staging.name(digest)) as file:
            while piece := os.read(file, CHUNK):
                yield piece

    def clear(self) -> None:
        """Forget everything: the pull is done."""
        self.staging.clear()
        self._folder.remove(PENDING)


@contextlib.contextmanager
def opened(state_dir: str, book_id: str, source_dir: str) -> Iterator[Stage]:
    """The stage of this source and book, held alone. Raises ``OutputLocked`` (exit 5) while another pull is at work."""
    path = os.path.join(make_state_folder(state_dir), "pull", memory_name(book_id, source_dir))
    os.makedirs(path, exist_ok=True)
    with Folder.open(path) as folder:
        folder.make_folder(STATE)
        lock = folder.append(_LOCK)
        try:
            if not taken_alone(lock):
                raise OutputLocked("pull", source_dir, "another pull is at work there", "Wait until it ends")
            yield Stage(folder)
        finally:
            os.close(lock)

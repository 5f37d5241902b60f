"""Manifests that lie on this machine: in hydrated folders, in files, and among what ingests remember.

A text counts only under its own hash. Knows files; does not know servers, and never writes.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from panaversity_builder.book.compare.operands import BookOnServer, HydratedFolder, unknown
from panaversity_builder.book.compare.texts import is_sums, parse_sums, parse_text
from panaversity_builder.book.hydrate.folder import STATE
from panaversity_builder.book.hydrate.records import MANIFEST_JSON, MANIFEST_TEXT, Identity, parse_identity
from panaversity_builder.book.ingest_state import BOOK, SOURCE
from panaversity_builder.book.sealed import Miss
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import HashMismatch, PanaversityError
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import shown

LARGEST: Final = 1 << 28
"""Bytes. A bigger file is no manifest."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Entries as they were read, not yet judged; by book path, or by the names of a checked folder (``by_name``)."""

    manifest_hash: Digest
    entries: dict[str, Digest]
    place: HydratedFolder | BookOnServer | None = None
    numbering: Numbering | None = None
    by_name: bool = False


def load_folder(folder: str, manifest_file: str | None, name: str) -> Recorded:
    """What a hydrated folder says it holds; ``manifest_file`` is where its ``manifest.json`` was moved to.

    Raises ``NotFound`` where there is no record, ``HashMismatch`` for a damaged one.
    """
    state = os.path.join(folder, STATE)
    try:
        identity = parse_identity(_read(manifest_file or os.path.join(state, MANIFEST_JSON)))
        text = _read(os.path.join(state, MANIFEST_TEXT))
    except (FileNotFoundError, NotADirectoryError):
        raise unknown(name, "is not a hydrated folder: it has no recorded manifest") from None
    except (Miss, OSError, ValueError) as fault:
        raise _damaged(name, str(fault)) from fault
    if digest_of(text) != identity.manifest_hash:
        raise _damaged(name, f"{MANIFEST_TEXT} is not the text of the stored hash")
    return _of_folder(os.path.abspath(folder), identity, text, name)


def _of_folder(folder: str, identity: Identity, text: bytes, name: str) -> Recorded:
    place = HydratedFolder(folder, identity.numbering, identity.tree, identity.scope)
    return Recorded(identity.manifest_hash, parse_text(text, shown(name)), place, identity.numbering)


def load_file(path: str) -> Recorded | Digest:
    """The manifest in a file; of a ``manifest.json`` without the text beside it only the hash.

    Raises ``HashMismatch`` for a file that is no manifest.
    """
    try:
        data = _read(path)
    except (Miss, OSError, ValueError) as fault:
        raise _damaged(path, str(fault)) from fault
    if data.lstrip().startswith(b"{"):
        return _beside(path, data)
    if is_sums(data):
        return Recorded(digest_of(data), parse_sums(data, shown(path)), by_name=True)
    return Recorded(digest_of(data), parse_text(data, shown(path)))


def _beside(path: str, data: bytes) -> Recorded | Digest:
    """A ``manifest.json`` stands for the text beside it, and where that is its own folder's, for the folder."""
    state = os.path.dirname(os.path.abspath(path))
    try:
        identity = parse_identity(data)
        text = _read(os.path.join(state, MANIFEST_TEXT))
    except FileNotFoundError:
        return identity.manifest_hash
    except (Miss, OSError) as fault:
        raise _damaged(path, str(fault)) from fault
    if digest_of(text) != identity.manifest_hash:
        raise _damaged(path, f"the {MANIFEST_TEXT} beside it is another manifest's")
    found = _of_folder(os.path.dirname(state), identity, text, path)
    return found if os.path.basename(state) == STATE else replace(found, place=None)


def known_texts(folder: str, manifest_file: str | None, state_dir: str, book_id: str | None) -> list[Recorded]:
    """Every manifest this machine remembers of the book, that of the docs folder first; what is damaged is none."""
    found: list[Recorded] = []
    with contextlib.suppress(PanaversityError):
        found.append(load_folder(folder, manifest_file, folder))
    for path in _ingested(state_dir, book_id):
        with contextlib.suppress(PanaversityError, Miss, OSError):
            text = _read(path)
            found.append(Recorded(digest_of(text), parse_text(text, path)))
    return found


def _ingested(state_dir: str, book_id: str | None) -> Iterator[str]:
    folder = os.path.join(state_dir, "ingest")
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder)):
            if book_id is None or name.startswith(f"{book_id}-"):
                yield from (os.path.join(folder, name, text) for text in (BOOK, SOURCE))


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Miss(f"is larger than {LARGEST} bytes")
    return data


def _damaged(name: str, problem: str) -> HashMismatch:
    return HashMismatch(
        "manifest", shown(name), f"cannot be used: {problem}", "Run panaversity hydrate to write it anew"
    )

"""How the file system's refusals and an edited folder are told to the user.

Knows error numbers and wording; does not know which step failed.
"""

import contextlib
import errno
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from panaversity_builder.book.hydrate.folder import Changed
from panaversity_fs.core.errors import ConfigInvalid, LocalEdits, NoSpace

if TYPE_CHECKING:
    from panaversity_builder.book.hydrate.reconcile import Obstacle

LISTED = 20
"""Most paths named in the text of an error; its details hold all."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def local_edits(output_dir: str, obstacles: "Collection[Obstacle]") -> LocalEdits:
    named = "; ".join(f"{o.path} {o.reason}" for o in list(obstacles)[:LISTED])
    more = f"; and {len(obstacles) - LISTED} more" if len(obstacles) > LISTED else ""
    return LocalEdits(
        "hydrate", output_dir, f"holds {len(obstacles)} things that hydrate will not touch: {named}{more}",
        "Nothing was changed. Move them away or delete them, or run with --on-edit backup to keep edited files aside",
        paths=[{"path": o.path, "reason": o.reason} for o in obstacles],
    )  # fmt: skip


@contextlib.contextmanager
def told(output_dir: str) -> Iterator[None]:
    """Turn what the file system says into words for the user."""
    try:
        yield
    except Changed as changed:
        raise LocalEdits(
            "hydrate", changed.path, "changed while hydrate was at work", "Run it again",
            paths=[{"path": changed.path, "reason": "changed while hydrate was at work"}],
        ) from changed  # fmt: skip
    except OSError as fault:
        if fault.errno in _FULL:
            raise NoSpace(
                "hydrate", output_dir, f"cannot be written: {fault.strerror}",
                "Free some space and run it again; what was downloaded is kept",
            ) from fault  # fmt: skip
        raise ConfigInvalid(
            "hydrate", fault.filename if isinstance(fault.filename, str) else output_dir,
            f"cannot be used: {fault.strerror or fault}",
            "Check that the output folder can be read and written, or choose another with --output-dir",
            key="output_dir", reason=str(fault.strerror),
        ) from fault  # fmt: skip

"""How a pull that cannot go on is told to the user: conflicts with their reasons, and what the file system says.

Knows wording; does not know which step failed.
"""

import contextlib
import errno
from collections.abc import Iterator, Sequence

from panaversity_builder.book.ingest_plan import IngestPlan
from panaversity_builder.book.pull.decide import Clash
from panaversity_fs.core.errors import ConfigInvalid, Conflict, NoSpace
from panaversity_fs.core.paths import shown

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

ADVICE = (
    "Put the book's change into your file and say ingest --overwrite --files FILE, or put your file back as it was and "
    "pull again; pull FILE … brings only what you name"
)


def conflict(book_id: str, plan: IngestPlan, clashes: Sequence[Clash], hint: str) -> Conflict:
    """The error that lists paths only a person can decide, each with its reason and its three digests."""
    conflicts = [
        {
            "path": clash.path,
            "source": clash.source,
            "code": "CONFLICT",
            "reason": clash.reason,
            "expected_hash": (plan.last or {}).get(clash.path),
            "current_hash": plan.book.get(clash.path),
            "source_hash": plan.source.get(clash.path),
        }
        for clash in clashes
    ]
    files = "1 file" if len(clashes) == 1 else f"{len(clashes)} files"
    return Conflict("pull", book_id, f"{files} of yours cannot be pulled over", hint, conflicts=conflicts)


@contextlib.contextmanager
def told(source_dir: str) -> Iterator[None]:
    """Turn what the file system says into words for the user."""
    try:
        yield
    except OSError as fault:
        if fault.errno in _FULL:
            raise NoSpace(
                "pull", source_dir, f"cannot be written: {fault.strerror}", "Free some space and run it again"
            ) from fault
        raise ConfigInvalid(
            "pull", shown(fault.filename if isinstance(fault.filename, str) else source_dir),
            f"cannot be used: {fault.strerror or fault}",
            "Check that the source folder can be written, then run it again", key="source_dir",
        ) from fault  # fmt: skip

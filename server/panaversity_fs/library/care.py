"""The library's share of looking after a store: collecting, inspecting, repairing, rebuilding, carrying books about.

One facade for what operators do from the command line; the work is in the modules named after it.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import BinaryIO

from panaversity_fs.core.digest import Digest
from panaversity_fs.library.answers import Caller, CommitResult
from panaversity_fs.library.collecting import Collected, collect
from panaversity_fs.library.exporting import Exported, export_book
from panaversity_fs.library.facade import Facade
from panaversity_fs.library.importing import Imported, import_book
from panaversity_fs.library.inspecting import Depth, Finding, inspect
from panaversity_fs.library.keeping import Policy
from panaversity_fs.library.pruning import Pruned, prune
from panaversity_fs.library.rebuilding import Rebuilding, rebuild
from panaversity_fs.library.repairing import Repair, repair


class Care(Facade):
    """What keeps a store in order."""

    def collect(
        self, policy: Policy | None = None, *, really: bool = False, book_id: str | None = None
    ) -> AsyncIterator[Collected]:
        """Let bytes go that nobody may ask for any more; dry unless ``really``."""
        return collect(self._context, policy or Policy(), really=really, book_id=book_id)

    def inspect(self, depth: Depth, book_id: str | None = None) -> AsyncIterator[Finding]:
        """Find and name damage."""
        return inspect(self._context, depth, book_id)

    def repair(
        self, findings: Sequence[Finding], *, really: bool = False, source: str | None = None
    ) -> AsyncIterator[Repair]:
        """Put right what was found; dry unless ``really``."""
        return repair(self._context, findings, really=really, source=source)

    def prune_audit(
        self, before: datetime, agent: str, *, really: bool = False, book_id: str | None = None
    ) -> AsyncIterator[Pruned]:
        """Let the particulars of audit entries older than this go (S38); dry unless ``really``. Raises ``ChainBroken``
        for a log that does not verify."""
        return prune(self._context, before, agent, really=really, book_id=book_id)

    async def rebuild(self, book_id: str, manifest: Digest, caller: Caller, settings: Rebuilding) -> CommitResult:
        """Make a lost book's rows again from a told manifest's text. Raises ``NotFound``, ``HashMismatch``, …"""
        return await rebuild(self._context, book_id, manifest, caller, settings)

    async def export_book(self, book_id: str, target: BinaryIO, log: BinaryIO, *, overlays: bool = False) -> Exported:
        """Write a book as one tar and its audit log beside it. Raises ``NotFound``, ``BookGone``."""
        return await export_book(self._context, book_id, target, log, overlays=overlays)

    async def import_book(self, book_id: str, source: BinaryIO, caller: Caller) -> Imported:
        """Make a book of an export. Raises ``Conflict`` where there is one, ``HashMismatch`` for a damaged export."""
        return await import_book(self._context, book_id, source, caller)

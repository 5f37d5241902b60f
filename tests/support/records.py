"""A record store in memory for the engine's tests. Knows the port; keeps everything, in order of use."""

from panaversity_builder.lifecycle import KeyDocument
from panaversity_builder.snapshots import Record


class MemoryRecords:
    """The engine's ``Records`` without a disk."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Record]] = {}

    def find(self, document: KeyDocument) -> Record | None:
        return next((r for r in self.kept.get(document.phase, ()) if r.document.key == document.key), None)

    def latest(self, phase_id: str) -> Record | None:
        return next(iter(self.kept.get(phase_id, ())), None)

    def remember(self, record: Record) -> None:
        key = record.document.key
        older = [r for r in self.kept.get(record.document.phase, ()) if r.document.key != key]
        self.kept[record.document.phase] = [record, *older]

    def forget(self, phase_id: str) -> None:
        """As if the records of one phase had been deleted."""
        self.kept.pop(phase_id, None)

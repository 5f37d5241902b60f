"""The figures of upkeep: when gc and fsck ran last and what came of it, and how the access log keeps up.

Commands that look after a store run beside the server and leave no process to scrape, so what they left in the store is
told here. Knows names and numbers handed in; asks nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge

PREFIX = "panaversityfs_"
DEPTHS = ("quick", "structure", "data", "audit")
FINDINGS = ("corrupt", "missing", "unverified", "audit", "unreferenced")


@dataclass(frozen=True, slots=True)
class UpkeepSeen:
    """What is known at a scrape: kind of run → (seconds since 1970, number by name), and the access log's (written,
    lost, waiting) notes since the start."""

    runs: Mapping[str, tuple[float, Mapping[str, int]]] = field(default_factory=dict)
    notes: tuple[int, int, int] = (0, 0, 0)


class UpkeepFigures:
    """The series, in the registry of one app."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(PREFIX + name, meaning, labels, registry=registry, multiprocess_mode="mostrecent")

        self._gc_at = gauge("gc_timestamp_seconds", "When gc went through all books last, 0: never")
        self._gc_objects = gauge("gc_removed_objects", "Objects that run removed")
        self._gc_bytes = gauge("gc_removed_bytes", "Bytes that run removed")
        self._gc_left = gauge("gc_books_left_alone", "Books that run could not judge")
        self._fsck_at = gauge("fsck_timestamp_seconds", "When fsck went through all books last, 0: never", "depth")
        self._fsck = gauge("fsck_findings", "What the last run of that depth found", "depth", "kind")
        self._written = Counter(PREFIX + "access_notes", "Notes of the access log written", registry=registry)
        self._lost = Counter(PREFIX + "access_notes_lost", "Notes of the access log lost", registry=registry)
        self._waiting = gauge("access_notes_waiting", "Notes of the access log that wait for being written")
        self._told = (0, 0)

    def tell(self, seen: UpkeepSeen) -> None:
        """Bring the series to what is known now."""
        at, found = seen.runs.get("gc", (0.0, {}))
        self._gc_at.set(at)
        self._gc_objects.set(found.get("objects", 0))
        self._gc_bytes.set(found.get("bytes", 0))
        self._gc_left.set(found.get("left_alone", 0))
        for depth in DEPTHS:
            at, found = seen.runs.get(f"fsck {depth}", (0.0, {}))
            self._fsck_at.labels(depth).set(at)
            for kind in FINDINGS:
                self._fsck.labels(depth, kind).set(found.get(kind, 0))
        written, lost, waiting = seen.notes
        self._written.inc(max(0, written - self._told[0]))
        self._lost.inc(max(0, lost - self._told[1]))
        self._told = (written, lost)
        self._waiting.set(waiting)

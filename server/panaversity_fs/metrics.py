"""Every figure the server tells Prometheus: names, kinds, labels, and the text of one scrape (REQUIREMENTS, S28).

With ``metrics_shared`` and ``metrics_upkeep`` the one home of ``prometheus_client``. Knows numbers and a fixed, small
set of label values; does not know requests, users, paths or where an event comes from. A label value it was not told of
beforehand becomes ``other``; the one label that grows is ``book_id`` of the journal's size, which is bounded too.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from panaversity_fs.metrics_shared import SHARED_FOLDER, UNKNOWN, AllProcesses, NaNIfUnknown, of_all
from panaversity_fs.metrics_upkeep import UpkeepFigures, UpkeepSeen

CONTENT_TYPE = CONTENT_TYPE_LATEST
PREFIX = "panaversityfs_"
OTHER = "other"
MAX_BOOKS = 1_000
"""Books the journal's size is told for, the largest first; one series each."""

SCOPES = ("content", "assets", "all")
WRITE_STATUSES = ("success", "conflict", "refused", "error")
WRITE_MODES = ("created", "updated", "deleted", "unchanged", "absent")
ARCHIVE_STATUSES = ("success", "partial", "refused", "error")
ANSWERS = ("unchanged", "delta", "full")
OUTCOMES = ("ok", "refused", "failed", "cut")
DOORS = ("mcp", "http")
SITE_EVENTS = ("hit", "miss", "stored", "present", "conflict", "expired", "evicted", "damaged")
WRITERS = (
    "write_content", "edit_content", "append_content", "delete_content", "restore_content", "upload_asset", "ingest",
    "create_book", "delete_book",
)  # fmt: skip
"""The operations that change a book, as the audit log names them."""
_SUM, _SUM_OF_LIVING, _LARGEST, _LEAST_OF_LIVING, _LATEST = "sum", "livesum", "max", "livemin", "mostrecent"
"""What a gauge that several processes set says of all of them."""

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120)

disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Scrape:
    """What is looked at when somebody asks: is each part well, is the process leaving, entries of each book."""

    database_up: bool
    storage_up: bool
    draining: bool
    read_only: bool
    journal_entries: Mapping[str, int] = field(default_factory=dict)
    site_cache: tuple[int, int] = (0, 0)
    """Built sites kept, and the bytes that hold them."""
    upkeep: UpkeepSeen = field(default_factory=UpkeepSeen)


class Metrics:
    """The figures of one app, in a registry of its own, so that two apps of one process never mix theirs.

    The methods without a door in their name are the library's ``Observer``. Counters only ever grow while the process
    lives; seconds and bytes are the only units. ``now`` answers seconds since 1970.
    """

    def __init__(self, version: str, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._registry = CollectorRegistry()
        self._own = CollectorRegistry()
        self._entries: Mapping[str, int] = {}
        self._names: dict[str, set[str]] = {door: {OTHER} for door in DOORS}
        self._codes: set[str] = {OTHER}
        self._broken: set[str] = set()
        self._declare_required()
        self._declare_doors()
        self._declare_state(version)
        self._start_at_zero()
        self._upkeep = UpkeepFigures(self._registry)
        self._shared = os.environ.get(SHARED_FOLDER)
        if self._shared is None:
            ProcessCollector(namespace=PREFIX.rstrip("_"), registry=self._own)
        else:
            self._own.register(AllProcesses(PREFIX.rstrip("_"), self._shared))
        self._own.register(self)  # see ``collect``

    def _declare_required(self) -> None:
        """The names the client fixed. Those that end neither in ``_total`` nor in a unit count all the same."""
        self._writes = self._counter("write", "Paths asked to be written or deleted", "status", "mode")
        self._write_seconds = self._histogram("write_duration_seconds", "Commits and refusals", _QUICK, "operation")
        self._archives = self._counter("archive", "Archives asked for", "scope", "status")
        self._archive_seconds = self._histogram("archive_duration_seconds", "Archives sent", _SLOW, "scope")
        self._archive_memory = self._gauge("archive_memory_bytes", "Growth of the process while the last archive left")
        self._delta_files = self._gauge("delta_files_count", "Files named by delta plans since the start", mode=_SUM)
        self._full_rebuilds = self._gauge(
            "full_rebuild_count", "Plans that named the whole book since the start", mode=_SUM
        )
        self._rollbacks = self._gauge("storage_rollback_count", "Stored blobs taken back since the start", mode=_SUM)
        # What one process found broken stays broken whatever another finds, until it finds that one intact.
        meaning = "1: logs verified are intact, 0: one is not, NaN: none was"
        self._chain = self._gauge("audit_chain_valid", meaning, mode=_LEAST_OF_LIVING)

    def _declare_doors(self) -> None:
        self._requests = self._counter("requests", "Calls and requests answered", "door", "name", "outcome")
        self._request_seconds = self._histogram("request_duration_seconds", "To the last byte", _QUICK, "door", "name")
        self._errors = self._counter("errors", "Error answers", "code")
        self._received = self._counter("received_bytes", "Bytes of request bodies", "name")
        self._sent = self._counter("sent_bytes", "Bytes of answers", "name")
        self._running = self._gauge("requests_running", "Requests being answered now", mode=_SUM_OF_LIVING)

    def _declare_state(self, version: str) -> None:
        self._plans = self._counter("plans", "Plans answered", "answer")
        self._database_up = self._gauge("database_up", "1: the database answers")
        self._storage_up = self._gauge("storage_up", "1: the storage takes a file and gives it back")
        self._draining = self._gauge("draining", "1: the process was told to stop")
        self._read_only = self._gauge("read_only", "1: every change is refused")
        self._site_events = self._counter("site_cache_events", "Built sites asked for, kept and let go", "event")
        self._sites = self._gauge("site_cache_sites", "Built sites kept")
        self._site_bytes = self._gauge("site_cache_bytes", "Bytes that hold the built sites kept")
        self._verified = self._gauge("audit_verified_timestamp_seconds", "When a log was verified last, 0: never")
        self._gauge("build_info", "Which version this is", "version", mode=_LARGEST).labels(version).set(1)

    def _start_at_zero(self) -> None:
        """Every series exists before its first event, or ``rate()`` would miss that event."""
        for labels in product(WRITE_STATUSES, WRITE_MODES):
            self._writes.labels(*labels)
        for labels in product(SCOPES, ARCHIVE_STATUSES):
            self._archives.labels(*labels)
        for operation in (*WRITERS, OTHER):
            self._write_seconds.labels(operation)
        for scope in SCOPES:
            self._archive_seconds.labels(scope)
        for answer in ANSWERS:
            self._plans.labels(answer)
        for event in SITE_EVENTS:
            self._site_events.labels(event)
        self._chain.set(UNKNOWN)
        self.expect_codes([OTHER])
        for door in DOORS:
            self.expect(door, [OTHER])

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, meaning, labels, registry=self._registry)

    def _gauge(self, name: str, meaning: str, *labels: str, mode: str = _LATEST) -> Gauge:
        return Gauge(PREFIX + name, meaning, labels, registry=self._registry, multiprocess_mode=mode)  # type: ignore[arg-type]

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(PREFIX + name, meaning, labels, registry=self._registry, buckets=buckets)

    # -- what the doors may name -------------------------------------------------------------------------------------

    def expect(self, door: str, names: Iterable[str]) -> None:
        """Tools or routes of one door; any other name counts as ``other``."""
        for name in names:
            self._names[door].add(name)
            self._request_seconds.labels(door, name)
            for outcome in OUTCOMES:
                self._requests.labels(door, name, outcome)
            if door == "http":
                self._received.labels(name)
                self._sent.labels(name)

    def expect_codes(self, codes: Iterable[str]) -> None:
        """Error codes that may be answered; any other counts as ``other``."""
        for code in codes:
            self._codes.add(code)
            self._errors.labels(code)

    def known(self, door: str, name: str) -> str:
        """The name if this door was told of it, else ``other``: what may stand in a label or a log line."""
        return name if name in self._names[door] else OTHER

    # -- the doors ---------------------------------------------------------------------------------------------------

    def began(self) -> None:
        """A request came in; ``answered`` follows for each."""
        self._running.inc()

    def ended(self) -> None:
        """It is gone, answered or not."""
        self._running.dec()

    def answered(self, door: str, name: str, outcome: str, seconds: float) -> None:
        """One call of a tool or request of a route, with one of ``OUTCOMES``."""
        name = self.known(door, name)
        self._requests.labels(door, name, outcome).inc()
        self._request_seconds.labels(door, name).observe(seconds)

    def failed_with(self, code: str) -> None:
        """One error answer."""
        self._errors.labels(code if code in self._codes else OTHER).inc()

    def transferred(self, name: str, received: int, sent: int) -> None:
        """Body bytes of one HTTP request and its answer, as they crossed the door."""
        name = self.known("http", name)
        self._received.labels(name).inc(received)
        self._sent.labels(name).inc(sent)

    def archived(self, scope: str, status: str, seconds: float, memory: int) -> None:
        """One archive that was asked for; ``memory`` is how many bytes the process grew meanwhile."""
        scope = scope if scope in SCOPES else "all"
        self._archives.labels(scope, status if status in ARCHIVE_STATUSES else "error").inc()
        if status in ("success", "partial"):
            self._archive_seconds.labels(scope).observe(seconds)
            self._archive_memory.set(memory)

    # -- the library -------------------------------------------------------------------------------------------------

    def wrote(self, operation: str, status: str, modes: Mapping[str, int], seconds: float) -> None:
        """One commit: how many paths in which mode, and how it ended."""
        for mode, count in modes.items():
            self._writes.labels(status, mode).inc(count)
        self._write_seconds.labels(operation if operation in WRITERS else OTHER).observe(seconds)

    def took_back(self, blobs: int) -> None:
        """Stored bytes that no commit named were removed again (FR-002)."""
        self._rollbacks.inc(blobs)

    def planned(self, answer: str, files: int) -> None:
        """One plan: ``unchanged``, ``delta`` (naming ``files``) or ``full``."""
        self._plans.labels(answer).inc()
        if answer == "delta":
            self._delta_files.inc(files)
        elif answer == "full":
            self._full_rebuilds.inc()

    def verified(self, book_id: str, intact: bool) -> None:
        """One book's audit log was verified (SC-004)."""
        if intact:
            self._broken.discard(book_id)
        elif len(self._broken) < MAX_BOOKS:
            self._broken.add(book_id)
        self._chain.set(0 if self._broken else 1)
        self._verified.set(self._now())

    def site_cache(self, event: str, count: int = 1) -> None:
        """So many built sites met with one of ``SITE_EVENTS``."""
        self._site_events.labels(event).inc(count)

    # -- the scrape --------------------------------------------------------------------------------------------------

    def text(self, scrape: Scrape) -> bytes:
        """Everything as Prometheus' text format."""
        self._database_up.set(scrape.database_up)
        self._storage_up.set(scrape.storage_up)
        self._draining.set(scrape.draining)
        self._read_only.set(scrape.read_only)
        self._upkeep.tell(scrape.upkeep)
        self._sites.set(scrape.site_cache[0])
        self._site_bytes.set(scrape.site_cache[1])
        self._entries = scrape.journal_entries
        figures = self._registry if self._shared is None else of_all(self._shared)
        told = CollectorRegistry()
        told.register(NaNIfUnknown(figures, PREFIX + "audit_chain_valid"))
        return generate_latest(told) + generate_latest(self._own)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The journal's size as just looked at: handed over, not kept, or a book that is gone would stay for ever in
        the figures of the processes that told it."""
        sizes = GaugeMetricFamily(
            PREFIX + "journal_entries_total", "Entries of a book that are there now", labels=["book_id"]
        )
        largest = sorted(self._entries.items(), key=lambda item: (-item[1], item[0]))
        for book_id, entries in largest[:MAX_BOOKS]:
            sizes.add_metric([book_id], entries)
        yield sizes

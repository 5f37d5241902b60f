"""Watches HTTP requests as they cross the door, and serves ``/metrics``.

Pure ASGI and outermost, because bodies stream through it: it counts their bytes, times the answer to its last byte and
knows how many requests run, which is what draining waits for. Knows the table of routes; does not know what they do.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panaversity_fs.api.accesses import note_request
from panaversity_fs.api.archive_metrics import ArchiveWatch
from panaversity_fs.api.noting import Note, begin_note, book_named, log_answer, outcome_of
from panaversity_fs.api.refusals import as_response
from panaversity_fs.api.service import Service
from panaversity_fs.core.errors import Unavailable
from panaversity_fs.library import Library
from panaversity_fs.metrics import CONTENT_TYPE, OTHER, Metrics, Scrape
from panaversity_fs.metrics_upkeep import UpkeepSeen

DOOR = "http"
HEALTH = ("/healthz", "/readyz", "/metrics")
"""Answered while draining, and no line in the log while they are answered well."""


def _sends_archive(name: str, scope: Scope) -> bool:
    return name.endswith("/archive") and scope["method"] == "GET"


class MetricsRoute:
    """The handler, bound to one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def metrics(self, _: Request) -> Response:
        """All figures as Prometheus' text. Looks at database, storage and journal on the way."""
        service, library = self._service, self._service.library
        health = await library.health()
        up = health.database == "ok"
        entries, sites = (await library.journal_entries(), await library.site_usage()) if up else ({}, (0, 0))
        scrape = Scrape(
            up, health.storage == "ok", service.draining, library.read_only, entries, sites,
            await _upkeep(library) if up else UpkeepSeen(),
        )  # fmt: skip
        text = service.metrics.text(scrape)
        return Response(text, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})


async def _upkeep(library: Library) -> UpkeepSeen:
    runs = {kind: (run.at.timestamp(), run.found) for kind, run in (await library.last_runs()).items()}
    return UpkeepSeen(runs, library.access_notes())


class Routes:
    """Turns a path into the name of its route: a few fixed words, whatever callers ask for."""

    def __init__(self, table: Iterable[tuple[str, str]], mcp_path: str) -> None:
        compiled = [(method, path, compile_path(path)[0]) for method, path in table]
        self._routes = [(method, pattern, f"{method} {path}") for method, path, pattern in compiled]
        self._mcp_path = mcp_path
        self.names = [*(name for _, _, name in self._routes), mcp_path]

    def name_of(self, scope: Scope) -> tuple[str, str | None]:
        """(name of the route, book id if the path holds one)."""
        if scope["path"] == self._mcp_path:
            return self._mcp_path, None
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        for wanted, pattern, name in self._routes:
            if method == wanted and (found := pattern.match(scope["path"])):
                return name, found.groupdict().get("book_id")
        return OTHER, None


class Watch:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, service: Service, routes: Routes) -> None:
        self._app = app
        self._service = service
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name, book_id = self._routes.name_of(scope)
        passing = _Passing(name, self._service.metrics, begin_note(), receive, send)
        passing.note.book_id = book_named(book_id)
        passing.archive = ArchiveWatch.of(scope) if _sends_archive(name, scope) else None
        health = scope["path"] in HEALTH
        app = _leaving if self._service.draining and not health else self._app
        counts = app is self._app and not health
        if counts:
            self._service.began()
        try:
            await app(scope, passing.receive, passing.send)
        finally:
            if counts:
                self._service.ended()
            passing.report(quiet=health)
            if not health:
                note_request(self._service, name, scope["path"], passing.note, passing.status, passing.began)


async def _leaving(scope: Scope, receive: Receive, send: Send) -> None:
    """What a request hears that comes while the process is stopping."""
    error = Unavailable("request", "server", "is being stopped", "Try again in a moment", retry_after=1)
    response = as_response(error)
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


@dataclass(slots=True)
class _Passing:
    """One request on its way through: what went in, what came out, whether the answer was completed."""

    name: str
    metrics: Metrics
    note: Note
    _receive: Receive
    _send: Send
    began: float = field(default_factory=time.monotonic)
    status: int = 0
    received: int = 0
    sent: int = 0
    complete: bool = False
    archive: ArchiveWatch | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
        if message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self.archive:
                self.archive.sent_some()

    @property
    def outcome(self) -> str:
        return outcome_of(self.note.code, self.status) if self.complete else "cut"

    def report(self, quiet: bool) -> None:
        """Count it and leave a line; a call of a tool has left its own and is not told twice."""
        seconds, outcome = time.monotonic() - self.began, self.outcome
        is_mcp = self.name.startswith("/")
        self.metrics.transferred(self.name, self.received, self.sent)
        self.metrics.answered(DOOR, self.name, outcome, seconds)
        if self.note.code and not is_mcp:
            self.metrics.failed_with(self.note.code)
        if self.archive:
            self.archive.report(self.metrics, outcome, self.note, seconds)
        if (quiet or is_mcp) and outcome == "ok":
            return
        if is_mcp and self.status == 200:
            return
        log_answer(self.name, outcome, self.note, seconds, door=DOOR, status=self.status or None,
                   received=self.received, sent=self.sent)  # fmt: skip

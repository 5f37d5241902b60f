"""The outermost layer of the HTTP app: request ids, Host and Origin, and errors of every route as one JSON form.

Knows requests and answers as ASGI messages; does not know any route. Pure ASGI, because bodies stream through it.
"""

import logging
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panaversity_fs.api import limits
from panaversity_fs.api.hosts import HostRule
from panaversity_fs.api.refusals import as_response, masked
from panaversity_fs.api.tracing import HEADER, begin
from panaversity_fs.core.errors import (
    Forbidden,
    InvalidArgument,
    NotFound,
    PanaversityError,
    TimedOut,
    TooLarge,
    Unauthenticated,
)
from panaversity_fs.core.paths import shown

logger = logging.getLogger("panaversity_fs.api")


class Edge:
    """Wraps the app. ``rule`` judges Host and Origin, ``mcp_path`` is the one route with a body limit of its own,
    ``patience`` bounds the waiting for bodies (S22), also while one is drained."""

    def __init__(
        self, app: ASGIApp, rule: HostRule, mcp_path: str, patience: Callable[[Receive], Receive] | None = None
    ) -> None:
        self._app = app
        self._patience = patience
        self._rule = rule
        self._mcp_path = mcp_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        receive = self._patience(receive) if self._patience else receive
        exchange = _Exchange(scope, receive, send, begin(Headers(scope=scope).get(HEADER)))
        refusal = self._two_ends(scope) or self._stranger(scope)
        if refusal is not None:
            await refusal(scope, receive, exchange.send)
            return
        try:
            self._check_size(scope)
            await self._app(self._accepting(scope), exchange.receive, exchange.send)
        except ClientDisconnect:
            return
        except PanaversityError as refused:
            await exchange.refuse(refused)
        except Exception as fault:  # noqa: BLE001 - the outer edge of every route
            await exchange.fail(fault)

    def _two_ends(self, scope: Scope) -> Response | None:
        """The answer to a request that says twice, and maybe differently, where it ends (RFC 9112, 6.1; S29).

        The connection is closed with it: what another server on the way took for a body must not be read as a request.
        """
        headers = Headers(scope=scope)
        if "transfer-encoding" not in headers or "content-length" not in headers:
            return None
        error = InvalidArgument(
            "request", "Content-Length", "comes with Transfer-Encoding", "Send one of them", name="Content-Length"
        )
        response = as_response(error, 400)
        response.headers["Connection"] = "close"
        return response

    def _stranger(self, scope: Scope) -> Response | None:
        """The answer to a request that was not meant for us: 421 for a foreign Host, 403 for a foreign Origin."""
        headers, server = Headers(scope=scope), scope.get("server")
        port = server[1] if server else None
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._rule.host_allowed(hosts[0], port, scope.get("scheme", "http")):
            error = InvalidArgument(
                "request", "Host", "is not a name of this server", "Add it to PANAVERSITY_ALLOWED_HOSTS if it is yours",
                name="Host",
            )  # fmt: skip
            return as_response(error, 421)
        if len(origins) > 1 or not self._rule.origin_allowed(origins[0] if origins else None, port):
            return as_response(Forbidden("request", "Origin", "is not a page of this server"))
        return None

    def _accepting(self, scope: Scope) -> Scope:
        """No ``Accept`` means anything will do (RFC 9110, 12.5.1); the MCP transport would answer 406."""
        if scope["path"] != self._mcp_path or "accept" in Headers(scope=scope):
            return scope
        return {**scope, "headers": [*scope["headers"], (b"accept", b"application/json, text/event-stream")]}

    def _check_size(self, scope: Scope) -> None:
        """Say where large bodies go, before the MCP transport refuses them with a bare line of text."""
        length = Headers(scope=scope).get("content-length", "0")
        if scope["path"] == self._mcp_path and length.isdigit() and int(length) > limits.MCP_BODY:
            raise TooLarge(
                "request", "MCP body", f"is larger than {limits.MCP_BODY} bytes",
                "Send bytes with PUT /books/{book_id}/blobs/{sha256}, then call upload_asset with that sha256",
                size=int(length), limit=limits.MCP_BODY,
            )  # fmt: skip


class _Exchange:
    """One request and its answer: knows whether the answer began and whether the body was read to its end."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, identity: str) -> None:
        self._scope, self._receive, self._send, self._identity = scope, receive, send, identity
        self._started = False
        self._asked = False
        self._ended = False

    async def receive(self) -> Message:
        self._asked = True
        message = await self._receive()
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(scope=message)
            headers[HEADER] = self._identity
            headers.setdefault("X-Content-Type-Options", "nosniff")
        await self._send(message)

    async def refuse(self, error: PanaversityError) -> None:
        """Answer an expected failure; once the answer began, cut the connection instead."""
        if self._started:
            logger.error("request %s: cut off while answering: %s", self._identity, error)
            return
        # Nobody knows whoever sends no token: he does not get us to read much.
        await self._drain(limits.DRAIN_STRANGER if isinstance(error, Unauthenticated) else limits.DRAIN)
        await as_response(error)(self._scope, self._receive, self.send)

    async def fail(self, fault: Exception) -> None:
        """Log a bug with the request's id; the caller gets only the id."""
        path = shown(self._scope["path"])
        logger.error("request %s: %s %s failed", self._identity, self._scope["method"], path, exc_info=fault)
        if not self._started:
            await self._drain()
            await as_response(masked(self._scope["method"], self._identity))(self._scope, self._receive, self.send)

    async def _drain(self, left: int = limits.DRAIN) -> None:
        """Read what the caller still sends, or it meets a reset connection instead of the answer.

        Not when it waits for ``100 Continue``: then it has sent nothing and the answer is all it needs.
        """
        if not self._asked and Headers(scope=self._scope).get("expect", "").lower() == "100-continue":
            return
        try:
            while not self._ended and left > 0:
                left -= len((await self.receive()).get("body", b""))
        except TimedOut:
            return


async def on_http_exception(request: Request, fault: Exception) -> Response:
    """The router's own refusals (no such route, wrong method) in our form."""
    status = fault.status_code if isinstance(fault, HTTPException) else 500
    headers = dict(fault.headers or {}) if isinstance(fault, HTTPException) else {}
    subject = shown(request.url.path)
    error: PanaversityError
    if status == 404:
        error = NotFound("request", subject, "there is no such route", "See the list of routes", kind="route")
    elif status == 405:
        error = InvalidArgument("request", subject, "does not take this method", "", name="method")
    else:
        error = InvalidArgument("request", subject, f"was refused with status {status}", "", name="request")
    response = as_response(error, status)
    response.headers.update(headers)
    return response

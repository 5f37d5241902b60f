"""The gate: the one place where requests become callers, in front of MCP and the data plane alike (S2, S3).

Knows the Authorization header and which paths are open; does not know what a caller may do (``permissions``). It stands
inside the edge, which turns what it raises into answers. Sessions count for nothing: every request brings its token.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from panaversity_fs.api.auth import LOCAL, NOBODY, Principal, bind
from panaversity_fs.api.auth_failures import FailedLogins
from panaversity_fs.api.noting import current_note
from panaversity_fs.api.permissions import METADATA_PATH, OPEN_PATHS
from panaversity_fs.core.errors import Unauthenticated


class Judge(Protocol):
    """Turns the text of a token into a caller. Raises ``Unauthenticated``."""

    async def principal(self, token: str) -> Principal: ...


class Admission(Protocol):
    """Lets one request of a subject in and notices when it is over. Raises ``RateLimited``."""

    def admitted(self, subject: str) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class Access:
    """What stands before the app. Without a ``judge`` authentication is off, and so are the limits.

    ``failures`` bounds how often an address comes with bad tokens, ``patience`` wraps the receiving of bodies,
    ``issuers`` are named to clients that look for a token.
    """

    judge: Judge | None = None
    admission: Admission | None = None
    failures: FailedLogins | None = None
    patience: Callable[[Receive], Receive] = lambda receive: receive
    issuers: tuple[str, ...] = ()


class Gate:
    """Wraps the app. While authentication is off every caller is this machine's user.

    ``public_url`` is how the server is reached from outside (None: as it was called).
    """

    def __init__(self, app: ASGIApp, access: Access, public_url: str | None = None) -> None:
        self._app, self._judge, self._admission = app, access.judge, access.admission
        self._failures = access.failures
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            principal = await self._principal(scope)
            bind(scope, principal)
            # Who is refused further in is known as well, not only who is heard.
            current_note().agent = principal.agent
            with self._admitted(principal):
                await self._app(scope, receive, send)

    async def _principal(self, scope: Scope) -> Principal:
        if self._judge is None:
            return LOCAL
        if scope["path"] in OPEN_PATHS:
            return NOBODY
        try:
            return await self._judged(self._judge, scope)
        except Unauthenticated as refused:
            refused.details["resource_metadata"] = f"{base_of(scope, self._public_url)}{METADATA_PATH}/mcp"
            raise

    async def _judged(self, judge: Judge, scope: Scope) -> Principal:
        """The caller a request's token stands for. Raises ``Unauthenticated``, ``RateLimited``."""
        token, address = bearer(scope), (scope.get("client") or (None,))[0]
        if self._failures is None:
            return await judge.principal(token)
        self._failures.admit(address, token)
        try:
            principal = await judge.principal(token)
        except Unauthenticated:
            self._failures.failed(address)
            raise
        self._failures.counted(token)
        return principal

    def _admitted(self, principal: Principal) -> AbstractContextManager[None]:
        if self._admission is None or principal in (LOCAL, NOBODY):
            return nullcontext()
        return self._admission.admitted(principal.subject)


def bearer(scope: Scope) -> str:
    """The token of a request: from the one Authorization header, never from the URL or the body (RFC 6750, 2.1).

    Raises ``Unauthenticated``.
    """
    values = Headers(scope=scope).getlist("authorization")
    hint = "Send Authorization: Bearer TOKEN (the builder does with PANAVERSITY_TOKEN)"
    if not values:
        raise Unauthenticated("request", "token", "none was sent", hint)
    scheme, _, token = values[0].partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("request", "token", "is not one bearer token", hint)
    return token.strip(" ")


def base_of(scope: Scope, public_url: str | None) -> str:
    """Where this server is reached: the public URL, else as the (checked) Host header says."""
    if public_url:
        return public_url.rstrip("/")
    return f"{scope.get('scheme', 'http')}://{Headers(scope=scope).get('host', 'localhost')}"

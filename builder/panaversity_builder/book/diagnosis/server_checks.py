"""Checks of the server: it answers, is of our time, takes our token, knows the book. PURE."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from panaversity_builder.book.diagnosis.facts import Facts, Finding

SKEW_SECONDS = 60.0
_SCOPES = ("scope", "scp", "scopes")


def reach(facts: Facts) -> Iterator[Finding]:
    """The server answers and is ready, or the embedded one can be started."""
    server = facts.server
    if server is None:
        if facts.machine.server_part:
            store = f"{facts.settings.root}/.panaversity/store"
            yield Finding("server", "ok", f"none is configured: the embedded one, with its store in {store}")
        else:
            hint = "Install it: pip install 'panaversity-fs[server]', or set PANAVERSITY_MCP_URL"
            yield Finding("server", "problem", "none is configured, and the embedded one is not installed", hint, 15)
    elif server.health is None:
        fault = server.error
        says = f"{fault.subject} {fault.problem}" if fault else "does not answer"
        yield Finding("server", "problem", says, fault.hint if fault else "", fault.exit_status if fault else 10)
    else:
        yield from _health(facts, server.health)


def _health(facts: Facts, health: Mapping[str, Any]) -> Iterator[Finding]:
    status, version = health.get("status"), str(health.get("version"))
    address = facts.settings.shown["server_url"][0]
    if status != "ready":
        yield Finding("server", "problem", f"{address} is {status}", "Look at its log", 10)
    elif version != facts.version:
        says = f"{address} has version {version}, this is {facts.version}"
        yield Finding("server", "warning", says, "Use the same version on both sides")
    else:
        yield Finding("server", "ok", f"{address} is ready (version {version})")
    if health.get("read_only"):
        yield Finding("server mode", "warning", "it is read-only: nothing can be ingested", "Ask who runs it")


def clock(facts: Facts) -> Iterator[Finding]:
    """Both clocks agree: tokens are judged by them."""
    server = facts.server
    if server is None or server.date is None or server.now is None:
        return
    apart = (server.date - server.now).total_seconds()
    if abs(apart) > SKEW_SECONDS:
        says = f"the server's is {abs(apart):.0f} s {'ahead' if apart > 0 else 'behind'}"
        yield Finding("clock", "warning", says, "Let both follow a time server: tokens are judged by it")
    else:
        yield Finding("clock", "ok", "agrees with the server's")


def token(facts: Facts) -> Iterator[Finding]:
    """What the token says of itself: subject, scopes, end. The server alone decides whether it is true."""
    if facts.server is None or facts.settings.token is None:
        return
    claims = token_claims(facts.settings.token)
    if claims is None:
        yield Finding("token", "warning", "is not a JSON web token; what it allows cannot be told from here")
        return
    scopes = scopes_of(claims)
    says = f"of {claims.get('sub', 'nobody')}: {' '.join(scopes) or 'no scopes'}"
    end = claims.get("exp")
    now = facts.server.now or datetime.now(UTC)
    if isinstance(end, int | float) and end <= now.timestamp():
        ended = f"ended {_span(now.timestamp() - end)} ago"
        yield Finding("token", "problem", f"{says}; {ended}", "Get a new one: panaversity-fs token", 16)
    else:
        left = f"; ends in {_span(end - now.timestamp())}" if isinstance(end, int | float) else ""
        yield Finding("token", "ok", says + left)


def permission(facts: Facts) -> Iterator[Finding]:
    """The server lets us plan, which is reading; what more we may do is in the token's scopes."""
    server = facts.server
    if server is None or server.health is None:
        return
    if server.refusal is not None:
        refusal = server.refusal
        yield Finding("access", "problem", f"{refusal.subject} {refusal.problem}", refusal.hint, refusal.exit_status)
    elif server.book is not None:
        yield Finding("access", "ok", "the book may be read" + _writing(facts))


def _writing(facts: Facts) -> str:
    claims = token_claims(facts.settings.token) if facts.settings.token else None
    if claims is None:
        return ""
    wanted = {f"book:{which}:{what}" for which in (facts.settings.book_id, "*") for what in ("write", "admin")}
    may = wanted & set(scopes_of(claims))
    return " and written" if may else "; the token does not say that it may be written"


def book(facts: Facts) -> Iterator[Finding]:
    """The book exists, or the first ingest will make it."""
    if facts.server is not None and facts.server.book == "unknown":
        says = f"{facts.settings.book_id} is not known to the server"
        yield Finding("book", "warning", says, "The first ingest creates it; check the name if it should be there")
    elif facts.server is not None and facts.server.book == "known":
        yield Finding("book", "ok", f"{facts.settings.book_id} is known to the server")


def token_claims(text: str) -> dict[str, Any] | None:
    """What a JSON web token says, unverified; None for anything else."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        body = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def scopes_of(claims: Mapping[str, Any]) -> list[str]:
    """The scopes a token claims, in every form the server reads."""
    found: list[str] = []
    for name in _SCOPES:
        value = claims.get(name)
        words = value.split() if isinstance(value, str) else value
        found += [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
    return found


def _span(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} seconds"

"""The authorisation table: what every tool, resource, prompt and route needs, and the one function that decides.

Deny by default: what has no row here is refused, and a test fails on it (S9, S12, S13). Knows names and needs; does not
know how calls arrive.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from panaversity_fs.api.auth import Principal
from panaversity_fs.api.auth_scopes import ADMIN, EVERY, READ, SITE_CACHE, WRITE
from panaversity_fs.core.errors import Forbidden, InvalidArgument, NotFound
from panaversity_fs.core.paths import require_book_id


class Where(StrEnum):
    """How the book of a call is found."""

    NAMED = "named"
    """The argument or path parameter ``book_id``, which must be there."""
    LISTED = "listed"
    """Any readable book will do; the answer is cut down to those (``book_id`` may narrow it further)."""
    EVERY = "every"
    """All books at once."""
    NOWHERE = "nowhere"
    """No book at all: open to everybody, without a token."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: the scope needed, on which book, and whether the call may name a user (whose overlay is meant).

    ``instead`` is another scope that will do as well.
    """

    need: str
    where: Where = Where.NAMED
    overlay: bool = False
    instead: str | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The scopes any of which is enough."""
        return (self.need,) if self.instead is None else (self.need, self.instead)


_READS, _WRITES, _ADMINS = Rule(READ), Rule(WRITE), Rule(ADMIN)
_READS_OVERLAY, _WRITES_OVERLAY = Rule(READ, overlay=True), Rule(WRITE, overlay=True)
_OPEN = Rule(READ, Where.NOWHERE)
_CACHE = Rule(SITE_CACHE)
# A key is the digest of a site's sources: who can name one has them, and who reads the book may have its site.
_CACHE_READ = Rule(SITE_CACHE, instead=READ)
_ANY = Rule(READ, Where.LISTED)

TOOLS = {
    "read_content": _READS_OVERLAY,
    "write_content": _WRITES_OVERLAY,
    "edit_content": _WRITES_OVERLAY,
    "append_content": _WRITES_OVERLAY,
    "delete_content": _WRITES_OVERLAY,
    "upload_asset": _WRITES,
    "get_asset": _READS,
    "list_assets": _READS,
    "list_books": _ANY,
    "glob_search": _READS_OVERLAY,
    "grep_search": _READS_OVERLAY,
    "plan_build": _READS,
    "delta_build": _READS,
    "get_book_archive": _READS,
    "validate_book_structure": _READS,
    "validate_book": _READS,
    # The log shows what every user did in his overlay.
    "query_audit_log": _ADMINS,
    "verify_audit": _READS,
    "history": _READS_OVERLAY,
    "diff_content": _READS_OVERLAY,
    "restore_content": _WRITES_OVERLAY,
    "create_book": _WRITES,
    "delete_book": _ADMINS,
}
"""Tools by name (DESIGN 7)."""

RESOURCES = {"book://{book_id}/{path*}": _READS}
"""Resource templates; the first part of such a URI is the book."""

PROMPTS = _ANY
"""Prompts hold no content of any book."""

METHODS = frozenset({
    "initialize", "ping", "server/discover", "logging/setLevel",
    "tools/list", "tools/call", "prompts/list", "prompts/get",
    "resources/list", "resources/templates/list", "resources/read",
})  # fmt: skip
"""MCP requests that a token's bearer may send at all; each of those that touch content is judged again."""

METADATA_PATH = "/.well-known/oauth-protected-resource"
ROUTES = {
    ("GET", "/healthz"): _OPEN,
    ("GET", "/readyz"): _OPEN,
    ("GET", METADATA_PATH): _OPEN,
    ("GET", METADATA_PATH + "/mcp"): _OPEN,
    ("GET", "/metrics"): Rule(READ, Where.EVERY),
    ("GET", "/books/{book_id}/blobs/{digest}"): _READS,
    ("PUT", "/books/{book_id}/blobs/{digest}"): _WRITES,
    ("GET", "/books/{book_id}/uploads/{digest}"): _WRITES,
    ("GET", "/books/{book_id}/files/{path:path}"): _READS,
    ("POST", "/books/{book_id}/packs"): _READS,
    ("POST", "/books/{book_id}/changesets"): _WRITES,
    ("GET", "/books/{book_id}/manifests/{digest}"): _READS,
    ("GET", "/books/{book_id}/manifests/{digest}/metadata"): _READS,
    ("GET", "/books/{book_id}/archive"): _READS,
    ("GET", "/books/{book_id}/site-cache/{key}"): _CACHE_READ,
    ("PUT", "/books/{book_id}/site-cache/{key}"): _CACHE,
}
"""Routes by method and path (DESIGN 8); none serves overlays. ``/mcp`` is no row: the gate wants a token there, and the
tables above do the rest."""

OPEN_PATHS = frozenset(path for (_, path), rule in ROUTES.items() if rule.where is Where.NOWHERE)


def authorise(
    rule: Rule | None, principal: Principal, operation: str, book_id: object, users: Iterable[object]
) -> None:
    """Let the call pass or raise. ``book_id`` and ``users`` are what the call names, as it came; None: names nothing.

    Raises ``Forbidden`` (naming the scope required), ``InvalidArgument`` for a book id that is none, and ``NotFound``
    for the overlay of somebody else, whether or not it exists (S12).
    """
    if rule is None:
        raise Forbidden(operation, "request", "is open to nobody")
    if rule.where is Where.NOWHERE:
        return
    if rule.where is Where.LISTED:
        if not any(map(principal.grants.may_somewhere, rule.needs)):
            raise _lacking(operation, "books", f"book:<id>:{rule.need}")
        return
    book = EVERY if rule.where is Where.EVERY else _book(book_id, operation)
    if not any(principal.grants.may(book, need) for need in rule.needs):
        raise _lacking(operation, "books" if book == EVERY else book, f"book:{book}:{rule.need}")
    for user in users:
        if user is not None and not rule.overlay:
            reason = "is not an argument here"
            raise InvalidArgument(operation, "user_id", reason, "Leave it out", name="user_id", reason=reason)
        require_own(principal, user, operation)


def visible(rule: Rule | None, principal: Principal) -> bool:
    """True when some call under this rule could pass: what may be shown in a list (S9)."""
    if rule is None:
        return False
    if rule.where is Where.EVERY:
        return any(principal.grants.may(EVERY, need) for need in rule.needs)
    return rule.where is Where.NOWHERE or any(map(principal.grants.may_somewhere, rule.needs))


def require_own(principal: Principal, user_id: object, operation: str) -> None:
    """Raise ``NotFound`` where this user's overlay is not the principal's to see. Says nothing about the user: the
    answer is the same for users who have no overlay, and for users who are none."""
    if user_id is not None and user_id != principal.subject and not principal.grants.overlays:
        problem, hint = "there is none for you under this user_id", "Leave user_id out, or name yourself"
        raise NotFound(operation, "overlay", problem, hint, kind="overlay")


def _book(book_id: object, operation: str) -> str:
    if not isinstance(book_id, str):
        raise InvalidArgument(operation, "book_id", "is required", "Name a book", name="book_id", reason="is required")
    return require_book_id(book_id, operation)


def _lacking(operation: str, subject: str, scope: str) -> Forbidden:
    problem = f"insufficient scope (required: {scope})"
    return Forbidden(operation, subject, problem, "Ask for a token with this scope", scopes=[scope])

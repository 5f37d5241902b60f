"""What a token allows: its scopes, read from claims or from a GitHub workflow's identity, and asked as questions.

Pure. Knows the grammar of scopes (``book:<id|*>:read|write|admin``, ``book:<id|*>:site-cache``, ``overlay:admin``);
does not know tokens, signatures or what any tool needs (that is ``permissions``).
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

READ, WRITE, ADMIN, SITE_CACHE = "read", "write", "admin", "site-cache"
OVERLAY_ADMIN = "overlay:admin"
EVERY = "*"

_SCOPE = re.compile(r"book:([a-z0-9][a-z0-9-]{1,62}|\*):(read|write|admin|site-cache)", re.ASCII)
_COVERED_BY = {READ: (READ, WRITE, ADMIN), WRITE: (WRITE, ADMIN), ADMIN: (ADMIN,), SITE_CACHE: (SITE_CACHE,)}
_CLAIMS = ("scope", "scp", "scopes")


@dataclass(frozen=True, slots=True)
class Grants:
    """The well-formed scopes of one token; whatever else it names grants nothing."""

    scopes: frozenset[str] = frozenset()

    def may(self, book_id: str, need: str) -> bool:
        """True when some scope gives ``need`` (or more) on this book. ``*`` as book asks for all books."""
        books = {book_id, EVERY}
        return any(f"book:{book}:{level}" in self.scopes for book in books for level in _COVERED_BY[need])

    def may_somewhere(self, need: str) -> bool:
        """True when some scope gives ``need`` (or more) on at least one book."""
        return any(scope.endswith(tuple(f":{level}" for level in _COVERED_BY[need])) for scope in self._of_books())

    @property
    def overlays(self) -> bool:
        """True when overlays of other users are open to this token."""
        return OVERLAY_ADMIN in self.scopes

    def _of_books(self) -> Iterable[str]:
        return (scope for scope in self.scopes if scope.startswith("book:"))


EVERYTHING = Grants(frozenset({"book:*:admin", "book:*:site-cache", OVERLAY_ADMIN}))


def is_scope(text: object) -> bool:
    """True when this is a scope of ours."""
    return isinstance(text, str) and (text == OVERLAY_ADMIN or _SCOPE.fullmatch(text) is not None)


def grants_of(scopes: Iterable[object]) -> Grants:
    """The grants that these scope texts stand for; foreign and malformed ones are left out."""
    return Grants(frozenset(str(scope) for scope in scopes if is_scope(scope)))


def scopes_in(claims: Mapping[str, Any]) -> list[str]:
    """Every scope text of the claims ``scope``, ``scp`` and ``scopes``: text parted by spaces, or a list of text."""
    found: list[str] = []
    for claim in _CLAIMS:
        value = claims.get(claim)
        if isinstance(value, str):
            found += value.split(" ")
        elif isinstance(value, list):
            found += [scope for scope in value if isinstance(scope, str)]
    return found


class RefRule(Protocol):
    """Which scopes the workflows of ``repository`` get on refs that the glob ``ref`` fits."""

    @property
    def repository(self) -> str: ...
    @property
    def ref(self) -> str: ...
    @property
    def scopes(self) -> Sequence[str]: ...


def github_scopes(claims: Mapping[str, Any], rules: Sequence[RefRule]) -> list[str]:
    """The scopes of a GitHub Actions token: of every rule whose repository is the token's and whose ref fits.

    A token's own scope claims are not asked: GitHub issues none, and whoever could add some could grant himself all.
    An unknown repository or ref gets no scopes.
    """
    repository, ref = claims.get("repository"), claims.get("ref")
    if not isinstance(repository, str) or not isinstance(ref, str):
        return []
    return [
        scope
        for rule in rules
        if rule.repository == repository and fnmatch.fnmatchcase(ref, rule.ref)
        for scope in rule.scopes
    ]

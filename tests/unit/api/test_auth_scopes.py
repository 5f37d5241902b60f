"""Scopes: their grammar, what covers what, where claims keep them, and those of GitHub workflows (S13)."""

import itertools
from typing import Any

import pytest

from panaversity_fs.api.auth_scopes import EVERYTHING, github_scopes, grants_of, is_scope, scopes_in
from panaversity_fs.config import GithubRule

LEVELS = ["read", "write", "admin"]


@pytest.mark.parametrize(("given", "asked"), list(itertools.product(LEVELS, LEVELS)), ids=str)
@pytest.mark.parametrize("star", [True, False])
def test_S13_admin_holds_write_holds_read(given: str, asked: str, star: bool) -> None:
    grants = grants_of([f"book:{'*' if star else 'one'}:{given}"])
    enough = LEVELS.index(given) >= LEVELS.index(asked)
    assert grants.may("one", asked) is enough
    assert grants.may("other", asked) is (enough and star)
    assert grants.may("*", asked) is (enough and star)
    assert grants.may("one-2", asked) is grants.may("on", asked) is (enough and star)
    assert grants.may_somewhere(asked) is enough
    assert grants.may("one", "site-cache") is grants.may_somewhere("site-cache") is False


def test_the_site_cache_is_a_scope_of_its_own() -> None:
    grants = grants_of(["book:one:site-cache"])
    assert grants.may("one", "site-cache")
    assert not any(grants.may("one", level) or grants.may_somewhere(level) for level in LEVELS)


def test_overlay_admin_opens_no_book() -> None:
    grants = grants_of(["overlay:admin"])
    assert grants.overlays
    assert not any(grants.may(book, need) for book in ("*", "one") for need in [*LEVELS, "site-cache"])
    assert not any(grants.may_somewhere(need) for need in LEVELS)
    assert not grants_of(["book:*:admin"]).overlays


def test_the_local_user_may_do_everything() -> None:
    assert all(EVERYTHING.may(book, need) for book in ("*", "x") for need in [*LEVELS, "site-cache"])
    assert EVERYTHING.overlays


@pytest.mark.parametrize(
    "text",
    ["", "book", "book:one", "book:one:", "book::read", "book:one:READ", "Book:one:read", "book:One:read",
     "book:one:read:more", "book:one:owner", " book:one:read", "book:one:read\n", "book:**:read", "book:on*:read",
     "book:a:read", "book:" + "a" * 64 + ":read", "book:öne:read", "overlay:*", "overlay:admin:x", "*", "admin",
     "book:one/read", 1, None, ["book:one:read"]],
    ids=repr,
)  # fmt: skip
def test_S13_what_is_no_scope_grants_nothing(text: object) -> None:
    assert not is_scope(text)
    assert grants_of([text]).scopes == frozenset()


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "book:a1:read book:b1:write"}, ["book:a1:read", "book:b1:write"]),
        ({"scp": ["book:a1:read"]}, ["book:a1:read"]),
        ({"scopes": ["book:a1:read", 7, None, {"x": 1}]}, ["book:a1:read"]),
        ({"scope": "one", "scp": ["two"], "scopes": "three"}, ["one", "two", "three"]),
        ({"scope": 7, "scp": {"book:a1:admin": True}, "roles": "book:a1:admin"}, []),
        ({}, []),
    ],
    ids=str,
)
def test_scopes_are_read_from_the_claims_that_issuers_use(claims: dict[str, Any], scopes: list[str]) -> None:
    assert scopes_in(claims) == scopes


RULES = [
    GithubRule(repository="org/book", ref="refs/heads/main", scopes=("book:a1:write",)),
    GithubRule(repository="org/book", ref="refs/heads/*", scopes=("book:a1:read",)),
    GithubRule(repository="org/book", ref="refs/tags/v[0-9]*", scopes=("book:a1:admin", "book:a1:site-cache")),
]


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"repository": "org/book", "ref": "refs/heads/main"}, ["book:a1:write", "book:a1:read"]),
        ({"repository": "org/book", "ref": "refs/heads/topic/x"}, ["book:a1:read"]),
        ({"repository": "org/book", "ref": "refs/tags/v1.0"}, ["book:a1:admin", "book:a1:site-cache"]),
        ({"repository": "org/book", "ref": "refs/tags/x"}, []),
        ({"repository": "org/book", "ref": "refs/pull/7/merge"}, []),
        ({"repository": "org/book", "ref": "REFS/HEADS/MAIN"}, []),
        ({"repository": "org/book", "ref": "x/refs/heads/main"}, []),
        ({"repository": "org/book2", "ref": "refs/heads/main"}, []),
        ({"repository": "evil/book", "ref": "refs/heads/main"}, []),
        ({"repository": "ORG/BOOK", "ref": "refs/heads/main"}, []),
        ({"repository": "org/book"}, []),
        ({"repository": ["org/book"], "ref": "refs/heads/main"}, []),
        ({"ref": "refs/heads/main"}, []),
        # Nothing that the token says of scopes counts, and nothing but its repository and ref.
        ({"scope": "book:*:admin", "scp": ["book:*:admin"], "repository_owner": "org", "sub": "repo:org/book"}, []),
    ],
    ids=str,
)
def test_a_workflow_has_the_scopes_of_its_repository_and_ref(claims: dict[str, Any], scopes: list[str]) -> None:
    assert github_scopes(claims, RULES) == scopes


def test_without_rules_a_workflow_has_no_scopes() -> None:
    assert github_scopes({"repository": "org/book", "ref": "refs/heads/main"}, []) == []

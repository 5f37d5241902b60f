"""The one decision of the authorisation table, and the gate that tells it who asks (S12, S13)."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from panaversity_fs.api.auth import LOCAL, NOBODY, Principal, bind, principal_of
from panaversity_fs.api.auth_scopes import grants_of
from panaversity_fs.api.permissions import ROUTES, TOOLS, Rule, Where, authorise, visible
from panaversity_fs.api.refusals import as_response
from panaversity_fs.core.errors import Forbidden, InvalidArgument, NotFound, PanaversityError, Unauthenticated

RULES = [*TOOLS.values(), *ROUTES.values()]


def principal(*scopes: str, subject: str = "alice") -> Principal:
    return Principal(subject, None, grants_of(scopes))


def test_S13_what_has_no_row_is_refused_to_everybody() -> None:
    for who in (LOCAL, principal("book:*:admin", "overlay:admin"), NOBODY):
        with pytest.raises(Forbidden):
            authorise(None, who, "op", "one", [])
        assert not visible(None, who)


def test_S13_nobody_passes_the_open_rows_only() -> None:
    for rule in RULES:
        if rule.where is Where.NOWHERE:
            authorise(rule, NOBODY, "op", None, [])
        else:
            with pytest.raises(Forbidden):
                authorise(rule, NOBODY, "op", "one", [])


def test_the_local_user_passes_every_row() -> None:
    for rule in RULES:
        authorise(rule, LOCAL, "op", "one", ["anybody"] if rule.overlay else [])
        assert visible(rule, LOCAL)


def test_a_refusal_names_the_scope_in_words_and_as_data() -> None:
    with pytest.raises(Forbidden) as refused:
        authorise(TOOLS["write_content"], principal("book:one:read"), "write_content", "one", [])
    assert str(refused.value) == (
        "write_content: one: insufficient scope (required: book:one:write). Ask for a token with this scope."
    )
    assert refused.value.details == {"scopes": ["book:one:write"]}
    with pytest.raises(Forbidden, match=r"required: book:\*:read"):
        authorise(ROUTES["GET", "/metrics"], principal("book:one:admin"), "metrics", None, [])


@given(
    scopes=st.lists(
        st.builds(
            "book:{}:{}".format, st.sampled_from(["one", "two", "*"]),
            st.sampled_from(["read", "write", "admin", "site-cache"]),
        )
    ),
    rule=st.sampled_from(RULES),
    more=st.sampled_from(["read", "write", "admin", "site-cache"]),
)  # fmt: skip
def test_S13_more_scopes_never_allow_less(scopes: list[str], rule: Rule, more: str) -> None:
    def passes(*given: str) -> bool:
        try:
            authorise(rule, principal(*given), "op", "one", [])
        except Forbidden:
            return False
        return True

    if passes(*scopes):
        assert passes(*scopes, f"book:one:{more}")
        assert passes(*scopes, f"book:*:{more}")
    # A scope of another book changes nothing for this one.
    if rule.where is Where.NAMED:
        assert passes(*scopes) is passes(*scopes, f"book:two:{more}")


@pytest.mark.parametrize(
    ("error", "challenge"),
    [
        (Unauthenticated("request", "token", "none was sent"), "Bearer"),
        (Unauthenticated("request", "token", "has expired", reason="invalid_token"), 'Bearer error="invalid_token"'),
        (
            Unauthenticated("request", "token", "none", resource_metadata="https://x.example/m"),
            'Bearer resource_metadata="https://x.example/m"',
        ),
        (
            Forbidden("write", "one", "no", scopes=["book:one:write"]),
            'Bearer error="insufficient_scope", scope="book:one:write"',
        ),
        (Forbidden("request", "Origin", "is not a page of this server"), None),
        (NotFound("read", "x", "nothing"), None),
    ],
    ids=str,
)
def test_only_what_a_better_token_would_change_is_a_challenge(error: PanaversityError, challenge: str | None) -> None:
    """RFC 6750, section 3: a foreign page is not helped by a token."""
    assert as_response(error).headers.get("WWW-Authenticate") == challenge


ALICE = "alice"
NOT_ALICE = [
    "bob",
    "Alice",
    "ALICE",
    "alice ",
    " alice",
    "alic",
    "alice\x00",
    "ａlice",
    "",
    "*",
    "__base__",
    7,
    [ALICE],
]


@pytest.mark.parametrize("user", NOT_ALICE, ids=repr)
def test_S12_only_exactly_the_subject_is_oneself(user: object) -> None:
    rule = TOOLS["read_content"]
    authorise(rule, principal("book:one:read"), "op", "one", [ALICE, None])
    for users in ([user], [ALICE, user], [user, ALICE]):
        with pytest.raises(NotFound) as refused:
            authorise(rule, principal("book:one:read"), "op", "one", users)
        assert refused.value.to_wire() == {
            "error": {
                "code": "NOT_FOUND", "message": "op: overlay: there is none for you under this user_id.",
                "retryable": False, "hint": "Leave user_id out, or name yourself.", "kind": "overlay",
            }
        }  # fmt: skip


def test_S12_the_book_is_judged_before_the_overlay() -> None:
    """Who may not read the book learns nothing of overlays in it, his own included."""
    for user in (ALICE, "bob"):
        with pytest.raises(Forbidden):
            authorise(TOOLS["read_content"], principal("overlay:admin"), "op", "one", [user])


def test_a_row_without_overlays_takes_no_user() -> None:
    for rule, who in itertools.product([TOOLS["plan_build"], ROUTES["POST", "/books/{book_id}/packs"]], [LOCAL]):
        with pytest.raises(InvalidArgument):
            authorise(rule, who, "op", "one", ["anybody"])


@pytest.mark.parametrize("book", [None, 7, "", "*", "One", "a", "one/../two", ["one"]], ids=repr)
def test_a_book_that_is_none_is_refused(book: object) -> None:
    with pytest.raises(PanaversityError) as refused:
        authorise(TOOLS["read_content"], principal("book:*:admin"), "op", book, [])
    assert refused.value.code == "INVALID_ARGUMENT"


def test_a_request_that_no_gate_let_in_has_no_rights() -> None:
    """A forgotten gate must close doors, not open them."""
    scope = {"type": "http", "headers": [], "method": "GET", "path": "/"}
    with pytest.raises(Unauthenticated):
        principal_of(Request(scope))
    scope["panaversity_fs.principal"] = "alice"
    with pytest.raises(Unauthenticated):
        principal_of(Request(scope))
    bind(scope, NOBODY)
    assert principal_of(Request(scope)) is NOBODY
    assert principal_of(None) is LOCAL

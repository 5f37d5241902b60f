"""The pure rules behind the actions: what becomes of an input, and when and under which key a cache is used."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actions.action_file import ACTIONS
from actions.steps import caching, inputs, scene, site_stages

ANY = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
VALUES = st.sampled_from(
    ["", " ", *TRUE, *FALSE, "yes", "1", "on", "auto", "full", "fail", "strict", "$(touch x)", "--force", "a\nb=c"]
) | ANY  # fmt: skip


@st.composite
def given_inputs(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    name = draw(st.sampled_from(ACTIONS))
    return name, draw(st.dictionaries(st.sampled_from([one.name for one in inputs.INPUTS[name]]), VALUES))


@given(given_inputs())
def test_S30_no_text_of_a_caller_becomes_a_flag(case: tuple[str, dict[str, str]]):
    name, values = case
    found = inputs.given(name, json.dumps(values))
    ours = {one.becomes for one in inputs.INPUTS[name] if one.kind == "switch"}
    try:
        found.judge()
    except inputs.Refused as error:
        said = str(error)
        assert "\n" not in said
        return
    assert set(found.flags()) <= ours
    for variable, value in found.variables().items():
        assert variable.startswith("PANAVERSITY_")
        assert value
        assert value in {text.strip() for text in values.values()}


@given(VALUES)
def test_a_switch_is_a_boolean_or_refused(value: str):
    found = inputs.given("ingest", json.dumps({"dry-run": value}))
    word = value.strip()
    if word in (*TRUE, *FALSE, ""):
        assert found.is_on("dry-run") is (word in TRUE)
        assert ("--dry-run" in found.flags()) is (word in TRUE)
    else:
        with pytest.raises(inputs.Refused, match="neither true nor false"):
            found.judge()


@given(ANY)
def test_inputs_that_are_no_object_are_refused_or_empty(text: str):
    try:
        assert isinstance(inputs.given("setup", text).variables(), dict)
    except inputs.Refused as error:
        assert "not a JSON object" in str(error)  # noqa: PT017 — some texts are objects


def job(**more: object) -> "caching.Job":
    plain = {"event": "push", "ref": "refs/heads/main", "ref_type": "branch", "self_hosted": False}
    return caching.Job(**{**plain, "default_branch": "main", **more})  # type: ignore[arg-type]


NOBODY = inputs.given("hydrate", "{}")


@pytest.mark.parametrize(
    ("more", "reads", "writes"),
    [
        ({}, True, True),
        ({"ref": "refs/heads/topic"}, True, False),
        ({"event": "pull_request", "ref": "refs/pull/1/merge"}, True, False),
        ({"event": "schedule", "default_branch": None}, True, True),
        ({"event": "workflow_dispatch"}, True, True),
        ({"default_branch": None}, True, False),
        ({"event": "pull_request_target"}, False, False),
        ({"event": "workflow_run"}, False, False),
        ({"event": "release", "ref": "refs/tags/v1", "ref_type": "tag"}, False, False),
        ({"ref": "refs/tags/v1", "ref_type": "tag"}, False, False),
        ({"self_hosted": True}, False, False),
    ],
)
def test_a_cache_is_read_where_it_cannot_be_poisoned_and_written_by_main(more: dict, reads: bool, writes: bool):
    assert (caching.is_restored(job(**more), NOBODY), caching.is_saved(job(**more), NOBODY)) == (reads, writes)


def test_wishes_win_over_auto():
    for words, expected in [
        ({"enable-cache": "true"}, (True, False)),
        ({"enable-cache": "true", "save-cache": "true"}, (True, True)),
        ({"enable-cache": "false", "save-cache": "true"}, (False, False)),
        ({"enable-cache": "true", "restore-cache": "false", "save-cache": "true"}, (False, True)),
    ]:
        wish = inputs.given("hydrate", json.dumps(words))
        tag = job(ref="refs/tags/v1", ref_type="tag")
        assert (caching.is_restored(tag, wish), caching.is_saved(tag, wish)) == expected


SUFFIX = st.from_regex(r"[A-Za-z0-9._-]{0,12}", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True)
CACHE = st.tuples(NAMES, st.text(max_size=8), SUFFIX)


def made(cache: tuple[str, str, str], run: int) -> "caching.Keys":
    book, server, suffix = cache
    wish = inputs.given("hydrate", json.dumps({"cache-suffix": suffix}))
    return caching.keys("book", [book], [server], wish, job(run=str(run)))


@given(CACHE, CACHE, st.integers(1, 10**12), st.integers(1, 10**12))
@example(("demo", "", "a"), ("demo", "", "a-b"), 1, 1)
@example(("demo", "", ""), ("demo", "", "-1"), 1, 1)
@settings(max_examples=200)
def test_a_key_is_found_by_the_beginning_of_its_own_cache_only(one: tuple, other: tuple, a: int, b: int):
    found = made(one, a).key.startswith(made(other, b).restore)
    assert found is (one == other)
    assert len(made(one, a).key) < 512


@pytest.mark.parametrize("suffix", ["a b", "a,b", "$(x)", "a\nb", "x" * 65, "é"])
def test_a_suffix_that_no_key_can_hold_is_refused(suffix: str):
    with pytest.raises(inputs.Refused, match="input cache-suffix"):
        made(("demo", "", suffix), 1)


def test_S34_secrets_are_told_line_by_line():
    found = inputs.given("manifest-diff", json.dumps({"token": "one\ntwo", "github-token": "three"}))
    assert list(found.secrets()) == ["one", "two", "three"]


@pytest.mark.parametrize(("odd", "name"), [("site-dir", "input site-dir"), ("output-dir", "input output-dir")])
def test_S32_a_path_that_a_cache_would_read_as_a_pattern_is_refused_where_one_is_used(odd: str, name: str):
    def prepared(enabled: str) -> int:
        values = {"output-dir": "docs", "site-dir": "site", odd: "x*", "npm-ci": "false", "enable-cache": enabled}
        found = inputs.given("build", json.dumps(values))
        environ = {"PANAVERSITY_BOOK_ID": "demo", "PANAVERSITY_MCP_URL": "http://127.0.0.1:9"}
        return site_stages.prepare(scene.Scene("build", found, {**environ, **found.variables()}))

    with pytest.raises(inputs.Refused, match=f"{name}: holds signs that a cache would read as a pattern"):
        prepared("true")
    assert prepared("false") == 0

"""What ``doctor`` finds in which facts: every check once in order and once in each kind of trouble."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.diagnosis.checks import CHECKS, diagnose, exit_status
from panaversity_builder.book.diagnosis.facts import (
    Facts,
    Finding,
    MachineFacts,
    ServerFacts,
    SettingFacts,
    SourceFacts,
)
from panaversity_builder.book.diagnosis.server_checks import scopes_of, token_claims
from panaversity_builder.book.inspection.site_text import DocsPlugin, SiteText
from panaversity_builder.book.inspection.survey import Survey
from panaversity_builder.client.health import read_health
from panaversity_builder.console.findings import finding_lines, summary_line
from panaversity_fs.core.errors import BookGone, Forbidden, SourceRefused, Unavailable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHOWN = {
    "root": ("/p", "git root"),
    "book_id": ("demo", "/p/book.toml"),
    "server_url": ("https://b.example", "environment X"),
    "token": ("***", "environment PANAVERSITY_TOKEN"),
}


def token(**claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


GOOD = Facts(
    SettingFacts(
        SHOWN,
        "/p",
        "/p/site",
        "/p/docs",
        "/p/site/book",
        "demo",
        "https://b.example",
        token(sub="ada", scope="book:demo:write", exp=NOW.timestamp() + 7200),
    ),
    MachineFacts(
        free_bytes=10**11, node="v20.20.2", in_git=True, caches={"store": ("/p/.panaversity/store", 5 * 10**6)}
    ),
    Survey(
        "/p/site",
        "/p/site/docusaurus.config.js",
        SiteText((DocsPlugin("book"),), True),
        {},
        "/p/package-lock.json",
        "3.10.2",
        ("book/", ".panaversity/"),
    ),
    SourceFacts(files=3, size=1000, numbering="number-name"),
    ServerFacts({"status": "ready", "version": "1.0", "read_only": False}, NOW, NOW, book="known"),
    "1.0",
)


def changed(part, **fields):
    return replace(GOOD, **{part: replace(getattr(GOOD, part), **fields)})


def test_a_project_in_order_has_no_warning_and_no_problem():
    found = list(diagnose(GOOD))
    assert [one for one in found if one.level != "ok"] == []
    assert len(found) == len(CHECKS) - 1  # imports speak only of trouble
    assert exit_status(found) == 0


TROUBLE = [
    ("settings", {"book_id": None}, "settings", "problem", 15, "book_id is not set"),
    ("settings", {"shown": {**SHOWN, "root": ("/p", "current folder")}}, "project", "warning", 0, "/p"),
    ("settings", {"numbering": "name-number"}, "numbering", "ok", 0, "name-number (a setting)"),
    ("machine", {"unwritable": "Read-only file system"}, "state folder", "problem", 15, "Read-only file system"),
    ("machine", {"free_bytes": 2000}, "disk", "problem", 4, "free"),
    ("machine", {"free_bytes": 10**8}, "disk", "warning", 0, "0.1 GB free"),
    ("machine", {"node": None}, "node", "problem", 14, "does not run"),
    ("machine", {"node": "v18.1.0"}, "node", "problem", 14, "v18.1.0 is older than 20"),
    ("machine", {"caches": {}}, "caches", "ok", 0, "nothing is kept"),
    (
        "source",
        {"error": SourceRefused("ingest", "/p/docs", "does not exist")},
        "source",
        "problem",
        12,
        "does not exist",
    ),
    ("source", {"refused": ("a?.md has a ?",)}, "source", "problem", 12, "1 of 4 names are refused"),
    ("source", {"ignored": 2}, "source", "ok", 0, "2 ignored"),
    (
        "source",
        {"numbering": None, "doubt": SourceRefused("ingest", "numbering", "both ways")},
        "numbering",
        "problem",
        12,
        "both ways",
    ),
    ("source", {"site_imports": ("/p/docs/a.mdx",)}, "imports", "warning", 0, "1 file imports from @site/docs"),
    (
        "server",
        {"health": None, "error": Unavailable("doctor", "https://b.example", "cannot be reached")},
        "server",
        "problem",
        10,
        "cannot be reached",
    ),
    ("server", {"health": {"status": "draining", "version": "1.0"}}, "server", "problem", 10, "is draining"),
    ("server", {"health": {"status": "ready", "version": "0.9"}}, "server", "warning", 0, "version 0.9, this is 1.0"),
    (
        "server",
        {"health": {"status": "ready", "version": "1.0", "read_only": True}},
        "server mode",
        "warning",
        0,
        "read-only",
    ),
    ("server", {"date": NOW + timedelta(seconds=90)}, "clock", "warning", 0, "90 s ahead"),
    ("server", {"date": NOW - timedelta(seconds=90)}, "clock", "warning", 0, "90 s behind"),
    (
        "server",
        {"book": None, "refusal": Forbidden("plan_build", "demo", "needs book:demo:read")},
        "access",
        "problem",
        16,
        "needs book:demo:read",
    ),
    (
        "server",
        {"book": None, "refusal": BookGone("plan_build", "demo", "was deleted")},
        "access",
        "problem",
        2,
        "deleted",
    ),
    ("server", {"book": "unknown"}, "book", "warning", 0, "is not known"),
    (
        "settings",
        {"token": token(sub="ada", scope="book:demo:write", exp=NOW.timestamp() - 7200)},
        "token",
        "problem",
        16,
        "ended 2 hours ago",
    ),
    ("settings", {"token": "opaque"}, "token", "warning", 0, "cannot be told"),
    (
        "settings",
        {"token": token(sub="ada", scope="book:demo:read")},
        "access",
        "ok",
        0,
        "does not say that it may be written",
    ),
    ("settings", {"token": token(sub="ada", scopes=["book:*:admin"])}, "access", "ok", 0, "read and written"),
    ("site", {"config": None}, "site", "problem", 15, "no docusaurus.config file"),
    (
        "site",
        {"text": SiteText((DocsPlugin("docs"),), True)},
        "docs folder",
        "problem",
        15,
        "reads docs, hydrate fills book",
    ),
    ("site", {"text": SiteText((DocsPlugin(None),), True)}, "docs folder", "warning", 0, "does not tell"),
    ("site", {"text": SiteText((DocsPlugin("book"),), None)}, "faster", "warning", 0, "is not mentioned"),
    ("site", {"text": SiteText((DocsPlugin("book"),), False)}, "faster", "warning", 0, "is off"),
    (
        "site",
        {"installed": "3.9.1", "text": SiteText((DocsPlugin("book"),))},
        "faster",
        "warning",
        0,
        "needs Docusaurus 3.10",
    ),
    ("site", {"installed": None}, "docusaurus", "problem", 14, "is not installed"),
    ("site", {"installed": "2.4.0"}, "docusaurus", "warning", 0, "2.4.0"),
    ("site", {"lockfile": None}, "lockfile", "warning", 0, "there is none"),
    ("site", {"ignores": ()}, "gitignore", "warning", 0, "not ignored: .panaversity/ book/"),
]


@pytest.mark.parametrize(("part", "fields", "check", "level", "status", "says"), TROUBLE)
def test_each_trouble_is_found_by_its_check_and_says_what_to_do(part, fields, check, level, status, says):
    found = list(diagnose(changed(part, **fields)))
    (one,) = [finding for finding in found if finding.check == check]
    assert (one.level, one.exit_status) == (level, status)
    assert says in one.says
    assert exit_status(found) == status
    assert one.level != "problem" or one.do or part in ("source", "server")


def test_without_a_server_the_embedded_one_must_be_installed():
    local = replace(GOOD, server=None)
    assert exit_status(diagnose(local)) == 0
    bare = replace(local, machine=replace(GOOD.machine, server_part=False))
    assert exit_status(diagnose(bare)) == 15
    checks = [one.check for one in diagnose(local)]
    assert not {"clock", "token", "access", "book"} & set(checks)


def test_a_setting_that_contradicts_the_book_is_a_warning():
    facts = replace(
        changed("settings", numbering="name-number"), server=replace(GOOD.server, book_numbering="number-name")
    )
    (one,) = [one for one in diagnose(facts) if one.check == "numbering"]
    assert (one.level, "the book keeps number-name" in one.says) == ("warning", True)


def test_the_first_problem_decides_the_status_as_it_would_in_a_build():
    facts = replace(changed("machine", node=None), settings=replace(GOOD.settings, book_id=None))
    assert exit_status(diagnose(facts)) == 15
    assert (
        exit_status([Finding("a", "warning", "x", exit_status=9), Finding("b", "problem", "x", exit_status=14)]) == 14
    )


@given(st.sets(st.sampled_from(range(len(TROUBLE)))))
def test_any_mixture_of_troubles_is_diagnosed_without_trouble(chosen):
    facts = GOOD
    for number in chosen:
        part, fields, *_ = TROUBLE[number]
        facts = replace(facts, **{part: replace(getattr(facts, part), **fields)})
    found = list(diagnose(facts))
    assert (exit_status(found) == 0) == all(one.level != "problem" for one in found)
    assert all(one.exit_status for one in found if one.level == "problem")


def test_a_token_is_never_shown():
    for number in range(len(TROUBLE)):
        part, fields, *_ = TROUBLE[number]
        facts = changed(part, **fields)
        assert facts.settings.token not in json.dumps([one.to_json() for one in diagnose(facts)])
        assert facts.settings.token not in repr(facts)


@given(st.text())
def test_any_text_is_a_token_or_none(text):
    assert token_claims(text) is None or isinstance(token_claims(text), dict)
    token_claims(f"a.{text}.b")


@given(
    st.dictionaries(
        st.sampled_from(["scope", "scp", "scopes"]), st.none() | st.integers() | st.text() | st.lists(st.text())
    )
)
def test_scopes_are_read_from_any_claims(claims):
    assert all(isinstance(scope, str) for scope in scopes_of(claims))


def test_health_of_something_else_is_unavailable():
    assert read_health("x", 503, {"date": "Thu, 01 Jan 2026 00:00:00 GMT"}, b'{"status": "draining"}').date == NOW
    assert read_health("x", 200, {"date": "nonsense"}, b'{"status": "ready"}').date is None
    for status, body in ((404, b'{"status": "ready"}'), (200, b"<html>"), (200, b"[]"), (200, b"{}")):
        with pytest.raises(Unavailable, match=r"like no server of books"):
            read_health("x", status, {}, body)


def test_lines_name_what_to_do_and_list_particulars_of_trouble_only():
    trouble = Finding("source", "problem", "1 name is refused", "Rename it", 12, ("a?.md",)).to_json()
    assert list(finding_lines(trouble, False)) == [
        "PROBLEM  source: 1 name is refused", "         → Rename it", "           a?.md",
    ]  # fmt: skip
    fine = Finding("settings", "ok", "book demo", listed=("book_id = demo",)).to_json()
    assert len(list(finding_lines(fine, False))) == 1
    assert len(list(finding_lines(fine, True))) == 2


@pytest.mark.parametrize(
    ("problems", "warnings", "line"),
    [
        (0, 0, "everything is in order"),
        (0, 1, "1 warning; nothing would stop a build"),
        (2, 1, "2 problems, 1 warning"),
    ],
)
def test_the_last_line_sums_up(problems, warnings, line):
    assert summary_line({"ok": 9, "problem": problems, "warning": warnings}) == line

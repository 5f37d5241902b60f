"""``doctor`` and the check that the npm package brings: used where it is, never trusted, never in the way."""

import json
from dataclasses import replace

import pytest

from panaversity_builder.book.diagnosis.checks import diagnose
from panaversity_builder.book.diagnosis.facts import Facts, Finding, MachineFacts, SettingFacts, SourceFacts
from panaversity_builder.book.diagnosis.site_program import site_findings
from panaversity_builder.book.inspection.site_text import SiteText
from panaversity_builder.book.inspection.survey import Survey
from panaversity_builder.book.site import Site
from support.fake_site import FakeSite

PROGRAM = "node_modules/learn-app-hooks/bin/book-check.js"
GUARD = {"check": "guard", "level": "ok", "says": "is there", "do": None, "listed": [], "exit_status": 0}


@pytest.fixture
def fake(tmp_path):
    return FakeSite(tmp_path)


def found(fake, program=None):
    if program is not None:
        fake.put(PROGRAM, program)  # this site's node runs Python
    return site_findings(Site(str(fake.folder), str(fake.docs), fake.environ))


def answering(*findings):
    return f"print({json.dumps({'schema_version': 1, 'findings': findings})!r})"


def test_without_the_package_there_is_nothing_to_say(fake):
    assert found(fake) == ()


def test_without_node_another_check_says_so(fake):
    fake.put(PROGRAM, answering(GUARD))
    assert site_findings(Site(str(fake.folder), str(fake.docs), {"PATH": "/nowhere"})) == ()


def test_its_findings_are_those_of_doctor(fake):
    told = {**GUARD, "check": "faster", "level": "problem", "do": "Do", "listed": ["a", "b"], "exit_status": 14}
    assert found(fake, answering(told)) == (Finding("faster", "problem", "is there", "Do", 14, ("a", "b")),)


def test_it_is_asked_about_this_site_and_its_docs_folder(fake):
    (told,) = found(
        fake,
        "import json, sys\n" + f"a = {GUARD!r}\na['listed'] = sys.argv[1:]\n" + "print(json.dumps({'findings': [a]}))",
    )
    assert told.listed == (str(fake.folder), "--output-dir", str(fake.docs), "--format", "json")


def test_a_problem_status_of_the_program_is_an_answer_too(fake):
    assert found(fake, answering(GUARD) + "\nimport sys; sys.exit(15)") == (Finding("guard", "ok", "is there"),)


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit('it broke')",
        "print('not JSON')",
        "print('[]')",
        "print('{}')",
        answering({**GUARD, "level": "fine"}),
        answering({**GUARD, "says": 1}),
        answering({**GUARD, "exit_status": True}),
        answering({**GUARD, "listed": None}),
        answering({"check": "guard"}),
        answering(None),
    ],
)
def test_another_answer_is_one_warning(fake, program):
    (told,) = found(fake, program)
    assert (told.check, told.level, told.exit_status) == ("site check", "warning", 0)
    assert "did not answer (status" in told.says


def test_its_words_cannot_drive_a_terminal(fake):
    (told,) = found(fake, answering({**GUARD, "says": "a\x1b[31mb\nc"}))
    assert told.says.isprintable()


FACTS = Facts(
    SettingFacts({"root": ("/p", "x"), "book_id": ("b", "x")}, "/p", "/p/site", "/p/docs", "/p/site/book", "b"),
    MachineFacts(node="v20.0.0"),
    Survey("/p/site", "/p/site/docusaurus.config.js", SiteText(), {}, None, "3.10.2", ()),
    SourceFacts(numbering="number-name", site_imports=("x.md",)),
    None,
    "1.0",
)


def checks(*told):
    return [one for one in diagnose(replace(FACTS, told=told)) if one.check in {"docs folder", "imports", "guard"}]


def test_what_the_loaded_configuration_says_counts_more_than_its_text():
    assert [one.level for one in checks()] == ["warning", "warning"]
    told = Finding("docs folder", "ok", "it reads book")
    assert told in checks(told)
    assert sum(one.check == "docs folder" for one in checks(told)) == 1


def test_what_the_project_knows_better_is_not_said_twice():
    assert sum(one.check == "imports" for one in checks(Finding("imports", "ok", "none"))) == 1


def test_what_only_the_package_knows_comes_last():
    assert checks(Finding("guard", "ok", "is there"))[-1].check == "guard"

"""What ``init`` proposes: a legal book id, a book.toml that reads back, the ignore lines that are missing."""

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.founding import Wishes, chosen_id, legal_id, propose, toml_text
from panaversity_builder.book.inspection.site_text import DocsPlugin, SiteText
from panaversity_builder.book.inspection.survey import Folder, Survey
from panaversity_fs.core.errors import ConfigInvalid
from panaversity_fs.core.paths import require_book_id

DOCS = Folder("/s/docs", ("Part-01/a.md", "README.md", "img.png"))


def site(*docs, candidates=(DOCS,), **more):
    return Survey("/s", "/s/docusaurus.config.js", SiteText(docs or (DocsPlugin(),)), candidates=candidates, **more)


@given(st.text())
def test_whatever_the_name_the_id_is_legal_or_there_is_none(name):
    made = legal_id(name)
    if made is not None:
        require_book_id(made, "test")


@given(st.from_regex(r"[a-z0-9][a-z0-9]{1,20}(-[a-z0-9]{1,10}){0,3}", fullmatch=True))
def test_a_legal_name_stays_what_it_is(name):
    assert legal_id(name) == name


@pytest.mark.parametrize(
    ("name", "made"), [("@acme/My Book!", "acme-my-book"), ("Éducation Ü", "education-u"), ("学", None), ("a", None)]
)
def test_names_become_ids(name, made):
    assert legal_id(name) == made


def test_the_package_s_name_comes_before_title_and_folder():
    titled = SiteText(title="A Title")
    assert chosen_id(Survey("/place/folder", text=titled, package={"name": "@x/y"})) == "x-y"
    assert chosen_id(Survey("/place/folder", text=titled, package={"name": 3})) == "a-title"
    assert chosen_id(Survey("/place/folder")) == "folder"
    assert chosen_id(Survey("/")) == "book"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_toml(text):
    assert tomllib.loads(f"x = {toml_text(text)}") == {"x": text}


def test_the_proposal_reads_back_with_paths_relative_to_the_site():
    plan = propose(site(package={"name": "demo"}), Wishes())
    assert tomllib.loads(plan.book_toml) == {
        "book_id": "demo", "source_dir": "docs", "output_dir": "book", "site_dir": ".",
    }  # fmt: skip
    assert '# numbering = "name-number"' in plan.book_toml


def test_what_the_author_says_wins():
    said = Folder("/elsewhere/lessons", ("a.md",))
    plan = propose(site(), Wishes("mine", said.path, "/s/filled"), said)
    assert tomllib.loads(plan.book_toml)["source_dir"] == "../elsewhere/lessons"
    assert (plan.book_id, plan.output_dir) == ("mine", "/s/filled")


def test_the_folder_with_most_lessons_is_the_source_but_never_one_that_a_hydrate_fills():
    few, many = Folder("/s/docs", ("a.md",)), Folder("/s/lessons", ("a.md", "b.mdx"))
    filled = Folder("/s/old", ("a.md", "b.md", "c.md"), hydrated=True)
    output = Folder("/s/book", ("a.md", "b.md", "c.md"))
    assert propose(site(candidates=(few, many, filled, output)), Wishes()).source_dir == "/s/lessons"


@pytest.mark.parametrize("candidates", [(), (Folder("/s/docs"),), (Folder("/s/docs", ("a.md",), hydrated=True),)])
def test_without_lessons_nothing_is_proposed(candidates):
    with pytest.raises(ConfigInvalid, match=r"holds no folder with lessons \(looked in: docs\).*--source-dir"):
        propose(site(candidates=candidates), Wishes())


@pytest.mark.parametrize("output", ["/s/docs", "/s/docs/x", "/s"])
def test_source_and_output_must_not_lie_in_one_another(output):
    with pytest.raises(ConfigInvalid, match=r"lie in one another"):
        propose(site(), Wishes(output_dir=output), DOCS)


def test_a_docs_plugin_that_reads_another_folder_is_to_be_changed():
    (todo,) = propose(site(DocsPlugin("docs")), Wishes()).todo
    assert todo == "in docusaurus.config.js, let the docs plugin read book: path: 'book' instead of 'docs'"
    assert propose(site(DocsPlugin("book")), Wishes()).todo == ()
    assert "see that the docs plugin reads book" in propose(site(DocsPlugin(None)), Wishes()).todo[0]


def test_numbering_that_cannot_be_told_is_left_to_the_author():
    both = Folder("/s/docs", ("Part-01/a.md", "02-Part/b.md"))
    plan = propose(site(DocsPlugin("book"), candidates=(both,)), Wishes())
    assert "numbered both ways" in plan.todo[0]
    assert "numbering: cannot be told" in plan.found


@pytest.mark.parametrize(
    ("ignores", "missing"),
    [
        ((), ("book/", ".panaversity/")),
        (("/book", ".panaversity"), ()),
        (("book/",), (".panaversity/",)),
    ],
)
def test_only_lines_that_gitignore_lacks_are_proposed(ignores, missing):
    assert propose(site(ignores=ignores), Wishes()).ignore_lines == missing


def test_an_output_outside_of_the_site_is_not_the_site_s_to_ignore():
    assert propose(site(), Wishes(output_dir="/out")).ignore_lines == (".panaversity/",)


def test_what_was_found_is_said_in_sentences():
    found = propose(site(installed="3.10.2", lockfile="/pnpm-lock.yaml"), Wishes()).found
    assert found[0] == "site: docusaurus.config.js (Docusaurus 3.10.2, pnpm)"
    assert found[2] == "source: docs (3 files, 2 lessons)"
    assert all(re.match(r"\w[\w ]*: ", line) for line in found)

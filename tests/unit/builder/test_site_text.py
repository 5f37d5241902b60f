"""What the text of a configuration tells: docs folders, routes, the faster flag; what is computed stays unknown."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.book.inspection.javascript import Source, Span, tokens
from panaversity_builder.book.inspection.site_text import DocsPlugin, read_site_text

ROOT = Path(__file__).parents[3]
CLASSIC = """
// @ts-check   presets: [['classic', {docs: {path: 'commented'}}]]
/* plugins: [['@docusaurus/plugin-content-docs', {path: 'commented too'}]] */
const lightTheme = require('x');
/** @type {import('@docusaurus/types').Config} */
const config = {
  title: 'My \\'Site\\'', url: "https://example.org", tagline: `a // b`,
  presets: [
    ['classic', /** @type {import('@docusaurus/preset-classic').Options} */ ({
      docs: {sidebarPath: './s.js', editUrl: x ? 'a' : /'docs: {[/]/g, path: '../content', routeBasePath: "/"},
      blog: {path: 'news'},
    })],
  ],
  themeConfig: {docs: {sidebar: {hideable: true}}, title: 'no'},
};
export default config;
"""


def main(text):
    return read_site_text(text).main


def test_the_classic_preset_tells_folder_and_route():
    found = read_site_text(CLASSIC)
    assert found.docs == (DocsPlugin("../content", "/"),)
    assert found.title == "My 'Site'"


def test_the_example_site_is_understood():
    found = read_site_text((ROOT / "examples" / "learn-app" / "docusaurus.config.js").read_text())
    assert found.docs == (DocsPlugin("book", "/"),)
    assert found.faster is True
    assert found.title == "PanaversityFS: a field guide"


@pytest.mark.parametrize(
    ("text", "docs"),
    [
        ("presets: ['classic']", DocsPlugin()),
        ("presets: [['classic', {blog: false}]]", DocsPlugin()),
        ("presets: [[require.resolve('@docusaurus/preset-classic'), {docs: {path: 'd'}}]]", DocsPlugin("d")),
        ("plugins: [['@docusaurus/plugin-content-docs', {path: 'd', id: 'api'}]]", DocsPlugin("d", "docs", "api")),
        ("plugins: [['content-docs', {path: `d`}]]", DocsPlugin("d")),
        ("const where = 'd'; plugins: [['content-docs', {path: where}]]", DocsPlugin("d")),
        ("plugins: [['content-docs', {'path': \"d\", routeBasePath: r}]]", DocsPlugin("d", None)),
        ("plugins: [['content-docs', {path: process.env.DOCS || 'd'}]]", DocsPlugin(None)),
        ("plugins: [['content-docs', {path: `${root}/d`}]]", DocsPlugin(None)),
        ("const where = 'd' + x; plugins: [['content-docs', {path: where}]]", DocsPlugin(None)),
        ("presets: [['classic', {docs: options}]]", DocsPlugin(None, None)),
        ("presets: [['classic', {docs: {path: 'd'}} satisfies Preset.Options]]", DocsPlugin("d")),
    ],
)
def test_every_way_to_write_it_is_read_and_what_is_computed_is_not_guessed(text, docs):
    assert read_site_text(f"export default {{{text}}}").docs == (docs,)


@pytest.mark.parametrize(
    "text", ["presets: [['classic', {docs: false}]]", "themeConfig: {docs: {path: 'x'}}", "", "theme: 'classic'", "{[("]
)
def test_a_site_without_a_docs_plugin_has_none(text):
    assert main(text) is None


def test_of_several_docs_plugins_the_one_without_an_id_is_the_main_one():
    both = "plugins: [['content-docs', {id: 'api', path: 'a'}], ['content-docs', {path: 'b'}]]"
    assert main(both) == DocsPlugin("b")
    assert [one.path for one in read_site_text(both).docs] == ["a", "b"]


@pytest.mark.parametrize(
    ("future", "faster"),
    [
        ("{faster: true}", True),
        ("{faster: false}", False),
        ("{faster: {swcJsLoader: true}}", True),
        ("{experimental_faster: true}", True),
        ("{v4: true}", True),
        ("{v4: true, faster: false}", False),
        ("{v4: {x: true}}", None),
        ("{faster: isFast}", None),
        ("{}", None),
        ("options", None),
    ],
)
def test_the_faster_flag_is_read_where_it_stands(future, faster):
    assert read_site_text(f"const config = {{future: {future}}};").faster is faster


@given(st.text())
def test_any_text_is_read_without_trouble(text):
    read_site_text(text)
    tokens(text)


@given(st.text(alphabet="[]{}()'\"`/\\$,: \nadocs*", max_size=80))
def test_any_heap_of_brackets_and_quotes_is_read_without_trouble(text):
    read_site_text(f"presets: [['classic', {text}")
    read_site_text(f"plugins: [['content-docs', {{path: {text}}}]]")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_string_literal_is_read_as_it_was_meant(value):
    source = Source(json.dumps(value))
    assert source.literal(Span(0, len(source.tokens))) == value


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=5) | st.lists(st.text(max_size=3)))
)
def test_the_entries_of_an_object_are_its_keys_in_order_however_its_values_are_nested(body):
    source = Source(json.dumps(body))
    assert list(source.entries(Span(0, len(source.tokens))) or {}) == list(body)


def test_ten_thousand_open_brackets_take_no_time():
    read_site_text("[{(" * 10_000)
    read_site_text("['classic', {docs: " * 300)

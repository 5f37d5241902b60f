"""What goes into a site: every input changes alone, and nothing else does."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from panaversity_builder.book.site import Site
from panaversity_builder.book.site_inputs import site_inputs
from panaversity_builder.book.site_sources import named_changes
from panaversity_fs.core.errors import ConfigInvalid, PhaseFailed
from support.fake_site import NODE


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def place(tmp_path):
    """A workspace with the site in ``app`` and Docusaurus above it, as npm workspaces lay it out."""
    put(tmp_path / "bin/node", NODE).chmod(0o755)
    put(tmp_path / "node_modules/@docusaurus/core/bin/docusaurus.mjs", "")
    put(tmp_path / "node_modules/@docusaurus/core/package.json", '{"version": "3.10.2"}')
    put(tmp_path / "package-lock.json", "{}")
    put(tmp_path / "app/docusaurus.config.js", "export default {}")
    put(tmp_path / "app/src/css/custom.css", "p {}")
    put(tmp_path / "app/book/a.md", "hello")
    return tmp_path


@pytest.fixture
def site(place):
    environ = {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "SECRET": "s", "HOME": str(place)}
    return Site(str(place / "app"), str(place / "app/book"), environ, source=str(place / "app/docs"))


def changed(site, before):
    after = site_inputs(site, "1.0").values
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def values(site):
    return site_inputs(site, "1.0").values


def test_inputs_name_everything_a_built_site_follows_from(site):
    assert sorted(values(site)) == [
        "builder", "configuration", "docusaurus", "installed packages", "lockfile", "node", "site sources",
    ]  # fmt: skip
    assert values(site)["node"] == "v20.0.0"
    assert values(site)["docusaurus"] == "3.10.2"
    assert values(site)["installed packages"] == "none"
    assert site_inputs(site, "1.1").values["builder"] == "1.1"


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("app/docusaurus.config.js", "export default {title: 1}", "configuration"),
        ("app/src/pages/new.js", "", "site sources"),
        ("app/static/img/logo.svg", "<svg/>", "site sources"),
        ("app/.env", "TITLE=x", "site sources"),
        ("app/package.json", "{}", "site sources"),
        ("package-lock.json", '{"lockfileVersion": 3}', "lockfile"),
        ("node_modules/@docusaurus/core/package.json", '{"version": "3.11.0"}', "docusaurus"),
        ("node_modules/.package-lock.json", '{"packages": {}}', "installed packages"),
        ("node_modules/.pnpm/lock.yaml", "x", "installed packages"),
    ],
)
def test_each_input_changes_alone(site, place, path, text, name):
    before = values(site)
    put(place / path, text)
    assert changed(site, before) == [name]


def test_a_lockfile_of_the_site_itself_is_one_input_and_not_two(site, place):
    put(place / "app/package-lock.json", "1")
    before = values(site)
    put(place / "app/package-lock.json", "2")
    assert changed(site, before) == ["lockfile"]


def test_docs_and_what_tools_and_people_leave_behind_are_not_site_sources(site, place):
    before = values(site)
    for name in (
        "book/b.md", "docs/the-authors-own.md", "build/x.html", "build.restoring/x", "build.replaced/x",
        ".docusaurus/y", "node_modules/z/z", "src/node_modules/z", ".panaversity/r", ".git/HEAD",
        ".DS_Store", "src/.DS_Store", ".vscode/settings.json", "src/css/.custom.css.swp", "src/css/custom.css~",
        "tsconfig.tsbuildinfo", ".vercel/project.json",
    ):  # fmt: skip
        put(place / "app" / name, "x")
    assert changed(site, before) == []


def test_a_folder_that_merely_is_called_build_deeper_down_is_a_source(site, place):
    before = values(site)
    put(place / "app/src/build/x.js", "x")
    assert changed(site, before) == ["site sources"]


def test_settings_let_more_files_count_and_generated_ones_not(site, place):
    put(place / "app/static/search.json", "1")
    data = put(place / "data/pages.yml", "1")
    wished = replace(site, files=("../data",), generated=("static/search.json",))
    before = values(wished)
    put(place / "app/static/search.json", "2")
    assert changed(wished, before) == []
    data.write_text("2")
    assert changed(wished, before) == ["site sources"]
    assert changed(site, values(site)) == []


# -- outside the folder --------------------------------------------------------------------------------------------


def link(place, name, target, text=None):
    """A package of the workspace, as npm links it; ``text`` is its package.json."""
    put(place / target / "package.json", json.dumps(text or {"name": name}))
    where = place / "node_modules" / name
    where.parent.mkdir(parents=True, exist_ok=True)
    where.symlink_to(place / target)


def test_a_linked_package_of_the_workspace_counts_and_so_does_what_that_depends_on(site, place):
    link(place, "@acme/ui", "packages/ui", {"dependencies": {"theme": "*"}})
    link(place, "theme", "packages/theme")
    link(place, "unrelated", "packages/unrelated")
    put(place / "app/package.json", '{"dependencies": {"@acme/ui": "workspace:*", "left-pad": "1"}}')
    put(place / "node_modules/left-pad/index.js", "1")
    for path in ("packages/ui/Button.js", "packages/theme/theme.css"):
        before = values(site)
        put(place / path, "x")
        assert changed(site, before) == ["site sources"], path
    before = values(site)
    put(place / "packages/unrelated/x.js", "x")
    put(place / "packages/ui/node_modules/y/y.js", "x")
    put(place / "node_modules/left-pad/index.js", "2")  # installed, not written here: the lockfile answers for it
    assert changed(site, before) == []


def test_packages_that_depend_on_each_other_or_on_the_site_end_the_search(site, place):
    link(place, "one", "packages/one", {"dependencies": {"two": "*", "app": "*"}})
    link(place, "two", "packages/two", {"dependencies": {"one": "*"}})
    put(place / "app/package.json", '{"dependencies": {"one": "*"}}')
    (place / "node_modules/app").symlink_to(place / "app")
    assert {p.split("/")[2] for p in site_inputs(site, "1").sources if p.startswith("../")} == {"one", "two"}


@pytest.mark.parametrize(
    ("path", "text", "outside"),
    [
        ("app/docusaurus.config.js", "import nav from '../shared/nav.js'", "shared/nav.js"),
        ("app/docusaurus.config.js", "import nav from '../shared/nav'", "shared/nav.ts"),
        ("app/docusaurus.config.js", "export default {staticDirectories: ['static', '../assets']}", "assets/a.png"),
        ("app/docusaurus.config.js", "const x = require(\"../shared\")", "shared/index.js"),
        ("app/src/components/Nav.jsx", "import {a} from '../../../shared/nav.js'", "shared/nav.js"),
        ("app/src/css/custom.css", "@import url(../../../brand/tokens.css);", "brand/tokens.css"),
        ("app/src/pages/about.mdx", "import X from '../../../shared/X.mdx'", "shared/X.mdx"),
    ],
)  # fmt: skip
def test_a_file_that_the_sources_name_outside_of_the_site_counts(site, place, path, text, outside):
    put(place / outside, "1")
    put(place / path, text)
    before = values(site)
    put(place / outside, "2")
    assert changed(site, before) == ["site sources"]
    assert f"../{outside}" in site_inputs(site, "1").sources


def test_what_a_file_outside_names_counts_too_and_circles_end(site, place):
    put(place / "app/docusaurus.config.js", "import '../shared/a.js'")
    put(place / "shared/a.js", "import './b.js'; import '../lib/c.js'")
    put(place / "shared/b.js", "import './a.js'")
    put(place / "lib/c.js", "process.env.DEEP")
    sources = site_inputs(replace(site, environ={**site.environ, "DEEP": "1"}), "1")
    assert {p for p in sources.sources if p.startswith("../")} == {"../shared/a.js", "../shared/b.js", "../lib/c.js"}
    assert "variable DEEP" in sources.values


def test_names_that_lead_nowhere_to_the_site_itself_or_to_everything_are_no_inputs(site, place):
    put(place / "elsewhere/x.js", "1")
    text = "'../' '../..' '../app' '../nothing.js' '../${x}' '../node_modules/x' 'https://x/../elsewhere/x.js'"
    put(place / "app/docusaurus.config.js", text)
    put(place / "node_modules/x/index.js", "")
    assert [p for p in site_inputs(site, "1").sources if p.startswith("..")] == []


# -- environment and packages --------------------------------------------------------------------------------------


def test_environment_that_a_configuration_reads_is_an_input_and_secrets_stay_secret(site):
    environ = {**site.environ, "NODE_ENV": "production", "DOCUSAURUS_KEY": "s3cret", "ALGOLIA": "k3y", "OTHER": "x"}
    inputs = values(replace(site, environ=environ, variables=("ALGOLIA",)))
    assert inputs["variable NODE_ENV"] == "production"
    assert {n for n in inputs if n.startswith("variable")} == {
        "variable NODE_ENV", "variable DOCUSAURUS_KEY", "variable ALGOLIA",
    }  # fmt: skip
    assert "s3cret" not in str(inputs)
    assert "k3y" not in str(inputs)


@pytest.mark.parametrize(
    "text",
    [
        "title: process.env.TITLE",
        "title: process.env['TITLE']",
        'const t = process.env?.["TITLE"] ?? process.env?.TITLE',
        "const {OTHER, TITLE = 'x'} = process.env;",
        "const {TITLE: title} = process.env",
    ],
)
def test_a_variable_that_the_code_names_counts_without_being_listed(site, place, text):
    environ = {**site.environ, "TITLE": "one", "UNNAMED": "1"}
    assert "variable TITLE" not in values(replace(site, environ=environ))
    put(place / "app/docusaurus.config.js", text)
    before = values(replace(site, environ=environ))
    assert changed(replace(site, environ={**environ, "TITLE": "two"}), before) == ["variable TITLE"]
    assert changed(replace(site, environ={**environ, "UNNAMED": "2"}), before) == []


def test_where_a_build_runs_is_no_input_unless_somebody_says_so(site, place):
    put(place / "app/docusaurus.config.js", "process.env.HOME + process.env.PATH")
    assert not [n for n in values(site) if n.startswith("variable")]
    assert [n for n in values(replace(site, variables=("HOME",))) if n.startswith("variable")] == ["variable HOME"]


def test_installed_packages_are_told_alike_on_every_platform(site, place):
    listing = {"packages": {"node_modules/a": {"version": "1", "integrity": "x"}}}
    installed = put(place / "node_modules/.package-lock.json", json.dumps(listing))
    before = values(site)
    listing["packages"]["node_modules/a-linux"] = {"version": "1", "optional": True, "os": ["linux"]}
    installed.write_text(json.dumps(listing, indent=2))
    assert changed(site, before) == []
    listing["packages"]["node_modules/a"] = {"version": "2", "integrity": "y"}
    installed.write_text(json.dumps(listing))
    assert changed(site, before) == ["installed packages"]
    installed.write_text("odd")
    assert changed(site, before) == ["installed packages"]


def test_a_folder_without_a_configuration_is_no_site(site, place):
    (place / "app/docusaurus.config.js").unlink()
    with pytest.raises(ConfigInvalid, match=r"no docusaurus\.config") as caught:
        values(site)
    assert caught.value.exit_status == 15


def test_missing_node_modules_say_npm_ci(site, place):
    (place / "node_modules/@docusaurus/core/bin/docusaurus.mjs").unlink()
    with pytest.raises(PhaseFailed, match="npm ci") as caught:
        values(site)
    assert caught.value.exit_status == 14


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_a_docusaurus_without_a_version_is_an_error_not_a_guess(site, place, text):
    put(place / "node_modules/@docusaurus/core/package.json", text)
    with pytest.raises(PhaseFailed, match="tells no version"):
        values(site)


def test_missing_node_says_which_to_install(site):
    with pytest.raises(PhaseFailed, match="Install Node 20"):
        values(replace(site, environ={"PATH": "/nowhere"}))


def test_the_version_is_that_of_the_node_that_is_chosen_in_the_sites_folder(site, place):
    put(place / "bin/node", "#!/bin/sh\ncat .node-version\n")
    put(place / "app/.node-version", "v22.1.0\n")
    assert values(site)["node"] == "v22.1.0"


def test_changes_are_named_sorted_and_cut():
    before = {"a": "file 1", "b": "file 1", "l": "link x"}
    assert named_changes(before, before) == ""
    assert named_changes(before, {"a": "file 2", "l": "file 1", "n": "file 1"}) == "M a, D b, M l and 1 more"
    assert named_changes({}, {Path("x").name: "file 1"}) == "A x"


def test_the_golden_sample_names_the_inputs_there_are(site):
    golden = json.loads((Path(__file__).parents[2] / "golden/phase_keys.json").read_text())
    sample = {name for name in golden["phases"][4]["inputs"] if not name.startswith("variable ")}
    assert sample == set(values(site))

"""Whatever author, disk and power do between builds: an incremental build equals a clean one (EXAMPLES 8.14).

The book's own lifecycle over real folders: records, kept copies, listings and restores are the shipped code. Only what
takes long is played: the four volatile phases copy a dictionary, Docusaurus is a function that renders it.
"""

import contextlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from panaversity_builder.book import site_inputs, site_phase
from panaversity_builder.book.pipeline import BookBuild, BuildOptions, Doors
from panaversity_builder.book.site import Site
from panaversity_builder.kept import KEPT_FOLDERS
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import PhaseFailed
from panaversity_fs.core.mapping import Numbering
from support.fake_site import FakeSite

PAGES = st.sampled_from(["a.md", "b.md", "part/c.md"])
TEXTS = st.sampled_from(["", "one", "two\r\n"])
VALUES = st.sampled_from(["1", "2"])
STATIC = ("src/css/custom.css", "docusaurus.config.js", "../package-lock.json", "../shared/nav.js")
"""Files besides the docs: the theme, the configuration, the lockfile, and one that the configuration imports."""


class Killed(BaseException):
    """The process is gone: nothing behind this point happens."""


@dataclass
class Answer:
    """What ingest, plan and hydrate answer, as far as the pipeline looks."""

    manifest_hash: str
    numbering: Numbering | None = Numbering.NUMBER_NAME
    metadata_digest: str | None = None

    def to_json(self):
        return {}


class Project:
    """One checkout: lessons in memory, a site on disk, and its ``.panaversity``."""

    def __init__(self, place: Path) -> None:
        self.fake = FakeSite(place)
        self.lessons: dict[str, str] = {}
        self.node, self.trouble = "v20", ""
        self.rendered = 0
        self.put(STATIC[0], "p {}")
        self.put(STATIC[1], "import '../shared/nav.js'; process.env.TITLE")
        self.put(STATIC[3], "nav")

    def put(self, path: str, text: str) -> None:
        self.fake.put(f"site/{path}", text)

    def hydrate(self, _full):
        shutil.rmtree(self.fake.docs, ignore_errors=True)
        self.fake.docs.mkdir()
        for path, text in self.lessons.items():
            target = self.fake.docs / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode())
        return Answer(digest_of(repr(sorted(self.lessons.items())).encode()))

    def render(self, site, log, lock):
        """Docusaurus: every page holds all that it follows from, so nothing can go stale unseen."""
        self.rendered += 1
        built = Path(site.built)
        shutil.rmtree(built, ignore_errors=True)
        built.mkdir()
        if self.trouble:
            (built / "half.html").write_text("half")
            raise Killed if self.trouble == "killed" else PhaseFailed("build", "docusaurus", "breaks", phase="5")
        shell = [Path(site.folder, path).read_text() for path in STATIC]
        shell += [self.node, site.environ.get("TITLE", "")]
        for path in sorted(p for p in Path(site.docs).rglob("*") if p.is_file()):
            page = built / path.relative_to(site.docs).with_suffix(".html")
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(json.dumps([*shell, path.read_text()]))
        (built / "index.html").write_text(json.dumps([*shell, sorted(self.lessons)]))

    def build(self, rebuild=()):
        site = Site(str(self.fake.folder), str(self.fake.docs), self.fake.environ)
        options = BuildOptions("guide", site, str(self.fake.place / ".panaversity"), "1.0", rebuild)
        answer = Answer(digest_of(b""))
        doors = Doors(lambda: "s", lambda: answer, lambda: answer, self.hydrate)
        with (
            patch.object(site_phase, "build_site", self.render),
            patch.object(site_inputs, "node_version", lambda _site: self.node),
        ):
            return BookBuild(options, doors).run(lambda _event: None).phases[-1]

    def built(self) -> dict[str, bytes]:
        root = self.fake.folder / "build"
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    @property
    def remembered(self) -> list[Path]:
        return sorted(p for p in (self.fake.place / ".panaversity/build").rglob("*") if p.is_file())

    def branch(self):
        """Everything an author's checkout consists of."""
        return dict(self.lessons), {path: Path(self.fake.folder, path).read_text() for path in STATIC}

    def switch(self, branch):
        lessons, files = branch
        self.lessons = dict(lessons)
        for path, text in files.items():
            self.put(path, text)


class Author:
    """Edits, losses, damages and kills by name; everything a project can meet between two builds."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.commits = [project.branch()]

    def write(self, page, text):
        self.project.lessons[page] = text

    def delete(self, page):
        self.project.lessons.pop(page, None)

    def rename(self, old, new):
        if old in self.project.lessons:
            self.project.lessons[new] = self.project.lessons.pop(old)

    def edit_site(self, path, value):
        self.project.put(path, f"import '../shared/nav.js'; process.env.TITLE {value}")

    def another_node(self, value):
        self.project.node = f"v2{value}"

    def another_variable(self, value):
        self.project.fake.environ["TITLE"] = value

    def commit(self):
        self.commits.append(self.project.branch())

    def switch(self, number):
        self.project.switch(self.commits[number % len(self.commits)])

    def break_a_build(self, trouble):
        self.project.trouble = trouble
        with contextlib.suppress(Killed, PhaseFailed):
            self.project.build()
        self.project.trouble = ""

    def lose(self, what):
        state = self.project.fake.place / ".panaversity"
        folders = {"build": [self.project.fake.folder / "build"], "kept": state.glob("build/*/kept/*"),
                   "listings": state.glob("build/*/sources"), "state": [state]}  # fmt: skip
        for folder in folders[what]:
            shutil.rmtree(folder, ignore_errors=True)

    def leave_remains(self):
        self.project.put("build.restoring/half.html", "half")

    def damage(self, where, at, cut):
        """One byte of something remembered, or a file cut short."""
        files = [p for p in self.project.remembered if where in p.parts and p.name != "lock"]
        if files:
            path = files[at % len(files)]
            whole = path.read_bytes()
            at %= len(whole) or 1
            path.write_bytes(whole[:at] if cut or not whole else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])

    def damage_a_copy_and_lose_the_site(self, at):
        self.damage("kept", at, False)
        self.lose("build")

    def touch_the_site(self, at, text):
        files = sorted(p for p in (self.project.fake.folder / "build").rglob("*") if p.is_file())
        if files and text is None:
            files[at % len(files)].unlink()
        elif files:
            files[at % len(files)].write_text(text)


def edit(name, *arguments):
    return st.tuples(st.just(name), st.tuples(*arguments))


NUMBERS = st.integers(0, 5000)
EDITS = st.one_of(
    edit("write", PAGES, TEXTS),
    edit("delete", PAGES),
    edit("rename", PAGES, PAGES),
    edit("edit_site", st.sampled_from(STATIC), VALUES),
    edit("another_node", VALUES),
    edit("another_variable", VALUES),
    edit("commit"),
    edit("switch", NUMBERS),
    edit("break_a_build", st.sampled_from(["killed", "failed"])),
    edit("lose", st.sampled_from(["build", "kept", "state", "listings"])),
    edit("leave_remains"),
    edit("damage", st.sampled_from(["kept", "phases", "sources"]), NUMBERS, st.booleans()),
    edit("damage_a_copy_and_lose_the_site", NUMBERS),
    edit("touch_the_site", NUMBERS, st.none() | st.just("touched")),
)


class Builds(RuleBasedStateMachine):
    """After every few edits a build, compared with that of a checkout that never built before."""

    @initialize()
    def begin(self):
        self.place = Path(tempfile.mkdtemp())
        self.author = Author(Project(self.place / "one"))
        self.author.project.build()

    def teardown(self):
        shutil.rmtree(self.place)

    @rule(edits=st.lists(EDITS, min_size=1, max_size=3), rebuild=st.sampled_from([(), (), ("docusaurus",), ("4",)]))
    def build(self, edits, rebuild):
        project = self.author.project
        for name, arguments in edits:
            getattr(self.author, name)(*arguments)
        project.build(rebuild)
        assert project.built() == self.clean()
        rendered, again = project.rendered, project.build()
        assert (again["state"], again["reason"], project.rendered) == ("cached", "unchanged", rendered)
        assert sorted(p.name for p in project.fake.folder.glob("build*")) == ["build"]
        assert len(list(project.fake.place.glob(".panaversity/build/*/kept/*"))) <= KEPT_FOLDERS

    def clean(self):
        """What a build of the same tree makes that remembers nothing."""
        clean = Project(self.place / "clean")
        clean.switch(self.author.project.branch())
        clean.node, clean.fake.environ = self.author.project.node, self.author.project.fake.environ
        clean.build()
        try:
            return clean.built()
        finally:
            shutil.rmtree(clean.fake.place)


FULL = os.environ.get("PANAVERSITY_TEST_FULL") == "1"
Builds.TestCase.settings = settings(
    max_examples=100 if FULL else 12, stateful_step_count=30 if FULL else 10, deadline=None
)
test_any_sequence_of_edits_and_accidents_built_incrementally_equals_a_clean_build = pytest.mark.timeout(3600)(
    Builds.TestCase
)

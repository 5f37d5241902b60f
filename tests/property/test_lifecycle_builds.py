"""Whatever is edited, lost, forced or interrupted: an incremental build equals a clean one (EXAMPLES 8.14)."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder.engine import Presence, Step, run_lifecycle
from panaversity_builder.lifecycle import Lifecycle, Phase
from panaversity_fs.core.errors import PhaseFailed
from support.records import MemoryRecords

LINE = Lifecycle(
    "fake-site",
    1,
    (
        Phase("1", "scan", "read the source", volatile=True),
        Phase("2", "strip", "drop what does not show"),
        Phase("3", "render", "make pages"),
        Phase("4", "site", "put pages and theme together"),
    ),
)


class FakeSite:
    """A site whose pages follow from lessons, a template and a theme; comments in lessons do not show."""

    def __init__(self) -> None:
        self.lessons: dict[str, str] = {}
        self.template, self.theme = "t0", "c0"
        self.disk: dict[str, str] = {}
        self.records = MemoryRecords()
        self.fail_at: str | None = None

    def build(self, rebuild=()):
        steps = [
            Step(LINE.phases[0], lambda: self.make("scan", repr(sorted(self.lessons.items())))),
            Step(LINE.phases[1], lambda: self.make("strip", self.visible()), check=self.check("strip")),
            Step(
                LINE.phases[2],
                lambda: self.make("render", self.disk["strip"] + self.template),
                lambda: {"template": self.template},
                self.check("render"),
            ),
            Step(
                LINE.phases[3],
                lambda: self.make("site", self.disk["render"] + self.theme),
                lambda: {"theme": self.theme},
                self.check("site"),
            ),
        ]
        run_lifecycle(LINE, steps, self.records, rebuild=rebuild)
        return self.disk["site"]

    def visible(self):
        return repr(sorted((k, v.partition("#")[0]) for k, v in self.lessons.items()))

    def make(self, name, content):
        if self.fail_at == name:
            self.disk.pop(name, None)  # a failing tool leaves nothing usable behind
            raise PhaseFailed("build", name, "breaks", phase=name)
        self.disk[name] = content
        return hashlib.sha256(content.encode()).hexdigest()

    def check(self, name):
        def judge(record):
            found = self.disk.get(name)
            there = found is not None and hashlib.sha256(found.encode()).hexdigest() == record.output
            return Presence(there, "unchanged" if there else "gone")

        return judge


NAMES = st.sampled_from(["a", "b", "c"])
EDITS = st.one_of(
    st.tuples(st.just("write"), NAMES, st.sampled_from(["x", "y", "x#note", "y#other", ""])),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("template"), st.sampled_from(["t0", "t1"])),
    st.tuples(st.just("theme"), st.sampled_from(["c0", "c1"])),
    st.tuples(st.just("lose"), st.sampled_from(["strip", "render", "site"])),
    st.tuples(st.just("damage"), st.sampled_from(["strip", "render", "site"])),
    st.tuples(st.just("forget"), st.sampled_from(["2", "3", "4"])),
    st.tuples(st.just("fail"), st.sampled_from(["scan", "strip", "render", "site"])),
    st.tuples(st.just("force"), st.sampled_from(["2", "render", "4"])),
    st.tuples(st.just("build")),
)


def apply(site, edit):
    match edit:
        case ("write", name, text):
            site.lessons[name] = text
        case ("delete", name):
            site.lessons.pop(name, None)
        case ("template", value):
            site.template = value
        case ("theme", value):
            site.theme = value
        case ("lose", name):
            site.disk.pop(name, None)
        case ("damage", name):
            site.disk[name] = site.disk.get(name, "") + "!"
        case ("forget", phase):
            site.records.forget(phase)
        case ("fail", name):
            site.fail_at = name
        case ("force", phase):
            attempt(site, [phase])
        case ("build",):
            attempt(site, [])


def attempt(site, rebuild):
    try:
        site.build(rebuild)
    except PhaseFailed:
        site.fail_at = None


@given(st.lists(EDITS, max_size=25))
def test_any_sequence_of_edits_built_incrementally_equals_a_clean_build(edits):
    site = FakeSite()
    for edit in edits:
        apply(site, edit)
    site.fail_at = None
    clean = FakeSite()
    clean.lessons, clean.template, clean.theme = dict(site.lessons), site.template, site.theme
    assert site.build() == clean.build()
    steady = dict(site.disk)
    assert site.build() == steady["site"]
    assert site.disk == steady

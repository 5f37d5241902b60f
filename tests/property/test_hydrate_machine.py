"""Any sequence of edits on the server and damage in the folder, then hydrate: the tree equals the manifest (P7, P8)."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from panaversity_fs.core.errors import LocalEdits
from panaversity_fs.core.mapping import Numbering
from support.hydrated import Desk

pytestmark = pytest.mark.timeout(3600)  # the exhaustive counts take their time

PATHS = [
    "README.md",
    "01-A/x.md",
    "01-A/y.md",
    "01-A/01-B/x.md",
    "01-A/img/d.png",
    "02-C/x.md",
    "02-C/x.md/z.md",
    "03-D/f",
]
paths = st.sampled_from(PATHS)
contents = st.sampled_from([b"", b"one", b"two", b"three\r\n"])


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.desk = Desk(self.place, {})
        self.mine: dict[str, bytes] = {}
        self.edited = False

    def teardown(self):
        shutil.rmtree(self.place)

    def fits(self, path):
        others = self.desk.source_paths()
        return not any(o.startswith(path + "/") or path.startswith(o + "/") for o in others)

    @rule(path=paths, data=contents)
    def write(self, path, data):
        if self.fits(path):
            self.desk.put(path, data)

    @rule(path=paths)
    def delete(self, path):
        if path in self.desk.source_paths():
            self.desk.remove(path)

    @rule(numbering=st.sampled_from(list(Numbering)))
    def renumber(self, numbering):
        files = self.desk.wanted
        self.desk.book.numbering = numbering
        self.desk.book.entries.clear()
        for path, data in files.items():
            self.desk.put(path, data)

    @rule(name=st.sampled_from(["manifest.json", "manifest.txt", "index", "plan.json"]), cut=st.integers(0, 400))
    def damage_state(self, name, cut):
        path = self.desk.state / name
        if path.exists() and not (name == "index" and not (self.desk.state / "manifest.txt").exists()):
            path.write_bytes(path.read_bytes()[:cut])
            self.lost_index |= name == "index"

    @rule(seconds=st.integers(3, 10))
    def rest(self, seconds):
        if self.desk.out.exists():
            self.desk.age(seconds)

    @rule(path=paths)
    def lose(self, path):
        file = self.desk.out / path
        if file.is_file() and path not in self.mine:
            file.unlink()

    @rule(path=paths)
    def lose_folder(self, path):
        folder = self.desk.out / path.split("/")[0]
        if folder.is_dir() and not any(m.startswith(folder.name + "/") for m in self.mine):
            shutil.rmtree(folder)

    @rule(name=st.sampled_from(["mine.txt", "01-A/mine.txt", "09-Z/mine.txt"]), data=contents)
    def add_mine(self, name, data):
        file = self.desk.out / name
        if not file.parent.exists() or file.parent.is_dir():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            self.mine[name] = data

    @rule(number=st.integers(0, 20), on_edit=st.sampled_from(["stop", "backup"]))
    def edit(self, number, on_edit):
        ours = sorted(self.desk.tree.keys() - self.mine.keys())
        if not ours or self.lost_index:
            return
        path = ours[number % len(ours)]
        file = self.desk.out / path
        old = file.read_bytes()
        file.write_bytes(b"edited")
        before = self.desk.tree
        outcome = self.desk.attempt(on_edit=on_edit)
        if isinstance(outcome, LocalEdits):
            assert path in [o["path"] for o in outcome.details["paths"]]
            assert self.desk.tree == before
            file.write_bytes(old)
        else:
            assert on_edit == "backup"
            aside = [p.read_bytes() for p in (self.desk.state / "edits").iterdir()]
            assert b"edited" in aside

    @rule()
    def hydrate(self):
        self.check("all", False, "source")

    @rule(
        scope=st.sampled_from(["all", "content", "assets"]),
        full=st.booleans(),
        tree=st.sampled_from(["source", "storage"]),
    )
    def hydrate_otherwise(self, scope, full, tree):
        self.check(scope, full, tree)

    def check(self, scope, full, tree):
        outcome = self.desk.attempt(scope=scope, full_rebuild=full, tree=tree)
        if isinstance(outcome, LocalEdits):
            # without an index old files are nobody's: they may stand in the way, and nothing else may
            assert self.lost_index, outcome
            return
        if tree == "source":
            wanted = {p: b for p, b in self.desk.wanted.items() if self.in_scope(p, scope)}
        else:
            entries = self.desk.book.entries
            wanted = {p: self.desk.server.blobs[d] for p, d in entries.items() if self.storage_in_scope(p, scope)}
        found = {p: b for p, b in self.desk.tree.items() if p not in self.mine}
        assert found == wanted or self.orphaned(found, wanted)
        assert self.desk.hydrate(scope=scope, tree=tree).mode == "unchanged"

    lost_index = False

    def orphaned(self, found, wanted):
        return self.lost_index and all(found.get(p) == b for p, b in wanted.items())

    @precondition(lambda self: (self.desk.state / "index").exists())
    @rule()
    def lose_index(self):
        (self.desk.state / "index").unlink()
        self.lost_index = True

    def in_scope(self, path, scope):
        return scope == "all" or (path.endswith(".png")) == (scope == "assets")

    def storage_in_scope(self, path, scope):
        return scope == "all" or path.startswith("static/") == (scope == "assets")

    @invariant()
    def what_is_mine_stays(self):
        for name, data in self.mine.items():
            assert (self.desk.out / name).read_bytes() == data
        assert self.desk.canary.read_bytes() == b"not yours"
        assert sorted(os.listdir(self.place)) in (["book", "canary.txt"], ["canary.txt"])


TestHydrateMachine = Machine.TestCase

"""A book against a dictionary: random programs of everything that changes a book, restarts in between (P1, P2, P5, P6,
R1, R2, R6). After each program the oracle looks at the whole store."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from panaversity_fs.core.changes import Delete
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import Conflict, HashRequired, NotFound, PanaversityError, SchemaViolation
from panaversity_fs.core.manifest import changed_paths, manifest_hash, parse
from panaversity_fs.core.paths import NameIndex
from panaversity_fs.library import CommitResult, Library
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, ingest, lesson, new_store

_T = TypeVar("_T")

# Few names and few contents, so that programs meet themselves; two names differ in case only.
PATHS = [lesson(1), lesson(2), lesson(3, 2), lesson(1).replace("lesson", "Lesson"), "static/img/01-Part/x.png"]
CONTENTS = [b"", b"one", b"two", b"three \r\n"]
WHICH = st.sampled_from(["right", "none", "wrong"])
WRONG = digest_of(b"never written")


def source(path: str) -> str:
    return path.removeprefix("content/")


class BookMachine(RuleBasedStateMachine):
    """``held`` is the book as a dictionary; ``told`` the manifests given to us; ``answers`` what keys were answered."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.held: dict[str, bytes] = {}
        self.revision = 0
        self.told: dict[Digest, dict[str, bytes]] = {}
        self.answers: list[tuple[str, Coroutine[Any, Any, CommitResult] | Any, CommitResult]] = []
        self.keys = 0

    @initialize(medium=st.sampled_from(["memory", "folder"]))
    def begin(self, medium: str) -> None:
        self.store = new_store(self.folder, medium)
        self._open()
        self.run(self.library.create_book(BOOK, CALLER))

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(work)

    def _open(self) -> None:
        self.opened = self.store.open()
        self.library: Library = self.run(self.opened.__aenter__())

    def _close(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))

    def expected(self, path: str, which: str) -> Digest | None:
        if which == "wrong":
            return WRONG
        return digest_of(self.held[path]) if which == "right" and path in self.held else None

    def judged(self, path: str, expected: Digest | None, delete: bool = False) -> type[PanaversityError] | None:
        """The refusal the specification wants, from the dictionary alone."""
        if delete:
            return Conflict if path in self.held and expected not in (None, digest_of(self.held[path])) else None
        if path not in self.held:
            return NotFound if expected is not None else None
        if expected is None:
            return HashRequired
        return Conflict if expected != digest_of(self.held[path]) else None

    def apply(self, writes: dict[str, bytes], deletes: list[str]) -> bool:
        """Change the dictionary unless names would meet; True when it was done."""
        after = {path: data for path, data in self.held.items() if path not in deletes} | writes
        index = NameIndex()
        if any(index.add(source(path)) for path in after):
            return False
        if after != self.held:
            self.revision += 1
        self.held = after
        return True

    def attempt(self, work: Coroutine[Any, Any, CommitResult]) -> CommitResult | type[PanaversityError]:
        try:
            return self.run(work)
        except PanaversityError as refusal:
            return type(refusal)

    @rule(path=st.sampled_from(PATHS), data=st.sampled_from(CONTENTS), which=WHICH, keyed=st.booleans())
    def write(self, path: str, data: bytes, which: str, keyed: bool) -> None:
        expected = self.expected(path, which)
        key = self._key() if keyed else None
        refusal = self.judged(path, expected)
        answer = self.attempt(self.library.write(BOOK, path, data, CALLER, expected=expected, idempotency_key=key))
        if refusal is None and not self.apply({path: data}, []):
            refusal = SchemaViolation
        self._compare(answer, refusal)
        if key and isinstance(answer, CommitResult):
            self.answers.append((key, (path, data, expected), answer))

    @rule(path=st.sampled_from(PATHS), which=WHICH)
    def delete(self, path: str, which: str) -> None:
        expected = self.expected(path, which)
        refusal = self.judged(path, expected, delete=True)
        answer = self.attempt(self.library.delete(BOOK, path, CALLER, expected=expected))
        if refusal is None:
            self.apply({}, [path])
        self._compare(answer, refusal)

    @rule(
        changes=st.dictionaries(st.sampled_from(PATHS), st.one_of(st.none(), st.sampled_from(CONTENTS)), max_size=4),
        wrong=st.lists(st.sampled_from(PATHS), max_size=1),
        with_manifest=st.booleans(),
    )
    def changeset(self, changes: dict[str, bytes | None], wrong: list[str], with_manifest: bool) -> None:
        expected = {path: self.expected(path, "wrong" if path in wrong else "right") for path in changes}
        writes = {path: data for path, data in changes.items() if data is not None}
        deletes = [path for path, data in changes.items() if data is None]
        refused = any(self.judged(path, expected[path], path in deletes) for path in changes)
        answer = self.attempt(ingest(
            self.library, writes, deletes=[Delete(path, expected[path]) for path in deletes],
            expected={path: digest for path, digest in expected.items() if digest}, with_manifest=with_manifest,
        ))  # fmt: skip
        refusal: type[PanaversityError] | None = Conflict if refused else None
        if not refused and not self.apply(writes, deletes):
            refusal = SchemaViolation
        self._compare(answer, refusal)
        if with_manifest and isinstance(answer, CommitResult):
            assert answer.manifest_hash == self._manifest()
            self.told[answer.manifest_hash] = dict(self.held)

    @rule()
    def plan(self) -> None:
        answer = self.run(self.library.plan(BOOK, None))
        assert answer.manifest_hash == self._manifest()
        assert [file.path for file in answer.files] == sorted(self.held)
        self.told[answer.manifest_hash] = dict(self.held)

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def plan_from_a_told_manifest(self, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from(sorted(self.told)))
        answer = self.run(self.library.plan(BOOK, known))
        before, now = self._digests(self.told[known]), self._digests(self.held)
        assert [file.path for file in answer.files] == changed_paths(before, now)
        for file in answer.files:
            assert (file.target_hash, file.current_hash) == (before.get(file.path), now.get(file.path))
        assert (answer.status == "unchanged") == (before == now)
        assert answer.warning is None
        assert parse(self.run(self.library.manifest_text(BOOK, known))) == before
        self.told[answer.manifest_hash] = dict(self.held)

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def repeat_a_request(self, data: st.DataObject) -> None:
        key, (path, content, expected), first = data.draw(st.sampled_from(self.answers))
        again = self.run(self.library.write(BOOK, path, content, CALLER, expected=expected, idempotency_key=key))
        assert again == first

    @rule()
    def restart(self) -> None:
        self._close()
        self._open()

    @invariant()
    def the_book_is_the_dictionary(self) -> None:
        entries = self.run(self.library.entries(BOOK, ""))
        assert {entry.path: entry.sha256 for entry in entries} == self._digests(self.held)
        info = self.run(self.library.book(BOOK))
        assert info is not None
        assert info.revision == self.revision
        assert (info.file_count, info.total_bytes) == (len(self.held), sum(map(len, self.held.values())))

    def teardown(self) -> None:
        try:
            if hasattr(self, "store"):
                for data in self.held.values():  # R2: the journal's hash is the hash of the stored bytes
                    assert self.run(self.library.read_bytes(BOOK, digest_of(data), 100)) == data
                self._close()
                seen = self.run(assert_store_ok(self.store, holds={BOOK: self._digests(self.held)}))
                assert seen.told == len(self.told), "every manifest we were told, and no other, is promised"
        finally:
            self.runner.close()
            shutil.rmtree(self.folder)

    def _compare(self, answer: CommitResult | type[PanaversityError], refusal: type[PanaversityError] | None) -> None:
        if refusal is not None:
            assert answer is refusal
        else:
            assert isinstance(answer, CommitResult), answer
            assert answer.revision == self.revision

    def _key(self) -> str:
        self.keys += 1
        return f"key {self.keys}"

    def _manifest(self) -> Digest:
        return manifest_hash(self._digests(self.held))

    @staticmethod
    def _digests(files: dict[str, bytes]) -> dict[str, Digest]:
        return {path: digest_of(data) for path, data in files.items()}


TestBookMachine = BookMachine.TestCase
TestBookMachine.settings = settings(max_examples=max(20, settings.default.max_examples // 3))

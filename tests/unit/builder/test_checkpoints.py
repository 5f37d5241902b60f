"""The builder as a witness of audit logs: what it remembers, what it refuses, what it forgives (S37)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from panaversity_builder.book.checkpoints import Witness
from panaversity_builder.book.hydrate import HydrateOptions, hydrate, plan_hydrate
from panaversity_builder.book.ingest import IngestOptions, ingest
from panaversity_builder.client import FROM_NOTHING, BuildPlan, ChangesetAnswer, PlanQuestion
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.audit import Checkpoint
from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import ChainBroken, InvalidArgument
from panaversity_fs.core.merkle import Tree
from support.simulator import Simulator

BOOK = "sample"
LESSON = "content/01-Part/01-Chapter/01-one.md"


class Warnings(Progress):
    """Keeps what a person would have been told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)


class Logging(Simulator):
    """A simulator whose books have logs: ``log`` is that of the one book there is, to be tampered with."""

    def __init__(self, store_id: str = "sim-store") -> None:
        super().__init__(store_id)
        self.log: list[Digest] = []
        self.shown = True
        self.old = False
        self.asked: list[Checkpoint | None] = []
        self.accepted: list[dict[str, object]] = []

    def grow(self, count: int = 1) -> None:
        self.log += [digest_of(f"{self.store_id} {len(self.log) + n}".encode()) for n in range(count)]

    def checkpoint(self) -> Checkpoint | None:
        incarnation = self.books[BOOK].incarnation if BOOK in self.books else 0
        tree = Tree(self.log)
        return Checkpoint(BOOK, incarnation, tree.size, tree.root(), "now") if self.shown and incarnation else None

    def proof(self, seen: Checkpoint | None) -> tuple[Digest, ...] | None:
        if seen is None or seen.size > len(self.log):
            return None
        return Tree(self.log).consistency(seen.size) if seen.size else ()

    def plan_build(self, book_id: str, asked: PlanQuestion = FROM_NOTHING) -> BuildPlan:
        self.asked.append(asked.seen)
        if self.old and asked.seen is not None:
            raise InvalidArgument("plan_build", "checkpoint", "is not an argument of this tool")
        plan = super().plan_build(book_id, replace(asked, seen=None))
        return replace(plan, checkpoint=self.checkpoint(), proof=self.proof(asked.seen))

    def call(self, tool: str, arguments: Mapping[str, object]) -> dict[str, object]:
        if self.old:
            raise InvalidArgument(tool, "accept_rollback", "is not an argument of this tool")
        self.accepted.append(dict(arguments))
        return {}

    def send_changeset(
        self,
        book_id: str,
        changeset: Changeset,
        blobs: object,
        idempotency_key: str,
        seen: Checkpoint | None = None,
    ) -> ChangesetAnswer:
        answer = super().send_changeset(book_id, changeset, blobs, idempotency_key)  # type: ignore[arg-type]
        self.grow()
        return replace(answer, checkpoint=self.checkpoint(), proof=self.proof(seen))


@pytest.fixture
def server() -> Logging:
    made = Logging()
    made.put(BOOK, LESSON, b"# One\n")
    made.grow(5)
    return made


def ask(server: Logging, kept: bytes | None, *, accept: bool = False, progress: Progress = SILENT) -> bytes:
    witness = Witness(kept, BOOK, progress, accept_rollback=accept)
    witness.plan(server, PlanQuestion())
    return witness.to_bytes()


def sizes(kept: bytes) -> list[tuple[str, int]]:
    return [(log["store_id"], log["size"]) for log in json.loads(kept)["logs"]]


def test_S37_the_last_checkpoint_is_sent_and_a_log_that_only_grew_is_believed(server: Logging) -> None:
    kept = ask(server, None)
    for growth in (0, 1, 7, 30):
        server.grow(growth)
        kept = ask(server, kept)
    assert [seen and seen.size for seen in server.asked] == [None, 5, 5, 6, 13]
    assert sizes(kept) == [("sim-store", 43)]
    assert server.traffic.requests == 5


def cut(server: Logging) -> None:
    del server.log[3:]


def empty(server: Logging) -> None:
    server.log.clear()


def rewrite(server: Logging) -> None:
    server.log[2] = digest_of(b"forged")


def rewrite_and_go_on(server: Logging) -> None:
    rewrite(server)
    server.grow(4)


def cut_and_go_on(server: Logging) -> None:
    cut(server)
    server.store_id, real = "elsewhere", server.store_id
    server.grow(9)
    server.store_id = real


def hide(server: Logging) -> None:
    server.shown = False


def forget_the_book(server: Logging) -> None:
    del server.books[BOOK]


TAMPERING = [cut, empty, rewrite, rewrite_and_go_on, cut_and_go_on, hide, forget_the_book]


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda t: t.__name__)
def test_S37_F65_a_log_that_shrank_forked_or_vanished_is_refused_with_13(server: Logging, tamper: object) -> None:
    kept = ask(server, None)
    tamper(server)  # type: ignore[operator]
    with pytest.raises(ChainBroken) as refusal:
        ask(server, kept)
    assert refusal.value.exit_status == 13
    assert "--accept-rollback" in refusal.value.hint
    with pytest.raises(ChainBroken):  # and again: nothing was learned from it
        ask(server, kept)


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda t: t.__name__)
def test_S37_an_accepted_rollback_is_said_and_the_new_log_is_watched_from_then_on(
    server: Logging, tamper: object
) -> None:
    kept = ask(server, None)
    seen = server.checkpoint()
    assert seen is not None
    tamper(server)  # type: ignore[operator]
    warnings = Warnings()
    kept = ask(server, kept, accept=True, progress=warnings)
    assert server.asked[-1] is None
    # The server's own log is to tell of it, where it shows one.
    told = {"incarnation": seen.incarnation, "size": seen.size, "root": seen.root}
    assert [asked["checkpoint"] for asked in server.accepted] == ([told] if server.checkpoint() else [])
    assert len(warnings.said) == 1
    assert "given up" in warnings.said[0]
    assert ask(server, kept) == kept
    if any(size for _, size in sizes(kept)):
        server.log = [digest_of(b"forged"), *server.log]
        with pytest.raises(ChainBroken):
            ask(server, kept)


def test_accepting_a_rollback_that_did_not_happen_changes_nothing(server: Logging) -> None:
    kept, warnings = ask(server, None), Warnings()
    assert ask(server, kept, accept=True, progress=warnings) == kept
    assert warnings.said == []
    assert server.accepted == []


def test_a_server_that_cannot_write_an_acceptance_down_does_not_stop_it(server: Logging) -> None:
    kept, warnings = ask(server, None), Warnings()
    cut(server)
    server.old = True
    assert sizes(ask(server, kept, accept=True, progress=warnings)) == [("sim-store", 3)]
    assert "does not tell of it (INVALID_ARGUMENT)" in warnings.said[1]


def test_F41_a_later_life_of_the_book_is_said_and_an_earlier_one_refused(server: Logging) -> None:
    first = ask(server, None)
    server.books[BOOK].incarnation, server.log = 2, []
    server.grow(2)
    warnings = Warnings()
    second = ask(server, first, progress=warnings)
    assert "made again" in warnings.said[0]
    assert sizes(second) == [("sim-store", 2)]
    server.books[BOOK].incarnation = 1
    server.grow(20)
    with pytest.raises(ChainBroken, match="earlier life"):
        ask(server, second)


def test_each_store_is_measured_against_itself(server: Logging) -> None:
    other = Logging("another-store")
    other.put(BOOK, LESSON, b"# Other\n")
    other.grow(2)
    kept = ask(other, ask(server, None))
    assert sizes(kept) == [("sim-store", 5), ("another-store", 2)]
    server.grow(1)
    requests = server.traffic.requests
    kept = ask(server, kept)  # the wrong checkpoint first, then the right one
    assert server.traffic.requests == requests + 2
    assert [log for log, _ in sizes(kept)] == ["another-store", "sim-store"]
    cut(server)
    with pytest.raises(ChainBroken):
        ask(server, kept)


def test_a_server_without_checkpoints_is_used_as_ever(server: Logging) -> None:
    server.shown = False
    kept = ask(server, None)
    assert sizes(kept) == []
    assert ask(server, kept) == kept
    known = ask_other_store()
    server.old = True
    assert sizes(ask(server, known)) == [("another-store", 1)]
    assert server.traffic.requests == 3


def ask_other_store() -> bytes:
    other = Logging("another-store")
    other.put(BOOK, LESSON, b"# Other\n")
    other.grow()
    return ask(other, None)


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"format": 2, "logs": []}', b'{"format": 1, "logs": [{"store_id": 1}]}', b"\xff" * 9,
     b"[" * 100_000, b'{"format": 1, "logs": [{"store_id": "s", "book_id": "b", "incarnation": "1"}]}'],
)  # fmt: skip
def test_F49_damaged_memory_is_no_memory_and_no_bug(server: Logging, damage: bytes) -> None:
    assert sizes(ask(server, damage)) == [("sim-store", 5)]
    assert server.asked == [None]


def test_no_more_than_fifty_logs_are_remembered_and_the_newest_stay(server: Logging) -> None:
    kept = None
    for number in range(60):
        server.store_id = f"store-{number}"
        kept = ask(server, kept)
    assert kept is not None
    assert [store for store, _ in sizes(kept)] == [f"store-{n}" for n in range(10, 60)]


def desk(tmp_path: Path, lessons: Iterable[str] = ("one",)) -> tuple[IngestOptions, HydrateOptions]:
    chapter = tmp_path / "docs" / "01-Part" / "01-Chapter"
    chapter.mkdir(parents=True)
    for number, name in enumerate(lessons, 1):
        (chapter / f"{number:02}-{name}.md").write_text(f"# {name}\n")
    source = IngestOptions(BOOK, str(tmp_path / "docs"), str(tmp_path / ".panaversity"))
    return source, HydrateOptions(BOOK, str(tmp_path / "book"))


def test_S37_an_old_backup_behind_the_server_is_found_by_the_next_ingest_and_the_next_hydrate(tmp_path: Path) -> None:
    server = Logging()
    source, output = desk(tmp_path)
    ingest(server, source)
    hydrate(server, output)
    backup = list(server.log)
    (tmp_path / "docs/01-Part/01-Chapter/01-one.md").write_text("# changed\n")
    ingest(server, source)
    hydrate(server, output)
    assert ingest(server, source).requests == hydrate(server, output).requests == 1
    server.log = backup
    for run in (lambda: ingest(server, source), lambda: hydrate(server, output), lambda: plan_hydrate(server, output)):
        with pytest.raises(ChainBroken, match="shrank"):
            run()
    assert (tmp_path / "book/01-Part/01-Chapter/01-one.md").read_text() == "# changed\n"
    ingest(server, replace(source, accept_rollback=True))
    hydrate(server, replace(output, accept_rollback=True))
    assert ingest(server, source).requests == hydrate(server, output).requests == 1


def test_S37_an_ingest_remembers_the_log_as_its_own_commit_left_it(tmp_path: Path) -> None:
    """Others may write before the next run; a restored backup between the two must not hide behind them."""
    server = Logging()
    source, _ = desk(tmp_path)
    ingest(server, source)
    before = list(server.log)
    (tmp_path / "docs/01-Part/01-Chapter/01-one.md").write_text("# changed\n")
    ingest(server, source)
    server.log = before
    server.store_id, real = "others", server.store_id
    server.grow(6)
    server.store_id = real
    with pytest.raises(ChainBroken, match="continuation"):
        ingest(server, source)


def test_S37_a_commit_that_proves_nothing_leaves_the_older_checkpoint(server: Logging) -> None:
    witness = Witness(ask(server, None), BOOK, SILENT)
    old = witness.seen("sim-store")
    assert old is not None
    server.grow(3)
    now = server.checkpoint()
    answer = ChangesetAnswer(1, digest_of(b""), 0, 0, 0, 0, None, None, now, None)  # type: ignore[arg-type]
    witness.committed("sim-store", answer)
    assert witness.seen("sim-store") == old
    witness.committed("sim-store", replace(answer, proof=server.proof(old)))
    assert witness.seen("sim-store") == now


def test_plan_writes_nothing_and_an_unchanged_log_is_not_written_again(tmp_path: Path) -> None:
    server = Logging()
    source, output = desk(tmp_path)
    ingest(server, source)
    plan_hydrate(server, output)
    assert not (tmp_path / "book").exists()
    hydrate(server, output)
    kept = tmp_path / "book/.panaversity/checkpoints.json"
    before = kept.stat()
    hydrate(server, output)
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    server.grow()
    plan_hydrate(server, output)
    assert kept.stat().st_ino == before.st_ino
    hydrate(server, output)
    assert kept.stat().st_ino != before.st_ino


def test_F48_P12_a_damaged_byte_of_what_is_remembered_raises_no_false_alarm(server: Logging) -> None:
    kept = ask(server, None)
    for at in range(len(kept)):
        for damaged in (kept[:at], kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :]):
            assert sizes(ask(server, damaged)) == [("sim-store", 5)]

"""Manipulations of a stored log, found as RELIABILITY 5 says: by the log itself, by a checkpoint kept elsewhere, by a
consistency proof; and no alarm on honest logs (P12, S36, S37, F65).

The database is edited underneath the library, with the triggers that forbid it removed, as somebody with its password
would do it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from panaversity_fs.core.audit import GENESIS, AuditEntry, Checkpoint, chain, continues
from panaversity_fs.core.changes import Delete
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.core.merkle import extend
from panaversity_fs.library import Caller, Library
from panaversity_fs.library.auditing import AuditReport
from support import stack
from support.stores import BOOK, Store, ingest, lesson, new_store

pytestmark = pytest.mark.anyio

OTHER = "other-book"
COLUMNS = (
    "id, book_id, incarnation, seq, revision, timestamp, agent_id, operation, path, user_id, prev_hash, new_hash, "
    "status, error_message, execution_time_ms"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def live(library: Library, chance: random.Random, steps: int, book: str = BOOK) -> None:
    """Random honest work: writes, edits, deletes, refusals and ingests by several agents."""
    held: dict[str, bytes] = {}
    for number in range(steps):
        path, agent = lesson(chance.randrange(5)), Caller("local", chance.choice(["alice", "bob", "carol"]))
        data, kind = f"{number} {chance.random()}".encode(), chance.randrange(8)
        if kind == 0:
            await library.delete(book, path, agent) if number else await library.create_book(book, agent)
            held.pop(path, None)
        elif kind == 1 and held:
            with pytest.raises(PanaversityError):
                await library.write(book, next(iter(held)), data, agent, expected=digest_of(b"never there"))
        elif kind == 2:
            gone = [Delete(name, digest_of(old)) for name, old in held.items() if name != path]
            known = {path: digest_of(held[path])} if path in held else {}
            await ingest(library, {path: data}, deletes=gone, expected=known, caller=agent, book=book)
            held = {path: data}
        else:
            await library.write(book, path, data, agent, expected=digest_of(held[path]) if path in held else None)
            held[path] = data


@dataclass
class Forger:
    """Somebody with the database's password. Times are kept as the database writes them, so that rows stay equal."""

    folder: Path
    chance: random.Random

    def do(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        stack.tamper(self.folder, *(spelled(statement, values) for statement, values in statements))

    @property
    def size(self) -> int:
        return len(stack.rows(self.folder, f"SELECT 1 FROM audit_log WHERE book_id = '{BOOK}'"))

    def entries(self) -> list[AuditEntry]:
        rows = stack.rows(self.folder, f"SELECT {COLUMNS} FROM audit_log WHERE book_id = '{BOOK}' ORDER BY seq")
        names = COLUMNS.split(", ")
        found = [AuditEntry(**dict(zip(names, row, strict=True))) for row in rows]
        return [replace(entry, timestamp=_told(entry.timestamp)) for entry in found]

    def rewrite(self, entries: list[AuditEntry], head: bool) -> None:
        """Let the book have this log, with all its hashes right; ``head`` lets the book's row agree with it."""
        hashes = chain(GENESIS, entries)
        insert = f"INSERT INTO audit_log ({COLUMNS}, entry_hash) VALUES ({', '.join('?' * 16)})"
        rows = [
            (insert, (*(_stored(name, getattr(entry, name)) for name in COLUMNS.split(", ")), digest))
            for entry, digest in zip(entries, hashes, strict=True)
        ]
        self.do(("DELETE FROM audit_log WHERE book_id = ?", (BOOK,)), *rows)
        if head:
            edge = " ".join(extend((), 0, hashes))
            update = "UPDATE books SET chain_seq = ?, chain_head = ?, chain_edge = ? WHERE book_id = ?"
            self.do((update, (len(entries), hashes[-1] if hashes else GENESIS, edge, BOOK)))


def spelled(statement: str, values: tuple[object, ...]) -> str:
    """The statement with its values in it, as both engines read them."""
    parts = statement.split("?")
    assert len(parts) == len(values) + 1
    return parts[0] + "".join(_literal(value) + part for value, part in zip(values, parts[1:], strict=True))


def _literal(value: object) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if value is None or isinstance(value, int):
        return "NULL" if value is None else str(value)
    return "'" + str(value).replace("'", "''") + "'"


def _told(timestamp: object) -> str:
    """The time as an entry has it: the engines keep it as text or as a time."""
    if isinstance(timestamp, datetime):
        return timestamp.isoformat(timespec="microseconds")
    return str(timestamp).replace(" ", "T") + "+00:00"


def _stored(name: str, value: object) -> object:
    if name != "timestamp":
        return value
    return str(value) if stack.CLOUD else str(value)[:26].replace("T", " ")


def change_a_field(forger: Forger) -> None:
    column, value = forger.chance.choice([
        ("agent_id", "mallory"), ("timestamp", "2001-01-01 00:00:00.000000"), ("operation", "read"),
        ("path", "content/elsewhere.md"), ("execution_time_ms", 123456), ("error_message", "no"),
        ("new_hash", "ab" * 32), ("user_id", "mallory"), ("revision", 777), ("entry_hash", "cd" * 32),
    ])  # fmt: skip
    seq = forger.chance.randint(1, forger.size)
    forger.do((f"UPDATE audit_log SET {column} = ? WHERE book_id = ? AND seq = ?", (value, BOOK, seq)))


def delete_in_the_middle(forger: Forger) -> None:
    seq = forger.chance.randint(1, forger.size - 1)
    forger.do(("DELETE FROM audit_log WHERE book_id = ? AND seq = ?", (BOOK, seq)))


def delete_and_close_the_gap(forger: Forger) -> None:
    entries, at = forger.entries(), forger.chance.randrange(forger.size - 1)
    kept = [replace(e, seq=n) for n, e in enumerate(entries[:at] + entries[at + 1 :], 1)]
    forger.rewrite(kept, head=False)


def insert_an_entry(forger: Forger) -> None:
    entries, at = forger.entries(), forger.chance.randrange(forger.size)
    forged = replace(entries[at], id="f" * 32, agent_id="mallory")
    forger.rewrite([replace(e, seq=n) for n, e in enumerate([*entries[:at], forged, *entries[at:]], 1)], head=False)


def swap_two(forger: Forger) -> None:
    one, two = forger.chance.sample(range(1, forger.size + 1), 2)
    move = "UPDATE audit_log SET seq = ? WHERE book_id = ? AND seq = ?"
    forger.do((move, (-1, BOOK, one)), (move, (one, BOOK, two)), (move, (two, BOOK, -1)))


def cut_the_tail(forger: Forger) -> None:
    keep = forger.chance.randrange(forger.size)
    forger.do(("DELETE FROM audit_log WHERE book_id = ? AND seq > ?", (BOOK, keep)))


def splice_another_books_entry(forger: Forger) -> None:
    seq = forger.chance.randint(1, forger.size)
    moved = f"INSERT INTO audit_log ({COLUMNS}, entry_hash) SELECT {COLUMNS.replace('book_id', '?')}, entry_hash "
    forger.do(
        ("DELETE FROM audit_log WHERE book_id = ? AND seq = ?", (BOOK, seq)),
        ("CREATE TEMP TABLE taken AS SELECT * FROM audit_log WHERE book_id = ? AND seq = ?", (OTHER, seq)),
        ("DELETE FROM audit_log WHERE book_id = ? AND seq = ?", (OTHER, seq)),
        (f"{moved} FROM taken", (BOOK,)),
    )


def change_the_head(forger: Forger) -> None:
    column, value = forger.chance.choice([("chain_head", "ef" * 32), ("chain_seq", forger.size + 1)])
    forger.do((f"UPDATE books SET {column} = ? WHERE book_id = ?", (value, BOOK)))


def change_the_tree(forger: Forger) -> None:
    forger.do(("UPDATE books SET chain_edge = replace(chain_edge, substr(chain_edge, 1, 8), '01234567')", ()))


BY_THE_LOG: list[Callable[[Forger], None]] = [
    change_a_field, delete_in_the_middle, delete_and_close_the_gap, insert_an_entry, swap_two, cut_the_tail,
    splice_another_books_entry, change_the_head, change_the_tree,
]  # fmt: skip
"""Found without help: "full-entry chain and head row" of the table."""


def cut_and_reset(forger: Forger) -> None:
    forger.rewrite(forger.entries()[: forger.chance.randrange(1, forger.size)], head=True)


def rewrite_history(forger: Forger) -> None:
    entries, at = forger.entries(), forger.chance.randrange(forger.size)
    forger.rewrite([replace(e, agent_id="mallory") if n == at else e for n, e in enumerate(entries)], head=True)


def rewrite_and_go_on(forger: Forger) -> None:
    rewrite_history(forger)
    entries = forger.entries()
    more = [replace(entries[-1], id=f"{n:032}", seq=entries[-1].seq + n, status="refused") for n in range(1, 5)]
    forger.rewrite([*entries, *more], head=True)


BY_A_CHECKPOINT: list[Callable[[Forger], None]] = [cut_and_reset, rewrite_history, rewrite_and_go_on]
"""Invisible to the log itself (the table says **no**); found by whoever remembers a checkpoint."""


async def damaged(
    store: Store, manipulate: Callable[[Forger], None], seed: int
) -> tuple[Checkpoint, AuditReport, AuditReport]:
    """What was remembered before, and what verifying says afterwards, without and with it."""
    chance = random.Random(seed)
    async with store.open() as library:
        await live(library, chance, chance.randint(8, 25))
        await live(library, chance, 40, OTHER)
        remembered = await library.checkpoint(BOOK)
        assert (await library.verify_audit(BOOK, remembered)).valid
    manipulate(Forger(store.folder, chance))
    async with store.open() as library:
        return remembered, await library.verify_audit(BOOK), await library.verify_audit(BOOK, remembered)


def seeds(sample: int, full: int) -> list[object]:
    return [*range(sample), *(pytest.param(n, marks=pytest.mark.full) for n in range(sample, full))]


@pytest.mark.parametrize("seed", seeds(2, 200))
@pytest.mark.parametrize("manipulate", BY_THE_LOG, ids=lambda m: m.__name__)
async def test_S36_F65_a_manipulated_log_is_found_by_the_log_itself(
    tmp_path: Path, manipulate: Callable[[Forger], None], seed: int
) -> None:
    _, alone, _ = await damaged(new_store(tmp_path), manipulate, seed)
    assert not alone.valid
    assert alone.found is not None
    assert alone.found.expected != alone.found.actual


@pytest.mark.parametrize("seed", seeds(2, 200))
@pytest.mark.parametrize("manipulate", BY_A_CHECKPOINT, ids=lambda m: m.__name__)
async def test_S37_F65_what_a_log_cannot_show_is_found_by_a_remembered_checkpoint(
    tmp_path: Path, manipulate: Callable[[Forger], None], seed: int
) -> None:
    _, alone, witnessed = await damaged(new_store(tmp_path), manipulate, seed)
    assert alone.found is None, "the table says that the log alone cannot show this"
    assert not witnessed.valid
    assert "shrank" in witnessed.rollback or "continuation" in witnessed.rollback


@pytest.mark.parametrize("seed", seeds(2, 50))
async def test_S37_an_old_backup_of_the_database_is_found_by_a_checkpoint_taken_later(
    tmp_path: Path, seed: int
) -> None:
    store, chance = new_store(tmp_path), random.Random(seed)
    async with store.open() as library:
        await live(library, chance, 6)
    restore = stack.backup(tmp_path)
    async with store.open() as library:
        await live(library, chance, 0)
        await library.write(BOOK, lesson(90), b"later", Caller("local", "dora"), expected=None)
        remembered = await library.checkpoint(BOOK)
    restore()
    async with store.open() as library:
        assert (await library.verify_audit(BOOK)).valid
        assert "shrank" in (await library.verify_audit(BOOK, remembered)).rollback
        await library.write(BOOK, lesson(91), b"another", Caller("local", "eve"), expected=None)
        await library.write(BOOK, lesson(92), b"another", Caller("local", "eve"), expected=None)
        assert "continuation" in (await library.verify_audit(BOOK, remembered)).rollback


@pytest.mark.parametrize("seed", seeds(4, 200))
async def test_S36_honest_logs_raise_no_alarm_whatever_was_remembered_when(tmp_path: Path, seed: int) -> None:
    chance, kept = random.Random(seed), list[Checkpoint]()
    store = new_store(tmp_path)
    for _ in range(3):  # a restart in between: no cached tree helps
        async with store.open() as library:
            for _ in range(4):
                await live(library, chance, 1) if not kept else await library.write(
                    BOOK, lesson(50 + len(kept)), b"x", Caller("local", "dora"), expected=None
                )
                kept.append(await library.checkpoint(BOOK))
            for old in kept:
                assert (await library.verify_audit(BOOK, old)).valid
                now = await library.checkpoint(BOOK)
                proof = await library.consistency(BOOK, old, now)
                assert continues(old, now, proof) == ""
                assert continues(replace(old, root=digest_of(b"forged")), now, proof) != ""


@stack.only_sqlite
@pytest.mark.parametrize("value", ["not a time", b"\x00\x01", 7, None], ids=["text", "bytes", "number", "nothing"])
async def test_P12_a_row_that_is_no_entry_at_all_is_named_and_not_a_bug(tmp_path: Path, value: object) -> None:
    def spoil(forger: Forger) -> None:
        ((table,),) = stack.rows(forger.folder, "SELECT sql FROM sqlite_master WHERE name = 'audit_log'")
        forger.do(
            ("ALTER TABLE audit_log RENAME TO old_log", ()),
            (table.replace("timestamp DATETIME NOT NULL", "timestamp DATETIME").replace("uq_", "uy_"), ()),
            ("INSERT INTO audit_log SELECT * FROM old_log", ()),
            ("UPDATE audit_log SET timestamp = ? WHERE book_id = ? AND seq = 5", (value, BOOK)),
        )

    _, alone, _ = await damaged(new_store(tmp_path), spoil, 1)
    assert alone.found is not None
    assert (alone.found.seq, alone.entries) == (5, 4)


@stack.only_sqlite
@pytest.mark.parametrize("column", ["agent_id", "path", "prev_hash", "seq"])
async def test_P12_a_column_of_another_kind_is_found_and_not_a_bug(tmp_path: Path, column: str) -> None:
    def spoil(forger: Forger) -> None:
        value = b"\x01" * (64 if column == "prev_hash" else 1)
        forger.do((f"UPDATE audit_log SET {column} = ? WHERE book_id = ? AND seq = 5", (value, BOOK)))

    _, alone, _ = await damaged(new_store(tmp_path), spoil, 1)
    assert alone.found is not None
    assert alone.entries == 4


@pytest.mark.parametrize("seed", seeds(2, 50))
@pytest.mark.parametrize("manipulate", BY_A_CHECKPOINT, ids=lambda m: m.__name__)
async def test_S37_no_kept_tree_hides_what_was_done_under_a_running_server(
    tmp_path: Path, manipulate: Callable[[Forger], None], seed: int
) -> None:
    store, chance = new_store(tmp_path), random.Random(seed)
    async with store.open() as library:
        await live(library, chance, 15)
        half = await library.checkpoint(BOOK)
        await library.write(BOOK, lesson(90), b"later", Caller("local", "dora"), expected=None)
        remembered = await library.checkpoint(BOOK)
        assert continues(half, remembered, await library.consistency(BOOK, half, remembered)) == ""  # the tree is kept
        manipulate(Forger(store.folder, chance))
        now = await library.checkpoint(BOOK)
        plan = await library.plan(BOOK, None, "all", remembered)
        assert plan.checkpoint == now
        assert continues(remembered, now, plan.proof) != ""
        assert not (await library.verify_audit(BOOK, remembered)).valid

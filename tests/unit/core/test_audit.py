"""The hash chain of a book: pinned entry hashes, honest logs, and every manipulation a chain can show (S36)."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from panaversity_fs.core.audit import GENESIS, AuditEntry, canonical, chain, entry_hash, first_break
from panaversity_fs.core.digest import Digest, digest_of

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "audit.json").read_text(encoding="utf-8"))
A, B, C, D = (digest_of(letter) for letter in (b"a", b"b", b"c", b"d"))

Log = list[tuple[AuditEntry, str]]


def entry(
    seq: int, path: str = "content/x.md", before: Digest | None = None, after: Digest | None = None, **changed: object
) -> AuditEntry:
    honest = AuditEntry(
        id=f"id-{seq}",
        book_id="book",
        incarnation=1,
        seq=seq,
        revision=seq,
        timestamp=f"2026-01-02T03:04:05.{seq:06d}+00:00",
        agent_id="agent",
        operation="write_content",
        path=path,
        user_id="__base__",
        prev_hash=before,
        new_hash=after,
        status="success",
        error_message=None,
        execution_time_ms=7,
    )
    return replace(honest, **changed)  # type: ignore[arg-type]


ENTRIES = [
    entry(1, after=A),
    entry(2, "content/y.md", after=B),
    entry(3, before=A, after=C),
    entry(4, before=C, after=C, status="refused", error_message="CONFLICT"),
    entry(5, before=C, after=D, agent_id="another"),
    entry(6, user_id="reader", after=B),
    entry(7, before=D, after=None, operation="delete_content"),
    entry(8, after=A),
]


def logged(entries: list[AuditEntry]) -> Log:
    return list(zip(entries, chain(GENESIS, entries), strict=True))


def test_the_canonical_bytes_and_hashes_of_entries_are_pinned() -> None:
    first = AuditEntry(**GOLDEN["entries"][0])
    assert canonical(first).decode() == GOLDEN["canonical_of_first"]
    assert chain(GENESIS, [AuditEntry(**e) for e in GOLDEN["entries"]]) == GOLDEN["entry_hashes"]


def test_a_chain_goes_on_from_a_head_as_if_it_had_never_stopped() -> None:
    whole = chain(GENESIS, ENTRIES)
    assert whole[3:] == chain(whole[2], ENTRIES[3:])
    assert whole[0] == entry_hash(GENESIS, ENTRIES[0])
    assert chain(A, []) == []


def test_SC_004_R6_FR_022_an_honest_log_raises_no_alarm() -> None:
    assert first_break(logged(ENTRIES)) is None
    assert first_break([]) is None


@pytest.mark.parametrize("field", [field.name for field in fields(AuditEntry)])
def test_FR_023_a_change_of_any_field_of_any_entry_is_found_there(field: str) -> None:
    for at in range(len(ENTRIES)):
        log = logged(ENTRIES)
        honest, stored = log[at]
        value = getattr(honest, field)
        log[at] = replace(honest, **{field: value + 1 if isinstance(value, int) else f"{value}x"}), stored
        assert first_break(log) == log[at][0].seq


def test_FR_020_the_hash_covers_every_field() -> None:
    assert json.loads(canonical(ENTRIES[0])) == asdict(ENTRIES[0])


def delete(log: Log) -> Log:
    return log[:3] + log[4:]


def delete_the_first(log: Log) -> Log:
    return log[1:]


def insert(log: Log) -> Log:
    forged = entry(4, "content/forged.md", after=B)
    return [*log[:3], (forged, entry_hash(Digest(log[2][1]), forged)), *log[3:]]


def swap_neighbours(log: Log) -> Log:
    return [*log[:1], log[2], log[1], *log[3:]]


def duplicate(log: Log) -> Log:
    return [*log[:5], log[4], *log[5:]]


def change_a_stored_hash(log: Log) -> Log:
    return [*log[:2], (log[2][0], B), *log[3:]]


def renumber_after_a_deletion(log: Log) -> Log:
    kept = [e for e, _ in delete(log)]
    return [(replace(e, seq=n), stored) for n, (e, (_, stored)) in enumerate(zip(kept, delete(log), strict=True), 1)]


def splice_another_books_log(log: Log) -> Log:
    return log[:4] + logged([replace(e, book_id="other") for e, _ in log])[4:]


def relink_with_new_hashes_but_a_broken_content_link(log: Log) -> Log:
    kept = [replace(e, seq=n) for n, (e, _) in enumerate(log[:2] + log[3:], 1)]
    return logged(kept)


def delete_and_hash_anew_with_a_gap(log: Log) -> Log:
    return logged([e for e, _ in log[:3] + log[4:]])


@pytest.mark.parametrize(
    ("manipulate", "found_at"),
    [
        (delete, 5),
        (delete_the_first, 2),
        (insert, 4),
        (swap_neighbours, 3),
        (duplicate, 5),
        (change_a_stored_hash, 3),
        (renumber_after_a_deletion, 4),
        (splice_another_books_log, 5),
        (relink_with_new_hashes_but_a_broken_content_link, 4),
        (delete_and_hash_anew_with_a_gap, 5),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_SC_004_R6_a_manipulated_log_is_found_at_its_first_false_entry(
    manipulate: Callable[[Log], Log], found_at: int
) -> None:
    log = manipulate(logged(ENTRIES))
    assert first_break(log) == found_at


def test_a_cut_tail_is_left_to_the_head_that_the_caller_keeps() -> None:
    log = logged(ENTRIES)
    assert first_break(log[:5]) is None
    assert log[4][1] != log[-1][1]


def test_R6_a_refusal_or_another_readers_overlay_never_breaks_the_link() -> None:
    log = [
        entry(1, after=A),
        entry(2, before=B, after=B, status="refused"),
        entry(3, user_id="reader", after=C),
        entry(4, before=A, after=B),
    ]
    assert first_break(logged(log)) is None


@pytest.mark.parametrize(
    "second",
    [entry(2, after=B), entry(2, before=B, after=C), entry(2, before=None, after=None)],
    ids=["forgets", "invents", "forgets and deletes"],
)
def test_R6_FR_022_a_well_hashed_entry_with_a_wrong_previous_hash_is_found(second: AuditEntry) -> None:
    assert first_break(logged([entry(1, after=A), second])) == 2

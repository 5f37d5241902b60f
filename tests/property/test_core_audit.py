"""Honest logs raise no alarm, and a manipulated one always does (SC-004, R6)."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core.audit import GENESIS, AuditEntry, chain, first_break
from panaversity_fs.core.digest import Digest, digest_of

Log = list[tuple[AuditEntry, str]]
states = st.none() | st.sampled_from([digest_of(bytes([n])) for n in range(3)])


@st.composite
def logs(draw: st.DrawFn, smallest: int = 0) -> Log:
    """A log as a server keeps it: every success tells the digest before and after, refusals are told as they are."""
    present: dict[tuple[str, str], Digest | None] = {}
    entries: list[AuditEntry] = []
    for seq in range(1, draw(st.integers(smallest, 8)) + 1):
        key = draw(st.sampled_from([("a", "__base__"), ("b", "__base__"), ("a", "reader")]))
        before, after = present.get(key), draw(states)
        refused = draw(st.booleans())
        entries.append(
            AuditEntry(
                id=str(seq),
                book_id="book",
                incarnation=1,
                seq=seq,
                revision=seq,
                timestamp=f"t{seq}",
                agent_id=draw(st.sampled_from(["human", "robot"])),
                operation="write_content",
                path=key[0],
                user_id=key[1],
                prev_hash=before,
                new_hash=before if refused else after,
                status="refused" if refused else "success",
                error_message="CONFLICT" if refused else None,
                execution_time_ms=draw(st.integers(0, 9)),
            )
        )
        if not refused:
            present[key] = after
    return list(zip(entries, chain(GENESIS, entries), strict=True))


@given(logs())
def test_SC_004_R6_an_honest_log_raises_no_alarm(log: Log) -> None:
    assert first_break(log) is None


@given(logs(smallest=2), st.data())
def test_SC_004_R6_a_log_with_its_entries_rearranged_raises_one(log: Log, data: st.DataObject) -> None:
    picked = data.draw(st.lists(st.sampled_from(log), min_size=1))
    if picked != log[: len(picked)]:
        assert first_break(picked) is not None


@given(logs(smallest=1), st.data())
def test_SC_004_R6_a_changed_entry_is_found_where_it_is(log: Log, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(log) - 1))
    field = data.draw(st.sampled_from(["agent_id", "path", "operation", "timestamp", "status", "new_hash", "id"]))
    entry, stored = log[at]
    log[at] = replace(entry, **{field: f"{getattr(entry, field)}'"}), stored
    assert first_break(log) == entry.seq


@given(logs(smallest=1), logs(smallest=1))
def test_two_logs_have_one_head_only_when_they_tell_the_same(one: Log, other: Log) -> None:
    assert (one[-1][1] == other[-1][1]) == (one == other)

"""What changed since a moment, over a real store."""

from datetime import UTC, datetime

import pytest

from panaversity_fs.core.changes import Delete
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import InvalidArgument, NotFound
from panaversity_fs.library import Library
from panaversity_fs.library.deltas import parse_since
from support.stores import BOOK, CALLER, ingest, lesson

pytestmark = pytest.mark.anyio

ONE, TWO = digest_of(b"one"), digest_of(b"two")


async def test_SC_007_only_what_changed_since_is_told_with_deletions(library: Library) -> None:
    kept, changed, removed, new = (lesson(n) for n in range(4))
    await ingest(library, {kept: b"one", changed: b"one", removed: b"one"})
    since = (await library.delta(BOOK, "1970-01-01T00:00:00+00:00")).as_of
    await ingest(library, {changed: b"two", new: b"two"}, expected={changed: ONE}, deletes=[Delete(removed, ONE)])
    delta = await library.delta(BOOK, since.isoformat())
    told = [(f.path, f.change_type, f.previous_hash, f.current_hash, f.size, f.revision) for f in delta.files]
    assert told == [
        (changed, "modified", ONE, TWO, 3, 2),
        (removed, "deleted", ONE, None, 0, 2),
        (new, "added", None, TWO, 3, 2),
    ]
    assert all(file.last_modified > since for file in delta.files)
    assert (await library.delta(BOOK, delta.as_of.isoformat())).files == ()


async def test_previous_hashes_are_those_of_the_moment_whatever_happened_between(library: Library) -> None:
    path = lesson(1)
    await library.write(BOOK, path, b"one", CALLER, expected=None)
    since = (await library.delta(BOOK, "1970-01-01T00:00:00Z")).as_of
    await library.delete(BOOK, path, CALLER)
    await library.write(BOOK, path, b"three", CALLER, expected=None)
    await library.write(BOOK, path, b"two", CALLER, expected=digest_of(b"three"))
    (file,) = (await library.delta(BOOK, since.isoformat())).files
    assert (file.change_type, file.previous_hash, file.current_hash) == ("modified", ONE, TWO)


async def test_overlays_are_nobody_elses_business(library: Library) -> None:
    await library.write(BOOK, lesson(1), b"mine", CALLER, expected=None, user_id="reader-1")
    assert (await library.delta(BOOK, "1970-01-01T00:00:00Z")).files == ()


async def test_a_time_counts_in_any_zone(library: Library) -> None:
    await library.write(BOOK, lesson(1), b"one", CALLER, expected=None)
    written = (await library.entry(BOOK, lesson(1))).last_written_at
    assert written.year == 2030
    before, after = "2030-01-01T01:59:59+02:00", "2029-12-31T23:59:59-02:00"  # one second before it, two hours after
    assert len((await library.delta(BOOK, before)).files) == 1
    assert (await library.delta(BOOK, after)).files == ()


@pytest.mark.parametrize(
    "since",
    ["2030-01-01T00:00:00", "2030-01-01", "yesterday", "", "2030-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
     "2030-01-01T00:00:00\x00Z", "9999-12-31T23:59:59-10:00"],
)  # fmt: skip
async def test_a_time_without_a_zone_or_sense_is_refused(library: Library, since: str) -> None:
    await library.create_book(BOOK, CALLER)
    with pytest.raises(InvalidArgument) as refusal:
        await library.delta(BOOK, since)
    assert refusal.value.details["name"] == "since"


def test_a_moment_is_read_in_utc() -> None:
    assert parse_since("2030-01-31T12:00:00+02:00") == datetime(2030, 1, 31, 10, tzinfo=UTC)
    assert parse_since("2030-01-31T12:00:00.5Z").utcoffset() is not None


async def test_a_book_nobody_created_is_not_found(library: Library) -> None:
    with pytest.raises(NotFound):
        await library.delta(BOOK, "2030-01-01T00:00:00Z")

"""Searching a book: whose files are seen, what is skipped, and that bounds end a call and not the search."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import InvalidArgument, NotFound
from panaversity_fs.core.paths import BASE
from panaversity_fs.core.schema import Schema
from panaversity_fs.library import Grep, Library, Place, searching
from panaversity_fs.store.blobs import BlobKey
from support.stores import BOOK, CALLER, Store, ingest

pytestmark = pytest.mark.anyio

FILES = {
    "content/01-Part/02-Chapter/03-a.md": b"one needle\r\ntwo\nthree needle",
    "content/01-Part/02-Chapter/04-b.md": b"nothing here\n",
    "content/binary.dat": b"needle \xff\xfe needle",
    "content/z.md": b"the last needle\n",
    "static/img/@/needle.png": b"needle",
}
A, Z = "content/01-Part/02-Chapter/03-a.md", "content/z.md"


def places(found: Grep) -> list[tuple[str, int]]:
    return [(hit.path, hit.line_number) for hit in found.hits]


async def everything(library: Library, pattern: str, limit: int, user: str = BASE) -> tuple[list[tuple[str, int]], int]:
    """All hits and how many calls they took."""
    hits: list[tuple[str, int]] = []
    begin: Place | None = None
    for calls in range(1, 1_000):
        found = await library.grep_search(BOOK, pattern, limit, user_id=user, begin=begin)
        assert len(found.hits) <= limit
        hits += places(found)
        if found.following is None:
            return hits, calls
        assert found.following != begin, "every call gets on"
        begin = found.following
    raise AssertionError("the search never ends")


async def test_S19_lines_are_found_in_lessons_only(library: Library) -> None:
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    found = await library.grep_search(BOOK, "need.e", 100)
    assert places(found) == [(A, 1), (A, 3), (Z, 1)]
    assert [hit.line for hit in found.hits] == ["one needle", "three needle", "the last needle"]
    assert [(s.path, s.reason) for s in found.skipped] == [("content/binary.dat", "is not UTF-8 text")]
    assert (found.files_searched, found.following) == (4, None)


async def test_S20_paths_are_found_in_the_whole_book(library: Library) -> None:
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    assert await library.glob_search(BOOK, "**/*.md", 100) == ([A, A.replace("03-a", "04-b"), Z], False)
    assert await library.glob_search(BOOK, "static/**", 100) == (["static/img/@/needle.png"], False)
    assert await library.glob_search(BOOK, "**", 2) == (sorted(FILES)[:2], True)
    assert await library.glob_search(BOOK, "**", 100, after=sorted(FILES)[1]) == (sorted(FILES)[2:], False)
    assert await library.glob_search(BOOK, "**", 5) == (sorted(FILES), False)


async def test_R5_the_own_overlay_is_seen_over_the_base_and_no_other(library: Library) -> None:
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    alone = A.replace("03-a", "05-mine")
    await library.write(BOOK, A, b"no more\nmy needle", CALLER, expected=None, user_id="ann")
    await library.write(BOOK, alone, b"my needle", CALLER, expected=None, user_id="ann")
    assert places(await library.grep_search(BOOK, "needle", 100, user_id="ann")) == [(A, 2), (alone, 1), (Z, 1)]
    assert places(await library.grep_search(BOOK, "my needle", 100, user_id="bob")) == []
    assert places(await library.grep_search(BOOK, "needle", 100)) == [(A, 1), (A, 3), (Z, 1)]
    assert alone in (await library.glob_search(BOOK, "**/*mine*", 100, user_id="ann"))[0]
    for other in ("bob", BASE):
        assert await library.glob_search(BOOK, "**/*mine*", 100, user_id=other) == ([], False)
    for sentinel in ("system", "__BASE__", ""):
        with pytest.raises(InvalidArgument):
            await library.grep_search(BOOK, "needle", 100, user_id=sentinel)


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
async def test_F68_any_limit_pages_through_all_hits(library: Library, limit: int) -> None:
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    hits, calls = await everything(library, "needle|the|no", limit)
    assert hits == [(A, 1), (A, 3), (A.replace("03-a", "04-b"), 1), (Z, 1)]
    assert calls >= 4 // limit


@pytest.mark.parametrize(("name", "value"), [("MAX_FILES", 1), ("MAX_BYTES", 1), ("MAX_SECONDS", 0.0)])
async def test_S19_a_bound_ends_the_call_and_not_the_search(library: Library, name: str, value: float) -> None:
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    with patch.object(searching, name, value):
        first = await library.grep_search(BOOK, "needle", 100)
        assert first.following is not None
        assert first.files_searched == 1
        hits, calls = await everything(library, "needle", 100)
    assert hits == [(A, 1), (A, 3), (Z, 1)]
    assert calls >= 4


async def test_S19_two_seconds_end_a_call_inside_a_long_text(library: Library) -> None:
    """A clock of a second a look: each call makes a few steps, and the next one goes on behind them."""
    text = "".join(f"line {n}{' needle' if n % 500 == 0 else ''}\n" for n in range(1, 30_001)).encode()
    await ingest(library, {"content/long.md": text}, schema=Schema.DOCUSAURUS)
    now = [0.0]

    def clock() -> float:
        now[0] += 0.5
        return now[0]

    library._context = replace(library._context, monotonic=clock)
    hits, calls = await everything(library, "needle", 1_000)
    assert hits == [("content/long.md", n) for n in range(500, 30_001, 500)]
    assert calls > 2


async def test_a_search_goes_on_when_the_book_has_changed(library: Library) -> None:
    await ingest(library, FILES, schema=Schema.DOCUSAURUS)
    first = await library.grep_search(BOOK, "needle", 1)
    assert first.following == Place(A, 1)
    await library.delete(BOOK, A, CALLER)
    await ingest(library, {"content/y.md": b"needle"})
    rest = await library.grep_search(BOOK, "needle", 100, begin=first.following)
    assert places(rest) == [("content/y.md", 1), (Z, 1)]


async def test_damaged_missing_and_large_files_are_skipped_and_named(store: Store) -> None:
    async with store.open() as library:
        await ingest(library, FILES | {"content/huge.md": b"needle\n" * 200}, schema=Schema.DOCUSAURUS)
        store.medium.damage(BlobKey(BOOK, 1, digest_of(FILES[A])), b"needle")
        await store.medium.blobs.remove(BlobKey(BOOK, 1, digest_of(b"nothing here\n")))
        with patch.object(searching, "MAX_FILE", 1_000):
            found = await library.grep_search(BOOK, "needle", 100)
    assert places(found) == [(Z, 1)]
    assert {s.path: s.reason for s in found.skipped} == {
        A: "is damaged in the store",
        A.replace("03-a", "04-b"): "is missing in the store",
        "content/binary.dat": "is not UTF-8 text",
        "content/huge.md": "is larger than 1000 bytes",
    }


async def test_a_book_that_is_not_there_and_bad_patterns_are_refused(library: Library) -> None:
    with pytest.raises(NotFound):
        await library.grep_search("no-book", "a", 1)
    with pytest.raises(NotFound):
        await library.glob_search("no-book", "a", 1)
    await library.create_book(BOOK, CALLER)
    assert await library.glob_search(BOOK, "**", 10) == ([], False)
    assert (await library.grep_search(BOOK, "a", 10)).following is None
    with pytest.raises(InvalidArgument, match="look-around"):
        await library.grep_search(BOOK, "(?=a)", 1)
    with pytest.raises(InvalidArgument, match="braces"):
        await library.glob_search(BOOK, "{a,b}", 1)


async def test_S19_P13_of_many_searches_one_works_at_a_time_and_all_take_turns(library: Library) -> None:
    """However many callers search, readers meet one search at the database, the disk and the processor."""
    await ingest(library, {f"content/{n:02}.md": b"text %d\n" % n for n in range(12)}, schema=Schema.DOCUSAURUS)
    working, most, turns = 0, 0, list[int]()
    real = searching._located
    numbers: dict[Any, int] = {}

    async def located(
        context: Any, place: tuple[str, int], paths: Sequence[str], entries: Mapping[str, Any]
    ) -> list[Any]:
        nonlocal working, most
        working += 1
        most = max(most, working)
        turns.append(numbers[asyncio.current_task()])
        await asyncio.sleep(0.001)
        working -= 1
        return await real(context, place, paths, entries)

    async def search(number: int) -> Grep:
        numbers[asyncio.current_task()] = number
        return await library.grep_search(BOOK, f"never{number}", 10)

    with patch.object(searching, "_located", located), patch.object(searching, "_GROUP_FILES", 3):
        found = await asyncio.gather(*(search(number) for number in range(8)))
    assert [grep.files_searched for grep in found] == [12] * 8
    assert most == 1
    # Nobody comes a second time before everybody who waits came once.
    for start in range(0, len(turns), 8):
        assert sorted(turns[start : start + 8]) == list(range(8))

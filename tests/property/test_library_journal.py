"""The journal tells the truth about the bytes, and a view brought forward equals one loaded afresh (R2, DESIGN 5)."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from panaversity_fs.core.changes import Delete
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.mapping import Numbering
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, ingest, lesson, new_store

FEW = settings(max_examples=max(15, settings.default.max_examples // 4))

# A program: changesets of path number → bytes, or None for a delete.
PROGRAMS = st.lists(
    st.dictionaries(st.integers(0, 12), st.one_of(st.none(), st.binary(max_size=40)), max_size=5), max_size=8
)


@FEW
@given(PROGRAMS)
def test_R2_the_journals_hash_is_the_hash_of_the_stored_bytes_after_any_program(
    program: list[dict[int, bytes | None]],
) -> None:
    async def run(folder: Path) -> None:
        store = new_store(folder)
        held: dict[str, bytes] = {}
        async with store.open() as library:
            await library.create_book(BOOK, CALLER)
            for changes in program:
                writes = {lesson(n): data for n, data in changes.items() if data is not None}
                gone = [Delete(lesson(n)) for n, data in changes.items() if data is None]
                expected = {path: digest_of(data) for path, data in held.items()}
                await ingest(library, writes, deletes=gone, expected=expected)
                held = {path: data for path, data in held.items() if path not in {d.path for d in gone}} | writes
            for entry in await library.entries(BOOK, ""):
                data = await library.read_bytes(BOOK, entry.sha256, 100)
                assert digest_of(data) == entry.sha256
                assert (data, len(data)) == (held[entry.path], entry.size)
        await assert_store_ok(store, holds={BOOK: {path: digest_of(data) for path, data in held.items()}})

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


@FEW
@given(PROGRAMS, st.lists(st.tuples(st.integers(0, 1), st.sampled_from([None, *Numbering])), max_size=8))
def test_two_servers_over_one_store_plan_the_same(
    program: list[dict[int, bytes | None]], turns: list[tuple[int, Numbering | None]]
) -> None:
    async def run(folder: Path) -> None:
        store = new_store(folder)
        async with store.open() as one, store.open() as other:
            await one.create_book(BOOK, CALLER)
            known: dict[str, Digest] = {}
            for changes, (turn, numbering) in zip(program, turns, strict=False):
                writer, reader = (one, other) if turn else (other, one)
                writes = {lesson(n): data for n, data in changes.items() if data is not None}
                gone = [Delete(lesson(n)) for n, data in changes.items() if data is None]
                await ingest(writer, writes, deletes=gone, expected=known, numbering=numbering)
                known = {entry.path: entry.sha256 for entry in await reader.entries(BOOK, "")}
                plans = [await library.plan(BOOK, None) for library in (one, other)]
                async with store.open() as fresh:
                    plans.append(await fresh.plan(BOOK, None))
                assert plans[0] == plans[1] == plans[2]
        await assert_store_ok(store)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))

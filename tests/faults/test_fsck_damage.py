"""``fsck`` names every damage, reading delivers none of it, repair makes nothing worse (P4, P16, F14, F15, G11).

PANAVERSITY_TEST_FULL=1 damages 1,000 blobs of each kind.
"""

import os
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import HashMismatch, NotFound, Unavailable
from panaversity_fs.library import Library, open_library
from panaversity_fs.library.inspecting import Depth, Finding, exit_status
from panaversity_fs.library.keeping import Policy
from panaversity_fs.library.repairing import Repair
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.database import Database
from panaversity_fs.store.local_blobs import LocalBlobs
from panaversity_fs.store.tables import blobs, books, file_journal
from support import stack
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, InFolder, Store, ingest, lesson, new_store

pytestmark = pytest.mark.anyio

EACH = 1000 if os.environ.get("PANAVERSITY_TEST_FULL", "") == "1" else 100
DEEP = Depth(structure=True, wanted=lambda rows: {row.sha256 for row in rows}, audit=True)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def store_of(tmp_path: Path) -> tuple[Store, InFolder]:
    store = new_store(tmp_path, "folder")
    assert isinstance(store.medium, InFolder)
    return store, store.medium


def files_of(count: int) -> dict[str, bytes]:
    return {lesson(n % 100, n // 100 + 1): f"lesson {n:05}".encode() for n in range(count)}


async def inspect(library: Library, depth: Depth = DEEP) -> list[Finding]:
    return [finding async for finding in library.inspect(depth)]


async def mend(library: Library, findings: list[Finding], source: Path | None = None, *, really: bool) -> list[Repair]:
    where = None if source is None else str(source)
    return [repair async for repair in library.repair(findings, really=really, source=where)]


def at(medium: InFolder, data: bytes) -> Path:
    return medium.root / BlobKey(BOOK, 1, digest_of(data)).name


def flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


async def test_P16_F14_F15_every_flipped_missing_swapped_or_empty_blob_is_named_and_none_is_delivered(
    tmp_path: Path,
) -> None:
    store, medium = store_of(tmp_path)
    rng = random.Random(seed := random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}")
    files = files_of(5 * EACH)
    paths = rng.sample(sorted(files), len(files))
    flipped, missing, swapped, emptied, honest = (paths[n * EACH : (n + 1) * EACH] for n in range(5))
    async with store.open() as library:
        await ingest(library, files, with_manifest=True)
        for path in flipped:
            flip(at(medium, files[path]), rng)
        for path in missing:
            at(medium, files[path]).unlink()
        for one, other in zip(swapped[::2], swapped[1::2], strict=True):
            a, b = at(medium, files[one]), at(medium, files[other])
            a.rename(beside := a.with_name("beside"))
            b.rename(a)
            beside.rename(b)
        for path in emptied:
            at(medium, files[path]).write_bytes(b"")
        findings = await inspect(library)
        named = {kind: {p for f in findings if f.kind == kind for p in f.paths} for kind in ("corrupt", "missing")}
        assert named == {"corrupt": {*flipped, *swapped, *emptied}, "missing": set(missing)}
        assert len(findings) == 4 * EACH, "each damage is told once"
        assert {f.digest for f in findings} == {digest_of(files[path]) for path in paths if path not in honest}
        assert exit_status(f.kind for f in findings) == 3
        for path in paths:
            digest = digest_of(files[path])
            if path in honest:
                assert await library.read_bytes(BOOK, digest, 100) == files[path]
                continue
            with pytest.raises((HashMismatch, NotFound)) as refusal:
                await library.read_bytes(BOOK, digest, 100)
            assert digest in refusal.value.details.values()


async def test_an_honest_store_has_no_findings(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path)
    async with store.open() as library:
        await ingest(library, files_of(30), with_manifest=True)
        await library.write(BOOK, lesson(1), b"mine", CALLER, expected=None, user_id="amy")
        await library.plan(BOOK, None)
        await library.delete(BOOK, lesson(2), CALLER, expected=digest_of(b"lesson 00002"))
        assert await inspect(library) == []
        store.clock.now += timedelta(days=40)
        assert sum([done.blobs async for done in library.collect(Policy(), really=True)])
        assert await inspect(library) == []
        await library.delete_book(BOOK, BOOK, CALLER)
        assert await inspect(library) == []
    assert exit_status([]) == 0


async def test_P16_repair_takes_right_bytes_from_a_folder_and_deletes_nothing(tmp_path: Path) -> None:
    store, medium = store_of(tmp_path / "store")
    source = tmp_path / "source"
    source.mkdir()
    files = files_of(9)
    for number, data in enumerate(files.values()):
        (source / f"author-{number}.md").write_bytes(data)
    async with store.open() as library:
        await ingest(library, files, with_manifest=True)
        flipped, gone, lost, *_ = files.values()
        flip(at(medium, flipped), random.Random(1))
        at(medium, gone).unlink()
        at(medium, lost).unlink()
        (source / "author-2.md").write_bytes(b"lesson 0000X")
        before = {path: path.read_bytes() for path in sorted(medium.root.rglob("*")) if path.is_file()}
        findings = await inspect(library)
        dry = await mend(library, findings, source, really=False)
        assert {path: path.read_bytes() for path in sorted(medium.root.rglob("*")) if path.is_file()} == before
        assert not any(repair.done for repair in dry)
        done = await mend(library, findings, source, really=True)
        assert [r.action for r in done] == [r.action for r in dry]
        assert {(r.action, r.digest, r.done) for r in done} == {
            ("quarantine", digest_of(flipped), True), ("restore", digest_of(flipped), True),
            ("restore", digest_of(gone), True), ("send again", digest_of(lost), False),
        }  # fmt: skip
        (again,) = [repair for repair in done if repair.action == "send again"]
        assert again.paths == (lesson(2),)
        (kept,) = (medium.root / "books/a-book/1/quarantine").iterdir()
        assert kept.read_bytes() == before[at(medium, flipped)], "the bad bytes are kept"
        for data in (flipped, gone):
            assert await library.read_bytes(BOOK, digest_of(data), 100) == data
        assert [(f.kind, f.digest) for f in await inspect(library)] == [("missing", digest_of(lost))]
        assert (await library.verify_audit(BOOK)).valid
        (source / "author-2.md").write_bytes(lost)
        await mend(library, await inspect(library), source, really=True)
        assert await inspect(library) == []
    await assert_store_ok(store)


async def test_P16_bytes_that_were_put_right_meanwhile_are_not_quarantined(tmp_path: Path) -> None:
    store, medium = store_of(tmp_path)
    async with store.open() as library:
        await ingest(library, {lesson(1): b"right"})
        at(medium, b"right").write_bytes(b"wrong")
        findings = await inspect(library)
        at(medium, b"right").write_bytes(b"right")
        await mend(library, findings, really=True)
        assert await library.read_bytes(BOOK, digest_of(b"right"), 100) == b"right"


async def test_a_collection_that_was_cut_off_is_found_and_finished(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path)

    async def die(step: str) -> None:
        if step == "gc swept":
            raise ConnectionAbortedError

    async with store.open() as library:
        await ingest(library, {lesson(1): b"old"})
        await ingest(library, {lesson(1): b"new"}, expected={lesson(1): digest_of(b"old")})
    everything = Policy(timedelta(0), timedelta(0))
    opened = open_library(store.url, "", blobs=store.medium.blobs, clock=store.clock, pause=die)
    async with opened as library:
        with pytest.raises(ConnectionAbortedError):
            [done async for done in library.collect(everything, really=True)]
    async with store.open() as library:
        findings = await inspect(library)
        assert [(f.kind, f.digest) for f in findings] == [("unreferenced", digest_of(b"old"))]
        assert exit_status(f.kind for f in findings) == 16
        (done,) = await mend(library, findings, really=True)
        assert (done.action, done.done) == ("finish collection", True)
        assert await inspect(library) == []
    await assert_store_ok(store)


async def damage_rows(store: Store, *statements: object) -> None:
    database = Database(store.url)
    async with database.write("test") as connection:
        for statement in statements:
            await connection.execute(statement)  # type: ignore[call-overload]
    await database.close()


@pytest.mark.parametrize(
    ("statements", "kinds", "status"),
    [
        ([delete(blobs).where(blobs.c.sha256 == digest_of(b"two"))], {"missing"}, 2),
        ([update(file_journal).where(file_journal.c.path == lesson(1)).values(size=99)], {"corrupt"}, 1),
        ([update(books).values(chain_seq=1)], {"audit"}, 8),
        ([update(books).values(chain_head="ab" * 32)], {"audit"}, 8),
    ],
    ids=["a row lost", "sizes disagree", "a log too long", "another head"],
)
@pytest.mark.parametrize("depth", ["quick", "deep"])
async def test_P16_rows_that_disagree_are_named_by_every_depth(
    tmp_path: Path, statements: list[object], kinds: set[str], status: int, depth: str
) -> None:
    store, _ = store_of(tmp_path)
    async with store.open() as library:
        await ingest(library, {lesson(1): b"one", lesson(2): b"two"})
    await damage_rows(store, *statements)
    async with store.open() as library:
        findings = await inspect(library, Depth() if depth == "quick" else DEEP)
        found = {f.kind for f in findings} - {"unreferenced"}
        assert found == kinds, findings
        assert exit_status(f.kind for f in findings) == status


async def test_an_entry_of_the_log_that_was_changed_is_found_by_audit(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path)
    async with store.open() as library:
        await ingest(library, {lesson(1): b"one", lesson(2): b"two"})
    stack.tamper(store.folder, "UPDATE audit_log SET agent_id = 'somebody' WHERE seq = 1")
    async with store.open() as library:
        assert await inspect(library, Depth(structure=True)) == []
        (finding,) = await inspect(library)
        assert finding.kind == "audit"
        assert "entry 1" in finding.problem


async def test_strays_and_leftovers_are_unreferenced_only(tmp_path: Path) -> None:
    store, medium = store_of(tmp_path)
    async with store.open() as library:
        await ingest(library, {lesson(1): b"one"})
        batch = medium.blobs.batch()
        await batch.add_bytes(BlobKey(BOOK, 1, digest_of(b"stray"), 7), b"stray")
        await batch.publish()
        (medium.root / "books/a-book/1/incoming/00-1").write_bytes(b"half")
        findings = await inspect(library)
        assert [f.kind for f in findings] == ["unreferenced"] * 2
        assert exit_status(f.kind for f in findings) == 16
        assert exit_status(["unreferenced", "missing"]) == 2
        await mend(library, findings, really=True)
        assert len(await inspect(library)) == 2, "repair deletes nothing"


async def test_a_told_manifest_whose_bytes_lost_their_rows_is_named(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path)
    async with store.open() as library:
        await ingest(library, {lesson(1): b"old"}, with_manifest=True)
        await ingest(library, {lesson(1): b"new"}, expected={lesson(1): digest_of(b"old")})
    await damage_rows(store, delete(blobs).where(blobs.c.sha256 == digest_of(b"old")))
    async with store.open() as library:
        findings = await inspect(library)
        missing: set[Digest | None] = {f.digest for f in findings if f.kind == "missing"}
        assert missing == {digest_of(b"old")}


@pytest.mark.parametrize("depth", [Depth(structure=True), DEEP], ids=["structure", "deep"])
async def test_the_text_of_a_told_manifest_that_is_damaged_is_named_once(tmp_path: Path, depth: Depth) -> None:
    store, medium = store_of(tmp_path)
    async with store.open() as library:
        result = await ingest(library, {lesson(1): b"one"}, with_manifest=True)
        assert result.manifest_hash
        flip(medium.root / BlobKey(BOOK, 1, result.manifest_hash).name, random.Random(3))
        (finding,) = await inspect(library, depth)
        assert (finding.kind, finding.digest) == ("corrupt", result.manifest_hash)
        assert finding.paths == ("(manifest of revision 1)",)


async def test_what_cannot_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = store_of(tmp_path)
    async with store.open() as library:
        await ingest(library, {lesson(1): b"one", lesson(2): b"two"})
        real = LocalBlobs.stream

        def failing(self: LocalBlobs, key: BlobKey, start: int, end: int) -> AsyncIterator[bytes]:
            if key.digest == digest_of(b"one"):
                raise Unavailable("read", "blob store", "cannot be used (Input/output error)")
            return real(self, key, start, end)

        monkeypatch.setattr(LocalBlobs, "stream", failing)
        (finding,) = await inspect(library)
        assert (finding.kind, finding.paths) == ("unverified", (lesson(1),))
        assert exit_status([finding.kind]) == 4
        assert await mend(library, [finding], really=True) == []

"""The library over an object store that fails: nothing acknowledged is lost, nothing half done is left (SC-010, SC-002,
F18, F21, F22)."""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from conftest import FULL
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import HashMismatch, PanaversityError, Unavailable
from panaversity_fs.library.keeping import Policy
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.object_batch import LARGE
from panaversity_fs.store.object_place import Patience
from support.fault_s3 import Chance, FaultStore, Trouble
from support.object_store import InBucket
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, ingest, lesson, pieces

pytestmark = pytest.mark.anyio

QUICK = Patience(attempt=0.4, total=4.0, tries=6, first=0.001, longest=0.01)
IMPATIENT = Patience(attempt=0.4, total=0.2, tries=2, first=0.001, longest=0.002)
NOW = Policy(told=timedelta(0), logged=timedelta(0))
KINDS = (Trouble("answer"), Trouble("answer", status=500), Trouble("reset"), Trouble("lost"), Trouble("lost 500"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def faulty() -> Iterator[FaultStore]:
    with FaultStore().running() as running:
        yield running


def store_on(faulty: FaultStore, folder: Path, patience: Patience) -> Store:
    return Store(folder, InBucket(faulty.server, patience=patience))


@pytest.mark.parametrize(("rate", "patience"), [(0.05, QUICK), (0.3, IMPATIENT)], ids=["patient", "impatient"])
async def test_SC_010_P1_what_was_acknowledged_is_there_and_what_was_not_left_nothing(
    faulty: FaultStore, tmp_path: Path, rate: float, patience: Patience
) -> None:
    store, chance = store_on(faulty, tmp_path, patience), random.Random(3)
    held: dict[str, bytes] = {}
    failed = 0
    async with store.open() as library:
        faulty.chance = Chance(rate, KINDS, random.Random(7))
        for number in range(200 if FULL else 25):
            paths = [lesson(chance.randrange(30)) for _ in range(chance.randrange(1, 6))]
            wanted = {path: f"{path} at {number}".encode() for path in paths}
            expected = {path: digest_of(held[path]) for path in wanted if path in held}
            try:
                await ingest(library, wanted, expected=expected)
                held |= wanted
            except Unavailable:
                failed += 1
        faulty.chance = None
        assert failed == 0 if patience is QUICK else failed > 0
        await assert_store_ok(store, holds={BOOK: {path: digest_of(data) for path, data in held.items()}}, strays=True)
        _ = [done async for done in library.collect(NOW, really=True)]
        for path, data in held.items():
            assert await library.read_bytes(BOOK, digest_of(data), 100) == data, path
    await assert_store_ok(store, holds={BOOK: {path: digest_of(data) for path, data in held.items()}})


async def test_SC_002_a_refused_ingest_takes_its_bytes_back(faulty: FaultStore, tmp_path: Path) -> None:
    store = store_on(faulty, tmp_path, QUICK)
    async with store.open() as library:
        await ingest(library, {lesson(1): b"one"})
        before = store.medium.names()
        faulty.seen.clear()
        with pytest.raises(PanaversityError):
            await ingest(library, {lesson(number): f"other {number}".encode() for number in range(40)})
        assert len([seen for seen in faulty.seen if seen.startswith(("DELETE", "POST"))]) == 1, "by one request"
        assert store.medium.names() == before
    await assert_store_ok(store)


async def test_F22_parts_of_a_large_blob_stay_while_somebody_may_send_it_and_go_when_nobody_may(
    faulty: FaultStore, tmp_path: Path
) -> None:
    store, data = store_on(faulty, tmp_path, QUICK), bytes(LARGE + 1)
    digest = digest_of(data)
    async with store.open() as library:
        await ingest(library, {lesson(1): b"one"})
        prefix = store.medium.prefix  # type: ignore[attr-defined]
        begun = (f"{prefix}/{BlobKey(BOOK, 1, digest).name}", {1: b"x"})
        async with library.staging(BOOK, CALLER) as staging:
            await staging.expect([digest])
            faulty.uploads["mine"] = begun
            _ = [done async for done in library.collect(NOW, really=True)]
            assert "mine" in faulty.uploads, "its pin stands, whoever sends it"
            await staging.store(digest, len(data), pieces(data))
            await staging.keep_pins()
        store.clock.now += timedelta(hours=25)
        (done,) = [done async for done in library.collect(NOW, really=True)]
        assert done.leftovers == 1
    assert faulty.uploads == {}
    await assert_store_ok(store)


async def test_P4_a_damaged_object_is_never_delivered_and_fsck_puts_it_aside(
    faulty: FaultStore, tmp_path: Path
) -> None:
    store = store_on(faulty, tmp_path, QUICK)
    async with store.open() as library:
        await ingest(library, {lesson(1): b"right", lesson(2): b"sound"})
        store.medium.damage(BlobKey(BOOK, 1, digest_of(b"right")), b"wrong")
        with pytest.raises(HashMismatch):
            await library.read_bytes(BOOK, digest_of(b"right"), 100)
        blobs = await library.open_pack(
            BOOK, (await library.plan(BOOK, None)).manifest_hash, [digest_of(b"sound"), digest_of(b"right")], CALLER
        )
        with pytest.raises(HashMismatch):
            _ = [piece async for piece in library.stream_pack(blobs)]
        name = await store.medium.blobs.quarantine(BlobKey(BOOK, 1, digest_of(b"right")))
        assert faulty.objects[f"{store.medium.prefix}/{name}"] == b"wrong"  # type: ignore[attr-defined]


async def test_F20_a_pack_of_many_blobs_is_read_ahead_and_a_wrong_one_breaks_it_off(
    faulty: FaultStore, tmp_path: Path
) -> None:
    store = store_on(faulty, tmp_path, QUICK)
    files = {lesson(number): random.Random(number).randbytes(200_000) for number in range(40)}
    async with store.open() as library:
        await ingest(library, files)
        manifest = (await library.plan(BOOK, None)).manifest_hash
        digests = [digest_of(data) for data in files.values()]
        blobs = await library.open_pack(BOOK, manifest, digests, CALLER)
        faulty.delay, faulty.most_at_once = 0.02, 0
        whole = b"".join([piece async for piece in library.stream_pack(blobs)])
        assert all(data in whole for data in files.values())
        assert faulty.most_at_once > 10, "several groups of some five blobs were on their way"
        faulty.troubles.append(Trouble("flip", method="GET", name=digests[20], at=9))
        got: list[bytes] = []

        async def receive() -> None:
            async for piece in library.stream_pack(blobs):
                got.append(piece)

        with pytest.raises(HashMismatch):
            await receive()
        assert whole.startswith(b"".join(got))
        archive = await library.open_archive(BOOK)
        text = b"".join([piece async for piece in archive.stream()])
        assert len(text) == archive.size
        assert b"".join([piece async for piece in archive.stream(7, 900_000)]) == text[7:900_000]


async def test_F36_whoever_stops_reading_a_pack_leaves_no_request_running(faulty: FaultStore, tmp_path: Path) -> None:
    store = store_on(faulty, tmp_path, QUICK)
    files = {lesson(number): random.Random(number).randbytes(200_000) for number in range(40)}
    async with store.open() as library:
        await ingest(library, files)
        manifest = (await library.plan(BOOK, None)).manifest_hash
        blobs = await library.open_pack(BOOK, manifest, [digest_of(data) for data in files.values()], CALLER)
        stream = library.stream_pack(blobs)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        await anyio.sleep(0.5)  # what had left before is still on its way
        seen = len(faulty.seen)
        assert seen < len(files) * 2 + 10
        assert await library.read_bytes(BOOK, blobs[0].digest, 300_000)
        assert len(faulty.seen) == seen + 1

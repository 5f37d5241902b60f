"""An object store that is down, slow, full, lying or forgetful: what the adapter makes of it (F18–F22, SC-010)."""

import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import anyio
import obstore
import pytest
from obstore import exceptions

from conftest import FULL
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import HashMismatch, PanaversityError, StorageFull, Unavailable
from panaversity_fs.store.blobs import CHUNK, BlobKey, verified
from panaversity_fs.store.object_batch import LARGE
from panaversity_fs.store.object_many import AT_ONCE
from panaversity_fs.store.object_place import Patience
from panaversity_fs.store.partials import Partial
from support.fault_s3 import Chance, FaultStore, Trouble
from support.object_store import KEY, SECRET, InBucket
from support.stores import pieces

pytestmark = pytest.mark.anyio

QUICK = Patience(attempt=0.4, total=4.0, tries=6, first=0.001, longest=0.01)
PARTIAL = Partial("a-book", 1, "r1")
DATA = b"what an author wrote"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store() -> Iterator[FaultStore]:
    with FaultStore().running() as running:
        yield running


@pytest.fixture
def medium(store: FaultStore) -> InBucket:
    return InBucket(store.server, patience=QUICK)


def key_of(data: bytes) -> BlobKey:
    return BlobKey("a-book", 1, digest_of(data))


async def put(medium: InBucket, *blobs: bytes) -> set[BlobKey]:
    batch = medium.blobs.batch()
    try:
        for data in blobs:
            await batch.add(key_of(data), len(data), pieces(data))
        return await batch.publish()
    finally:
        await batch.discard()


async def read(medium: InBucket, data: bytes) -> bytes:
    return b"".join([piece async for piece in verified(medium.blobs, key_of(data), len(data))])


async def read_many(medium: InBucket) -> list[bytes]:
    return await medium.blobs.read_many([key_of(DATA)])


async def keys(medium: InBucket) -> list[Any]:
    return [found.key async for found in medium.blobs.keys("a-book", 1)]


OPERATIONS: dict[str, Callable[[InBucket], Awaitable[Any]]] = {
    "put": lambda medium: put(medium, b"another"),
    "stream": lambda medium: read(medium, DATA),
    "read": read_many,
    "size": lambda medium: medium.blobs.size(key_of(DATA)),
    "remove": lambda medium: medium.blobs.remove(key_of(DATA)),
    "remove many": lambda medium: medium.blobs.remove_many([key_of(DATA), key_of(b"")]),
    "list": keys,
    "places": lambda medium: medium.blobs.places(),
    "leftovers": lambda medium: medium.blobs.leftovers("a-book", 1),
    "quarantine": lambda medium: medium.blobs.quarantine(key_of(DATA)),
    "append": lambda medium: medium.blobs.partials.append(PARTIAL, 0, pieces(b"part")),
    "check": lambda medium: medium.blobs.check(),
}
PASSING = {
    "503": Trouble("answer"),
    "500": Trouble("answer", status=500, code="InternalError"),
    "409": Trouble("answer", status=409, code="ConditionalRequestConflict"),
    "429": Trouble("answer", status=429, code="TooManyRequests"),
    "reset": Trouble("reset"),
    "cut": Trouble("cut"),
    "lost": Trouble("lost"),
    "lost 500": Trouble("lost 500"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_F18_trouble_that_passes_is_not_seen(store: FaultStore, medium: InBucket, operation: str) -> None:
    for kind, trouble in PASSING.items():
        store.objects.clear()
        await put(medium, DATA)
        before = store.failed
        store.troubles = [replace(trouble, times=2)]
        await OPERATIONS[operation](medium)
        assert store.failed == before + 2, f"{kind} was met"


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_F18_P14_a_store_that_is_down_is_a_typed_error_that_tells_no_secret(
    store: FaultStore, medium: InBucket, operation: str
) -> None:
    await put(medium, DATA)
    for kind in ("503", "reset"):
        store.troubles = [replace(PASSING[kind], times=1e9)]
        with pytest.raises(Unavailable) as fault:
            await OPERATIONS[operation](medium)
        assert fault.value.retryable
        told = f"{fault.value} {fault.value.to_wire()}"
        assert not any(word in told for word in (KEY, SECRET, str(store.port), "127.0.0.1", "Debug"))
    store.troubles.clear()
    await put(medium, b"and it goes on")


async def test_F19_a_store_that_hangs_is_given_up_in_time_and_asked_again(store: FaultStore, medium: InBucket) -> None:
    await put(medium, DATA)
    store.troubles.append(Trouble("hang", times=1))
    began = time.monotonic()
    assert await read_many(medium) == [DATA]
    assert QUICK.attempt * 0.9 < time.monotonic() - began < QUICK.attempt + 2


async def test_F19_a_store_that_hangs_for_ever_is_an_error_within_the_patience(
    store: FaultStore,
) -> None:
    medium = InBucket(store.server, patience=Patience(attempt=0.2, total=0.5, tries=50, first=0.001, longest=0.01))
    store.troubles.append(Trouble("hang", times=1e9))
    began = time.monotonic()
    for operation in ("size", "read"):
        with pytest.raises(Unavailable):
            await OPERATIONS[operation](medium)
    assert time.monotonic() - began < 2.5


async def test_F19_bytes_that_trickle_are_given_up(store: FaultStore) -> None:
    medium = InBucket(store.server, patience=Patience(attempt=0.15, total=0.5, tries=2, first=0.001, longest=0.01))
    data = bytes(1000)
    await put(medium, data)
    store.troubles.append(Trouble("slow", times=1e9))
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await read(medium, data)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("kind", ["lost", "lost 500"])
async def test_F21_a_lost_answer_of_a_conditional_put_is_resolved(
    store: FaultStore, medium: InBucket, kind: Any
) -> None:
    store.troubles.append(Trouble(kind, method="PUT"))
    assert await put(medium, DATA) == {key_of(DATA)}, "it was not there before: the first attempt put it"
    assert [request.split()[0] for request in store.seen] == ["PUT", "PUT", "HEAD"]
    assert list(store.objects.values()) == [DATA]


async def test_F21_what_was_there_before_is_never_written_again(store: FaultStore, medium: InBucket) -> None:
    await put(medium, DATA)
    store.seen.clear()
    assert await put(medium, DATA) == set()
    assert [request.split()[0] for request in store.seen] == ["PUT", "HEAD"]


@pytest.mark.parametrize("torn", [b"", DATA[:-1], DATA + b"!"])
async def test_a_torn_object_under_the_name_is_replaced_by_verified_bytes(
    store: FaultStore, medium: InBucket, torn: bytes
) -> None:
    medium.damage(key_of(DATA), torn)
    await put(medium, DATA)
    assert list(store.objects.values()) == [DATA]


@pytest.mark.parametrize(
    ("status", "code"), [(507, "InsufficientStorage"), (403, "QuotaExceeded"), (500, "StorageFull")]
)
async def test_F10_a_full_store_is_said_to_be_full_and_not_tried_again(
    store: FaultStore, medium: InBucket, status: int, code: str
) -> None:
    store.troubles.append(Trouble("answer", method="PUT", times=1e9, status=status, code=code))
    with pytest.raises(StorageFull) as fault:
        await put(medium, DATA)
    assert not fault.value.retryable
    assert len(store.seen) == 1
    assert store.objects == {}


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        (403, "SignatureDoesNotMatch", "PANAVERSITY_S3_SECRET_ACCESS_KEY"),
        (401, "Unauthorized", "PANAVERSITY_S3_ACCESS_KEY_ID"),
        (404, "NoSuchBucket", "PANAVERSITY_S3_BUCKET"),
        (301, "PermanentRedirect", "PANAVERSITY_S3_REGION"),
        (400, "AuthorizationHeaderMalformed", "PANAVERSITY_S3_REGION"),
        (403, "RequestTimeTooSkewed", "clock"),
    ],
)
async def test_P14_a_refusal_names_the_setting_to_look_at_and_is_not_tried_again(
    store: FaultStore, medium: InBucket, status: int, code: str, word: str
) -> None:
    store.troubles.append(Trouble("answer", times=1e9, status=status, code=code))
    for number, operation in enumerate(("put", "read", "check", "list"), 1):
        with pytest.raises(Unavailable) as fault:
            await OPERATIONS[operation](medium)
        assert word in fault.value.hint
        assert len(store.seen) == number


@pytest.mark.parametrize("kind", ["flip", "short", "other"])
@pytest.mark.parametrize("size", [20, CHUNK + 5])
async def test_F20_P4_wrong_bytes_are_never_delivered(
    store: FaultStore, medium: InBucket, kind: Any, size: int
) -> None:
    data = random.Random(size).randbytes(size)
    await put(medium, data)
    store.troubles.append(Trouble(kind, method="GET", times=1e9, at=size // 2))
    with pytest.raises(HashMismatch):
        await read(medium, data)


async def test_F20_bytes_without_an_end_are_cut_off_at_the_size(store: FaultStore, medium: InBucket) -> None:
    data = bytes(3 * CHUNK)
    await put(medium, data)
    store.troubles.append(Trouble("endless", method="GET"))
    assert await read(medium, data) == data


@pytest.mark.parametrize("at", [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 3])
async def test_F18_a_stream_that_breaks_goes_on_where_it_broke(store: FaultStore, medium: InBucket, at: int) -> None:
    data = random.Random(at).randbytes(3 * CHUNK)
    await put(medium, data)
    store.seen.clear()
    store.troubles += [Trouble("cut", method="GET", at=at), Trouble("answer", method="GET"), Trouble("reset")]
    assert await read(medium, data) == data
    assert store.failed == 3


async def test_P4_bytes_with_another_digest_never_leave_this_machine(store: FaultStore, medium: InBucket) -> None:
    batch = medium.blobs.batch()
    for size in (10, LARGE + 10):
        with pytest.raises(HashMismatch):
            await batch.add(key_of(b"promised"), size, pieces(bytes(size)))
    assert await batch.publish() == set()
    assert store.seen == []


LARGE_DATA = random.Random(4).randbytes(2 * LARGE + 100)


@pytest.mark.parametrize(
    ("name", "method"), [("uploads", "POST"), ("partNumber=2", "PUT"), ("uploadId=", "POST")], ids=str
)
@pytest.mark.parametrize("kind", ["answer", "reset"])
async def test_F18_a_large_blob_survives_trouble_at_every_step(
    store: FaultStore, medium: InBucket, name: str, method: str, kind: Any
) -> None:
    store.troubles.append(Trouble(kind, method=method, name=name))
    assert await put(medium, LARGE_DATA) == {key_of(LARGE_DATA)}
    assert store.failed == 1
    assert await read(medium, LARGE_DATA) == LARGE_DATA


async def test_F22_a_large_blob_that_cannot_be_sent_leaves_no_open_upload(store: FaultStore, medium: InBucket) -> None:
    store.troubles.append(Trouble("answer", name="partNumber=2", times=1e9, status=403, code="AccessDenied"))
    with pytest.raises(Unavailable):
        await put(medium, LARGE_DATA)
    assert store.objects == {}
    assert store.uploads == {}


async def test_F21_the_lost_answer_of_a_completed_upload_is_resolved(store: FaultStore, medium: InBucket) -> None:
    store.troubles.append(Trouble("lost", method="POST", name="uploadId="))
    await put(medium, LARGE_DATA)
    assert await read(medium, LARGE_DATA) == LARGE_DATA


async def test_F22_open_uploads_are_found_page_by_page_and_ended(store: FaultStore, medium: InBucket) -> None:
    root = f"{medium.prefix}/"
    names = [key_of(str(number).encode()).name for number in range(5)]
    store.uploads = {f"n{number}": (root + name, {1: b"x"}) for number, name in enumerate(names)}
    store.uploads["other life"] = (f"{root}books/a-book/2/blobs/aa/x", {})
    store.uploads["other prefix"] = (f"else/{names[0]}", {})
    found = list(await medium.blobs.leftovers("a-book", 1))
    assert {leftover.key.name for leftover in found if leftover.key} == set(names)
    assert {leftover.owner for leftover in found} == {""}
    for leftover in found:
        await medium.blobs.remove_leftover(leftover)
        await medium.blobs.remove_leftover(leftover)
    assert set(store.uploads) == {"other life", "other prefix"}


async def test_F22_a_store_that_cannot_list_uploads_is_said_so_once(
    store: FaultStore, medium: InBucket, caplog: pytest.LogCaptureFixture
) -> None:
    store.lists_uploads = False
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert list(await medium.blobs.leftovers("a-book", 1)) == []
    assert len([record for record in caplog.records if "life-cycle rule" in record.message]) == 1


async def test_F22_a_listing_of_uploads_that_does_not_move_on_ends(
    store: FaultStore, medium: InBucket, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"{medium.prefix}/{key_of(str(number).encode()).name}" for number in range(5)]
    store.uploads = {f"n{number}": (name, {1: b"x"}) for number, name in enumerate(names)}
    store.stuck_listing = True
    with anyio.fail_after(5), caplog.at_level(logging.WARNING):
        found = await medium.blobs.leftovers("a-book", 1)
    assert len({leftover.key for leftover in found}) == 2
    assert "not all listed" in caplog.text


@pytest.mark.parametrize("at", [0, 1, 60])
async def test_F20_an_answer_about_uploads_that_was_cut_is_asked_for_again(
    store: FaultStore, medium: InBucket, at: int
) -> None:
    store.uploads = {"n1": (f"{medium.prefix}/{key_of(DATA).name}", {1: b"x"})}
    store.troubles.append(Trouble("cut", name="uploads", times=2, at=at))
    (found,) = await medium.blobs.leftovers("a-book", 1)
    assert found.key == key_of(DATA)
    assert store.failed == 2


@pytest.mark.parametrize("knows_bulk", [True, False], ids=["at once", "one by one"])
async def test_many_blobs_go_by_few_requests_or_many_at_a_time(
    store: FaultStore, medium: InBucket, knows_bulk: bool
) -> None:
    blobs = [b"%d" % number for number in range(AT_ONCE * 2)]
    await put(medium, *blobs)
    store.seen.clear()
    store.knows_bulk, store.delay, store.most_at_once = knows_bulk, 0.02, 0
    for _ in range(2):
        await medium.blobs.remove_many([*map(key_of, blobs), key_of(b"never there")])
        assert store.objects == {}
    if knows_bulk:
        assert len(store.seen) == 2
    else:
        assert store.most_at_once > AT_ONCE // 2
        assert len([seen for seen in store.seen if seen.startswith("POST")]) == 1, "asked once only"


async def test_F19_what_takes_time_to_be_sent_is_given_time(store: FaultStore) -> None:
    medium = InBucket(store.server, patience=Patience(attempt=0.1, total=0.2, tries=2, first=0.001, longest=0.01))
    store.seconds_per_mib = 0.1
    data = bytes(2 * CHUNK)
    assert await put(medium, data) == {key_of(data)}
    assert [request.split()[0] for request in store.seen] == ["PUT"]


async def test_F26_a_cancelled_publish_ends_what_it_began_and_cleans_up(store: FaultStore, medium: InBucket) -> None:
    blobs = [f"blob {number}".encode() for number in range(100)]
    batch = medium.blobs.batch()
    for data in blobs:
        await batch.add_bytes(key_of(data), data)
    with anyio.move_on_after(0.01) as scope:
        await batch.publish()
    assert scope.cancelled_caught
    seen = len(store.seen)
    await batch.discard()
    await anyio.sleep(0.1)
    assert len(store.seen) == seen, "nothing is on its way any more"
    assert len(store.objects) == 100


async def test_F26_a_cancelled_reader_gives_its_place_back(store: FaultStore, medium: InBucket) -> None:
    await put(medium, DATA)
    store.troubles.append(Trouble("hang", times=AT_ONCE + 10))
    for _ in range(2):
        with anyio.move_on_after(0.1):
            await medium.blobs.read_many([key_of(DATA)] * (AT_ONCE // 2 + 5))
    store.troubles.clear()
    assert await medium.blobs.read_many([key_of(DATA)] * AT_ONCE) == [DATA] * AT_ONCE


async def test_P13_requests_in_flight_are_bounded(store: FaultStore) -> None:
    medium = InBucket(store.server)  # patient: the store goes on counting a request that was given up and asked again
    await put(medium, DATA)
    store.delay = 0.1

    async def many() -> None:
        await medium.blobs.read_many([key_of(DATA)] * 100)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(many)
    assert AT_ONCE // 2 < store.most_at_once <= AT_ONCE


async def test_a_store_that_ignores_conditions_is_refused_unless_the_lock_is_relied_on(
    store: FaultStore, caplog: pytest.LogCaptureFixture
) -> None:
    honest = InBucket(store.server)
    await honest.blobs.check()
    relying = store.server
    store.conditional = False
    with pytest.raises(Unavailable) as fault:
        await InBucket(relying).blobs.check()
    assert "PANAVERSITY_S3_CONDITIONAL=lock" in fault.value.hint
    with caplog.at_level(logging.INFO):
        await InBucket(store.server).blobs.check()
    assert ("INFO", "relying on the lock of each book alone") in {
        (record.levelname, record.getMessage().partition(": ")[2]) for record in caplog.records
    }
    assert store.objects == {}, "a probe leaves nothing"


async def test_F21_the_probe_is_not_deceived_by_a_lost_answer(store: FaultStore, medium: InBucket) -> None:
    store.troubles += [Trouble("lost", method="PUT"), Trouble("lost 500", method="PUT")]
    await medium.blobs.check()


async def test_check_is_one_request_once_the_store_is_known(store: FaultStore, medium: InBucket) -> None:
    await medium.blobs.check()
    store.seen.clear()
    await medium.blobs.check()
    assert len(store.seen) == 1


_SENDING = ("put_async", "get_async", "head_async", "delete_async", "copy_async", "list", "list_with_delimiter_async")
VENDOR = [
    kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, exceptions.BaseError)
] + [FileNotFoundError, ValueError, TimeoutError, ConnectionResetError, OSError]  # fmt: skip


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - {"append"}))
async def test_P14_no_exception_of_the_library_crosses_the_port(
    store: FaultStore, medium: InBucket, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    await put(medium, DATA)
    raised: list[PanaversityError] = []
    for kind in VENDOR:

        def failing(*arguments: object, kind: type[Exception] = kind, **more: object) -> object:
            raise kind(f"at http://127.0.0.1:{store.port} with {SECRET}")

        for name in _SENDING:
            monkeypatch.setattr(obstore, name, failing)
        try:
            await OPERATIONS[operation](medium)
        except PanaversityError as fault:
            raised.append(fault)
    assert len(raised) >= len(VENDOR) - 3, "at most: there is nothing, something is there, not modified"
    told = "".join(f"{fault} {fault.to_wire()}" for fault in raised)
    assert SECRET not in told
    assert str(store.port) not in told


async def test_SC_010_with_five_percent_of_all_requests_failing_nearly_every_operation_succeeds(
    store: FaultStore, medium: InBucket
) -> None:
    """Nothing acknowledged is lost, nothing wrong is read, and at least 99.9 % of the operations succeed."""
    count = 10_000 if FULL else 200
    chance = random.Random(10)
    store.chance = Chance(0.05, (*PASSING.values(), Trouble("hang")), random.Random(5))
    there: dict[BlobKey, bytes] = {}
    failed = 0
    for number in range(count):
        data = chance.randbytes(chance.choice([0, 10, 3000]))
        try:
            known = chance.choice(list(there)) if there else None
            match chance.randrange(5):
                case 0 | 1:
                    await put(medium, data)
                    there[key_of(data)] = data
                case 2 if known:
                    assert await medium.blobs.read_many([known]) == [there[known]]
                case 3 if known:
                    assert await read(medium, there[known]) == there[known]
                case _ if known and number % 7 == 0:
                    await medium.blobs.remove(known)
                    del there[known]
                case _:
                    if known:
                        assert await medium.blobs.size(known) == len(there[known])
        except PanaversityError:
            failed += 1
            there.pop(known, None) if known else None
    assert store.failed > count * 0.03, "faults were met"
    store.chance = None
    assert failed <= count * 0.001, f"{failed} of {count} failed"
    assert {name.partition("/")[2] for name in store.objects} >= {key.name for key in there}
    for key, data in there.items():
        assert await medium.blobs.read_many([key]) == [data]


async def test_P14_what_the_environment_says_to_amazons_own_tools_changes_nothing(
    store: FaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = {
        "AWS_ENDPOINT": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_SESSION_TOKEN": "a-stray-token",
        "AWS_ACCESS_KEY_ID": "a-stray-key",
        "AWS_SECRET_ACCESS_KEY": "a-stray-secret",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_UNSIGNED_PAYLOAD": "true",
        "AWS_REGION": "mars-1",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
    }
    for name, value in stray.items():
        monkeypatch.setenv(name, value)
    medium = InBucket(store.server, patience=QUICK)
    await put(medium, DATA)
    assert await read(medium, DATA) == DATA
    for sent in store.headers:
        assert KEY in sent["authorization"]
        assert "x-amz-security-token" not in sent
        assert sent["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD"
        assert "a-stray" not in str(sent)
        assert "mars-1" not in str(sent)

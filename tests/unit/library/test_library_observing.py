"""What the library tells whoever counts: every commit once, with how it ended; what was taken back; which plans."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from panaversity_fs.core.changes import Changeset, Delete
from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from panaversity_fs.core.errors import Conflict, HashRequired, NotFound, PanaversityError, StorageFull, Unavailable
from panaversity_fs.library import Library, open_library
from panaversity_fs.library.answers import CommitResult
from panaversity_fs.library.context import SMALL
from panaversity_fs.library.observing import Silent, reported
from support.stores import BOOK, CALLER, Store, lesson, written

pytestmark = pytest.mark.anyio


class Counting(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, str, dict[str, int]]] = []
        self.seconds: list[float] = []
        self.taken_back = 0
        self.plans: list[tuple[str, int]] = []
        self.verifications: list[tuple[str, bool]] = []

    def wrote(self, operation: str, status: str, modes: Mapping[str, int], seconds: float) -> None:
        self.writes.append((operation, status, dict(modes)))
        self.seconds.append(seconds)

    def took_back(self, blobs: int) -> None:
        self.taken_back += blobs

    def planned(self, answer: str, files: int) -> None:
        self.plans.append((answer, files))

    def verified(self, book_id: str, intact: bool) -> None:
        self.verifications.append((book_id, intact))


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
async def library(store: Store, counting: Counting, tmp_path: Path) -> AsyncIterator[Library]:
    async with open_library(
        store.url, str(tmp_path / "blobs"), blobs=store.medium.blobs, clock=store.clock, observer=counting
    ) as library:
        yield library


async def test_a_write_and_its_refusals_are_told_once_each(library: Library, store: Store, counting: Counting) -> None:
    path = lesson(1)
    await library.write(BOOK, path, b"one", CALLER, expected=None)
    with pytest.raises(HashRequired):
        await library.write(BOOK, path, b"two", CALLER, expected=None)
    with pytest.raises(Conflict):
        await library.write(BOOK, path, b"two", CALLER, expected=digest_of(b"x"))
    await library.delete(BOOK, path, CALLER)
    await library.delete(BOOK, path, CALLER)
    assert counting.writes == [
        ("write_content", "success", {"created": 1}),
        ("write_content", "conflict", {"created": 1}),
        ("write_content", "conflict", {"updated": 1}),
        ("delete_content", "success", {"deleted": 1}),
        ("delete_content", "success", {"absent": 1}),
    ]
    assert min(counting.seconds) >= 0
    late = 0 if store.medium.blobs.prompt else 2
    assert counting.taken_back == late, "bytes at hand are not stored before the write is decided"


async def test_SC_002_a_refused_write_of_many_bytes_takes_them_back(library: Library, counting: Counting) -> None:
    path, much = lesson(1), b"much " * SMALL
    await library.write(BOOK, path, b"one", CALLER, expected=None)
    with pytest.raises(HashRequired):
        await library.write(BOOK, path, much, CALLER, expected=None)
    assert counting.taken_back == 1


async def test_SC_002_bytes_no_commit_named_are_told_as_taken_back(library: Library, counting: Counting) -> None:
    await library.write(BOOK, lesson(1), b"one", CALLER, expected=None)
    assert counting.taken_back == 0
    async with library.staging(BOOK, CALLER) as staging:
        for text in (b"a", b"b", b"c"):
            await staging.store_bytes(digest_of(text), text)
    assert counting.taken_back == 3
    async with library.staging(BOOK, CALLER) as staging:
        await staging.expect([digest_of(b"never sent")])
    assert counting.taken_back == 3


async def test_plans_are_told_by_what_they_name(library: Library, counting: Counting) -> None:
    await library.plan("nobody", None)
    await library.write(BOOK, lesson(1), b"one", CALLER, expected=None)
    first = (await library.plan(BOOK, None)).manifest_hash
    await library.plan(BOOK, EMPTY)
    await library.plan(BOOK, first)
    await library.write(BOOK, lesson(2), b"two", CALLER, expected=None)
    await library.plan(BOOK, first)
    await library.plan(BOOK, Digest("0" * 64))
    assert counting.plans == [("full", 1), ("full", 1), ("unchanged", 0), ("delta", 1), ("full", 2)]


async def test_SC_004_a_verification_is_told(library: Library, counting: Counting) -> None:
    await library.write(BOOK, lesson(1), b"one", CALLER, expected=None)
    await library.verify_audit(BOOK)
    assert counting.verifications == [(BOOK, True)]


def fails_with(fault: BaseException) -> Callable[[], CommitResult]:
    async def run() -> CommitResult:
        raise fault

    return run  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Conflict("w", "s", "p"), "conflict"),
        (HashRequired("w", "s", "p"), "conflict"),
        (NotFound("w", "s", "p"), "refused"),
        (StorageFull("w", "s", "p"), "error"),
        (Unavailable("w", "s", "p"), "error"),
        (ValueError("a bug"), "error"),
        (asyncio.CancelledError(), "error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
async def test_how_a_commit_ended_is_told_and_its_error_passes(fault: BaseException, status: str) -> None:
    counting, ticks = Counting(), iter([1.0, 3.5])
    operations = (Delete("content/a"), written("content/b", b"b"), written("content/c", b"c", digest_of(b"x")))
    with pytest.raises(type(fault)):
        await reported(counting, lambda: next(ticks), Changeset(operations, operation="ingest"), fails_with(fault)())
    assert counting.writes == [("ingest", status, {"deleted": 1, "created": 1, "updated": 1})]
    assert counting.seconds == [2.5]
    assert isinstance(fault, PanaversityError) or status == "error"

"""The promises of the blob port, kept by every adapter (P2, P4, D1). An adapter joins in ``support.stores.MEDIA``."""

import random

import anyio
import pytest

from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from panaversity_fs.core.errors import HashMismatch, NotFound
from panaversity_fs.store.blobs import CHUNK, BlobKey, verified
from support.stores import Medium, pieces

pytestmark = pytest.mark.anyio


def key_of(data: bytes, generation: int = 0) -> BlobKey:
    return BlobKey("a-book", 1, digest_of(data), generation)


async def put(medium: Medium, *blobs: bytes) -> set[BlobKey]:
    batch = medium.blobs.batch()
    for data in blobs:
        await batch.add_bytes(key_of(data), data)
    return await batch.publish()


async def read(medium: Medium, key: BlobKey, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in medium.blobs.stream(key, start, end)])


async def whole(medium: Medium, key: BlobKey, size: int) -> bytes:
    return b"".join([piece async for piece in verified(medium.blobs, key, size)])


async def test_a_blob_is_invisible_until_it_is_published(medium: Medium) -> None:
    batch = medium.blobs.batch()
    await batch.add_bytes(key_of(b"small"), b"small")
    await batch.add(key_of(b"streamed"), 8, pieces(b"streamed", 3))
    assert medium.names() == set()
    assert await medium.blobs.size(key_of(b"small")) is None
    with pytest.raises(NotFound):
        await read(medium, key_of(b"streamed"), 0, 8)
    assert await batch.publish() == {key_of(b"small"), key_of(b"streamed")}
    assert medium.names() == {key_of(b"small").name, key_of(b"streamed").name}
    assert medium.leftovers() == []


async def test_the_key_names_book_incarnation_digest_and_generation() -> None:
    key = BlobKey("a-book", 3, Digest("ab" * 32), 2)
    assert key.name == f"books/a-book/3/blobs/ab/{'ab' * 32}.2"
    assert BlobKey("a-book", 3, Digest("ab" * 32)).name == f"books/a-book/3/blobs/ab/{'ab' * 32}"


@pytest.mark.parametrize("size", [1, 2, 4095, 65_537, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
async def test_streams_of_odd_chunk_sizes_come_back_byte_for_byte(medium: Medium, size: int) -> None:
    data = random.Random(size).randbytes(size)
    batch = medium.blobs.batch()
    await batch.add(key_of(data), size, pieces(data, 65_521))
    await batch.publish()
    assert await medium.blobs.size(key_of(data)) == size
    assert await whole(medium, key_of(data), size) == data
    steps = [len(piece) async for piece in medium.blobs.stream(key_of(data), 0, size)]
    assert max(steps) <= CHUNK
    assert sum(steps) == size


async def test_a_length_that_was_not_promised_is_taken_as_it_comes(medium: Medium) -> None:
    batch = medium.blobs.batch()
    stored = await batch.add(key_of(b"unknown length"), None, pieces(b"unknown length", 5))
    assert stored.size == 14
    await batch.publish()
    assert await whole(medium, key_of(b"unknown length"), 14) == b"unknown length"


async def test_the_empty_blob_is_a_blob(medium: Medium) -> None:
    batch = medium.blobs.batch()
    await batch.add(key_of(b""), 0, pieces(b""))
    await batch.publish()
    assert await put(medium, b"") == set()
    assert await medium.blobs.size(key_of(b"")) == 0
    assert await whole(medium, BlobKey("a-book", 1, EMPTY), 0) == b""
    assert await medium.blobs.read_many([key_of(b"")]) == [b""]


@pytest.mark.parametrize(
    ("sent", "promised"),
    [(b"tampered", 8), (b"short", 8), (b"much longer than promised", 8), (b"", 8), (b"original and more", None)],
)
async def test_P4_other_bytes_than_promised_are_refused_and_nothing_is_visible(
    medium: Medium, sent: bytes, promised: int | None
) -> None:
    batch = medium.blobs.batch()
    with pytest.raises(HashMismatch) as refusal:
        await batch.add(key_of(b"original"), promised, pieces(sent, 4))
    assert refusal.value.http_status == 400
    assert refusal.value.details["expected"] == digest_of(b"original")
    assert await batch.publish() == set()
    await batch.discard()
    assert medium.names() == set()
    assert medium.leftovers() == []


async def test_P4_small_bytes_under_another_name_are_refused(medium: Medium) -> None:
    batch = medium.blobs.batch()
    with pytest.raises(HashMismatch):
        await batch.add_bytes(key_of(b"original"), b"tampered")
    assert await batch.publish() == set()
    assert medium.names() == set()


async def test_a_refused_blob_does_not_spoil_the_others_of_its_batch(medium: Medium) -> None:
    batch = medium.blobs.batch()
    await batch.add_bytes(key_of(b"one"), b"one")
    with pytest.raises(HashMismatch):
        await batch.add(key_of(b"two"), 3, pieces(b"xxx"))
    await batch.add(key_of(b"three"), 5, pieces(b"three", 2))
    assert await batch.publish() == {key_of(b"one"), key_of(b"three")}
    assert medium.leftovers() == []


async def test_a_source_that_breaks_off_leaves_nothing(medium: Medium) -> None:
    async def broken() -> object:
        yield b"half of"
        raise EOFError

    batch = medium.blobs.batch()
    with pytest.raises(EOFError):
        await batch.add(key_of(b"half of it"), 10, broken())  # type: ignore[arg-type]
    assert await batch.publish() == set()
    assert medium.leftovers() == []


async def test_publishing_the_same_digest_again_is_a_no_op(medium: Medium) -> None:
    assert await put(medium, b"once", b"twice") == {key_of(b"once"), key_of(b"twice")}
    assert await put(medium, b"twice", b"thrice") == {key_of(b"thrice")}
    assert await put(medium, b"once") == set()
    assert await whole(medium, key_of(b"once"), 4) == b"once"
    assert medium.leftovers() == []


async def test_publishing_never_overwrites_what_is_there(medium: Medium) -> None:
    await put(medium, b"right")
    medium.damage(key_of(b"right"), b"wrong")  # same length: publishing does not read what it meets
    await put(medium, b"right")
    assert await medium.blobs.read_many([key_of(b"right")]) == [b"wrong"]


@pytest.mark.parametrize("forms", ["bb", "bs", "sb", "ss", "bsb", "ssb"])
async def test_one_digest_given_several_times_to_one_batch_is_one_blob(medium: Medium, forms: str) -> None:
    batch = medium.blobs.batch()
    for form in forms:
        if form == "b":
            await batch.add_bytes(key_of(b"again"), b"again")
        else:
            await batch.add(key_of(b"again"), 5, pieces(b"again", 2))
    await batch.add(key_of(b"other"), 5, pieces(b"other", 2))
    await batch.add_bytes(key_of(b"third"), b"third")
    assert await batch.publish() == {key_of(b"again"), key_of(b"other"), key_of(b"third")}
    await batch.discard()
    assert medium.leftovers() == []
    assert await whole(medium, key_of(b"again"), 5) == b"again"


async def test_a_batch_can_be_filled_and_published_again(medium: Medium) -> None:
    batch = medium.blobs.batch()
    await batch.add_bytes(key_of(b"first"), b"first")
    await batch.publish()
    await batch.add_bytes(key_of(b"second"), b"second")
    assert await batch.publish() == {key_of(b"second")}
    assert len(medium.names()) == 2


async def test_generations_of_one_digest_are_different_blobs(medium: Medium) -> None:
    await put(medium, b"back again")
    batch = medium.blobs.batch()
    await batch.add_bytes(key_of(b"back again", 1), b"back again")
    assert await batch.publish() == {key_of(b"back again", 1)}
    await medium.blobs.remove(key_of(b"back again"))
    assert await whole(medium, key_of(b"back again", 1), 10) == b"back again"


async def test_removing_is_idempotent_and_reading_what_is_gone_says_so(medium: Medium) -> None:
    await put(medium, b"to go", b"to stay")
    for _ in range(3):
        await medium.blobs.remove(key_of(b"to go"))
    assert medium.names() == {key_of(b"to stay").name}
    assert await medium.blobs.size(key_of(b"to go")) is None
    with pytest.raises(NotFound):
        await read(medium, key_of(b"to go"), 0, 5)
    with pytest.raises(NotFound):
        await medium.blobs.read_many([key_of(b"to stay"), key_of(b"to go")])
    assert await put(medium, b"to go") == {key_of(b"to go")}


async def test_removing_many_is_removing_each(medium: Medium) -> None:
    blobs = [b"%d" % number for number in range(5)]
    await put(medium, *blobs, b"to stay")
    for _ in range(2):
        await medium.blobs.remove_many([*map(key_of, blobs), key_of(b"never there")])
        assert medium.names() == {key_of(b"to stay").name}
    await medium.blobs.remove_many([])


async def test_removing_from_a_book_nobody_wrote_to_is_fine(medium: Medium) -> None:
    await medium.blobs.remove(BlobKey("no-book", 1, EMPTY))


async def test_ranges_are_exact(medium: Medium) -> None:
    data = random.Random(1).randbytes(2 * CHUNK + 100)
    await put(medium, data)
    ends = [(0, 0), (0, 1), (5, 17), (CHUNK - 1, CHUNK + 1), (CHUNK, 2 * CHUNK), (2 * CHUNK + 99, len(data))]
    for start, end in [*ends, (0, len(data))]:
        assert await read(medium, key_of(data), start, end) == data[start:end], (start, end)


async def test_many_small_blobs_are_read_in_the_order_asked(medium: Medium) -> None:
    blobs = [f"blob {n}".encode() for n in range(30)]
    await put(medium, *blobs)
    order = [*reversed(blobs), blobs[3], blobs[3]]
    assert await medium.blobs.read_many([key_of(data) for data in order]) == order
    assert await medium.blobs.read_many([]) == []


async def test_discarding_leaves_nothing_and_may_be_repeated(medium: Medium) -> None:
    batch = medium.blobs.batch()
    await batch.add_bytes(key_of(b"small"), b"small")
    await batch.add(key_of(b"streamed"), 8, pieces(b"streamed", 3))
    big = bytes(5 * CHUNK)
    await batch.add_bytes(key_of(big), big)
    await batch.discard()
    await batch.discard()
    assert await batch.publish() == set()
    assert medium.names() == set()
    assert medium.leftovers() == []


async def test_discarding_after_publishing_takes_nothing_back(medium: Medium) -> None:
    batch = medium.blobs.batch()
    await batch.add_bytes(key_of(b"kept"), b"kept")
    await batch.publish()
    await batch.discard()
    assert medium.names() == {key_of(b"kept").name}


async def test_two_hundred_blobs_go_in_one_batch(medium: Medium) -> None:
    blobs = [random.Random(n).randbytes(n * 700) for n in range(200)]
    assert len(await put(medium, *blobs)) == 200
    assert len(medium.names()) == 200
    assert await medium.blobs.read_many([key_of(data) for data in blobs]) == blobs
    assert medium.leftovers() == []


async def test_eight_batches_may_publish_one_digest_at_once(medium: Medium) -> None:
    blobs = [f"shared {n}".encode() for n in range(12)]
    new: list[BlobKey] = []

    async def one() -> None:
        new.extend(await put(medium, *blobs))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(one)
    assert {key.name for key in new} == {key_of(data).name for data in blobs}
    if medium.exclusive:
        assert len(new) == len(blobs), "each was new once"
    assert await medium.blobs.read_many([key_of(data) for data in blobs]) == blobs
    assert medium.leftovers() == []


async def test_a_medium_that_works_says_so(medium: Medium) -> None:
    await medium.blobs.check()
    assert medium.names() == set()


DAMAGE = {
    "one bit flipped": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "the last bit flipped": lambda data: data[:-1] + bytes([data[-1] ^ 128]),
    "cut short by one byte": lambda data: data[:-1],
    "cut to one chunk": lambda data: data[:CHUNK],
    "emptied": lambda data: b"",
    "swapped with another blob": lambda data: random.Random(9).randbytes(len(data)),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("size", [1, 10, CHUNK, 2 * CHUNK + 11])
async def test_F14_F15_a_damaged_blob_is_never_delivered_as_complete(medium: Medium, kind: str, size: int) -> None:
    data = random.Random(size).randbytes(size)
    await put(medium, data)
    wrong = DAMAGE[kind](data)
    medium.damage(key_of(data), wrong)
    if wrong == data:
        return
    got: list[bytes] = []

    async def receive() -> None:
        async for piece in verified(medium.blobs, key_of(data), size):
            got.append(piece)

    with pytest.raises(HashMismatch) as fault:
        await receive()
    assert sum(map(len, got)) < size, "the last piece must be held back"
    assert fault.value.http_status == 500, "damage in the store is not the caller's fault"
    assert fault.value.details["expected"] == digest_of(data)
    assert "fsck" in fault.value.hint


async def test_F15_a_missing_blob_is_not_an_empty_one(medium: Medium) -> None:
    with pytest.raises(NotFound):
        await whole(medium, key_of(b""), 0)


async def test_what_follows_the_promised_length_is_not_delivered(medium: Medium) -> None:
    await put(medium, b"exact")
    medium.damage(key_of(b"exact"), b"exact and a torn tail")
    assert await whole(medium, key_of(b"exact"), 5) == b"exact"


async def listed(medium: Medium, book_id: str = "a-book", incarnation: int = 1) -> dict[BlobKey, int]:
    return {found.key: found.size async for found in medium.blobs.keys(book_id, incarnation)}


async def test_every_visible_blob_of_one_life_of_a_book_is_listed_and_nothing_else(medium: Medium) -> None:
    data = [f"blob {number}".encode() * number for number in range(40)]
    await put(medium, *data)
    batch = medium.blobs.batch()
    others = [BlobKey("a-book", 2, digest_of(b"x")), BlobKey("another", 1, digest_of(b"x")), key_of(b"x", 3)]
    for key in others:
        await batch.add_bytes(key, b"x")
    await batch.publish()
    unseen = medium.blobs.batch()
    await unseen.add_bytes(key_of(b"not yet"), b"not yet")
    assert await listed(medium) == {key_of(one): len(one) for one in data} | {key_of(b"x", 3): 1}
    assert await listed(medium, "another") == {others[1]: 1}
    assert await listed(medium, "a-book", 9) == await listed(medium, "nobody-s") == {}
    assert await medium.blobs.places() == {("a-book", 1), ("a-book", 2), ("another", 1)}
    await unseen.discard()


async def test_a_store_that_holds_nothing_lists_nothing(medium: Medium) -> None:
    assert await medium.blobs.places() == set()
    assert await listed(medium) == {}
    assert list(await medium.blobs.leftovers("a-book", 1)) == []


async def test_what_is_put_in_quarantine_is_out_of_sight_and_can_be_put_again(medium: Medium) -> None:
    await put(medium, b"one", b"two")
    await medium.blobs.quarantine(key_of(b"one"))
    assert await listed(medium) == {key_of(b"two"): 3}
    with pytest.raises(NotFound):
        await read(medium, key_of(b"one"), 0, 3)
    with pytest.raises(NotFound):
        await medium.blobs.quarantine(key_of(b"one"))
    assert await put(medium, b"one") == {key_of(b"one")}
    await medium.blobs.quarantine(key_of(b"one"))
    assert medium.names() == {key_of(b"two").name}


@pytest.mark.parametrize("name", ["", "ab" * 31, "AB" * 32, "ab" * 32 + ".", "ab" * 32 + ".0", "ab" * 32 + ".-1", "x"])
def test_a_name_no_key_has_is_nobody_s(name: str) -> None:
    assert BlobKey.named("a-book", 1, name) is None


@pytest.mark.parametrize("generation", [0, 1, 17])
def test_a_key_is_found_again_by_its_name(generation: int) -> None:
    key = key_of(b"x", generation)
    assert BlobKey.named("a-book", 1, key.name.rpartition("/")[2]) == key

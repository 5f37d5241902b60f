"""Every medium answers any program as a dictionary would, and as every other medium does (P15)."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import HashMismatch, NotFound
from panaversity_fs.store.blobs import BlobKey, verified
from support.stores import MEDIA, Medium, pieces

DATA = [b"", b"a", b"bb", b"ccc" * 30_000]
STEP = st.one_of(
    st.tuples(st.just("publish"), st.lists(st.tuples(st.sampled_from(DATA), st.booleans()), max_size=8)),
    st.tuples(st.just("discard"), st.lists(st.tuples(st.sampled_from(DATA), st.booleans()), max_size=4)),
    st.tuples(st.just("remove"), st.lists(st.tuples(st.sampled_from(DATA), st.booleans()), max_size=2)),
    st.tuples(st.just("lie"), st.lists(st.tuples(st.sampled_from(DATA), st.booleans()), max_size=2)),
)
Step = tuple[str, list[tuple[bytes, bool]]]


def key_of(data: bytes) -> BlobKey:
    return BlobKey("a-book", 1, digest_of(data))


async def carry_out(medium: Medium, step: Step) -> object:
    verb, blobs = step
    if verb == "remove":
        for data, _ in blobs:
            await medium.blobs.remove(key_of(data))
        return None
    batch = medium.blobs.batch()
    for data, streamed in blobs:
        if verb == "lie":
            with pytest.raises(HashMismatch):
                await batch.add(key_of(data), None, pieces(data + b"!", 7919))
        elif streamed:
            await batch.add(key_of(data), len(data), pieces(data, 7919))
        else:
            await batch.add_bytes(key_of(data), data)
    published = set() if verb == "discard" else await batch.publish()
    await batch.discard()
    return published


def predict(held: set[bytes], step: Step) -> object:
    verb, blobs = step
    named = {data for data, _ in blobs}
    if verb == "remove":
        held -= named
        return None
    if verb != "publish":
        return set()
    new = {key_of(data) for data in named - held}
    held |= named
    return new


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.full) if name == "moto" else name for name in sorted(MEDIA)]
)
@given(program=st.lists(STEP, max_size=8))
def test_P15_a_medium_is_a_dictionary(name: str, program: list[Step]) -> None:
    async def run(folder: Path) -> None:
        medium, held = MEDIA[name](folder), set[bytes]()
        for step in program:
            wanted = predict(held, step)
            assert await carry_out(medium, step) == wanted
            assert medium.names() == {key_of(data).name for data in held}
            assert medium.leftovers() == []
        for data in DATA:
            if data in held:
                assert b"".join([p async for p in verified(medium.blobs, key_of(data), len(data))]) == data
            else:
                with pytest.raises(NotFound):
                    _ = [p async for p in verified(medium.blobs, key_of(data), len(data))]

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))

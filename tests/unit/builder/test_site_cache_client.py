"""The remote build cache over HTTP: what goes over the wire, its deadline, and answers that are not to be believed."""

import json
import os
import random
import time
import tracemalloc

import pytest
import zstandard

from panaversity_builder.client import NO_WAITS, Client
from panaversity_builder.client.site_cache import FetchedSite, read_site
from panaversity_fs.core import pack
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import (
    BookGone,
    Conflict,
    Forbidden,
    HashMismatch,
    InvalidArgument,
    NotFound,
    PanaversityError,
    ReadOnly,
    TimedOut,
    TooLarge,
    Unavailable,
)
from panaversity_fs.core.site_meta import META_MEMBER, SiteMeta
from support.odd_cache import OddCache

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
SITE = b"".join(b"<p>page %d</p>" % n for n in range(20_000))
META = SiteMeta("document", digest_of(SITE), 1500, "alice", "2030-01-01T00:00:00+00:00")
PATH = f"/books/guide/site-cache/{META.key}"


@pytest.fixture
def odd():
    with OddCache().serving() as odd:
        yield odd


@pytest.fixture
def client(odd):
    with Client(odd.url, "tests", waits=NO_WAITS) as client:
        yield client


def store(client, tmp_path, data=SITE, seconds=20.0):
    def chunks():
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    return client.site_cache(seconds).store("guide", META, chunks, str(tmp_path))


def fetch(client, seconds=20.0, key=META.key):
    with client.site_cache(seconds).fetch("guide", key) as found:
        return None if found is None else (found.meta, b"".join(found.chunks))


def test_a_site_comes_back_as_it_was_stored_and_nothing_is_left_on_the_way(odd, client, tmp_path):
    assert store(client, tmp_path) is True
    assert fetch(client) == (META, SITE)
    assert os.listdir(tmp_path) == []
    assert len(odd.kept[PATH]) < len(SITE) / 3, "sites travel compressed"
    assert odd.seen == ["PUT", "GET"]
    assert client.traffic.sent > 0 < client.traffic.received


def test_equal_sites_are_equal_bytes_on_the_wire(odd, client, tmp_path):
    store(client, tmp_path)
    first = odd.kept[PATH]
    store(client, tmp_path)
    assert odd.kept[PATH] == first


def test_none_is_none(odd, client):
    assert fetch(client) is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, Conflict("site cache", "x", "another one is kept").to_wire(), Conflict),
        (403, Forbidden("site cache", "x", "insufficient scope").to_wire(), Forbidden),
        (410, BookGone("site cache", "x", "deleted").to_wire(), BookGone),
        (404, NotFound("request", "x", "there is no such route", kind="route").to_wire(), NotFound),
        (503, ReadOnly("site cache", "x", "the server is in read-only mode").to_wire(), ReadOnly),
    ],
)
def test_a_refusal_of_a_site_is_its_typed_error_after_one_attempt(odd, client, tmp_path, status, body, kind):
    odd.refusal = (status, json.dumps(body).encode())
    with pytest.raises(kind):
        store(client, tmp_path)
    assert odd.seen == ["PUT"]
    assert os.listdir(tmp_path) == []


def test_a_site_that_cannot_be_packed_is_not_sent(odd, client, tmp_path):
    def chunks():
        yield b"some"
        raise RuntimeError("it changed")

    with pytest.raises(RuntimeError, match="it changed"):
        client.site_cache(5).store("guide", META, chunks, str(tmp_path))
    assert odd.seen == []
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("spoil", ["silent", "drip"])
def test_a_slow_answer_is_given_up_at_its_deadline(odd, client, tmp_path, spoil):
    store(client, tmp_path)
    odd.spoil = spoil
    began = time.monotonic()
    with pytest.raises((TimedOut, Unavailable), match=r"not done after|in time"):
        fetch(client, seconds=0.3)
    assert time.monotonic() - began < 3


def test_an_upload_that_nobody_reads_is_given_up(odd, client, tmp_path):
    odd.spoil = "deaf"
    began = time.monotonic()
    with pytest.raises((TimedOut, Unavailable)):
        store(client, tmp_path, os.urandom(20_000_000), seconds=0.5)
    assert time.monotonic() - began < 5


def test_nobody_there_is_unavailable(tmp_path):
    with Client("http://127.0.0.1:9", "tests", waits=NO_WAITS) as client, pytest.raises(Unavailable):
        fetch(client)


def test_P4_an_answer_cut_anywhere_is_never_a_whole_site(odd, client, tmp_path):
    store(client, tmp_path)
    size = len(odd.kept[PATH])
    odd.spoil = "cut"
    needed = size - len(pack.END) - 512
    """What follows is padding and the end of the pack: without it the site is whole all the same."""
    for odd.at in range(needed) if FULL else [0, 1, 511, 512, needed - 1, *random.Random(3).sample(range(needed), 12)]:
        with pytest.raises(PanaversityError):
            fetch(client)


def test_P4_a_flipped_byte_anywhere_is_never_another_site(odd, client, tmp_path):
    store(client, tmp_path)
    size = len(odd.kept[PATH])
    odd.spoil, refused = "flip", 0
    places = random.Random(4).sample(range(size - 1024), 400 if FULL else 40)
    for odd.at in places:
        try:
            meta, data = fetch(client)
        except PanaversityError:
            refused += 1
        else:  # a byte that does not count: a header's owner, what is said of the builder
            assert (meta.document, data) == ("document", SITE)
    assert refused > len(places) * 0.8


def packed(meta, name, data):
    return pack.member(META_MEMBER, meta) + pack.member(name, data) + pack.END


def read(stream, key=META.key):
    site = read_site(iter([stream[i : i + 5000] for i in range(0, len(stream), 5000)]), key)
    assert isinstance(site, FetchedSite)
    return b"".join(site.chunks)


SMALL = zstandard.compress(b"site")


@pytest.mark.parametrize(
    ("stream", "kind", "problem"),
    [
        (packed(SiteMeta("other", META.output, 1).to_bytes(), digest_of(SMALL), SMALL), HashMismatch, "another key"),
        (packed(META.to_bytes(), digest_of(b"x"), SMALL), HashMismatch, "another digest"),
        (packed(META.to_bytes(), "site.tar", SMALL), HashMismatch, "no digest"),
        (packed(b"{}", digest_of(SMALL), SMALL), InvalidArgument, "lacks a field"),
        (pack.member("x", b"") + pack.END, HashMismatch, "does not begin"),
        (pack.header(META_MEMBER, 1 << 40), HashMismatch, "does not begin"),
        (pack.END, Unavailable, "ended in the middle"),
        (b"", Unavailable, "ended in the middle"),
        (b"<html>" * 1000, HashMismatch, "broken member header"),
        (packed(META.to_bytes(), digest_of(b"x"), b"x"), Unavailable, "damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_that_is_not_what_was_asked_for_is_refused(stream, kind, problem):
    with pytest.raises(kind, match=problem):
        read(stream)


def test_S23_a_bomb_is_given_up_in_little_memory():
    bomb = zstandard.compress(bytes(200_000_000))
    assert len(bomb) < 50_000
    site = read_site(iter([packed(META.to_bytes(), digest_of(bomb), bomb)]), META.key)
    tracemalloc.start()
    with pytest.raises(TooLarge, match="100 times"):
        for _ in site.chunks:
            pass
    assert tracemalloc.get_traced_memory()[1] < 16_000_000
    tracemalloc.stop()

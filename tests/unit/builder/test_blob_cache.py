"""The shared blob cache: bytes under their digests, never trusted, never fatal, never larger than it may be."""

import errno
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_builder import blob_cache
from panaversity_builder.blob_cache import BlobCache, default_folder
from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from support.failpoints import in_a_child

ONE, TWO = b"one", b"two" * 1000


@pytest.fixture
def cache(tmp_path: Path) -> BlobCache:
    return BlobCache(str(tmp_path / "cache"), warn=pytest.fail)


def put(cache: BlobCache, data: bytes) -> Digest:
    assert cache.put_bytes(digest_of(data), data)
    return digest_of(data)


def put_file(cache: BlobCache, path: Path) -> bool:
    with path.open("rb") as file:
        return cache.put_open(digest_of(path.read_bytes()), file.fileno())


def read(cache: BlobCache, digest: Digest) -> bytes | None:
    """As whoever trusts no cache reads it."""
    with cache.opened(digest) as file:
        if file is None:
            return None
        data = b"".join(iter(lambda: os.read(file, 1 << 16), b""))
    if digest_of(data) == digest:
        return data
    cache.discard(digest)
    return None


def test_what_is_kept_comes_back_under_its_digest(cache: BlobCache, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(TWO)
    assert read(cache, digest_of(TWO)) is None
    assert put_file(cache, tmp_path / "file")
    assert put_file(cache, tmp_path / "file")
    put(cache, ONE)
    assert read(cache, digest_of(TWO)) == TWO
    assert cache.usage() == (2, len(ONE) + len(TWO))
    assert put(cache, b"") == EMPTY
    assert read(cache, EMPTY) == b""


def test_an_edit_of_the_file_that_was_kept_does_not_reach_the_cache(cache: BlobCache, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(TWO)
    put_file(cache, tmp_path / "file")
    (tmp_path / "file").write_bytes(ONE)
    assert read(cache, digest_of(TWO)) == TWO


@pytest.mark.parametrize("damage", [b"", TWO[:-1], TWO + b"!", b"x" * len(TWO)])
def test_S32_a_damaged_blob_is_a_miss_and_is_removed(cache: BlobCache, damage: bytes) -> None:
    path = Path(cache._path(put(cache, TWO)))
    path.write_bytes(damage)
    assert read(cache, digest_of(TWO)) is None
    assert not path.exists()
    assert read(cache, put(cache, TWO)) == TWO


def test_S32_a_blob_swapped_for_another_valid_one_is_a_miss(cache: BlobCache) -> None:
    one, two = put(cache, ONE), put(cache, TWO)
    os.replace(cache._path(two), cache._path(one))
    assert read(cache, one) is None


@pytest.mark.parametrize("plant", ["link", "fifo", "folder"])
def test_S32_what_is_planted_in_a_blobs_place_is_never_followed_and_never_waited_for(
    cache: BlobCache, tmp_path: Path, plant: str
) -> None:
    (tmp_path / "secret").write_bytes(TWO)
    path = Path(cache._path(put(cache, TWO)))
    path.unlink()
    {"link": lambda: path.symlink_to(tmp_path / "secret"), "fifo": lambda: os.mkfifo(path), "folder": path.mkdir}[
        plant
    ]()
    assert cache.size(digest_of(TWO)) is None
    assert read(cache, digest_of(TWO)) is None
    assert (tmp_path / "secret").read_bytes() == TWO


def test_only_digests_name_blobs(cache: BlobCache) -> None:
    for name in ("../../etc/passwd", "", "A" * 64, "0" * 63):
        with pytest.raises(ValueError, match="digest"):
            read(cache, Digest(name))
        with pytest.raises(ValueError, match="plain name"):
            cache.note("../" + name, b"")


def aged(cache: BlobCache, digest: Digest, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(cache._path(digest), (moment, moment))


def test_the_blobs_used_longest_ago_go_first(cache: BlobCache) -> None:
    digests = [put(cache, bytes([n]) * 100) for n in range(10)]
    for n, digest in enumerate(digests):
        aged(cache, digest, 100_000 - n)
    assert read(cache, digests[0]) is not None  # used now
    assert cache.prune(300) == (7, 700)
    assert [n for n, digest in enumerate(digests) if cache.size(digest) is not None] == [0, 8, 9]


def test_it_prunes_itself_when_the_limit_is_passed(tmp_path: Path) -> None:
    sizes = []
    for n in range(30):
        cache = BlobCache(str(tmp_path / "cache"), 10_000)
        put(cache, bytes([n]) * 1000)
        cache.settle()
        sizes.append(cache.usage()[1])
    assert max(sizes) == 10_000
    assert min(sizes[10:]) >= 9_000
    assert BlobCache(cache.folder).size(digest_of(bytes([29]) * 1000)) == 1000


def test_one_run_never_writes_more_than_may_stay(tmp_path: Path) -> None:
    cache = BlobCache(str(tmp_path / "cache"), 3000)
    kept = [cache.put_bytes(digest_of(bytes([n]) * 1000), bytes([n]) * 1000) for n in range(9)]
    assert kept == [True] * 3 + [False] * 6
    assert not cache.put_bytes(digest_of(b"x" * 3001), b"x" * 3001)


@pytest.mark.parametrize("ledger", [None, b"", b"x\n", b"1", b"-5\n", b"9" * 30 + b"\n", b"1\n" * 40_000])
def test_a_lost_or_damaged_ledger_is_counted_anew(tmp_path: Path, ledger: bytes | None) -> None:
    cache = BlobCache(str(tmp_path / "cache"), 10_000)
    for n in range(9):
        put(cache, bytes([n]) * 1000)
    cache.settle()
    added = tmp_path / "cache" / "added"
    added.unlink() if ledger is None else added.write_bytes(ledger)
    for n in range(9, 14):
        cache = BlobCache(str(tmp_path / "cache"), 10_000)
        put(cache, bytes([n]) * 1000)
        cache.settle()
    assert cache.usage()[1] <= 10_000


def test_a_cache_of_size_0_keeps_and_gives_nothing(tmp_path: Path, cache: BlobCache) -> None:
    digest = put(cache, ONE)
    none = BlobCache(cache.folder, 0)
    assert (read(none, digest), none.size(digest)) == (None, None)
    assert not none.put_bytes(digest_of(TWO), TWO)
    none.note("name", b"note")
    none.settle()
    assert none.noted("name") is None
    assert cache.size(digest_of(TWO)) is None


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_folder_that_cannot_be_written_is_one_warning_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    said: list[str] = []
    cache = BlobCache(str(tmp_path / "cache"), warn=said.append)

    def refuse(file: int, data: bytes) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(blob_cache, "write_all", refuse)
    assert not cache.put_bytes(digest_of(ONE), ONE)
    assert not cache.put_bytes(digest_of(TWO), TWO)
    cache.note("name", b"x")
    cache.settle()
    assert len(said) == 1
    assert os.strerror(number) in said[0]
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("where", ["cache", "cache/blobs", "."])
def test_a_file_where_a_folder_should_be_is_a_warning(tmp_path: Path, where: str) -> None:
    said: list[str] = []
    place = tmp_path / "at"
    (place / where).parent.mkdir(parents=True, exist_ok=True)
    (place / where).write_bytes(b"a file") if where != "." else place.write_bytes(b"a file")
    cache = BlobCache(str(place / "cache"), warn=said.append)
    assert not cache.put_bytes(digest_of(ONE), ONE)
    assert read(cache, digest_of(ONE)) is None
    assert cache.usage() == (0, 0)
    assert len(said) == 1


def test_the_last_room_of_a_disk_is_left_to_the_work(cache: BlobCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_cache, "SPARE_BYTES", 1 << 62)
    assert not cache.put_bytes(digest_of(ONE), ONE)
    assert cache.usage() == (0, 0)


def test_what_a_killed_process_left_goes_when_it_is_old(cache: BlobCache) -> None:
    digest = put(cache, ONE)
    young, old = Path(cache._path(digest) + ".0123456789ab"), Path(cache._path(digest) + ".ba9876543210")
    young.write_bytes(b"half")
    old.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache.prune(1 << 30)
    assert (young.exists(), old.exists()) == (True, False)
    assert cache.usage() == (1, 3)


def test_a_note_is_kept_with_the_moment_of_its_last_confirmation(cache: BlobCache) -> None:
    cache.note("book", b"told")
    os.utime(cache._note_path("book"), (5, 5))
    assert cache.noted("book") == (b"told", 5.0)
    cache.note("book", b"told")
    assert time.time() - cache.noted("book")[1] < 60  # type: ignore[index]
    cache.note("book", b"told anew")
    assert cache.noted("book")[0] == b"told anew"  # type: ignore[index]
    os.utime(cache._note_path("book"), (5, 5))
    cache.prune(1 << 30)
    assert cache.noted("book") is None


def test_our_own_folder_is_ours_alone_and_a_shared_one_shares_what_is_in_it(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        put(BlobCache(str(tmp_path / "mine")), ONE)
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared").chmod(0o770)
        put(BlobCache(str(tmp_path / "shared")), ONE)
    finally:
        os.umask(old)
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "shared").rglob("*") if p.is_dir()} == {0o770}
    assert (tmp_path / "shared" / "blobs" / digest_of(ONE)).stat().st_mode & 0o777 == 0o640


def test_many_processes_at_once_keep_prune_and_read_whole_blobs(tmp_path: Path) -> None:
    place = str(tmp_path / "cache")
    data = [bytes([n]) * (500 + n) for n in range(40)]

    def work(number: int) -> None:
        for turn in range(15):
            cache = BlobCache(place, 12_000, warn=lambda text: os._exit(3))
            for n in range(number, 40, 4):
                cache.put_bytes(digest_of(data[n]), data[n])
                for other in (n, (n * 7 + turn) % 40):
                    with cache.opened(digest_of(data[other])) as file:
                        assert file is None or os.read(file, 9999) == data[other]
            cache.settle()

    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            try:
                work(number)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    cache = BlobCache(place)
    cache.prune(12_000)
    assert cache.usage()[1] <= 12_000
    assert all(read(cache, digest_of(one)) is not None for one in data if cache.size(digest_of(one)) is not None)


def test_a_process_killed_while_it_keeps_leaves_no_wrong_blob(tmp_path: Path) -> None:
    place, data = str(tmp_path / "cache"), [os.urandom(300_000) for _ in range(20)]
    for delay in (0.001, 0.004, 0.008):
        cache = BlobCache(place)
        in_a_child(lambda cache=cache: [cache.put_bytes(digest_of(one), one) for one in data], kill_after=delay)
    assert all(read(cache, digest_of(one)) in (None, one) for one in data)


steps = st.lists(st.tuples(st.sampled_from(["put", "get", "damage", "prune"]), st.integers(0, 9)), max_size=30)


@given(steps)
def test_whatever_happens_it_gives_the_bytes_of_the_digest_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    place = str(tmp_path_factory.mktemp("cache") / "at")
    for step, n in steps:
        cache, data = BlobCache(place, 2000), bytes([n]) * (n * 100)
        digest = digest_of(data)
        if step == "put":
            cache.put_bytes(digest, data)
            cache.settle()
        elif step == "damage" and cache.size(digest) is not None:
            Path(cache._path(digest)).write_bytes(b"damage")
        elif step == "prune":
            cache.prune(n * 200)
            assert cache.usage()[1] <= n * 200
        assert read(cache, digest) in (None, data)
        assert cache.usage()[1] <= 2000


def test_the_default_place_is_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == str(tmp_path / "panaversity")

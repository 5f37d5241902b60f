"""What only a folder can get wrong: the order of syncs, full and broken disks, torn files (RELIABILITY 3, planted bugs
1, 2 and 5)."""

import errno
import os
from collections.abc import Callable

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import PanaversityError, StorageFull, Unavailable
from panaversity_fs.store import durable, local_blobs
from panaversity_fs.store.blobs import CHUNK, BlobKey
from support.stores import InFolder, pieces

pytestmark = pytest.mark.anyio

ONE, MANY = 1, 12


def key_of(data: bytes) -> BlobKey:
    return BlobKey("a-book", 1, digest_of(data))


def some(count: int) -> list[bytes]:
    return [f"blob number {n}".encode() for n in range(count)]


async def put(folder: InFolder, count: int) -> None:
    batch = folder.blobs.batch()
    for data in some(count):
        await batch.add_bytes(key_of(data), data)
    try:
        await batch.publish()
    finally:
        await batch.discard()


async def trouble(folder: InFolder, count: int) -> PanaversityError | None:
    """The error that putting so many blobs ends in, if any."""
    try:
        await put(folder, count)
    except PanaversityError as fault:
        return fault
    return None


class Recorder:
    """The calls whose order decides what a power cut leaves, in that order: (name, path)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        self._paths: dict[int, str] = {}
        real_open, real_fsync, real_link, real_write = os.open, os.fsync, os.link, os.write

        def opened(path: str, *arguments: int) -> int:
            descriptor = real_open(path, *arguments)
            self._paths[descriptor] = str(path)
            return descriptor

        def synced(descriptor: int) -> None:
            self.calls.append(("fsync", self._paths[descriptor]))
            real_fsync(descriptor)

        def linked(source: str, target: str) -> None:
            self.calls.append(("link", target))
            real_link(source, target)

        def wrote(descriptor: int, data: bytes) -> int:
            self.calls.append(("write", self._paths.get(descriptor, "")))
            return real_write(descriptor, data)

        def synced_all(folder: str) -> None:
            self.calls.append(("syncfs", folder))

        monkeypatch.setattr(os, "open", opened)
        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(os, "link", linked)
        monkeypatch.setattr(os, "write", wrote)
        monkeypatch.setattr(local_blobs, "sync_file_system", synced_all)

    def places(self, name: str) -> list[int]:
        return [place for place, (call, _) in enumerate(self.calls) if call == name]

    def path(self, place: int) -> str:
        return self.calls[place][1]


async def test_planted_bugs_1_2_few_blobs_are_each_synced_before_they_get_their_name_and_their_folder_after(
    folder: InFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(folder, 3)  # the folders exist: what follows is the steady state
    new = b"another blob"
    (folder.root / key_of(new).folder).mkdir(exist_ok=True)
    seen = Recorder(monkeypatch)
    batch = folder.blobs.batch()
    await batch.add_bytes(key_of(new), new)
    await batch.publish()
    (link,) = seen.places("link")
    file_syncs = [place for place in seen.places("fsync") if "/incoming/" in seen.path(place)]
    home = str(folder.root / key_of(new).folder)
    folder_syncs = [place for place in seen.places("fsync") if seen.path(place) == home]
    assert len(file_syncs) == 1
    assert max(seen.places("write")) < file_syncs[0] < link, "bytes are durable before they have a name"
    assert len(folder_syncs) == 1
    assert folder_syncs[0] > link, "the name is durable before anybody is told"


async def test_planted_bugs_1_2_many_blobs_are_synced_together_before_and_after_their_names(
    folder: InFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Recorder(monkeypatch)
    await put(folder, MANY)
    before, after = seen.places("syncfs")
    links = seen.places("link")
    assert len(links) == MANY
    assert max(seen.places("write")) < before < min(links)
    assert max(links) < after
    assert seen.path(before) == str(folder.root)


async def test_new_folders_are_durable_too(folder: InFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Recorder(monkeypatch)
    await put(folder, ONE)
    (key,) = map(key_of, some(ONE))
    synced = {seen.path(place) for place in seen.places("fsync")}
    parents = ["", "books", "books/a-book", "books/a-book/1", "books/a-book/1/blobs"]
    assert {os.path.normpath(folder.root / parent) for parent in parents} <= synced
    assert str(folder.root / key.folder) in synced


async def test_a_removal_is_durable(folder: InFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(folder, ONE)
    (key,) = map(key_of, some(ONE))
    seen = Recorder(monkeypatch)
    await folder.blobs.remove(key)
    assert seen.calls == [("fsync", str(folder.root / key.folder))]


def test_syncing_a_file_system_reports_what_the_kernel_says(folder: InFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    durable.sync_file_system(str(folder.root))

    class Failing:
        @staticmethod
        def syncfs(descriptor: int) -> int:
            durable.ctypes.set_errno(errno.EIO)
            return -1

    monkeypatch.setattr(durable, "_libc", Failing)
    with pytest.raises(OSError, match="Input/output error"):
        durable.sync_file_system(str(folder.root))


def test_a_kernel_without_syncfs_syncs_everything(folder: InFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    monkeypatch.setattr(durable, "_libc", object())
    monkeypatch.setattr(os, "sync", lambda: called.append(True))
    durable.sync_file_system(str(folder.root))
    assert called == [True]


Breaker = Callable[[pytest.MonkeyPatch, int, int], None]


def breaking(module: object, name: str) -> Breaker:
    """Let the ``at``-th call of this function fail with that errno, once."""

    def plant(monkeypatch: pytest.MonkeyPatch, code: int, at: int) -> None:
        real, count = getattr(module, name), 0

        def failing(*arguments: object) -> object:
            nonlocal count
            count += 1
            if count == at:
                raise OSError(code, os.strerror(code))
            return real(*arguments)

        monkeypatch.setattr(module, name, failing)

    return plant


CALLS = {
    "open": breaking(os, "open"),
    "write": breaking(os, "write"),
    "fsync": breaking(os, "fsync"),
    "link": breaking(os, "link"),
    "syncfs": breaking(local_blobs, "sync_file_system"),
}
CODES = {
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
    errno.EIO: Unavailable,
    errno.EACCES: Unavailable,
    errno.EMFILE: Unavailable,
    errno.EROFS: Unavailable,
}


@pytest.mark.parametrize("count", [ONE, MANY])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
async def test_F9_F10_F13_trouble_of_the_disk_is_typed_and_leaves_nothing_half_written(
    folder: InFolder, monkeypatch: pytest.MonkeyPatch, code: int, call: str, count: int
) -> None:
    blobs = some(count)
    for at in (1, 2):
        with monkeypatch.context() as patched:
            CALLS[call](patched, code, at)
            fault = await trouble(folder, count)
        if fault is None:
            assert count == ONE, f"{call} number {at} was not met"
        else:
            assert type(fault) is CODES[code]
            assert str(folder.root) not in str(fault), "paths of the machine stay out of errors"
        assert folder.leftovers() == []
        for name in folder.names():
            data = (folder.root / name).read_bytes()
            assert digest_of(data) == name.rsplit("/", 1)[1], "a visible blob is whole"
    await put(folder, count)
    assert await folder.blobs.read_many([key_of(data) for data in blobs]) == blobs


async def test_F9_a_stream_that_cannot_be_written_leaves_no_temporary_file(
    folder: InFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(3 * CHUNK)
    CALLS["write"](monkeypatch, errno.ENOSPC, 2)
    batch = folder.blobs.batch()
    with pytest.raises(StorageFull):
        await batch.add(key_of(data), len(data), pieces(data, CHUNK))
    assert folder.leftovers() == []


async def test_a_write_that_takes_only_some_bytes_goes_on_with_the_rest(
    folder: InFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:3])))
    await put(folder, 2)
    assert await folder.blobs.read_many([key_of(data) for data in some(2)]) == some(2)


@pytest.mark.parametrize("torn", [b"", b"blob num", b"blob number 0 and zeros after it\0\0\0"])
async def test_F8_a_torn_file_under_a_digests_name_is_replaced_by_verified_bytes(folder: InFolder, torn: bytes) -> None:
    await put(folder, ONE)
    (data,) = some(ONE)
    folder.damage(key_of(data), torn)
    await put(folder, ONE)
    assert await folder.blobs.read_many([key_of(data)]) == [data]
    assert folder.leftovers() == []


async def test_reading_trouble_is_typed(folder: InFolder) -> None:
    (data,) = some(ONE)
    (folder.root / key_of(data).name).mkdir(parents=True)
    with pytest.raises(Unavailable):
        await folder.blobs.read_many([key_of(data)])
    with pytest.raises(Unavailable):
        _ = [piece async for piece in folder.blobs.stream(key_of(data), 0, 5)]
    with pytest.raises(Unavailable):
        await folder.blobs.remove(key_of(data))


async def test_trouble_with_a_size_is_typed(folder: InFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(path: str) -> os.stat_result:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "stat", failing)
    with pytest.raises(Unavailable):
        await folder.blobs.size(key_of(b"any"))


async def test_a_root_that_cannot_be_a_folder_is_unavailable(folder: InFolder) -> None:
    (folder.root / "file").write_bytes(b"")
    blocked = local_blobs.LocalBlobs(str(folder.root / "file" / "below"))
    with pytest.raises(Unavailable):
        await blocked.check()


async def test_a_planted_link_is_not_followed_on_the_way_in(folder: InFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_blobs.secrets, "token_hex", lambda size: "guessed")
    incoming = folder.root / "books/a-book/1/incoming"
    incoming.mkdir(parents=True)
    outside = folder.root / "outside"
    outside.write_bytes(b"author's")
    for number in range(3):
        (incoming / f"guessed-{number}").symlink_to(outside)
    with pytest.raises(Unavailable):
        await put(folder, ONE)
    assert outside.read_bytes() == b"author's"


async def test_what_is_on_its_way_in_is_listed_with_its_owner_and_can_be_taken_away(folder: InFolder) -> None:
    data = b"x" * 100
    batch = folder.blobs.batch("upload-7")
    await batch.add(BlobKey("a-book", 1, digest_of(data)), 100, pieces(data))
    (leftover,) = await folder.blobs.leftovers("a-book", 1)
    assert leftover.owner == "upload-7"
    assert list(await folder.blobs.leftovers("a-book", 2)) == []
    await folder.blobs.remove_leftover(leftover)
    await folder.blobs.remove_leftover(leftover)
    assert folder.leftovers() == []


async def test_strange_files_are_no_blobs(folder: InFolder) -> None:
    place = folder.root / "books/a-book/1/blobs/ab"
    place.mkdir(parents=True)
    (place / "README").write_text("?")
    (place / ("cd" * 32)).write_text("in the folder of another prefix")
    (place / ("ab" * 32)).symlink_to(place / "README")
    (place / f"{'ab' * 32}.1").mkdir()
    (folder.root / "books/a-book/not-a-number").mkdir()
    (folder.root / "books/file").write_text("?")
    assert [found async for found in folder.blobs.keys("a-book", 1)] == []
    assert await folder.blobs.places() == {("a-book", 1)}

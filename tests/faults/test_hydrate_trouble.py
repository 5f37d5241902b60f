"""A server that fails, a disk that is full, a folder that is in use: typed errors, the old tree whole (F10, F54)."""

import errno
import fcntl
import multiprocessing
import os
import subprocess
import threading
from pathlib import Path

import pytest

from panaversity_builder.book.hydrate import folder as folder_module
from panaversity_builder.book.hydrate.folder import Folder
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import BookGone, NoSpace, OutputLocked, PanaversityError, ServerUnreachable
from support.hydrated import LESSON, OTHER, Desk, tree_of

NEW = b"changed " * 1000


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.hydrate()
    desk.put(LESSON, NEW)
    desk.put(OTHER, NEW + b"too")
    return desk


def fails(desk, status):
    old = desk.tree
    with pytest.raises(PanaversityError) as caught:
        desk.hydrate()
    assert caught.value.exit_status == status
    assert desk.tree == old
    return caught.value


def test_a_server_that_is_down_is_tried_three_times_then_exit_10(desk):
    desk.server.trouble.unavailable = 99
    before = desk.server.traffic.requests
    error = fails(desk, 10)
    assert isinstance(error, ServerUnreachable)
    assert desk.server.traffic.requests - before == 3


def test_a_server_that_fails_twice_is_asked_again(desk):
    desk.server.trouble.unavailable = 2
    assert desk.hydrate().files_downloaded == 2
    assert desk.tree == desk.wanted


def test_a_pack_cut_in_the_middle_is_asked_for_again_only_where_it_lacks(tmp_path):
    desk = Desk(tmp_path, {f"{n:02d}.md": b"%d" % n * 5000 for n in range(20)})
    desk.server.trouble.cut_pack_after = 50_000
    desk.hydrate()
    assert desk.tree == desk.wanted
    size = sum(map(len, desk.wanted.values()))
    assert desk.server.traffic.received < size * 1.3 + 20_000


def test_P9_what_arrived_before_the_server_died_is_not_fetched_again(tmp_path):
    desk = Desk(tmp_path, {f"{n:02d}.md": b"%d" % n * 5000 for n in range(20)})
    desk.server.trouble.cut_pack_after, desk.server.trouble.cuts = 30_000, 3
    fails(desk, 10)
    before = desk.server.traffic.received
    assert desk.hydrate().files_downloaded < 20
    assert desk.tree == desk.wanted
    assert desk.server.traffic.received - before < sum(map(len, desk.wanted.values())) * 0.7


@pytest.mark.parametrize("kind", ["wrong", "short", "long"])
@pytest.mark.parametrize("large", [False, True])
def test_P4_wrong_bytes_are_asked_for_again_then_exit_10_and_never_reach_the_tree(desk, monkeypatch, kind, large):
    if large:
        monkeypatch.setattr("panaversity_builder.book.hydrate.fetch.LARGE", 100)
    getattr(desk.server.trouble, kind).add(digest_of(NEW))
    desk.server.trouble.alterations = None
    fails(desk, 10)
    desk.server.trouble.alterations = 1
    desk.hydrate()
    assert desk.tree == desk.wanted


def test_P9_a_large_file_is_resumed_where_it_stopped(desk, monkeypatch):
    monkeypatch.setattr("panaversity_builder.book.hydrate.fetch.LARGE", 100)
    honest, starts = desk.server.fetch_blob, []

    def cut(book_id, manifest, digest, start, size):
        starts.append(start)
        stream = honest(book_id, manifest, digest, start, size)
        yield next(stream)[:3000]
        raise ServerUnreachable("download", "x", "closed the connection")

    desk.server.fetch_blob = cut
    fails(desk, 10)
    assert starts == [0]

    def whole(book_id, manifest, digest, start, size):
        starts.append(start)
        return honest(book_id, manifest, digest, start, size)

    desk.server.fetch_blob = whole
    desk.hydrate()
    assert desk.tree == desk.wanted
    assert sorted(starts[1:]) == [0, 3000]


def test_P9_a_damaged_prefix_of_a_large_file_is_thrown_away(desk, monkeypatch):
    monkeypatch.setattr("panaversity_builder.book.hydrate.fetch.LARGE", 100)
    staging = desk.state / "staging"
    (staging / f"{digest_of(NEW)}.part").write_bytes(b"x" * 3000)
    (desk.state / "plan.json").write_bytes(b"")
    desk.hydrate()
    assert desk.tree == desk.wanted


def test_P7_a_commit_while_the_bytes_come_leaves_the_manifest_that_was_planned(desk):
    honest = desk.server.fetch_pack
    planned = desk.wanted

    def meanwhile(*arguments):
        desk.put("later.md", b"later")
        return honest(*arguments)

    desk.server.fetch_pack = meanwhile
    result = desk.hydrate()
    assert desk.tree == planned
    assert digest_of((desk.state / "manifest.txt").read_bytes()) == result.manifest_hash
    desk.server.fetch_pack = honest
    desk.hydrate()
    assert desk.tree == desk.wanted


def test_F41_a_deleted_book_is_gone_not_empty(desk):
    desk.book.gone = True
    assert isinstance(fails(desk, 2), BookGone)


def test_a_disk_without_room_for_the_plan_is_refused_before_the_first_byte(desk, monkeypatch):
    monkeypatch.setattr(Folder, "free_bytes", lambda self: 100)
    error = fails(desk, 4)
    assert isinstance(error, NoSpace)
    assert error.details["needed"] > error.details["free"] == 100
    assert "fetch_pack" not in desk.server.calls[-1:]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_fills_up_is_exit_4_and_what_arrived_is_kept(desk, monkeypatch, number):
    write_all, calls = folder_module.write_all, []

    def fill(file, data):
        if len(data) > 1000:
            calls.append(1)
            if len(calls) == 2:
                raise OSError(number, os.strerror(number))
        write_all(file, data)

    monkeypatch.setattr("panaversity_builder.book.hydrate.staging.write_all", fill)
    fails(desk, 4)
    assert list((desk.state / "staging").iterdir())
    monkeypatch.undo()
    assert desk.hydrate().files_downloaded == 1
    assert desk.tree == desk.wanted


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_real_full_disk_keeps_the_old_tree_and_goes_on_when_there_is_room(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        desk = Desk(disk, {f"{n}.md": b"%d" % n * 9000 for n in range(9)})
        desk.hydrate()
        old = desk.tree
        for n in range(9):
            desk.put(f"{n}.md", os.urandom(20_000))
        (disk / "ballast").write_bytes(b"x" * 200_000)
        fails(desk, 4)
        (disk / "ballast").unlink()
        for n in range(9, 12):
            desk.put(f"{n}.md", b"small")
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        desk.hydrate()
        assert desk.tree == desk.wanted != old
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_F60_a_folder_that_cannot_be_written_is_said_to_be_so(desk):
    (desk.out / "01-Part/01-Chapter").chmod(0o500)
    try:
        fails(desk, 15)
    finally:
        (desk.out / "01-Part/01-Chapter").chmod(0o755)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO])
def test_F60_a_refusal_of_the_file_system_is_typed_and_leaves_the_old_tree(desk, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number), "x")

    monkeypatch.setattr(Folder, "create", refuse)
    assert "cannot be used" in str(fails(desk, 15))


def test_F54_a_second_hydrate_stops_and_names_the_holder(desk):
    with open(desk.state / "lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write("process 4711 on somewhere")
        lock.flush()
        error = fails(desk, 5)
        assert isinstance(error, OutputLocked)
        assert "process 4711 on somewhere" in str(error)
    desk.hydrate()
    assert desk.tree == desk.wanted


def test_F54_the_lock_dies_with_its_owner(desk):
    def hold(path: str, ready: "multiprocessing.Event") -> None:
        file = os.open(path, os.O_RDWR)
        fcntl.flock(file, fcntl.LOCK_EX)
        ready.set()
        os.kill(os.getpid(), 9)

    ready = multiprocessing.get_context("fork").Event()
    process = multiprocessing.get_context("fork").Process(target=hold, args=(str(desk.state / "lock"), ready))
    process.start()
    assert ready.wait(10)
    process.join()
    desk.hydrate()
    assert desk.tree == desk.wanted


def test_F54_four_at_once_end_in_one_right_tree(tmp_path):
    desk = Desk(tmp_path)
    outcomes: list[str] = []

    def run() -> None:
        try:
            outcomes.append(desk.hydrate().mode)
        except OutputLocked:
            outcomes.append("locked")

    for number in range(10):
        desk.put("changing.md", b"%d" % number)
        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert tree_of(desk.out) == desk.wanted
    assert len(outcomes) == 40
    assert "locked" in outcomes or outcomes.count("unchanged") > 20


def test_a_file_where_the_output_folder_should_be_is_refused(tmp_path):
    desk = Desk(tmp_path)
    desk.out.write_bytes(b"a file")
    with pytest.raises(PanaversityError) as caught:
        desk.hydrate()
    assert caught.value.exit_status == 2
    with pytest.raises(PanaversityError) as caught:
        desk.hydrate(output_dir=str(Path(desk.out) / "below"))
    assert caught.value.exit_status in (2, 15)

"""What a folder tells a watch: real files and the real library, editors' ways of saving, folders that go and come."""

import os
import threading
import time
from itertools import islice
from pathlib import Path

import pytest
from watchfiles import Change

from panaversity_builder.book.watching.moments import Moment, await_git, moments
from panaversity_builder.book.watching.rhythm import GONE_SECONDS, POLL_SECONDS


class Watched:
    """A folder under watch; ``change`` acts in another thread, as an editor would."""

    def __init__(self, root):
        self.root = root
        self.moments = moments(lambda: str(root))
        assert next(self.moments).blind

    def after(self, act):
        """The paths told of after ``act``, until it is quiet again."""
        thread = threading.Thread(target=act)
        thread.start()
        found = set()
        deadline = time.monotonic() + 10
        for moment in self.moments:
            assert time.monotonic() < deadline
            found |= moment.paths
            if not moment.paths and not thread.is_alive() and found:
                return found
        raise AssertionError("moments never end")


@pytest.fixture
def lesson(tmp_path):
    target = tmp_path / "Part-01" / "a.md"
    target.parent.mkdir()
    target.write_text("one")
    return target


@pytest.fixture
def watched(lesson, tmp_path):
    return Watched(tmp_path)


def by_rename(lesson):
    beside = lesson.with_name("a.md.tmp.123")
    beside.write_text("two")
    beside.rename(lesson)


def by_delete_and_create(lesson):
    lesson.unlink()
    time.sleep(0.02)
    lesson.write_text("two")


def by_backup(lesson):
    """As vim does with ``backupcopy=no``: a probe, the old file renamed, a new one written, the backup deleted."""
    probe = lesson.with_name("4913")
    probe.touch()
    probe.unlink()
    backup = lesson.with_name("a.md~")
    lesson.rename(backup)
    lesson.write_text("two")
    backup.unlink()


@pytest.mark.parametrize("save", [lambda p: p.write_text("two"), by_rename, by_delete_and_create, by_backup])
def test_every_way_of_saving_tells_of_the_lesson_and_the_lesson_is_there(watched, lesson, save):
    assert "Part-01/a.md" in watched.after(lambda: save(lesson))
    assert lesson.read_text() == "two"


def is_news(moment):
    return moment.blind or bool(moment.paths)


def scripted(*batches):
    """A library that tells these batches (kind, path), then nothing any more."""

    def source(root, **_):
        for batch in batches:
            yield {(change, os.path.join(root, path)) for change, path in batch}
        while True:
            yield set()

    return source


def test_the_first_moment_is_blind_for_nobody_watched_before(tmp_path):
    found = list(islice(moments(lambda: str(tmp_path), source=scripted(set())), 3))
    assert [moment.blind for moment in found] == [True, False, False]
    assert [is_news(moment) for moment in found] == [True, False, False]


def test_what_concerns_nobody_is_no_change(tmp_path):
    source = scripted(set(), {(Change.modified, ".git/index"), (Change.added, "a.md~")})
    assert not is_news(list(islice(moments(lambda: str(tmp_path), source=source), 2))[1])


def test_a_file_that_is_gone_is_waited_for_a_little_longer(tmp_path):
    waits = []
    source = scripted(set(), {(Change.deleted, "a.md")})
    list(islice(moments(lambda: str(tmp_path), source=source, sleep=waits.append), 2))
    assert waits == [GONE_SECONDS]


def test_a_temporary_file_that_came_and_went_is_not_waited_for(tmp_path):
    waits = []
    (tmp_path / "a.md").touch()
    batch = {(Change.added, "a.tmp"), (Change.deleted, "a.tmp"), (Change.modified, "a.md")}
    list(islice(moments(lambda: str(tmp_path), source=scripted(set(), batch), sleep=waits.append), 2))
    assert waits == []


def test_a_folder_that_goes_and_comes_back_is_watched_again(tmp_path):
    root = tmp_path / "docs"
    root.mkdir()
    watched = Watched(root)
    root.rmdir()
    gone = next(m for m in watched.moments if not root.exists())
    assert not gone.blind
    root.mkdir()
    assert next(m for m in watched.moments if is_news(m)).blind
    assert watched.after((root / "a.md").touch) == {"a.md"}


def test_another_folder_is_watched_when_the_settings_name_another(tmp_path):
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        root.mkdir()
    found = moments(lambda: str(roots[0]))
    assert next(found).blind
    del roots[0]
    assert next(m for m in found if is_news(m)).blind
    (roots[0] / "b.md").touch()
    assert next(m for m in found if is_news(m)).paths == {"b.md"}


class Heard:
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


def exhausted(root, **_):
    raise OSError("OS file watch limit reached")
    yield


def test_a_system_without_watches_left_is_polled_with_a_warning(tmp_path):
    heard, waits = Heard(), []
    found = moments(lambda: str(tmp_path), source=exhausted, progress=heard, sleep=waits.append)
    assert list(islice(found, 3)) == [Moment(blind=True)] * 3
    assert waits == [POLL_SECONDS] * 2
    assert len(heard.warnings) == 1
    assert "watch limit" in heard.warnings[0]


def test_polling_asks_nobody_and_every_moment_is_blind(tmp_path):
    found = moments(lambda: str(tmp_path), source=exhausted, poll=True, sleep=lambda _: None)
    assert list(islice(found, 3)) == [Moment(blind=True)] * 3


@pytest.mark.parametrize("worktree", [False, True])
def test_a_working_git_is_waited_for(tmp_path, worktree):
    repository, docs = tmp_path / "r", tmp_path / "r" / "docs"
    docs.mkdir(parents=True)
    lock = repository / ".git" / "index.lock"
    if worktree:
        (repository / ".git").write_text(f"gitdir: {tmp_path / 'real'}\n")
        lock = tmp_path / "real" / "index.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            lock.unlink()

    await_git(str(docs), sleep)
    assert len(slept) == 3


def test_a_lock_that_somebody_left_behind_is_not_waited_for(tmp_path):
    (tmp_path / ".git").mkdir()
    lock = tmp_path / ".git" / "index.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    await_git(str(tmp_path), sleep=lambda _: pytest.fail("waited"))


def test_outside_of_a_repository_nobody_is_waited_for():
    await_git(str(Path("/")), sleep=lambda _: pytest.fail("waited"))

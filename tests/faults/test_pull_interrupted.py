"""A pull that is killed at any step: every file of the source is wholly old or wholly new, and the next run goes on.

A dead process changes nothing any more, so from the chosen call on every call that would change the disk fails; what
clean-up would have done does not happen either, as after kill -9.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from support.together import FILES, LESSON, SECOND, Desk, write_tree

NEW = "Part-01/Chapter-02/01-new.md"
OWN = {"own.md": b"own", "Part-02/Chapter-01/01-a.md": b"author"}
CHANGING = ("open", "write", "rename", "link", "unlink", "mkdir", "rmdir", "fsync", "fchmod")


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def killed_at(point: int) -> Iterator[list[str]]:
    """Let the ``point``-th call that changes the disk, and all after it, not happen; answers the calls made."""
    made: list[str] = []

    def counted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            reads = name == "open" and not int(str(arguments[1])) & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)
            if reads:
                return real(*arguments, **more)
            made.append(name)
            if len(made) > point:
                raise Killed
            return real(*arguments, **more)

        return call

    patches = [patch.object(os, name, counted(name, getattr(os, name))) for name in CHANGING]
    for one in patches:
        one.start()
    try:
        yield made
    finally:
        for one in patches:
            one.stop()


def edited(folder: Path) -> Desk:
    desk = Desk(folder)
    desk.ingest()
    for path, data in {LESSON: b"agent", NEW: b"new", "README.md": b"agent" * 1000}.items():
        desk.agent(path, data)
    desk.agent(SECOND, None)
    write_tree(desk.docs, OWN)
    return desk


def visible(desk: Desk) -> dict[str, bytes]:
    return {path: data for path, data in desk.source.items() if "/." not in f"/{path}"}


def steps(tmp_path: Path) -> list[str]:
    desk = edited(tmp_path / "count")
    with killed_at(10**9) as made:
        desk.pull()
    return made


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.full)])
def test_P8_P9_a_pull_killed_at_any_call_is_harmless_and_goes_on(tmp_path: Path, every: int) -> None:
    total = len(steps(tmp_path))
    assert total > 30
    for point in range(0, total, every):
        desk = edited(tmp_path / str(point))
        old, book = visible(desk), desk.book
        with pytest.raises(Killed), killed_at(point):
            desk.pull()
        for path, data in visible(desk).items():
            assert data in (old.get(path), book.get(path)), (point, path)
        assert {path: visible(desk).get(path) for path in OWN} == OWN
        assert set(old) - set(visible(desk)) <= {SECOND}
        desk.pull()
        wanted = {**FILES, LESSON: b"agent", NEW: b"new", "README.md": b"agent" * 1000, **OWN}
        del wanted[SECOND]
        assert desk.source == wanted, point  # no leftovers either
        assert desk.ingest().changed == len(OWN)
        assert desk.book == wanted


def test_P9_what_was_linked_and_not_yet_unlinked_is_swept_by_the_next_pull(tmp_path: Path) -> None:
    """The new file is there under both its names; nothing would ever look at the hidden one again."""
    desk = edited(tmp_path / "one")
    with pytest.raises(Killed), killed_at(steps(tmp_path).index("link") + 1):
        desk.pull()
    assert desk.source[NEW] == b"new"
    assert any("/." in path for path in desk.source)
    desk.agent(LESSON, b"one")
    desk.agent("README.md", FILES["README.md"])
    desk.agent("other.md", b"so that there is something to pull")
    desk.pull()
    assert not any("/." in path for path in desk.source)

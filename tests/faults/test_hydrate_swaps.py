"""Somebody swaps folders and files for symbolic links between judging and applying: nothing outside is reached (F56).

First at every step in turn, so that each way to be tricked is tried once for certain; then by a process that swaps as
fast as it can while hydrates run. Swaps are counted; ``make test-full`` makes at least 100,000 (G14).
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from panaversity_builder.book.hydrate.apply import Applier
from panaversity_builder.book.hydrate.folder import Folder
from panaversity_fs.core.errors import PanaversityError
from support.hydrated import IMAGE, LESSON, OTHER, Desk, everything

pytestmark = pytest.mark.timeout(3600)  # the exhaustive counts take their time

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
SWAPS = 100_000 if FULL else 300

STEPS = [
    (Applier, "apply"), (Applier, "_set_aside"), (Applier, "_require"), (Applier, "_prune"), (Applier, "_make_folders"),
    (Folder, "remove"), (Folder, "place_new"), (Folder, "place_over"), (Folder, "make_folder"),
    (Folder, "remove_folder"), (Folder, "create"), (Folder, "digest"), (Folder, "names"),
]  # fmt: skip


@pytest.fixture
def desk(tmp_path):
    """A folder with something to add, replace, delete and set aside in each of its parts."""
    desk = Desk(tmp_path)
    desk.put("03-Gone/only/x.md", b"old")
    desk.hydrate()
    (desk.out / IMAGE).write_bytes(b"edited")
    desk.put(LESSON, b"changed")
    desk.remove(OTHER)
    desk.remove("03-Gone/only/x.md")
    desk.put("01-Part/01-Chapter/new/n.md", b"new")
    desk.put(IMAGE, b"another picture")
    outside = tmp_path / "outside"
    (outside / "01-Chapter" / "img").mkdir(parents=True)
    (outside / "only").mkdir()
    for name in ("01-Chapter/01-one.md", "01-Chapter/02-two.md", "only/x.md", "x.md", "01-one.md", "02-two.md"):
        (outside / name).write_bytes({"x.md": b"old"}.get(os.path.basename(name), b"# Two"))
    return desk


@contextlib.contextmanager
def swapped_before(owner: type, name: str, swap: Callable[[], None]) -> Iterator[list[int]]:
    """Do the swap once, right before the first call of one step."""
    real, done = getattr(owner, name), list[int]()

    def step(self, *arguments, **named):
        if not done:
            done.append(1)
            swap()
        return real(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, step)
        yield done


@pytest.mark.parametrize("where", ["01-Part", "01-Part/01-Chapter", "03-Gone", "03-Gone/only", ".panaversity/staging"])
@pytest.mark.parametrize(("owner", "step"), STEPS, ids=[name for _, name in STEPS])
def test_F56_a_folder_swapped_for_a_link_right_before_a_step_leads_nowhere(desk, owner, step, where):
    path, outside = desk.out / where, desk.place / "outside"
    before = everything(outside)

    def swap() -> None:
        if path.is_dir():
            path.rename(desk.place / "taken")
            path.symlink_to(outside)

    with swapped_before(owner, step, swap) as done, contextlib.suppress(PanaversityError):
        desk.hydrate(on_edit="backup")
    assert done
    assert everything(outside) == before
    assert desk.canary.read_bytes() == b"not yours"
    if path.is_symlink():
        path.unlink()
        if (desk.place / "taken").exists():
            (desk.place / "taken").rename(path)
    desk.hydrate(on_edit="backup")
    assert desk.tree == desk.wanted


@pytest.mark.parametrize("where", [LESSON, OTHER, IMAGE])
@pytest.mark.parametrize(("owner", "step"), STEPS[:9], ids=[name for _, name in STEPS[:9]])
def test_F56_a_file_swapped_for_a_link_is_never_written_through(desk, owner, step, where):
    path = desk.out / where

    def swap() -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(desk.canary)

    with swapped_before(owner, step, swap), contextlib.suppress(PanaversityError):
        desk.hydrate(on_edit="backup")
    assert desk.canary.read_bytes() == b"not yours"
    assert desk.canary.stat().st_nlink == 1


def test_F56_G14_a_process_that_swaps_folders_as_fast_as_it_can(desk):
    outside, part, aside = desk.place / "outside", desk.out / "01-Part", desk.out / "aside"
    before = everything(outside)
    said, into = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            while True:
                for step in (
                    lambda: os.rename(part, aside), lambda: os.symlink(outside, part), lambda: os.unlink(part),
                    lambda: os.rename(aside, part),
                ):  # fmt: skip
                    with contextlib.suppress(OSError):
                        step()
                os.write(into, b".")
        os._exit(0)
    os.set_blocking(said, False)
    swaps, runs, end = 0, 0, time.monotonic() + (3000 if FULL else 20)
    try:
        while swaps < SWAPS or runs < 20:
            assert time.monotonic() < end
            desk.put(f"01-Part/new/{runs % 7:02d}.md", b"%d" % runs)
            desk.attempt(on_edit="backup")
            runs += 1
            with contextlib.suppress(BlockingIOError):
                swaps += len(os.read(said, 1 << 20))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(said)
        os.close(into)
    print(f"{swaps} swaps, {runs} hydrates")
    assert everything(outside) == before
    assert desk.canary.read_bytes() == b"not yours"

"""What happens to a source folder, moment by moment: batches of changed paths, and quiet ticks between them.

Knows the watching library, its limits, and that a folder may go and come back; does not know what a change leads to.
"""

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final

from watchfiles import Change, watch

from panaversity_builder.book.watching.rhythm import (
    GONE_SECONDS,
    LONGEST_MS,
    POLL_SECONDS,
    STEP_MS,
    TICK_MS,
    concerning,
)
from panaversity_builder.progress import SILENT, Progress
from panaversity_builder.upward import folders_upward, is_repository

BUSY_SECONDS: Final = 10.0
"""How long a working git is waited for; a lock older than that is one that somebody left behind."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment: source paths that changed, or ``blind`` when anything may have (watching has only just begun)."""

    paths: frozenset[str] = frozenset()
    blind: bool = False


Batches = Callable[..., Generator[set[tuple[Change, str]]]]


def moments(
    folder: Callable[[], str],
    *,
    poll: bool = False,
    progress: Progress = SILENT,
    source: Batches = watch,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Moment]:
    """Moments of the folder that ``folder`` names, without end; at least one every ``TICK_MS`` while nothing changes.

    A folder that goes away (another branch is checked out) is waited for; one that is another than before is watched
    from then on. ``poll`` asks nobody: a blind moment every ``POLL_SECONDS``, and the scan finds what changed.
    Some network and container file systems need that, and a system that has no watches left; the latter with a
    warning. (The library's own polling compares whole seconds: it loses the second of two edits in one.)
    """
    while True:
        root = folder()
        identity = _identity(root)
        if identity is None:
            sleep(TICK_MS / 1000)
            yield Moment()
            continue
        try:
            for moment in _polled(sleep) if poll else _while_there(root, source, sleep):
                yield moment
                if folder() != root or _identity(root) != identity:
                    break
        except FileNotFoundError:
            continue
        except (OSError, RuntimeError) as fault:
            progress.warn(f"watch: {root}: the system watches no more folders ({fault}); looking every second instead")
            poll = True


def _polled(sleep: Callable[[float], None]) -> Iterator[Moment]:
    while True:
        yield Moment(blind=True)
        sleep(POLL_SECONDS)


def _while_there(root: str, source: Batches, sleep: Callable[[float], None]) -> Iterator[Moment]:
    """Moments of one folder, the first of them blind: it was not watched before."""
    blind = True
    found = source(
        root, watch_filter=None, debounce=LONGEST_MS, step=STEP_MS, rust_timeout=TICK_MS, yield_on_timeout=True,
        force_polling=False, ignore_permission_denied=True,
    )  # fmt: skip
    with contextlib.closing(found):
        for batch in found:
            changes = [(change, os.path.relpath(path, root)) for change, path in batch]
            paths = concerning(path for _, path in changes)
            known = paths - {path for change, path in changes if change is Change.added}
            if any(not os.path.lexists(os.path.join(root, path)) for path in known):
                sleep(GONE_SECONDS)
            yield Moment(paths, blind)
            blind = False


def _identity(root: str) -> tuple[int, int] | None:
    try:
        status = os.stat(root)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def await_git(root: str, sleep: Callable[[float], None] = time.sleep, now: Callable[[], float] = time.time) -> None:
    """Wait while git writes its work tree around ``root``, so that half a checkout is never taken for the author's."""
    lock = _git_lock(root)
    while lock is not None:
        try:
            held = now() - os.stat(lock).st_mtime
        except OSError:
            return
        if held > BUSY_SECONDS:
            return
        sleep(STEP_MS / 1000)


def _git_lock(root: str) -> str | None:
    """Where git's lock would lie for the repository that holds ``root``; None outside of one."""
    folder = next(filter(is_repository, folders_upward(os.path.abspath(root))), None)
    if folder is None:
        return None
    git = os.path.join(folder, ".git")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        with open(git, encoding="utf-8") as file:  # a work tree beside its repository: "gitdir: PATH"
            text = file.read(4096)
        if text.startswith("gitdir:"):
            git = os.path.join(folder, text.removeprefix("gitdir:").strip())
    return os.path.join(git, "index.lock")

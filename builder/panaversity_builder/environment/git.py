"""Git as a program of this machine: what a branch means now, and one commit in a folder.

Arguments are lists; addresses and names come behind ``--``. Nobody is asked for a password; the user's own credential
helpers and SSH keys are used. Knows git; does not know configurations, caches or images.
"""

import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from panaversity_builder.environment.backend.exec import Ended, Overtime, call

RESOLVE_SECONDS = 30.0
FETCH_SECONDS = 1800.0
_ALL = 2**31 - 1
"""How deep git counts a history as endless; without a depth it would not go beyond where it stopped before."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_QUIET = (
    *("-c", "core.hooksPath=/dev/null"),  # with _PLAIN: no program of this machine's user runs on what was fetched
    *("-c", "core.autocrlf=false"),  # bytes are sacred
    *("-c", "core.fileMode=true"),
    *("-c", "core.symlinks=true"),
    *("-c", "advice.detachedHead=false"),
    *("-c", "gc.auto=0"),
)


_PLAIN = "* -filter -text -ident -working-tree-encoding\n"
"""Attributes above all others: files come as they were committed, through nobody's filters (``git-lfs`` is one)."""


class GitFailed(Exception):
    """Git answered with an error; ``str`` is the last thing it said, or what else went wrong."""


def is_commit(text: str) -> bool:
    """True for a commit's full name."""
    return _COMMIT.fullmatch(text) is not None


def resolve(
    url: str, branch: str | None, environ: Mapping[str, str], stop: threading.Event | None = None
) -> tuple[str, str | None]:
    """The commit a branch or tag means now, and the full name it was found under.

    A branch goes before a tag of the same name; None is what the repository's own ``HEAD`` names. A commit's full name
    is taken as it is, without asking. Raises ``GitFailed``, soon after ``stop`` is set too.
    """
    if branch is not None and is_commit(branch):
        return branch, None
    names = ["HEAD"] if branch is None else [f"refs/heads/{branch}", f"refs/tags/{branch}", f"refs/tags/{branch}^{{}}"]
    ended = _git(["ls-remote", "--symref", "--", url, *names], environ, RESOLVE_SECONDS, stop)
    refs, head = _refs(ended.out.decode("utf-8", "replace"))
    if branch is None and "HEAD" in refs:
        return refs["HEAD"], head
    for name in (f"refs/heads/{branch}", f"refs/tags/{branch}"):
        if name in refs:
            return refs.get(f"{name}^{{}}", refs[name]), name
    raise GitFailed("it is empty" if branch is None else f"it has no branch or tag {branch}")


def _refs(text: str) -> tuple[dict[str, str], str | None]:
    """Commits by full name, and the branch that ``HEAD`` names."""
    refs, head = {}, None
    for line in text.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            head = value.removeprefix("ref: ")
        elif is_commit(value):
            refs[name] = value
    return refs, head


def fetch(
    url: str, commit: str, ref: str | None, folder: str, environ: Mapping[str, str], seconds: float = FETCH_SECONDS
) -> None:
    """Make ``folder`` (new) a working copy of one commit, without its history. Raises ``GitFailed``, ``OSError``.

    A repository that does not hand out single commits is asked for the branch. The address is kept as ``origin`` where
    it is one that others can use. Files are the bytes that were committed: what a filter would make of them is not
    asked for. ``seconds`` is for all of it.
    """
    os.makedirs(folder)
    work = _Work(folder, environ, time.monotonic() + seconds)
    work.do("init", "--quiet", "--template=", "--initial-branch=main")
    if not os.path.isabs(url):
        work.do("remote", "add", "--", "origin", url)
    _bring(work, url, commit, ref)
    branch = (ref or "").removeprefix("refs/heads/")
    where = ["-B", branch] if ref and branch != ref else ["--detach"]
    with _plain(folder):
        work.do("checkout", "--quiet", "--force", *where, commit, "--")


@contextmanager
def _plain(folder: str) -> Iterator[None]:
    """No attribute counts meanwhile; later, whoever works in the repository has its own again."""
    above = os.path.join(folder, ".git", "info", "attributes")
    os.makedirs(os.path.dirname(above), exist_ok=True)
    with open(above, "x", encoding="ascii") as file:
        file.write(_PLAIN)
    try:
        yield
    finally:
        os.unlink(above)


def _bring(work: "_Work", url: str, commit: str, ref: str | None) -> None:
    """The commit's objects: alone, else by the branch as it is now, else by all of the branch."""
    ways = [["--depth=1", "--", url, commit]]
    if ref is not None:
        ways += [["--depth=1", "--", url, ref], [f"--depth={_ALL}", "--", url, ref]]
    for i, way in enumerate(ways):
        try:
            work.do("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *way)
            work.do("cat-file", "-e", f"{commit}^{{commit}}")
        except GitFailed:
            if i + 1 == len(ways) or time.monotonic() >= work.end:
                raise
        else:
            return


@dataclass(frozen=True, slots=True)
class _Work:
    """One folder that is being made, and when it must be done."""

    folder: str
    environ: Mapping[str, str]
    end: float

    def do(self, *arguments: str) -> None:
        """One git command in the folder. Raises ``GitFailed``."""
        _git(["-C", self.folder, *arguments], self.environ, max(0.01, self.end - time.monotonic()))


def _git(
    arguments: list[str], environ: Mapping[str, str], seconds: float, stop: threading.Event | None = None
) -> Ended:
    alone = {name: value for name, value in environ.items() if name not in _OF_A_REPOSITORY}
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "LC_ALL": "C"}
    ssh = {} if "GIT_SSH_COMMAND" in environ or "GIT_SSH" in environ else {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
    try:
        ended = call(["git", *_QUIET, *arguments], environ={**alone, **ssh, **quiet}, seconds=seconds, stop=stop)
    except Overtime:
        raise GitFailed("there was no answer in time") from None
    except OSError as error:
        raise GitFailed(f"git cannot be started ({error.strerror})") from None
    if ended.status != 0:
        raise GitFailed(_said(ended))
    return ended


_OF_A_REPOSITORY = frozenset(
    {
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
        "GIT_PREFIX",
    }
)
"""What a hook's environment says about the repository it belongs to; ours is another one."""


def _said(ended: Ended) -> str:
    """The line that tells most: git's own "fatal", else the last one."""
    text = ended.errors.decode("utf-8", "replace")
    lines = ["".join(c for c in line if c.isprintable()).strip() for line in text.splitlines()]
    told = [line for line in lines if line]
    fatal = next((line.removeprefix("fatal: ") for line in told if line.startswith("fatal: ")), None)
    return fatal or (told[-1] if told else f"git ended with status {ended.status}")

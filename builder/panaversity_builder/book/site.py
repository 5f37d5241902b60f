"""The Docusaurus site around a book: where its parts lie, and building it (phase 5).

The command's exit status decides, never what it prints. No shell is involved, and the whole process group ends with
us. Knows site folders, Node and Docusaurus; does not know books, servers, what goes into a site or what is remembered.
"""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from panaversity_builder.book.process_group import end_group
from panaversity_builder.book.trees import tree_digest
from panaversity_builder.upward import folders_upward
from panaversity_fs.core.errors import PhaseFailed

BUILT = "build"
OURS = frozenset({"PANAVERSITY_TOKEN"})
"""Variables that are no business of a site's programs, which are other people's packages."""
LOCKFILES = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock")
ENTRY = os.path.join("node_modules", "@docusaurus", "core", "bin", "docusaurus.mjs")
"""Docusaurus' own file, not ``.bin/docusaurus``: that is a shell script on Windows and a link elsewhere."""
INSTALL = "Run `npm ci` in the folder that holds package-lock.json"
TAIL_LINES = 20
LOG_BYTES = 65536
"""How much of the end of a log is looked at."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"\s+at .*[:(]|\s*}$")


@dataclass(frozen=True, slots=True)
class Site:
    """One site: its folder, the docs folder that hydrate fills, and what else its author says about its sources.

    ``environ`` is what the build sees (``site_environ``); ``time_limit`` is in seconds, None for no limit.
    ``variables`` are names of environment variables that count, ``files`` paths that count and ``generated`` paths that
    do not, both relative to the folder. ``source`` is the author's docs folder, which reaches the site through the book
    alone. ``within`` are the words that let a program run elsewhere (in a container); ``environment`` is the identity
    of that place.
    """

    folder: str
    docs: str
    environ: Mapping[str, str]
    variables: tuple[str, ...] = ()
    time_limit: float | None = None
    files: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    source: str | None = None
    within: tuple[str, ...] = ()
    environment: str | None = None

    @property
    def built(self) -> str:
        """The folder Docusaurus writes."""
        return os.path.join(self.folder, BUILT)


def site_environ(environ: Mapping[str, str], variables: Collection[str] = ()) -> dict[str, str]:
    """What of an environment the site's programs see: not our server's token, unless ``variables`` name it."""
    return {name: value for name, value in environ.items() if name not in OURS or name in variables}


def built_digest(folder: str) -> str:
    """The output of phase 5: the digest of a built folder."""
    return tree_digest(folder)


def find_upward(folder: str, names: tuple[str, ...]) -> str | None:
    """The nearest of these files in the folder or above it (npm workspaces keep theirs at the root)."""
    paths = (os.path.join(here, name) for here in folders_upward(os.path.abspath(folder)) for name in names)
    return next(filter(os.path.isfile, paths), None)


def docusaurus_entry(site: Site) -> str:
    """The file that Node runs. Raises ``PhaseFailed`` when it is not installed."""
    entry = find_upward(site.folder, (ENTRY,))
    if entry is None:
        raise PhaseFailed("build", site.folder, "docusaurus is not installed here or above", INSTALL, phase="5")
    return entry


def node_command(site: Site) -> str:
    """The path of Node; its name where it is looked up elsewhere. Raises ``PhaseFailed`` when there is none."""
    if site.within:
        return "node"
    node = shutil.which("node", path=site.environ.get("PATH", os.defpath))
    if node is None:
        raise PhaseFailed("build", "node", "is not on the PATH", "Install Node 20 or newer", phase="5")
    return node


def node_version(site: Site) -> str:
    """What ``node --version`` says."""
    node = node_command(site)
    try:
        answer = subprocess.run(  # noqa: S603 — found on the PATH, no shell, fixed argument
            [*site.within, node, "--version"],
            cwd=site.folder,  # version managers choose by folder
            env=dict(site.environ),
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError) as error:
        problem = f"does not run ({type(error).__name__})"
        raise PhaseFailed("build", node, problem, "Install Node 20 or newer", phase="5") from error
    return answer.stdout.strip()


def build_site(site: Site, log: str, lock: int | None = None) -> None:
    """Run ``docusaurus build`` in the site's folder; all it prints goes to the file ``log``.

    ``lock`` is a descriptor the build holds too: if we are killed outright, the site stays locked until it ends.
    Raises ``PhaseFailed`` with the exit status and the end of the log, also when the time limit is over.
    """
    command = [*site.within, node_command(site), docusaurus_entry(site), "build"]
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "wb") as file:
        status = _run(command, site, file.fileno(), () if lock is None else (lock,))
    if status is None:
        raise _failed(log, f"is not done after {site.time_limit:g} s and was stopped", None)
    if status != 0:
        raise _failed(log, f"ended with status {status}" if status > 0 else f"was ended by signal {-status}", status)
    if not os.path.isdir(site.built):
        raise _failed(log, "wrote no built folder", status)


def _run(command: list[str], site: Site, output: int, held: tuple[int, ...]) -> int | None:
    """The exit status, or None when the time limit was over. The process group is gone on return, however it ends."""
    quiet = {**site.environ, "NO_COLOR": "1", "NO_UPDATE_NOTIFIER": "1"}
    quiet.pop("FORCE_COLOR", None)
    process = subprocess.Popen(  # noqa: S603 — no shell, our own arguments
        command,
        cwd=site.folder,
        env=quiet,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=held,
    )
    try:
        return process.wait(site.time_limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        end_group(process)


def _failed(log: str, problem: str, status: int | None) -> PhaseFailed:
    return PhaseFailed(
        "build",
        "docusaurus",
        problem,
        f"Its whole output is in {log}",
        phase="5",
        status=status,
        log=log,
        log_tail=log_tail(log),
    )


def log_warnings(log: str) -> int:
    """How many warnings a log holds."""
    with contextlib.suppress(OSError), open(log, "rb") as file:
        return sum(b"[WARNING]" in line for line in file)
    return 0


def clean_line(line: str) -> str:
    """A line that a program printed, without colours and control characters."""
    return "".join(c for c in _COLOUR.sub("", line) if c.isprintable())


def log_tail(log: str) -> list[str]:
    """The lines of a log that tell most, at most ``TAIL_LINES``: from the first error on, else the last ones.

    Frames of JavaScript's stack and control characters are left out; they are in the log.
    """
    with contextlib.suppress(OSError), open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - LOG_BYTES))
        lines = file.read().decode("utf-8", "replace").split("\n")
        clean = [clean_line(line) for line in lines]
        told = [line for line in clean if line.strip() and not _FRAME.match(line)]
        first = next((i for i, line in enumerate(told) if "[ERROR]" in line), len(told))
        return told[first:][:TAIL_LINES] or told[-TAIL_LINES:]
    return []

"""The Docusaurus site around a book: what goes into building it, and building it (phase 5).

The command's exit status decides, never what it prints. No shell is involved, and the whole process group ends with
us. Knows site folders, Node and Docusaurus; does not know books, servers or what is remembered.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from panaversity_builder.book.trees import file_digest, tree_digest
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import ConfigInvalid, PhaseFailed

BUILT = "build"
BUILT_NAMES = frozenset({BUILT, f"{BUILT}.restoring", f"{BUILT}.replaced"})
"""The built folder, and the names it has for a moment while a kept copy takes its place."""
TOOL_FOLDERS = frozenset({"node_modules", ".docusaurus", ".panaversity", ".git"})
CONFIG_NAMES = tuple(f"docusaurus.config.{e}" for e in ("ts", "mts", "cts", "js", "mjs", "cjs"))
LOCKFILES = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock")
ENTRY = os.path.join("node_modules", "@docusaurus", "core", "bin", "docusaurus.mjs")
"""Docusaurus' own file, not ``.bin/docusaurus``: that is a shell script on Windows and a link elsewhere."""
PLAIN_VARIABLES = ("NODE_ENV", "BASE_URL")
INSTALL = "Run `npm ci` in the folder that holds package-lock.json"
TAIL_LINES = 20
LOG_BYTES = 65536
"""How much of the end of a log is looked at."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"\s+at .*[:(]|\s*}$")
GRACE_SECONDS = 5.0
"""How long a stopped build may tidy up before it is killed."""


@dataclass(frozen=True, slots=True)
class Site:
    """One site: its folder, the docs folder that hydrate fills, and the extra variables its configuration reads.

    ``environ`` is what the build sees; ``time_limit`` is in seconds, None for no limit.
    """

    folder: str
    docs: str
    environ: Mapping[str, str]
    variables: tuple[str, ...] = ()
    time_limit: float | None = None

    @property
    def built(self) -> str:
        """The folder Docusaurus writes."""
        return os.path.join(self.folder, BUILT)


def built_digest(folder: str) -> str:
    """The output of phase 5: the digest of a built folder."""
    return tree_digest(folder)


def site_inputs(site: Site, builder_version: str) -> dict[str, str]:
    """Everything besides the docs that goes into the built folder, by the name ``--explain`` shows.

    Raises ``ConfigInvalid`` when the folder is no site, ``PhaseFailed`` when Node or Docusaurus are not installed.
    """
    configuration = _configuration(site.folder)
    lockfile = find_upward(site.folder, LOCKFILES)
    return {
        "configuration": file_digest(configuration),
        "site sources": sources_digest(site, configuration),
        "lockfile": file_digest(lockfile) if lockfile else "none",
        "docusaurus": file_digest(os.path.join(os.path.dirname(docusaurus_entry(site)), "..", "package.json")),
        "node": node_version(site),
        "builder": builder_version,
        **_variables(site),
    }


def sources_digest(site: Site, configuration: str) -> str:
    """The site folder without the docs, what Docusaurus and npm write, and the configuration (an input of its own)."""
    top = {os.path.join(site.folder, name) for name in BUILT_NAMES}
    return tree_digest(site.folder, TOOL_FOLDERS, frozenset({*top, os.path.abspath(site.docs), configuration}))


def _configuration(folder: str) -> str:
    for name in CONFIG_NAMES:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise ConfigInvalid(
        "build",
        folder,
        "holds no docusaurus.config file",
        "Give the site's folder with --site-dir, or stop before it with --until hydrate",
        key="site_dir",
    )


def _variables(site: Site) -> dict[str, str]:
    """The environment a configuration is likely to read. Values that may be secret are kept as digests only."""
    names = {n for n in site.environ if n.startswith("DOCUSAURUS_")} | {*PLAIN_VARIABLES, *site.variables}
    values = {name: site.environ[name] for name in names if name in site.environ}
    return {f"variable {n}": v if n in PLAIN_VARIABLES else digest_of(v.encode()) for n, v in values.items()}


def find_upward(folder: str, names: tuple[str, ...]) -> str | None:
    """The nearest of these files in the folder or above it (npm workspaces keep theirs at the root)."""
    here = os.path.abspath(folder)
    while True:
        for name in names:
            path = os.path.join(here, name)
            if os.path.isfile(path):
                return path
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above


def docusaurus_entry(site: Site) -> str:
    """The file that Node runs. Raises ``PhaseFailed`` when it is not installed."""
    entry = find_upward(site.folder, (ENTRY,))
    if entry is None:
        raise PhaseFailed("build", site.folder, "docusaurus is not installed here or above", INSTALL, phase="5")
    return entry


def node_command(site: Site) -> str:
    """The path of Node. Raises ``PhaseFailed`` when there is none."""
    node = shutil.which("node", path=site.environ.get("PATH", os.defpath))
    if node is None:
        raise PhaseFailed("build", "node", "is not on the PATH", "Install Node 20 or newer", phase="5")
    return node


def node_version(site: Site) -> str:
    """What ``node --version`` says."""
    node = node_command(site)
    try:
        answer = subprocess.run(  # noqa: S603 — found on the PATH, no shell, fixed argument
            [node, "--version"], env=dict(site.environ), capture_output=True, text=True, check=True, timeout=30
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
    command = [node_command(site), docusaurus_entry(site), "build"]
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
        _end_group(process)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of the build, workers included: politely, then surely."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signum)
        if process.poll() is not None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)


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


def log_tail(log: str) -> list[str]:
    """The lines of a log that tell most, at most ``TAIL_LINES``: from the first error on, else the last ones.

    Frames of JavaScript's stack and control characters are left out; they are in the log.
    """
    with contextlib.suppress(OSError), open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - LOG_BYTES))
        lines = file.read().decode("utf-8", "replace").split("\n")
        clean = ["".join(c for c in _COLOUR.sub("", line) if c.isprintable()) for line in lines]
        told = [line for line in clean if line.strip() and not _FRAME.match(line)]
        first = next((i for i, line in enumerate(told) if "[ERROR]" in line), len(told))
        return told[first:][:TAIL_LINES] or told[-TAIL_LINES:]
    return []

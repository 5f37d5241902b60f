"""``docusaurus start`` beside the watch: the site in a browser, made anew as the docs folder changes.

Knows its command line, a free port and how it ends; does not know what changes. What it prints goes to a file and is
passed on from there, line by line, so that nobody writes into our streams but us.
"""

import contextlib
import errno
import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from panaversity_builder.book.process_group import end_group
from panaversity_builder.book.site import (
    Site,
    clean_line,
    docusaurus_entry,
    log_tail,
    node_command,
)
from panaversity_builder.config import SITE_CONFIGS
from panaversity_fs.core.errors import ConfigInvalid, PhaseFailed

FIRST_PORT: Final = 3000
"""Where Docusaurus serves when nobody names a port."""
PORTS_TRIED: Final = 100
HOST: Final = "localhost"
LOG_NAME: Final = "docusaurus-start.log"
PIECE: Final = 65536
_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""This machine has no such address: a container without IPv6."""


@dataclass(frozen=True, slots=True)
class Service:
    """What to serve: the site, a port (None: 3000 or the next free one, 0: any), and whether to open a browser."""

    site: Site
    log: str
    port: int | None = None
    browser: bool = False
    poll: bool = False


def start_command(service: Service, port: int) -> list[str]:
    """The command line. Raises ``ConfigInvalid`` for a folder that is no site, ``PhaseFailed`` without Docusaurus."""
    folder = service.site.folder
    if not any(os.path.isfile(os.path.join(folder, name)) for name in SITE_CONFIGS):
        raise ConfigInvalid(
            "watch", folder, "holds no docusaurus.config file", "Give the site's folder with --site-dir", key="site_dir"
        )
    command = [node_command(service.site), docusaurus_entry(service.site), "start"]
    command += ["--host", HOST, "--port", str(port)]
    return command + ([] if service.browser else ["--no-open"]) + (["--poll"] if service.poll else [])


def free_port(wanted: int | None) -> int:
    """The port to serve on. Raises ``ConfigInvalid`` when the one that was asked for is taken."""
    for port in [wanted] if wanted is not None else range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        found = _bindable(port)
        if found is not None:
            return found
    hint = "Name another with --port, or leave it out for the next free one"
    raise ConfigInvalid("watch", f"port {wanted or FIRST_PORT}", "is taken", hint, key="port")


def _bindable(port: int) -> int | None:
    """This port (0: some port) if every address of localhost has it free."""
    chosen = port
    for family, _, _, _, address in socket.getaddrinfo(HOST, None, type=socket.SOCK_STREAM):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address[0], chosen))
            except PermissionError:
                return None
            except OSError as fault:
                if fault.errno in _NO_SUCH_ADDRESS:
                    continue
                return None
            chosen = probe.getsockname()[1]
    return chosen


class SiteServer:
    """The site's own server, started when there are docs to serve; a context manager that leaves nothing behind."""

    def __init__(self, service: Service, say: Callable[[str], None]) -> None:
        self._service, self._say = service, say
        self._port = free_port(service.port)
        self._command = start_command(service, self._port)
        self._process: subprocess.Popen[bytes] | None = None
        self._told = 0

    @property
    def address(self) -> str:
        """Where the site is served."""
        return f"http://{HOST}:{self._port}/"

    def __enter__(self) -> "SiteServer":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end_group(self._process)

    def after_round(self) -> None:
        """Start it, if it is not running yet and there is something to show."""
        if self._process is None and _holds_docs(self._service.site.docs):
            self._process = self._start()
            self._say(f"docusaurus start: serving {self.address} soon; its output is in {self._service.log}")

    def look(self) -> None:
        """Pass on what it printed. Raises ``PhaseFailed`` (exit 14) when it has ended."""
        if self._process is None:
            return
        status = self._process.poll()  # asked first: what it printed before it ended is still passed on
        for line in self._news():
            self._say(f"docusaurus | {line}")
        if status is not None:
            raise self._ended(status)

    def _start(self) -> "subprocess.Popen[bytes]":
        environ = {**self._service.site.environ, "NO_COLOR": "1", "NO_UPDATE_NOTIFIER": "1"}
        environ.pop("FORCE_COLOR", None)
        try:
            os.makedirs(os.path.dirname(self._service.log), exist_ok=True)
            with open(self._service.log, "wb") as log:
                return subprocess.Popen(  # noqa: S603 — no shell, our own arguments
                    self._command,
                    cwd=self._service.site.folder,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as fault:
            problem = f"cannot be started ({fault.strerror})"
            raise PhaseFailed("watch", "docusaurus start", problem, "Look at the folder it names", phase="5") from fault

    def _news(self) -> list[str]:
        """Whole lines printed since the last look; none when the log cannot be read (any more)."""
        try:
            with open(self._service.log, "rb") as log:
                log.seek(self._told)
                found = log.read(PIECE)
        except OSError:
            return []
        whole = found[: found.rfind(b"\n") + 1] or (found if len(found) == PIECE else b"")
        self._told += len(whole)
        lines = (clean_line(line) for line in whole.decode("utf-8", "replace").splitlines())
        return [line for line in lines if line.strip()]

    def _ended(self, status: int) -> PhaseFailed:
        log = self._service.log
        fact = f"ended with status {status}" if status >= 0 else f"was ended by signal {-status}"
        return PhaseFailed(
            "watch", "docusaurus start", fact, f"Its whole output is in {log}", phase="5", status=status, log=log,
            log_tail=log_tail(log),
        )  # fmt: skip


def _holds_docs(folder: str) -> bool:
    with contextlib.suppress(OSError):
        return any(not name.startswith(".") for name in os.listdir(folder))
    return False


class Nothing:
    """Nobody beside the watch."""

    def look(self) -> None: ...

    def after_round(self) -> None: ...

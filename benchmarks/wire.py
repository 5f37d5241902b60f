"""A server as the figures speak to it: one kept connection, plain JSON-RPC and HTTP, no client library in between.

Knows requests and answers; does not know what is measured.
"""

import http.client
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from measure import CommandFailed

from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.pack import END, member

_STEP = 1 << 20
_IDLE_SECONDS = 2.0
AGENT = {"X-Panaversity-Agent": "bench"}


@dataclass(frozen=True)
class Timed:
    """An answer and the seconds until it was read to its end."""

    answer: dict[str, Any]
    seconds: float


class Wire:
    """One connection, used by one thread."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=300)

        self._used = time.monotonic()

    def _fresh(self) -> http.client.HTTPConnection:
        """The connection, or a new one where the server has closed it by now."""
        if time.monotonic() - self._used > _IDLE_SECONDS:
            self._connection.close()
        self._used = time.monotonic()
        return self._connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def call(self, tool: str, **arguments: object) -> Timed:
        """Call a tool. Raises ``CommandFailed`` with the error."""
        params = {"name": tool, "arguments": arguments, "_meta": {"agent_id": "bench"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        began = time.perf_counter()
        self._fresh().request("POST", "/mcp", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        seconds = time.perf_counter() - began
        result = json.loads(text).get("result")
        if answer.status != 200 or result is None or result.get("isError"):
            raise CommandFailed(f"{tool}: {answer.status} {text[:500].decode(errors='replace')}")
        return Timed(result.get("structuredContent") or {}, seconds)

    def download(self, path: str) -> tuple[int, float]:
        """(bytes, seconds) of a GET, nothing kept. Raises ``CommandFailed``."""
        began = time.perf_counter()
        self._fresh().request("GET", path, headers=AGENT)
        answer = self._connection.getresponse()
        size = 0
        while piece := answer.read(_STEP):
            size += len(piece)
        if answer.status != 200:
            raise CommandFailed(f"GET {path}: {answer.status}")
        return size, time.perf_counter() - began

    def figure(self, name: str, labels: Mapping[str, str]) -> float:
        """One sample of ``/metrics``, 0 where there is none."""
        self._fresh().request("GET", "/metrics", headers=AGENT)
        for line in self._connection.getresponse().read().decode().splitlines():
            if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
                return float(line.rpartition(" ")[2])
        return 0.0

    def send(self, book_id: str, files: Iterable[tuple[str, bytes]]) -> None:
        """Write these new files in one changeset. Raises ``CommandFailed``."""
        held = list(files)
        self._fresh().request(
            "POST", f"/books/{book_id}/changesets", _pack(held), {**AGENT, "Content-Type": "application/x-tar"},
            encode_chunked=True,
        )  # fmt: skip
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise CommandFailed(f"changeset: {answer.status} {text[:500].decode(errors='replace')}")


def _pack(files: list[tuple[str, bytes]]) -> Iterator[bytes]:
    operations = [{"op": "write", "path": p, "sha256": digest_of(data), "size": len(data)} for p, data in files]
    waiting = bytearray(member("changeset.json", json.dumps({"version": 1, "operations": operations}).encode()))
    for data in {digest_of(data): data for _, data in files}.values():
        waiting += member(digest_of(data), data)
        if len(waiting) > _STEP:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting) + END

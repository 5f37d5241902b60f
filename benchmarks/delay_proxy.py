"""A TCP proxy that stands for a long way or a bad one: delay each way, a slow link, a cut or a stall after N bytes.

    delay_proxy.py HOST PORT [--delay-ms 25]      listens on a free port of 127.0.0.1, prints it, runs until it is ended

Bytes are passed on as they come, each piece at the moment it would have arrived: pieces are delayed, never queued
behind each other's delay, so bandwidth stays what it was. One event loop; a piece costs some 20 µs. Knows sockets;
does not know what travels. Used by the benchmarks (rsync, git and HTTP alike) and by the tests of broken links.
"""

import argparse
import asyncio
import contextlib
import threading
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

PIECE = 1 << 16


@dataclass
class Link:
    """How the way is: settings may change while the proxy runs, and hold for connections made from then on.

    ``delay`` is seconds each way; a new connection costs one round trip more, as TCP's handshake does.
    ``cut_after`` slams the connection after so many bytes towards the client, ``stall_after`` sends nothing more then;
    both count the bytes of all connections together since they were set, and ``cuts`` says how often.
    ``bytes_per_second`` bounds what travels towards the client.
    """

    delay: float = 0.0
    cut_after: int | None = None
    stall_after: int | None = None
    cuts: int = 1
    bytes_per_second: float | None = None
    refuse: bool = False
    connections: int = 0
    to_client: int = 0
    to_server: int = 0
    _spent: int = field(default=0, repr=False)

    def let_through(self, size: int) -> tuple[int, str]:
        """How many of the next bytes towards the client pass, and what happens then: "", "cut" or "stall"."""
        limit = self.cut_after if self.cut_after is not None else self.stall_after
        if limit is None or self.cuts <= 0 or self._spent + size <= limit:
            self._spent += size
            return size, ""
        passed = max(0, limit - self._spent)
        self._spent, self.cuts = 0, self.cuts - 1
        return passed, "cut" if self.cut_after is not None else "stall"


@dataclass
class _Line:
    """Pieces under way in one direction, each with the moment of its arrival."""

    pieces: "deque[tuple[float, bytes]]" = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)


class DelayProxy:
    """The proxy in a thread of its own, listening at ``port`` of 127.0.0.1; a context manager."""

    def __init__(self, host: str, port: int, link: Link | None = None, *, delay: float = 0.0) -> None:
        self._target = (host, port)
        self.link = link or Link(delay=delay)
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        """The proxy as an HTTP address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=PIECE)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._running.discard(task)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.link.connections += 1
        if self.link.refuse:
            return
        await asyncio.sleep(2 * self.link.delay)
        there, back = await asyncio.open_connection(*self._target, limit=PIECE)
        out, back_way = _Line(), _Line()
        ways = {
            asyncio.ensure_future(way)
            for way in (
                self._read(reader, out), self._send(out, back, to_client=False),
                self._read(there, back_way), self._send(back_way, writer, to_client=True),
            )
        }  # fmt: skip
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
            for way in done:
                way.result()
        finally:
            back.transport.abort()  # first: the end of the proxy may cut short what follows
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, line: "_Line") -> None:
        """Put every piece into the line with the moment it will have arrived; an empty one is the end."""
        piece = b"go"
        while piece:
            piece = await reader.read(PIECE)
            line.pieces.append((self._loop.time() + self.link.delay, piece))
            line.filled.set()

    async def _send(self, line: "_Line", writer: asyncio.StreamWriter, *, to_client: bool) -> None:
        while True:
            while not line.pieces:
                line.filled.clear()
                await line.filled.wait()
            moment, piece = line.pieces.popleft()
            if (wait := moment - self._loop.time()) > 0:
                await asyncio.sleep(wait)
            if not piece:
                writer.write_eof()
                return
            await self._deliver(piece, writer, to_client)

    async def _deliver(self, piece: bytes, writer: asyncio.StreamWriter, to_client: bool) -> None:
        link = self.link
        if not to_client:
            link.to_server += len(piece)
            writer.write(piece)
            await writer.drain()
            return
        size, then = link.let_through(len(piece))
        link.to_client += size
        writer.write(piece[:size])
        await writer.drain()
        if link.bytes_per_second:
            await asyncio.sleep(size / link.bytes_per_second)
        if then == "cut":
            await asyncio.sleep(0.01)  # what was let through is to arrive
            raise ConnectionResetError
        if then == "stall":
            await asyncio.Event().wait()


def main() -> None:
    """Run until ended."""
    words = argparse.ArgumentParser(description="A TCP proxy that delays every byte.")
    words.add_argument("host")
    words.add_argument("port", type=int)
    words.add_argument("--delay-ms", type=float, default=25.0)
    asked = words.parse_args()
    with DelayProxy(asked.host, asked.port, delay=asked.delay_ms / 1000) as proxy:
        print(proxy.port, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()

"""A way to PostgreSQL that can be cut at any message of the conversation (H4, F23).

Knows sockets and where a message of the wire protocol ends; does not know what the messages say.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit


class Cutter:
    """Forwards; once armed, counts messages in one direction and closes both ends at the one asked for."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._left: int | None = None
        self._direction, self._deliver = "", False
        self.cuts = 0
        self._targets: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()

    def silence(self) -> None:
        """From now on nothing comes through on the connections there are, and none of them ends: new ones work."""
        self._silent |= self._targets

    def arm(self, direction: str, number: int, *, deliver: bool) -> None:
        """Cut at message ``number`` (from 0) ``to`` or ``from`` the server; ``deliver`` lets that one through."""
        self._direction, self._left, self._deliver = direction, number, deliver

    def disarm(self) -> bool:
        """Let everything through again; True when it never came to the cut."""
        unused, self._left = self._left is not None, None
        return unused

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        there_reader, there_writer = await asyncio.open_unix_connection(self._socket)
        self._targets |= {writer, there_writer}
        ways = [
            asyncio.create_task(self._forward("to", reader, there_writer, began=False)),
            asyncio.create_task(self._forward("from", there_reader, writer, began=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, there_writer):
                self._targets.discard(end)
                self._silent.discard(end)
                end.transport.abort()

    async def _forward(
        self, direction: str, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, began: bool
    ) -> None:
        try:
            while True:
                # The client's first message has no letter in front.
                head = await source.readexactly(5 if began else 4)
                size = int.from_bytes(head[-4:])
                message = head + await source.readexactly(size - 4)
                began = True
                if target in self._silent:
                    continue
                is_cut = self._left == 0 and direction == self._direction
                if not is_cut or self._deliver:
                    target.write(message)
                    await target.drain()
                if is_cut:
                    self._left, self.cuts = None, self.cuts + 1
                    return
                if self._left is not None and direction == self._direction:
                    self._left -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            return


@asynccontextmanager
async def cuttable(url: str) -> AsyncIterator[tuple[str, Cutter]]:
    """(address through the cutter, the cutter) of a database that is behind a socket."""
    parts = urlsplit(url)
    folder = parse_qs(parts.query)["host"][0]
    cutter = Cutter(f"{folder}/.s.PGSQL.5432")
    server = await asyncio.start_server(cutter.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}{parts.path}?ssl=disable", cutter
    finally:
        server.close()

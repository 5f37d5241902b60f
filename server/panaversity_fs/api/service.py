"""What tools and routes share: the open library, this server's name and the URLs it hands out.

Knows how long the library is open and what a URL looks like; does not know settings, MCP or HTTP.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import quote

from panaversity_fs.core.errors import Unavailable
from panaversity_fs.library import Library

Opening = Callable[[], AbstractAsyncContextManager[Library]]


class Service:
    """One server process as its doors see it.

    ``opening`` opens the library, ``instance`` tells this process from others, ``server_agent`` is who calls when a
    local call names nobody, ``public_url`` is where the data plane is reached from outside (None: as the caller came).
    ``draining`` is true once the process was told to stop.
    """

    def __init__(
        self,
        opening: Opening,
        *,
        version: str,
        instance: str,
        server_agent: str | None = None,
        public_url: str | None = None,
    ) -> None:
        self.version = version
        self.instance = instance
        self.server_agent = server_agent
        self.public_url = public_url.rstrip("/") if public_url else None
        self.draining = False
        self._opening = opening
        self._library: Library | None = None

    @property
    def library(self) -> Library:
        """The open library. Raises ``Unavailable`` outside ``opened``."""
        if self._library is None:
            raise Unavailable("server", "library", "is not open", "Try again in a moment")
        return self._library

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep the library open. Nested openings share the outermost one: the command opens it before it listens, and
        the framework's lifespan, which also runs once per in-memory client, opens it again."""
        if self._library is not None:
            yield
            return
        async with self._opening() as library:
            self._library = library
            try:
                yield
            finally:
                self._library = None

    def blob_url(self, base: str | None, book_id: str, digest: str) -> str | None:
        """Where to PUT or GET these bytes; None where no data plane is reachable (stdio without a public URL)."""
        return f"{base}/books/{book_id}/blobs/{digest}" if base else None

    def file_url(self, base: str | None, book_id: str, path: str) -> str | None:
        """Where the current bytes of a path are served; None where no data plane is reachable."""
        return f"{base}/books/{book_id}/files/{quote(path)}" if base else None

"""What tools and routes share: the open library, this server's name and the URLs it hands out.

Knows how long the library is open and what a URL looks like; does not know settings, MCP or HTTP.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import quote

from panaversity_fs.core.errors import Unavailable
from panaversity_fs.library import Library
from panaversity_fs.metrics import Metrics

Opening = Callable[[], AbstractAsyncContextManager[Library]]


class Service:
    """One server process as its doors see it.

    ``opening`` opens the library, ``instance`` tells this process from others, ``server_agent`` is who calls when a
    local call names nobody, ``public_url`` is where the data plane is reached from outside (None: as the caller came).
    ``archive_seconds`` is how long one partial archive waits for the store. ``presign`` is the size in bytes from which
    a blob is fetched from an object store itself (0: never). ``draining`` is true once the process was
    told to stop; ``running`` counts the requests that are let finish then.
    """

    def __init__(
        self,
        opening: Opening,
        *,
        version: str,
        instance: str,
        server_agent: str | None = None,
        public_url: str | None = None,
        archive_seconds: float = 60,
        presign: int = 0,
        metrics: Metrics | None = None,
    ) -> None:
        self.version = version
        self.instance = instance
        self.server_agent = server_agent
        self.public_url = public_url.rstrip("/") if public_url else None
        self.archive_seconds = archive_seconds
        self.presign = presign
        self.metrics = metrics or Metrics(version)
        self.draining = False
        self.running = 0
        self._opening = opening
        self._library: Library | None = None

    @property
    def library(self) -> Library:
        """The open library. Raises ``Unavailable`` outside ``opened``."""
        if self._library is None:
            raise Unavailable("server", "library", "is not open", "Try again in a moment")
        return self._library

    @property
    def open_library(self) -> Library | None:
        """The library while it is open."""
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

    def began(self) -> None:
        """A request came in that is worth waiting for."""
        self.running += 1
        self.metrics.began()

    def ended(self) -> None:
        """It is gone, answered or not."""
        self.running -= 1
        self.metrics.ended()

    def blob_url(self, base: str | None, book_id: str, digest: str) -> str | None:
        """Where to PUT or GET these bytes; None where no data plane is reachable (stdio without a public URL)."""
        return f"{base}/books/{book_id}/blobs/{digest}" if base else None

    def file_url(self, base: str | None, book_id: str, path: str) -> str | None:
        """Where the current bytes of a path are served; None where no data plane is reachable."""
        return f"{base}/books/{book_id}/files/{quote(path)}" if base else None

    def archive_url(self, base: str | None, book_id: str, scope: str, manifest: str | None) -> str | None:
        """Where a book is served as one file, as of that manifest (None: as it is then)."""
        named = f"&manifest={manifest}" if manifest else ""
        return f"{base}/books/{book_id}/archive?scope={scope}{named}" if base else None

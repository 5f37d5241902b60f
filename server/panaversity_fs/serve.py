"""One server process from its socket to its last answer.

Knows sockets, signals and shutdown; does not know flags, tools or routes.
"""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass

import uvicorn

from panaversity_fs.api.server import mcp_server
from panaversity_fs.api.service import Service
from panaversity_fs.app import build_app, build_service
from panaversity_fs.config import Settings
from panaversity_fs.core.errors import ConfigInvalid, PanaversityError
from panaversity_fs.store_folder import Clients, announce, forget, serving
from panaversity_fs.version import VERSION

DRAIN_SECONDS = 10
_PROBE_SECONDS = 0.1
_GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve: the settings, this process's name, the folder of the local profile (None: as the settings say)."""

    settings: Settings
    instance: str
    store: str | None = None
    until_unused: bool = False


def run_http(serving_: Serving) -> None:
    """Serve over HTTP until told to stop. Raises ``ConfigInvalid`` where it cannot start."""
    with _folder(serving_.store), _listening(serving_.settings) as listener:
        asyncio.run(_serve(serving_, listener))


def run_stdio(serving_: Serving) -> None:
    """Serve one MCP client over stdin and stdout until it closes them."""
    with _folder(serving_.store):
        asyncio.run(_serve_stdio(serving_))


def configure_logging() -> None:
    """One line per event on stderr, control characters escaped, nothing at all while all is well (S27)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


class _OneLine(logging.Formatter):
    """Whatever a message holds, it cannot forge another line; tracebacks of bugs keep theirs."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        text = super().formatMessage(record)
        return "".join(c if unicodedata.category(c) not in _UNSAFE else f"\\u{ord(c):04x}" for c in text)


_UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")


class _Server(uvicorn.Server):
    """uvicorn, with signals that end in exit status 0 and a word when it really listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None], stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening, self._stopping = listening, stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn raises the signal again when it is done, which would end us with that signal's status."""
        loop = asyncio.get_running_loop()
        for wanted in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(wanted, self.handle_exit, wanted, None)
        yield


async def _serve(serving_: Serving, listener: socket.socket) -> None:
    settings, url = serving_.settings, _url(listener)
    service = build_service(settings, serving_.instance)
    async with _opened(service):
        config = uvicorn.Config(
            build_app(settings, service), http="h11", loop="asyncio", ws="none", lifespan="on", log_config=None,
            access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=DRAIN_SECONDS,
        )  # fmt: skip

        def listening() -> None:
            if serving_.store is not None:
                note = {"url": url, "pid": os.getpid(), "instance": serving_.instance, "version": VERSION}
                announce(serving_.store, note)
            print(f"listening on {url}", file=sys.stderr, flush=True)  # noqa: T201 - the one line for people

        def stopping() -> None:
            service.draining = True
            if serving_.store is not None:
                forget(serving_.store)

        server = _Server(config, listening, stopping)
        watcher = asyncio.create_task(_watch(serving_, server))
        try:
            await server.serve(sockets=[listener])
        finally:
            watcher.cancel()


async def _watch(serving_: Serving, server: uvicorn.Server) -> None:
    """Let the server go when nobody uses it any more, if it was told to."""
    if not serving_.until_unused or serving_.store is None:
        return
    clients = Clients(serving_.store, _GRACE_SECONDS)
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not clients.gone(loop.time() - began):  # noqa: ASYNC110 - another process holds the lock
        await asyncio.sleep(_PROBE_SECONDS)
    # Before anything else, so that whoever comes now finds no note of a server that is leaving.
    forget(serving_.store)
    server.should_exit = True


async def _serve_stdio(serving_: Serving) -> None:
    service = build_service(serving_.settings, serving_.instance)
    async with _opened(service):
        await mcp_server(service).run_stdio_async(show_banner=False)


@asynccontextmanager
async def _opened(service: Service) -> AsyncIterator[None]:
    """The open library. Trouble with the store at start is a matter of configuration (exit 15), not of retries."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(service.opened())
        except PanaversityError as error:
            raise ConfigInvalid(
                "serve", error.subject, error.problem, error.hint or "Check DATABASE_URL and PANAVERSITY_STORAGE_ROOT",
                key="DATABASE_URL", reason=error.code,
            ) from error  # fmt: skip
        except OSError as fault:
            raise ConfigInvalid(
                "serve", "store", f"cannot be opened ({fault.strerror})",
                "Check PANAVERSITY_STORAGE_ROOT and its permissions", key="PANAVERSITY_STORAGE_ROOT", reason="OSError",
            ) from fault  # fmt: skip
        yield


def _folder(store: str | None) -> AbstractContextManager[None]:
    return serving(store) if store is not None else nullcontext()


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """A bound socket. Raises ``ConfigInvalid`` when the port is taken or the address is not this machine's."""
    host = settings.host.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, settings.port))
        except OSError as fault:
            raise ConfigInvalid(
                "serve", f"{settings.host}:{settings.port}", _REFUSED.get(fault.errno or 0, "cannot be listened on"),
                "Choose another port, or 0 for any free one", key="PANAVERSITY_SERVER_PORT", reason="not available",
            ) from None  # fmt: skip
        yield listener


_REFUSED = {
    errno.EADDRINUSE: "is taken by another program",
    errno.EACCES: "may not be listened on by you",
    errno.EADDRNOTAVAIL: "is not an address of this machine",
}


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

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
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from types import FrameType

import uvicorn

from panaversity_fs.api.server import mcp_server
from panaversity_fs.api.service import Service
from panaversity_fs.app import build_app, build_service
from panaversity_fs.config import Settings
from panaversity_fs.core.errors import ConfigInvalid, PanaversityError
from panaversity_fs.store_folder import Clients, announce, forget, serving
from panaversity_fs.version import VERSION

logger = logging.getLogger("panaversity_fs.serve")

DRAIN_SECONDS = 9.0
"""How long running requests are let finish while the server still answers probes."""
_CLOSE_SECONDS = 1
"""What uvicorn then gives to connections before it cancels what they wait for."""
_CLEAN_UP_SECONDS = 5.0
_PROBE_SECONDS = 0.1
_TICK_SECONDS = 0.02
_GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve: the settings, this process's name, the folder of the local profile (None: as the settings say).

    ``socket`` is the descriptor of a socket that listens already, when this is one of several processes behind it; it
    leaves when its standard input ends, because whoever watched over it is gone then.
    """

    settings: Settings
    instance: str
    store: str | None = None
    until_unused: bool = False
    socket: int | None = None


def run_http(serving_: Serving) -> None:
    """Serve over HTTP until told to stop. Raises ``ConfigInvalid`` where it cannot start."""
    shared = serving_.socket
    listening = bound(serving_.settings) if shared is None else socket.socket(fileno=shared)
    with _folder(serving_.store), listening as listener:
        asyncio.run(_serve(serving_, listener))


def try_out(settings: Settings) -> None:
    """Do what a start does, migrations included, and leave again before anybody was listened to.

    Raises ``ConfigInvalid``: nothing else can be wrong with the settings of the processes that are started next.
    """

    async def open_and_close() -> None:
        service = build_service(settings, "")
        build_app(settings, service)
        async with _opened(service):
            pass

    asyncio.run(open_and_close())


def run_stdio(serving_: Serving) -> None:
    """Serve one MCP client over stdin and stdout until it closes them."""
    with _folder(serving_.store):
        asyncio.run(_serve_stdio(serving_))


class _Server(uvicorn.Server):
    """uvicorn, with signals that end in exit status 0, a word when it really listens, and draining before it closes.

    ``busy`` answers whether any request is still being answered.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listening: Callable[[], None],
        stopping: Callable[[], None],
        busy: Callable[[], bool],
    ) -> None:
        super().__init__(config)
        self._listening, self._stopping, self._busy = listening, stopping, busy
        self._draining: asyncio.Task[None] | None = None
        self._signalled = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)
        if self.server_state.tasks:  # cancelled a moment ago: what they stored is taken back before the store closes
            await asyncio.wait(self.server_state.tasks, timeout=_CLEAN_UP_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins to drain; the next one ends that."""
        if self._signalled:
            super().handle_exit(sig, frame)
        self._signalled = True
        self.begin_draining()

    def begin_draining(self) -> None:
        """Finish what is being answered, with the socket open, so that probes see it; nothing when that goes on.

        Whoever watches over this process says so beside the signal that a terminal sends to both, before it or after.
        """
        if self._draining is None:
            self._stopping()
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        until = asyncio.get_running_loop().time() + DRAIN_SECONDS
        while self._busy() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - nobody to wait for
            await asyncio.sleep(_TICK_SECONDS)
        self.should_exit = True

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
            access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=_CLOSE_SECONDS,
        )  # fmt: skip

        def listening() -> None:
            if serving_.store is not None:
                note = {"url": url, "pid": os.getpid(), "instance": serving_.instance, "version": VERSION}
                announce(serving_.store, note)
            logger.info("listening on %s", url)

        def stopping() -> None:
            service.draining = True
            if serving_.store is not None:
                forget(serving_.store)

        server = _Server(config, listening, stopping, lambda: service.running > 0)
        watcher = asyncio.create_task(_watch(serving_, server))
        if serving_.socket is not None:
            _leave_with_watcher(server)
        try:
            await server.serve(sockets=[listener])
        finally:
            watcher.cancel()


def _leave_with_watcher(server: _Server) -> None:
    loop, watcher = asyncio.get_running_loop(), sys.stdin.fileno()

    def gone() -> None:
        loop.remove_reader(watcher)
        server.begin_draining()

    loop.add_reader(watcher, gone)


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
        except ConfigInvalid:
            raise
        except PanaversityError as error:
            key = _SETTING_OF.get(str(error.details.get("backend")), "DATABASE_URL")
            raise ConfigInvalid(
                "serve", error.subject, error.problem, error.hint or f"Check {key}", key=key, reason=error.code
            ) from error
        except OSError as fault:
            raise ConfigInvalid(
                "serve", "store", f"cannot be opened ({fault.strerror})",
                "Check PANAVERSITY_STORAGE_ROOT and its permissions", key="PANAVERSITY_STORAGE_ROOT", reason="OSError",
            ) from fault  # fmt: skip
        yield


_SETTING_OF = {"sql": "DATABASE_URL", "fs": "PANAVERSITY_STORAGE_ROOT", "s3": "PANAVERSITY_S3_BUCKET"}
"""Backend → the setting that names it."""


def _folder(store: str | None) -> AbstractContextManager[None]:
    return serving(store) if store is not None else nullcontext()


@contextmanager
def bound(settings: Settings) -> Iterator[socket.socket]:
    """A bound socket. Raises ``ConfigInvalid`` when the port is taken or the address is not this machine's."""
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: asyncio switches Nagle's waiting off only then, which costs 40 ms an answer.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
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

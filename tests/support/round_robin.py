"""One address for several servers: every connection goes to the next one that takes it, as a load balancer's would.

Knows connections and bytes; does not know HTTP. A server that dies takes its connections with it.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Self
from urllib.parse import urlsplit

Targets = Callable[[], Sequence[str]]
"""The addresses of the servers as they are now: one that was started again may have another."""


class RoundRobin:
    """``url`` leads to one of them after the other."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._turn = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody
        self._accepting.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(caller,), daemon=True).start()

    def _join(self, caller: socket.socket) -> None:
        server = self._connect()
        if server is None:
            caller.close()
            return
        with caller, server:
            back = threading.Thread(target=_pour, args=(server, caller), daemon=True)
            back.start()
            _pour(caller, server)
            back.join()

    def _connect(self) -> socket.socket | None:
        targets = self._targets()
        with self._lock:
            self._turn += 1
            first = self._turn
        for number in range(len(targets)):
            address = urlsplit(targets[(first + number) % len(targets)])
            with contextlib.suppress(OSError):
                return socket.create_connection((address.hostname or "", address.port or 80), timeout=5)
        return None


def _pour(source: socket.socket, target: socket.socket) -> None:
    source.settimeout(None)
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

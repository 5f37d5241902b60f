"""A site cache of a few lines over real sockets, which does to an answer what a test tells it to.

Knows HTTP as far as one ``GET`` or ``PUT`` of the remote build cache needs it; judges nothing.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

Reply = tuple[int, bytes]


class OddCache:
    """Keeps what is put, by path. ``spoil`` is how the next answers leave: see ``SPOILS``.

    ``refusal`` is an answer to every ``PUT`` in place of keeping; ``seen`` counts requests as ``GET`` or ``PUT``.
    """

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.spoil = ""
        self.at = 0
        self.refusal: Reply | None = None
        self.seen: list[str] = []
        self.done = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @contextmanager
    def serving(self) -> Iterator["OddCache"]:
        self._thread.start()
        try:
            yield self
        finally:
            self.done.set()
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._thread.join(5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while not self.done.is_set():
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.seen.append(method)
        if method == "PUT":
            self._take(connection, path, body, int(headers["content-length"]))
        else:
            self._give(connection, path)

    def _take(self, connection: socket.socket, path: str, body: bytes, length: int) -> None:
        if self.spoil == "deaf":
            self.done.wait(30)
            return
        while len(body) < length:
            body += connection.recv(1 << 20)
        if self.refusal is None:
            self.kept[path] = body
        connection.sendall(_framed(*(self.refusal or (201, b'{"stored": true}'))))

    def _give(self, connection: socket.socket, path: str) -> None:
        if path not in self.kept:
            missing = b'{"error": {"code": "NOT_FOUND", "message": "site cache: x: none.", "kind": "site"}}'
            connection.sendall(_framed(404, missing))
            return
        answer = _framed(200, self.kept[path])
        start = answer.index(b"\r\n\r\n") + 4
        if self.spoil == "silent":
            self.done.wait(30)
        elif self.spoil == "cut":
            connection.sendall(answer[: start + self.at])
        elif self.spoil == "flip":
            place = start + self.at
            connection.sendall(answer[:place] + bytes([answer[place] ^ 0x40]) + answer[place + 1 :])
        elif self.spoil == "drip":
            for at in range(len(answer)):
                connection.sendall(answer[at : at + 1])
                time.sleep(0.02)
        else:
            connection.sendall(answer)


SPOILS = ("", "silent", "cut", "flip", "drip", "deaf")
"""As it is · nothing comes · only ``at`` bytes of the body come · one byte of it is another · a byte at a time ·
an upload is not read."""


def _framed(status: int, body: bytes) -> bytes:
    kind = "application/json" if body[:1] == b"{" else "application/x-tar"
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body

"""A tiny HTTP server for the faults a real one cannot be made to show: scripted answers, broken streams, silence.

Knows sockets and what it was told to answer; keeps every request it got. Does not know books.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as it came, its body de-chunked but not decompressed."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What to answer. ``length`` None lets the body speak for itself; a longer one makes the body look cut off.

    ``reset`` slams the connection after ``body``: give it a ``length``, or the answer was whole. ``chunked`` sends one
    chunk and never the last one.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    reset: bool = False
    chunked: bool = False


def tool_answer(content: dict[str, Any]) -> Answer:
    """A good ``tools/call`` answer with this structured content."""
    result = {"content": [], "structuredContent": content, "isError": False}
    return Answer(body=json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode())


def error_answer(status: int, code: str, message: str = "do: it: is wrong.", **details: Any) -> Answer:
    """A refusal in our own wire form."""
    return Answer(status, json.dumps({"error": {"code": code, "message": message, **details}}).encode())


Script = Callable[[Request], Answer]


class Stub:
    """Answers from ``script``; ``requests`` holds what came."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.url = ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the test."""


@contextmanager
def stub_server(*answers: Answer | Script) -> Iterator[Stub]:
    """Serve these answers one after the other, the last one for ever, on a free port of this machine."""
    left = list(answers)

    def script(request: Request) -> Answer:
        answer = left.pop(0) if len(left) > 1 else left[0]
        return answer(request) if callable(answer) else answer

    stub = Stub(script)
    server = _Server(("127.0.0.1", 0), _handler(stub))
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self._body())
            stub.requests.append(request)
            answer = stub.script(request)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            if answer.chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(answer.body), answer.body))
            else:
                self.wfile.write(answer.body)
            if answer.reset or answer.chunked or answer.length is not None:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names are the library's

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = bytearray()
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return bytes(body)

        def log_message(self, *_: object) -> None:
            """Tests are silent."""

    return Handler

"""The neighbours that figures are compared with: an rsync daemon, and a git repository over HTTP.

    peers.py FOLDER      serve the git repositories below FOLDER on a free port of 127.0.0.1, which is printed

Knows how peers are installed, started and asked; does not know what is measured.
"""

import http.server
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_WAIT_SECONDS = 10.0
_LONGEST_BODY = 1 << 20


def missing(program: str) -> str:
    """Why a peer cannot be asked here; empty when it is installed, or could be."""
    if shutil.which(program) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", program], capture_output=True, check=False)
    return "" if shutil.which(program) else f"peer {program}: not installed"


@contextmanager
def rsync_daemon(folder: Path, scratch: Path) -> Iterator[int]:
    """The port of an rsync daemon whose module ``book`` is this folder, read only."""
    port = _free_port()
    settings = scratch / f"rsyncd-{port}.conf"
    settings.write_text(
        f"use chroot = no\nreverse lookup = no\npid file = {scratch}/rsyncd-{port}.pid\n"
        f"log file = {scratch}/rsyncd-{port}.log\n[book]\npath = {folder}\nread only = yes\n"
        + (f"uid = {os.geteuid()}\ngid = {os.getegid()}\n" if os.geteuid() == 0 else ""),
        encoding="utf-8",
    )
    command = ["rsync", "--daemon", "--no-detach", f"--config={settings}", "--address=127.0.0.1", f"--port={port}"]
    with _running(command):
        _wait_for(port)
        yield port


@contextmanager
def git_over_http(folder: Path) -> Iterator[int]:
    """The port of ``git http-backend`` behind a small HTTP server, for the repositories below this folder."""
    with _running([sys.executable, str(HERE / "peers.py"), str(folder)]) as process:
        yield _told_port(process)


@contextmanager
def delayed(port: int, milliseconds: float) -> Iterator[int]:
    """The port of a proxy before this port of 127.0.0.1, so many milliseconds away each way, in its own process."""
    command = [sys.executable, str(HERE / "delay_proxy.py"), "127.0.0.1", str(port), "--delay-ms", str(milliseconds)]
    with _running(command) as process:
        yield _told_port(process)


class Repository:
    """A git repository whose work tree is the author's folder, and whose git folder lies elsewhere."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.name = folder.name
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._base = ["git", f"--git-dir={folder}", f"--work-tree={source}"]
        self._git("-c", "init.defaultBranch=main", "init", "-q")
        for key, value in (("user.name", "bench"), ("user.email", "bench@example.org"), ("gc.auto", "0")):
            self._git("config", key, value)
        self.commit()

    def commit(self) -> None:
        """Take up what changed in the work tree."""
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "as it is now")

    def _git(self, *words: str) -> None:
        subprocess.run([*self._base, *words], check=True, capture_output=True)


@contextmanager
def _running(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def _told_port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


class _GitBackend(http.server.BaseHTTPRequestHandler):
    """One CGI program behind HTTP/1.1 with kept connections, as a web server would run it."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave together
    disable_nagle_algorithm = True
    folder = ""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(min(int(self.headers.get("Content-Length", "0")), _LONGEST_BODY))

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        environment: Mapping[str, str] = {
            **os.environ, "GIT_PROJECT_ROOT": self.folder, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


def main() -> None:
    """Serve until ended."""
    _GitBackend.folder = sys.argv[1]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _GitBackend) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

"""A real server that its environment alone describes: any database, any blob store, no folder of its own.

Knows how to start it, to learn its address from its log, and to stop it; asking is ``support.live``'s.
"""

import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from support.live import START_SECONDS, Wire, clean_environment, serve_command


class EnvServer(Wire):
    """A server process on a free port; its log is ``log``."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
        self.url = ""
        self.log = folder / "server.log"
        database = {"DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'server.db'}"}
        self.environment = {**clean_environment(), **database, **environment}
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            begins = log.tell()
            self._process = subprocess.Popen(
                serve_command("--port", "0", "--log-format", "text", *self._arguments),
                env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        try:
            self.url = self._address(begins)
        except BaseException:  # nobody else would end it
            self.__exit__(None, None, None)
            raise
        return self

    def _address(self, begins: int) -> str:
        """Where it says that it listens, after so many bytes of its log."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not (found := re.search(r"listening on (http://\S+)", self.log.read_text()[begins:])):
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the server did not begin to listen"
            time.sleep(0.02)
        return found[1]

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(START_SECONDS)

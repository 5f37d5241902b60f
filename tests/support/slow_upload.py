"""A request that takes as long as a test wants: an upload whose second half waits. Knows a server's wire only."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from support.live import Answer, Wire

HALF = b"ab" * 5000
DIGEST = hashlib.sha256(HALF * 2).hexdigest()


class SlowUpload:
    """An upload that stands still in the middle until it is let go."""

    def __init__(self, server: Wire, book: str = "bk") -> None:
        self._book = book
        self._half_sent, self._go_on = threading.Event(), threading.Event()
        self.answers: list[Answer] = []
        self._thread = threading.Thread(target=self._run, args=(server,))
        self._thread.start()
        assert self._half_sent.wait(10)
        time.sleep(0.2)  # the first half is on its way through the server

    def _body(self) -> Iterator[bytes]:
        yield HALF
        self._half_sent.set()
        self._go_on.wait(30)
        yield HALF

    def _run(self, server: Wire) -> None:
        with suppress(OSError):  # cut off, as some tests want it
            self.answers.append(server.request("PUT", f"/books/{self._book}/blobs/{DIGEST}", self._body()))

    def finish(self) -> None:
        self._go_on.set()
        self._thread.join(30)

"""How long work tells what it is doing, without knowing who listens.

Knows the four things that can be told; does not know terminals, colours or formats (``console`` does).
"""

from typing import Literal, Protocol

Unit = Literal["files", "bytes"]


class Progress(Protocol):
    """The listener. Calls come from one thread, ``start`` … ``finish`` pairs never nest."""

    def start(self, task: str, total: int | None, unit: Unit) -> None:
        """A countable task begins; ``total`` is None when its size is not known."""

    def advance(self, amount: int) -> None:
        """``amount`` more units of the running task are done."""

    def finish(self) -> None:
        """The running task is over, well or badly."""

    def note(self, text: str) -> None:
        """One line for somebody who asked for more (``-v``)."""

    def warn(self, text: str) -> None:
        """One line everybody should see; nothing failed."""


class Silent:
    """A listener that keeps everything to itself."""

    def start(self, task: str, total: int | None, unit: Unit) -> None: ...

    def advance(self, amount: int) -> None: ...

    def finish(self) -> None: ...

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


SILENT: Progress = Silent()

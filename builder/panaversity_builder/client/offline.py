"""The client of a command that was told to ask nobody (``--offline``): every request is refused, and none is made.

Knows the one door all requests of ``client.http`` pass; does not know what could be done without a server.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from panaversity_builder.client.http import Client
from panaversity_builder.client.retry import NO_WAITS
from panaversity_builder.client.seam import Traffic
from panaversity_builder.client.transport import Response
from panaversity_fs.core.errors import ServerUnreachable


class NoServer(Client):
    """A client without a server; holds no connection."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.address = "the server"
        self._agent = ""
        self._waits = NO_WAITS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to let go of."""

    @contextmanager
    def _stream(self, operation: str, *_what: Any, **_more: Any) -> Iterator[Response]:
        raise ServerUnreachable(
            operation, self.address, "is not asked, for this command was told to work offline",
            "Leave out --offline and PANAVERSITY_OFFLINE",
        )  # fmt: skip
        yield  # type: ignore[unreachable]  # what makes this function the context manager it stands for

"""A server to talk to for the length of one command: the configured one, else the embedded one, offline none.

Knows which server to use; does not know what is asked of it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_builder.console.texts import amount, size

if TYPE_CHECKING:
    from panaversity_builder.client import Client
    from panaversity_builder.client.reach import Early


@contextmanager
def reaching(config: Config) -> "Iterator[Early | None]":
    """A connection to the configured server in the making, while a command loads what it needs; let go on leaving."""
    early = None
    if config.server_url is not None and not config.offline:
        from panaversity_builder.client.reach import begin

        early = begin(config.server_url)
    try:
        yield early
    finally:
        if early is not None:
            early.abandon()


@contextmanager
def connected(config: Config, console: Console, early: "Early | None" = None) -> "Iterator[Client]":
    """A client, closed on leaving. Raises ``ConfigInvalid`` when an embedded server cannot start.

    ``early`` is a connection that is being made already.
    """
    if config.offline:
        from panaversity_builder.client.offline import NoServer

        yield NoServer()
        return
    with ExitStack() as stack:
        url = config.server_url
        if url is None:
            from panaversity_builder.embedded import embedded_server

            url = stack.enter_context(embedded_server(config.root))
        client = stack.enter_context(_door(config)(url, config.agent_id, config.token, early=early))
        yield client
        spent = client.traffic
        console.progress.note(
            f"{amount(spent.requests, 'requests')}, {size(spent.received)} received, {size(spent.sent)} sent"
        )


def _door(config: Config) -> "type[Client]":
    """How a server is spoken to: with everything it has, or (``--via tools``) by MCP tools only."""
    if config.via == "tools":
        from panaversity_builder.client.tools import ToolServer

        return ToolServer
    from panaversity_builder.client import Client

    return Client

"""A server to talk to for the length of one command: the one that is configured, else the embedded one.

Knows which server to use; does not know what is asked of it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_builder.console.texts import size

if TYPE_CHECKING:
    from panaversity_builder.client import Client


@contextmanager
def connected(config: Config, console: Console) -> "Iterator[Client]":
    """A client, closed on leaving. Raises ``ConfigInvalid`` when an embedded server cannot start."""
    from panaversity_builder.client import Client

    with ExitStack() as stack:
        url = config.server_url
        if url is None:
            from panaversity_builder.embedded import embedded_server

            url = stack.enter_context(embedded_server(config.root))
        client = stack.enter_context(Client(url, config.agent_id, config.token))
        yield client
        spent = client.traffic
        console.progress.note(f"{spent.requests} requests, {size(spent.received)} received, {size(spent.sent)} sent")

"""What the manifest commands share: from words to operands, and the servers those may need.

A server is connected when a word needs it, and started only then. Knows settings and addresses; compares nothing.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.mapping import Numbering

if TYPE_CHECKING:
    from panaversity_builder.book.compare import Resolver
    from panaversity_builder.client import Server

_PORTS = {"http": 80, "https": 443}


@contextmanager
def resolver(config: Config, console: Console) -> "Iterator[Resolver]":
    """Finds operands for as long as the context lasts; then all connections end."""
    from panaversity_builder.book.compare import Resolver, Surroundings

    around = Surroundings(
        output_dir=config.output_dir,
        state_dir=config.state_dir,
        book_id=config.book_id,
        manifest_file=config.manifest_file,
        numbering=Numbering(config.numbering) if config.numbering else None,
        tree=said(config, "tree"),
    )
    with ExitStack() as stack:
        yield Resolver(around, ConnectedServers(config, console, stack))


def said(config: Config, setting: str) -> str | None:
    """The value of a setting that somebody made; None for a default."""
    return None if config.origins.get(setting, "default") == "default" else str(getattr(config, setting))


class ConnectedServers:
    """See ``book.compare.Servers``. Each address is connected once."""

    def __init__(self, config: Config, console: Console, stack: ExitStack) -> None:
        self._config, self._console, self._stack = config, console, stack
        self._connected: dict[str, Server] = {}

    def configured(self) -> "Server":
        from panaversity_builder.cli import session

        if "" not in self._connected:
            self._connected[""] = self._stack.enter_context(session.connected(self._config, self._console))
        return self._connected[""]

    def at(self, url: str) -> "Server":
        """The token goes to the configured address only, and not where the caller names another login."""
        from panaversity_builder.client import Client

        ours = self._config.server_url
        if ours is not None and "@" not in urlsplit(url).netloc and same_address(url, ours):
            return self.configured()
        if url not in self._connected:
            self._connected[url] = self._stack.enter_context(Client(url, self._config.agent_id))
        return self._connected[url]

    def shown(self, url: str) -> str:
        return plain_address(url)


def plain_address(url: str) -> str:
    """The address in one spelling: without credentials, without ``/mcp``, the usual port left out.

    Raises ``InvalidArgument`` for what is no http or https address.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in _PORTS or parts.query or not url.isprintable():
        raise InvalidArgument("manifest", "URL#BOOK", "is no http or https address", "Say http://host:8000#guide")
    place = f"[{host}]" if ":" in host else host
    place += "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/").removesuffix("/mcp").rstrip("/"), "", ""))


def same_address(one: str, other: str) -> bool:
    """True when two addresses are the same server."""
    return plain_address(one) == plain_address(other)

"""Following a server that says where a large blob lies: one hop, to a place that learns nothing of us (DESIGN 8).

The link is its own permission. Neither the token nor the agent's name goes there, never less protected than the way to
the server, and never further. What comes is hashed by whoever asked, like everything. Knows links, not routes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import SplitResult, urlsplit

from panaversity_builder.client.transport import Broken, Patience, Response, transport_to
from panaversity_fs.core.errors import Unavailable

_HINT = "Try again; if it stays so, the server's PANAVERSITY_S3_ENDPOINT cannot be reached from here"


@contextmanager
def followed(
    operation: str, server: str, location: str, headers: Mapping[str, str], patience: Patience
) -> Iterator[Response]:
    """The good answer of the place the server named, unread. Raises ``Unavailable``, ``Broken``.

    ``server`` is the server's own address, ``headers`` what is asked for (a range), and nothing about us.
    """
    place = _judged(operation, server, location)
    there = SplitResult(place.scheme, place.netloc, "", "", "")
    name = f"{place.scheme}://{place.netloc}"
    transport = transport_to(there, {b"User-Agent": b"panaversity-builder"}, patience)
    try:
        target = f"{place.path or '/'}?{place.query}" if place.query else place.path or "/"
        try:
            response = transport.send("GET", target, headers, b"", patience)
        except Broken as fault:
            raise Unavailable(operation, name, f"named by the server, {fault}", _HINT) from fault
        try:
            if response.status_code not in (200, 206):
                said = f"named by the server, answered {response.status_code}"
                raise Unavailable(operation, name, said, _HINT)  # a link that ran out is asked for anew
            yield response
        finally:
            response.close()
    finally:
        transport.close()


def _judged(operation: str, server: str, location: str) -> SplitResult:
    """The link in parts. Raises ``Unavailable`` for one that is not followed."""
    try:
        place = urlsplit(location)
        named = bool(place.hostname) and place.username is None and (place.port is None or place.port > 0)
    except ValueError:
        named = False
    if not named or place.scheme not in ("http", "https"):
        raise Unavailable(operation, server, "redirects to no http:// or https:// address", "Ask who runs it")
    if place.scheme == "http" and urlsplit(server).scheme == "https":
        raise Unavailable(operation, server, "redirects to an address that is not encrypted", "Ask who runs it")
    return place

"""A token without a stored secret: the job asks GitHub for one that says which repository and ref it runs for.

The job needs ``permissions: id-token: write``; the server maps repository and ref to scopes (DESIGN 9). A token is
never asked for on behalf of a server that would be sent it in the clear. Knows GitHub's side; does not know the server.
"""

import ipaddress
import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Final

from inputs import Refused, shown

URL, TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
ATTEMPTS: Final = 3
SECONDS: Final = 20.0


def is_possible(environ: Mapping[str, str]) -> bool:
    """Whether this job may ask for a token at all."""
    return bool(environ.get(URL) and environ.get(TOKEN))


def github_token(environ: Mapping[str, str], audience: str, server_url: str) -> str:
    """A token for ``audience``. Raises ``Refused`` (status 16) when there is none to be had."""
    if not is_possible(environ):
        problem = "this job may not ask GitHub for a token"
        raise Refused("login", problem, "Give it permissions: id-token: write (a fork's pull request never has it)", 16)
    if not is_private(server_url):
        raise Refused("login", f"{shown(server_url)} would be sent a token in the clear", "Use https://", 16)
    separator = "&" if "?" in environ[URL] else "?"
    address = f"{environ[URL]}{separator}{urllib.parse.urlencode({'audience': audience})}"
    if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
        raise Refused("login", f"{URL} is not an address", "This is for the runner to set", 16)
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {environ[TOKEN]}"})  # noqa: S310
    return _asked(request)


def _asked(request: urllib.request.Request) -> str:
    why = ""
    for _ in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 — the scheme was judged
                value = json.load(answer).get("value")
            if isinstance(value, str) and value.isprintable() and value:
                return value
            why = "the answer holds no token"
        except (OSError, ValueError, AttributeError) as error:  # an HTTP error is an OSError
            why = str(error)
    raise Refused("login", f"GitHub gave no token ({why})", "Run the job again", 16)


def is_private(url: str) -> bool:
    """True where nobody on the way can read along: TLS, or this machine itself."""
    address = urllib.parse.urlsplit(url)
    if address.scheme == "https" or address.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.hostname or "").is_loopback
    except ValueError:
        return False

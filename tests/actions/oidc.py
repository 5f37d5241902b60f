"""GitHub's token service for tests: answers a job's request with a token signed by local keys.

Knows what a job asks and what the token says; does not know the server that will judge it.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support import tokens

ISSUER = "https://token.actions.githubusercontent.com"
RULES = [
    {"repository": "acme/book", "ref": "refs/heads/main", "scopes": ["book:demo:write"]},
    {"repository": "acme/book", "ref": "refs/pull/*", "scopes": ["book:demo:read"]},
]


@dataclass
class TokenService:
    """``claims`` say which job asks; ``audiences`` is what was asked for."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    audiences: list[str] = field(default_factory=list)
    is_down: bool = False

    def environment(self, ref: str) -> dict[str, str]:
        """What a job with ``id-token: write`` finds, running for ``ref``."""
        self.claims = {"repository": "acme/book", "ref": ref, "sub": f"repo:acme/book:ref:{ref}"}
        return {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ask"}

    def token(self, audience: str) -> str:
        return tokens.token("rsa", iss=ISSUER, aud=audience, scope=tokens.MISSING, **self.claims)


@contextmanager
def token_service() -> Iterator[TokenService]:
    """The service on a free port of loopback."""
    service = TokenService()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = self.headers["Authorization"] == "Bearer ask" and not service.is_down
            audience = parse_qs(urlsplit(self.path).query)["audience"][0]
            service.audiences.append(audience)
            body = json.dumps({"value": service.token(audience)} if good else {"message": "no"}).encode()
            self.send_response(200 if good else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        service.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


def server_environment(folder: Path, audience: str) -> dict[str, str]:
    """A server that believes GitHub, as far as the rules go."""
    return tokens.environment(folder) | {
        "PANAVERSITY_AUTH_ISSUER": ISSUER,
        "PANAVERSITY_AUTH_AUDIENCE": audience,
        "PANAVERSITY_AUTH_GITHUB": json.dumps(RULES),
    }

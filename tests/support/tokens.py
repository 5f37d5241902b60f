"""An issuer of tokens for tests: keys of every kind, the key set a server reads, tokens with any claim changed.

Knows how tokens are made, honest and otherwise; does not know what a server does with them.
"""

import base64
import json
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joserfc import jwk, jws

ISSUER = "https://issuer.example/tests"
AUDIENCE = "https://books.example/mcp"
MISSING: Any = object()
"""As the value of a claim: leave it out."""

ALGORITHMS = {"rsa": "RS256", "ec": "ES256", "okp": "EdDSA"}


def make_keys() -> dict[str, Any]:
    """One key of each kind, its kid its name."""
    return {
        "rsa": jwk.RSAKey.generate_key(2048, {"kid": "rsa"}),
        "ec": jwk.ECKey.generate_key("P-256", {"kid": "ec"}),
        "okp": jwk.OKPKey.generate_key("Ed25519", {"kid": "okp"}),
    }


KEYS = make_keys()
STRANGER = make_keys()
"""The same names, other keys."""


def jwks(keys: Mapping[str, Any] = KEYS) -> dict[str, Any]:
    """The public key set."""
    return {"keys": [{**key.as_dict(private=False), "kid": kid, "use": "sig"} for kid, key in keys.items()]}


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims with some changed; ``MISSING`` takes one away."""
    now = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 600, "scope": "book:*:admin"}
    return {name: value for name, value in {**good, **changes}.items() if value is not MISSING}


def token(
    kind: str = "ec", *, header: Mapping[str, Any] | None = None, keys: Mapping[str, Any] = KEYS, **changes: Any
) -> str:
    """A token signed with the key of this kind, its header and claims changed as told."""
    return signed({"alg": ALGORITHMS[kind], "kid": kind, **(header or {})}, encoded(claims(**changes)), keys[kind])


def signed(header: Mapping[str, Any], payload: bytes, key: Any) -> str:
    """Any payload under any header, really signed with ``key`` by the header's algorithm."""
    algorithm = str(header["alg"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = jws.JWSRegistry(algorithms=[algorithm]).get_alg(algorithm)
        head = f"{b64(encoded(dict(header)))}.{b64(payload)}"
        return f"{head}.{b64(model.sign(head.encode(), key))}"


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def b64(data: bytes | str) -> str:
    """base64url without padding."""
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def environment(folder: Path, document: object = None) -> dict[str, str]:
    """The settings of a server that believes this issuer, its key set written to ``folder``."""
    file = folder / "jwks.json"
    file.write_text(json.dumps(document if document is not None else jwks()))
    return {
        "PANAVERSITY_AUTH_ISSUER": ISSUER,
        "PANAVERSITY_AUTH_AUDIENCE": AUDIENCE,
        "PANAVERSITY_AUTH_JWKS_FILE": str(file),
    }


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}

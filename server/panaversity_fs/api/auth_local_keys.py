"""Keys and tokens for one machine or a small team without an identity provider: a key pair, its key set, a signature.

Knows files and what goes into a token of ours; all cryptography is joserfc's. Not used by the server itself.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from joserfc import jwk, jwt

from panaversity_fs.api.auth_scopes import is_scope
from panaversity_fs.core.errors import ConfigInvalid, InvalidArgument

ALGORITHM = "ES256"
PRIVATE_FILE, PUBLIC_FILE = "private.json", "jwks.json"


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """A private key file and the key set file (``PANAVERSITY_AUTH_JWKS_FILE``) that belongs to it."""

    private: str
    jwks: str

    @classmethod
    def at(cls, place: str) -> "LocalKeys":
        """The pair at a folder, or at a private key file (its key set then lies beside it)."""
        if place.endswith(".json") or os.path.isfile(place):
            return cls(place, os.path.join(os.path.dirname(place), PUBLIC_FILE))
        return cls(os.path.join(place, PRIVATE_FILE), os.path.join(place, PUBLIC_FILE))

    def ensure(self) -> jwk.ECKey:
        """The private key, made when there is none; the key set is written when it is missing.

        Raises ``ConfigInvalid`` for files that cannot be read, written or understood.
        """
        try:
            os.makedirs(os.path.dirname(self.private) or ".", mode=0o700, exist_ok=True)
            key = self._read() if os.path.exists(self.private) else self._make()
            if not os.path.exists(self.jwks):
                _write(self.jwks, {"keys": [_public(key)]})
        except OSError as fault:
            raise _unusable(self.private, f"cannot be used ({fault.strerror})") from None
        return key

    def _read(self) -> jwk.ECKey:
        with open(self.private, "rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise _unusable(self.private, "may be read by others, so it is no secret")
            text = file.read(64 * 1024)
        try:
            return jwk.ECKey.import_key(json.loads(text))
        except Exception:  # noqa: BLE001 - whatever it holds, nothing of it may be told
            raise _unusable(self.private, "is not a private key of this command") from None

    def _make(self) -> jwk.ECKey:
        key = jwk.ECKey.generate_key("P-256", auto_kid=True)
        _write(self.private, {**key.as_dict(private=True), "alg": ALGORITHM, "use": "sig"})
        return key


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a token shall say; times in seconds since 1970 and hours."""

    issuer: str
    audience: str
    subject: str
    scopes: Sequence[str]
    hours: float
    agent: str | None = None


def sign(key: jwk.ECKey, wanted: Wanted, now: float) -> str:
    """A signed token. Raises ``InvalidArgument`` for scopes that are none and for no time at all."""
    for scope in wanted.scopes:
        if not is_scope(scope):
            hint = "Write book:<id|*>:read|write|admin, book:<id|*>:site-cache or overlay:admin"
            raise InvalidArgument("token", "--scope", "is no scope", hint, name="scope")
    if not 0 < wanted.hours <= 24 * 366:
        raise InvalidArgument("token", "--hours", "is not between 0 and a year", "Give hours", name="hours")
    claims = {
        "iss": wanted.issuer, "aud": wanted.audience, "sub": wanted.subject, "scope": " ".join(wanted.scopes),
        "iat": int(now), "exp": int(now + wanted.hours * 3600),
    }  # fmt: skip
    if wanted.agent is not None:
        claims["agent_id"] = wanted.agent
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": "at+jwt"}
    return jwt.encode(header, claims, key, algorithms=[ALGORITHM])


def _public(key: jwk.ECKey) -> dict[str, object]:
    return {**key.as_dict(private=False), "alg": ALGORITHM, "use": "sig", "kid": key.kid}


def _write(path: str, document: object) -> None:
    """Write a new file that nobody else can read; never over an existing one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _unusable(path: str, problem: str) -> ConfigInvalid:
    hint = "Name another place with --keys, or make it readable by you alone"
    return ConfigInvalid("token", path, problem, hint, key="--keys", origin="flag", reason=problem)

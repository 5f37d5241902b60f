"""From the text of a bearer token to a principal: FastMCP's verifier, and around it what it does not insist on.

Its ``JWTVerifier`` checks signature, issuer, audience and expiry. Checked here because it lets them pass: an audience
among others, missing ``exp``/``iat``/``sub``, ``nbf``, critical extensions, names given twice, numbers that are none,
types of tokens that mean something else (RFC 8725; S3, S10). Knows tokens; does not know requests or permissions.
"""

import base64
import json
import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from fastmcp.server.auth.providers.jwt import JWTVerifier
from joserfc import jwk

from panaversity_fs.api.auth import Principal
from panaversity_fs.api.auth_keys import KeySet
from panaversity_fs.api.auth_scopes import grants_of
from panaversity_fs.core.errors import Unauthenticated

MAX_TOKEN = 8 * 1024
MAX_SUBJECT = 255
LEEWAY = 30
"""Seconds that an issuer's clock may be ahead of ours. For expiry there is none."""
_END_OF_TIME = 1e12
_MIN_RSA_BITS = 2048
_MAX_KEYS = 100
_TYPES = {None, "jwt", "at+jwt", "application/at+jwt", "application/jwt"}
_PART = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_FITTING = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
}
Verifiers = dict[tuple[str | None, str], JWTVerifier]
_RESERVED = ("", "__base__", "system", "local", "nobody")


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer we believe: its name, the audience that means us, its keys, how its claims become scopes, and what
    is put before its subjects so that two issuers never speak of the same one."""

    name: str
    audience: str
    keys: KeySet[JWTVerifier]
    scopes: Callable[[Mapping[str, Any]], list[str]]
    prefix: str = ""


class Tokens:
    """Judges tokens of some issuers. ``clock`` answers seconds since 1970."""

    def __init__(self, issuers: Sequence[Issuer], clock: Callable[[], float]) -> None:
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._clock = clock

    async def principal(self, token: str) -> Principal:
        """The caller this token stands for. Raises ``Unauthenticated``, which does not repeat any of it."""
        header, claims = _parsed(token)
        issuer = self._issuers.get(claims["iss"]) if isinstance(claims.get("iss"), str) else None
        if issuer is None:
            _refuse("comes from another issuer")
        kid, algorithm = _key_named(header)
        self._judge(claims, issuer)
        verifier = await issuer.keys.find(kid, algorithm)
        if verifier is None or not await _signed(verifier, token):
            _refuse("is not valid")
        return _principal(claims, issuer)

    def _judge(self, claims: Mapping[str, Any], issuer: Issuer) -> None:
        if claims.get("aud") != issuer.audience:
            _refuse("was issued for another audience")
        now = self._clock()
        if _seconds(claims, "exp") <= now:
            _refuse("has expired")
        if _seconds(claims, "iat") > now + LEEWAY:
            _refuse("was issued in the future")
        if "nbf" in claims and _seconds(claims, "nbf") > now + LEEWAY:
            _refuse("is not valid yet")


def verifiers(text: bytes, issuer: str, audience: str, algorithms: Sequence[str]) -> Verifiers:
    """The verifiers of a key set (RFC 7517): one for each key and algorithm that fits the key and is allowed.

    Keys that are not for signatures, too short or not understood are left out. Raises ``ValueError`` when none is left.
    """
    found: Verifiers = {}
    document = json.loads(text)
    keys = document.get("keys") if isinstance(document, dict) else None
    for data in keys[:_MAX_KEYS] if isinstance(keys, list) else []:
        if not isinstance(data, dict):
            continue
        kid = data["kid"] if isinstance(data.get("kid"), str) else None
        for algorithm in _algorithms(data, algorithms):
            pem = _public(data)
            if pem is not None and (kid, algorithm) not in found:
                found[kid, algorithm] = JWTVerifier(
                    public_key=pem, algorithm=algorithm, issuer=issuer, audience=audience
                )
    if not found:
        raise ValueError("the key set holds no key that fits")
    return found


def _algorithms(data: Mapping[str, Any], allowed: Sequence[str]) -> list[str]:
    operations = data.get("key_ops")
    if data.get("use", "sig") != "sig" or (operations is not None and "verify" not in operations):
        return []
    curve = data.get("crv") if data.get("kty") != "RSA" else None
    fitting = _FITTING.get((str(data.get("kty")), curve), ())
    return [a for a in fitting if a in allowed and data.get("alg", a) == a]


def _public(data: Mapping[str, Any]) -> str | None:
    """The public half as PEM, whatever else the entry holds; None for a key we do not understand or believe."""
    public = {name: data[name] for name in ("kty", "n", "e", "crv", "x", "y") if isinstance(data.get(name), str)}
    try:
        if public["kty"] == "RSA" and len(_decoded(public["n"]).lstrip(b"\0")) * 8 < _MIN_RSA_BITS:
            return None
        key = jwk.import_key(public)
        return None if isinstance(key, jwk.OctKey) else key.as_pem(private=False).decode("ascii")
    except Exception:  # noqa: BLE001 - one bad key must not take the others away
        return None


async def _signed(verifier: JWTVerifier, token: str) -> bool:
    with warnings.catch_warnings():
        # Issuers still write the name EdDSA, and the curve is fixed by our key.
        warnings.filterwarnings("ignore", message="EdDSA is deprecated")
        try:
            return await verifier.verify_token(token) is not None
        except Exception:  # noqa: BLE001 - a token that breaks the verifier is not a valid one
            return False


def _parsed(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(token) > MAX_TOKEN:
        _refuse("is longer than 8 KiB")
    parts = token.split(".")
    if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
        _refuse("is not a signed token")
    return _document(parts[0]), _document(parts[1])


def _document(part: str) -> dict[str, Any]:
    try:
        document = json.loads(_decoded(part).decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse("is not a signed token")
    if not isinstance(document, dict):
        _refuse("is not a signed token")
    return document


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name comes twice")
    return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _key_named(header: Mapping[str, Any]) -> tuple[str | None, str]:
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ")
    if "crit" in header or "b64" in header:
        _refuse("wants extensions that are not understood")
    if not isinstance(algorithm, str) or not (kid is None or isinstance(kid, str)):
        _refuse("is not a signed token")
    if (kind.casefold() if isinstance(kind, str) else kind) not in _TYPES:
        _refuse("is not an access token")
    return kid, algorithm


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _END_OF_TIME:
        _refuse(f"has no {name} that is a time")
    return value


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or len(subject) > MAX_SUBJECT or subject != subject.strip():
        _refuse("has no usable subject")
    if unicodedata.normalize("NFKC", subject).casefold() in _RESERVED:
        _refuse("has no usable subject")
    if any(unicodedata.category(c)[0] == "C" for c in subject):
        _refuse("has no usable subject")
    return subject


def _principal(claims: Mapping[str, Any], issuer: Issuer) -> Principal:
    subject = issuer.prefix + _subject(claims)
    if len(subject) > MAX_SUBJECT:  # what is kept of it has that bound, and one engine keeps to it
        _refuse("has no usable subject")
    agent = next((claims[name] for name in ("agent_id", "client_id", "azp") if name in claims), subject)
    if not isinstance(agent, str):
        _refuse("has no usable agent")
    return Principal(subject, agent, grants_of(issuer.scopes(claims)))


def _refuse(problem: str) -> NoReturn:
    raise Unauthenticated("request", "token", problem, "Get a new token", reason="invalid_token")

"""Forged and foreign tokens against MCP, a route that reads and one that writes: 401 everywhere, and why (S3, S10).

Every forgery starts from a token that the same server accepts, so each differs from a good one in what its name says.
"""

import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from support import tokens
from support.live import app_client
from support.tokens import AUDIENCE, ISSUER, KEYS, MISSING, STRANGER, b64, bearer, claims, encoded, signed, token

PATH = "content/01-Part/02-Chapter/03-lesson.md"
DIGEST = hashlib.sha256(b"forged").hexdigest()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Any]:
    folder = tmp_path_factory.mktemp("forged")
    # Without limits: this test asks a hundred times what a caller asks once.
    environment = {**tokens.environment(folder), "PANAVERSITY_LIMIT_REQUESTS_PER_SECOND": "0"}
    async with app_client(folder / "store", environment) as client:
        yield client


def hmac_signed(secret: bytes, algorithm: str = "HS256") -> str:
    """A token signed as HS256 wants it, with a secret that everybody can read in the key set."""
    head = f"{b64(json.dumps({'alg': algorithm, 'kid': 'rsa', 'typ': 'JWT'}))}.{b64(encoded(claims()))}"
    return f"{head}.{b64(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


def unsigned(algorithm: str, signature: str = "") -> str:
    return f"{b64(json.dumps({'alg': algorithm, 'kid': 'ec'}))}.{b64(encoded(claims()))}.{signature}"


def with_part(index: int, change: Callable[[str], str]) -> str:
    parts = token("ec").split(".")
    parts[index] = change(parts[index])
    return ".".join(parts)


def payload(text: str) -> str:
    """Really signed, whatever the text."""
    return signed({"alg": "ES256", "kid": "ec"}, text.encode(), KEYS["ec"])


def raw(**changes: str) -> str:
    """A really signed payload in which some values are other JSON texts than ``json`` would write."""
    good = {name: json.dumps(value) for name, value in claims().items()}
    return payload("{" + ",".join(f'"{name}":{text}' for name, text in {**good, **changes}.items()) + "}")


RSA = KEYS["rsa"]
SPKI = {"encoding": serialization.Encoding.DER, "format": serialization.PublicFormat.SubjectPublicKeyInfo}
NOW = int(time.time())
JSON_CLAIMS = json.dumps(claims())
GOOD = claims()

FORGED: dict[str, str] = {
    # Algorithms
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg nOnE": unsigned("nOnE"),
    "alg none with a signature": unsigned("none", b64(b"x" * 64)),
    "alg empty": unsigned("", b64(b"x" * 64)),
    "HS256 with the public key as PEM": hmac_signed(RSA.as_pem(private=False)),
    "HS256 with the public key as PEM, stripped": hmac_signed(RSA.as_pem(private=False).strip()),
    "HS256 with the public key as DER": hmac_signed(RSA.public_key.public_bytes(**SPKI)),
    "HS256 with the public key as JWK": hmac_signed(json.dumps(RSA.as_dict(private=False)).encode()),
    "HS256 with the whole key set": hmac_signed(json.dumps(tokens.jwks()).encode()),
    "HS256 with an empty secret": hmac_signed(b""),
    "HS512 by name": hmac_signed(RSA.as_pem(private=False), "HS512"),
    "RS256 in the header, signed by the EC key": with_part(0, lambda _: b64(json.dumps({"alg": "RS256", "kid": "ec"}))),
    "ES256 in the header, the RSA key's id": token("ec", header={"kid": "rsa"}),
    "RS256, the EC key's id": token("rsa", header={"kid": "ec"}),
    "PS256, which is not configured": token("rsa", header={"alg": "PS256"}),
    "RS512, which is not configured": token("rsa", header={"alg": "RS512"}),
    "alg as a list": with_part(0, lambda _: b64(json.dumps({"alg": ["ES256"], "kid": "ec"}))),
    "alg as null": with_part(0, lambda _: b64(json.dumps({"alg": None, "kid": "ec"}))),
    "no alg": with_part(0, lambda _: b64(json.dumps({"kid": "ec"}))),
    # Keys
    "another RSA key under our key id": token("rsa", keys=STRANGER),
    "another EC key under our key id": token("ec", keys=STRANGER),
    "another Ed25519 key under our key id": token("okp", keys=STRANGER),
    "its own key in jwk": token("ec", keys=STRANGER, header={"jwk": STRANGER["ec"].as_dict(private=False)}),
    "its own keys behind jku": token("ec", keys=STRANGER, header={"jku": "https://evil.example/jwks.json"}),
    "its own keys behind x5u": token("ec", keys=STRANGER, header={"x5u": "https://evil.example/chain.pem"}),
    "its own certificate in x5c": token("ec", keys=STRANGER, header={"x5c": ["MIIB"]}),
    "an unknown kid": token("ec", header={"kid": "unknown"}),
    "kid as a path": token("ec", header={"kid": "../../../../dev/null"}),
    "kid as SQL": token("ec", header={"kid": "' UNION SELECT 'key' -- "}),
    "kid as a shell": token("ec", header={"kid": "$(touch /tmp/x)|x"}),
    "kid empty": token("ec", header={"kid": ""}),
    "kid as a number": with_part(0, lambda _: b64(json.dumps({"alg": "ES256", "kid": 1}))),
    "kid as a list": with_part(0, lambda _: b64(json.dumps({"alg": "ES256", "kid": ["ec"]}))),
    # Signatures and form
    "empty signature": with_part(2, lambda _: ""),
    "signature cut": with_part(2, lambda text: text[:-4]),
    "signature with one bit turned": with_part(2, lambda text: ("A" if text[0] != "A" else "B") + text[1:]),
    "signature of zeros": with_part(2, lambda _: b64(b"\0" * 64)),
    "signature of another token": with_part(2, lambda _: token("ec", sub="bob").split(".")[2]),
    "claims exchanged": with_part(1, lambda _: b64(encoded(claims(scope="book:*:admin", sub="root")))),
    "two parts": ".".join(token("ec").split(".")[:2]),
    "four parts": token("ec") + ".x",
    "five parts, as if encrypted": ".".join([*token("ec").split("."), "x", "y"]),
    "padding": with_part(1, lambda text: text + "="),
    "standard base64": with_part(1, lambda text: text[:-1] + "/"),
    "a space within": with_part(1, lambda text: text[:5] + " " + text[5:]),
    "not base64": "a.b.c",
    "no token at all": "null",
    "header is no object": with_part(0, lambda _: b64("[]")),
    "claims are no object": payload("[]"),
    "claims are text": payload('"x"'),
    "claims are no JSON": payload("{"),
    "claims are not UTF-8": signed({"alg": "ES256", "kid": "ec"}, b'{"sub":"\xff"}', KEYS["ec"]),
    "claims nested without end": payload("[" * 2500 + "]" * 2500),
    "longer than 8 KiB": token("ec", padding="x" * 8192),
    "critical extension": token("ec", header={"crit": ["exp"], "exp": 1}),
    "critical b64": token("ec", header={"crit": ["b64"], "b64": True}),
    "crit empty": token("ec", header={"crit": []}),
    "typ of an encrypted token": token("ec", header={"typ": "JWE"}),
    "typ of a proof of possession": token("ec", header={"typ": "dpop+jwt"}),
    "typ of a logout token": token("ec", header={"typ": "logout+jwt"}),
    # Names twice
    "sub twice": payload(JSON_CLAIMS[:-1] + ', "sub": "root"}'),
    "aud twice": payload(JSON_CLAIMS[:-1] + f', "aud": "{AUDIENCE}"}}'),
    "alg twice": with_part(0, lambda _: b64('{"alg":"none","alg":"ES256","kid":"ec"}')),
    # Audiences
    "another audience": token("ec", aud="https://other.example/mcp"),
    "a prefix of the audience": token("ec", aud=AUDIENCE[:-1]),
    "the audience and more": token("ec", aud=AUDIENCE + "x"),
    "the audience with a slash": token("ec", aud=AUDIENCE + "/"),
    "the audience in capitals": token("ec", aud=AUDIENCE.upper()),
    "the audience among others": token("ec", aud=[AUDIENCE, "https://other.example"]),
    "the audience in a list": token("ec", aud=[AUDIENCE]),
    "the audience as a key": token("ec", aud={AUDIENCE: True}),
    "no audience": token("ec", aud=MISSING),
    "audience empty": token("ec", aud=""),
    "audience null": token("ec", aud=None),
    # Issuer
    "another issuer": token("ec", iss="https://evil.example"),
    "a prefix of the issuer": token("ec", iss=ISSUER[:-1]),
    "the issuer and more": token("ec", iss=ISSUER + ".evil.example"),
    "the issuer with a slash": token("ec", iss=ISSUER + "/"),
    "the issuer in a list": token("ec", iss=[ISSUER]),
    "no issuer": token("ec", iss=MISSING),
    # Times
    "expired": token("ec", iat=NOW - 7200, exp=NOW - 3600),
    "expired a second ago": token("ec", exp=NOW - 1),
    "no exp": token("ec", exp=MISSING),
    "exp as text": token("ec", exp=str(NOW + 600)),
    "exp as true": token("ec", exp=True),
    "exp as null": token("ec", exp=None),
    "exp as a list": token("ec", exp=[NOW + 600]),
    "exp as 1e309": raw(exp="1e309"),
    "exp as Infinity": raw(exp="Infinity"),
    "exp as NaN": raw(exp="NaN"),
    "exp as a number of 400 digits": raw(exp="9" * 400),
    "exp as a number of 5000 digits": raw(exp="9" * 5000),
    "exp negative": raw(exp="-1"),
    "no iat": token("ec", iat=MISSING),
    "iat in the future": token("ec", iat=NOW + 3600),
    "iat as text": token("ec", iat="now"),
    "nbf in the future": token("ec", nbf=NOW + 3600),
    "nbf as text": token("ec", nbf="soon"),
    # Subjects
    "no sub": token("ec", sub=MISSING),
    "sub empty": token("ec", sub=""),
    "sub of spaces": token("ec", sub="  "),
    "sub with a space at its end": token("ec", sub="alice "),
    "sub as a number": token("ec", sub=1),
    "sub as a list": token("ec", sub=["alice"]),
    "sub is the base": token("ec", sub="__base__"),
    "sub is the base, folded": token("ec", sub="__BASE__"),
    "sub is system": token("ec", sub="system"),
    "sub is system in full width": token("ec", sub="ｓystem"),
    "sub is the local user": token("ec", sub="local"),
    "sub with a line break": token("ec", sub="alice\nroot"),
    "sub with NUL": token("ec", sub="alice\x00"),
    "sub with a lone surrogate": raw(sub='"\\ud800"'),
    "sub without end": token("ec", sub="a" * 256),
    "agent as a number": token("ec", agent_id=7),
}  # fmt: skip

HONEST: dict[str, str] = {
    "RS256": token("rsa"),
    "ES256": token("ec"),
    "EdDSA": token("okp"),
    "Ed25519": token("okp", header={"alg": "Ed25519"}),
    "typ JWT": token("ec", header={"typ": "JWT"}),
    "typ at+jwt": token("ec", header={"typ": "at+jwt"}),
    "no kid, one key for the algorithm": signed({"alg": "ES256"}, encoded(claims()), KEYS["ec"]),
    # Ignored, not believed: the key is ours and no address is asked.
    "jku": token("ec", header={"jku": "https://evil.example/jwks.json"}),
    "x5u": token("ec", header={"x5u": "https://evil.example/chain.pem"}),
    "jwk": token("ec", header={"jwk": STRANGER["ec"].as_dict(private=False)}),
    "issuer's clock ahead of ours": token("ec", iat=NOW + 20),
    "exp as a fraction": token("ec", exp=NOW + 600.5),
}


async def asked(client: Any, text: str, which: str) -> Any:
    """One of the three doors, with this token."""
    headers = bearer(text)
    if which == "mcp":
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        return await client.post("/mcp", json=call, headers=headers)
    if which == "read":
        return await client.get(f"/books/bk/files/{PATH}", headers=headers)
    return await client.put(f"/books/bk/blobs/{DIGEST}", content=b"forged", headers=headers)


def test_S10_there_are_at_least_sixty_forgeries() -> None:
    assert len(FORGED) >= 60
    assert len(set(FORGED.values())) == len(FORGED)


@pytest.mark.anyio
@pytest.mark.parametrize("name", FORGED, ids=str)
async def test_S10_S3_a_forged_token_opens_no_door(client: Any, name: str) -> None:
    for which in ("mcp", "read", "write"):
        answer = await asked(client, FORGED[name], which)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHENTICATED"), which
        assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token", resource_metadata="http')
        # The answer repeats neither the token nor anything it says.
        assert FORGED[name] not in answer.text
        assert "evil.example" not in answer.text


@pytest.mark.anyio
@pytest.mark.parametrize("name", HONEST, ids=str)
async def test_S10_an_honest_token_opens_every_door(client: Any, name: str) -> None:
    expected = {"mcp": 200, "read": 404, "write": 201}
    for which, status in expected.items():
        assert (await asked(client, HONEST[name], which)).status_code == status, which


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], False),
        ([("Authorization", "{}")], False),
        ([("Authorization", "Basic {}")], False),
        ([("Authorization", "Bearer")], False),
        ([("Authorization", "Bearer ")], False),
        ([("Authorization", "Bearer {} {}")], False),
        ([("Authorization", "Bearer {}"), ("Authorization", "Bearer {}")], False),
        ([("X-Authorization", "Bearer {}")], False),
        ([("Cookie", "token={}")], False),
        ([("Authorization", "bearer {}")], True),
        ([("authorization", "BEARER {}")], True),
    ],
    ids=str,
)
async def test_a_token_counts_in_the_one_authorization_header_only(
    client: Any, headers: list[tuple[str, str]], found: bool
) -> None:
    sent = [(name, value.replace("{}", HONEST["ES256"])) for name, value in headers]
    answer = await client.get(f"/books/bk/files/{PATH}", headers=sent)
    assert answer.status_code == (404 if found else 401)


@pytest.mark.anyio
async def test_a_token_in_the_url_or_the_body_is_no_token(client: Any) -> None:
    text = HONEST["ES256"]
    assert (await client.get(f"/books/bk/files/{PATH}?access_token={text}")).status_code == 401
    assert (await client.post("/mcp", data={"access_token": text})).status_code == 401


@pytest.mark.anyio
async def test_S2_a_session_id_is_no_authentication(client: Any) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    for session in ("1", "0" * 32, "alice"):
        headers = {"Mcp-Session-Id": session}
        assert (await client.post("/mcp", json=call, headers=headers)).status_code == 401
    # A session of one caller with the token of another: the token alone says who asks.
    first = await client.post("/mcp", json=call, headers=bearer(token(sub="a", scope="book:*:admin")))
    assert "mcp-session-id" not in first.headers
    second = await client.post(
        "/mcp", json=call, headers={**bearer(token(sub="b", scope="")), "Mcp-Session-Id": "of-a"}
    )
    assert second.json()["result"]["tools"] == []


@pytest.mark.anyio
async def test_S27_secrets_are_in_no_answer_and_no_log(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "canary-7b1f"
    for text in (
        token(sub=canary, aud=canary, iss=canary),
        token(keys=STRANGER, sub=canary, header={"kid": canary}),
        token(sub=canary, scope=canary, agent_id="x" * 300),
        token(sub=canary, exp=1),
        canary,
    ):
        for which in ("mcp", "read", "write"):
            answer = await asked(client, text, which)
            assert canary not in answer.text + str(answer.headers)
            assert text not in answer.text
            for part in text.split("."):
                assert part not in caplog.text
    assert canary not in caplog.text

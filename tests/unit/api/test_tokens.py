"""Key sets turned into verifiers, tokens into principals, and the local keys of ``panaversity-fs token`` (S3, S10)."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from panaversity_fs.api.auth import Principal
from panaversity_fs.api.auth_access import access_of
from panaversity_fs.api.auth_local_keys import LocalKeys, Wanted, sign
from panaversity_fs.api.auth_tokens import verifiers
from panaversity_fs.cli import cli
from panaversity_fs.config import GITHUB_ISSUER, Settings
from panaversity_fs.core.errors import ConfigInvalid, InvalidArgument, Unauthenticated
from support import tokens
from support.tokens import KEYS, b64, token

ALGORITHMS = ("RS256", "ES256", "EdDSA", "Ed25519")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def kept(*keys: object, algorithms: tuple[str, ...] = ALGORITHMS) -> set[tuple[str | None, str]]:
    return set(verifiers(json.dumps({"keys": keys}).encode(), "i", "a", algorithms))


def public(kind: str, **changes: Any) -> dict[str, Any]:
    return {**KEYS[kind].as_dict(private=False), "kid": kind, **changes}


def test_S10_a_key_serves_only_the_algorithms_that_fit_it_and_are_configured() -> None:
    assert kept(*(public(kind) for kind in KEYS)) == {
        ("rsa", "RS256"), ("ec", "ES256"), ("okp", "EdDSA"), ("okp", "Ed25519"),
    }  # fmt: skip
    assert kept(public("rsa"), algorithms=("RS256", "PS512", "ES384")) == {("rsa", "RS256"), ("rsa", "PS512")}
    assert kept(public("rsa", alg="RS256"), algorithms=("RS256", "PS512")) == {("rsa", "RS256")}
    assert kept(public("ec", kid=7)) == {(None, "ES256")}


@pytest.mark.parametrize(
    "key",
    [
        public("rsa", use="enc"),
        public("rsa", key_ops=["encrypt"]),
        public("rsa", alg="RS512"),
        public("rsa", alg="HS256"),
        public("ec", crv="P-521"),
        public("ec", crv=None),
        public("okp", crv="X25519"),
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0", "alg": "RS256"},
        {"kty": "RSA", "n": b64(b"\0" * 128 + b"\xff" * 128), "e": "AQAB"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        {},
        "key",
        None,
    ],
    ids=map(str, range(16)),  # numbers: keys are drawn anew in every process, and workers compare names
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # we refuse, the library only warns
def test_S10_a_key_that_is_not_for_us_is_left_out_and_takes_no_other_with_it(key: object) -> None:
    assert kept(key, public("okp"), key) == {("okp", "EdDSA"), ("okp", "Ed25519")}
    with pytest.raises(ValueError, match="no key that fits"):
        kept(key)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b"\xff", b"<html>"])
def test_what_is_no_key_set_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        verifiers(text, "i", "a", ALGORITHMS)


def test_a_private_key_in_the_set_is_used_as_a_public_one() -> None:
    (verifier,) = verifiers(
        json.dumps({"keys": [KEYS["ec"].as_dict(private=True)]}).encode(), "i", "a", ALGORITHMS
    ).values()
    assert "PRIVATE" not in str(verifier.public_key)


def settings(folder: Path, **more: str) -> Settings:
    return Settings.read({**tokens.environment(folder), **more})


async def principal(settings: Settings, text: str) -> Principal:
    judge = access_of(settings).judge
    assert judge is not None
    return await judge.principal(text)


@pytest.mark.anyio
async def test_S12_a_principal_is_the_tokens_subject_with_its_agent_and_scopes(tmp_path: Path) -> None:
    read = settings(tmp_path)
    found = await principal(read, token(sub="alice", scope="book:one:read openid", agent_id="bot"))
    assert (found.subject, found.agent, found.grants.scopes) == ("alice", "bot", {"book:one:read"})
    assert (await principal(read, token(azp="app", agent_id="bot"))).agent == "bot"
    assert (await principal(read, token(azp="app", client_id="client"))).agent == "client"
    assert (await principal(read, token())).agent == "alice"


RULES = json.dumps([{"repository": "org/book", "ref": "refs/heads/main", "scopes": ["book:one:write"]}])
WORKFLOW = {"repository": "org/book", "ref": "refs/heads/main", "sub": "repo:org/book:ref:refs/heads/main"}


@pytest.mark.anyio
async def test_a_github_token_has_the_scopes_of_the_rules_and_a_subject_of_its_own(tmp_path: Path) -> None:
    read = settings(tmp_path, PANAVERSITY_AUTH_ISSUER=GITHUB_ISSUER, PANAVERSITY_AUTH_GITHUB=RULES)
    found = await principal(read, token("rsa", iss=GITHUB_ISSUER, scope="book:*:admin", **WORKFLOW))
    assert found.subject == "github:repo:org/book:ref:refs/heads/main"
    assert found.grants.scopes == {"book:one:write"}
    fork = await principal(read, token("rsa", iss=GITHUB_ISSUER, **{**WORKFLOW, "repository": "evil/book"}))
    assert fork.grants.scopes == set()
    # A workflow that spells a person's name is not that person.
    assert (await principal(read, token("rsa", iss=GITHUB_ISSUER, **{**WORKFLOW, "sub": "alice"}))).subject != "alice"
    with pytest.raises(Unauthenticated):  # with its prefix it is longer than what is kept of a subject
        await principal(read, token("rsa", iss=GITHUB_ISSUER, **{**WORKFLOW, "sub": "s" * 250}))


@pytest.mark.anyio
async def test_github_beside_another_issuer_is_judged_by_githubs_keys_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from panaversity_fs.api import auth_access

    asked: list[str] = []

    def fetched(url: str, _: object) -> Any:
        async def load() -> bytes:
            asked.append(url)
            return json.dumps(tokens.jwks(tokens.STRANGER)).encode()

        return load

    monkeypatch.setattr(auth_access, "from_url", fetched)
    read = settings(tmp_path, PANAVERSITY_AUTH_GITHUB=RULES)
    judge = access_of(read).judge
    assert judge is not None
    theirs = await judge.principal(token("rsa", keys=tokens.STRANGER, iss=GITHUB_ISSUER, **WORKFLOW))
    assert theirs.grants.scopes == {"book:one:write"}
    assert asked == ["https://token.actions.githubusercontent.com/.well-known/jwks"]
    assert (await judge.principal(token())).subject == "alice"
    for forged in (
        token("rsa", iss=GITHUB_ISSUER, **WORKFLOW),  # signed by the other issuer
        token("rsa", keys=tokens.STRANGER),  # signed by GitHub in the other issuer's name
    ):
        with pytest.raises(Unauthenticated):
            await judge.principal(forged)


@pytest.mark.parametrize(
    "rules",
    ["{}x", "7", '["x"]', '[{"repository":"org/book"}]', '[{"repository":"org","ref":"x","scopes":["book:one:read"]}]',
     '[{"repository":"org/book","ref":"x","scopes":[]}]',
     '[{"repository":"org/book","ref":"","scopes":["book:a1:read"]}]',
     '[{"repository":"org/book","ref":"x","scopes":["everything"]}]',
     '[{"repository":"org/book","ref":"x","scopes":["book:a1:read"],"branch":"x"}]'],
)  # fmt: skip
def test_rules_that_are_none_are_refused_at_the_start(tmp_path: Path, rules: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        access_of(settings(tmp_path, PANAVERSITY_AUTH_GITHUB=rules))
    assert refused.value.details["key"] == "PANAVERSITY_AUTH_GITHUB"


@pytest.mark.parametrize("text", ["", "{}", '{"keys":[]}', "-----BEGIN PUBLIC KEY-----"])
def test_a_key_file_nobody_could_log_in_with_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    environment = tokens.environment(tmp_path)
    (tmp_path / "jwks.json").write_text(text)
    with pytest.raises(ConfigInvalid) as refused:
        access_of(Settings.read(environment))
    assert refused.value.exit_status == 15
    (tmp_path / "jwks.json").unlink()
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        access_of(Settings.read(environment))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def command(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["token", *arguments])


@pytest.mark.anyio
async def test_the_token_command_makes_keys_once_and_tokens_the_server_takes(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = command("--keys", str(folder), "--subject", "alice", "--scope", "book:one:read", "--scope", "overlay:admin")
    assert first.exit_code == 0, first.output
    assert {p.name: mode(p) for p in folder.iterdir()} == {"private.json": 0o600, "jwks.json": 0o600}
    assert mode(folder) == 0o700
    assert "d" not in json.loads((folder / "jwks.json").read_text())["keys"][0]
    told = dict(line.split("=", 1) for line in first.stderr.splitlines())
    text = first.stdout.strip()
    assert first.stdout == text + "\n"
    found = await principal(Settings.read(told), text)
    assert (found.subject, found.grants.scopes) == ("alice", {"book:one:read", "overlay:admin"})
    before = (folder / "private.json").read_bytes()
    second = command("--keys", str(folder), "--subject", "bob", "--hours", "0.5", "--agent", "bot")
    assert (folder / "private.json").read_bytes() == before
    found = await principal(Settings.read(told), second.stdout.strip())
    assert (found.subject, found.agent, found.grants.scopes) == ("bob", "bot", set())


@pytest.mark.anyio
async def test_a_key_may_be_named_by_its_file(tmp_path: Path) -> None:
    command("--keys", str(tmp_path / "k"), "--subject", "alice")
    again = command("--keys", str(tmp_path / "k" / "private.json"), "--subject", "bob")
    told = dict(line.split("=", 1) for line in again.stderr.splitlines())
    assert told["PANAVERSITY_AUTH_JWKS_FILE"] == str(tmp_path / "k" / "jwks.json")
    assert (await principal(Settings.read(told), again.stdout.strip())).subject == "bob"


def test_keys_that_others_can_read_or_that_are_none_are_refused_untold(tmp_path: Path) -> None:
    keys = LocalKeys.at(str(tmp_path))
    keys.ensure()
    os.chmod(keys.private, 0o644)
    with pytest.raises(ConfigInvalid, match="may be read by others"):
        keys.ensure()
    os.chmod(keys.private, 0o600)
    for text in ("canary", "{}", json.dumps(KEYS["rsa"].as_dict(private=True))):
        Path(keys.private).write_text(text)
        with pytest.raises(ConfigInvalid, match="is not a private key") as refused:
            keys.ensure()
        assert text not in str(refused.value)


@pytest.mark.parametrize(
    ("scopes", "hours"),
    [(["book:one:owner"], 1), (["everything"], 1), ([], 0), ([], -1), ([], float("nan")), ([], 1e9)],
)
def test_a_token_without_sense_is_not_signed(tmp_path: Path, scopes: list[str], hours: float) -> None:
    key = LocalKeys.at(str(tmp_path)).ensure()
    with pytest.raises(InvalidArgument):
        sign(key, Wanted("i", "a", "alice", scopes, hours), 0)

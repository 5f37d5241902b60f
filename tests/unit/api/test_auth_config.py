"""Settings of authentication: all of it or none, and never a server that is less protected than it was told to be."""

import itertools
import json

import pytest

from panaversity_fs.config import Settings
from panaversity_fs.core.errors import ConfigInvalid

ISSUER, AUDIENCE = "PANAVERSITY_AUTH_ISSUER", "PANAVERSITY_AUTH_AUDIENCE"
URL, FILE = "PANAVERSITY_AUTH_JWKS_URL", "PANAVERSITY_AUTH_JWKS_FILE"
RULES, ALGORITHMS = "PANAVERSITY_AUTH_GITHUB", "PANAVERSITY_AUTH_ALGORITHMS"
WHOLE = {ISSUER: "https://issuer.example", AUDIENCE: "books", URL: "https://issuer.example/jwks.json"}
RULE = json.dumps([{"repository": "org/book", "ref": "refs/heads/*", "scopes": ["book:one:read"]}])


def refused(environment: dict[str, str], **flags: object) -> ConfigInvalid:
    with pytest.raises(ConfigInvalid) as caught:
        Settings.read(environment, **flags)
    assert caught.value.exit_status == 15
    return caught.value


def test_nothing_set_is_off_and_everything_set_is_on() -> None:
    assert Settings.read({}).auth_on is False
    assert Settings.read(WHOLE).auth_on is True
    assert Settings.read({ISSUER: "i", AUDIENCE: "a", FILE: "/keys.json"}).auth_on is True
    assert Settings.read(WHOLE).auth_algorithms == ("RS256", "ES256", "EdDSA", "Ed25519")


def test_every_part_of_a_configuration_alone_is_refused() -> None:
    """All 30 incomplete choices of these five settings."""
    parts = {ISSUER: "i", AUDIENCE: "a", FILE: "/keys.json", RULES: RULE, ALGORITHMS: "RS256"}
    count = 0
    for size in range(1, len(parts)):
        for names in itertools.combinations(parts, size):
            if {ISSUER, AUDIENCE, FILE} <= set(names):
                continue
            error = refused({name: parts[name] for name in names})
            assert error.details["key"].startswith("PANAVERSITY_AUTH_"), names
            assert error.details["key"] not in names
            count += 1
    assert count == 27


def test_an_empty_variable_counts_as_unset_and_so_as_missing() -> None:
    assert refused({**WHOLE, AUDIENCE: ""}).details["key"] == AUDIENCE


def test_two_places_for_keys_are_one_too_many() -> None:
    assert refused({**WHOLE, FILE: "/keys.json"}).details["key"] == FILE


@pytest.mark.parametrize("name", ["PANAVERSITY_AUTH_ISSUERS", "PANAVERSITY_AUTH_JWKS", "PANAVERSITY_AUTH_X"])
def test_a_misspelt_setting_is_refused_and_not_ignored(name: str) -> None:
    assert refused({**WHOLE, name: "x"}).details["key"] == name
    assert refused({name: "x"}).details["key"] == name


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://issuer.example/jwks.json", True),
        ("https://issuer.example:8443/keys?x=1", True),
        ("http://127.0.0.1:9000/jwks.json", True),
        ("http://localhost/jwks.json", True),
        ("http://[::1]:9000/jwks.json", True),
        ("http://issuer.example/jwks.json", False),
        ("http://127.0.0.1.evil.example/jwks.json", False),
        ("http://localhost@evil.example/jwks.json", False),
        ("https://user:password@issuer.example/", False),
        ("https:///jwks.json", False),
        ("https://issuer.example:0/", False),
        ("https://issuer.example:99999/", False),
        ("file:///etc/passwd", False),
        ("ftp://issuer.example/", False),
        ("issuer.example/jwks.json", False),
        ("https://[::1/", False),
    ],
)
def test_S11_keys_come_over_https_or_from_this_machine(url: str, fine: bool) -> None:
    if fine:
        assert Settings.read({**WHOLE, URL: url}).auth_jwks_url == url
    else:
        error = refused({**WHOLE, URL: url})
        assert error.details["key"] == URL
        assert url not in str(error)


@pytest.mark.parametrize("algorithms", ["none", "HS256", "RS256,HS256", "RS256 ES256", "rs256", ",", "RS256,none"])
def test_S10_only_asymmetric_algorithms_can_be_configured(algorithms: str) -> None:
    assert refused({**WHOLE, ALGORITHMS: algorithms}).details["key"] == ALGORITHMS


def test_algorithms_are_read_as_a_list() -> None:
    assert Settings.read({**WHOLE, ALGORITHMS: "RS256, PS512"}).auth_algorithms == ("RS256", "PS512")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "books.example"])
def test_S1_another_machine_is_listened_to_only_with_authentication(host: str) -> None:
    assert refused({}, host=host).details == {
        "key": "PANAVERSITY_SERVER_HOST", "origin": "flag",
        "reason": "is not a loopback address, and without authentication the server listens on those only",
    }  # fmt: skip
    assert refused({"PANAVERSITY_SERVER_HOST": host}).details["origin"] == "environment"
    assert Settings.read(WHOLE, host=host).host == host
    assert Settings.read({**WHOLE, "PANAVERSITY_SERVER_HOST": host}).host == host


def test_rules_are_read() -> None:
    (rule,) = Settings.read({**WHOLE, RULES: RULE}).auth_github
    assert (rule.repository, rule.ref, rule.scopes) == ("org/book", "refs/heads/*", ("book:one:read",))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PANAVERSITY_LIMIT_REQUESTS_PER_SECOND", "-1"),
        ("PANAVERSITY_LIMIT_REQUESTS_PER_SECOND", "inf"),
        ("PANAVERSITY_LIMIT_REQUESTS_PER_SECOND", "many"),
        ("PANAVERSITY_LIMIT_BURST", "0"),
        ("PANAVERSITY_LIMIT_CONCURRENT", "-1"),
        ("PANAVERSITY_LIMIT_UPLOAD_BYTES_PER_SECOND", "x"),
    ],
)
def test_S22_a_limit_that_is_none_is_refused(name: str, value: str) -> None:
    assert refused({name: value}).details["key"] == name

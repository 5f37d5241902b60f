"""Settings: names, defaults, and what a wrong value is told."""

import pytest
from pydantic import ValidationError

from panaversity_fs.config import Settings, is_loopback
from panaversity_fs.core.errors import ConfigInvalid


def test_FR_029_the_defaults_are_those_of_the_table() -> None:
    settings = Settings.read({})
    assert settings.database_url == "sqlite+aiosqlite:///./panaversity_fs.db"
    assert (settings.host, settings.port, settings.storage_backend) == ("127.0.0.1", 8000, "fs")
    assert (settings.agent_id, settings.public_url, settings.allowed_hosts) == (None, None, ())
    assert settings.refuses_writes is False


def test_every_variable_reaches_its_field_and_an_empty_one_counts_as_unset() -> None:
    settings = Settings.read({
        "DATABASE_URL": "sqlite+aiosqlite:////srv/x.db", "PANAVERSITY_STORAGE_ROOT": "/srv",
        "PANAVERSITY_SERVER_PORT": "9",
        "PANAVERSITY_SERVER_HOST": "::1", "PANAVERSITY_PUBLIC_URL": "https://x.example", "PANAVERSITY_AGENT_ID": "me",
        "PANAVERSITY_ALLOWED_HOSTS": "A.example, b.example:1,", "PANAVERSITYFS_READ_ONLY": "", "UNRELATED": "x",
    })  # fmt: skip
    assert (settings.database_url, settings.storage_root, settings.port) == ("sqlite+aiosqlite:////srv/x.db", "/srv", 9)
    assert (settings.host, settings.public_url, settings.agent_id) == ("::1", "https://x.example", "me")
    assert settings.allowed_hosts == ("a.example", "b.example:1")
    assert settings.read_only is False


def test_a_flag_wins_over_the_environment() -> None:
    assert Settings.read({"PANAVERSITY_SERVER_PORT": "9"}, port=0, host=None).port == 0


def test_the_local_profile_ignores_database_and_storage() -> None:
    stray = {"DATABASE_URL": "mysql://x", "PANAVERSITY_STORAGE_BACKEND": "s3", "PANAVERSITY_S3_BUCKET": "b"}
    settings = Settings.read(stray, store="/srv/store")
    assert settings.database_url == "sqlite+aiosqlite:////srv/store/panaversity_fs.db"
    assert settings.storage_root == "/srv/store"


@pytest.mark.parametrize("switch", [{"PANAVERSITYFS_READ_ONLY": "true"}, {"PANAVERSITYFS_JOURNAL_ENABLED": "false"}])
def test_S17_both_switches_mean_read_only(switch: dict[str, str]) -> None:
    assert Settings.read(switch).refuses_writes is True


@pytest.mark.parametrize(
    ("environment", "key", "reason"),
    [
        ({"PANAVERSITY_SERVER_PORT": "x"}, "PANAVERSITY_SERVER_PORT", "is not a number"),
        ({"PANAVERSITY_SERVER_PORT": "-1"}, "PANAVERSITY_SERVER_PORT", "is less than 0"),
        ({"PANAVERSITY_SERVER_HOST": "books.example"}, "PANAVERSITY_SERVER_HOST", "not a loopback address"),
        ({"PANAVERSITY_PUBLIC_URL": "books.example"}, "PANAVERSITY_PUBLIC_URL", "does not begin with http"),
        ({"PANAVERSITY_STORAGE_BACKEND": "ftp"}, "PANAVERSITY_STORAGE_BACKEND", "is neither fs nor s3"),
        ({"DATABASE_URL": "postgresql://u:secret@h/d"}, "DATABASE_URL", "names PostgreSQL but does not begin"),
        ({"DATABASE_URL": "sqlite:///secret.db"}, "DATABASE_URL", "does not begin with"),
        ({"PANAVERSITY_S3_SECRET_ACCESS_KEY": "secret"}, "PANAVERSITY_S3_SECRET_ACCESS_KEY", "is not s3"),
        ({"PANAVERSITY_AUTH_JWKS_URL": "https://secret"}, "PANAVERSITY_AUTH_ISSUER", "as a whole or not at all"),
        ({"PANAVERSITYFS_JOURNAL_ENABLED": "maybe"}, "PANAVERSITYFS_JOURNAL_ENABLED", "neither true nor false"),
    ],
    ids=str,
)
def test_P14_a_wrong_setting_is_named_with_its_reason_and_never_with_its_value(
    environment: dict[str, str], key: str, reason: str
) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        Settings.read(environment)
    assert refused.value.exit_status == 15
    assert refused.value.details["key"] == key
    assert refused.value.details["origin"] == "environment"
    assert reason in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_wrong_flag_is_blamed_on_the_flag() -> None:
    with pytest.raises(ConfigInvalid) as refused:
        Settings.read({}, host="0.0.0.0")
    assert refused.value.details["origin"] == "flag"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings.read({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("host", "own"),
    [("localhost", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("0.0.0.0", False), ("::", False),
     ("localhost.example", False), ("", False)],
)  # fmt: skip
def test_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) is own

"""The server's settings: read once from an environment that is handed in, judged, then frozen (DESIGN 10).

Knows variable names, defaults and what a wrong value is told; does not read ``os.environ`` and opens nothing.
"""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from panaversity_fs.core.errors import ConfigInvalid, PanaversityError

_LATER = {
    "PANAVERSITY_S3_": "object storage comes in a later version",
    "PANAVERSITY_AUTH_": "authentication comes in a later version, and the server will not run unprotected instead",
}
_IGNORED_WITH_STORE = ("DATABASE_URL", "PANAVERSITY_STORAGE_", "PANAVERSITY_S3_")


class Settings(BaseModel):
    """Everything the server can be told. Fields name their variable as alias; an empty variable counts as unset."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    database_url: Annotated[str, Field(alias="DATABASE_URL")] = "sqlite+aiosqlite:///./panaversity_fs.db"
    storage_backend: Annotated[str, Field(alias="PANAVERSITY_STORAGE_BACKEND")] = "fs"
    storage_root: Annotated[str, Field(alias="PANAVERSITY_STORAGE_ROOT")] = "./panaversity_store"
    host: Annotated[str, Field(alias="PANAVERSITY_SERVER_HOST")] = "127.0.0.1"
    port: Annotated[int, Field(alias="PANAVERSITY_SERVER_PORT", ge=0, le=65535)] = 8000
    public_url: Annotated[str | None, Field(alias="PANAVERSITY_PUBLIC_URL")] = None
    allowed_hosts: Annotated[tuple[str, ...], Field(alias="PANAVERSITY_ALLOWED_HOSTS")] = ()
    agent_id: Annotated[str | None, Field(alias="PANAVERSITY_AGENT_ID")] = None
    read_only: Annotated[bool, Field(alias="PANAVERSITYFS_READ_ONLY")] = False
    journal_enabled: Annotated[bool, Field(alias="PANAVERSITYFS_JOURNAL_ENABLED")] = True

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Names separated by commas, in lower case."""
        if not isinstance(value, str):
            return value
        return tuple(name.strip().lower() for name in value.split(",") if name.strip())

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value.startswith("postgresql"):
            raise ValueError("names PostgreSQL, which comes in a later version")
        if not value.startswith("sqlite+aiosqlite:///"):
            raise ValueError("does not begin with sqlite+aiosqlite:///")
        return value

    @field_validator("storage_backend")
    @classmethod
    def _known_backend(cls, value: str) -> str:
        if value == "s3":
            raise ValueError("names object storage, which comes in a later version")
        if value != "fs":
            raise ValueError("is neither fs nor s3")
        return value

    @field_validator("host")
    @classmethod
    def _loopback(cls, value: str) -> str:
        if not is_loopback(value):
            raise ValueError("is not a loopback address, and without authentication the server listens on those only")
        return value

    @field_validator("public_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("does not begin with http:// or https://")
        return value

    @field_validator("agent_id")
    @classmethod
    def _agent(cls, value: str | None) -> str | None:
        if value is not None and value.strip().casefold() == "system":
            raise ValueError("is 'system', which is no agent")
        return value

    @property
    def refuses_writes(self) -> bool:
        """Both switches mean the same: the journal cannot be turned off, only writing can (D11, S17)."""
        return self.read_only or not self.journal_enabled

    @classmethod
    def read(cls, environment: Mapping[str, str], *, store: str | None = None, **flags: Any) -> Self:
        """Settings from the environment, overridden by those ``flags`` (field names) that are not None.

        ``store`` is the folder of the local profile: SQLite and blobs lie in it, and what the environment says about
        database and storage is ignored. Raises ``ConfigInvalid`` naming the setting, never its value.
        """
        skipped = _IGNORED_WITH_STORE if store is not None else ()
        known = {k: v for k, v in environment.items() if v != "" and not k.startswith(skipped)}
        _refuse_unserved(known)
        values: dict[str, Any] = {k: v for k, v in known.items() if k in _ALIASES}
        if store is not None:
            flags |= {"database_url": f"sqlite+aiosqlite:///{store}/panaversity_fs.db", "storage_root": store}
        for name, value in flags.items():
            if value is not None:
                values[str(cls.model_fields[name].alias)] = value
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _refusal(error, flags) from None


_ALIASES = {str(field.alias) for field in Settings.model_fields.values()}


def is_loopback(host: str) -> bool:
    """True for localhost and the loopback addresses of both families."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _refuse_unserved(environment: Mapping[str, str]) -> None:
    for name in sorted(environment):
        for prefix, problem in _LATER.items():
            if name.startswith(prefix):
                raise _invalid(name, f"is set, but {problem}", "environment")


def _refusal(error: ValidationError, flags: Mapping[str, Any]) -> PanaversityError:
    finding = error.errors(include_url=False, include_input=False)[0]
    name = str(finding["loc"][0])
    reasons = {
        "bool_parsing": "is neither true nor false",
        "int_parsing": "is not a number",
        "less_than_equal": "is more than 65535",
        "greater_than_equal": "is less than 0",
        "value_error": str((finding.get("ctx") or {}).get("error", "is not valid")),
    }
    given = {str(Settings.model_fields[flag].alias) for flag, value in flags.items() if value is not None}
    return _invalid(name, reasons.get(finding["type"], "is not valid"), "flag" if name in given else "environment")


def _invalid(name: str, reason: str, origin: str) -> ConfigInvalid:
    return ConfigInvalid("serve", name, reason, "Correct or unset it", key=name, origin=origin, reason=reason)

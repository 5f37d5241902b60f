"""The server's settings: read once from an environment that is handed in, judged, then frozen (DESIGN 10).

Knows variable names, defaults and what a wrong value is told; does not read ``os.environ`` and opens nothing.
"""

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from panaversity_fs.core.errors import ConfigInvalid, PanaversityError
from panaversity_fs.database_url import SQLITE
from panaversity_fs.database_url import judge as judge_database

_S3 = "PANAVERSITY_S3_"
_AUTH = "PANAVERSITY_AUTH_"
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""What a token may be signed with at all. No HS*: with a published key set everybody knows the secret (S10)."""
_IGNORED_WITH_STORE = ("DATABASE_URL", "PANAVERSITY_STORAGE_", _S3)


class GithubRule(BaseModel):
    """Which scopes the workflows of one GitHub repository get on which refs (a glob over ``refs/heads/main`` …)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]
    ref: Annotated[str, Field(min_length=1, max_length=256)]
    scopes: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]


class Settings(BaseModel):
    """Everything the server can be told. Fields name their variable as alias; an empty variable counts as unset."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    database_url: Annotated[str, Field(alias="DATABASE_URL")] = f"{SQLITE}./panaversity_fs.db"
    storage_backend: Annotated[str, Field(alias="PANAVERSITY_STORAGE_BACKEND")] = "fs"
    storage_root: Annotated[str, Field(alias="PANAVERSITY_STORAGE_ROOT")] = "./panaversity_store"
    s3_bucket: Annotated[str | None, Field(alias="PANAVERSITY_S3_BUCKET")] = None
    s3_endpoint: Annotated[str | None, Field(alias="PANAVERSITY_S3_ENDPOINT")] = None
    s3_region: Annotated[str, Field(alias="PANAVERSITY_S3_REGION", pattern=r"^[a-z0-9-]{1,64}$")] = "us-east-1"
    s3_access_key_id: Annotated[str | None, Field(alias="PANAVERSITY_S3_ACCESS_KEY_ID")] = None
    s3_secret_access_key: Annotated[SecretStr | None, Field(alias="PANAVERSITY_S3_SECRET_ACCESS_KEY")] = None
    s3_prefix: Annotated[str, Field(alias="PANAVERSITY_S3_PREFIX")] = ""
    s3_conditional: Annotated[Literal["require", "lock"], Field(alias="PANAVERSITY_S3_CONDITIONAL")] = "require"
    s3_allow_http: Annotated[bool, Field(alias="PANAVERSITY_S3_ALLOW_HTTP")] = False
    s3_presign: Annotated[int, Field(alias="PANAVERSITY_S3_PRESIGN", ge=0)] = 0
    host: Annotated[str, Field(alias="PANAVERSITY_SERVER_HOST")] = "127.0.0.1"
    port: Annotated[int, Field(alias="PANAVERSITY_SERVER_PORT", ge=0, le=65535)] = 8000
    public_url: Annotated[str | None, Field(alias="PANAVERSITY_PUBLIC_URL")] = None
    allowed_hosts: Annotated[tuple[str, ...], Field(alias="PANAVERSITY_ALLOWED_HOSTS")] = ()
    agent_id: Annotated[str | None, Field(alias="PANAVERSITY_AGENT_ID")] = None
    archive_seconds: Annotated[float, Field(alias="PANAVERSITY_ARCHIVE_SECONDS", gt=0, allow_inf_nan=False)] = 60
    site_cache_bytes: Annotated[int, Field(alias="PANAVERSITY_SITE_CACHE_BYTES", ge=0)] = 2 * 1024**3
    site_cache_days: Annotated[float, Field(alias="PANAVERSITY_SITE_CACHE_DAYS", gt=0, le=3650)] = 14
    read_only: Annotated[bool, Field(alias="PANAVERSITYFS_READ_ONLY")] = False
    journal_enabled: Annotated[bool, Field(alias="PANAVERSITYFS_JOURNAL_ENABLED")] = True
    auth_issuer: Annotated[str | None, Field(alias="PANAVERSITY_AUTH_ISSUER")] = None
    auth_audience: Annotated[str | None, Field(alias="PANAVERSITY_AUTH_AUDIENCE")] = None
    auth_jwks_url: Annotated[str | None, Field(alias="PANAVERSITY_AUTH_JWKS_URL")] = None
    auth_jwks_file: Annotated[str | None, Field(alias="PANAVERSITY_AUTH_JWKS_FILE")] = None
    auth_algorithms: Annotated[tuple[str, ...], Field(alias="PANAVERSITY_AUTH_ALGORITHMS")] = (
        "RS256", "ES256", "EdDSA", "Ed25519",
    )  # fmt: skip
    auth_github: Annotated[tuple[GithubRule, ...], Field(alias="PANAVERSITY_AUTH_GITHUB")] = ()
    limit_rate: Annotated[float, Field(alias="PANAVERSITY_LIMIT_REQUESTS_PER_SECOND", ge=0, allow_inf_nan=False)] = 200
    limit_burst: Annotated[int, Field(alias="PANAVERSITY_LIMIT_BURST", ge=1)] = 2000
    limit_concurrent: Annotated[int, Field(alias="PANAVERSITY_LIMIT_CONCURRENT", ge=0)] = 64
    limit_upload_rate: Annotated[int, Field(alias="PANAVERSITY_LIMIT_UPLOAD_BYTES_PER_SECOND", ge=0)] = 1024
    limit_book_bytes: Annotated[int, Field(alias="PANAVERSITY_LIMIT_BOOK_BYTES", ge=0)] = 0
    limit_book_files: Annotated[int, Field(alias="PANAVERSITY_LIMIT_BOOK_FILES", ge=0)] = 0
    limit_books: Annotated[int, Field(alias="PANAVERSITY_LIMIT_BOOKS", ge=0)] = 0
    limit_failed_logins: Annotated[int, Field(alias="PANAVERSITY_LIMIT_FAILED_LOGINS_PER_MINUTE", ge=0)] = 60

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
        judge_database(value)
        return value

    @field_validator("storage_backend")
    @classmethod
    def _known_backend(cls, value: str) -> str:
        if value not in ("fs", "s3"):
            raise ValueError("is neither fs nor s3")
        return value

    @field_validator("s3_bucket")
    @classmethod
    def _bucket(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}", value):
            raise ValueError("is no name of a bucket")
        return value

    @field_validator("s3_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        value = value.strip("/")
        if value and not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*){0,7}", value):
            raise ValueError("is no prefix of letters, digits and ._- between slashes")
        return value

    @field_validator("auth_algorithms", mode="before")
    @classmethod
    def _split_algorithms(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @field_validator("auth_algorithms")
    @classmethod
    def _asymmetric(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not set(value) <= set(ALGORITHMS):
            raise ValueError(f"names another algorithm than {', '.join(ALGORITHMS)}")
        return value

    @field_validator("auth_jwks_url")
    @classmethod
    def _encrypted(cls, value: str | None) -> str | None:
        """Keys that travel in the clear are anybody's, but on this machine (S11)."""
        try:
            url = urlsplit(value or "https://unset")
            safe = url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or ""))
            named = bool(url.hostname) and url.username is None and (url.port is None or url.port > 0)
        except ValueError:
            safe = named = False
        if not (safe and named):
            raise ValueError("is no https:// URL without user names (http:// is for loopback addresses only)")
        return value

    @field_validator("auth_github", mode="before")
    @classmethod
    def _rules(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(json.loads(value))
        except (ValueError, TypeError, RecursionError):
            raise ValueError("is not a JSON list of rules") from None

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
    def auth_on(self) -> bool:
        """True when every request needs a token (half a configuration was refused by ``read``)."""
        return self.auth_issuer is not None

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
            flags |= {"database_url": f"{SQLITE}{store}/panaversity_fs.db", "storage_root": store}
        for name, value in flags.items():
            if value is not None:
                values[str(cls.model_fields[name].alias)] = value
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            raise _refusal(error, flags) from None
        _judge_auth(settings)
        _judge_storage(settings)
        if not settings.auth_on and not is_loopback(settings.host):
            reason = "is not a loopback address, and without authentication the server listens on those only"
            raise _invalid("PANAVERSITY_SERVER_HOST", reason, _origin("PANAVERSITY_SERVER_HOST", flags))
        return settings


_ENV = "environment"
_ALIASES = {str(field.alias) for field in Settings.model_fields.values()}


def is_loopback(host: str) -> bool:
    """True for localhost and the loopback addresses of both families."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _judge_auth(settings: Settings) -> None:
    """Half an authentication is none, and none must not be mistaken for one."""
    url, file = settings.auth_jwks_url, settings.auth_jwks_file
    given = {"ISSUER": settings.auth_issuer, "AUDIENCE": settings.auth_audience, "JWKS_URL or _JWKS_FILE": url or file}
    missing = [f"{_AUTH}{name}" for name, value in given.items() if value is None]
    chosen = settings.model_fields_set & {"auth_github", "auth_algorithms"}
    if missing and (chosen or len(missing) < len(given)):
        reason = "is not set, and authentication is configured as a whole or not at all"
        raise _invalid(missing[0], reason, _ENV)
    if url is not None and file is not None:
        raise _invalid(f"{_AUTH}JWKS_FILE", f"is set beside {_AUTH}JWKS_URL", _ENV)


def _judge_storage(settings: Settings) -> None:
    """A bucket is named as a whole or not at all; keys do not travel in the clear unless somebody says so."""
    given = {name for name in settings.model_fields_set if name.startswith("s3_")}
    if settings.storage_backend != "s3":
        for name in sorted(given):
            alias = str(Settings.model_fields[name].alias)
            raise _invalid(alias, "is set, but PANAVERSITY_STORAGE_BACKEND is not s3", _ENV)
        return
    for name in ("s3_bucket", "s3_access_key_id", "s3_secret_access_key"):
        if name not in given:
            alias = str(Settings.model_fields[name].alias)
            reason = "is not set, but PANAVERSITY_STORAGE_BACKEND is s3"
            raise ConfigInvalid("serve", alias, reason, "Set it", key=alias, origin=_ENV, reason=reason)
    if settings.s3_endpoint is not None:
        _judge_endpoint(settings.s3_endpoint, settings.s3_allow_http)


def _judge_endpoint(endpoint: str, http_everywhere: bool) -> None:
    name = f"{_S3}ENDPOINT"
    try:
        url = urlsplit(endpoint)
        plain = url.username is None and url.path in ("", "/") and not url.query and not url.fragment
        good = url.scheme in ("http", "https") and bool(url.hostname) and plain and (url.port is None or url.port > 0)
    except ValueError:
        good = False
    if not good:
        raise _invalid(name, "is no http:// or https:// URL of a host alone, without user, path or query", _ENV)
    if url.scheme == "http" and not (http_everywhere or is_loopback(url.hostname or "")):
        reason = f"is http:// to another machine, which anybody in between can read, and {_S3}ALLOW_HTTP is not true"
        raise _invalid(name, reason, _ENV)


def _refuse_unserved(environment: Mapping[str, str]) -> None:
    for name in sorted(environment):
        if name.startswith(_AUTH) and name not in _ALIASES:
            raise _invalid(name, "is no setting of this version, and the server will not run less protected", _ENV)
        if name.startswith(_S3) and name not in _ALIASES:
            raise _invalid(name, "is no setting of this version", _ENV)


def _refusal(error: ValidationError, flags: Mapping[str, Any]) -> PanaversityError:
    finding = error.errors(include_url=False, include_input=False)[0]
    name = str(finding["loc"][0])
    reasons = {
        "bool_parsing": "is neither true nor false",
        "int_parsing": "is not a number",
        "float_parsing": "is not a number",
        "finite_number": "is not a number",
        "greater_than": "is not more than {gt}",
        "less_than_equal": "is more than {le}",
        "greater_than_equal": "is less than {ge}",
        "literal_error": "is not {expected}",
        "string_pattern_mismatch": "has a form nobody expects",
        "value_error": str((finding.get("ctx") or {}).get("error", "is not valid")),
    }
    reason = reasons.get(finding["type"], "is not valid").format_map(finding.get("ctx") or {})
    return _invalid(name, reason, _origin(name, flags))


def _origin(name: str, flags: Mapping[str, Any]) -> str:
    given = {str(Settings.model_fields[flag].alias) for flag, value in flags.items() if value is not None}
    return "flag" if name in given else _ENV


def _invalid(name: str, reason: str, origin: str) -> ConfigInvalid:
    return ConfigInvalid("serve", name, reason, "Correct or unset it", key=name, origin=origin, reason=reason)

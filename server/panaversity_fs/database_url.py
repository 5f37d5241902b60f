"""What ``DATABASE_URL`` may say, judged before anything is opened (DESIGN 10).

    sqlite+aiosqlite:///FILE
    postgresql+asyncpg://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE&…

Parameters of PostgreSQL: ``host`` (a socket's folder, or a host), ``ssl`` or ``sslmode`` (libpq's words),
``statement_cache_size`` (0 behind a pooler that hands connections on after every transaction, PgBouncer's transaction
mode), ``application_name``. What is not said comes from ``PGHOST``, ``PGPASSWORD``, ``~/.pgpass``, … as everywhere.

Knows words; connects to nothing. No problem it states ever repeats what the URL holds.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

SQLITE = "sqlite+aiosqlite:///"
POSTGRES = "postgresql+asyncpg://"
_SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PARAMETERS = ("host", "ssl", "sslmode", "statement_cache_size", "application_name")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a PostgreSQL database is and who asks; None: as the environment says. The password is never shown."""

    database: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = None
    ssl: str | None = None
    pooled: bool = False
    """True behind a transaction pooler: no prepared statement outlives its transaction."""
    application_name: str = "panaversity-fs"

    def __repr__(self) -> str:
        return f"Target({self.place})"

    @property
    def place(self) -> str:
        """The address for people: host, port, database."""
        port = "" if self.port is None else f":{self.port}"
        return f"{self.host or 'default host'}{port}/{self.database}"


def is_postgres(url: str) -> bool:
    """Whether the URL names PostgreSQL, the database that several processes write to."""
    return url.startswith(POSTGRES)


def judge(url: str) -> None:
    """Raise ``ValueError`` saying what is wrong with a database URL, in words that fit behind its name."""
    if is_postgres(url):
        target_of(url)
    elif url.startswith(("postgres:", "postgresql:", "postgresql+")):
        raise ValueError(f"names PostgreSQL but does not begin with {POSTGRES}")
    elif not url.startswith(SQLITE):
        raise ValueError(f"does not begin with {SQLITE} or {POSTGRES}")


def target_of(url: str) -> Target:
    """What a PostgreSQL URL says. Raises ``ValueError``."""
    try:
        parts = urlsplit(url)
        port = parts.port
        parameters = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("is no URL: is a sign in the password not written as %XX?") from None
    values = dict(parameters)
    if unknown := values.keys() - set(_PARAMETERS):
        raise ValueError(f"has a parameter that is none of {', '.join(_PARAMETERS)} ({len(unknown)} such)")
    if len(values) < len(parameters):
        raise ValueError("says a parameter twice")
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database or parts.fragment:
        raise ValueError("names no database: it ends with /DATABASE")
    return Target(
        database, values.get("host") or parts.hostname, port, _text(parts.username), _text(parts.password),
        _ssl(values), _pooled(values), values.get("application_name") or "panaversity-fs",
    )  # fmt: skip


def _text(part: str | None) -> str | None:
    return unquote(part) if part else None


def _ssl(values: dict[str, str]) -> str | None:
    said = values.get("ssl", values.get("sslmode"))
    if said is not None and said not in _SSL:
        raise ValueError(f"has an ssl that is none of {', '.join(_SSL)}")
    return said


def _pooled(values: dict[str, str]) -> bool:
    """asyncpg's own word for it, since that is what operators of poolers find in its documentation."""
    said = values.get("statement_cache_size")
    if said is not None and not (said.isascii() and said.isdigit()):
        raise ValueError("has a statement_cache_size that is no number")
    return said is not None and int(said) == 0

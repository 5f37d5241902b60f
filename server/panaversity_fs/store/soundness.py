"""Is this database fit to be written to? Asked before anything is (F16).

Knows what SQLite says of a damaged file, which settings PostgreSQL must not have, and that an empty database over a
store full of bytes is a lost one, not a new one. Repairs nothing.
"""

import os

from sqlalchemy import text

from panaversity_fs.core.errors import ConfigInvalid, Unavailable
from panaversity_fs.database_url import SQLITE
from panaversity_fs.store.blobs import BlobStore
from panaversity_fs.store.database import Database
from panaversity_fs.store.migrate import current

_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_DAMAGE = ("malformed", "not a database", "disk image")
_RESTORE = "Restore the database from a backup, or make new rows from a told manifest with panaversity-fs rebuild"


async def require_sound(database: Database, url: str, blobs: BlobStore, *, rebuilding: bool = False) -> None:
    """Raise ``ConfigInvalid`` for a damaged database, and for an empty one over a store that holds bytes.

    ``rebuilding`` allows the latter. Reads every page of a SQLite file once (about a second per gigabyte).
    """
    if _is_absent(url):  # before connecting, which would make the file
        _require_folder(url)
        if not rebuilding and await blobs.places():
            raise _lost()
    try:
        async with database.read("start") as connection:
            step = await connection.run_sync(current)
            found = [] if step is None else await damage(database, limit=1)
    except Unavailable as fault:
        if any(word in fault.problem for word in _DAMAGE):
            raise _damaged(fault.problem) from fault
        raise
    if found:
        raise _damaged(found[0])
    await _require_durable(database)
    if step is None and not rebuilding and await blobs.places() and await _is_empty(database):
        raise _lost()


async def _is_empty(database: Database) -> bool:
    """Looked at once more: another server may have made the tables meanwhile, and somebody written."""
    async with database.read("start") as connection:
        return await connection.run_sync(current) is None


async def _require_durable(database: Database) -> None:
    """Raise ``ConfigInvalid`` where PostgreSQL was told not to wait for its disk: a crash would take what callers were
    told is kept (P1). SQLite is told by us."""
    async with database.read("start") as connection:
        if connection.dialect.name != "postgresql":
            return
        query = text("SELECT name FROM pg_settings WHERE name = ANY(:names) AND setting = 'off' ORDER BY name")
        off = list((await connection.execute(query, {"names": list(_DURABLE)})).scalars())
    if off:
        problem = f"runs with {' and '.join(off)} off, so that a crash takes what was acknowledged"
        raise ConfigInvalid("start", "database", problem, "Turn it on", key="DATABASE_URL", reason="not durable")


def _is_absent(url: str) -> bool:
    """True for a SQLite file that is not there; one in memory never is absent."""
    file = _file(url)
    return url.startswith(SQLITE) and file not in ("", ":memory:") and not os.path.exists(file)


def _file(url: str) -> str:
    return url.removeprefix(SQLITE).partition("?")[0]


def _require_folder(url: str) -> None:
    """Raise ``Unavailable`` where the file cannot be made: asked here, for the driver's thread that finds out may still
    be talking when the process has given up."""
    if not os.path.isdir(os.path.dirname(os.path.abspath(_file(url)))):
        raise Unavailable(
            "start", "database", "cannot be used now (unable to open database file: its folder is not there)",
            "Make the folder or correct DATABASE_URL", backend="sql",
        )  # fmt: skip


async def damage(database: Database, limit: int, *, thorough: bool = False) -> list[str]:
    """What the engine itself finds wrong with its file, at most ``limit`` lines; nothing where it has no such check.

    ``thorough`` also compares every index with its table.
    """
    async with database.read("fsck") as connection:
        if connection.dialect.name != "sqlite":
            return []
        check = "integrity_check" if thorough else "quick_check"
        lines = [str(line) for line in (await connection.execute(text(f"PRAGMA {check}({limit})"))).scalars()]
    return [] if lines == ["ok"] else lines


def _damaged(said: str) -> ConfigInvalid:
    problem = f"is damaged ({' '.join(said.split())})"
    return ConfigInvalid("start", "database", problem, _RESTORE, key="DATABASE_URL", reason="damaged")


def _lost() -> ConfigInvalid:
    problem = "is empty, but the blob store holds the bytes of books"
    return ConfigInvalid("start", "database", problem, _RESTORE, key="DATABASE_URL", reason="lost")

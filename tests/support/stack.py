"""Which stack tests run on: SQLite and what each test names (default), or PostgreSQL and an object store.

``PANAVERSITY_TEST_STACK=cloud`` (``make test-cloud``) lets whatever asks here for a database or for blobs have those of
the cloud stack. Tests of one engine's own traits ask that engine; everything else asks here.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from panaversity_fs.config import Settings
    from support.object_store import StoreServer
    from support.stores import Medium

CLOUD = os.environ.get("PANAVERSITY_TEST_STACK", "") == "cloud"
OBJECTS = os.environ.get("PANAVERSITY_TEST_OBJECTS", "rclone" if CLOUD else "")
"""The object store that bytes lie in, ``rclone`` or ``moto``; alone, without the cloud stack's database, too."""

only_sqlite = pytest.mark.skipif(CLOUD, reason="looks into SQLite's own file")
only_folder = pytest.mark.skipif(CLOUD, reason="is about the folder of a local store")
"""For tests of one engine's or one medium's own traits."""

SERVED = "panaversity_fs.db"
"""How a server names the SQLite file in the folder of its store."""

_GUARDED = ("audit_log", "audit_holes")
_databases: dict[str, str] = {}
_prefixes: dict[str, str] = {}


def database_url(folder: Path, name: str = "store.db", *, empty: bool = False) -> str:
    """The database of the store in ``folder``: the same one for the same folder. ``empty``: without tables yet."""
    if not CLOUD:
        return f"sqlite+aiosqlite:///{folder / name}"
    key = str(folder / name)
    if key not in _databases:
        from support import postgres

        _databases[key] = postgres.new_database(empty=empty)
    return _databases[key]


def copy_database(made: Path, folder: Path) -> None:
    """Let a new store in ``folder`` begin with this SQLite file's tables; elsewhere every new database has them."""
    if not CLOUD:
        shutil.copy(made, folder)


def copy_store(folder: Path, to: Path) -> None:
    """Copy the folder of a store that nobody has open, and its database."""
    shutil.copytree(folder, to)
    if CLOUD:
        from support import postgres

        _databases[str(to / "store.db")] = postgres.admin().copy(database_url(folder))


def tamper(folder: Path, *statements: str) -> None:
    """Run statements on the database of this store as somebody with its password, past the guards of the log."""
    if CLOUD:
        off = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in _GUARDED]
        on_postgres(folder, *off, *statements)
        return
    with closing(sqlite3.connect(_file(folder), timeout=10)) as connection, connection:
        for table in _GUARDED:
            for verb in ("update", "delete"):
                connection.execute(f"DROP TRIGGER IF EXISTS tr_{table}_no_{verb}")
        for statement in statements:
            connection.execute(statement)


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """What the database of this store answers to a query."""
    if CLOUD:
        return [tuple(row) for row in on_postgres(folder, query)]
    with closing(sqlite3.connect(_file(folder), timeout=10)) as connection:
        return connection.execute(query).fetchall()


def on_postgres(folder: Path, *statements: str) -> list[Any]:
    """Run statements on this store's database as its owner; the last one's rows."""
    from support import postgres

    return postgres.admin().run(*statements, database=urlsplit(_url(folder)).path[1:])


def lose_database(folder: Path) -> None:
    """Let the database of a store that nobody has open be gone: no file, or nothing in it."""
    if CLOUD:
        from support import postgres

        _databases[_key(folder)] = postgres.new_database(empty=True)
        return
    for end in ("", "-wal", "-shm"):
        (folder / f"{_file(folder).name}{end}").unlink(missing_ok=True)


def backup(folder: Path) -> Callable[[], None]:
    """Copy the database of a store that was closed; what is returned puts the copy back."""
    if CLOUD:
        from support import postgres

        saved, key = postgres.admin().copy(_url(folder)), _key(folder)
        return lambda: _databases.__setitem__(key, saved)
    file, copy = _file(folder), folder / "backup"
    shutil.copy(file, copy)

    def restore() -> None:
        lose_database(folder)
        shutil.move(copy, file)

    return restore


def _key(folder: Path) -> str:
    """Under which name the database of the store in this folder is known, a server's or a library's."""
    served = str(folder / SERVED)
    return served if served in _databases else str(folder / "store.db")


def _url(folder: Path) -> str:
    return _databases.get(_key(folder)) or database_url(folder)


def _file(folder: Path) -> Path:
    """The SQLite file of the store in this folder, a server's or a library's."""
    served = folder / SERVED
    return served if served.exists() else folder / "store.db"


def environment(store: Path) -> Mapping[str, str]:
    """Settings of a server over the store in this folder; none on the local stack, where ``--store`` says it all."""
    if not CLOUD:
        return {}
    return {"DATABASE_URL": database_url(store, SERVED), **blob_environment(store)}


def flags(store: Path) -> list[str]:
    """How a command is told of the store in this folder; on the other stack ``environment`` says it."""
    return [] if CLOUD else ["--store", str(store)]


def settings(store: Path, more: Mapping[str, str] | None = None) -> "Settings":
    """The settings of a server over the store in this folder, which is made."""
    from panaversity_fs.config import Settings

    store.mkdir(exist_ok=True)
    return Settings.read({**environment(store), **(more or {})}, store=None if CLOUD else str(store))


def served_blobs(store: Path) -> "Medium":
    """The bytes of the server over the store in this folder, behind its back."""
    from support.object_store import InBucket
    from support.stores import InFolder

    return InBucket(object_server(), _prefix(store)) if CLOUD else InFolder(store)


def blob_environment(store: Path) -> Mapping[str, str]:
    """Where that server keeps bytes: a part of a bucket that is this store's alone."""
    return object_server().environment(_prefix(store))


def _prefix(store: Path) -> str:
    return _prefixes.setdefault(str(store), f"s{len(_prefixes) + 1}")


def medium(wanted: str) -> str:
    """The medium of ``support.stores.MEDIA`` in the place of memory, where a test does not ask for one."""
    return OBJECTS if OBJECTS and wanted == "memory" else wanted


def object_server() -> "StoreServer":
    """The object store of this stack: rclone's checks signatures and is quick, moto's answers as Amazon does."""
    from support import object_store

    return object_store.moto() if OBJECTS == "moto" else object_store.rclone()

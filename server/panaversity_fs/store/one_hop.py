"""A SQLite statement in one trip to the driver's thread, its rows included.

aiosqlite makes a trip for each of: cursor, statement, rows, close. A small write is a dozen statements, so the trips
cost more than the statements do. Knows aiosqlite's queue and what SQLAlchemy's adapter asks of a cursor; does not know
SQL.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import aiosqlite

_NO_ROWS: tuple[Any, ...] = ()


class OneHopCursor:
    """One statement's outcome. Stands where SQLAlchemy expects aiosqlite's cursor."""

    arraysize = 1

    def __init__(self, connection: "OneHopConnection") -> None:
        self._connection = connection
        self._rows: Sequence[Any] = _NO_ROWS
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> "OneHopCursor":
        return self

    async def execute(self, statement: str, parameters: Iterable[Any] = ()) -> None:
        """Run one statement and take all its rows."""
        await self._connection.in_its_thread(self._run, statement, parameters)

    async def executemany(self, statement: str, parameters: Iterable[Iterable[Any]]) -> None:
        """Run one statement with many sets of parameters."""
        await self._connection.in_its_thread(self._run_many, statement, parameters)

    async def fetchall(self) -> Sequence[Any]:
        """The rows, which came along."""
        rows, self._rows = self._rows, _NO_ROWS
        return rows

    async def close(self) -> None:
        """The real cursor is closed already."""

    def _run(self, statement: str, parameters: Iterable[Any]) -> None:
        self._take(self._connection._conn.execute(statement, parameters))  # type: ignore[arg-type]

    def _run_many(self, statement: str, parameters: Iterable[Iterable[Any]]) -> None:
        self._take(self._connection._conn.executemany(statement, parameters))  # type: ignore[arg-type]

    def _take(self, cursor: sqlite3.Cursor) -> None:
        try:
            self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
            if cursor.description:
                self._rows = cursor.fetchall()
        finally:
            cursor.close()


class OneHopConnection(aiosqlite.Connection):
    """aiosqlite's connection, with cursors that need no trip of their own."""

    async def in_its_thread(self, call: Callable[..., None], *arguments: Any) -> None:
        """One trip: aiosqlite's own seam, which has no public name."""
        await self._execute(call, *arguments)  # type: ignore[no-untyped-call]

    def cursor(self) -> OneHopCursor:  # type: ignore[override]
        return OneHopCursor(self)


def connect(path: str, **options: Any) -> OneHopConnection:
    """What SQLAlchemy awaits for a new connection; its thread must not keep a process alive."""
    connection = OneHopConnection(lambda: sqlite3.connect(path, **options), iter_chunk_size=64)
    connection._thread.daemon = True
    return connection

"""Rows into tables: values by column, and INSERT … ON CONFLICT DO UPDATE, which SQLAlchemy spells per dialect."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


def values_of(row: Any) -> dict[str, Any]:
    """A row of a table as its values by column name. ``dataclasses.asdict`` copies each value too, deeply, and costs a
    write eight times as much."""
    return {name: getattr(row, name) for name in row.__slots__}


async def upsert(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, or bring those whose primary key exists to these values. One statement, many parameters."""
    if not rows:
        return
    await connection.execute(_statement(table, connection.dialect.name, tuple(rows[0])), list(rows))


@cache
def _statement(table: Table, dialect: str, columns: tuple[str, ...]) -> postgresql.Insert | sqlite.Insert:
    """The statement for rows of these columns; building one costs more than running it."""
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    return statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in columns if name not in keys}
    )

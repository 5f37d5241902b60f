"""What the end of a book's life does to rows: its journal goes, its log, blobs and promises stay (F41).

Knows rows; does not know when a life ends nor what is audited.
"""

from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from panaversity_fs.core.digest import Digest
from panaversity_fs.store.tables import file_journal, requests
from panaversity_fs.store.told import RequestKey, decode_request


async def living_everywhere(connection: AsyncConnection, book_id: str) -> list[tuple[str, str, Digest]]:
    """(user id, path, digest) of every entry that is there, overlays included, sorted."""
    columns = (file_journal.c.user_id, file_journal.c.path, file_journal.c.sha256)
    query = select(*columns).where(file_journal.c.book_id == book_id, ~file_journal.c.deleted)
    return sorted((user, path, Digest(sha256)) for user, path, sha256 in await connection.execute(query))


async def forget_journal(connection: AsyncConnection, book_id: str) -> None:
    """Remove every journal row of the book, tombstones included: they have no number of a life."""
    await connection.execute(delete(file_journal).where(file_journal.c.book_id == book_id))


async def find_request_of_any_life(
    connection: AsyncConnection, key: RequestKey
) -> tuple[Digest, dict[str, Any]] | None:
    """As ``find_request``, whichever life the request was carried out in; for requests that end one."""
    scope = {name: value for name, value in asdict(key).items() if name != "incarnation"}
    query = (
        select(requests.c.payload_hash, requests.c.answer)
        .where(*(requests.c[name] == value for name, value in scope.items()))
        .order_by(requests.c.incarnation.desc())
        .limit(1)
    )
    return decode_request((await connection.execute(query)).one_or_none())

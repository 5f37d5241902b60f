"""What the database refuses by itself, whatever the code above it does (DESIGN 6, 9)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Executable, Table, delete, insert, select, update

from panaversity_fs.core.errors import Unavailable
from panaversity_fs.store.database import Database
from panaversity_fs.store.tables import (
    access_log,
    audit_log,
    blob_floors,
    blobs,
    books,
    file_journal,
    manifests,
    requests,
    uploads,
)
from support import stack

pytestmark = pytest.mark.anyio

NOW = datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
DIGEST = "ab" * 32
TAKEN = "UNIQUE|unique constraint"
"""What SQLite and PostgreSQL say of a key that is there already."""

ROWS: dict[str, tuple[Table, dict[str, Any]]] = {
    "books": (books, {
        "book_id": "a-book", "incarnation": 1, "state": "live", "schema": "strict", "numbering": None, "revision": 2,
        "base_revision": 2, "ingest_manifest": None, "chain_seq": 0, "chain_head": DIGEST, "created_at": NOW,
        "changed_at": NOW, "chain_edge": "",
    }),
    "file_journal": (file_journal, {
        "book_id": "a-book", "path": "content/a.md", "user_id": "__base__", "sha256": DIGEST, "size": 1, "revision": 1,
        "last_written_at": NOW, "agent_id": "tester", "storage_backend": "fs", "path_fold": "a.md", "deleted": False,
    }),
    "blobs": (blobs, {
        "book_id": "a-book", "incarnation": 1, "sha256": DIGEST, "generation": 0, "size": 1, "crc32": 2**32 - 1,
        "state": "live", "created_at": NOW,
    }),
    "uploads": (uploads, {
        "upload_id": "u", "sha256": DIGEST, "book_id": "a-book", "incarnation": 1, "subject": "s", "size": None,
        "crc32": None, "expires": NOW, "generation": 0,
    }),
    "blob_floors": (blob_floors, {"book_id": "a-book", "incarnation": 1, "floor": 3}),
    "manifests": (manifests, {
        "book_id": "a-book", "incarnation": 1, "manifest_hash": DIGEST, "revision": 1, "file_count": 0,
        "total_bytes": None, "created_at": NOW, "last_told_at": NOW,
    }),
    "audit_log": (audit_log, {
        "book_id": "a-book", "incarnation": 1, "seq": 1, "id": "i", "revision": 1, "timestamp": NOW,
        "agent_id": "tester", "operation": "write_content", "path": "content/a.md", "user_id": "__base__",
        "prev_hash": None, "new_hash": DIGEST, "status": "success", "error_message": None, "execution_time_ms": 0,
        "entry_hash": DIGEST,
    }),
    "access_log": (access_log, {
        "id": "i", "timestamp": NOW, "agent_id": None, "operation": "read_content", "book_id": "a-book", "path": "",
        "code": None, "execution_time_ms": 0,
    }),
    "requests": (requests, {
        "book_id": "a-book", "incarnation": 1, "subject": "s", "idempotency_key": "k", "payload_hash": DIGEST,
        "answer": "{}", "created_at": NOW,
    }),
}  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of a database of the stack the tests run on."""
    return stack.database_url(tmp_path)


async def put(database: Database, name: str, **changes: object) -> None:
    table, row = ROWS[name]
    async with database.write("test") as connection:
        await connection.execute(insert(table), [row | changes])


@pytest.mark.parametrize("name", ROWS)
async def test_a_right_row_is_taken_and_comes_back_as_it_was(database: Database, name: str) -> None:
    await put(database, name)
    table, row = ROWS[name]
    async with database.read("test") as connection:
        found: Mapping[str, Any] = (await connection.execute(select(table))).one()._mapping
    assert dict(found) == row


WRONG = [
    ("file_journal", {"agent_id": ""}, "agent"),
    ("file_journal", {"agent_id": "system"}, "agent"),
    ("file_journal", {"sha256": "abc"}, "sha256"),
    ("file_journal", {"sha256": DIGEST + "0"}, "sha256|too long"),
    ("file_journal", {"size": -1}, "size"),
    ("file_journal", {"sha256": None}, "sha256"),
    ("audit_log", {"agent_id": ""}, "agent"),
    ("audit_log", {"agent_id": "system"}, "agent"),
    ("audit_log", {"status": "maybe"}, "status"),
    ("audit_log", {"entry_hash": "0"}, "entry_hash"),
    ("audit_log", {"prev_hash": "0"}, "prev_hash"),
    ("audit_log", {"new_hash": "0"}, "new_hash"),
    ("books", {"state": "gone"}, "state"),
    ("books", {"schema": "loose"}, "schema"),
    ("books", {"base_revision": 3}, "revisions"),
    ("books", {"chain_head": "0"}, "chain_head"),
    ("books", {"ingest_manifest": "0"}, "ingest_manifest"),
    ("blobs", {"state": "lost"}, "state"),
    ("blobs", {"sha256": DIGEST[:-1]}, "sha256"),
    ("uploads", {"sha256": "0"}, "sha256"),
    ("manifests", {"manifest_hash": "0"}, "manifest_hash"),
    ("requests", {"payload_hash": "0"}, "payload_hash"),
]


@pytest.mark.parametrize(("name", "change", "said"), WRONG, ids=lambda value: str(value)[:40])
async def test_R7_a_wrong_row_is_refused(database: Database, name: str, change: dict[str, Any], said: str) -> None:
    with pytest.raises(Unavailable, match=said):
        await put(database, name, **change)
    async with database.read("test") as connection:
        assert (await connection.execute(select(ROWS[name][0]))).all() == []


async def test_F45_two_living_paths_cannot_share_a_folded_name(database: Database) -> None:
    await put(database, "file_journal")
    with pytest.raises(Unavailable, match=TAKEN):
        await put(database, "file_journal", path="content/A.md")
    await put(database, "file_journal", path="content/A.md", deleted=True)
    await put(database, "file_journal", path="content/A.md", user_id="a-reader")
    await put(database, "file_journal", path="content/A.md", book_id="b-book")


async def test_an_audit_entry_is_written_once(database: Database) -> None:
    await put(database, "audit_log")
    with pytest.raises(Unavailable, match=TAKEN):
        await put(database, "audit_log", id="j")
    with pytest.raises(Unavailable, match=TAKEN):
        await put(database, "audit_log", seq=2)


@pytest.mark.parametrize(
    "change", [update(audit_log).values(agent_id="somebody"), delete(audit_log)], ids=["update", "delete"]
)
async def test_S16_an_audit_entry_is_neither_changed_nor_removed(database: Database, change: Executable) -> None:
    await put(database, "audit_log")
    with pytest.raises(Unavailable, match="audit entries are never changed"):
        async with database.write("test") as connection:
            await connection.execute(change)
    async with database.read("test") as connection:
        assert (await connection.execute(select(audit_log.c.agent_id))).scalars().all() == ["tester"]


async def test_times_without_a_zone_are_refused_and_others_are_kept_in_utc(database: Database) -> None:
    with pytest.raises(Unavailable):
        await put(database, "blobs", created_at=datetime(2030, 1, 1))
    east = timezone(timedelta(hours=5))
    await put(database, "blobs", created_at=datetime(2030, 1, 1, 17, 0, 0, 5, tzinfo=east))
    async with database.read("test") as connection:
        found = (await connection.execute(select(blobs.c.created_at))).scalar_one()
    assert found == datetime(2030, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
    assert found.tzinfo is UTC

"""The tables, with every rule a database can keep by itself (DESIGN 6). Identical on SQLite and PostgreSQL.

Migrations make them; ``tests/contract`` compares what migrations made with this description.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    TypeDecorator,
    text,
)

from panaversity_fs.store.byte_order import long_text, short_text


class UtcDateTime(TypeDecorator[datetime]):
    """Aware times in UTC, to the microsecond, on both engines (SQLite itself forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("naive time")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value  # type: ignore[no-any-return]
        return value.replace(tzinfo=UTC)  # type: ignore[no-any-return]


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

_DIGEST = short_text(64)
_BOOK = short_text(63)
_PATH = short_text(1000)
_USER = short_text(128)


def _digest_check(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IS NULL OR length({column}) = 64", name=f"{column}_is_digest")


store_facts = Table(
    "store_facts",
    metadata,
    Column("name", short_text(40), primary_key=True),
    Column("value", long_text(), nullable=False),
)

books = Table(
    "books",
    metadata,
    Column("book_id", _BOOK, primary_key=True),
    Column("incarnation", Integer, nullable=False),
    Column("state", short_text(10), nullable=False),
    Column("schema", short_text(20), nullable=False),
    Column("numbering", short_text(20)),
    Column("revision", BigInteger, nullable=False),
    Column("base_revision", BigInteger, nullable=False),
    Column("ingest_manifest", _DIGEST),
    Column("chain_seq", BigInteger, nullable=False),
    Column("chain_head", _DIGEST, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("chain_edge", long_text(), nullable=False, server_default=""),
    CheckConstraint("state IN ('live', 'deleted')", name="state_known"),
    CheckConstraint("schema IN ('strict', 'docusaurus')", name="schema_known"),
    CheckConstraint("base_revision <= revision", name="revisions_ordered"),
    _digest_check("ingest_manifest"),
    _digest_check("chain_head"),
)

file_journal = Table(
    "file_journal",
    metadata,
    Column("book_id", _BOOK, primary_key=True),
    Column("path", _PATH, primary_key=True),
    Column("user_id", _USER, primary_key=True, server_default=text("'__base__'")),
    Column("sha256", _DIGEST, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("last_written_at", UtcDateTime, nullable=False),
    Column("agent_id", short_text(200), nullable=False),
    Column("storage_backend", short_text(20), nullable=False),
    Column("path_fold", long_text(), nullable=False),
    Column("deleted", Boolean, nullable=False),
    CheckConstraint("size >= 0", name="size_not_negative"),
    CheckConstraint("agent_id NOT IN ('', 'system')", name="agent_named"),
    _digest_check("sha256"),
    Index("ix_file_journal_since", "book_id", "user_id", "revision"),
    Index(
        "uq_file_journal_living_name",
        "book_id",
        "user_id",
        "path_fold",
        unique=True,
        sqlite_where=text("deleted = 0"),
        postgresql_where=text("NOT deleted"),
    ),
)

blobs = Table(
    "blobs",
    metadata,
    Column("book_id", _BOOK, primary_key=True),
    Column("incarnation", Integer, primary_key=True),
    Column("sha256", _DIGEST, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("crc32", BigInteger, nullable=False),
    Column("state", short_text(10), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("state IN ('live', 'condemned', 'deleted')", name="state_known"),
    _digest_check("sha256"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("upload_id", short_text(32), primary_key=True),
    Column("sha256", _DIGEST, primary_key=True),
    Column("book_id", _BOOK, nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("subject", short_text(255), nullable=False),
    Column("size", BigInteger),
    Column("crc32", BigInteger),
    Column("expires", UtcDateTime, nullable=False),
    Column("generation", Integer, nullable=False, server_default="0"),
    _digest_check("sha256"),
    Index("ix_uploads_book", "book_id", "incarnation", "sha256"),
)

blob_floors = Table(
    "blob_floors",
    metadata,
    Column("book_id", _BOOK, primary_key=True),
    Column("incarnation", Integer, primary_key=True, autoincrement=False),
    Column("floor", Integer, nullable=False),
)

manifests = Table(
    "manifests",
    metadata,
    Column("book_id", _BOOK, primary_key=True),
    Column("incarnation", Integer, primary_key=True),
    Column("manifest_hash", _DIGEST, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("file_count", Integer, nullable=False),
    Column("total_bytes", BigInteger),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_told_at", UtcDateTime, nullable=False),
    _digest_check("manifest_hash"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("book_id", _BOOK, primary_key=True),
    Column("incarnation", Integer, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", short_text(32), nullable=False, unique=True),
    Column("revision", BigInteger, nullable=False),
    Column("timestamp", UtcDateTime, nullable=False),
    Column("agent_id", short_text(200), nullable=False),
    Column("operation", short_text(40), nullable=False),
    Column("path", _PATH, nullable=False),
    Column("user_id", _USER, nullable=False),
    Column("prev_hash", _DIGEST),
    Column("new_hash", _DIGEST),
    Column("status", short_text(10), nullable=False),
    Column("error_message", long_text()),
    Column("execution_time_ms", Integer, nullable=False),
    Column("entry_hash", _DIGEST, nullable=False),
    CheckConstraint("agent_id NOT IN ('', 'system')", name="agent_named"),
    CheckConstraint("status IN ('success', 'refused')", name="status_known"),
    _digest_check("prev_hash"),
    _digest_check("new_hash"),
    _digest_check("entry_hash"),
    Index("ix_audit_log_path", "book_id", "incarnation", "path", "user_id"),
)

audit_holes = Table(
    "audit_holes",
    metadata,
    Column("book_id", _BOOK, primary_key=True),
    Column("incarnation", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_hash", _DIGEST, nullable=False),
    _digest_check("entry_hash"),
)

requests = Table(
    "requests",
    metadata,
    Column("book_id", _BOOK, primary_key=True),
    Column("incarnation", Integer, primary_key=True),
    Column("subject", short_text(255), primary_key=True),
    Column("idempotency_key", short_text(200), primary_key=True),
    Column("payload_hash", _DIGEST, nullable=False),
    Column("answer", long_text(), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    _digest_check("payload_hash"),
)

access_log = Table(
    "access_log",
    metadata,
    Column("id", short_text(32), primary_key=True),
    Column("timestamp", UtcDateTime, nullable=False),
    Column("agent_id", short_text(200)),
    Column("operation", short_text(40), nullable=False),
    Column("book_id", _BOOK, nullable=False),
    Column("path", _PATH, nullable=False),
    Column("code", short_text(40)),
    Column("execution_time_ms", Integer, nullable=False),
    Index("ix_access_log_book", "book_id", "timestamp"),
)

site_cache = Table(
    "site_cache",
    metadata,
    Column("book_id", _BOOK, primary_key=True),
    Column("incarnation", Integer, primary_key=True, autoincrement=False),
    Column("key", _DIGEST, primary_key=True),
    Column("document", long_text(), nullable=False),
    Column("output", _DIGEST, nullable=False),
    Column("sha256", _DIGEST, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("build_ms", BigInteger, nullable=False),
    Column("agent_id", short_text(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=False),
    CheckConstraint("agent_id NOT IN ('', 'system')", name="agent_named"),
    CheckConstraint("size >= 0", name="size_not_negative"),
    CheckConstraint("build_ms >= 0", name="build_not_negative"),
    _digest_check("key"),
    _digest_check("output"),
    _digest_check("sha256"),
)

site_uploads = Table(
    "site_uploads",
    metadata,
    Column("upload_id", short_text(32), primary_key=True),
    Column("book_id", _BOOK, nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("sha256", _DIGEST, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    _digest_check("sha256"),
    Index("ix_site_uploads_book", "book_id", "incarnation"),
)

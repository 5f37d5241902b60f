"""The first tables: books, journal, blobs, upload pins, told manifests, audit log, idempotency records.

Written out instead of taken from ``store.tables``: a step must not change when the description does.
"""

import sqlalchemy as sa
from alembic import op

from panaversity_fs.store.byte_order import long_text, short_text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", short_text(32), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", short_text(200), nullable=False),
        sa.Column("operation", short_text(40), nullable=False),
        sa.Column("path", short_text(1000), nullable=False),
        sa.Column("user_id", short_text(128), nullable=False),
        sa.Column("prev_hash", short_text(64), nullable=True),
        sa.Column("new_hash", short_text(64), nullable=True),
        sa.Column("status", short_text(10), nullable=False),
        sa.Column("error_message", long_text(), nullable=True),
        sa.Column("execution_time_ms", sa.Integer(), nullable=False),
        sa.Column("entry_hash", short_text(64), nullable=False),
        sa.CheckConstraint("agent_id NOT IN ('', 'system')", name=op.f("ck_audit_log_agent_named")),
        sa.CheckConstraint("status IN ('success', 'refused')", name=op.f("ck_audit_log_status_known")),
        sa.CheckConstraint(
            "entry_hash IS NULL OR length(entry_hash) = 64", name=op.f("ck_audit_log_entry_hash_is_digest")
        ),
        sa.CheckConstraint("new_hash IS NULL OR length(new_hash) = 64", name=op.f("ck_audit_log_new_hash_is_digest")),
        sa.CheckConstraint(
            "prev_hash IS NULL OR length(prev_hash) = 64", name=op.f("ck_audit_log_prev_hash_is_digest")
        ),
        sa.PrimaryKeyConstraint("book_id", "incarnation", "seq", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_log_id")),
    )
    op.create_index("ix_audit_log_path", "audit_log", ["book_id", "incarnation", "path", "user_id"], unique=False)
    op.create_table(
        "blobs",
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("sha256", short_text(64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("crc32", sa.BigInteger(), nullable=False),
        sa.Column("state", short_text(10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('live', 'condemned', 'deleted')", name=op.f("ck_blobs_state_known")),
        sa.CheckConstraint("sha256 IS NULL OR length(sha256) = 64", name=op.f("ck_blobs_sha256_is_digest")),
        sa.PrimaryKeyConstraint("book_id", "incarnation", "sha256", name=op.f("pk_blobs")),
    )
    op.create_table(
        "books",
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("state", short_text(10), nullable=False),
        sa.Column("schema", short_text(20), nullable=False),
        sa.Column("numbering", short_text(20), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("base_revision", sa.BigInteger(), nullable=False),
        sa.Column("ingest_manifest", short_text(64), nullable=True),
        sa.Column("chain_seq", sa.BigInteger(), nullable=False),
        sa.Column("chain_head", short_text(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("schema IN ('strict', 'docusaurus')", name=op.f("ck_books_schema_known")),
        sa.CheckConstraint("state IN ('live', 'deleted')", name=op.f("ck_books_state_known")),
        sa.CheckConstraint("base_revision <= revision", name=op.f("ck_books_revisions_ordered")),
        sa.CheckConstraint("chain_head IS NULL OR length(chain_head) = 64", name=op.f("ck_books_chain_head_is_digest")),
        sa.CheckConstraint(
            "ingest_manifest IS NULL OR length(ingest_manifest) = 64", name=op.f("ck_books_ingest_manifest_is_digest")
        ),
        sa.PrimaryKeyConstraint("book_id", name=op.f("pk_books")),
    )
    op.create_table(
        "file_journal",
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("path", short_text(1000), nullable=False),
        sa.Column("user_id", short_text(128), server_default=sa.text("'__base__'"), nullable=False),
        sa.Column("sha256", short_text(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("last_written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", short_text(200), nullable=False),
        sa.Column("storage_backend", short_text(20), nullable=False),
        sa.Column("path_fold", long_text(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.CheckConstraint("agent_id NOT IN ('', 'system')", name=op.f("ck_file_journal_agent_named")),
        sa.CheckConstraint("sha256 IS NULL OR length(sha256) = 64", name=op.f("ck_file_journal_sha256_is_digest")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_file_journal_size_not_negative")),
        sa.PrimaryKeyConstraint("book_id", "path", "user_id", name=op.f("pk_file_journal")),
    )
    op.create_index("ix_file_journal_since", "file_journal", ["book_id", "user_id", "revision"], unique=False)
    op.create_index(
        "uq_file_journal_living_name",
        "file_journal",
        ["book_id", "user_id", "path_fold"],
        unique=True,
        sqlite_where=sa.text("deleted = 0"),
        postgresql_where=sa.text("NOT deleted"),
    )
    op.create_table(
        "manifests",
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("manifest_hash", short_text(64), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_told_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "manifest_hash IS NULL OR length(manifest_hash) = 64", name=op.f("ck_manifests_manifest_hash_is_digest")
        ),
        sa.PrimaryKeyConstraint("book_id", "incarnation", "manifest_hash", name=op.f("pk_manifests")),
    )
    op.create_table(
        "requests",
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("subject", short_text(255), nullable=False),
        sa.Column("idempotency_key", short_text(200), nullable=False),
        sa.Column("payload_hash", short_text(64), nullable=False),
        sa.Column("answer", long_text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "payload_hash IS NULL OR length(payload_hash) = 64", name=op.f("ck_requests_payload_hash_is_digest")
        ),
        sa.PrimaryKeyConstraint("book_id", "incarnation", "subject", "idempotency_key", name=op.f("pk_requests")),
    )
    op.create_table(
        "store_facts",
        sa.Column("name", short_text(40), nullable=False),
        sa.Column("value", long_text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_store_facts")),
    )
    op.create_table(
        "uploads",
        sa.Column("upload_id", short_text(32), nullable=False),
        sa.Column("sha256", short_text(64), nullable=False),
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("subject", short_text(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("crc32", sa.BigInteger(), nullable=True),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("sha256 IS NULL OR length(sha256) = 64", name=op.f("ck_uploads_sha256_is_digest")),
        sa.PrimaryKeyConstraint("upload_id", "sha256", name=op.f("pk_uploads")),
    )
    op.create_index("ix_uploads_book", "uploads", ["book_id", "incarnation", "sha256"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_uploads_book", table_name="uploads")
    op.drop_table("uploads")
    op.drop_table("store_facts")
    op.drop_table("requests")
    op.drop_table("manifests")
    op.drop_index(
        "uq_file_journal_living_name",
        table_name="file_journal",
        sqlite_where=sa.text("deleted = 0"),
        postgresql_where=sa.text("NOT deleted"),
    )
    op.drop_index("ix_file_journal_since", table_name="file_journal")
    op.drop_table("file_journal")
    op.drop_table("books")
    op.drop_table("blobs")
    op.drop_index("ix_audit_log_path", table_name="audit_log")
    op.drop_table("audit_log")

"""The builder, whole: kept sites of the remote build cache, and those on their way in; the entry hashes of audit
entries whose particulars were pruned.

Written out instead of taken from ``store.tables``: a step must not change when the description does.
"""

import sqlalchemy as sa
from alembic import op

from panaversity_fs.store.byte_order import long_text, short_text
from panaversity_fs.store.migrations import guards

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site_cache",
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("incarnation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", short_text(64), nullable=False),
        sa.Column("document", long_text(), nullable=False),
        sa.Column("output", short_text(64), nullable=False),
        sa.Column("sha256", short_text(64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("build_ms", sa.BigInteger(), nullable=False),
        sa.Column("agent_id", short_text(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("agent_id NOT IN ('', 'system')", name=op.f("ck_site_cache_agent_named")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_site_cache_size_not_negative")),
        sa.CheckConstraint("build_ms >= 0", name=op.f("ck_site_cache_build_not_negative")),
        sa.CheckConstraint("key IS NULL OR length(key) = 64", name=op.f("ck_site_cache_key_is_digest")),
        sa.CheckConstraint("output IS NULL OR length(output) = 64", name=op.f("ck_site_cache_output_is_digest")),
        sa.CheckConstraint("sha256 IS NULL OR length(sha256) = 64", name=op.f("ck_site_cache_sha256_is_digest")),
        sa.PrimaryKeyConstraint("book_id", "incarnation", "key", name=op.f("pk_site_cache")),
    )
    op.create_table(
        "site_uploads",
        sa.Column("upload_id", short_text(32), nullable=False),
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("sha256", short_text(64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("sha256 IS NULL OR length(sha256) = 64", name=op.f("ck_site_uploads_sha256_is_digest")),
        sa.PrimaryKeyConstraint("upload_id", name=op.f("pk_site_uploads")),
    )
    op.create_index("ix_site_uploads_book", "site_uploads", ["book_id", "incarnation"], unique=False)
    _create_audit_holes()


def downgrade() -> None:
    guards.drop_pruning()
    guards.let_go("audit_holes")
    op.drop_table("audit_holes")
    op.drop_index("ix_site_uploads_book", table_name="site_uploads")
    op.drop_table("site_uploads")
    op.drop_table("site_cache")


def _create_audit_holes() -> None:
    op.create_table(
        "audit_holes",
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("incarnation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_hash", short_text(64), nullable=False),
        sa.CheckConstraint(
            "entry_hash IS NULL OR length(entry_hash) = 64", name=op.f("ck_audit_holes_entry_hash_is_digest")
        ),
        sa.PrimaryKeyConstraint("book_id", "incarnation", "seq", name=op.f("pk_audit_holes")),
    )
    guards.guard("audit_holes", "what is left of audit entries is never changed")
    guards.make_pruning()

"""The whole server: the audit tree's right edge, the access log, and an audit log that cannot be changed.

Written out instead of taken from ``store.tables``: a step must not change when the description does. The tree is that
of RFC 6962, which does not change either, so its code is shared.
"""

import sqlalchemy as sa
from alembic import op

from panaversity_fs.core.merkle import Edge, extend
from panaversity_fs.store.byte_order import long_text, short_text
from panaversity_fs.store.migrations import guards

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_FILL_STEP = 10_000


def upgrade() -> None:
    op.add_column("books", sa.Column("chain_edge", long_text(), nullable=False, server_default=""))
    _fill_edges(op.get_bind())
    op.create_table(
        "access_log",
        sa.Column("id", short_text(32), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", short_text(200), nullable=True),
        sa.Column("operation", short_text(40), nullable=False),
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("path", short_text(1000), nullable=False),
        sa.Column("code", short_text(40), nullable=True),
        sa.Column("execution_time_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_log")),
    )
    op.create_index("ix_access_log_book", "access_log", ["book_id", "timestamp"], unique=False)
    op.add_column("uploads", sa.Column("generation", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "blob_floors",
        sa.Column("book_id", short_text(63), nullable=False),
        sa.Column("incarnation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("floor", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("book_id", "incarnation", name=op.f("pk_blob_floors")),
    )
    guards.guard("audit_log", "audit entries are never changed")


def downgrade() -> None:
    guards.let_go("audit_log")
    op.drop_table("blob_floors")
    op.drop_column("uploads", "generation")
    op.drop_index("ix_access_log_book", table_name="access_log")
    op.drop_table("access_log")
    op.drop_column("books", "chain_edge")


def _fill_edges(connection: sa.Connection) -> None:
    """Compute the tree of every log that was written without one."""
    books = sa.table("books", *map(sa.column, ("book_id", "incarnation", "chain_seq", "chain_edge")))
    log = sa.table("audit_log", *map(sa.column, ("book_id", "incarnation", "seq", "entry_hash")))
    rows = connection.execute(sa.select(books.c.book_id, books.c.incarnation).where(books.c.chain_seq > 0)).all()
    for book_id, incarnation in rows:
        of_book = sa.and_(log.c.book_id == book_id, log.c.incarnation == incarnation)
        edge: Edge = ()
        size = 0
        while True:
            following = sa.select(log.c.entry_hash).where(of_book, log.c.seq > size)
            hashes = connection.execute(following.order_by(log.c.seq).limit(_FILL_STEP)).scalars().all()
            if not hashes:
                break
            edge, size = extend(edge, size, hashes), size + len(hashes)
        connection.execute(books.update().where(books.c.book_id == book_id).values(chain_edge=" ".join(edge)))

"""Revision 0003: large objects (Git LFS), and locks on paths."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; nobody has a large object or a lock yet."""
    op.create_table(
        "lfs_object",
        _of_repository(),
        sa.Column("oid", sa.Text, primary_key=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lfs_lock",
        _of_repository(),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("locked_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ref", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_index("lfs_lock_path", "lfs_lock", ["repository_id", "path"], unique=True)


def _of_repository() -> sa.Column[str]:
    return sa.Column("repository_id", sa.Text, sa.ForeignKey("repository.id"), primary_key=True)

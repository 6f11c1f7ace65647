"""Revision 0002: packs that were replaced, and settings of repositories."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new; every pack there is stays live."""
    op.add_column("pack", sa.Column("retired_at_ms", sa.BigInteger))
    op.create_table(
        "repository_setting",
        sa.Column("repository_id", sa.Text, sa.ForeignKey("repository.id"), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )

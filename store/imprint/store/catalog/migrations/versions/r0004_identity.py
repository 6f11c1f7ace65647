"""Revision 0004: whose catalogue a database is."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table, empty: a file in the data folder needs no name."""
    op.create_table("store_identity", sa.Column("key_check", sa.Text, primary_key=True))

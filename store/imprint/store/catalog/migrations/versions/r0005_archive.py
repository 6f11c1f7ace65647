"""Revision 0005: archived sessions and records, refused links, mirrors."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, empty."""
    _add_sessions()
    _add_records()
    op.create_table(
        "link_refusal",
        _of_repository(),
        sa.Column("commit", sa.Text, primary_key=True),
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mirror",
        _of_repository(),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _add_sessions() -> None:
    op.create_table(
        "archived_session",
        _of_repository(),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("root_id", sa.Text, nullable=False),
        sa.Column("parent_id", sa.Text),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("received_at_ms", sa.BigInteger, nullable=False),
        sa.Column("content_hash", sa.Text),
        sa.Column("transcript", sa.Text),
        sa.Column("erased_at_ms", sa.BigInteger),
        sa.Column("facts", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    for column in ("serial", "parent_id", "root_id"):
        name = f"archived_session_{column.removesuffix('_id')}"
        op.create_index(name, "archived_session", ["repository_id", column])
    op.create_table(
        "archived_turn",
        _of_repository(),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("prompt", sa.Text),
        sa.Column("facts", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _add_records() -> None:
    op.create_table(
        "record",
        _of_repository(),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("received_at_ms", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("record_serial", "record", ["repository_id", "serial"])
    op.create_index("record_digest", "record", ["repository_id", "digest"], unique=True)
    op.create_index("record_session", "record", ["repository_id", "session_id"])
    op.create_table(
        "record_anchor",
        _of_repository(),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("record_id", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "archive_serial",
        _of_repository(),
        sa.Column("last", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _of_repository() -> sa.Column[str]:
    return sa.Column("repository_id", sa.Text, sa.ForeignKey("repository.id"), primary_key=True)

"""Revision 0001: the first tables of the catalogue."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    _make_repositories()
    _make_journal()
    _make_people()
    _make_sessions()


def _of_repository() -> sa.Column[str]:
    return sa.Column("repository_id", sa.Text, sa.ForeignKey("repository.id"), primary_key=True)


def _make_repositories() -> None:
    op.create_table(
        "repository",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_key", sa.Text, nullable=False, unique=True),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("purge_after_ms", sa.BigInteger),
    )
    op.create_table(
        "ref",
        _of_repository(),
        sa.Column("name", sa.LargeBinary, primary_key=True),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("peeled", sa.Text),
        sqlite_with_rowid=False,
    )


def _make_journal() -> None:
    op.create_table(
        "event",
        _of_repository(),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("token_id", sa.Text),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("head", sa.LargeBinary),
        sa.Column("pack", sa.Text),
        sa.Column("claim_session", sa.Text),
        sa.Column("claim_agent", sa.Text),
        sa.Column("claim_model", sa.Text),
        sa.Column("claim_prompt", sa.Text),
        sa.Column("claim_base", sa.Text),
        sa.Column("details", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ref_change",
        sa.Column("repository_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.LargeBinary, nullable=False),
        sa.Column("old", sa.Text),
        sa.Column("new", sa.Text),
        sa.Column("peeled", sa.Text),
        sa.ForeignKeyConstraint(
            ["repository_id", "sequence"],
            ["event.repository_id", "event.sequence"],
            name="ref_change_event",
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pack",
        _of_repository(),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("object_count", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _make_people() -> None:
    op.create_table(
        "actor",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
    )
    op.create_table(
        "actor_email",
        sa.Column("actor_key", sa.Text, sa.ForeignKey("actor.key"), primary_key=True),
        sa.Column("email", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "token",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("secret_hash", sa.Text, nullable=False, unique=True),
        sa.Column("actor_key", sa.Text, sa.ForeignKey("actor.key"), nullable=False),
        sa.Column("everywhere", sa.Boolean, nullable=False),
        sa.Column("verbs", sa.Text, nullable=False),
        sa.Column("session", sa.Text),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.Column("revoked_at_ms", sa.BigInteger),
    )
    op.create_table(
        "token_repository",
        sa.Column("token_id", sa.Text, sa.ForeignKey("token.id"), primary_key=True),
        _of_repository(),
        sqlite_with_rowid=False,
    )
    op.create_index("token_repository_repository", "token_repository", ["repository_id"])


def _make_sessions() -> None:
    op.create_table(
        "session",
        _of_repository(),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("base", sa.Text),
        sa.Column("opened_at_ms", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "turn",
        sa.Column("repository_id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.ForeignKeyConstraint(
            ["repository_id", "session_id"], ["session.repository_id", "session.id"], name="turn_session"
        ),
        sqlite_with_rowid=False,
    )

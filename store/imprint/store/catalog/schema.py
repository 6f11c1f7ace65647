"""The catalogue's tables, as they are at the newest revision. `migrations/` says how they came to be.

Invariants:
    1. `repository.generation` is the sequence of the repository's newest event.
    2. `ref` is the fold of `ref_change`: rows appear and go only in the transaction that writes an event.
    3. Names of refs are bytes, compared as bytes.

Times are milliseconds since the Unix epoch. Closed choices are kept as the `value` of their enum.
Types and statements are those that SQLite and PostgreSQL share.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

REVISION: Final = "0005"
"""The revision of the tables below. History: 0001, the first; 0002, retired packs and settings; 0003, large
objects and locks; 0004, whose catalogue a database is; 0005, archived sessions, records, refused links and
mirrors."""

metadata: Final = MetaData()

store_identity: Final = Table("store_identity", metadata, Column("key_check", Text, primary_key=True))

repository: Final = Table(
    "repository",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("algorithm", Text, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("purge_after_ms", BigInteger),
)

ref: Final = Table(
    "ref",
    metadata,
    Column("repository_id", Text, ForeignKey("repository.id"), primary_key=True),
    Column("name", LargeBinary, primary_key=True),
    Column("target", Text, nullable=False),
    Column("peeled", Text),
    sqlite_with_rowid=False,
)

event: Final = Table(
    "event",
    metadata,
    Column("repository_id", Text, ForeignKey("repository.id"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("token_id", Text),
    Column("verdict", Text, nullable=False),
    Column("head", LargeBinary),
    Column("pack", Text),
    Column("claim_session", Text),
    Column("claim_agent", Text),
    Column("claim_model", Text),
    Column("claim_prompt", Text),
    Column("claim_base", Text),
    Column("details", Text, nullable=False),
    sqlite_with_rowid=False,
)

ref_change: Final = Table(
    "ref_change",
    metadata,
    Column("repository_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", LargeBinary, nullable=False),
    Column("old", Text),
    Column("new", Text),
    Column("peeled", Text),
    ForeignKeyConstraint(
        ["repository_id", "sequence"], ["event.repository_id", "event.sequence"], name="ref_change_event"
    ),
    sqlite_with_rowid=False,
)

pack: Final = Table(
    "pack",
    metadata,
    Column("repository_id", Text, ForeignKey("repository.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("object_count", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("retired_at_ms", BigInteger),
    sqlite_with_rowid=False,
)

repository_setting: Final = Table(
    "repository_setting",
    metadata,
    Column("repository_id", Text, ForeignKey("repository.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

actor: Final = Table(
    "actor",
    metadata,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
)

actor_email: Final = Table(
    "actor_email",
    metadata,
    Column("actor_key", Text, ForeignKey("actor.key"), primary_key=True),
    Column("email", Text, primary_key=True),
    sqlite_with_rowid=False,
)

token: Final = Table(
    "token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("secret_hash", Text, nullable=False, unique=True),
    Column("actor_key", Text, ForeignKey("actor.key"), nullable=False),
    Column("everywhere", Boolean, nullable=False),
    Column("verbs", Text, nullable=False),
    Column("session", Text),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("revoked_at_ms", BigInteger),
)

token_repository: Final = Table(
    "token_repository",
    metadata,
    Column("token_id", Text, ForeignKey("token.id"), primary_key=True),
    Column("repository_id", Text, ForeignKey("repository.id"), primary_key=True),
    Index("token_repository_repository", "repository_id"),
    sqlite_with_rowid=False,
)

session: Final = Table(
    "session",
    metadata,
    Column("repository_id", Text, ForeignKey("repository.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("agent", Text),
    Column("model", Text),
    Column("base", Text),
    Column("opened_at_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

turn: Final = Table(
    "turn",
    metadata,
    Column("repository_id", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("model", Text),
    ForeignKeyConstraint(
        ["repository_id", "session_id"], ["session.repository_id", "session.id"], name="turn_session"
    ),
    sqlite_with_rowid=False,
)

lfs_object: Final = Table(
    "lfs_object",
    metadata,
    Column("repository_id", Text, ForeignKey("repository.id"), primary_key=True),
    Column("oid", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

lfs_lock: Final = Table(
    "lfs_lock",
    metadata,
    Column("repository_id", Text, ForeignKey("repository.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("locked_at_ms", BigInteger, nullable=False),
    Column("ref", Text),
    Index("lfs_lock_path", "repository_id", "path", unique=True),
    sqlite_with_rowid=False,
)


def _of_repository() -> Column[str]:
    return Column("repository_id", Text, ForeignKey("repository.id"), primary_key=True)


archived_session: Final = Table(
    "archived_session",
    metadata,
    _of_repository(),
    Column("id", Text, primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("root_id", Text, nullable=False),
    Column("parent_id", Text),
    Column("agent", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("content_hash", Text),
    Column("transcript", Text),
    Column("erased_at_ms", BigInteger),
    Column("facts", Text, nullable=False),
    Index("archived_session_serial", "repository_id", "serial"),
    Index("archived_session_parent", "repository_id", "parent_id"),
    Index("archived_session_root", "repository_id", "root_id"),
    sqlite_with_rowid=False,
)

archived_turn: Final = Table(
    "archived_turn",
    metadata,
    _of_repository(),
    Column("session_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("prompt", Text),
    Column("facts", Text, nullable=False),
    sqlite_with_rowid=False,
)

record: Final = Table(
    "record",
    metadata,
    _of_repository(),
    Column("id", Text, primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("session_id", Text),
    Column("actor", Text, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("facts", Text, nullable=False),
    Index("record_serial", "repository_id", "serial"),
    Index("record_digest", "repository_id", "digest", unique=True),
    Index("record_session", "repository_id", "session_id"),
    sqlite_with_rowid=False,
)

record_anchor: Final = Table(
    "record_anchor",
    metadata,
    _of_repository(),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("record_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)

archive_serial: Final = Table(
    "archive_serial",
    metadata,
    _of_repository(),
    Column("last", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

link_refusal: Final = Table(
    "link_refusal",
    metadata,
    _of_repository(),
    Column("commit", Text, primary_key=True),
    Column("origin", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)

mirror: Final = Table(
    "mirror",
    metadata,
    _of_repository(),
    Column("url", Text, nullable=False),
    Column("facts", Text, nullable=False),
    sqlite_with_rowid=False,
)

OF_REPOSITORY: Final = (
    mirror,
    link_refusal,
    record_anchor,
    record,
    archived_turn,
    archived_session,
    archive_serial,
    lfs_lock,
    lfs_object,
    turn,
    session,
    token_repository,
    repository_setting,
    pack,
    ref_change,
    event,
    ref,
)
"""Tables with rows of one repository, each before those it refers to."""

"""Sessions that are kept in a clone, where no server is.

    <common>/imprint/ground/sessions.db     the archive, as a catalogue's database with one repository
    <common>/imprint/ground/transcripts/    encrypted texts
    <common>/imprint/ground/key             the key that wraps those of the sessions: 64 hexadecimal digits

The key lies beside what it opens: it keeps texts out of greps and backups of single files, and lets a session
be erased; it keeps nobody out who may read the clone. All is readable by its owner alone.

Invariants:
    1. The key is made once, and durable before anything is written under it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select

from imprint.store.catalog import schema
from imprint.store.catalog.database import Database
from imprint.store.catalog.migrate import upgrade
from imprint.store.clock import SystemClock
from imprint.store.durable import write_durably
from imprint.store.errors import StorageFailed
from imprint.store.redaction.engine import make_redactor
from imprint.store.sessions.keeping import Keeper
from imprint.store.sessions.sql import SqlArchive
from imprint.store.transcripts.files import FileTranscripts
from imprint.store.waiting.lock import FileLock

if TYPE_CHECKING:
    from pathlib import Path

    from imprint.store.clock import Clock
    from imprint.store.clone import Clone
    from imprint.store.limits import Limits

_KEY_BYTES: Final = 32


def open_clone_keeper(clone: Clone, clock: Clock | None = None, limits: Limits | None = None) -> Keeper:
    """The keeper of a clone, to be closed by the caller; the repository's id in it is `clone.view.id`.

    Raises:
        StorageFailed: it cannot be made or read.
        DataFolderMismatch: it was written by a newer version.
    """
    ground = clone.ground
    try:
        ground.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(ground / "sessions.lock").hold():
            master_key = _settle_key(ground / "key")
            database = _open_database(ground / "sessions.db", clone.view.id)
    except OSError as failure:
        raise StorageFailed(f"{failure.filename or ground}: {failure.strerror}") from failure
    transcripts = FileTranscripts(ground / "transcripts", master_key)
    return Keeper(SqlArchive(database), transcripts, make_redactor(), clock or SystemClock(), limits)


def has_clone_keeper(clone: Clone) -> bool:
    """Whether sessions were ever kept in the clone: asking makes nothing."""
    return (clone.ground / "sessions.db").exists()


def _settle_key(path: Path) -> bytes:
    if not path.exists():
        write_durably(path, f"{secrets.token_hex(_KEY_BYTES)}\n".encode())
    key = bytes.fromhex(path.read_text().strip())
    if len(key) != _KEY_BYTES:
        raise StorageFailed(f"{path}: not a key of {_KEY_BYTES} bytes", hint="restore it from a backup")
    return key


def _open_database(path: Path, repository_id: str) -> Database:
    upgrade(path)
    database = Database(path)
    with database.reading() as connection:
        is_known = connection.execute(select(schema.repository.c.id)).first() is not None
    if not is_known:
        row = {"id": repository_id, "name": repository_id, "name_key": repository_id, "algorithm": ""}
        values = {**row, "head": b"", "generation": 0, "created_at_ms": 0}
        with database.writing() as connection:
            connection.execute(insert(schema.repository).values(values))
    return database

"""Bringing a catalogue's tables to the revision that this version of the program reads.

Invariants:
    1. All steps of an upgrade are one transaction: after a crash the tables are as before, or as after.
    2. A revision that this program does not know is never touched.

Alembic is imported only when there is something to do: reading the revision is one SELECT.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import inspect, text

from imprint.store.catalog.database import Database, SqlDatabase
from imprint.store.catalog.schema import REVISION
from imprint.store.errors import DataFolderMismatch, StorageFailed

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def read_revision(database: SqlDatabase) -> str | None:
    """The revision of the tables; None where there are none yet.

    Raises:
        StorageFailed: the file is missing, unreadable, or no database.
    """
    with database.reading() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def is_current(path: Path) -> bool:
    """Whether there is a catalogue at `path` with tables of the newest revision.

    Raises:
        StorageFailed: the file is unreadable, or no database.
    """
    if not path.exists():
        return False
    database = Database(path)
    try:
        return read_revision(database) == REVISION
    finally:
        database.close()


def upgrade(path: Path, revision: str = REVISION) -> None:
    """Make the catalogue at `path` if there is none, and bring its tables to a revision.

    Args:
        path: the SQLite file.
        revision: the newest one, except for tests of upgrades.

    Raises:
        DataFolderMismatch: its revision is newer than this program.
        StorageFailed: it cannot be written.
    """
    try:
        path.touch(mode=0o600)
    except OSError as failure:
        raise StorageFailed(f"{path}: {failure.strerror}") from failure
    database = Database(path)
    try:
        upgrade_database(database, revision)
    finally:
        database.close()


def upgrade_database(database: SqlDatabase, revision: str = REVISION) -> None:
    """Bring the tables of a database to a revision; an empty one gets them all.

    Raises:
        DataFolderMismatch: its revision is newer than this program.
        StorageFailed: it cannot be written.
    """
    if read_revision(database) != revision:
        _run_migrations(database, revision)


def _run_migrations(database: SqlDatabase, target: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    revision = read_revision(database)
    if revision is not None and revision not in known:
        raise DataFolderMismatch(
            database.place,
            f"the catalogue has revision {revision}, this version of Imprint knows {REVISION}",
            hint="it was written by a newer Imprint: use that version or a later one",
        )
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, target)

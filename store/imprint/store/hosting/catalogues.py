"""Where a data folder's catalogue is: in a file of the folder, or in a PostgreSQL database.

    DATA/ground/catalogue.db    the catalogue in SQLite, unless
    DATA/catalogue-url          is there: one line, the address of a PostgreSQL database; for the owner only

Invariants:
    1. A database belongs to one data folder: it holds the check value of the folder's key, and a folder of
       another key is not let in.
    2. A folder whose catalogue is in PostgreSQL never gets one of its own: `format` says where it is, and
       without the address the folder is not opened.
    3. An address is kept only after the database behind it was found to be the folder's.
    4. A catalogue that was lost is never replaced by an empty one while repositories are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select

from imprint.store.catalog import migrate, schema
from imprint.store.catalog.database import Database
from imprint.store.catalog.postgres import PostgresDatabase
from imprint.store.durable import write_durably
from imprint.store.errors import DataFolderMismatch

if TYPE_CHECKING:
    from pathlib import Path

    from imprint.store.catalog.database import SqlDatabase

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
_KEY_CHECK: Final = select(schema.store_identity.c.key_check)


def open_database(root: Path, kind: str) -> SqlDatabase:
    """The database of a folder's catalogue.

    Raises:
        DataFolderMismatch: the catalogue is in PostgreSQL, and the file with its address is gone.
    """
    if kind == SQLITE:
        return Database(catalogue_file(root))
    try:
        url = _url_file(root).read_text("utf-8").strip()
    except FileNotFoundError:
        raise DataFolderMismatch(
            root,
            "its catalogue is in PostgreSQL, and the file 'catalogue-url' with its address is gone",
            hint="say the address again: imprint init --data DIR --catalogue postgresql://...",
        ) from None
    return PostgresDatabase(url)


def catalogue_file(root: Path) -> Path:
    """The catalogue in SQLite."""
    return root / "ground" / "catalogue.db"


def is_current(root: Path, kind: str, key_check: str) -> bool:
    """Whether the catalogue is there, this folder's, and of the newest revision.

    Raises:
        DataFolderMismatch: the database is another folder's.
        StorageFailed: it cannot be read.
    """
    if kind == SQLITE:
        return migrate.is_current(catalogue_file(root))
    database = open_database(root, kind)
    try:
        if migrate.read_revision(database) != schema.REVISION:
            return False
        return _verify_identity(database, key_check)
    finally:
        database.close()


def upgrade(root: Path, kind: str, key_check: str, *, is_new: bool) -> None:
    """Make the tables, or bring them to the newest revision.

    Args:
        root: the folder.
        kind: `SQLITE` or `POSTGRESQL`.
        key_check: of the folder's key.
        is_new: whether the folder is being made: then an empty database becomes its own.

    Raises:
        DataFolderMismatch: the database is another folder's, or the folder's own is empty all of a sudden.
        StorageFailed: it cannot be written.
    """
    if kind == SQLITE:
        _verify_not_lost(root)
        migrate.upgrade(catalogue_file(root))
        return
    database = open_database(root, kind)
    try:
        migrate.upgrade_database(database)
        if not _verify_identity(database, key_check):
            if not is_new:
                raise DataFolderMismatch(
                    root,
                    f"the database {database.place} holds no catalogue of this folder",
                    hint="restore the database from a backup, or say its address: imprint init --catalogue",
                )
            with database.writing() as connection:
                connection.execute(insert(schema.store_identity).values(key_check=key_check))
    finally:
        database.close()


def _verify_not_lost(root: Path) -> None:
    """Check that no new, empty catalogue would take the place of one that was lost."""
    file = catalogue_file(root)
    repositories = root / "ground" / "repositories"
    if not repositories.is_dir() or not any(repositories.iterdir()):
        return
    if file.exists():
        database = Database(file)
        try:
            if migrate.read_revision(database) is not None:
                return
        finally:
            database.close()
    raise DataFolderMismatch(
        file, "the catalogue is gone, and repositories are there", hint="restore it from a backup"
    )


def keep_url(root: Path, url: str, key_check: str | None) -> None:
    """Keep the address of a folder's catalogue.

    Args:
        root: the folder.
        url: the address.
        key_check: of the folder's key, whose catalogue must be there; None while the folder is being made.

    Raises:
        BadInput: it is no address of a PostgreSQL database.
        DataFolderMismatch: the catalogue there is not this folder's.
        StorageFailed: the database cannot be reached, or the file not be written.
    """
    database = PostgresDatabase(url)
    try:
        has_tables = migrate.read_revision(database) is not None
        is_ours = key_check is None or (has_tables and _verify_identity(database, key_check))
    finally:
        database.close()
    if not is_ours:
        raise DataFolderMismatch(
            root,
            f"the database {database.place} holds no catalogue of this folder",
            hint="name the database that the folder was made with, or a copy of it",
        )
    write_durably(_url_file(root), f"{url}\n".encode())


def _url_file(root: Path) -> Path:
    return root / "catalogue-url"


def _verify_identity(database: SqlDatabase, key_check: str) -> bool:
    """Whether the database is this folder's; False if it is nobody's. INV-1."""
    with database.reading() as connection:
        found = connection.execute(_KEY_CHECK).scalar()
    if found not in (None, key_check):
        raise DataFolderMismatch(
            database.place,
            "the database is the catalogue of another data folder",
            hint="make an empty database for this one",
        )
    return found is not None

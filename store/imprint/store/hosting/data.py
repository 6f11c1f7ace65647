"""The data folder: where a server keeps everything, and the key that it keeps elsewhere.

    DATA/format                 what the folder is, its version, and a check value of its key
    DATA/lock                   held shared by whoever has the folder open, exclusively by an upgrade
    DATA/admin-token            the administrator's first token; may be deleted
    DATA/redaction.toml         an operator's own rules of redaction, where there are any
    DATA/ground/catalogue.db    SQLite, with -wal, -shm and .lock beside it; or
    DATA/catalogue-url          where the catalogue is in PostgreSQL; see `catalogues`
    DATA/ground/repositories/   one bare Git repository per repository, named by its id
    DATA/ground/transcripts/    encrypted texts
    DATA/ground/lfs/            large objects, one folder per repository, made with the first
    DATA/derived/               may be deleted while nothing has the folder open; is rebuilt
    DATA.key                    the master key of transcripts: 64 hexadecimal digits, in no backup of DATA

Invariants:
    1. A folder that is not empty and has no `format` is never written to.
    2. A folder of a newer version is never written to; one of an older version is upgraded before use, and
       only when nobody else has it open.
    3. A folder is used with the key it was made with, or not at all.

A crash while a folder is made or upgraded leaves one that the next opener finishes. `format` is written
after the key and before anything else.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from imprint.store.durable import sync_folder, write_durably
from imprint.store.errors import DataFolderMismatch, StorageFailed
from imprint.store.hosting import catalogues

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imprint.store.catalog.database import SqlDatabase

VERSION: Final = 2
"""Version of the layout above. History: 1, the first; 2, its catalogue is in PostgreSQL, in a folder that
older versions must not open. A folder with a catalogue of its own is still made as version 1."""
KEY_BYTES: Final = 32
_MAGIC: Final = "imprint data folder"
_FOLDERS: Final = ("ground/repositories", "ground/transcripts", "derived")
WAIT_SECONDS: Final = 10.0
"""Long enough for another process that is making or upgrading the folder at this moment."""


class DataFolder:
    """An open data folder. Made by `create_or_open`; several processes may have one open.

    Attributes:
        root: the folder.
        key_file: where the master key is.
        master_key: 32 bytes, from which the keys of transcripts are wrapped.
    """

    def __init__(self, root: Path, key_file: Path, master_key: bytes, lock: int) -> None:
        self.root = root
        self.key_file = key_file
        self.master_key = master_key
        self._lock: int | None = lock

    @classmethod
    def create_or_open(
        cls,
        root: Path,
        key_file: Path | None = None,
        *,
        catalogue_url: str | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> Self:
        """Open the folder; make it if there is none, and upgrade it if it is older.

        Args:
            root: the folder; missing ones above it are made too.
            key_file: the master key; by default `<root>.key`, beside the folder. Made with the folder.
            catalogue_url: of a PostgreSQL database that is to hold the catalogue of a new folder; or a new
                address of the one that holds it. None for a catalogue in the folder, or where it is known.
            wait_seconds: how long to wait for others to let go of an older folder before it is upgraded.

        Raises:
            DataFolderMismatch: it is not Imprint's, is newer, is older and in use, or its key is missing or
                not the one it was made with; or the database is not the folder's.
            BadInput: the URL is not that of a PostgreSQL database.
            StorageFailed: it is not writable, or the disk is full; or the database cannot be reached.
        """
        root = root.absolute()
        key_file = key_file.absolute() if key_file else root.with_name(f"{root.name}.key")
        with _failures_named(root):
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            _verify_ours(root)
            lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _place_catalogue(root, key_file, catalogue_url)
                master_key = _settle(root, key_file, lock, wait_seconds)
            except BaseException:
                if catalogue_url is not None and not (root / "ground").exists():
                    (root / "catalogue-url").unlink(missing_ok=True)  # of no folder, or a foreign one's
                os.close(lock)
                raise
        return cls(root, key_file, master_key, lock)

    @property
    def catalogue_path(self) -> Path:
        """The catalogue's SQLite file, where it is in one."""
        return catalogues.catalogue_file(self.root)

    def open_database(self) -> SqlDatabase:
        """The database that holds the catalogue, to be closed by the caller."""
        return catalogues.open_database(self.root, _read_kind(self.root))

    @property
    def catalogue_place(self) -> str:
        """Which database that is, without user or password."""
        database = self.open_database()
        database.close()
        return database.place

    @property
    def repositories_path(self) -> Path:
        """The folder of bare Git repositories."""
        return self.root / "ground" / "repositories"

    @property
    def transcripts_path(self) -> Path:
        """The folder of encrypted texts."""
        return self.root / "ground" / "transcripts"

    @property
    def lfs_path(self) -> Path:
        """The folder of large objects."""
        return self.root / "ground" / "lfs"

    @property
    def derived_path(self) -> Path:
        """The database of what followers derive from events: claims and deliveries."""
        return self.root / "derived" / "derived.db"

    @property
    def index_path(self) -> Path:
        """The folder of the semantic index."""
        return self.root / "derived" / "index"

    @property
    def changes_path(self) -> Path:
        """The folder of what is known of the history's commits."""
        return self.root / "derived" / "changes"

    @property
    def admin_token_path(self) -> Path:
        """Where the administrator's first token is left, readable by the owner only."""
        return self.root / "admin-token"

    def close(self) -> None:
        """Let go of the folder, so that another version may upgrade it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def _failures_named(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        where = failure.filename or root
        hint = "give --data a folder that this user may write to"
        if failure.errno == errno.ENOSPC:
            hint = "the disk is full: free some space"
        raise StorageFailed(f"{where}: {failure.strerror}", hint=hint) from failure


def _verify_ours(root: Path) -> None:
    """INV-1. A folder whose making was cut short has a lock and perhaps part of a format, nothing else."""
    entries = {path.name for path in root.iterdir()}
    if all(name in {"lock", "format", "catalogue-url"} or name.startswith(".format.") for name in entries):
        return
    if (root / "format").exists():
        return
    raise DataFolderMismatch(
        root,
        "the folder is not empty and is no data folder",
        hint="name an empty folder, one that does not exist yet, or a data folder",
    )


def _settle(root: Path, key_file: Path, lock: int, wait_seconds: float) -> bytes:
    """Bring the folder to this version under its lock, and return its key; the lock is held shared then."""
    fcntl.flock(lock, fcntl.LOCK_SH)
    if not _is_current(root, key_file):
        _lock_exclusively(root, lock, wait_seconds)
        _upgrade(root, key_file)
        fcntl.flock(lock, fcntl.LOCK_SH)
    for name in _FOLDERS:
        (root / name).mkdir(mode=0o700, exist_ok=True)
    return _read_key(root, key_file)


def _is_current(root: Path, key_file: Path) -> bool:
    if not (root / "format").exists():
        return False
    _verify_version(root)
    key = _read_key(root, key_file)
    return catalogues.is_current(root, _read_kind(root), _check_value(key))


def _lock_exclusively(root: Path, lock: int, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Two that hold the lock shared would wait for each other: let go while waiting.
            fcntl.flock(lock, fcntl.LOCK_UN)
        else:
            return
        if time.monotonic() > deadline:
            raise DataFolderMismatch(
                root,
                "the folder is of an older version and in use",
                hint="stop the server that has it open, then try again",
            )
        time.sleep(0.02)


def _upgrade(root: Path, key_file: Path) -> None:
    """Make what is missing; every step may have been done before by somebody who was cut short."""
    is_new = not (root / "ground").exists()
    if not (root / "format").exists():
        key = _make_key(key_file)
        content = {"format": _MAGIC, "version": 1, "key_check": _check_value(key)}
        if (root / "catalogue-url").exists():
            content |= {"version": VERSION, "catalogue": catalogues.POSTGRESQL}
        write_durably(root / "format", json.dumps(content, indent=1).encode() + b"\n", mode=0o644)
    _verify_version(root)
    key = _read_key(root, key_file)
    if is_new and _read_kind(root) == catalogues.POSTGRESQL:
        catalogues.upgrade(root, catalogues.POSTGRESQL, _check_value(key), is_new=True)
    (root / "ground").mkdir(mode=0o700, exist_ok=True)
    catalogues.upgrade(root, _read_kind(root), _check_value(key), is_new=False)
    for folder in (root / "ground", root, root.parent):
        sync_folder(folder)


def _place_catalogue(root: Path, key_file: Path, url: str | None) -> None:
    """Keep the address of a catalogue in PostgreSQL, for a new folder or in the place of an older address."""
    if url is None:
        return
    is_being_made = not (root / "ground").exists()
    if is_being_made and (not (root / "format").exists() or _read_kind(root) == catalogues.POSTGRESQL):
        catalogues.keep_url(root, url, None)
    elif _read_kind(root) == catalogues.POSTGRESQL:
        catalogues.keep_url(root, url, _check_value(_read_key(root, key_file)))
    else:
        raise DataFolderMismatch(
            root,
            "the folder has its catalogue in a file of its own",
            hint="make a new folder with --catalogue, and import the repositories into it",
        )


def _read_kind(root: Path) -> str:
    """Where the catalogue is: `catalogues.SQLITE` or `catalogues.POSTGRESQL`."""
    return str(_read_format(root).get("catalogue", catalogues.SQLITE))


def _read_format(root: Path) -> dict[str, object]:
    try:
        content = json.loads((root / "format").read_bytes())
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("format") != _MAGIC:
        raise DataFolderMismatch(
            root, "the file 'format' is not Imprint's", hint="name another folder, or restore a backup"
        )
    return content


def _verify_version(root: Path) -> None:
    version = _read_format(root).get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise DataFolderMismatch(
            root,
            f"the folder has version {version}, this Imprint knows up to {VERSION}",
            hint="it was written by a newer Imprint: use that version or a later one",
        )


def _check_value(key: bytes) -> str:
    return hmac.new(key, b"imprint data folder key", hashlib.sha256).hexdigest()[:32]


def _make_key(key_file: Path) -> bytes:
    """The key in the file; a new one in a new file if there is none."""
    if not key_file.exists():
        write_durably(key_file, secrets.token_hex(KEY_BYTES).encode() + b"\n")
    return _parse_key(key_file)


def _parse_key(key_file: Path) -> bytes:
    text = key_file.read_text("ascii", "replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise DataFolderMismatch(
            key_file, "this is no master key", hint=f"a key file holds {2 * KEY_BYTES} hexadecimal digits"
        )
    return key


def _read_key(root: Path, key_file: Path) -> bytes:
    """The folder's key. INV-3."""
    if not key_file.exists():
        raise DataFolderMismatch(
            root,
            f"its master key is not at {key_file}",
            hint="put the key back, or say where it is with --key-file; without it no prompt can be read",
        )
    key = _parse_key(key_file)
    if not hmac.compare_digest(_check_value(key), str(_read_format(root).get("key_check"))):
        raise DataFolderMismatch(
            root,
            f"{key_file} is the key of another data folder",
            hint="say where this folder's key is with --key-file",
        )
    return key

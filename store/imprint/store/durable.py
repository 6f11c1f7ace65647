"""Files and names that survive a crash of the machine once the call returns; and which file a name is."""

from __future__ import annotations

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SYNCS_AT_ONCE: Final = 8


def write_durably(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file whole: after a crash it is as before, or as given here."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    sync_folder(path.parent)


def sync_files(paths: Sequence[Path]) -> None:
    """Make the contents of files survive a crash; their names not yet.

    Several at a time, as file systems with a journal make all that wait for it durable in one go. A sync of
    the whole file system would be as fast, but also waits for whatever else is being written there.
    """
    if len(paths) == 1:
        _sync_file(paths[0])
    elif paths:
        with ThreadPoolExecutor(min(_SYNCS_AT_ONCE, len(paths))) as pool:
            for _ in pool.map(_sync_file, paths):
                pass


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_file_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one at the path now: not one that was removed or replaced meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False

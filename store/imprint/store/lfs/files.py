"""Large objects in files, one folder per repository.

    <repository id>/ab/cd/<oid>       an object; `ab` and `cd` begin its id
    <repository id>/incoming/<name>   one that is being sent
    .<repository id>.<name>           the objects of a repository that is being destroyed

Invariants:
    1. A file has the name of an object only when it is whole, hashed and synced; its name, and every folder
       above it, is synced before `write` returns.
    2. What is incoming is held with flock(2) by its writer. One that nobody holds is of a writer that died.
    3. An object goes only when its whole repository goes. A repository's folder leaves its place in one step.

A crash leaves at most things for `sweep`, and whole objects that nobody was told of, which stay: sending one
again finds it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from imprint.store.durable import is_file_at, sync_folder
from imprint.store.errors import LargeObjectMissing, StorageFailed
from imprint.store.lfs.pointer import LargeObjectId, Pointer
from imprint.store.lfs.ports import LargeObjects, Upload, copy_verified

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_INCOMING: Final = "incoming"
_SHARDS: Final = "[0-9a-f][0-9a-f]"


class FileLargeObjects(LargeObjects):
    """`LargeObjects` below a folder, shared by threads and processes.

    Args:
        folder: where; made when the first object comes.
        bytes_free_min: how much must stay free on its disk.
    """

    def __init__(self, folder: Path, bytes_free_min: int = 0) -> None:
        self._folder = folder
        self._bytes_free_min = bytes_free_min

    def write(self, repository_id: str, upload: Upload, content: BinaryIO) -> int:
        """See `LargeObjects.write`."""
        target = self._path(repository_id, upload.oid)
        with _failures_named(), self._open_partial(repository_id) as (path, file):
            self._verify_room(upload.size_bytes or 0)
            size_bytes = copy_verified(content, upload, file.write)
            file.flush()
            os.fsync(file.fileno())
            folders = [self._folder / repository_id, target.parent.parent, target.parent]
            for folder in folders:
                folder.mkdir(mode=0o700, exist_ok=True)
            path.replace(target)
            # Each, also where it was there: who made it a moment ago may not be done with it.
            for folder in (*reversed(folders), self._folder, self._folder.parent):
                sync_folder(folder)
        return size_bytes

    def size(self, repository_id: str, oid: LargeObjectId) -> int | None:
        """See `LargeObjects.size`."""
        with _failures_named():
            try:
                return self._path(repository_id, oid).stat().st_size
            except FileNotFoundError:
                return None

    def open(self, repository_id: str, oid: LargeObjectId) -> BinaryIO:
        """See `LargeObjects.open`."""
        with _failures_named():
            try:
                return self._path(repository_id, oid).open("rb", buffering=0)
            except FileNotFoundError:
                raise LargeObjectMissing(oid) from None

    def list(self, repository_id: str) -> Iterator[Pointer]:
        """See `LargeObjects.list`."""
        with _failures_named():
            for path in (self._folder / repository_id).glob(f"{_SHARDS}/{_SHARDS}/*"):
                with suppress(FileNotFoundError):  # destroyed meanwhile
                    yield Pointer(LargeObjectId(path.name), path.stat().st_size)

    def destroy(self, repository_id: str) -> None:
        """See `LargeObjects.destroy`."""
        doomed = self._folder / f".{repository_id}.{secrets.token_hex(8)}"
        with _failures_named():
            try:
                (self._folder / repository_id).rename(doomed)
            except FileNotFoundError:
                return
            sync_folder(self._folder)
            shutil.rmtree(doomed)

    def sweep(self) -> int:
        """See `LargeObjects.sweep`."""
        with _failures_named():
            doomed = list(self._folder.glob(".*"))
            for folder in doomed:
                shutil.rmtree(folder, ignore_errors=True)  # another sweep may be at it
            return len(doomed) + sum(map(_remove_if_dead, self._folder.glob(f"*/{_INCOMING}/*")))

    def _path(self, repository_id: str, oid: LargeObjectId) -> Path:
        return self._folder / repository_id / oid[:2] / oid[2:4] / oid

    def _verify_room(self, size_bytes: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if free - size_bytes < self._bytes_free_min:
            raise StorageFailed(
                f"only {free} bytes are free on the disk of {self._folder}",
                hint=f"{self._bytes_free_min} bytes must stay free",
            )

    @contextmanager
    def _open_partial(self, repository_id: str) -> Iterator[tuple[Path, BinaryIO]]:
        """A new file, held; at the end of the block its name is gone, if it was not moved."""
        incoming = self._folder / repository_id / _INCOMING
        while True:
            for folder in (self._folder, incoming.parent, incoming):
                folder.mkdir(mode=0o700, exist_ok=True)
            path = incoming / secrets.token_hex(16)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if not is_file_at(descriptor, path):  # swept before it was held
                    continue
                try:
                    yield path, file
                finally:
                    path.unlink(missing_ok=True)
                return


def _remove_if_dead(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not is_file_at(descriptor, path):  # it has become an object
            return False
        path.unlink()
    except (BlockingIOError, FileNotFoundError):
        return False
    else:
        return True
    finally:
        os.close(descriptor)


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        where = failure.filename or "large objects"
        raise StorageFailed(
            f"{where}: {failure.strerror}", hint="is the disk full or read-only?"
        ) from failure

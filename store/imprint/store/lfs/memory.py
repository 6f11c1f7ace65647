"""Large objects and locks that live as long as the process, for tests and for stores without files."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, BinaryIO

from imprint.store.errors import LargeObjectMissing, RepositoryMissing
from imprint.store.lfs.pointer import LargeObjectId, Pointer
from imprint.store.lfs.ports import (
    LargeObject,
    LargeObjects,
    Lock,
    LockQuery,
    Register,
    Upload,
    copy_verified,
    verify_removable,
)

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Iterator


class MemoryLargeObjects(LargeObjects):
    """`LargeObjects` in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contents: dict[str, dict[LargeObjectId, bytes]] = {}

    def write(self, repository_id: str, upload: Upload, content: BinaryIO) -> int:
        """See `LargeObjects.write`."""
        whole = io.BytesIO()
        size_bytes = copy_verified(content, upload, whole.write)
        with self._lock:
            self._contents.setdefault(repository_id, {})[upload.oid] = whole.getvalue()
        return size_bytes

    def size(self, repository_id: str, oid: LargeObjectId) -> int | None:
        """See `LargeObjects.size`."""
        with self._lock:
            content = self._contents.get(repository_id, {}).get(oid)
        return None if content is None else len(content)

    def open(self, repository_id: str, oid: LargeObjectId) -> BinaryIO:
        """See `LargeObjects.open`."""
        with self._lock:
            content = self._contents.get(repository_id, {}).get(oid)
        if content is None:
            raise LargeObjectMissing(oid)
        return io.BytesIO(content)

    def list(self, repository_id: str) -> Iterator[Pointer]:
        """See `LargeObjects.list`."""
        with self._lock:
            contents = dict(self._contents.get(repository_id, {}))
        return (Pointer(oid, len(content)) for oid, content in contents.items())

    def destroy(self, repository_id: str) -> None:
        """See `LargeObjects.destroy`."""
        with self._lock:
            self._contents.pop(repository_id, None)

    def sweep(self) -> int:
        """See `LargeObjects.sweep`; nothing is left behind in memory."""
        return 0


class MemoryRegister(Register):
    """`Register` in memory.

    Args:
        is_known: whether there is a repository of this id.
    """

    def __init__(self, is_known: Callable[[str], bool]) -> None:
        self._is_known = is_known
        self._mutex = threading.Lock()
        self._objects: dict[str, dict[LargeObjectId, LargeObject]] = {}
        self._locks: dict[str, dict[str, Lock]] = {}

    def record(self, large: LargeObject) -> LargeObject:
        """See `Register.record`."""
        self._verify_known(large.repository_id)
        with self._mutex:
            return self._objects.setdefault(large.repository_id, {}).setdefault(large.oid, large)

    def find(self, repository_id: str, oids: Iterable[LargeObjectId]) -> dict[LargeObjectId, LargeObject]:
        """See `Register.find`."""
        with self._mutex:
            known = self._objects.get(repository_id, {})
            return {oid: known[oid] for oid in oids if oid in known}

    def list_objects(self, repository_id: str) -> builtins.list[LargeObject]:
        """See `Register.list_objects`."""
        with self._mutex:
            return [large for _, large in sorted(self._objects.get(repository_id, {}).items())]

    def add_lock(self, repository_id: str, lock: Lock) -> Lock:
        """See `Register.add_lock`."""
        self._verify_known(repository_id)
        with self._mutex:
            locks = self._locks.setdefault(repository_id, {})
            held = next((each for each in locks.values() if each.path == lock.path), None)
            return held or locks.setdefault(lock.id, lock)

    def list_locks(self, repository_id: str, query: LockQuery) -> builtins.list[Lock]:
        """See `Register.list_locks`."""
        with self._mutex:
            locks = sorted(self._locks.get(repository_id, {}).items())
        asked = [
            lock
            for lock_id, lock in locks
            if lock_id > query.after
            and query.id in (None, lock_id)
            and (query.path is None or lock.path == query.path)
        ]
        return asked[: query.limit]

    def remove_lock(self, repository_id: str, lock_id: str, actor: str | None) -> Lock:
        """See `Register.remove_lock`."""
        with self._mutex:
            locks = self._locks.get(repository_id, {})
            verify_removable(locks.get(lock_id), lock_id, actor)
            return locks.pop(lock_id)

    def close(self) -> None:
        """See `Register.close`."""

    def _verify_known(self, repository_id: str) -> None:
        if not self._is_known(repository_id):
            raise RepositoryMissing(repository_id)

"""Commits and trees that were read or written lately: the next commit on the branch needs them again.

Invariants:
    1. What is kept is what the set said, or what was admitted to it: an object never changes.
    2. Bytes kept are bounded, for all repositories of a process together; what was not used for longest goes
       first.
    3. Only reading is answered from here. Whether an object is there is always asked of the set.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from imprint.store.errors import ObjectMissing
from imprint.store.objects.codec import decode_commit, decode_tag, decode_tree
from imprint.store.objects.ports import Commit, ObjectKind, Objects, Tag, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.store.types import HashAlgorithm, ObjectId

KEPT_BYTES_MAX: Final = 32 * 1024**2
"""Folders of 2,000 repositories with four of 100 files on the way to what is written."""
_OBJECT_BYTES: Final = 300
"""What keeping one takes beside its content."""
_SHARE_MAX: Final = 16
"""One object may take this part of all that is kept."""
_KEPT_KINDS: Final = (ObjectKind.COMMIT, ObjectKind.TREE)
_Raw = tuple[ObjectKind, bytes]


class RecentObjects:
    """What is kept, by repository and id. Safe to share between threads."""

    def __init__(self, bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ObjectId], _Raw] = OrderedDict()
        self._bytes = 0

    def find(self, repository_id: str, object_id: ObjectId) -> _Raw | None:
        """An object of a repository; None where it is not kept."""
        key = (repository_id, object_id)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, repository_id: str, objects: Iterable[tuple[ObjectId, ObjectKind, bytes]]) -> None:
        """Keep those that are commits and trees, and not too large; they are in the repository."""
        with self._lock:
            for object_id, kind, content in objects:
                key = (repository_id, object_id)
                is_small = len(content) <= self._bytes_max // _SHARE_MAX
                if kind in _KEPT_KINDS and is_small and key not in self._kept:
                    self._kept[key] = (kind, content)
                    self._bytes += len(content) + _OBJECT_BYTES
            while self._bytes > self._bytes_max:
                _, (_, content) = self._kept.popitem(last=False)
                self._bytes -= len(content) + _OBJECT_BYTES

    def before(self, objects: Objects, repository_id: str) -> Objects:
        """A repository's objects, with what is kept in front of them."""
        return _Fronted(self, objects, repository_id)


class _Fronted(Objects):
    """One repository's objects as a writer reads them."""

    def __init__(self, recent: RecentObjects, objects: Objects, repository_id: str) -> None:
        self._recent = recent
        self._objects = objects
        self._repository_id = repository_id

    @property
    def algorithm(self) -> HashAlgorithm:
        """See `Objects.algorithm`."""
        return self._objects.algorithm

    def find_kind(self, object_id: ObjectId) -> ObjectKind | None:
        """See `Objects.find_kind`."""
        return self._objects.find_kind(object_id)

    def find_size(self, object_id: ObjectId) -> int | None:
        """See `Objects.find_size`."""
        return self._objects.find_size(object_id)

    def read_raw(self, object_id: ObjectId) -> _Raw:
        """See `Objects.read_raw`."""
        found = self._recent.find(self._repository_id, object_id)
        if found is None:
            found = self._objects.read_raw(object_id)
            self._recent.keep(self._repository_id, [(object_id, *found)])
        return found

    def read_blob(self, object_id: ObjectId) -> bytes:
        """See `Objects.read_blob`."""
        return self._objects.read_blob(object_id)

    def read_tree(self, object_id: ObjectId) -> tuple[TreeEntry, ...]:
        """See `Objects.read_tree`."""
        return decode_tree(object_id, self._read(object_id, ObjectKind.TREE))

    def read_commit(self, object_id: ObjectId) -> Commit:
        """See `Objects.read_commit`."""
        return decode_commit(object_id, self._read(object_id, ObjectKind.COMMIT))

    def read_tag(self, object_id: ObjectId) -> Tag:
        """See `Objects.read_tag`."""
        return decode_tag(object_id, self._read(object_id, ObjectKind.TAG))

    def refresh(self) -> None:
        """See `Objects.refresh`."""
        self._objects.refresh()

    def close(self) -> None:
        """The objects behind are another's to close."""

    def _read(self, object_id: ObjectId, wanted: ObjectKind) -> bytes:
        kind, content = self.read_raw(object_id)
        if kind is not wanted:
            raise ObjectMissing(object_id)
        return content

"""Objects in memory: the strictest form of the port, for tests and for work that must not touch a disk."""

from __future__ import annotations

import threading

from imprint.store.errors import ObjectMissing
from imprint.store.objects.codec import decode_commit, decode_tag, decode_tree, empty_tree, object_id
from imprint.store.objects.ports import Commit, ObjectKind, Tag, TreeEntry
from imprint.store.types import HashAlgorithm, ObjectId


class MemoryObjects:
    """Objects in a dictionary. Refuses every use after `close`, and ids of another algorithm."""

    def __init__(self, algorithm: HashAlgorithm = HashAlgorithm.SHA1) -> None:
        self._algorithm = algorithm
        empty = (ObjectKind.TREE, b"")
        self._objects: dict[ObjectId, tuple[ObjectKind, bytes]] = {empty_tree(algorithm): empty}
        self._lock = threading.Lock()
        self._closed = False

    @property
    def algorithm(self) -> HashAlgorithm:
        """The format of the ids."""
        return self._algorithm

    def add(self, kind: ObjectKind, content: bytes) -> ObjectId:
        """Keep an object and return its id. Adding it again changes nothing."""
        added = object_id(kind, content, self._algorithm)
        with self._lock:
            self._objects[added] = (kind, content)
        return added

    def find_kind(self, object_id: ObjectId) -> ObjectKind | None:
        """The kind of an object; None if it is absent."""
        found = self._find(object_id)
        return found[0] if found else None

    def find_size(self, object_id: ObjectId) -> int | None:
        """The size of an object's content; None if it is absent."""
        found = self._find(object_id)
        return len(found[1]) if found else None

    def read_raw(self, object_id: ObjectId) -> tuple[ObjectKind, bytes]:
        """An object's kind and content, without header."""
        found = self._find(object_id)
        if found is None:
            raise ObjectMissing(object_id)
        return found

    def read_blob(self, object_id: ObjectId) -> bytes:
        """A blob's content."""
        return self._read(object_id, ObjectKind.BLOB)

    def read_tree(self, object_id: ObjectId) -> tuple[TreeEntry, ...]:
        """A tree's entries in Git's order."""
        return decode_tree(object_id, self._read(object_id, ObjectKind.TREE))

    def read_commit(self, object_id: ObjectId) -> Commit:
        """A commit, decoded."""
        return decode_commit(object_id, self._read(object_id, ObjectKind.COMMIT))

    def read_tag(self, object_id: ObjectId) -> Tag:
        """An annotated tag, decoded."""
        return decode_tag(object_id, self._read(object_id, ObjectKind.TAG))

    def refresh(self) -> None:
        """Nothing: objects in memory are never removed."""

    def close(self) -> None:
        """Forget everything; a later use is a defect of the caller."""
        self._closed = True
        self._objects = {}

    def _read(self, object_id: ObjectId, wanted: ObjectKind) -> bytes:
        kind, content = self.read_raw(object_id)
        if kind is not wanted:
            raise ObjectMissing(object_id)
        return content

    def _find(self, object_id: ObjectId) -> tuple[ObjectKind, bytes] | None:
        if self._closed:
            msg = "objects were read after close()"
            raise AssertionError(msg)
        return self._objects.get(object_id)

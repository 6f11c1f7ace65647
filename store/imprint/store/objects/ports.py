"""Reading Git objects, whatever keeps them.

Every promise below is tested on every implementation by `tests/contracts/test_objects.py`.
"""

from __future__ import annotations

import enum
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from imprint.store.types import HashAlgorithm, ObjectId


class ObjectKind(enum.Enum):
    """Git's object types, by their names in the object header."""

    BLOB = "blob"
    TREE = "tree"
    COMMIT = "commit"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree. `mode` is Git's: 0o100644, 0o100755, 0o120000, 0o40000 or 0o160000."""

    name: bytes
    mode: int
    id: ObjectId

    @property
    def is_tree(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file (executable or not), neither link nor submodule."""
        return stat.S_ISREG(self.mode)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who and when, as a commit says it, by the commit's own encoding; undecodable bytes become U+FFFD.

    What is missing or malformed is empty, or 0.
    """

    name: str
    email: str
    at_s: int
    """Seconds since the Unix epoch."""
    offset_minutes: int
    """East of UTC."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, decoded. `message` is text by the commit's own encoding; undecodable bytes become U+FFFD."""

    id: ObjectId
    tree: ObjectId
    parents: tuple[ObjectId, ...]
    author: Identity
    committer: Identity
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.split("\n", 1)[0].strip()


@dataclass(frozen=True, slots=True)
class Tag:
    """An annotated tag."""

    id: ObjectId
    target: ObjectId
    target_kind: ObjectKind
    name: str
    message: str


class Objects(Protocol):
    """A set of Git objects. Objects never change. Safe to share between threads.

    The empty tree is in every set, as Git has it: a commit may name it though nobody ever wrote it.

    Objects admitted after opening are seen; a reader never sees half an object. Each `read_` method raises
    `ObjectMissing` if the object is absent or of another kind. Every method may raise `ObjectDamaged` and
    `StorageFailed`. Parents are those that a commit names: in a shallow clone some of them are absent.
    """

    @property
    def algorithm(self) -> HashAlgorithm:
        """The format of the ids."""
        ...

    def find_kind(self, object_id: ObjectId) -> ObjectKind | None:
        """The kind of an object; None if it is absent."""
        ...

    def find_size(self, object_id: ObjectId) -> int | None:
        """The size of an object's content in bytes, without reading it; None if it is absent."""
        ...

    def read_raw(self, object_id: ObjectId) -> tuple[ObjectKind, bytes]:
        """An object's kind and content, without header."""
        ...

    def read_blob(self, object_id: ObjectId) -> bytes:
        """A blob's content."""
        ...

    def read_tree(self, object_id: ObjectId) -> tuple[TreeEntry, ...]:
        """A tree's entries in Git's order."""
        ...

    def read_commit(self, object_id: ObjectId) -> Commit:
        """A commit, decoded."""
        ...

    def read_tag(self, object_id: ObjectId) -> Tag:
        """An annotated tag, decoded."""
        ...

    def refresh(self) -> None:
        """Let go of what was removed since, and of the disk that it takes. Reading needs no call of this."""
        ...

    def close(self) -> None:
        """Release files; the set is not used again."""
        ...

"""What is kept of large objects: their content, and what is known of them and of locks.

Every promise below is tested on every implementation by `tests/contracts/test_lfs.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from imprint.store.errors import BadLargeObject, Denied, LimitExceeded, LockMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imprint.store.lfs.pointer import LargeObjectId, Pointer

COPY_BYTES: Final = 1024 * 1024
"""How much of an object is in memory at a time."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that is about to be sent.

    Attributes:
        oid: what its content must hash to.
        size_bytes: how long it must be; None where nobody said.
        bytes_max: how long it may be.
    """

    oid: LargeObjectId
    size_bytes: int | None
    bytes_max: int


@dataclass(frozen=True, slots=True)
class LargeObject:
    """An object that a repository has.

    Attributes:
        repository_id: which repository.
        oid: the hash of its content.
        size_bytes: how long it is.
        actor: who delivered it first.
        at_ms: when.
    """

    repository_id: str
    oid: LargeObjectId
    size_bytes: int
    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Lock:
    """Somebody's word that nobody else should change a file now.

    Attributes:
        id: unique; later ones sort after earlier ones.
        path: of the file, from the top folder. It is locked on every branch.
        actor: who holds it.
        locked_at_ms: since when.
        ref: the ref at which the client was; None where it did not say.
    """

    id: str
    path: str
    actor: str
    locked_at_ms: int
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class LockQuery:
    """Which locks are asked for: all, in order of their ids, without what is said here.

    Attributes:
        path: only the one on this path.
        id: only this one.
        after: only those whose ids sort after this.
        limit: how many at most.
    """

    path: str | None = None
    id: str | None = None
    after: str = ""
    limit: int = 100


class LargeObjects(Protocol):
    """Contents, by repository and hash. Safe to share between threads and, where kept in files, processes.

    When `write` returns, the content survives a crash. A reader sees an object whole or not at all. Any
    method may raise `StorageFailed`.
    """

    def write(self, repository_id: str, upload: Upload, content: BinaryIO) -> int:
        """Keep an object; again, if it is there, and so mends one that was damaged.

        Args:
            repository_id: for which repository.
            upload: what it must be.
            content: read to its end, or to the first byte that is too much.

        Returns:
            How long it is.

        Raises:
            BadLargeObject: the content is not what was said; nothing of it is kept.
            LimitExceeded: it is too long; nothing of it is kept.
        """
        ...

    def size(self, repository_id: str, oid: LargeObjectId) -> int | None:
        """How long the object is; None when it is not there."""
        ...

    def open(self, repository_id: str, oid: LargeObjectId) -> BinaryIO:
        """The object to read, and to seek in; the caller closes it.

        Raises:
            LargeObjectMissing: it is not there.
        """
        ...

    def list(self, repository_id: str) -> Iterator[Pointer]:
        """Every object of a repository."""
        ...

    def destroy(self, repository_id: str) -> None:
        """Destroy every object of a repository, for good. One that has none is allowed."""
        ...

    def sweep(self) -> int:
        """Remove what writers that died left behind; how many things went. Never a whole object."""
        ...


class Register(Protocol):
    """Which objects a repository has, and who holds which lock. Safe to share between threads.

    When a writing method returns, the change survives a crash. Any method may raise `StorageFailed`.
    """

    def record(self, large: LargeObject) -> LargeObject:
        """Say that a repository has an object; what was said of it first stays, and is returned.

        Raises:
            RepositoryMissing: there is no such repository.
        """
        ...

    def find(self, repository_id: str, oids: Iterable[LargeObjectId]) -> dict[LargeObjectId, LargeObject]:
        """Those of the objects that the repository has."""
        ...

    def list_objects(self, repository_id: str) -> list[LargeObject]:
        """Every object that the repository has, by id."""
        ...

    def add_lock(self, repository_id: str, lock: Lock) -> Lock:
        """The lock that holds the path now: the one given, or one that was there before.

        Raises:
            RepositoryMissing: there is no such repository.
        """
        ...

    def list_locks(self, repository_id: str, query: LockQuery) -> list[Lock]:
        """The locks that are asked for, in order of their ids."""
        ...

    def remove_lock(self, repository_id: str, lock_id: str, actor: str | None) -> Lock:
        """Give a path free, and return the lock that held it.

        Args:
            repository_id: in which repository.
            lock_id: which lock.
            actor: whose it must be, in any letter case; None for anybody's.

        Raises:
            LockMissing: there is none.
            Denied: it is another's.
        """
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


def copy_verified(content: BinaryIO, upload: Upload, write: Callable[[bytes], object]) -> int:
    """Pass content on piece by piece, and check at the end that it was what was said; how long it was.

    Raises:
        BadLargeObject: it was not.
        LimitExceeded: it is longer than it may be.
    """
    digest = hashlib.sha256()
    size_bytes = 0
    while piece := content.read(COPY_BYTES):
        size_bytes += len(piece)
        if size_bytes > upload.bytes_max:
            raise LimitExceeded(
                f"the object is longer than {upload.bytes_max} bytes", limit="lfs_object_bytes_max"
            )
        digest.update(piece)
        write(piece)
    if upload.size_bytes is not None and size_bytes != upload.size_bytes:
        raise BadLargeObject(f"{upload.oid}: {upload.size_bytes} bytes were announced, {size_bytes} came")
    if digest.hexdigest() != upload.oid:
        raise BadLargeObject(
            f"{upload.oid}: the content that came has the hash {digest.hexdigest()}",
            hint="the file changed while it was sent, or was damaged on its way: send it again",
        )
    return size_bytes


def verify_removable(lock: Lock | None, lock_id: str, actor: str | None) -> Lock:
    """The lock, if it is there, and is the actor's own where one is named.

    Raises:
        LockMissing: it is not there.
        Denied: it is another's.
    """
    if lock is None:
        raise LockMissing(f"no lock {lock_id[:80]!r} here", hint="'git lfs locks' lists them")
    if actor is not None and lock.actor.casefold() != actor.casefold():
        raise Denied(
            f"{lock.path} is locked by {lock.actor}",
            hint="ask them; or unlock by force, with a token that may administer the repository",
        )
    return lock

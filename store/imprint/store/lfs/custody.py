"""The large objects and locks of a data folder: content in files, and the word about it in the catalogue.

Invariants:
    1. A repository has an object when the catalogue says so. The file is there first, whole and durable, and
       its row second; so what was acknowledged survives a crash.
    2. Sending an object again, or twice at once, is the same as sending it once. One whose file was lost or
       cut short counts as absent, so that a client sends it again.
    3. A path has one lock at most, on all branches of its repository together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from imprint.store.errors import BadLargeObject, BadPath, LargeObjectMissing, LimitExceeded, RepositoryMissing
from imprint.store.lfs.ports import COPY_BYTES, LargeObject, Lock, LockQuery, Upload
from imprint.store.paths import verify_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imprint.store.clock import Clock, Ids
    from imprint.store.lfs.pointer import LargeObjectId, Pointer
    from imprint.store.lfs.ports import LargeObjects, Register
    from imprint.store.limits import Limits


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an object that a repository has.

    Attributes:
        oid: which.
        what: in words.
    """

    oid: LargeObjectId
    what: str


class Custody:
    """Keeps large objects and locks. Safe to share between threads.

    Attributes:
        objects: the contents.
        register: which repository has which object, and the locks.
    """

    def __init__(
        self, objects: LargeObjects, register: Register, clock: Clock, ids: Ids, limits: Limits
    ) -> None:
        self.objects = objects
        self.register = register
        self._clock = clock
        self._ids = ids
        self._limits = limits

    # -- objects ------------------------------------------------------------------------------------

    def put(
        self,
        repository_id: str,
        wanted: tuple[LargeObjectId, int | None],
        content: BinaryIO,
        actor: str,
        verify: Callable[[], object] = lambda: None,
    ) -> LargeObject:
        """Take in an object; it is durable on return.

        Args:
            repository_id: for which repository.
            wanted: what it must hash to, and how long it must be, where that was said.
            content: read to its end.
            actor: who brings it.
            verify: asked once more, after a long upload, whether they still may; raises if not.

        Raises:
            BadLargeObject: the content is not what was said.
            LimitExceeded: it is too long.
            RepositoryMissing: the repository was destroyed meanwhile.
            StorageFailed: there is no room, or the disk failed.
        """
        oid, size_bytes = wanted
        self.verify_size(size_bytes or 0)
        upload = Upload(oid, size_bytes, self._limits.lfs_object_bytes_max)
        written = self.objects.write(repository_id, upload, content)
        verify()
        large = LargeObject(repository_id, oid, written, actor, self._clock.now_ms())
        try:
            return self.register.record(large)
        except RepositoryMissing:
            self.objects.destroy(repository_id)
            raise

    def verify_size(self, size_bytes: int) -> None:
        """Check that an object would not be too long.

        Raises:
            LimitExceeded: it would.
        """
        if size_bytes > self._limits.lfs_object_bytes_max:
            raise LimitExceeded(
                f"an object of {size_bytes} bytes is longer than {self._limits.lfs_object_bytes_max}",
                limit="lfs_object_bytes_max",
            )

    def find(self, repository_id: str, oids: Iterable[LargeObjectId]) -> dict[LargeObjectId, LargeObject]:
        """Those of the objects that the repository has, in full length."""
        recorded = self.register.find(repository_id, oids)
        return {
            oid: large
            for oid, large in recorded.items()
            if self.objects.size(repository_id, oid) == large.size_bytes
        }

    def get(self, repository_id: str, pointer: Pointer) -> LargeObject:
        """The object that a pointer names.

        Raises:
            LargeObjectMissing: the repository does not have it.
            BadLargeObject: it has another length than the pointer says.
        """
        large = self.find(repository_id, [pointer.oid]).get(pointer.oid)
        if large is None:
            raise LargeObjectMissing(pointer.oid)
        if large.size_bytes != pointer.size_bytes:
            raise BadLargeObject(f"{large.oid} has {large.size_bytes} bytes, not {pointer.size_bytes}")
        return large

    def open(self, repository_id: str, oid: LargeObjectId) -> tuple[LargeObject, BinaryIO]:
        """An object, and its content to read and to seek in; the caller closes that.

        Raises:
            LargeObjectMissing: the repository does not have it.
        """
        large = self.find(repository_id, [oid]).get(oid)
        if large is None:
            raise LargeObjectMissing(oid)
        return large, self.objects.open(repository_id, oid)

    def find_faults(self, repository_id: str) -> Iterator[Fault]:
        """Read and hash every object of a repository; those that are not what the catalogue says."""
        for large in self.register.list_objects(repository_id):
            if what := self._find_fault(large):
                yield Fault(large.oid, what)

    def _find_fault(self, large: LargeObject) -> str | None:
        try:
            content = self.objects.open(large.repository_id, large.oid)
        except LargeObjectMissing:
            return "its file is gone"
        digest, size_bytes = hashlib.sha256(), 0
        with content:
            while piece := content.read(COPY_BYTES):
                digest.update(piece)
                size_bytes += len(piece)
        if size_bytes != large.size_bytes:
            return f"its file has {size_bytes} bytes instead of {large.size_bytes}"
        return None if digest.hexdigest() == large.oid else "its file was changed"

    # -- locks --------------------------------------------------------------------------------------

    def lock(self, repository_id: str, path: str, actor: str, ref: str | None = None) -> tuple[Lock, bool]:
        """Lock a path; the lock that holds it now, and whether that is a new one.

        Raises:
            BadPath: no tree could hold the path.
            RepositoryMissing: the repository was destroyed meanwhile.
        """
        try:
            verify_path(path.encode())
        except UnicodeEncodeError:
            raise BadPath("the path holds half a surrogate pair, which is no Unicode") from None
        lock = Lock(self._ids.new_id("lock"), path, actor, self._clock.now_ms(), ref)
        held = self.register.add_lock(repository_id, lock)
        return held, held.id == lock.id

    def list_locks(self, repository_id: str, query: LockQuery) -> tuple[list[Lock], str | None]:
        """The locks that are asked for, and after which id more follow; None when none do."""
        more = LockQuery(query.path, query.id, query.after, query.limit + 1)
        locks = self.register.list_locks(repository_id, more)
        kept = locks[: query.limit]
        return kept, kept[-1].id if len(locks) > query.limit else None

    # -- the folder -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Release every file."""
        self.register.close()

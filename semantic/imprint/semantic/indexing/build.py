"""Indexing a commit: what of its content is missing is read, extracted and added, in batches.

Invariants:
    1. A batch that was added stays: interrupted work goes on where it stopped. Who is asked to stop adds what
       was extracted until then.
    2. A commit is marked only when every file of it that can be read is in the index, under its own flavour.
    3. Content of more than `CONTENT_BYTES_MAX` is never read.
    4. What is wanted at once (a pushed tip, a commit that somebody asks about) goes before the history.
"""

from __future__ import annotations

import logging
import stat
import threading
from collections import OrderedDict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.semantic.index.flavours import canonical_path, flavour
from imprint.semantic.index.ports import BlobKey, ExtractedBlob, IndexedCommit
from imprint.semantic.parse.extract import extract_large
from imprint.semantic.parse.skip import CONTENT_BYTES_MAX
from imprint.store.errors import ObjectMissing, StorageFailed
from imprint.store.hosting.followers import Stopped, never
from imprint.store.objects.trees import TreeListing
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from imprint.semantic.index.ports import Index
    from imprint.semantic.parse.model import Extraction
    from imprint.store.objects.ports import Objects
    from imprint.store.view import RepositoryView

_log = logging.getLogger("imprint.semantic")

BATCH_BLOBS: Final = 500
BATCH_BYTES: Final = 8 * 1024**2
"""Content extracted before it is written: what a crash repeats at most."""
_TREE_LISTINGS_KEPT: Final = 8
_AHEAD: Final = 4
"""Contents handed out for each thread: so that none waits for another's."""
_CALM_SECONDS: Final = 10.0
_ATTEMPTS: Final = 5
"""A concurrent `forget` can take content out between adding and marking; then it is added again."""


AT_ONCE_BLOBS_MAX: Final = 64
AT_ONCE_BYTES_MAX: Final = 512 * 1024
"""What is extracted at most while somebody waits for an answer: a few tenths of a second."""


class Builder:
    """Brings contents into an index. Safe to share between threads.

    Args:
        index: where they go.
        extract: gives the extraction of a content under a path.
        batch_blobs: contents that are extracted before they are written.
        threads: how many ask `extract` at the same time.
        at_once: contents that are extracted at most while somebody waits.
    """

    def __init__(
        self,
        index: Index,
        extract: Callable[[bytes, bytes], Extraction],
        batch_blobs: int = BATCH_BLOBS,
        threads: int = 1,
        at_once: int = AT_ONCE_BLOBS_MAX,
    ) -> None:
        self._batch_blobs = batch_blobs
        self._index = index
        self._extract = extract
        self._threads = threads
        self._at_once = at_once
        self._lock = threading.Lock()
        self._listings: OrderedDict[str, tuple[Objects, TreeListing]] = OrderedDict()
        self._calm = threading.Condition()
        self._urgent = 0

    @contextmanager
    def _urgently(self) -> Iterator[None]:
        with self._calm:
            self._urgent += 1
        try:
            yield
        finally:
            with self._calm:
                self._urgent -= 1
                self._calm.notify_all()

    def _wait_for_calm(self) -> None:
        """Let what is wanted at once go first; not for ever, so that a history ends too."""
        with self._calm:
            self._calm.wait_for(lambda: not self._urgent, _CALM_SECONDS)

    def ensure(
        self,
        view: RepositoryView,
        commit: ObjectId,
        progress: Callable[[int, int], None] | None = None,
        stopping: Callable[[], bool] = never,
    ) -> None:
        """Index a commit's tree if that has not been done; `progress` is told contents done, and in all.

        Raises:
            Stopped: `stopping` said so, before the tree was read or a content of it.
            ObjectMissing: the commit or one of its trees is not in the repository.
            StorageFailed: the index's disk is full or read-only.
        """
        if self._index.find_tree(view.id, commit) is not None:
            return
        if stopping():
            raise Stopped
        tree = view.objects.read_commit(commit).tree
        with self._urgently():
            self._bring(view, IndexedCommit(commit, tree), self._keys(view, tree), progress, stopping)

    def complete(self, view: RepositoryView, commit: ObjectId, tree: ObjectId) -> bool:
        """Index what little is missing of a commit; False, and nothing done, where that is much.

        Raises:
            LimitExceeded: the tree has more files than any tree may have.
        """
        try:
            keys = self._keys(view, tree)
        except ObjectMissing:
            return False
        return bool(keys) and self.complete_part(view, commit, tree, keys, frozenset)

    def complete_part(
        self,
        view: RepositoryView,
        commit: ObjectId,
        tree: ObjectId,
        keys: set[BlobKey],
        others: Callable[[], frozenset[int]],
    ) -> bool:
        """The same of some keys, where the commit's others is known to be there, as rows of these ids."""
        missing = self._index.find_missing(keys)
        if not missing:
            return True
        if self._is_little(view, missing):
            with self._urgently():
                self._bring(view, IndexedCommit(commit, tree, others()), keys, None, never)
            return True
        missing -= self._index.find_kin(missing).keys()  # a folder whose files have another suffix since
        if not self._is_little(view, missing):
            return False
        with self._urgently():
            self._add(view, sorted(missing), None, never)
        return True

    def _is_little(self, view: RepositoryView, keys: Collection[BlobKey]) -> bool:
        """Whether contents can be extracted while somebody waits."""
        if len(keys) > self._at_once:
            return False
        sizes = (view.objects.find_size(ObjectId(key.blob)) or 0 for key in keys)
        return sum(sizes) <= AT_ONCE_BYTES_MAX

    def count(self, view: RepositoryView, tree: ObjectId) -> tuple[int, int]:
        """Of a tree's contents, how many are in the index, and how many there are.

        Raises:
            ObjectMissing: one of its trees is not in the repository.
        """
        keys = self._keys(view, tree)
        return len(keys) - len(self._index.find_missing(keys)), len(keys)

    def _keys(self, view: RepositoryView, tree: ObjectId) -> set[BlobKey]:
        return {BlobKey(blob, flavour(path)) for path, blob in self.files(view, tree)}

    def _bring(
        self,
        view: RepositoryView,
        commit: IndexedCommit,
        keys: set[BlobKey],
        progress: Callable[[int, int], None] | None,
        stopping: Callable[[], bool],
    ) -> None:
        """Index what is missing of a commit's keys, and mark it; `commit` has the ids of its other rows."""
        for _ in range(_ATTEMPTS):
            self._add(view, sorted(self._index.find_missing(keys)), progress, stopping)
            ids = commit.ids.union(row.id for row in self._index.find_rows(keys).values())
            if self._index.mark(view.id, [replace(commit, ids=ids)]):
                return
        raise StorageFailed(f"content of {view.name} is being removed from the index", hint="try again")

    def files(self, view: RepositoryView, tree: ObjectId) -> list[tuple[bytes, ObjectId]]:
        """The regular files of a tree, in path order."""
        with self._lock:
            objects, listing = self._listings.pop(view.id, (None, None))
            if listing is None or objects is not view.objects:
                listing = TreeListing(view.objects)
            self._listings[view.id] = view.objects, listing
            if len(self._listings) > _TREE_LISTINGS_KEPT:
                self._listings.popitem(last=False)
        return [(path, blob) for path, blob, mode in listing.files(tree) if stat.S_ISREG(mode)]

    def _add(
        self,
        view: RepositoryView,
        keys: Sequence[BlobKey],
        progress: Callable[[int, int], None] | None,
        stopping: Callable[[], bool],
    ) -> None:
        done = 0
        for batch in self._batches(view, keys, stopping):
            self._index.add(batch)
            done += len(batch)
            if progress:
                progress(done, len(keys))

    def add_patiently(
        self, view: RepositoryView, keys: Sequence[BlobKey], stopping: Callable[[], bool]
    ) -> Iterator[int]:
        """Index contents while nothing is wanted at once; gives how many are done after each batch.

        Raises:
            Stopped: `stopping` said so; what was extracted is kept.
        """

        def stop() -> bool:
            self._wait_for_calm()
            return stopping()

        done = 0
        for batch in self._batches(view, keys, stop):
            self._index.add(batch)
            done += len(batch)
            yield done

    def _batches(
        self, view: RepositoryView, keys: Sequence[BlobKey], stopping: Callable[[], bool]
    ) -> Iterator[list[ExtractedBlob]]:
        if keys:
            self._index.prepare()
        batch: list[ExtractedBlob] = []
        size = 0
        for count, blob in self._extracted(view, keys, stopping):
            if count < 0:
                if batch:
                    yield batch
                raise Stopped
            if blob is not None:
                batch.append(blob)
                size += count
            if len(batch) >= self._batch_blobs or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _extracted(
        self, view: RepositoryView, keys: Iterable[BlobKey], stopping: Callable[[], bool]
    ) -> Iterator[tuple[int, ExtractedBlob | None]]:
        """Of each content its bytes and what was extracted, None where it is not here; -1 at a stop."""
        if self._threads == 1:
            for key in keys:
                if stopping():
                    yield -1, None
                    return
                yield self._extract_one(view, key)
            return
        waiting: deque[Future[tuple[int, ExtractedBlob | None]]] = deque()
        with ThreadPoolExecutor(self._threads, "extracting") as pool:
            for key in keys:
                if stopping():
                    for future in waiting:
                        yield future.result()
                    yield -1, None
                    return
                waiting.append(pool.submit(self._extract_one, view, key))
                if len(waiting) > _AHEAD * self._threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _extract_one(self, view: RepositoryView, key: BlobKey) -> tuple[int, ExtractedBlob | None]:
        path = canonical_path(key.flavour)
        if (view.objects.find_size(ObjectId(key.blob)) or 0) > CONTENT_BYTES_MAX:
            return 0, ExtractedBlob(key, extract_large(path))
        content = _read(view, key)
        if content is None:
            return 0, None
        return len(content), ExtractedBlob(key, self._extract(path, content))


def _read(view: RepositoryView, key: BlobKey) -> bytes | None:
    """A content; None where the repository lacks it, as a partial clone does."""
    try:
        return view.objects.read_blob(ObjectId(key.blob))
    except ObjectMissing:
        _log.info("%s: content %s is not here, not indexed", view.id, key.blob)
        return None

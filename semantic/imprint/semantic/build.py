"""Indexing a commit: what of its content is missing is read, extracted and added, in batches.

Invariants:
    1. A batch that was added stays: interrupted work goes on where it stopped. Who is asked to stop adds what
       was extracted until then.
    2. A commit is marked only when every file of it that can be read is in the index.
    3. Content of more than `CONTENT_BYTES_MAX` is never read.
"""

from __future__ import annotations

import logging
import stat
import threading
from collections import OrderedDict
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
    from collections.abc import Callable, Iterator, Sequence

    from imprint.semantic.index.ports import Index
    from imprint.semantic.parse.model import Extraction
    from imprint.store.objects.ports import Objects
    from imprint.store.view import RepositoryView

_log = logging.getLogger("imprint.semantic")

BATCH_BLOBS: Final = 500
BATCH_BYTES: Final = 8 * 1024**2
"""Content extracted before it is written: what a crash repeats at most."""
_TREE_LISTINGS_KEPT: Final = 8
_ATTEMPTS: Final = 5
"""A concurrent `forget` can take content out between adding and marking; then it is added again."""


class Builder:
    """Brings commits into an index. Safe to share between threads."""

    def __init__(
        self, index: Index, extract: Callable[[bytes, bytes], Extraction], batch_blobs: int = BATCH_BLOBS
    ) -> None:
        self._batch_blobs = batch_blobs
        self._index = index
        self._extract = extract
        self._lock = threading.Lock()
        self._listings: OrderedDict[str, tuple[Objects, TreeListing]] = OrderedDict()

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
        keys = {BlobKey(blob, flavour(path)) for path, blob in self.files(view, tree)}
        for _ in range(_ATTEMPTS):
            self._add(view, sorted(self._index.find_missing(keys)), progress, stopping)
            ids = frozenset(row.id for row in self._index.find_rows(keys).values())
            if self._index.mark(view.id, [IndexedCommit(commit, tree, ids)]):
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

    def _batches(
        self, view: RepositoryView, keys: Sequence[BlobKey], stopping: Callable[[], bool]
    ) -> Iterator[list[ExtractedBlob]]:
        batch: list[ExtractedBlob] = []
        size = 0
        for key in keys:
            if stopping():
                if batch:
                    yield batch
                raise Stopped
            path = canonical_path(key.flavour)
            if (view.objects.find_size(ObjectId(key.blob)) or 0) > CONTENT_BYTES_MAX:
                batch.append(ExtractedBlob(key, extract_large(path)))
            elif (content := _read(view, key)) is not None:
                batch.append(ExtractedBlob(key, self._extract(path, content)))
                size += len(content)
            if len(batch) >= self._batch_blobs or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _read(view: RepositoryView, key: BlobKey) -> bytes | None:
    """A content; None where the repository lacks it, as a partial clone does."""
    try:
        return view.objects.read_blob(ObjectId(key.blob))
    except ObjectMissing:
        _log.info("%s: content %s is not here, not indexed", view.id, key.blob)
        return None

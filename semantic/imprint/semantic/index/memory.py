"""The index in memory: the same promises without a disk, and stricter about misuse."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from imprint.semantic.index.merging import merge
from imprint.semantic.index.passages.rows import PassageRow, cut_passages
from imprint.semantic.index.ports import BlobKey, BlobRow, Parts
from imprint.semantic.index.segment import BlobPlaces, Segment, blob_rows, passage_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from imprint.semantic.index.ports import ExtractedBlob, IndexedCommit
    from imprint.store.types import ObjectId


class MemoryIndex:
    """Rows in dictionaries, one segment per call of `add`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._last_id = 0
        self._forgotten = 0
        self._rows: dict[BlobKey, BlobRow] = {}
        self._parts: dict[int, Parts] = {}
        self._passages: dict[str, tuple[int, PassageRow]] = {}
        self._segments: tuple[Segment, ...] = ()
        self._told: Callable[[Sequence[tuple[int, PassageRow]]], None] | None = None
        self._commits: dict[str, dict[ObjectId, ObjectId]] = {}
        self._holdings: dict[str, set[int]] = {}
        self._positions: dict[str, int] = {}

    def find_missing(self, keys: Iterable[BlobKey]) -> set[BlobKey]:
        """Those of the keys that are not indexed."""
        with self._lock:
            return {key for key in keys if key not in self._rows}

    def prepare(self) -> None:
        """Nothing takes time; see `Index.prepare`."""

    def add(self, blobs: Sequence[ExtractedBlob]) -> None:
        """Index content; see `Index.add`."""
        with self._lock:
            passages, lists = [], []
            for blob in blobs:
                if blob.key in self._rows:
                    continue
                content = cut_passages(blob.extraction)
                for row in content.passages:
                    if row.key not in self._passages:
                        self._passages[row.key] = self._next_id(), row
                        passages.append(self._passages[row.key])
                own = tuple(self._passages[row.key][0] for row in content.passages)
                number = self._next_id()
                self._rows[blob.key] = BlobRow(number, content.language, len(own), content.skipped)
                self._parts[number] = Parts(
                    content.language, content.skipped, own, content.first_lines, content.tail
                )
                lists.append(BlobPlaces(number, own, content.first_lines))
            self._segments = (*self._segments, Segment.build(passages, lists))
            if self._told and passages:
                self._told(passages)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def find_rows(self, keys: Iterable[BlobKey]) -> dict[BlobKey, BlobRow]:
        """The rows of those keys that are indexed."""
        with self._lock:
            return {key: self._rows[key] for key in keys if key in self._rows}

    def find_kin(self, keys: Iterable[BlobKey]) -> dict[BlobKey, BlobRow]:
        """Rows of the same contents; see `Index.find_kin`."""
        with self._lock:
            kin = {key.blob: row for key, row in sorted(self._rows.items(), reverse=True)}
            return {key: kin[key.blob] for key in keys if key.blob in kin}

    def find_parts(self, row_id: int) -> Parts | None:
        """Of what the facts of a content consist."""
        with self._lock:
            return self._parts.get(row_id)

    def find_all_parts(self, keys: Collection[BlobKey]) -> dict[BlobKey, Parts]:
        """Of what the facts of contents consist."""
        with self._lock:
            return {key: self._parts[self._rows[key].id] for key in keys if key in self._rows}

    def mark(self, repository_id: str, commits: Sequence[IndexedCommit], position: int | None = None) -> bool:
        """Record indexed commits and the follower's position; see `Index.mark`."""
        with self._lock:
            if not self.hold(repository_id, set().union(*(commit.ids for commit in commits))):
                return False
            for commit in commits:
                self._commits.setdefault(repository_id, {})[commit.commit] = commit.tree
            if position is not None:
                self._positions[repository_id] = position
            return True

    def hold(self, repository_id: str, ids: Collection[int]) -> bool:
        """Keep rows for a repository; see `Index.hold`."""
        with self._lock:
            if not self._parts.keys() >= set(ids):
                return False
            self._holdings.setdefault(repository_id, set()).update(ids)
            return True

    def find_tree(self, repository_id: str, commit: ObjectId) -> ObjectId | None:
        """The root tree of an indexed commit."""
        with self._lock:
            return self._commits.get(repository_id, {}).get(commit)

    def list_commits(self, repository_id: str) -> set[ObjectId]:
        """Every indexed commit of the repository."""
        with self._lock:
            return set(self._commits.get(repository_id, {}))

    def incarnation(self) -> str:
        """Changes when row ids known before may have gone."""
        return f"0-{self._forgotten}"

    def position(self, repository_id: str) -> int:
        """Sequence of the last event followed."""
        with self._lock:
            return self._positions.get(repository_id, 0)

    def forget(self, repository_id: str) -> None:
        """Drop what only this repository holds; see `Index.forget`."""
        with self._lock:
            for kept in (self._commits, self._holdings, self._positions):
                kept.pop(repository_id, None)
            held: set[int] = set().union(*self._holdings.values())
            gone = self._parts.keys() - held
            self._forgotten += 1
            self._rows = {key: row for key, row in self._rows.items() if row.id not in gone}
            self._parts = {row: self._parts[row] for row in held}
            if self._segments:
                self._segments = (merge(self._segments, without=np.array(sorted(gone), np.int64)),)
            left = {number for parts in self._parts.values() for number in parts.passages}
            self._passages = {key: kept for key, kept in self._passages.items() if kept[0] in left}

    def segments(self) -> tuple[Segment, ...]:
        """Everything indexed."""
        return self._segments

    def read_passages(self) -> Iterator[tuple[int, PassageRow]]:
        """Every passage with its id."""
        with self._lock:
            yield from list(self._passages.values())

    def listen(self, told: Callable[[Sequence[tuple[int, PassageRow]]], None]) -> None:
        """Tell of passages that are added; see `Index.listen`."""
        self._told = told

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything, keyed by content and sorted; see `Index.rows`."""
        with self._lock:
            named = {row.id: (key.blob, key.flavour) for key, row in self._rows.items()}
            keys = {number: key for key, (number, _) in self._passages.items()}
            tables: dict[str, list[tuple[object, ...]]] = {
                "blobs": [
                    (*named[row.id], row.language, row.chunks, row.skipped, *self._describe(row.id, keys))
                    for row in self._rows.values()
                ],
                "holdings": [
                    (*named[row], repository) for repository, ids in self._holdings.items() for row in ids
                ],
                "commits": [
                    (repository, commit, tree)
                    for repository, commits in self._commits.items()
                    for commit, tree in commits.items()
                ],
                "positions": list(self._positions.items()),
                "chunks": [(key, row) for key, (_, row) in self._passages.items()],
                "postings": [],
            }
            for segment in self._segments:
                tables["postings"] += [
                    (keys[number], *said) for number, said in passage_rows(segment).items()
                ]
                tables["postings"] += [
                    (*named[row], *((keys[number], line) for number, line in said))
                    for row, said in blob_rows(segment).items()
                ]
        return {name: sorted(table, key=repr) for name, table in tables.items()}

    def _describe(self, row_id: int, keys: dict[int, str]) -> tuple[object, bytes]:
        parts = self._parts[row_id]
        places = zip((keys[number] for number in parts.passages), parts.first_lines, strict=True)
        return tuple(places), parts.tail

    def close(self) -> None:
        """Nothing is open."""

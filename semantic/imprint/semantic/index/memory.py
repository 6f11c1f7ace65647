"""The index in memory: the same promises without a disk, and stricter about misuse."""

from __future__ import annotations

import threading
from dataclasses import astuple
from typing import TYPE_CHECKING

import numpy as np

from imprint.semantic.index.ports import BlobKey, BlobRow, EntityRow, ReferenceRow
from imprint.semantic.index.rows import chunk_rows, entity_rows, storable, use_rows
from imprint.semantic.index.segment import BlobChunks, Segment, merge, segment_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.semantic.index.ports import ExtractedBlob, IndexedCommit
    from imprint.semantic.parse.model import Extraction
    from imprint.store.types import ObjectId


class MemoryIndex:
    """Rows in dictionaries, one segment per call of `add`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._last_id = 0
        self._forgotten = 0
        self._rows: dict[BlobKey, BlobRow] = {}
        self._extractions: dict[int, Extraction] = {}
        self._segments: tuple[Segment, ...] = ()
        self._commits: dict[str, dict[ObjectId, ObjectId]] = {}
        self._holdings: dict[str, set[int]] = {}
        self._positions: dict[str, int] = {}

    def find_missing(self, keys: Iterable[BlobKey]) -> set[BlobKey]:
        """Those of the keys that are not indexed."""
        with self._lock:
            return {key for key in keys if key not in self._rows}

    def add(self, blobs: Sequence[ExtractedBlob]) -> None:
        """Index content; see `Index.add`."""
        with self._lock:
            fresh = []
            for blob in blobs:
                if blob.key in self._rows:
                    continue
                self._last_id += 1
                rows = chunk_rows(blob.extraction)
                self._rows[blob.key] = BlobRow(
                    self._last_id, blob.extraction.language, len(rows), blob.extraction.skipped
                )
                self._extractions[self._last_id] = blob.extraction
                fresh.append(BlobChunks(self._last_id, blob.extraction.language, rows))
            self._segments = (*self._segments, Segment.build(fresh))

    def find_rows(self, keys: Iterable[BlobKey]) -> dict[BlobKey, BlobRow]:
        """The rows of those keys that are indexed."""
        with self._lock:
            return {key: self._rows[key] for key in keys if key in self._rows}

    def mark(self, repository_id: str, commits: Sequence[IndexedCommit], position: int | None = None) -> bool:
        """Record indexed commits and the follower's position; see `Index.mark`."""
        with self._lock:
            wanted = set().union(*(commit.ids for commit in commits))
            if not wanted <= self._extractions.keys():
                return False
            self._holdings.setdefault(repository_id, set()).update(wanted)
            for commit in commits:
                self._commits.setdefault(repository_id, {})[commit.commit] = commit.tree
            if position is not None:
                self._positions[repository_id] = position
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
        return str(self._forgotten)

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
            gone = self._extractions.keys() - held
            self._forgotten += 1
            self._rows = {key: row for key, row in self._rows.items() if row.id not in gone}
            self._extractions = {row: self._extractions[row] for row in held}
            if self._segments:
                self._segments = (merge(self._segments, without=np.array(sorted(gone), np.int64)),)

    def segments(self) -> tuple[Segment, ...]:
        """Postings of everything indexed."""
        return self._segments

    def find_entities(self, name: str) -> list[EntityRow]:
        """Definitions of a name in any letter case."""
        with self._lock:
            return [
                EntityRow(
                    row, entity.kind.value, entity.name, entity.container,
                    entity.start_line, entity.end_line, entity.signature,
                )
                for row, extraction in sorted(self._extractions.items())
                for entity in extraction.entities
                if storable(entity.name).casefold() == name.casefold()
            ]  # fmt: skip

    def find_references(self, name: str) -> list[ReferenceRow]:
        """Uses of a name in exactly this letter case."""
        with self._lock:
            return [
                ReferenceRow(row, use.kind.value, use.name, use.container, use.line)
                for row, extraction in sorted(self._extractions.items())
                for use in extraction.references
                if use.name == name
            ]

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything, keyed by content and sorted; see `Index.rows`."""
        with self._lock:
            keys = {row.id: (key.blob, key.flavour) for key, row in self._rows.items()}
            extractions = [(keys[row], extraction) for row, extraction in self._extractions.items()]
            tables: dict[str, list[tuple[object, ...]]] = {
                "blobs": [
                    (*keys[row.id], row.language, row.chunks, row.skipped) for row in self._rows.values()
                ],
                "entities": [
                    (*key, *row) for key, extraction in extractions for row in entity_rows(extraction)
                ],
                "uses": [(*key, *row) for key, extraction in extractions for row in use_rows(extraction)],
                "holdings": [
                    (*keys[row], repository) for repository, ids in self._holdings.items() for row in ids
                ],
                "commits": [
                    (repository, commit, tree)
                    for repository, commits in self._commits.items()
                    for commit, tree in commits.items()
                ],
                "positions": list(self._positions.items()),
                "chunks": [
                    (*key, extraction.language, *astuple(row))
                    for key, extraction in extractions
                    for row in chunk_rows(extraction)
                ],
                "postings": [
                    (*keys[row], ordinal, *said)
                    for segment in self._segments
                    for (row, ordinal), said in segment_rows(segment).items()
                ],
            }
        return {name: sorted(table, key=repr) for name, table in tables.items()}

    def close(self) -> None:
        """Nothing is open."""

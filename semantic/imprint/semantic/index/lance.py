"""The index on disk: LanceDB for passages, SQLite for what exists, mapped segments for queries.

Layout of the folder: `semantic.db`, `writers.lock`, `chunks/` (LanceDB), `segments/` (one file each).

Adding, in order: rows get their ids in an open transaction; new passages go to LanceDB; a segment is built of
them and written; the transaction is committed. A crash before the end leaves passages in LanceDB and perhaps
a segment file that no row of SQL speaks of: the passages are written again when the same content is added
again, and of two with one key the first is read; the file is removed by the next writer.

Invariants:
    1. SQL decides what exists (see `imprint.semantic.index.sql.database`).
    2. Segments are derived from LanceDB and SQL: where a segment file is lost or damaged, all are built
       again, and content of which LanceDB has lost a passage is taken out, to be extracted anew.
    3. Content is destroyed only after nothing holds it, LanceDB first: a crash in between is finished by
       doing the same again.
    4. Writers wait for each other; merging, which takes long, keeps them waiting only while files change
       places.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.chunks import ChunkTable
from imprint.semantic.index.merging import merge
from imprint.semantic.index.passages.rows import cut_passages
from imprint.semantic.index.segment import BlobPlaces, Segment
from imprint.semantic.index.sql.database import Database, renew_incarnation
from imprint.semantic.index.sql.dump import dump_rows
from imprint.semantic.index.sql.known import Lookups
from imprint.semantic.index.sql.tables import (
    delete_blobs,
    find_all_parts,
    find_existing,
    find_held,
    find_parts,
    find_passages,
    find_rows,
    insert_blob,
    insert_passages,
    unpack_places,
)
from imprint.store.errors import StorageFailed
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from imprint.semantic.index.passages.rows import PassageRow
    from imprint.semantic.index.ports import BlobKey, BlobRow, ExtractedBlob, IndexedCommit, Parts

_log = logging.getLogger("imprint.semantic")

SEGMENTS_MAX: Final = 8
"""With more segments than this, a writer merges the small ones."""
_REBUILD_PASSAGES: Final = 50_000
"""Passages per segment when building again from LanceDB."""


class LanceIndex:
    """The index on disk; safe to share between threads, and between processes that each open it.

    Args:
        folder: where it is; made if it is not there.
        apart: keep LanceDB in a process of its own, for a program whose memory is bounded.
    """

    def __init__(self, folder: Path, *, apart: bool = False) -> None:
        self._segments = folder / "segments"
        try:
            self._segments.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            raise StorageFailed(f"cannot make {folder}: {failure.strerror}") from failure
        self._database = Database(folder / "semantic.db", folder / "writers.lock")
        self._chunks = ChunkTable(folder / "chunks", apart=apart)
        self._mapped: dict[int, Segment] = {}
        self._mapping = threading.Lock()
        self._merging = threading.Lock()
        self._lookups = Lookups()
        self._told: Callable[[Sequence[tuple[int, PassageRow]]], None] | None = None

    # -- writing ------------------------------------------------------------------------------------

    def find_missing(self, keys: Iterable[BlobKey]) -> set[BlobKey]:
        """Those of the keys that are not indexed."""
        wanted = keys if isinstance(keys, AbstractSet) else set(keys)
        with self._database.reading() as sql:
            return self._lookups.find_missing(sql, wanted)

    def prepare(self) -> None:
        """Start the process that keeps LanceDB; see `Index.prepare`."""
        self._chunks.prepare()

    def add(self, blobs: Sequence[ExtractedBlob]) -> None:
        """Index content; see `Index.add`."""
        self.segments()  # mends them where need be, before they are merged
        contents = {blob.key: cut_passages(blob.extraction) for blob in blobs}
        passages = {row.key: row for content in contents.values() for row in content.passages}
        with self._database.writing() as sql:
            self._remove_strays(sql)
            known = find_rows(sql, contents.keys())
            fresh = {key: content for key, content in contents.items() if key not in known}
            wanted = {row.key for content in fresh.values() for row in content.passages}
            ids = find_passages(sql, wanted)
            new = [key for key in passages if key in wanted and key not in ids]
            self._chunks.write([passages[key] for key in new])
            ids |= insert_passages(sql, new)
            lists = []
            for key, content in fresh.items():
                own = tuple(ids[row.key] for row in content.passages)
                lists.append(BlobPlaces(insert_blob(sql, key, content, own), own, content.first_lines))
            added = [(ids[key], passages[key]) for key in new]
            self._add_segment(sql, Segment.build(added, lists))
        if self._told and added:
            self._told(added)
        self._merge_if_many()

    def mark(self, repository_id: str, commits: Sequence[IndexedCommit], position: int | None = None) -> bool:
        """Record indexed commits and the follower's position; see `Index.mark`."""
        with self._database.writing() as sql:
            if not _hold(sql, repository_id, set().union(*(commit.ids for commit in commits))):
                return False
            sql.executemany(
                "INSERT OR REPLACE INTO indexed_commit VALUES (?, ?, ?)",
                ((repository_id, commit.commit, commit.tree) for commit in commits),
            )
            if position is not None:
                sql.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (repository_id, position))
        return True

    def hold(self, repository_id: str, ids: Collection[int]) -> bool:
        """Keep rows for a repository; see `Index.hold`."""
        with self._database.writing() as sql:
            return _hold(sql, repository_id, set(ids))

    def forget(self, repository_id: str) -> None:
        """Drop what only this repository holds; see `Index.forget`."""
        self.segments()  # mends them where need be, before they are merged
        with self._database.writing() as sql:
            for table in ("indexed_commit", "position", "holding"):
                sql.execute(f"DELETE FROM {table} WHERE repository_id = ?", (repository_id,))  # noqa: S608
            orphans = sql.execute("SELECT id FROM blob WHERE id NOT IN (SELECT blob_id FROM holding)")
            gone = np.array([row for (row,) in orphans], np.int64)
            if not len(gone):
                return
            ids = [number for (number,) in sql.execute("SELECT id FROM segment ORDER BY id")]
            parts = [self._map(number) for number in ids]
            if parts:
                self._drop_passages(sql, ids, parts, merge(parts, without=gone))
            delete_blobs(sql, gone.tolist())
        with self._database.writing() as sql:
            self._remove_strays(sql)

    def _drop_passages(
        self, sql: sqlite3.Connection, numbers: Sequence[int], old: Sequence[Segment], new: Segment
    ) -> None:
        """Put one segment in the place of all, and destroy the passages that it has no more."""
        before = np.concatenate([segment.passage_ids for segment in old])
        lost = before[~np.isin(before, new.passage_ids)].tolist()
        keys = [
            sql.execute("SELECT key FROM passage WHERE id = ?", (number,)).fetchone()[0] for number in lost
        ]
        self._chunks.remove([key.hex() for key in keys])
        sql.executemany("DELETE FROM passage WHERE id = ?", ((number,) for number in lost))
        self._replace_segments(sql, numbers, new)

    # -- segments -----------------------------------------------------------------------------------

    def segments(self) -> tuple[Segment, ...]:
        """The segments of one moment, mapped; built again if a file is lost or damaged."""
        for _ in range(3):  # a merge between listing and mapping takes files away: list again
            with self._database.reading() as sql:
                ids = [number for (number,) in sql.execute("SELECT id FROM segment ORDER BY id")]
            try:
                found = tuple(self._map(number) for number in ids)
            except (FileNotFoundError, StorageFailed) as failure:
                _log.warning("a segment cannot be read: %s", failure)
            else:
                self._forget_mapped(set(ids))
                return found
        self._rebuild()
        return self.segments()

    def _map(self, number: int) -> Segment:
        with self._mapping:
            segment = self._mapped.get(number)
            if segment is None:
                segment = self._mapped[number] = Segment.map(self._path(number))
            return segment

    def _forget_mapped(self, ids: set[int]) -> None:
        with self._mapping:
            newest = max(ids, default=0)
            for number in [number for number in self._mapped if number not in ids and number < newest]:
                del self._mapped[number]

    def _path(self, number: int) -> Path:
        return self._segments / f"{number}.segment"

    def _add_segment(self, sql: sqlite3.Connection, segment: Segment) -> None:
        if len(segment.blob_ids):
            counts = (len(segment.blob_ids), len(segment.passage_ids))
            number = sql.execute("INSERT INTO segment (blobs, passages) VALUES (?, ?)", counts).lastrowid
            segment.write(self._path(number or 0))

    def _replace_segments(self, sql: sqlite3.Connection, old: Sequence[int], new: Segment) -> None:
        sql.executemany("DELETE FROM segment WHERE id = ?", ((number,) for number in old))
        self._add_segment(sql, new)

    def _merge_if_many(self) -> None:
        """Merge small segments where there are many; who comes while another merges leaves it to that one."""
        if not self._merging.acquire(blocking=False):
            return
        try:
            with self._database.reading() as sql:
                chosen = _choose(sql)
            if not chosen:
                return
            try:
                merged = merge([self._map(number) for number in chosen])
            except FileNotFoundError:
                return  # another process did it
            with self._database.writing() as sql:
                listed = {number for (number,) in sql.execute("SELECT id FROM segment")}
                if listed.issuperset(chosen):
                    self._replace_segments(sql, chosen, merged)
        finally:
            self._merging.release()

    def _remove_strays(self, sql: sqlite3.Connection) -> None:
        """Remove files of which SQL does not speak: merged ones, and those of dead writers."""
        known = {f"{number}.segment" for (number,) in sql.execute("SELECT id FROM segment")}
        for path in self._segments.iterdir():
            if path.name not in known:
                path.unlink(missing_ok=True)

    def _rebuild(self) -> None:
        """Build all segments from LanceDB; take out content that LanceDB does not have whole."""
        with self._database.writing() as sql:
            kept = self._chunks.read()
            numbered = [
                (number, kept.get(key.hex()))
                for number, key in sql.execute("SELECT id, key FROM passage ORDER BY id")
            ]
            lost = {number for number, row in numbered if row is None}
            good = [(number, row) for number, row in numbered if row is not None]
            lists, gone = [], []
            for row, places in sql.execute("SELECT id, places FROM blob WHERE chunks > 0 ORDER BY id"):
                ids, lines = unpack_places(places)
                if lost.intersection(ids):
                    gone.append(row)
                else:
                    lists.append(BlobPlaces(row, ids, lines))
            _log.warning("building segments again: %d contents, %d lost", len(lists), len(gone))
            if lost:
                delete_blobs(sql, gone)
                sql.executemany("DELETE FROM passage WHERE id = ?", ((number,) for number in lost))
                sql.execute("DELETE FROM indexed_commit")
                sql.execute("DELETE FROM position")
            renew_incarnation(sql, has_lost=bool(gone))
            sql.execute("DELETE FROM segment")
            for begin in range(0, len(good), _REBUILD_PASSAGES):
                some = good[begin : begin + _REBUILD_PASSAGES]
                self._add_segment(sql, Segment.build(some, lists))
                lists = []

    # -- reading ------------------------------------------------------------------------------------

    def find_rows(self, keys: Iterable[BlobKey]) -> dict[BlobKey, BlobRow]:
        """The rows of those keys that are indexed; those seen before are remembered while none goes."""
        wanted = keys if isinstance(keys, AbstractSet) else set(keys)
        with self._database.reading() as sql:
            return self._lookups.find_rows(sql, wanted)

    def find_kin(self, keys: Iterable[BlobKey]) -> dict[BlobKey, BlobRow]:
        """Rows of the same contents; see `Index.find_kin`."""
        with self._database.reading() as sql:
            return self._lookups.find_kin(sql, set(keys))

    def find_parts(self, row_id: int) -> Parts | None:
        """Of what the facts of a content consist."""
        with self._database.reading() as sql:
            return find_parts(sql, row_id)

    def find_all_parts(self, keys: Collection[BlobKey]) -> dict[BlobKey, Parts]:
        """Of what the facts of contents consist."""
        with self._database.reading() as sql:
            return find_all_parts(sql, keys)

    def find_tree(self, repository_id: str, commit: ObjectId) -> ObjectId | None:
        """The root tree of an indexed commit."""
        with self._database.reading() as sql:
            found = sql.execute(
                "SELECT tree_id FROM indexed_commit WHERE repository_id = ? AND commit_id = ?",
                (repository_id, commit),
            ).fetchone()
        return ObjectId(found[0]) if found else None

    def list_commits(self, repository_id: str) -> set[ObjectId]:
        """Every indexed commit of the repository."""
        with self._database.reading() as sql:
            found = sql.execute(
                "SELECT commit_id FROM indexed_commit WHERE repository_id = ?", (repository_id,)
            )
            return {ObjectId(commit) for (commit,) in found}

    def list_repositories(self) -> set[str]:
        """Every repository of which a commit is indexed."""
        with self._database.reading() as sql:
            return {row for (row,) in sql.execute("SELECT DISTINCT repository_id FROM indexed_commit")}

    def incarnation(self) -> str:
        """Changes when row ids known before may have gone."""
        with self._database.reading() as sql:
            return str(sql.execute("SELECT value FROM incarnation").fetchone()[0])

    def position(self, repository_id: str) -> int:
        """Sequence of the last event followed."""
        with self._database.reading() as sql:
            found = sql.execute(
                "SELECT sequence FROM position WHERE repository_id = ?", (repository_id,)
            ).fetchone()
        return int(found[0]) if found else 0

    def read_passages(self) -> Iterator[tuple[int, PassageRow]]:
        """Every passage with its id."""
        with self._database.reading() as sql:
            ids = {key.hex(): number for number, key in sql.execute("SELECT id, key FROM passage")}
        for key, row in self._chunks.read().items():
            if key in ids:
                yield ids[key], row

    def listen(self, told: Callable[[Sequence[tuple[int, PassageRow]]], None]) -> None:
        """Tell of passages that are added; see `Index.listen`."""
        self._told = told

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything, keyed by content and sorted; see `Index.rows`. Writers wait meanwhile."""
        self.segments()  # builds them again where a file is damaged
        with self._database.writing() as sql:
            segments = [self._map(number) for (number,) in sql.execute("SELECT id FROM segment")]
            return dump_rows(sql, segments, self._chunks.read())

    def close(self) -> None:
        """Close the database; mapped segments go with their last reader."""
        self._database.close()
        self._chunks.close()
        self._mapped.clear()


def _hold(sql: sqlite3.Connection, repository_id: str, ids: set[int]) -> bool:
    wanted = ids - find_held(sql, repository_id, ids)
    if len(find_existing(sql, wanted)) != len(wanted):
        return False
    sql.executemany("INSERT INTO holding VALUES (?, ?)", ((row, repository_id) for row in wanted))
    return True


def _choose(sql: sqlite3.Connection) -> list[int]:
    """The segments worth merging: the small ones, each not much larger than those before it together."""
    listed = sql.execute("SELECT passages + blobs, id FROM segment ORDER BY 1, 2").fetchall()
    if len(listed) <= SEGMENTS_MAX:
        return []
    chosen: list[int] = []
    total = 0
    for size, number in listed:
        if len(chosen) > 1 and size > 2 * total:
            break
        chosen.append(number)
        total += size
    return sorted(chosen)

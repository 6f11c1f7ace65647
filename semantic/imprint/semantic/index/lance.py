"""The index on disk: LanceDB for chunks, SQLite for what exists and for names, mapped segments for queries.

Layout of the folder: `semantic.db`, `writers.lock`, `chunks/` (LanceDB), `segments/` (one file each).

Adding, in order: rows get their ids in an open transaction; chunks go to LanceDB; a segment is built of them
and written; the transaction is committed. A crash before the end leaves chunk rows and perhaps a segment
file that no row of SQL speaks of: the rows are taken over when the same content is added again, the file is
removed by the next writer.

Invariants:
    1. SQL decides what exists (see `imprint.semantic.index.database`).
    2. Segments are derived from chunk rows: where a segment file is lost or damaged, all are built again from
       LanceDB, and content whose chunks LanceDB has lost is taken out, to be extracted anew.
    3. Content is destroyed only after nothing holds it, LanceDB first: a crash in between is finished by
       doing the same again.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import astuple
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.chunks import ChunkTable
from imprint.semantic.index.database import Database
from imprint.semantic.index.ports import BlobKey, EntityRow, ReferenceRow
from imprint.semantic.index.rows import chunk_rows
from imprint.semantic.index.segment import BlobChunks, Segment, merge, segment_rows
from imprint.semantic.index.tables import delete_blobs, find_existing, find_rows, insert_blob
from imprint.store.errors import StorageFailed
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from imprint.semantic.index.ports import BlobRow, ExtractedBlob, IndexedCommit

_log = logging.getLogger("imprint.semantic")

SEGMENTS_MAX: Final = 8
"""With more segments than this, a writer merges the small ones."""
_REBUILD_BLOBS: Final = 5_000
"""Rows per segment when building again from LanceDB."""


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

    # -- writing ------------------------------------------------------------------------------------

    def find_missing(self, keys: Iterable[BlobKey]) -> set[BlobKey]:
        """Those of the keys that are not indexed."""
        wanted = set(keys)
        return wanted - self.find_rows(wanted).keys()

    def add(self, blobs: Sequence[ExtractedBlob]) -> None:
        """Index content; see `Index.add`."""
        self.segments()  # mends them where need be, before they are merged
        with self._database.writing() as sql:
            self._remove_strays(sql)
            known = find_rows(sql, {blob.key for blob in blobs})
            fresh = {blob.key: blob.extraction for blob in blobs if blob.key not in known}
            rows = {key: chunk_rows(extraction) for key, extraction in fresh.items()}
            self._chunks.write([(key, fresh[key].language, row) for key, own in rows.items() for row in own])
            chunks = [
                BlobChunks(insert_blob(sql, key, extraction, len(rows[key])), extraction.language, rows[key])
                for key, extraction in fresh.items()
            ]
            self._add_segment(sql, Segment.build(chunks))
            self._merge_if_many(sql)

    def mark(self, repository_id: str, commits: Sequence[IndexedCommit], position: int | None = None) -> bool:
        """Record indexed commits and the follower's position; see `Index.mark`."""
        with self._database.writing() as sql:
            held = {
                row
                for (row,) in sql.execute(
                    "SELECT blob_id FROM holding WHERE repository_id = ?", (repository_id,)
                )
            }
            wanted = set().union(*(commit.ids for commit in commits)) - held
            if len(find_existing(sql, wanted)) != len(wanted):
                return False
            sql.executemany("INSERT INTO holding VALUES (?, ?)", ((row, repository_id) for row in wanted))
            sql.executemany(
                "INSERT OR REPLACE INTO indexed_commit VALUES (?, ?, ?)",
                ((repository_id, commit.commit, commit.tree) for commit in commits),
            )
            if position is not None:
                sql.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (repository_id, position))
        return True

    def forget(self, repository_id: str) -> None:
        """Drop what only this repository holds; see `Index.forget`."""
        self.segments()  # mends them where need be, before they are merged
        with self._database.writing() as sql:
            for table in ("indexed_commit", "position", "holding"):
                sql.execute(f"DELETE FROM {table} WHERE repository_id = ?", (repository_id,))  # noqa: S608
            orphans = sql.execute(
                "SELECT id, blob, flavour FROM blob WHERE id NOT IN (SELECT blob_id FROM holding)"
            ).fetchall()
            if not orphans:
                return
            self._chunks.remove([BlobKey(blob, flavour) for _, blob, flavour in orphans])
            delete_blobs(sql, [row for row, _, _ in orphans])
            ids = [number for (number,) in sql.execute("SELECT id FROM segment ORDER BY id")]
            gone = np.array([row for row, _, _ in orphans], np.int64)
            self._replace_segments(sql, ids, merge([self._map(number) for number in ids], without=gone))
        with self._database.writing() as sql:
            self._remove_strays(sql)

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
            counts = (len(segment.blob_ids), len(segment.lengths))
            number = sql.execute("INSERT INTO segment (blobs, chunks) VALUES (?, ?)", counts).lastrowid
            segment.write(self._path(number or 0))

    def _replace_segments(self, sql: sqlite3.Connection, old: Sequence[int], new: Segment) -> None:
        sql.executemany("DELETE FROM segment WHERE id = ?", ((number,) for number in old))
        self._add_segment(sql, new)

    def _merge_if_many(self, sql: sqlite3.Connection) -> None:
        listed = sql.execute("SELECT chunks, id FROM segment ORDER BY chunks, id").fetchall()
        if len(listed) <= SEGMENTS_MAX:
            return
        chosen: list[int] = []
        total = 0
        for chunks, number in listed:
            if len(chosen) > 1 and chunks > 2 * total:
                break
            chosen.append(number)
            total += chunks
        chosen.sort()
        self._replace_segments(sql, chosen, merge([Segment.map(self._path(number)) for number in chosen]))

    def _remove_strays(self, sql: sqlite3.Connection) -> None:
        """Remove files of which SQL does not speak: merged ones, and those of dead writers."""
        known = {f"{number}.segment" for (number,) in sql.execute("SELECT id FROM segment")}
        for path in self._segments.iterdir():
            if path.name not in known:
                path.unlink(missing_ok=True)

    def _rebuild(self) -> None:
        """Build all segments from LanceDB; take out content that LanceDB does not have whole."""
        with self._database.writing() as sql:
            ids = [number for (number,) in sql.execute("SELECT id FROM segment")]
            kept = self._chunks.read()
            lost: list[BlobChunks] = []
            good: list[BlobChunks] = []
            for row, blob, flavour, language, chunks in sql.execute(
                "SELECT id, blob, flavour, language, chunks FROM blob ORDER BY id"
            ):
                own = tuple(chunk for _, chunk in kept.get(BlobKey(blob, flavour), ()))
                (good if len(own) == chunks else lost).append(BlobChunks(row, language, own))
            _log.warning("building segments again: %d blobs, %d lost", len(good), len(lost))
            if lost:
                delete_blobs(sql, [blob.id for blob in lost])
                sql.execute("DELETE FROM indexed_commit")
                sql.execute("DELETE FROM position")
            sql.executemany("DELETE FROM segment WHERE id = ?", ((number,) for number in ids))
            for begin in range(0, len(good), _REBUILD_BLOBS):
                self._add_segment(sql, Segment.build(good[begin : begin + _REBUILD_BLOBS]))

    # -- reading ------------------------------------------------------------------------------------

    def find_rows(self, keys: Iterable[BlobKey]) -> dict[BlobKey, BlobRow]:
        """The rows of those keys that are indexed."""
        with self._database.reading() as sql:
            return find_rows(sql, set(keys))

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

    def find_entities(self, name: str) -> list[EntityRow]:
        """Definitions of a name in any letter case."""
        with self._database.reading() as sql:
            found = sql.execute(
                "SELECT blob_id, kind, name, container, start_line, end_line, signature FROM entity"
                " WHERE folded = ? ORDER BY blob_id, ordinal",
                (name.casefold(),),
            )
            return [EntityRow(*row) for row in found]

    def find_references(self, name: str) -> list[ReferenceRow]:
        """Uses of a name in exactly this letter case."""
        with self._database.reading() as sql:
            found = sql.execute(
                "SELECT blob_id, kind, name, container, line FROM use"
                " WHERE name = ? ORDER BY blob_id, ordinal",
                (name,),
            )
            return [ReferenceRow(*row) for row in found]

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything, keyed by content and sorted; see `Index.rows`. Writers wait meanwhile."""
        self.segments()  # builds them again where a file is damaged
        with self._database.writing() as sql:
            segments = [self._map(number) for (number,) in sql.execute("SELECT id FROM segment")]
            blobs = sql.execute("SELECT id, blob, flavour, language, chunks, skipped FROM blob").fetchall()
            keys = {row[0]: (row[1], row[2]) for row in blobs}
            tables = {
                "blobs": [row[1:] for row in blobs],
                "entities": [(*keys[row[0]], *row[1:]) for row in sql.execute("SELECT * FROM entity")],
                "uses": [(*keys[row[0]], *row[1:]) for row in sql.execute("SELECT * FROM use")],
                "holdings": [(*keys[row[0]], row[1]) for row in sql.execute("SELECT * FROM holding")],
                "commits": sql.execute("SELECT * FROM indexed_commit").fetchall(),
                "positions": sql.execute("SELECT * FROM position").fetchall(),
            }
            kept = self._chunks.read()
        tables["chunks"] = [
            (blob, flavour, language, *astuple(row))
            for blob, flavour in keys.values()
            for language, row in kept.get(BlobKey(blob, flavour), ())
        ]
        tables["postings"] = [
            (*keys[row], ordinal, *said)
            for segment in segments
            for (row, ordinal), said in segment_rows(segment).items()
        ]
        return {name: sorted(table, key=repr) for name, table in tables.items()}

    def close(self) -> None:
        """Close the database; mapped segments go with their last reader."""
        self._database.close()
        self._chunks.close()
        self._mapped.clear()

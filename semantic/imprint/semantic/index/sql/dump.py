"""Everything in the index on disk, keyed by content instead of ids: equal for equal content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.index.segment import blob_rows, passage_rows
from imprint.semantic.index.sql.tables import unpack_places

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from imprint.semantic.index.passages.rows import PassageRow
    from imprint.semantic.index.segment import Segment


def dump_rows(
    sql: sqlite3.Connection, segments: Iterable[Segment], kept: Mapping[str, PassageRow]
) -> dict[str, list[tuple[object, ...]]]:
    """All tables, what LanceDB has of the passages that exist, and what the segments say of them."""
    keys = {number: key.hex() for number, key in sql.execute("SELECT id, key FROM passage")}
    blobs = sql.execute(
        "SELECT id, blob, flavour, language, chunks, skipped, places, tail FROM blob"
    ).fetchall()
    named = {row[0]: (row[1], row[2]) for row in blobs}
    tables: dict[str, list[tuple[object, ...]]] = {
        "blobs": [(*row[1:6], _places(row[6], keys), row[7]) for row in blobs],
        "holdings": [(*named[row], repository) for row, repository in sql.execute("SELECT * FROM holding")],
        "commits": sql.execute("SELECT * FROM indexed_commit").fetchall(),
        "positions": sql.execute("SELECT * FROM position").fetchall(),
        "chunks": [(key, kept.get(key)) for key in keys.values()],
        "postings": [],
    }
    for segment in segments:
        tables["postings"] += [(keys[number], *said) for number, said in passage_rows(segment).items()]
        tables["postings"] += [
            (*named[row], *((keys[number], line) for number, line in said))
            for row, said in blob_rows(segment).items()
        ]
    return {name: sorted(table, key=repr) for name, table in tables.items()}


def _places(packed: bytes, keys: Mapping[int, str]) -> tuple[tuple[str, int], ...]:
    passages, lines = unpack_places(packed)
    return tuple((keys[number], line) for number, line in zip(passages, lines, strict=True))

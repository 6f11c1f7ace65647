"""Statements on the index's tables that several operations share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.index.database import renew_incarnation
from imprint.semantic.index.ports import BlobKey, BlobRow
from imprint.semantic.index.rows import entity_rows, use_rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from imprint.semantic.parse.model import Extraction

_VARIABLES_MAX: Final = 500
"""Values bound in one statement; SQLite takes at least 999."""


def find_rows(sql: sqlite3.Connection, keys: Collection[BlobKey]) -> dict[BlobKey, BlobRow]:
    """The rows of those keys that are there."""
    found = {}
    blobs = sorted({key.blob for key in keys})
    for begin in range(0, len(blobs), _VARIABLES_MAX):
        some = blobs[begin : begin + _VARIABLES_MAX]
        for blob, flavour, *row in sql.execute(
            f"SELECT blob, flavour, id, language, chunks, skipped FROM blob WHERE blob IN ({_marks(some)})",  # noqa: S608
            some,
        ):
            key = BlobKey(blob, flavour)
            if key in keys:
                found[key] = BlobRow(*row)
    return found


def find_existing(sql: sqlite3.Connection, ids: Collection[int]) -> set[int]:
    """Those of the row ids that are there."""
    found: set[int] = set()
    wanted = sorted(ids)
    for begin in range(0, len(wanted), _VARIABLES_MAX):
        some = wanted[begin : begin + _VARIABLES_MAX]
        found.update(
            row
            for (row,) in sql.execute(f"SELECT id FROM blob WHERE id IN ({_marks(some)})", some)  # noqa: S608
        )
    return found


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def insert_blob(sql: sqlite3.Connection, key: BlobKey, extraction: Extraction, chunks: int) -> int:
    """Add a row with its entities and uses; return its id."""
    row = sql.execute(
        "INSERT INTO blob (blob, flavour, language, chunks, skipped) VALUES (?, ?, ?, ?, ?)",
        (key.blob, key.flavour, extraction.language, chunks, extraction.skipped),
    ).lastrowid
    assert row is not None  # noqa: S101 - an INSERT that succeeded has one
    sql.executemany(
        "INSERT INTO entity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ((row, *entity) for entity in entity_rows(extraction)),
    )
    sql.executemany(
        "INSERT INTO use VALUES (?, ?, ?, ?, ?, ?)", ((row, *use) for use in use_rows(extraction))
    )
    return row


def delete_blobs(sql: sqlite3.Connection, ids: Collection[int]) -> None:
    """Delete rows with everything that hangs on them."""
    renew_incarnation(sql)
    for table, column in (("entity", "blob_id"), ("use", "blob_id"), ("holding", "blob_id"), ("blob", "id")):
        sql.executemany(f"DELETE FROM {table} WHERE {column} = ?", ((row,) for row in ids))  # noqa: S608

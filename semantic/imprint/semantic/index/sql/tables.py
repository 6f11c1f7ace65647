"""Statements on the index's tables that several operations share."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final, TypeVar

from imprint.semantic.index.ports import BlobKey, BlobRow, Parts
from imprint.semantic.index.sql.database import renew_incarnation

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator, Sequence

    from imprint.semantic.index.passages.rows import CutContent

_Value = TypeVar("_Value")
_VARIABLES_MAX: Final = 500
"""Values bound in one statement; SQLite takes at least 999."""


def find_rows(sql: sqlite3.Connection, keys: Collection[BlobKey]) -> dict[BlobKey, BlobRow]:
    """The rows of those keys that are there."""
    found = {}
    for some in _parts(sorted({key.blob for key in keys})):
        for blob, flavour, *row in sql.execute(
            f"SELECT blob, flavour, id, language, chunks, skipped FROM blob WHERE blob IN ({_marks(some)})",  # noqa: S608
            some,
        ):
            key = BlobKey(blob, flavour)
            if key in keys:
                found[key] = BlobRow(*row)
    return found


def find_kin(sql: sqlite3.Connection, keys: Collection[BlobKey]) -> dict[BlobKey, BlobRow]:
    """A row of each content that is there, whatever flavours it has: that of the first one."""
    kin: dict[str, BlobRow] = {}
    for some in _parts(sorted({key.blob for key in keys})):
        asked = f"SELECT blob, id, language, chunks, skipped FROM blob WHERE blob IN ({_marks(some)})"  # noqa: S608
        for blob, *row in sql.execute(f"{asked} ORDER BY flavour DESC", some):
            kin[blob] = BlobRow(*row)
    return {key: kin[key.blob] for key in keys if key.blob in kin}


def find_existing(sql: sqlite3.Connection, ids: Collection[int]) -> set[int]:
    """Those of the row ids that are there."""
    found: set[int] = set()
    for some in _parts(sorted(ids)):
        found.update(
            row
            for (row,) in sql.execute(f"SELECT id FROM blob WHERE id IN ({_marks(some)})", some)  # noqa: S608
        )
    return found


def find_held(sql: sqlite3.Connection, repository_id: str, ids: Collection[int]) -> set[int]:
    """Those of the row ids that are kept for a repository."""
    found: set[int] = set()
    for some in _parts(sorted(ids)):
        asked = f"SELECT blob_id FROM holding WHERE blob_id IN ({_marks(some)}) AND repository_id = ?"  # noqa: S608
        found.update(row for (row,) in sql.execute(asked, (*some, repository_id)))
    return found


def find_passages(sql: sqlite3.Connection, keys: Collection[str]) -> dict[str, int]:
    """The ids of those passages that are there, by key."""
    found: dict[str, int] = {}
    for some in _parts([bytes.fromhex(key) for key in sorted(keys)]):
        found.update(
            (key.hex(), number)
            for key, number in sql.execute(
                f"SELECT key, id FROM passage WHERE key IN ({_marks(some)})",  # noqa: S608
                some,
            )
        )
    return found


def find_parts(sql: sqlite3.Connection, row_id: int) -> Parts | None:
    """Of what the facts of a content consist."""
    found = sql.execute("SELECT language, skipped, places, tail FROM blob WHERE id = ?", (row_id,)).fetchone()
    if found is None:
        return None
    language, skipped, places, tail = found
    return Parts(language, skipped, *unpack_places(places), tail)


def find_all_parts(sql: sqlite3.Connection, keys: Collection[BlobKey]) -> dict[BlobKey, Parts]:
    """The same of several contents."""
    found = {}
    for some in _parts(sorted({key.blob for key in keys})):
        for blob, flavour, language, skipped, places, tail in sql.execute(
            f"SELECT blob, flavour, language, skipped, places, tail FROM blob WHERE blob IN ({_marks(some)})",  # noqa: S608
            some,
        ):
            key = BlobKey(blob, flavour)
            if key in keys:
                found[key] = Parts(language, skipped, *unpack_places(places), tail)
    return found


def insert_passages(sql: sqlite3.Connection, keys: Sequence[str]) -> dict[str, int]:
    """Add passages; give their ids by key, ascending in the order given."""
    ids = {}
    for key in keys:
        number = sql.execute("INSERT INTO passage (key) VALUES (?)", (bytes.fromhex(key),)).lastrowid
        assert number is not None  # noqa: S101 - an INSERT that succeeded has one
        ids[key] = number
    return ids


def insert_blob(sql: sqlite3.Connection, key: BlobKey, content: CutContent, ids: Sequence[int]) -> int:
    """Add a row that consists of passages of these ids; return its id."""
    row = sql.execute(
        "INSERT INTO blob (blob, flavour, language, chunks, skipped, places, tail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            key.blob,
            key.flavour,
            content.language,
            len(ids),
            content.skipped,
            pack_places(ids, content.first_lines),
            content.tail,
        ),
    ).lastrowid
    assert row is not None  # noqa: S101 - an INSERT that succeeded has one
    return row


def delete_blobs(sql: sqlite3.Connection, ids: Collection[int]) -> None:
    """Delete rows with everything that hangs on them."""
    renew_incarnation(sql)
    for table, column in (("holding", "blob_id"), ("blob", "id")):
        sql.executemany(f"DELETE FROM {table} WHERE {column} = ?", ((row,) for row in ids))  # noqa: S608


def pack_places(passages: Sequence[int], first_lines: Sequence[int]) -> bytes:
    """The ids of passages and their first lines: 4 bytes each, in this machine's order."""
    return array("I", passages).tobytes() + array("I", first_lines).tobytes()


def unpack_places(packed: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What `pack_places` packed."""
    numbers = array("I", packed)
    half = len(numbers) // 2
    return tuple(numbers[:half]), tuple(numbers[half:])


def _parts(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    for begin in range(0, len(values), _VARIABLES_MAX):
        yield values[begin : begin + _VARIABLES_MAX]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))

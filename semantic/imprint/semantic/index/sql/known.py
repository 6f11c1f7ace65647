"""Rows of the index that were looked up, remembered: the next commit has nearly the same.

Invariants:
    1. Within an incarnation no row goes, so that what was found once is found again.
    2. That a key has no row, and which row is its kin then, holds only while the newest row of the index is
       the same.
    3. For no row is an object kept that Python's collector goes through: it would go through all of them in
       the middle of a question.
"""

from __future__ import annotations

import threading
from array import array
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.semantic.index.ports import BlobRow
from imprint.semantic.index.sql.tables import find_kin, find_rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from imprint.semantic.index.ports import BlobKey

_KNOWN_MAX: Final = 100_000
"""Rows that are remembered, some 20 MB."""


class KnownRows:
    """Rows by key. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, int] = {}
        self._ids = array("q")
        self._chunks = array("q")
        self._kinds = array("q")
        self._named: list[tuple[str, str | None]] = []
        self._numbers: dict[tuple[str, str | None], int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def find(self, keys: Iterable[BlobKey]) -> dict[BlobKey, BlobRow]:
        """The rows of those keys that are known."""
        find_place = self._places.get
        found = {}
        for key in keys:
            place = find_place(_join(key))
            if place is not None:
                language, skipped = self._named[self._kinds[place]]
                found[key] = BlobRow(self._ids[place], language, self._chunks[place], skipped)
        return found

    def list_unknown(self, keys: Iterable[BlobKey]) -> set[BlobKey]:
        """Those of the keys that are not known."""
        return {key for key in keys if _join(key) not in self._places}

    def add(self, rows: Mapping[BlobKey, BlobRow]) -> None:
        """Remember rows."""
        with self._lock:
            for key, row in rows.items():
                kind = row.language, row.skipped
                number = self._numbers.setdefault(kind, len(self._named))
                if number == len(self._named):
                    self._named.append(kind)
                self._ids.append(row.id)
                self._chunks.append(row.chunks)
                self._kinds.append(number)
                self._places[_join(key)] = len(self._ids) - 1  # last: who reads waits for nobody


class _Lacking(NamedTuple):
    """Keys without a row, and their kin, while the newest row is the same."""

    newest: int
    keys: dict[str, int]
    kin: KnownRows


class _Known(NamedTuple):
    incarnation: str
    rows: KnownRows
    lacking: _Lacking


class Lookups:
    """Looks up rows and kin, and remembers what was found. Safe to share between threads."""

    def __init__(self) -> None:
        self._known = _Known("", KnownRows(), _Lacking(0, {}, KnownRows()))

    def find_missing(self, sql: sqlite3.Connection, keys: AbstractSet[BlobKey]) -> set[BlobKey]:
        """Those of the keys that have no row."""
        unknown = self._recall(sql).rows.list_unknown(keys)
        return unknown - self.find_rows(sql, unknown).keys() if unknown else unknown

    def find_rows(self, sql: sqlite3.Connection, keys: AbstractSet[BlobKey]) -> dict[BlobKey, BlobRow]:
        """The rows of those keys that are there."""
        known = self._recall(sql)
        found = known.rows.find(keys)
        if len(found) < len(keys):
            lacking = known.lacking.keys
            unknown = {key for key in keys if key not in found and _join(key) not in lacking}
            more = find_rows(sql, unknown) if unknown else {}
            known.rows.add(more)
            lacking.update((_join(key), 0) for key in unknown if key not in more)
            found |= more
        return found

    def find_kin(self, sql: sqlite3.Connection, keys: AbstractSet[BlobKey]) -> dict[BlobKey, BlobRow]:
        """A row of each content that is there, whatever flavours it has."""
        kin = self._recall(sql).lacking.kin
        found = kin.find(keys)
        if len(found) < len(keys):
            more = find_kin(sql, keys - found.keys())
            kin.add(more)
            found |= more
        return found

    def _recall(self, sql: sqlite3.Connection) -> _Known:
        """What is known that holds at the moment at which a connection reads."""
        asked = "SELECT value, (SELECT max(id) FROM blob) FROM incarnation"
        incarnation, newest = sql.execute(asked).fetchone()
        known = self._known
        if known.incarnation != incarnation or len(known.rows) > _KNOWN_MAX:
            known = _Known(incarnation, KnownRows(), _Lacking(newest or 0, {}, KnownRows()))
        elif known.lacking.newest != (newest or 0) or len(known.lacking.keys) > _KNOWN_MAX:
            known = known._replace(lacking=_Lacking(newest or 0, {}, KnownRows()))
        self._known = known
        return known


def _join(key: BlobKey) -> str:
    return f"{key.blob} {key.flavour}"

"""Rows of the index that were looked up, remembered: the next commit has nearly the same.

Invariants:
    1. What is found is equal to what was added.
    2. For no row is an object kept that Python's collector goes through: it would go through all of them in
       the middle of a question.
"""

from __future__ import annotations

import threading
from array import array
from typing import TYPE_CHECKING, Final

from imprint.semantic.index.ports import BlobRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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

    def is_full(self) -> bool:
        """Whether it is time to begin anew."""
        return len(self._ids) > _KNOWN_MAX

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


def _join(key: BlobKey) -> str:
    return f"{key.blob} {key.flavour}"

"""The default encoder: a vector is a weighted sum of the vectors of words.

A passage is a set: each distinct word once, and those of its symbol `symbol_weight` times, since names are
signal and repetition in code is noise. A question and a path are plain means. Words that the table lacks
stand for their longest beginning that it has, if that is most of the word.

Invariants:
    1. Equal input gives equal output, bit for bit, whatever it is encoded together with.
    2. Nothing is kept between calls but what words are made of, up to `_KNOWN_MAX` words.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imprint.semantic.embedding.table import Table, read_table
from imprint.semantic.parse.terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.semantic.embedding.ports import Passage, Vectors

SHIPPED = Path(__file__).with_name("imprint.table")
_KNOWN_MAX = 200_000
_BEGINNING_MIN = 4
_BEGINNING_SHARE = 0.6
_WORD_LENGTH_MAX = 24
_WORD = re.compile(r"\w+")


class Vocabulary:
    """Words as rows of a table."""

    def __init__(self, rows: dict[str, int]) -> None:
        self._rows = rows
        self._known: dict[str, tuple[int, ...]] = {}

    def weigh_question(self, text: str) -> dict[int, float]:
        """Rows and how often they are said."""
        weights: dict[int, float] = {}
        for row in self._find(_WORD.findall(text)):
            weights[row] = weights.get(row, 0.0) + 1.0
        return weights

    def weigh_passage(self, passage: Passage, symbol_weight: float) -> dict[int, float]:
        """Rows of a passage: once each, those of its symbol more."""
        weights = dict.fromkeys(self._find(dict.fromkeys(_WORD.findall(passage.text))), 1.0)
        weights.update(dict.fromkeys(self._find(_WORD.findall(passage.symbol)), symbol_weight))
        return weights

    def _find(self, words: Iterable[str]) -> list[int]:
        known = self._known
        found: list[int] = []
        for word in words:
            rows = known.get(word)
            found += self._look_up(word) if rows is None else rows
        return found

    def _look_up(self, word: str) -> tuple[int, ...]:
        rows = tuple(row for term in terms(word) if (row := self._row(term)) is not None)
        if len(self._known) >= _KNOWN_MAX:
            self._known = {}
        self._known[word] = rows
        return rows

    def _row(self, term: str) -> int | None:
        row = self._rows.get(term)
        if row is not None or term.isdigit():
            return row
        shortest = max(_BEGINNING_MIN, int(len(term) * _BEGINNING_SHARE + 0.5))
        beginnings = (term[:end] for end in range(min(len(term) - 1, _WORD_LENGTH_MAX), shortest - 1, -1))
        return next((self._rows[part] for part in beginnings if part in self._rows), None)


class StaticEncoder:
    """Encodes with a table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._vocabulary = Vocabulary(table.rows)

    @classmethod
    def shipped(cls) -> StaticEncoder:
        """The encoder with the table that comes with the package."""
        return cls(read_table(SHIPPED))

    @property
    def name(self) -> str:
        """Which vectors these are."""
        return self._table.name

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        return int(self._table.vectors.shape[1])

    @property
    def path_share(self) -> float:
        """What a path's nearness is worth beside its passage's."""
        return self._table.path_share

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """One row for each."""
        weight = self._table.symbol_weight
        return self._sum([self._vocabulary.weigh_passage(passage, weight) for passage in passages])

    def encode_paths(self, paths: Sequence[str]) -> Vectors:
        """One row for each path."""
        return self._sum([self._vocabulary.weigh_question(path) for path in paths])

    def encode_question(self, text: str) -> Vectors:
        """One vector."""
        vector: Vectors = self._sum([self._vocabulary.weigh_question(text)])[0]
        return vector

    def _sum(self, weighed: Sequence[dict[int, float]]) -> Vectors:
        vectors = np.zeros((len(weighed), self.dimensions), np.float32)
        for number, weights in enumerate(weighed):
            if weights:
                rows = np.fromiter(weights, np.int64, len(weights))
                shares = np.fromiter(weights.values(), np.float32, len(weights))
                total = shares @ self._table.vectors[rows]
                length = float(np.linalg.norm(total))
                if length > 0:
                    vectors[number] = total / length
        return vectors

"""Exact and regular searches in the files of a commit.

The files that hold the words of what is searched for come first; then, while there is time, every other
file that can hold a match. Files of which nothing is indexed (binary, minified, generated) are left out.

Invariants:
    1. What is told is there: every hit was read from the file.
    2. Whoever asks is told if files were not looked at.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.definitions import fold_name
from imprint.semantic.search.answer import Answer, Hit
from imprint.semantic.search.finding.place import cut_lines, read_content
from imprint.semantic.search.signals.roles import demotion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.search.corpus import Passage
    from imprint.semantic.search.finding.filters import Filters
    from imprint.semantic.search.finding.patterns import Pattern
    from imprint.semantic.search.finding.place import Place
    from imprint.semantic.search.query import Query

MATCHES_MAX: Final = 2_000
"""Matches that are collected before the best are told."""
_DEFINES: Final = 2.0
"""Factor for a match in a passage that defines what was searched for."""


@dataclass(frozen=True, slots=True)
class _Match:
    file: int
    passage: Passage
    lines: tuple[int, int]
    score: float


def find_exact(place: Place, query: Query, filters: Filters, pattern: Pattern) -> Answer:
    """The lines of a commit's files that fit a pattern: definitions first, tests and copies last."""
    deadline = place.deadline()
    files = _order_files(place, filters, pattern)
    defining = set(place.corpus.find_definition(fold_name(query.text)).tolist())
    words = frozenset(pattern.likely)
    matches: list[_Match] = []
    looked = 0
    for file in files:
        if len(matches) >= MATCHES_MAX or deadline.is_over():
            break
        looked += 1
        if (content := read_content(place.view, place.corpus.listing.blob(file))) is None:
            continue
        spans = pattern.find_lines(content)
        if not spans or not filters.passes_history(file):
            continue
        factor = demotion(place.paths[file].decode("utf-8", "replace"), words)
        matches += _locate(place, filters, file, spans, defining, factor)
    matches.sort(key=lambda match: (-match.score, place.paths[match.file], match.lines))
    notes = [] if looked == len(files) else [f"{looked} of {len(files)} files were looked at"]
    return Answer(
        place.commit,
        place.behind,
        tuple(_hits(place, matches[: query.limit])),
        is_complete=not notes,
        notes=tuple(notes),
    )


def _order_files(place: Place, filters: Filters, pattern: Pattern) -> Sequence[int]:
    """The files that can hold a match, those that hold the most of its words first."""
    corpus = place.corpus
    possible = np.diff(corpus.starts) > 0
    mask = filters.chunk_mask()
    if mask is not None:
        allowed = np.zeros(len(possible), bool)
        allowed[corpus.files[mask]] = True
        possible &= allowed
    for word in pattern.words:
        possible &= _files_with(place, word)
    held = np.zeros(len(possible), np.int64)
    for word in pattern.likely:
        held += _files_with(place, word)
    files = np.flatnonzero(possible)
    ordered: list[int] = files[np.argsort(-held[files], kind="stable")].tolist()
    return ordered


def _files_with(place: Place, word: str) -> Array:
    there = np.zeros(len(place.corpus.starts) - 1, bool)
    there[place.corpus.files[place.corpus.find_word(word)[0]]] = True
    return there


def _locate(
    place: Place,
    filters: Filters,
    file: int,
    spans: Sequence[tuple[int, int]],
    defining: set[int],
    factor: float,
) -> Iterator[_Match]:
    """The matches of a file in its passages."""
    first, end = int(place.corpus.starts[file]), int(place.corpus.starts[file + 1])
    passages = place.corpus.list_passages(range(first, end))
    begins = [passage.start_line for passage in passages]
    for lines in spans:
        number = max(bisect_right(begins, lines[0]) - 1, 0)
        if filters.passes_kind(passages[number].kind):
            score = factor * (_DEFINES if first + number in defining else 1.0)
            yield _Match(file, passages[number], lines, score)


def _hits(place: Place, matches: Sequence[_Match]) -> Iterator[Hit]:
    for match in matches:
        content = read_content(place.view, place.corpus.listing.blob(match.file)) or b""
        yield Hit(
            repo=place.view.name,
            path=place.paths[match.file],
            start_line=match.lines[0],
            end_line=match.lines[1],
            symbol=match.passage.symbol,
            kind=match.passage.kind,
            language=match.passage.language,
            score=match.score,
            text=cut_lines(content, *match.lines),
        )

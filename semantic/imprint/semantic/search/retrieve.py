"""From a commit's chunks to the best passages: candidates by words, definitions, vectors and history, ranked.

Invariants:
    1. A passage that a filter does not let through is no candidate, whichever list it is on.
    2. Vectors do not rank what is only a symbol; where that is defined and enough is found by its words,
       they bring no candidates either, and are not compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import repeat
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.largest import find_largest
from imprint.semantic.search.background import NOTHING, Background
from imprint.semantic.search.bm25 import score_chunks
from imprint.semantic.search.rank import DEFAULT, Candidate, rank
from imprint.semantic.search.signals.history import LIKELY_MAX, score_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.search.corpus import Corpus, Passage
    from imprint.semantic.search.nearness import Nearness
    from imprint.semantic.search.query import Asked, Name, Query
    from imprint.semantic.search.rank import Weights
    from imprint.store.types import ObjectId

CANDIDATES: Final = 100
"""Passages ranked, at least: ten times the usual answer, so that a boost finds what words put far down."""
_DEFINITIONS_MAX: Final = 100
"""Definitions of one name that are ranked: `__init__` has thousands."""
_FILES_OF_HISTORY: Final = 20
"""Files of which the best passage is ranked because commits speak for them."""
_LOOKED_AT_MAX: Final = 5_000
"""Passages that are tried against filters of date, author, agent and session, the best ones."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage of the answer."""

    passage: Passage
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beside:
    """What there is beside a commit's words.

    Attributes:
        background: the past, limited to what may be shown, and what asked for it.
        commit: the searched commit.
        near: compares a question with the chunks' vectors; gives None where there are none.
    """

    background: Background = NOTHING
    commit: ObjectId | None = None
    near: Callable[[str], Nearness | None] | None = None


@dataclass(frozen=True, slots=True)
class Sieve:
    """What may be an answer.

    Attributes:
        chunks: of each chunk whether it may; None for all.
        file: whether a file may, by its number, which costs more to say; None for all.
    """

    chunks: Array | None = None
    file: Callable[[int], bool] | None = None


ALONE: Final = Beside()
ALL: Final = Sieve()


def retrieve(
    corpus: Corpus,
    query: Query,
    asked: Asked,
    beside: Beside = ALONE,
    sieve: Sieve = ALL,
    *,
    weights: Weights = DEFAULT,
) -> list[Found]:
    """The best passages for a query, best first."""
    if not len(corpus):
        return []
    fits = score_chunks(corpus, asked)
    scores = fits.scores
    if sieve.chunks is not None:
        scores[~sieve.chunks] = 0.0
    defining = _find_definitions(corpus, asked, scores, sieve.chunks)
    history = _score_history(corpus, asked, beside, scores)
    wanted = max(CANDIDATES, 5 * query.limit)
    chunks = defining.keys() | set(_best(scores, wanted))
    is_known = asked.is_symbol and defining and len(chunks) >= query.limit
    near = beside.near(query.text) if beside.near and not is_known else None
    if near is not None:
        chunks |= set(near.best(wanted // 2, sieve.chunks).tolist())
    chunks |= set(_best_of_files(corpus, history, scores, sieve.chunks))
    if sieve.file:
        chunks = _sift(corpus, chunks, scores, sieve.file, wanted)
    ordered = sorted(chunks)
    passages = dict(zip(ordered, corpus.list_passages(ordered), strict=True))
    nearness = near.of(ordered).clip(0.0).tolist() if near is not None else repeat(0.0)
    paths = corpus.listing.shown_paths
    candidates = [
        Candidate(
            chunk,
            passage.file,
            paths[passage.file],
            passage.start_line,
            passage.symbol,
            fit,
            tuple(defining.get(chunk, ())),
            history.get(passage.file, 0.0),
            closeness,
        )
        for (chunk, passage), fit, closeness in zip(  # noqa: B905 - the last one may have no end
            passages.items(), scores[ordered].tolist(), nearness
        )
    ]
    ranked = rank(asked, candidates, query.limit, fits.rarity, weights)
    return [Found(passages[one.candidate.chunk], one.score, one.parts) for one in ranked]


def _best(scores: Array, wanted: int) -> list[int]:
    """The chunks of the best scores above 0."""
    found: list[int] = find_largest(scores, wanted, above=0.0).tolist()
    return found


def _find_definitions(
    corpus: Corpus, asked: Asked, scores: Array, allowed: Array | None
) -> dict[int, list[Name]]:
    """Chunks that define a name asked for; of very many the ones whose words fit best."""
    found: dict[int, list[Name]] = {}
    for name in asked.names:
        chunks = np.unique(corpus.find_definition(name.name))
        if allowed is not None:
            chunks = chunks[allowed[chunks]]
        for chunk in chunks[np.argsort(-scores[chunks], kind="stable")][:_DEFINITIONS_MAX].tolist():
            found.setdefault(chunk, []).append(name)
    return found


def _score_history(corpus: Corpus, asked: Asked, beside: Beside, scores: Array) -> dict[int, float]:
    """Of each file what commits say for it; a symbol is looked up by its definition, not by its past."""
    if beside.commit is None or asked.is_symbol:
        return {}
    likely: Sequence[bytes] = ()
    if beside.background.prompts is not None:
        best = find_largest(scores, 2 * LIKELY_MAX, above=0.0)
        files = corpus.files[best[np.argsort(-scores[best], kind="stable")]]
        likely = [corpus.listing.paths[file] for file in dict.fromkeys(files.tolist())]
    return score_files(beside.background, beside.commit, asked.words, corpus.listing.numbers, likely)


def _best_of_files(
    corpus: Corpus, history: Mapping[int, float], scores: Array, allowed: Array | None
) -> Iterator[int]:
    """The best passage of each of the files that commits speak for the most."""
    for _, file in nsmallest(_FILES_OF_HISTORY, [(-worth, file) for file, worth in history.items()]):
        first, end = int(corpus.starts[file]), int(corpus.starts[file + 1])
        if end > first:
            chunk = first + int(np.argmax(scores[first:end]))
            if allowed is None or allowed[chunk]:
                yield chunk


def _sift(
    corpus: Corpus, chunks: set[int], scores: Array, passes: Callable[[int], bool], wanted: int
) -> set[int]:
    """Those that pass: of the candidates, then of what fits less, until there are enough."""
    found: set[int] = set()
    rest = sorted(set(_best(scores, _LOOKED_AT_MAX)) - chunks, key=lambda chunk: (-scores[chunk], chunk))
    for chunk in (*sorted(chunks), *rest):
        if len(found) >= wanted:
            break
        if passes(int(corpus.files[chunk])):
            found.add(chunk)
    return found

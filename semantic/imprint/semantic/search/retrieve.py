"""From a commit's chunks to the best passages: candidates by words and by definitions, then ranked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.search.bm25 import rarity, score_chunks
from imprint.semantic.search.rank import DEFAULT, Candidate, rank

if TYPE_CHECKING:
    from imprint.semantic.index.arrays import Array
    from imprint.semantic.search.corpus import Corpus, Passage
    from imprint.semantic.search.query import Asked, Name, Query
    from imprint.semantic.search.rank import Weights

CANDIDATES: Final = 200
"""Passages ranked, at least: twenty times the usual answer, so that a boost finds what words put far down."""
_DEFINITIONS_MAX: Final = 100
"""Definitions of one name that are ranked: `__init__` has thousands."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage of the answer."""

    passage: Passage
    score: float


def retrieve(corpus: Corpus, query: Query, asked: Asked, weights: Weights = DEFAULT) -> list[Found]:
    """The best passages for a query, best first."""
    scores = score_chunks(corpus, asked)
    allowed = _allowed(corpus, query)
    if allowed is not None:
        scores[~allowed] = 0.0
    defining = _find_definitions(corpus, asked, scores, allowed)
    wanted = min(max(CANDIDATES, 5 * query.limit), len(scores))
    best = np.argpartition(-scores, wanted - 1)[:wanted] if wanted else np.zeros(0, np.int64)
    chunks = {int(chunk) for chunk in best if scores[chunk] > 0} | defining.keys()
    candidates = [
        _candidate(corpus, chunk, float(scores[chunk]), tuple(defining.get(chunk, ())))
        for chunk in sorted(chunks)
    ]
    ranked = rank(asked, candidates, query.limit, rarity(corpus, asked), weights)
    return [Found(corpus.passage(one.candidate.chunk), one.score) for one in ranked]


def _allowed(corpus: Corpus, query: Query) -> Array | None:
    """Of each chunk whether the query's filters let it through; None if there are none."""
    allowed = None
    if query.path_prefix:
        paths = corpus.listing.paths.decode()
        files = np.array([path.startswith(query.path_prefix) for path in paths], bool)
        allowed = files[corpus.files]
    if query.language:
        own = corpus.in_language(query.language)
        allowed = own if allowed is None else allowed & own
    return allowed


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


def _candidate(corpus: Corpus, chunk: int, fit: float, defines: tuple[Name, ...]) -> Candidate:
    passage = corpus.passage(chunk)
    path = corpus.listing.paths[passage.file].decode("utf-8", "replace")
    return Candidate(chunk, passage.file, path, passage.start_line, passage.symbol, fit, defines)

"""The order of hits: a pure function from what was asked and the candidates to the best of them.

What counts, beside how well the words fit (the numbers are in `Weights`, each with its reason):
    1. A definition of a name that was asked for comes before its uses.
    2. A file whose name, folder or symbol says what was asked for is likelier to be about it, and so is one
       that commits about it touched.
    3. A file of which many passages score is likelier to be about it than one with a single one.
    4. Tests, examples, copies of other people's code, documents and generated files are seldom what is
       wanted, unless the query says so.
    5. A second passage of the same file tells less than the first of another.

Invariant: the order depends on the arguments alone; ties are broken by path, then line.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.semantic.parse.terms import terms
from imprint.semantic.search.signals.roles import demotion
from imprint.semantic.search.stems import Family, stem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imprint.semantic.search.query import Asked, Name


class Candidate(NamedTuple):
    """A passage that may be wanted.

    Attributes:
        chunk: its number in the commit.
        file: number of its file in the commit.
        path: the file's path.
        start_line: its first line.
        symbol: qualified name of what it mainly is.
        fit: how well its words fit (BM25); 0 if it was found in another way.
        defines: those of the names asked for that it defines.
        history: what the messages of commits say for its file, in any unit.
        near: how near its vector is to the question's; 0 where there are no vectors.
    """

    chunk: int
    file: int
    path: str
    start_line: int
    symbol: str
    fit: float
    defines: tuple[Name, ...] = ()
    history: float = 0.0
    near: float = 0.0


@dataclass(frozen=True, slots=True)
class Weights:
    """What each signal is worth, in units of the best fit among the candidates.

    Tuned on one half of the labelled repositories and judged on the other: docs/quality.md.

    Attributes:
        fit: the passage's words fit best.
        near: its vector is the nearest; only where the query is no symbol.
        history: the messages of commits speak for its file the most; only where the query is no symbol.
        definition: the passage defines what a symbol query names.
        definition_in_prose: it defines a name that stands in prose.
        definition_unsure: factor for a name that only its capital makes one.
        definition_in_stem: factor when the file is also called like the name.
        qualified: factor when the qualifier fits the symbol or path too.
        place: all words of the query fit the file's stem or folder.
        stem: all words of the file's stem are in the query: `request.py` for a question about requests.
        symbol: all words of the query fit the passage's symbol.
        coherence: the file has the largest sum of scores.
        again: factor for each further passage of one file.
    """

    fit: float = 1.0
    near: float = 0.6
    history: float = 0.5
    definition: float = 2.4
    definition_in_prose: float = 1.2
    definition_unsure: float = 0.3
    definition_in_stem: float = 1.5
    qualified: float = 1.5
    place: float = 0.4
    stem: float = 0.6
    symbol: float = 0.3
    coherence: float = 0.3
    again: float = 0.3


DEFAULT: Final = Weights()


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate, its final score, and what that is made of."""

    candidate: Candidate
    score: float
    parts: Mapping[str, float]


def rank(
    asked: Asked,
    candidates: Sequence[Candidate],
    limit: int,
    rarity: Mapping[str, float],
    weights: Weights = DEFAULT,
) -> list[Ranked]:
    """The best candidates, best first; `rarity` says of each word of the query how telling it is."""
    judge = _Judge(asked, candidates, rarity, weights)
    scores = judge.score(candidates)
    coherence = _coherence(candidates, scores, weights.coherence)
    demotions = [judge.demotion(candidate) for candidate in candidates]
    finals = [
        (score + more) * factor for score, more, factor in zip(scores, coherence, demotions, strict=True)
    ]
    told = []
    for place, factor in _pick(candidates, finals, limit, weights.again):
        parts = judge.parts(candidates[place]) | {"coherence": coherence[place]}
        parts |= {"times_role": demotions[place], "times_again": factor}
        shown = {name: worth for name, worth in parts.items() if worth != float(name.startswith("times_"))}
        told.append(Ranked(candidates[place], finals[place] * factor, shown))
    return told


def _coherence(candidates: Sequence[Candidate], scores: Sequence[float], worth: float) -> list[float]:
    """What the best passage of each file gains: its file's share of the largest sum of scores."""
    sums: dict[int, float] = defaultdict(float)
    leaders: dict[int, int] = {}
    for place, candidate in enumerate(candidates):
        sums[candidate.file] += scores[place]
        leader = leaders.setdefault(candidate.file, place)
        if scores[place] > scores[leader]:
            leaders[candidate.file] = place
    largest = max(sums.values(), default=0.0) or 1.0
    gained = [0.0] * len(candidates)
    for file, leader in leaders.items():
        gained[leader] = worth * sums[file] / largest
    return gained


def _pick(
    candidates: Sequence[Candidate], scores: Sequence[float], limit: int, again: float
) -> list[tuple[int, float]]:
    """Take the best, each further passage of a file at a discount for those before it, which is told."""

    def ordered(factors: Sequence[float]) -> list[tuple[float, str, int, int]]:
        return sorted(
            (-score * factor, candidate.path, candidate.start_line, place)
            for place, (score, candidate, factor) in enumerate(zip(scores, candidates, factors, strict=True))
        )

    taken: dict[int, int] = defaultdict(int)
    factors = [1.0] * len(candidates)
    for *_, place in ordered(factors):
        file = candidates[place].file
        factors[place] = again ** taken[file]
        taken[file] += 1
    return [(place, factors[place]) for *_, place in ordered(factors)[:limit]]


@lru_cache(maxsize=65_536)
def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(terms(text)))


class _Name(NamedTuple):
    """What a path says: the words of its last folder and its stem; of the stem each word and its root.

    `letters` are those words and roots together, to tell at once that a query has none of them.
    """

    words: tuple[str, ...]
    stem: tuple[tuple[str, str], ...]
    letters: frozenset[str]


@lru_cache(maxsize=65_536)
def _read_path(path: str) -> _Name:
    folders, _, name = path.rpartition("/")
    stem_of_file = name.rpartition(".")[0] or name
    roots = tuple((word, stem(word)) for word in _words(stem_of_file))
    words = _words(f"{folders.rpartition('/')[2]} {stem_of_file}")
    return _Name(words, roots, frozenset(each for pair in roots for each in pair))


class _Judge:
    """The signals of one query."""

    def __init__(
        self,
        asked: Asked,
        candidates: Sequence[Candidate],
        rarity: Mapping[str, float],
        weights: Weights,
    ) -> None:
        self._asked = asked
        self._weights = weights
        self._words = {word: rarity.get(word, 0.0) for word in asked.words}
        self._family = Family(self._words)
        self._covered: dict[int, float] = {}
        self._own = frozenset(asked.words) | {stem(word) for word in asked.words}
        self._total = sum(self._words.values()) or 1.0
        self._fit = max((candidate.fit for candidate in candidates), default=0.0) or 1.0
        self._near = max((candidate.near for candidate in candidates), default=0.0) or 1.0
        self._history = max((candidate.history for candidate in candidates), default=0.0) or 1.0
        self._symbols: dict[str, float] = {}
        self._demotions: dict[int, float] = {}
        self._paths: dict[str, tuple[float, float]] = {}

    def score(self, candidates: Sequence[Candidate]) -> list[float]:
        """Of each passage everything that speaks for it by itself: the sum of its first seven `parts`."""
        weights, with_prose = self._weights, 0.0 if self._asked.is_symbol else 1.0
        near_worth, history_worth = with_prose * weights.near, with_prose * weights.history
        scores = []
        for candidate in candidates:
            place, file_stem = self._paths.get(candidate.path) or self._of_path(candidate.path)
            scores.append(
                weights.fit * candidate.fit / self._fit
                + near_worth * candidate.near / self._near
                + history_worth * candidate.history / self._history
                + (self._definition(candidate) if candidate.defines else 0.0)
                + place
                + file_stem
                + self._of_symbol(candidate.symbol)
            )
        return scores

    def parts(self, candidate: Candidate) -> dict[str, float]:
        """The same, one by one."""
        weights, is_symbol = self._weights, self._asked.is_symbol
        place, file_stem = self._of_path(candidate.path)
        return {
            "words": weights.fit * candidate.fit / self._fit,
            "near": 0.0 if is_symbol else weights.near * candidate.near / self._near,
            "history": 0.0 if is_symbol else weights.history * candidate.history / self._history,
            "definition": self._definition(candidate) if candidate.defines else 0.0,
            "place": place,
            "stem": file_stem,
            "symbol": self._of_symbol(candidate.symbol),
        }

    def _of_symbol(self, symbol: str) -> float:
        known = self._symbols.get(symbol)
        if known is None:
            known = self._symbols[symbol] = self._weights.symbol * self._coverage(_words(symbol))
        return known

    def _of_path(self, path: str) -> tuple[float, float]:
        """What a file's stem and folder are worth."""
        known = self._paths.get(path)
        if known is None:
            name = _read_path(path)
            known = self._paths[path] = (
                self._weights.place * self._coverage(name.words),
                0.0 if name.letters.isdisjoint(self._own) else self._weights.stem * self._precision(name),
            )
        return known

    def _precision(self, name: _Name) -> float:
        """The share of the stem's words that the query has too, in one form or another."""
        met = len([word for word, root in name.stem if word in self._own or root in self._own])
        return met / len(name.stem)

    def _definition(self, candidate: Candidate) -> float:
        """What it is worth that a passage defines names asked for: the best of them."""
        return max([self._define(candidate, name) for name in candidate.defines])

    def _define(self, candidate: Candidate, name: Name) -> float:
        weights = self._weights
        worth = weights.definition if self._asked.is_symbol else weights.definition_in_prose
        if not name.is_sure:
            worth *= weights.definition_unsure
        folded = candidate.path.casefold().replace("_", "")
        if folded.rpartition("/")[2].rpartition(".")[0] == name.name:
            worth *= weights.definition_in_stem
        if name.qualifier and (
            name.qualifier in candidate.symbol.casefold().replace("_", "") or name.qualifier in folded
        ):
            worth *= weights.qualified
        return worth

    def _coverage(self, words: Sequence[str]) -> float:
        """The share of the query's words, by their weight, that have a relative among some words."""
        met = 0
        for word in words:
            met |= self._family.find(word)
        known = self._covered.get(met)
        if known is None:
            worths = enumerate(self._words.values())
            worth = sum([worth for place, worth in worths if met >> place & 1])
            known = self._covered[met] = worth / self._total
        return known

    def demotion(self, candidate: Candidate) -> float:
        """The factor of its file's role."""
        known = self._demotions.get(candidate.file)
        if known is None:
            known = self._demotions[candidate.file] = demotion(candidate.path, self._words.keys())
        return known

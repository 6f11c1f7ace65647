"""The order of hits: a pure function from what was asked and the candidates to the best of them.

What counts, beside how well the words fit (the numbers are in `Weights`, each with its reason):
    1. A definition of a name that was asked for comes before its uses.
    2. A file whose name, folder or symbol says what was asked for is likelier to be about it.
    3. A file of which many passages score is likelier to be about it than one with a single one.
    4. Tests, examples, copies of other people's code, documents and generated files are seldom what is
       wanted, unless the query says so.
    5. A second passage of the same file tells less than the first of another.

Invariant: the order depends on the arguments alone; ties are broken by path, then line.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.semantic.parse.terms import terms
from imprint.semantic.search.stems import Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imprint.semantic.search.query import Asked, Name


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may be wanted.

    Attributes:
        chunk: its number in the commit.
        file: number of its file in the commit.
        path: the file's path.
        start_line: its first line.
        symbol: qualified name of what it mainly is.
        fit: how well its words fit (BM25); 0 if it was found in another way.
        defines: those of the names asked for that it defines.
    """

    chunk: int
    file: int
    path: str
    start_line: int
    symbol: str
    fit: float
    defines: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """What each signal is worth, in units of the best fit among the candidates.

    Attributes:
        definition: the passage defines what a symbol query names.
        definition_in_prose: it defines a name that stands in prose.
        definition_unsure: factor for a name that only its capital makes one.
        definition_in_stem: factor when the file is also called like the name.
        qualified: factor when the qualifier fits the symbol or path too.
        stem: all words of the query fit the file's stem or folder.
        symbol: all words of the query fit the passage's symbol.
        coherence: the file has the largest sum of scores.
        again: factor for each further passage of one file.
    """

    definition: float = 3.0
    definition_in_prose: float = 1.5
    definition_unsure: float = 0.3
    definition_in_stem: float = 1.5
    qualified: float = 1.5
    stem: float = 0.8
    symbol: float = 0.4
    coherence: float = 0.4
    again: float = 0.5


DEFAULT: Final = Weights()


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate and its final score."""

    candidate: Candidate
    score: float


def rank(
    asked: Asked,
    candidates: Sequence[Candidate],
    limit: int,
    rarity: Mapping[str, float],
    weights: Weights = DEFAULT,
) -> list[Ranked]:
    """The best candidates, best first; `rarity` says of each word of the query how telling it is."""
    best = max((candidate.fit for candidate in candidates), default=0.0) or 1.0
    judge = _Judge(asked, rarity, weights)
    scores = [candidate.fit / best + judge.boost(candidate) for candidate in candidates]
    _add_coherence(candidates, scores, weights.coherence)
    scores = [
        score * judge.demotion(candidate.path) for score, candidate in zip(scores, candidates, strict=True)
    ]
    return _pick(candidates, scores, limit, weights.again)


def _add_coherence(candidates: Sequence[Candidate], scores: list[float], worth: float) -> None:
    """Give the best passage of each file its file's share of the largest sum of scores."""
    sums: dict[int, float] = defaultdict(float)
    leaders: dict[int, int] = {}
    for place, candidate in enumerate(candidates):
        sums[candidate.file] += scores[place]
        leader = leaders.setdefault(candidate.file, place)
        if scores[place] > scores[leader]:
            leaders[candidate.file] = place
    largest = max(sums.values(), default=0.0) or 1.0
    for file, leader in leaders.items():
        scores[leader] += worth * sums[file] / largest


def _pick(candidates: Sequence[Candidate], scores: Sequence[float], limit: int, again: float) -> list[Ranked]:
    """Take the best, each further passage of a file at a discount for those before it."""
    order = sorted(
        range(len(candidates)),
        key=lambda place: (-scores[place], candidates[place].path, candidates[place].start_line),
    )
    taken: dict[int, int] = defaultdict(int)
    ranked = []
    for place in order:
        candidate = candidates[place]
        ranked.append(Ranked(candidate, scores[place] * again ** taken[candidate.file]))
        taken[candidate.file] += 1
    ranked.sort(key=lambda one: (-one.score, one.candidate.path, one.candidate.start_line))
    return ranked[:limit]


# What a path says of a file's role. Each is lifted when the query asks for it by one of the words.
@dataclass(frozen=True, slots=True)
class _Role:
    pattern: re.Pattern[str]
    factor: float
    asked_by: frozenset[str] = field(default_factory=frozenset)


_ROLES: Final = (
    _Role(
        re.compile(
            r"(?:^|/)(?:tests?|__tests__|specs?|testing|testdata|test[_-]\w+|\w+[_-]tests?|fixtures?|mocks?)/"
            r"|(?:^|/)(?:test_[^/]*|[^/]*[_.-](?:test|tests|spec)\.[^/]*|conftest\.py)\Z"
            r"|(?:^|/)[^/]*[a-z](?:Tests?|Spec|TestCase)\.[a-z]+\Z"
        ),
        0.3,
        frozenset({"test", "tests", "testing", "spec", "specs", "fixture", "fixtures", "mock", "mocks"}),
    ),
    _Role(
        re.compile(
            r"(?:^|/)(?:_?compat|_?legacy|deprecated|backports?)(?:/|\.[a-z]+\Z)", re.IGNORECASE
        ),
        0.3,
        frozenset({"compat", "compatibility", "legacy", "deprecated", "backport"}),
    ),
    _Role(
        re.compile(r"(?:^|/)(?:examples?|samples?|demos?|tutorials?|benchmarks?|bench)/", re.IGNORECASE),
        0.3,
        frozenset({"example", "examples", "sample", "demo", "tutorial", "benchmark", "benchmarks", "bench"}),
    ),
    _Role(
        re.compile(r"(?:^|/)(?:vendor|vendored|third[_-]?party|node_modules|external|deps|dist|_vendor)/"),
        0.4,
        frozenset({"vendor", "vendored", "thirdparty", "dist"}),
    ),
    _Role(
        re.compile(
            r"(?:^|/)(?:docs?|documentation|changes|changelog)/|\.(?:md|rst|txt|adoc|html?|svg)\Z",
            re.IGNORECASE,
        ),
        0.5,
        frozenset({"doc", "docs", "documentation", "readme", "changelog", "guide"}),
    ),
    _Role(
        re.compile(r"(?:^|/)(?:__init__\.pyi?|package-info\.java|mod\.rs|index\.[jt]sx?)\Z"),
        0.5,
    ),
    _Role(re.compile(r"\.d\.ts\Z|\.pyi\Z"), 0.7, frozenset({"types", "typings", "stub"})),
    _Role(
        re.compile(r"\.(?:json|ya?ml|toml|lock|ini|cfg|xml|csv)\Z|(?:^|/)\.[^/]+/"),
        0.6,
        frozenset({"json", "yaml", "toml", "config", "configuration", "workflow", "ci", "settings"}),
    ),
)  # fmt: skip


class _Judge:
    """The signals of one query."""

    def __init__(self, asked: Asked, rarity: Mapping[str, float], weights: Weights) -> None:
        self._asked = asked
        self._weights = weights
        self._words = {word: rarity.get(word, 0.0) for word in asked.words}
        self._total = sum(self._words.values()) or 1.0
        self._covered: dict[str, float] = {}
        self._demotions: dict[str, float] = {}

    def boost(self, candidate: Candidate) -> float:
        weights = self._weights
        folders, _, name = candidate.path.rpartition("/")
        stem = name.rpartition(".")[0] or name
        said = weights.stem * self._coverage(f"{folders.rpartition('/')[2]} {stem}")
        said += weights.symbol * self._coverage(candidate.symbol)
        return said + max((self._definition(candidate, name) for name in candidate.defines), default=0.0)

    def _definition(self, candidate: Candidate, name: Name) -> float:
        weights = self._weights
        worth = weights.definition if self._asked.is_symbol else weights.definition_in_prose
        if not name.is_sure:
            worth *= weights.definition_unsure
        folded = candidate.path.casefold().replace("_", "")
        stem = folded.rpartition("/")[2].rpartition(".")[0]
        if stem == name.name:
            worth *= weights.definition_in_stem
        if name.qualifier and (
            name.qualifier in candidate.symbol.casefold().replace("_", "") or name.qualifier in folded
        ):
            worth *= weights.qualified
        return worth

    def _coverage(self, text: str) -> float:
        """The share of the query's words, by their weight, that have a relative in the text."""
        known = self._covered.get(text)
        if known is None:
            there = Family(terms(text))
            met = sum(worth for word, worth in self._words.items() if there.has_relative(word))
            known = self._covered[text] = met / self._total
        return known

    def demotion(self, path: str) -> float:
        known = self._demotions.get(path)
        if known is None:
            known = 1.0
            for role in _ROLES:
                if not role.asked_by & self._words.keys() and role.pattern.search(path):
                    known = min(known, role.factor)
            self._demotions[path] = known
        return known

"""English endings: `routes`, `routing` and `router` are about the same thing.

A stem here only has to be equal for words of one family; it need not be a word. Identifiers are English far
more often than not, so other languages are left alone only by luck: a stem is never used instead of a word,
only beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Longest first within what may follow each other; each needs a rest of at least three letters.
_ENDINGS: Final = (
    "ations", "ation", "ments", "ment", "ings", "ing", "ions", "ion",
    "ables", "able", "ers", "ors", "er", "or", "ies", "ied", "es", "ed", "s", "e", "y",
)  # fmt: skip
_REST_MIN: Final = 3
_WORD_MIN: Final = 4


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The word without its ending; the word itself if it is short or not plain letters."""
    if len(word) < _WORD_MIN or not (word.isascii() and word.isalpha()):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _REST_MIN:
            rest = word[: -len(ending)]
            if ending == "s" and rest.endswith("s"):  # class, access
                return word
            if len(rest) > _REST_MIN and rest[-1] == rest[-2] and rest[-1] not in "aeiousl":
                return rest[:-1]  # stopping, batched
            return rest
    return word


class Family:
    """Words, asked for their relatives.

    Attributes:
        letters: everything by which one of them may be met: they, their stems and their beginnings.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._stems = frozenset(stem(word) for word in self._words if len(word) > _REST_MIN)
        self._forms = self._words.union(*map(_beginnings, self._words))
        self.letters = self._forms | self._stems

    def has_relative(self, word: str) -> bool:
        """Whether one of the words is this one, of its family, or one of the two cut short.

        `config` and `configuration` are such a pair.
        """
        return self.holds(Relative.of(word))

    def holds(self, wanted: Relative) -> bool:
        """The same of a word that was looked at before."""
        return (
            wanted.word in (self._forms if wanted.is_long else self._words)
            or wanted.root in self._stems
            or not self._words.isdisjoint(wanted.beginnings)
        )


@dataclass(frozen=True, slots=True)
class Relative:
    """A word that relatives are looked for of, in many families.

    Attributes:
        word: the word.
        root: its stem; None where it is too short to have one.
        beginnings: the word cut short.
        is_long: whether it may itself be another word cut short.
    """

    word: str
    root: str | None
    beginnings: frozenset[str]
    is_long: bool

    @classmethod
    def of(cls, word: str) -> Relative:
        """Look at a word."""
        root = stem(word) if len(word) > _REST_MIN else None
        return cls(word, root, _beginnings(word), len(word) >= _REST_MIN)


class Relatives:
    """Words that relatives are looked for of, each with what it is worth."""

    def __init__(self, words: Sequence[tuple[Relative, float]]) -> None:
        self._words = words
        self._letters = frozenset[str]().union(
            *((word.word, word.root or word.word, *word.beginnings) for word, _ in words)
        )

    def met(self, family: Family) -> float:
        """What those are worth together that have a relative in the family; most families have none."""
        if family.letters.isdisjoint(self._letters):
            return 0.0
        return sum([worth for word, worth in self._words if family.holds(word)])


@lru_cache(maxsize=65_536)
def _beginnings(word: str) -> frozenset[str]:
    """The word cut short to every length that still says something."""
    return frozenset(word[:length] for length in range(_REST_MIN, len(word)))

"""English endings: `routes`, `routing` and `router` are about the same thing.

A stem here only has to be equal for words of one family; it need not be a word. Identifiers are English far
more often than not, so other languages are left alone only by luck: a stem is never used instead of a word,
only beside it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    """Words, asked for their relatives."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._stems = frozenset(stem(word) for word in self._words if len(word) > _REST_MIN)
        self._forms = self._words.union(*map(_beginnings, self._words))

    def has_relative(self, word: str) -> bool:
        """Whether one of the words is this one, of its family, or one of the two cut short.

        `config` and `configuration` are such a pair.
        """
        if word in self._words:
            return True
        if len(word) < _REST_MIN:
            return False
        return (
            word in self._forms
            or (len(word) > _REST_MIN and stem(word) in self._stems)
            or not self._words.isdisjoint(_beginnings(word))
        )


@lru_cache(maxsize=65_536)
def _beginnings(word: str) -> frozenset[str]:
    """The word cut short to every length that still says something."""
    return frozenset(word[:length] for length in range(_REST_MIN, len(word)))

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
    """Some words, asked which of them are relatives of another. Not to be shared between threads.

    Relatives are equal, have one stem, or one is the other cut short, as `config` and `configuration` are.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._starting: dict[str, list[tuple[int, str]]] = {}
        for place, word in enumerate(dict.fromkeys(words)):
            self._starting.setdefault(word[:_REST_MIN], []).append((1 << place, word))
        self._found: dict[str, int] = {}

    def has_relative(self, word: str) -> bool:
        """Whether one of the words is a relative of this one."""
        return self.find(word) != 0

    def find(self, word: str) -> int:
        """Which of the words are: bit by bit, in the order in which they were given first."""
        bits = self._found.get(word)
        if bits is None:  # relatives begin alike
            near = self._starting.get(word[:_REST_MIN])
            bits = sum([bit for bit, other in near if _are_relatives(word, other)]) if near else 0
            self._found[word] = bits
        return bits


def _are_relatives(one: str, other: str) -> bool:
    """Whether two words are relatives that begin with the same three letters, or are equal."""
    if one == other:
        return True
    short, long = (one, other) if len(one) < len(other) else (other, one)
    if len(short) < _REST_MIN:
        return False
    return long.startswith(short) or (len(short) >= _WORD_MIN and stem(one) == stem(other))

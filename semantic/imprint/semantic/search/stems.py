"""English endings: `routes`, `routing` and `router` are about the same thing.

A stem here only has to be equal for words of one family; it need not be a word. Identifiers are English far
more often than not, so other languages are left alone only by luck: a stem is never used instead of a word,
only beside it.
"""

from __future__ import annotations

from typing import Final

# Longest first within what may follow each other; each needs a rest of at least three letters.
_ENDINGS: Final = (
    "ations", "ation", "ments", "ment", "ings", "ing", "ions", "ion",
    "ables", "able", "ers", "ors", "er", "or", "ies", "ied", "es", "ed", "s", "e", "y",
)  # fmt: skip
_REST_MIN: Final = 3
_WORD_MIN: Final = 4


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


def are_related(one: str, other: str) -> bool:
    """Whether two words are of one family, or one is the other cut short (`config`, `configuration`)."""
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < _REST_MIN:
        return False
    if longer.startswith(shorter):
        return True
    return len(shorter) > _REST_MIN and stem(one) == stem(other)

"""An answer cut to a number of tokens, for readers who pay for them.

A token is taken for four characters of text, which is about what language models' tokenizers make of code;
the place of a hit is counted as `HIT_TOKENS`.

Invariants:
    1. The best hits keep their text longest: text is cut from the last hit on, to `LINES_KEPT` lines first,
       then away; only when that is not enough, hits are left out, the last first.
    2. The first hit is always there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.semantic.tokens import CHARACTERS_PER_TOKEN
from imprint.semantic.tokens import count_tokens as count_text
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.search.answer import Hit

HIT_TOKENS: Final = 40
LINES_KEPT: Final = 4
TOKENS_MIN: Final = 50


def fit_tokens(hits: Sequence[Hit], tokens: int) -> tuple[Hit, ...]:
    """The hits within so many tokens.

    Raises:
        BadInput: so few tokens hold no hit.
    """
    if tokens < TOKENS_MIN:
        raise BadInput(f"{tokens} tokens hold no answer", hint=f"ask for {TOKENS_MIN} or more")
    kept = list(hits)
    total = sum(map(count_tokens, kept))
    for lines in (LINES_KEPT, 0):
        for place in range(len(kept) - 1, -1, -1):
            if total <= tokens:
                return tuple(kept)
            total -= count_tokens(kept[place])
            kept[place] = _cut(kept[place], lines, tokens if place == 0 else None)
            total += count_tokens(kept[place])
    while len(kept) > 1 and total > tokens:
        total -= count_tokens(kept.pop())
    return tuple(kept)


def count_tokens(hit: Hit) -> int:
    """About how many tokens a hit is."""
    return HIT_TOKENS + count_text(hit.text)


def _cut(hit: Hit, lines: int, tokens: int | None) -> Hit:
    """A hit with its first lines only; the first hit keeps what fits."""
    if tokens is not None:
        text = hit.text[: (tokens - HIT_TOKENS) * CHARACTERS_PER_TOKEN]
    else:
        text = "\n".join(hit.text.split("\n")[:lines])
    return hit if text == hit.text else replace(hit, text=text, is_cut=True)

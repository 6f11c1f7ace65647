"""How much of an agent's context a text takes.

A token is reckoned as `CHARACTERS_PER_TOKEN` characters, rounded up: an estimate, the same that a search's
bound uses, as each model cuts text in its own way.
"""

from __future__ import annotations

from typing import Final

CHARACTERS_PER_TOKEN: Final = 4


def count_tokens(text: str) -> int:
    """About how many tokens a text takes."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)

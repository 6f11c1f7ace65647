"""Taking secrets out of text, in a way that can be repeated and judged later."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

OTHER: Final = "other"
"""The kind of a mark whose kind no rule has: one that a person typed, or another place's own rule left."""
_MARK = re.compile(rb"\[redacted:([a-z0-9\-]{1,64})\]")


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its secrets.

    Attributes:
        text: the text; each secret is replaced by `[redacted:KIND]`.
        counts: how many were replaced, by kind.
        effort: characters that rules looked at around anchors, those of every try: what the text cost.
    """

    text: str
    counts: Mapping[str, int] = field(default_factory=dict)
    effort: int = field(default=0, compare=False)


class Redactor(Protocol):
    """Replaces secrets. Deterministic; redacting twice changes nothing more; lines stay lines.

    JSON stays JSON: what is well formed line by line before is so after. Safe to share between threads.

    Attributes:
        engine: name and version of what looks for secrets.
        policy_hash: SHA-256 over every rule and bound in use, hexadecimal: another hash, other results.
        kinds: what replaced secrets are called.
    """

    engine: str
    policy_hash: str
    kinds: AbstractSet[str]

    def redact(self, text: str) -> Redacted:
        """The text without secrets; any text is taken."""
        ...


class KeepAll(Redactor):
    """Replaces nothing: for tests, and for text that was redacted before it came."""

    engine = "none"
    policy_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing
    kinds: AbstractSet[str] = frozenset()

    def redact(self, text: str) -> Redacted:
        """The text as it is."""
        return Redacted(text)


def count_marks(text: bytes, kinds: AbstractSet[str]) -> Counter[str]:
    """How many marks of replaced secrets stand in a text, by kind, whoever wrote them.

    Args:
        text: a redacted text.
        kinds: the kinds that count by their name; every other one counts as `OTHER`.
    """
    found = Counter(match[1].decode() for match in _MARK.finditer(text))
    counts: Counter[str] = Counter()
    for kind, number in found.items():
        counts[kind if kind in kinds else OTHER] += number
    return counts

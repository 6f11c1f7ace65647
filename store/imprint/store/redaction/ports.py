"""Taking secrets out of text, in a way that can be repeated and judged later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its secrets.

    Attributes:
        text: the text; each secret is replaced by `[redacted:KIND]`.
        counts: how many were replaced, by kind.
    """

    text: str
    counts: Mapping[str, int] = field(default_factory=dict)


class Redactor(Protocol):
    """Replaces secrets. Deterministic; redacting twice changes nothing more; lines stay lines.

    JSON stays JSON: what is well formed line by line before is so after. Safe to share between threads.

    Attributes:
        engine: name and version of what looks for secrets.
        policy_hash: SHA-256 over every rule and bound in use, hexadecimal: another hash, other results.
    """

    engine: str
    policy_hash: str

    def redact(self, text: str) -> Redacted:
        """The text without secrets; any text is taken."""
        ...


class KeepAll(Redactor):
    """Replaces nothing: for tests, and for text that was redacted before it came."""

    engine = "none"
    policy_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing

    def redact(self, text: str) -> Redacted:
        """The text as it is."""
        return Redacted(text)

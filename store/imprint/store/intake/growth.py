"""One session, many copies of its transcript: which of them is the whole, and which stands for itself.

Every checkpoint brings the session's transcript up to then. Most copies are the beginning of the next one:
only the last is kept. Old versions wrote only what was new since the last checkpoint, and some transcripts
were written anew: such a copy becomes a session of its own below the first, `<session>@<checkpoint>`.
Where only prompts are there, those of all checkpoints are one transcript.

Invariants:
    1. The same copies in the same order are placed alike, whether they were kept before or not: what was
       seen is in the session's own `extra`.
    2. At most the copy at hand and the longest of this reading are in memory.
"""

from __future__ import annotations

import enum
import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imprint.store.sessions.model import ArchivedSession

KEY: Final = "entire"
"""Of the session's `extra`."""
_COPIES_MAX: Final = 2_000


class Worth(enum.IntEnum):
    """How much a copy tells; the better takes the place of the worse."""

    PROMPTS = 0
    COMPACT = 1
    WHOLE = 2


class Place(enum.Enum):
    """Where a copy belongs."""

    HELD = "held"
    """It is, or begins, what is there."""
    GROWN = "grown"
    """It begins with what was there."""
    APART = "apart"
    """It is another text."""
    FOREIGN = "foreign"
    """The session came by another way, which is not overwritten."""


class Growth:
    """What is known of one session's transcript."""

    def __init__(self, kept: ArchivedSession | None) -> None:
        facts = kept.extra.get(KEY) if kept else None
        self._is_foreign = kept is not None and not isinstance(facts, dict)
        self._worth: Worth | None = None
        self._copies: list[tuple[int, int]] = []
        self.pending: bytes | None = None
        """The longest copy of this reading; None while nothing new has to be kept."""
        if isinstance(facts, dict):
            try:
                self._worth = Worth(facts.get("worth", Worth.WHOLE))
                self._copies = [(int(size), int(digest)) for size, digest in facts.get("copies", [])]
            except (TypeError, ValueError):  # whoever else delivered it wrote what is no fact of ours
                self._is_foreign = True

    def facts(self) -> dict[str, object]:
        """What the session's `extra` shall hold."""
        copies = [list(copy) for copy in self._copies[-_COPIES_MAX:]]
        return {KEY: {"worth": int(self._worth or 0), "copies": copies}}

    def place(self, content: bytes, worth: Worth) -> Place:
        """Take a copy in, and say where it belongs."""
        if self._is_foreign:
            return Place.FOREIGN
        if self._worth is not None and worth < self._worth:
            return Place.HELD
        if self._worth is None or worth > self._worth:
            self._copies.clear()
            return self._grow(content, worth)
        if worth is Worth.PROMPTS:
            return self._add_prompts(content)
        copy = len(content), _digest(content)
        if copy in self._copies or self._begins_with(content):
            if copy not in self._copies:
                self._copies.insert(0, copy)
            return Place.HELD
        return self._grow(content, worth) if self._continues(content) else Place.APART

    def _add_prompts(self, content: bytes) -> Place:
        """Prompts of one checkpoint continue those of another, which they need not repeat."""
        if self.pending is None:
            return Place.HELD
        known = set(self.pending.splitlines())
        new = [line for line in content.splitlines(keepends=True) if line.rstrip(b"\n") not in known]
        return self._grow(self.pending + b"".join(new), Worth.PROMPTS) if new else Place.HELD

    def _begins_with(self, content: bytes) -> bool:
        return self.pending is not None and self.pending.startswith(content)

    def _continues(self, content: bytes) -> bool:
        size, digest = max(self._copies, default=(0, _digest(b"")))
        return size <= len(content) and _digest(memoryview(content)[:size]) == digest

    def _grow(self, content: bytes, worth: Worth) -> Place:
        self._worth = worth
        self._copies.append((len(content), _digest(content)))
        self.pending = content
        return Place.GROWN


def _digest(content: bytes | memoryview) -> int:
    """Enough of a hash to tell copies apart: as a number, which no redactor takes for a secret."""
    return int.from_bytes(hashlib.sha256(content).digest()[:6])

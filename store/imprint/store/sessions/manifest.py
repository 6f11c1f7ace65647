"""What a kept transcript consists of: the list of its chunks, itself a text of the session.

Invariants:
    1. The manifest is written after every chunk that it lists, in one batch with those that are new.
    2. It lies under the session's key, as the chunks do: erasing leaves neither.

    {"format": 1, "engine": ..., "policy": ..., "chunks": [CHUNK, ...]}
    CHUNK = [KEY, ADDRESS, LINES, RAW, BYTES, CLOSED, COUNTS]

KEY is the chunk's chain over what came, RAW its size; BYTES the size of what was kept of it after redaction.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One chunk.

    Attributes:
        key: see `imprint.store.sessions.chunks`; hexadecimal.
        address: of its text among the transcripts of the root session.
        line_count: lines.
        raw_bytes: size of what came.
        size_bytes: size of what was kept.
        is_closed: whether no more lines belong into it.
        counts: marks of what was replaced in it, by kind.
    """

    key: str
    address: str
    line_count: int
    raw_bytes: int
    size_bytes: int
    is_closed: bool
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A transcript's chunks, and by which policy they were redacted."""

    engine: str
    policy_hash: str
    entries: tuple[Entry, ...] = ()

    @property
    def line_count(self) -> int:
        """Lines of the transcript."""
        return sum(entry.line_count for entry in self.entries)

    @property
    def raw_bytes(self) -> int:
        """Bytes that came."""
        return sum(entry.raw_bytes for entry in self.entries)

    @property
    def counts(self) -> dict[str, int]:
        """What was replaced, by kind."""
        total: Counter[str] = Counter()
        for entry in self.entries:
            total.update(entry.counts)
        return dict(sorted(total.items()))

    def encode(self) -> bytes:
        """As a text."""
        chunks = [
            [
                entry.key,
                entry.address,
                entry.line_count,
                entry.raw_bytes,
                entry.size_bytes,
                entry.is_closed,
                dict(entry.counts),
            ]
            for entry in self.entries
        ]
        said = {"format": _FORMAT, "engine": self.engine, "policy": self.policy_hash, "chunks": chunks}
        return json.dumps(said, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, text: bytes) -> Manifest:
        """From a text.

        Raises:
            StorageFailed: it was written by a newer version.
        """
        said = json.loads(text)
        if said["format"] != _FORMAT:
            raise StorageFailed(
                f"a transcript is kept in format {said['format']}, which this version cannot read",
                hint="use the version of imprint that wrote it",
            )
        return cls(said["engine"], said["policy"], tuple(Entry(*chunk) for chunk in said["chunks"]))

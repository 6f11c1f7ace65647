"""A transcript in chunks: cut at line ends, so that a grown or partly rewritten one shares most of them.

Invariants:
    1. The chunks joined are the transcript, byte for byte. Each ends with a line feed, but the last may not.
    2. Where a chunk ends depends on its own lines alone: after a change, cutting falls into step again.
    3. A chunk's key is a chain over keyed hashes of its lines: it can be carried on without the lines before,
       and without the session's hashing key it says nothing of them.

The end of a chunk is decided line by line, as a longer line ends one more often: chunks are alike in bytes,
not in lines. A block between `-----BEGIN` and `-----END` is not cut, so that a key in it is seen whole.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.limits import Limits

CHUNK_BYTES_MIN: Final = 64 * 1024
CHUNK_BYTES_MEAN: Final = 192 * 1024
"""Beyond the minimum, on average."""
CHUNK_BYTES_MAX: Final = 1024**2
"""A chunk is longer only by its last line."""
_DIGEST_BYTES: Final = 16
_EMPTY: Final = bytes(_DIGEST_BYTES)
_BEGIN, _END = b"-----BEGIN ", b"-----END "


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of content.

    Attributes:
        key: the chain over its lines; where it goes on from a begun chunk, over those too.
        start, end: the piece of the content that was cut.
        line_count: lines, those of a begun chunk included.
        raw_bytes: likewise.
        is_closed: whether no more lines belong into it.
    """

    key: bytes
    start: int
    end: int
    line_count: int
    raw_bytes: int
    is_closed: bool


def cut(content: bytes, hashing_key: bytes, limits: Limits, begun: Chunk | None = None) -> Iterator[Chunk]:
    """The chunks of content, in order.

    Args:
        content: lines.
        hashing_key: of the session; see `Transcripts.hashing_key`.
        limits: bounds of lines.
        begun: a chunk that is not closed, which the content goes on from.

    Raises:
        LimitExceeded: a line is too long.
    """
    chain, lines, size = (begun.key, begun.line_count, begun.raw_bytes) if begun else (_EMPTY, 0, 0)
    start = at = 0
    in_block = False
    while at < len(content):
        end = content.find(b"\n", at) + 1 or len(content)
        length = end - at
        if length > limits.transcript_line_bytes_max:
            raise LimitExceeded(
                f"a line of the transcript has {length} bytes", limit="transcript_line_bytes_max"
            )
        line = content[at:end]
        digest = hashlib.blake2b(line, key=hashing_key, digest_size=_DIGEST_BYTES).digest()
        chain = hashlib.blake2b(chain + digest, key=hashing_key, digest_size=_DIGEST_BYTES).digest()
        in_block = (in_block or _BEGIN in line) and _END not in line
        at, lines, size = end, lines + 1, size + length
        is_chosen = int.from_bytes(digest[:4], "big") * CHUNK_BYTES_MEAN < length << 32
        if size >= CHUNK_BYTES_MAX or (size >= CHUNK_BYTES_MIN and is_chosen and not in_block):
            yield Chunk(chain, start, end, lines, size, is_closed=True)
            start, chain, lines, size = end, _EMPTY, 0, 0
    if start < len(content):
        yield Chunk(chain, start, len(content), lines, size, is_closed=False)


def count_lines(content: bytes) -> int:
    """Lines, the last of which may lack its line feed."""
    return content.count(b"\n") + (0 if not content or content.endswith(b"\n") else 1)


def line_start(content: bytes, number: int) -> int:
    """Where a line begins, counting from 0; the content's length for one that is not there."""
    at = 0
    for _ in range(number):
        at = content.find(b"\n", at) + 1
        if at == 0:
            return len(content)
    return at

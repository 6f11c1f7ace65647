"""The structural hash: what stays the same when code is moved, renamed or laid out anew.

The code of an entity is cut into tokens after its comments and documentation are blanked out; its own name,
wherever it occurs as a token (a recursive call, a constructor), is replaced by a mark; the hash is taken over
the tokens.

Invariants:
1. White space between tokens never counts; white space inside of a literal always does.
2. Where indentation is syntax, the end of each block counts.
3. The cost is linear in the span; offsets of the masked code are those of the source.
"""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# 96 bits: with a thousand million entities the chance of any two colliding is below 1e-10.
_DIGEST_BYTES = 12

_TOKEN = re.compile(rb"[\w\x80-\xff]+|[^\s]")

# White space inside of a literal becomes control characters that separate nothing.
_LITERAL = bytes.maketrans(b" \t\n\r\x0b\x0c", b"\x01\x02\x03\x03\x04\x05")
_WHITE = re.compile(rb"\s")

# The mark at the end of n blocks is 0x0e + n - 1, so that several may end at one place.
_BLOCK_END_FIRST = 0x0E
_BLOCK_END_LAST = 0x1B

_OWN_NAME = b"\x06"

Span = tuple[int, int]


def mask_spans(content: bytes, spans: list[Span]) -> bytes:
    """Blank out spans; line feeds stay, so that lines stay."""
    if not spans:
        return content
    pieces: list[bytes] = []
    position = 0
    for first, end in sorted(spans):
        start = max(first, position)
        if start >= end:
            continue
        pieces.append(content[position:start])
        hidden = content[start:end]
        lines = hidden.split(b"\n")
        pieces.append(
            b"\n".join([b" " * len(line) for line in lines]) if len(lines) > 1 else b" " * len(hidden)
        )
        position = end
    pieces.append(content[position:])
    return b"".join(pieces)


def mask_literals(code: bytes, literals: list[Span], blocks: list[Span]) -> bytes:
    """Make the white space in literals, and the ends of blocks, count as tokens."""
    masked = bytearray(code)
    for start, end in literals:
        literal = code[start:end]
        if _WHITE.search(literal):
            masked[start:end] = literal.translate(_LITERAL)
    for _, end in blocks:
        if end >= len(masked):
            continue
        here = masked[end]
        if here in b" \t\r\n":
            masked[end] = _BLOCK_END_FIRST
        elif _BLOCK_END_FIRST <= here < _BLOCK_END_LAST:
            masked[end] = here + 1
    return bytes(masked)


class Shapes:
    """The tokens of a file, cut at the bounds of its entities, so that each token is read once."""

    def __init__(self, masked: bytes, bounds: Iterable[int]) -> None:
        ordered = sorted({0, len(masked), *bounds})
        self._at = {bound: index for index, bound in enumerate(ordered)}
        self._pieces = [_tokens(masked, start, end) for start, end in pairwise(ordered)]

    def hash(self, start: int, end: int, name: str) -> str:
        """Hash the tokens between two bounds, without the name of the entity that they are."""
        code = b"".join(self._pieces[self._at[start] : self._at[end]])
        if name:
            code = code.replace(b" " + name.encode() + b" ", b" " + _OWN_NAME + b" ")
        return hashlib.blake2b(code, digest_size=_DIGEST_BYTES).hexdigest()


def _tokens(masked: bytes, start: int, end: int) -> bytes:
    """Give the tokens of a span, each between two spaces of its own."""
    tokens = _TOKEN.findall(masked, start, end)
    return b" " + b"  ".join(tokens) + b" " if tokens else b""

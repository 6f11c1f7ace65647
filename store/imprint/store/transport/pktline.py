"""pkt-lines: the frames of Git's protocol, and the side-bands that share one of its streams.

Format: gitprotocol-common(5) and gitprotocol-pack(5). A frame is four hexadecimal digits that count
themselves and what follows; the lengths 0, 1 and 2 are marks without content, 3 means nothing.

Invariants:
    1. Reading never takes a byte more than the frame has, so that a pack may follow the last frame.
    2. Reading is bounded: in one frame by the format, in all by the limit that the caller names.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, BinaryIO, Final

from imprint.store.errors import LimitExceeded, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME_BYTES_MAX: Final = 65520
"""The longest frame, its four digits included (gitprotocol-common(5))."""
BAND_BYTES_MAX: Final = FRAME_BYTES_MAX - 5
"""What fits in one frame of `side-band-64k`: less the four digits and the band's number."""
OLD_BAND_BYTES_MAX: Final = 1000 - 5
"""The same of `side-band`, whose frames have at most 1000 bytes."""
_LENGTH_DIGITS: Final = 4
_HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")


class Mark(enum.Enum):
    """Frames without content; the value is the frame."""

    FLUSH = b"0000"
    DELIMITER = b"0001"
    RESPONSE_END = b"0002"


_MARK_BY_LENGTH: Final = {0: Mark.FLUSH, 1: Mark.DELIMITER, 2: Mark.RESPONSE_END}


class Band(enum.IntEnum):
    """The streams inside a side-band stream."""

    DATA = 1
    PROGRESS = 2
    FATAL = 3


Frame = bytes | Mark


def render_frame(content: bytes | str) -> bytes:
    """One frame around the content.

    Raises:
        ValueError: the content does not fit one frame.
    """
    raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    length = len(raw) + _LENGTH_DIGITS
    if length > FRAME_BYTES_MAX:
        raise ValueError(f"{len(raw)} bytes do not fit one pkt-line")
    return b"%04x%b" % (length, raw)


def render_band(band: Band, content: bytes, bytes_max: int = BAND_BYTES_MAX) -> bytes:
    """The content on one band, in as many frames as it takes; no content gives no frame."""
    pieces = []
    for start in range(0, len(content), bytes_max):
        piece = content[start : start + bytes_max]
        pieces.append(b"%04x%c%b" % (len(piece) + _LENGTH_DIGITS + 1, band, piece))
    return b"".join(pieces)


KEEP_ALIVE: Final = b"0005\x01"
"""An empty frame on the data band: it says nothing, and keeps proxies and clients from giving up."""


def read_exactly(stream: BinaryIO, count: int) -> bytes:
    """Read `count` bytes, or fewer when the stream ends before."""
    pieces: list[bytes] = []
    missing = count
    while missing and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class FrameReader:
    """Reads frames from a stream.

    Args:
        stream: where to read; what follows the last frame read stays in it.
        bytes_max: how much may be read in all, or up to a `renew`.
        limit: the name of that bound, as in docs/limits.md.
    """

    def __init__(self, stream: BinaryIO, *, bytes_max: int, limit: str) -> None:
        self._stream = stream
        self._bytes_left = bytes_max
        self._bytes_max = bytes_max
        self._limit = limit

    def renew(self) -> None:
        """Let the bound count anew, where the stream goes on with another request."""
        self._bytes_left = self._bytes_max

    def read(self) -> Frame | None:
        """The next frame; None when the stream ends instead.

        Raises:
            ProtocolError: the bytes are no frame, or the stream ends within one.
            LimitExceeded: more was sent than is allowed.
        """
        digits = read_exactly(self._stream, _LENGTH_DIGITS)
        if not digits:
            return None
        length = self._parse_length(digits)
        if length in _MARK_BY_LENGTH:
            return _MARK_BY_LENGTH[length]
        self._bytes_left -= length
        if self._bytes_left < 0:
            raise LimitExceeded(f"more than {self._bytes_max} bytes of protocol lines", limit=self._limit)
        content = read_exactly(self._stream, length - _LENGTH_DIGITS)
        if len(content) != length - _LENGTH_DIGITS:
            raise ProtocolError("the request ends in the middle of a pkt-line")
        return content

    def iter_section(self) -> Iterator[bytes]:
        """Every line up to the next mark or the end of the stream, without its line feed."""
        while isinstance(frame := self.read(), bytes):
            yield frame.removesuffix(b"\n")

    @staticmethod
    def _parse_length(digits: bytes) -> int:
        if len(digits) != _LENGTH_DIGITS or not _HEX_DIGITS.issuperset(digits):
            raise ProtocolError(f"{digits!r} is not the length of a pkt-line")
        length = int(digits, 16)
        if length == len(Mark) or length > FRAME_BYTES_MAX:
            raise ProtocolError(f"a pkt-line cannot be {length} bytes long")
        return length

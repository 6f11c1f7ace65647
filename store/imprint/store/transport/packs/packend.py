"""Where a pack ends, found while it passes: on a connection nothing else says so.

Format: gitformat-pack(5). A pack does not name its length; each object has to be inflated to see where the
next begins. What is found here only says when to stop reading: whether the pack is good is for index-pack.

Invariants:
    1. No byte is waited for that does not belong to the pack.
    2. Of a pack that cannot be followed, nothing more is read: whoever checks it finds the same fault.
    3. Memory is bounded, also where a few bytes inflate to very many.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.store.types import HashAlgorithm

_HEADER: Final = struct.Struct(">4sLL")
_VERSIONS: Final = (2, 3)
_OFS_DELTA: Final = 6
_REF_DELTA: Final = 7
_WHOLE_OBJECTS: Final = frozenset({1, 2, 3, 4})
_MORE: Final = 0x80
_INPUT_BYTES: Final = 64 * 1024
_OUTPUT_BYTES: Final = 256 * 1024


class PackEnd:
    """Follows a pack that comes piece by piece.

    Attributes:
        reached: the pack is over, or cannot be followed any further.

    Args:
        algorithm: of the ids in the pack.
    """

    def __init__(self, algorithm: HashAlgorithm) -> None:
        self.reached = False
        self._id_bytes = algorithm.hex_length // 2
        self._objects_left = 0
        self._begun = b""
        self._skip_bytes = 0
        self._size = 0
        self._inflated = 0
        self._inflate = zlib.decompressobj()
        self._step: Callable[[memoryview, int], int] = self._read_header

    def feed(self, piece: bytes) -> int:
        """Look at the next piece; how many of its bytes belong to the pack."""
        view = memoryview(piece)
        at = 0
        while at < len(view) and not self.reached:
            at = self._step(view, at)
        return at

    # Each step looks at the bytes from `at` on, and returns where the next step begins.

    def _read_header(self, view: memoryview, at: int) -> int:
        end = min(len(view), at + _HEADER.size - len(self._begun))
        self._begun += view[at:end]
        if len(self._begun) == _HEADER.size:
            magic, version, self._objects_left = _HEADER.unpack(self._begun)
            if magic != b"PACK" or version not in _VERSIONS:
                self.reached = True
            self._begin_object()
        return end

    def _begin_object(self) -> None:
        if self._objects_left:
            self._objects_left -= 1
            self._begun = b""
            self._step = self._read_object_header
        else:
            self._skip_bytes = self._id_bytes
            self._step = self._skip_checksum

    def _read_object_header(self, view: memoryview, at: int) -> int:
        """The kind and the size; almost always two or three bytes, and almost always in one piece."""
        while at < len(view):
            byte = view[at]
            at += 1
            if not byte & _MORE:
                self._begin_content(self._begun + bytes((byte,)))
                return at
            self._begun += bytes((byte,))
            if len(self._begun) > 10:  # noqa: PLR2004 - 4 bits and ten times 7 hold any size of 64 bits
                self.reached = True
                return at
        return at

    def _begin_content(self, header: bytes) -> None:
        kind = header[0] >> 4 & 7
        self._size = header[0] & 15
        for place, byte in enumerate(header[1:]):
            self._size |= (byte & 0x7F) << (4 + 7 * place)
        self._inflated = 0
        self._inflate = zlib.decompressobj()
        if kind in _WHOLE_OBJECTS:
            self._step = self._follow_content
        elif kind == _OFS_DELTA:
            self._step = self._skip_offset
        elif kind == _REF_DELTA:
            self._skip_bytes = self._id_bytes
            self._step = self._skip_base
        else:
            self.reached = True

    def _skip_offset(self, view: memoryview, at: int) -> int:
        while at < len(view):
            at += 1
            if not view[at - 1] & _MORE:
                self._step = self._follow_content
                break
        return at

    def _skip_base(self, view: memoryview, at: int) -> int:
        count = min(self._skip_bytes, len(view) - at)
        self._skip_bytes -= count
        if not self._skip_bytes:
            self._step = self._follow_content
        return at + count

    def _skip_checksum(self, view: memoryview, at: int) -> int:
        count = min(self._skip_bytes, len(view) - at)
        self._skip_bytes -= count
        self.reached = not self._skip_bytes
        return at + count

    def _follow_content(self, view: memoryview, at: int) -> int:
        """Inflate without keeping anything. The input is given in measured pieces: the rest is copied."""
        bound = self._size - self._inflated
        piece = view[at : at + min(_INPUT_BYTES, bound + (bound >> 8) + 32)]
        inflate = self._inflate
        try:
            self._inflated += len(inflate.decompress(piece, _OUTPUT_BYTES))
            while inflate.unconsumed_tail and not inflate.eof and self._inflated <= self._size:
                self._inflated += len(inflate.decompress(inflate.unconsumed_tail, _OUTPUT_BYTES))
        except zlib.error:
            self._inflated = self._size + 1
        if self._inflated > self._size:
            self.reached = True
        elif inflate.eof:
            self._begin_object()
            return at + len(piece) - len(inflate.unused_data)
        return at + len(piece)


class PackReader(io.RawIOBase):
    """One pack in a stream that does not end with it, as a stream that does.

    What comes together with the last byte of the pack is passed on too, for the receiver to refuse.

    Args:
        stream: where the pack comes from; asked for more only while the pack goes on.
        algorithm: of the ids in it.
    """

    def __init__(self, stream: BinaryIO, algorithm: HashAlgorithm) -> None:
        super().__init__()
        self._read_some: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        self._end = PackEnd(algorithm)

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """What has come, at most `size` bytes; nothing when the pack is over."""
        if self._end.reached:
            return b""
        piece = self._read_some(size if size > 0 else _INPUT_BYTES)
        self._end.feed(piece)
        return piece

"""Bytes of any length as frames on a side-band, copied once.

Format: gitprotocol-pack(5), "side-band"; see `imprint.store.transport.pktline`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK_BYTES: Final = 512 * 1024
"""About how much is handed on at once."""
_HEADER_BYTES: Final = 5
_DATA: Final = 1


def frame_pieces(pieces: Iterable[bytes | memoryview], band_bytes_max: int) -> Iterator[bytes]:
    """The pieces on the data band, in full frames but for the last.

    Args:
        pieces: of any length.
        band_bytes_max: how much one frame carries; 0 for no frames: the bytes as they are.
    """
    if not band_bytes_max:
        yield from _gather(pieces)
        return
    full = b"%04x%c" % (band_bytes_max + _HEADER_BYTES, _DATA)
    frames_at_once = max(1, CHUNK_BYTES // band_bytes_max)
    parts: list[bytes | memoryview] = [full]
    room, frames = band_bytes_max, 0
    for piece in pieces:
        at, view = 0, memoryview(piece)
        while at < len(view):
            taken = view[at : at + room]
            parts.append(taken)
            at += len(taken)
            room -= len(taken)
            if not room:
                frames += 1
                if frames == frames_at_once:
                    yield b"".join(parts)
                    parts, frames = [], 0
                parts.append(full)
                room = band_bytes_max
    if room < band_bytes_max:
        last = max(number for number, part in enumerate(parts) if part is full)
        parts[last] = b"%04x%c" % (band_bytes_max - room + _HEADER_BYTES, _DATA)
    else:
        parts.pop()
    if parts:
        yield b"".join(parts)


def _gather(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    parts: list[bytes | memoryview] = []
    size = 0
    for piece in pieces:
        view = memoryview(piece)
        for at in range(0, len(view), CHUNK_BYTES):
            parts.append(view[at : at + CHUNK_BYTES])
            size += len(parts[-1])
            if size >= CHUNK_BYTES:
                yield b"".join(parts)
                parts, size = [], 0
    if parts:
        yield b"".join(parts)

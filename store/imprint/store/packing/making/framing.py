"""Bytes as frames on a side-band.

Format: gitprotocol-pack(5), "side-band"; see `imprint.store.transport.pktline`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HEADER_BYTES: Final = 5
_DATA: Final = 1


def frame_blocks(blocks: Iterable[bytes], band_bytes_max: int) -> Iterator[bytes]:
    """Blocks on the data band, in full frames but for the last.

    Args:
        blocks: of any length.
        band_bytes_max: how much one frame carries; 0 for no frames: the bytes as they are.
    """
    if not band_bytes_max:
        yield from blocks
        return
    full = _render_head(band_bytes_max)
    rest = b""
    for block in blocks:
        view = memoryview(block)
        at = band_bytes_max - len(rest)
        if len(view) < at:
            rest += block
            continue
        parts: list[bytes | memoryview] = [full, rest, view[:at]]
        while at + band_bytes_max <= len(view):
            parts += (full, view[at : at + band_bytes_max])
            at += band_bytes_max
        yield b"".join(parts)
        rest = block[at:]
    if rest:
        yield _render_head(len(rest)) + rest


def _render_head(size: int) -> bytes:
    return b"%04x%c" % (size + _HEADER_BYTES, _DATA)

"""The multi-pack-index: one table of ids over many packs, and the order that bitmaps count objects in.

An object in several packs stands here once, at the copy that counts.

Format: gitformat-pack(5), "multi-pack-index (MIDX) files have the following format" and "multi-pack-index
reverse indexes".
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.files.ids import IdTable
from imprint.store.packing.files.mapped import BadFile, Mapped

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

NAME: Final = "multi-pack-index"
_HEADER: Final = struct.Struct(">4sBBBBL")
_HASHES: Final = {20: 1, 32: 2}
_LARGE_OFFSET: Final = 1 << 31
_ENTRY_BYTES: Final = 8 * 6


class MultiIndex:
    """The multi-pack-index of one folder of packs.

    Attributes:
        ids: every object in it.
        pack_names: the packs by number, without suffix.
        order: for each number that bitmaps count by, the object's place in `ids`; None without bitmaps.
        checksum: what its bitmaps name it by.

    Raises:
        FileNotFoundError: there is none.
        BadFile: it is not what it should be.
    """

    def __init__(self, pack_dir: Path, id_bytes: int) -> None:
        mapped = Mapped(pack_dir / NAME)
        if len(mapped) < _HEADER.size + id_bytes:
            raise BadFile(f"{NAME} is cut off")
        magic, version, hash_version, chunk_count, _, pack_count = _HEADER.unpack_from(mapped.content)
        if magic != b"MIDX" or version != 1 or hash_version != _HASHES[id_bytes]:
            raise BadFile(f"{NAME} is of another version")
        mapped.check_sum(id_bytes)
        chunks = mapped.chunks(_HEADER.size, chunk_count)
        try:
            names, self._offsets_at = chunks[b"PNAM"], chunks[b"OOFF"][0]
            self.ids = IdTable(mapped, chunks[b"OIDF"][0], chunks[b"OIDL"][0], id_bytes)
        except KeyError as lacking:
            raise BadFile(f"{NAME} lacks chunk {lacking}") from lacking
        listed = bytes(mapped.content[slice(*names)]).split(b"\0")[:pack_count]
        self.pack_names = [name.decode("ascii", "replace").removesuffix(".idx") for name in listed]
        self.checksum = bytes(mapped.content[-id_bytes:])
        self._mapped = mapped
        self._large = chunks.get(b"LOFF")
        self.order: Integers | None = None
        if b"RIDX" in chunks:
            self.order = mapped.numbers(chunks[b"RIDX"][0], len(self.ids), ">u4").astype(np.int64)
        rows = mapped.numbers(self._offsets_at, 2 * len(self.ids), ">u4").reshape(-1, 2)
        self.packs: Integers = rows[:, 0].astype(np.int64)
        """For each place in `ids`, the number of the pack."""
        self.offsets: Integers = self._read_offsets(rows[:, 1].astype(np.int64))
        """For each place in `ids`, where in the pack the object lies."""
        if len(self.packs) and int(self.packs.max()) >= len(self.pack_names):
            raise BadFile(f"{NAME} names a pack that it does not list")

    @cached_property
    def numbers(self) -> Integers:
        """For each place in `ids`, the number that bitmaps count the object by; none without bitmaps."""
        order = np.zeros(0, np.int64) if self.order is None else self.order
        numbers = np.zeros(len(order), np.int64)
        numbers[order] = np.arange(len(order))
        return numbers

    def count_bytes(self) -> int:
        """How much memory it takes once all tables were asked for, the ranks that a stock finds included."""
        return _ENTRY_BYTES * len(self.ids) + self._mapped.size_bytes

    @property
    def files(self) -> int:
        """Descriptors that it holds."""
        return self._mapped.files

    def _read_offsets(self, offsets: Integers) -> Integers:
        large = np.flatnonzero(offsets >= _LARGE_OFFSET) if self._large else ()
        if len(large) and self._large:
            begin, end = self._large
            table = self._mapped.numbers(begin, (end - begin) // 8, ">u8").astype(np.int64)
            picked = offsets[large] - _LARGE_OFFSET
            if (picked >= len(table)).any():
                raise BadFile(f"{NAME}: an offset is missing")
            offsets[large] = table[picked]
        return offsets

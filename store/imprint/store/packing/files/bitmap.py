"""Reachability bitmaps of a multi-pack-index: what some commits reach, one bit per object.

Format: gitformat-pack(5) and bitmap-format(5): a header, four bitmaps by type, then one for each of some
commits, perhaps as its difference from an earlier one.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from imprint.store.packing.files.ewah import measure_ewah, read_ewah
from imprint.store.packing.files.mapped import BadFile, Mapped
from imprint.store.packing.files.multi import NAME

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from imprint.store.packing.files.multi import MultiIndex

    Words = npt.NDArray[np.uint64]

_HEADER: Final = struct.Struct(">4sHHL")
_ENTRY: Final = struct.Struct(">LBB")
_FLAGS_KNOWN: Final = 0x1 | 0x4 | 0x10
"""All objects are there; a cache of hashes of names; a table for look-ups. The last two are not needed."""
_XOR_MAX: Final = 160
"""How far back a bitmap that another one differs from may be (MAX_XOR_OFFSET in git)."""
_KEPT_MIN: Final = 8
_KEPT_BYTES_MAX: Final = 8 * 1024**2
_ROW_BYTES: Final = 250
"""What a bitmap takes in the tables of where each is."""


class Bitmaps:
    """The bitmaps of one multi-pack-index.

    Attributes:
        size: words that one bitmap takes.
        commits, trees, blobs, tags: the objects of each type.

    Raises:
        FileNotFoundError: there are none.
        BadFile: they are not what they should be.
    """

    def __init__(self, pack_dir: Path, index: MultiIndex, id_bytes: int) -> None:
        mapped = Mapped(pack_dir / f"{NAME}-{index.checksum.hex()}.bitmap")
        if len(mapped) < _HEADER.size + id_bytes:
            raise BadFile(f"{mapped.name} is cut off")
        magic, version, flags, count = _HEADER.unpack_from(mapped.content)
        begin = _HEADER.size + id_bytes
        if magic != b"BITM" or version != 1 or flags & ~_FLAGS_KNOWN or index.order is None:
            raise BadFile(f"{mapped.name} is of another version")
        if bytes(mapped.content[_HEADER.size : begin]) != index.checksum:
            raise BadFile(f"{mapped.name} belongs to another index")
        mapped.check_sum(id_bytes)
        self.size: Final = -(-len(index.ids) // 64)
        self._mapped = mapped
        types = []
        for _ in range(4):
            types.append(read_ewah(mapped, begin, self.size))
            begin += measure_ewah(mapped, begin)
        self.commits, self.trees, self.blobs, self.tags = types
        self._kept: dict[int, Words] = {}
        """Bitmaps that were read, by number: others build on them. Nobody changes one."""
        self._rows: list[tuple[int, int]] = []
        self._by_place: dict[int, int] = {}
        for number in range(count):
            if begin + _ENTRY.size > len(mapped):
                raise BadFile(f"{mapped.name} is cut off")
            place, back, _ = _ENTRY.unpack_from(mapped.content, begin)
            begin += _ENTRY.size
            if back > min(number, _XOR_MAX):
                raise BadFile(f"{mapped.name}: a bitmap builds on none")
            self._rows.append((begin, back))
            self._by_place[place] = number
            begin += measure_ewah(mapped, begin)

    def count_bytes(self) -> int:
        """How much memory it takes at most."""
        kept = min(self._kept_max(), len(self._rows))
        return 8 * self.size * (4 + kept) + _ROW_BYTES * len(self._rows) + self._mapped.size_bytes

    @property
    def files(self) -> int:
        """Descriptors that it holds."""
        return self._mapped.files

    def _kept_max(self) -> int:
        return max(_KEPT_MIN, _KEPT_BYTES_MAX // (8 * max(1, self.size)))

    def __contains__(self, place: int) -> bool:
        """Whether there is a bitmap of the commit at a place of the index."""
        return place in self._by_place

    def read(self, place: int) -> Words:
        """What the commit at a place of the index reaches, itself included; not to be changed.

        Raises:
            KeyError: there is no bitmap of it.
        """
        number = self._by_place[place]
        chain = [number]
        while (back := self._rows[chain[-1]][1]) and chain[-1] not in self._kept:
            chain.append(chain[-1] - back)
        words: Words | None = None
        for each in reversed(chain):
            if (known := self._kept.get(each)) is None:
                known = read_ewah(self._mapped, self._rows[each][0], self.size)
                if words is not None:
                    known ^= words
                self._keep(each, known)
            words = known
        assert words is not None  # noqa: S101 - the chain has one bitmap at least
        return words

    def _keep(self, number: int, words: Words) -> None:
        self._kept[number] = words
        while len(self._kept) > self._kept_max():
            self._kept.pop(next(iter(self._kept)), None)

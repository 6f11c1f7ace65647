"""A sorted table of object ids, and where in it an id stands.

Format: the fan-out and id tables that pack indexes, multi-pack-indexes and commit-graphs share
(gitformat-pack(5), gitformat-commit-graph(5)).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.files.mapped import BadFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from imprint.store.packing.files.mapped import Mapped

    Integers = npt.NDArray[np.int64]

FANOUT_BYTES: Final = 256 * 4


class IdTable:
    """The ids of one file.

    Args:
        mapped: the file.
        fanout: where its fan-out table begins.
        begin: where the ids begin.
        id_bytes: the length of one.

    Raises:
        BadFile: the tables do not fit the file.
    """

    def __init__(self, mapped: Mapped, fanout: int, begin: int, id_bytes: int) -> None:
        counts = mapped.numbers(fanout, 256, ">u4").astype(np.int64)
        if (np.diff(counts) < 0).any():
            raise BadFile(f"{mapped.name}: its fan-out goes backwards")
        self._count = int(counts[-1])
        self._id_bytes = id_bytes
        self._begin = begin
        self._content = mapped.content[begin : begin + self._count * id_bytes]
        if len(self._content) < self._count * id_bytes:
            raise BadFile(f"{mapped.name} is cut off")
        self._heads: array[int] | None = None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> bytes:
        """The raw id at a place."""
        return bytes(self._content[place * self._id_bytes : (place + 1) * self._id_bytes])

    def find(self, raw_id: bytes) -> int:
        """The place of a raw id; -1 if it is not there."""
        heads = self._read_heads() if self._heads is None else self._heads
        head = int.from_bytes(raw_id[:8], "big")
        place = bisect_left(heads, head)
        while place < self._count and heads[place] == head:  # seldom more than one
            if self[place] == raw_id:
                return place
            place += 1
        return -1

    def find_all(self, raw_ids: Sequence[bytes]) -> Integers:
        """The place of each raw id; -1 for those that are not there."""
        wanted = np.frombuffer(b"".join(raw_ids), np.uint8).reshape(len(raw_ids), self._id_bytes)
        if not self._count:
            return np.full(len(raw_ids), -1, np.int64)
        heads = np.frombuffer(self._read_heads(), np.uint64)
        wanted_heads = _read_numbers(wanted)
        places = np.minimum(np.searchsorted(heads, wanted_heads), self._count - 1)
        table = np.frombuffer(self._content, np.uint8).reshape(self._count, self._id_bytes)
        same = (table[places] == wanted).all(axis=1)
        unlike = np.flatnonzero(~same & (heads[places] == wanted_heads))  # another id with the same head
        places[~same] = -1
        for at in unlike.tolist():
            places[at] = self.find(raw_ids[at])
        return places

    def _read_heads(self) -> array[int]:
        """The first eight bytes of every id as a number."""
        if self._heads is None:
            table = np.frombuffer(self._content, np.uint8).reshape(self._count, self._id_bytes)
            self._heads = array("Q", _read_numbers(table).tobytes())
        return self._heads


def _read_numbers(ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """The first eight bytes of every id as a number."""
    return np.ascontiguousarray(ids[:, :8]).view(">u8").ravel().astype(np.uint64)

"""A pack for a client, out of entries that lie in packs here: copied as they are, deltas included.

Only where an entry stands is computed, and how far back its base then is; nothing is inflated but the few
deltas whose base is neither sent nor known to the client.

Invariants:
    1. Every delta that is sent builds on an object that is sent before it, or that the client has.
    2. The bytes of deflated content are those of the packs here, checked when they were taken in; the
       checksum at the end covers what is sent.

Format: gitformat-pack(5).
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.files.pack import HEADER_BYTES, NO_BASE, OFS_DELTA, REF_DELTA
from imprint.store.packing.shelf import Absent, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from imprint.store.packing.contents import Contents

    Integers = npt.NDArray[np.int64]
    Picked = Sequence[tuple[int, Integers]]

_HEADER: Final = struct.Struct(">4sLL")
_ROUNDS_MAX: Final = 16
"""How often the distances to bases are computed anew: each may take more or fewer bytes than before."""
_WHOLE_MAX: Final = 2_000
"""Deltas that are made whole at most; with more git is asked, which finds other bases for them."""
_WHOLE_BYTES_MAX: Final = 64 * 1024**2
_LEVEL: Final = 1
"""How hard zlib tries for those."""


class Layout:
    """Which bytes make the pack.

    Attributes:
        count: how many objects are in it.
        names: of the packs that they lie in.
        size_bytes: of the pack without its checksum.

    Args:
        contents: reads objects of the stock.
        picked: packs by number, ascending, with the ranks of the entries to send, ascending.
        client_has: tells of a raw id whether the client has the object; None where no delta may build on it.

    Raises:
        Absent: it would take too much to make this pack here.
        BadFile: a pack is damaged.
    """

    def __init__(
        self, contents: Contents, picked: Picked, client_has: Callable[[bytes], bool] | None = None
    ) -> None:
        self._contents = contents
        self._stock = contents.stock
        self._picked = [(number, ranks) for number, ranks in picked if len(ranks)]
        self.count = sum(len(ranks) for _, ranks in self._picked)
        self.names = frozenset(self._stock.packs[number].name for number, _ in self._picked)
        self._special: dict[int, bytes] = {}
        """Entries that are sent with another header, or other content, by their number in the new pack."""
        if self._is_whole_pack():
            self.size_bytes = len(self._stock.packs[self._picked[0][0]].data) - self._stock.id_bytes
            return
        self._gather()
        self._settle_bases(client_has)
        self._place()

    def _is_whole_pack(self) -> bool:
        """Whether everything in one pack is sent, and nothing else: then it goes as it lies."""
        if len(self._picked) != 1:
            return False
        ((number, ranks),) = self._picked
        return len(ranks) == len(self._stock.packs[number])

    # -- what is sent, one array over all packs -----------------------------------------------------

    def _gather(self) -> None:
        packs = self._stock.packs
        rows = [(packs[number], ranks) for number, ranks in self._picked]
        self._firsts = np.cumsum([0, *(len(ranks) for _, ranks in rows)])
        self._begins = _join([pack.offsets[ranks] for pack, ranks in rows])
        self._ends = _join([pack.offsets[ranks + 1] for pack, ranks in rows])
        self._header_ends = _join([pack.header_ends[ranks] for pack, ranks in rows])
        self._starts = _join([pack.starts[ranks] for pack, ranks in rows])
        self._kinds = _join([pack.kinds[ranks].astype(np.int64) for pack, ranks in rows])
        self._bases = np.full(self.count, NO_BASE, np.int64)

    def _settle_bases(self, client_has: Callable[[bytes], bool] | None) -> None:
        """Find the number in the new pack of every delta's base; give the others another form."""
        for at, (number, ranks) in enumerate(self._picked):
            first = int(self._firsts[at])
            bases = self._stock.packs[number].bases[ranks]
            found = np.minimum(np.searchsorted(ranks, bases), len(ranks) - 1)
            inside = (bases >= 0) & (ranks[found] == bases)
            self._bases[first : first + len(ranks)] = np.where(inside, first + found, NO_BASE)
            for row in np.flatnonzero((bases >= 0) & ~inside).tolist():
                self._settle(first + row, Place(number, int(ranks[row])), int(bases[row]), client_has)

    def _settle(
        self, entry: int, place: Place, base: int, client_has: Callable[[bytes], bool] | None
    ) -> None:
        pack = self._stock.packs[place.pack]
        base_id = pack.id_of(base)
        if (sent := self._find_sent(base_id, place.pack)) >= 0:
            self._bases[entry] = sent
            self._kinds[entry] = OFS_DELTA
        elif client_has and client_has(base_id):
            begin, end = int(self._begins[entry]), int(self._header_ends[entry])
            header = _with_kind(bytes(pack.data.content[begin:end]), REF_DELTA)
            self._special[entry] = header + base_id
            self._kinds[entry] = REF_DELTA
        else:
            self._make_whole(entry, place)

    def _find_sent(self, raw_id: bytes, below: int) -> int:
        """The number in the new pack of an object that is sent out of a pack of a smaller number; or -1."""
        place = self._stock.find(raw_id)
        if place is None or place.pack >= below:
            return -1
        for at, (number, ranks) in enumerate(self._picked):
            if number == place.pack:
                row = int(np.searchsorted(ranks, place.rank))
                if row < len(ranks) and ranks[row] == place.rank:
                    return int(self._firsts[at]) + row
        return -1

    def _make_whole(self, entry: int, place: Place) -> None:
        if len(self._special) >= _WHOLE_MAX:
            raise Absent("too many deltas without their bases")
        kind, content = self._contents.read(place)
        if len(content) > _WHOLE_BYTES_MAX:
            raise Absent("a delta of a large object without its base")
        self._special[entry] = render_entry_header(kind, len(content)) + zlib.compress(content, _LEVEL)
        self._kinds[entry] = kind
        self._starts[entry] = self._ends[entry]  # nothing of the old entry is sent

    # -- where it stands ----------------------------------------------------------------------------

    def _place(self) -> None:
        """Compute where each entry begins; the length of a distance depends on it, and it on them."""
        headers = self._header_ends - self._begins
        links = self._starts - self._header_ends
        contents = self._ends - self._starts
        fixed = np.array(sorted(self._special), np.int64)
        sizes = headers + links + contents
        sizes[fixed] = [len(self._special[each]) for each in fixed.tolist()]
        sizes[fixed] += contents[fixed]
        near = np.flatnonzero(self._bases >= 0)
        bases = self._bases[near]
        for _ in range(_ROUNDS_MAX):
            outs = HEADER_BYTES + np.concatenate(([0], np.cumsum(sizes[:-1]))) if self.count else sizes
            distances = outs[near] - outs[bases]
            fitting = headers[near] + _digits(distances) + contents[near]
            if (fitting == sizes[near]).all():
                break
            sizes[near] = fitting
        else:
            raise Absent("distances that do not settle")
        moved = distances != self._begins[near] - self._begins[bases]
        moved |= self._pack_of(near) != self._pack_of(bases)
        self._moved = near[moved]
        self._distances = distances[moved]
        self.size_bytes = int(sizes.sum()) + HEADER_BYTES

    def _pack_of(self, entries: Integers) -> Integers:
        return np.searchsorted(self._firsts, entries, side="right") - 1

    # -- the bytes ----------------------------------------------------------------------------------

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The pack without its checksum, in pieces of any length."""
        if self._is_whole_pack():
            yield self._stock.packs[self._picked[0][0]].data.content[: self.size_bytes]
            return
        yield _HEADER.pack(b"PACK", 2, self.count)
        heads = self._special | self._render_moved()
        for at, (number, _) in enumerate(self._picked):
            content = self._stock.packs[number].data.content
            first, last = int(self._firsts[at]), int(self._firsts[at + 1])
            begins, ends = self._begins[first:last], self._ends[first:last]
            breaks = set((np.flatnonzero(begins[1:] != ends[:-1]) + 1).tolist())
            breaks.update(each - first for each in heads if first <= each < last)
            stops = sorted(breaks | {0})
            for begin, end in zip(stops, [*stops[1:], last - first], strict=True):
                if head := heads.get(first + begin):
                    yield head
                    yield content[int(self._starts[first + begin]) : int(ends[end - 1])]
                else:
                    yield content[int(begins[begin]) : int(ends[end - 1])]

    def _render_moved(self) -> dict[int, bytes]:
        """The headers of deltas whose base is another distance away now."""
        heads = {}
        packs = self._pack_of(self._moved).tolist()
        rows = zip(self._moved.tolist(), packs, self._distances.tolist(), strict=True)
        for entry, at, distance in rows:
            content = self._stock.packs[self._picked[at][0]].data.content
            header = bytes(content[int(self._begins[entry]) : int(self._header_ends[entry])])
            heads[entry] = _with_kind(header, OFS_DELTA) + render_distance(distance)
        return heads


def render_entry_header(kind: int, size: int) -> bytes:
    """The type and size at the start of an entry."""
    byte, size = kind << 4 | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    out.append(byte)
    return bytes(out)


def render_distance(distance: int) -> bytes:
    """How far before an entry its base begins."""
    out = [distance & 0x7F]
    while distance := distance >> 7:
        distance -= 1
        out.append(0x80 | distance & 0x7F)
    return bytes(reversed(out))


def _digits(distances: Integers) -> Integers:
    """How many bytes each distance takes."""
    lengths = np.ones(len(distances), np.int64)
    bound = 0x80
    span = 0x80
    while len(distances) and (longer := distances >= bound).any():
        lengths += longer
        span <<= 7
        bound += span
    return lengths


def _with_kind(header: bytes, kind: int) -> bytes:
    return bytes((header[0] & 0x8F | kind << 4,)) + header[1:]


def _join(arrays: Sequence[Integers]) -> Integers:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.int64)

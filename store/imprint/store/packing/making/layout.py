"""A pack for a client, out of entries that lie in packs here: copied as they are, deltas included.

Only where an entry stands is computed, and how far back its base then is; nothing is inflated but the few
deltas whose base is neither sent nor known to the client. They are made anew: as deltas of what the client
has at the same path, or whole.

Invariants:
    1. Every delta that is sent by its distance builds on an object that is sent before it; one that names its
       base, on an object that is sent too, or that the client has. No circle arises: see `Stock`.
    2. The bytes of deflated content are those of the packs here, checked when they were taken in; the
       checksum at the end covers what is sent.

Format: gitformat-pack(5).
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.choosing.memory import PackMemory
from imprint.store.packing.files.pack import HEADER_BYTES, NO_BASE, OFS_DELTA, REF_DELTA
from imprint.store.packing.making.deltas import make_delta
from imprint.store.packing.making.entries import (
    count_digits,
    render_delta_headers,
    render_distance,
    render_entry_header,
    replace_kind,
    unname_base,
)
from imprint.store.packing.making.splices import Splices
from imprint.store.packing.shelf import Absent, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from imprint.store.packing.choosing.contents import Contents

    Integers = npt.NDArray[np.int64]
    Picked = Sequence[tuple[int, Integers]]

_HEADER: Final = struct.Struct(">4sLL")
_ROUNDS_MAX: Final = 16
"""How often the distances to bases are computed anew: each may take more or fewer bytes than before."""
_ANEW_MAX: Final = 10_000
"""Entries that are made anew at most; with more git is asked, which finds other bases for them."""
_ANEW_BYTES_MAX: Final = 64 * 1024**2
_DELTA_WORTH_BYTES: Final = 4096
"""What is smaller is deflated sooner than it is compared."""
_LEVEL: Final = 1
"""How hard zlib tries for those."""
NO_MEMORY: Final = PackMemory(0)


class Layout:
    """Which bytes make the pack.

    Attributes:
        count: how many objects are in it.
        names: of the packs that they lie in.
        size_bytes: of the pack without its checksum.
        checksum: of the pack, if one that lies here is sent whole.

    Args:
        contents: reads objects of the stock.
        picked: packs by number, ascending, with the ranks of the entries to send, ascending.
        client_has: tells of a raw id whether the client has the object; None where no delta may build on it.
        find_like: the raw id of an object that is like another, at a place and of an id, and that the client
            has: a delta may be made of it.
        memory: of entries that were made anew for other packs.

    Raises:
        Absent: it would take too much to make this pack here.
        BadFile: a pack is damaged.
    """

    def __init__(
        self,
        contents: Contents,
        picked: Picked,
        client_has: Callable[[bytes], bool] | None = None,
        find_like: Callable[[Place, bytes], bytes | None] | None = None,
        memory: PackMemory = NO_MEMORY,
    ) -> None:
        self._contents = contents
        self._stock = contents.stock
        self._picked = [(number, ranks) for number, ranks in picked if len(ranks)]
        self.count = sum(len(ranks) for _, ranks in self._picked)
        self.names = frozenset(self._stock.packs[number].name for number, _ in self._picked)
        self._find_like, self._memory = find_like, memory
        self._wholes: dict[tuple[int, int], tuple[bytes, int]] = {}
        """For each family of deltas, by pack and root, the first of it that was made anew and whole: its id,
        and its number in the new pack."""
        self._special: dict[int, bytes] = {}
        """Entries that are sent with another header, or other content, by their number in the new pack."""
        self._linked: dict[int, tuple[bytes, bytes]] = {}
        """Likewise, deltas made anew of such a one: what stands before the distance to it, and behind."""
        self.checksum: bytes | None = None
        if self._is_whole_pack():
            whole = self._stock.packs[self._picked[0][0]].data
            self.size_bytes = len(whole) - self._stock.id_bytes
            self.checksum = bytes(whole.content[self.size_bytes :])
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
            before = inside & (bases < ranks)
            self._bases[first : first + len(ranks)] = np.where(before, first + found, NO_BASE)
            for row in np.flatnonzero(inside & ~before).tolist():  # bases that were added to a thin pack
                self._name_base(first + row, number, int(bases[row]))
            outside = np.flatnonzero((bases >= 0) & ~inside)
            left = self._settle_outside(first + outside, number, bases[outside], client_has)
            self._make_anew(first + outside[left], number, ranks[outside[left]])

    def _settle_outside(
        self, entries: Integers, number: int, bases: Integers, client_has: Callable[[bytes], bool] | None
    ) -> list[int]:
        """Name bases that are sent out of another pack, or that the client has; which entries are left."""
        is_first = self._picked[0][0] >= number
        if is_first and client_has is None:
            return list(range(len(entries)))
        left = []
        pack = self._stock.packs[number]
        for at, (entry, base) in enumerate(zip(entries.tolist(), bases.tolist(), strict=True)):
            if not is_first and (sent := self._find_sent(number, base)) >= 0:
                self._bases[entry] = sent
                self._kinds[entry] = OFS_DELTA
            elif client_has and client_has(pack.id_of(base)):
                self._name_base(entry, number, base)
            else:
                left.append(at)
        return left

    def _name_base(self, entry: int, number: int, base: int) -> None:
        """Send a delta of a pack with the id of its base."""
        pack = self._stock.packs[number]
        begin, end = int(self._begins[entry]), int(self._header_ends[entry])
        header = replace_kind(bytes(pack.data.content[begin:end]), REF_DELTA)
        self._special[entry] = header + pack.id_of(base)
        self._kinds[entry] = REF_DELTA

    def _find_sent(self, below: int, base: int) -> int:
        """The number in the new pack of a base that is sent out of a pack of a smaller number; or -1."""
        place = self._stock.find(self._stock.packs[below].id_of(base))
        if place is None or place.pack >= below:
            return -1
        for at, (number, ranks) in enumerate(self._picked):
            if number == place.pack:
                row = int(np.searchsorted(ranks, place.rank))
                if row < len(ranks) and ranks[row] == place.rank:
                    return int(self._firsts[at]) + row
        return -1

    def _make_anew(self, entries: Integers, number: int, ranks: Integers) -> None:
        """Send objects of a pack as deltas of ones that are like them, else whole.

        Those are what the client has, or what is sent whole in this pack, so that no circle can arise.
        """
        if len(self._special) + len(self._linked) + len(entries) > _ANEW_MAX:
            raise Absent("too many deltas without their bases")
        pack = self._stock.packs[number]
        places = [Place(number, rank) for rank in ranks.tolist()]
        kinds = []
        rows = zip(entries.tolist(), places, pack.ids_of(ranks), pack.find_roots(ranks), strict=True)
        for entry, place, raw_id, root in rows:
            like = self._find_like(place, raw_id) if self._find_like else None
            sent = None if like else self._wholes.get((number, root))
            like = sent[0] if sent else like
            kind, made = self._made_delta(raw_id, place, like) if like else self._made_whole(raw_id, place)
            if kind != REF_DELTA:
                self._wholes.setdefault((number, root), (raw_id, entry))
                self._special[entry] = made
            elif sent:
                self._linked[entry] = unname_base(made, self._stock.id_bytes)
                self._bases[entry] = sent[1]
                kind = OFS_DELTA
            else:
                self._special[entry] = made
            kinds.append(kind)
        self._kinds[entries] = kinds
        self._starts[entries] = self._ends[entries]  # nothing of the old entries is sent

    def _made_whole(self, raw_id: bytes, place: Place) -> tuple[int, bytes]:
        if known := self._memory.find_entry(raw_id):
            return known
        kind, content = self._read(place)
        made = render_entry_header(kind, len(content)) + zlib.compress(content, _LEVEL)
        self._memory.keep_entry(raw_id, kind, made)
        return kind, made

    def _made_delta(self, raw_id: bytes, place: Place, like: bytes) -> tuple[int, bytes]:
        """A delta of one that is like it, or the whole object if that is as good."""
        if known := self._memory.find_entry(raw_id, like):
            return known
        kind, content = self._read(place)
        delta = content
        if len(content) >= _DELTA_WORTH_BYTES:
            delta = self._make_delta(like, kind, content)
        if 2 * len(delta) >= len(content):
            kind, made = self._made_whole(raw_id, place)
        else:
            header = render_entry_header(REF_DELTA, len(delta)) + like
            kind, made = REF_DELTA, header + zlib.compress(delta, _LEVEL)
        self._memory.keep_entry(raw_id, kind, made, like)
        return kind, made

    def _read(self, place: Place) -> tuple[int, bytes]:
        kind, content = self._contents.read(place)
        if len(content) > _ANEW_BYTES_MAX:
            raise Absent("a delta of a large object without its base")
        return kind, content

    def _make_delta(self, like: bytes, kind: int, content: bytes) -> bytes:
        """What makes an object of another; all of it if they are of different kinds."""
        place = self._stock.find(like)
        if place is None:
            return content
        like_kind, base = self._contents.read(place)
        if like_kind != kind or len(base) > _ANEW_BYTES_MAX:
            return content
        return make_delta(base, content)

    # -- where it stands ----------------------------------------------------------------------------

    def _place(self) -> None:
        """Compute where each entry begins; the length of a distance depends on it, and it on them."""
        linked = sorted(self._linked)
        headers = self._header_ends - self._begins
        headers[linked] = [len(self._linked[each][0]) for each in linked]
        links = self._starts - self._header_ends
        contents = self._ends - self._starts
        contents[linked] = [len(self._linked[each][1]) for each in linked]
        fixed = np.array(sorted(self._special), np.int64)
        sizes = headers + links + contents
        sizes[fixed] = [len(self._special[each]) for each in fixed.tolist()]
        sizes[fixed] += contents[fixed]
        near = np.flatnonzero(self._bases >= 0)
        bases = self._bases[near]
        for _ in range(_ROUNDS_MAX):
            outs = HEADER_BYTES + np.concatenate(([0], np.cumsum(sizes[:-1]))) if self.count else sizes
            distances = outs[near] - outs[bases]
            fitting = headers[near] + count_digits(distances) + contents[near]
            if (fitting == sizes[near]).all():
                break
            sizes[near] = fitting
        else:
            raise Absent("distances that do not settle")
        moved = distances != self._begins[near] - self._begins[bases]
        moved |= self._pack_of(near) != self._pack_of(bases)
        moved |= self._kinds[near] == REF_DELTA  # named there, and found by its distance from now on
        made = np.searchsorted(near, linked)
        moved[made] = False
        for entry, distance in zip(linked, distances[made].tolist(), strict=True):
            head, content = self._linked[entry]
            self._special[entry] = head + render_distance(distance) + content
        self._moved = near[moved]
        self._distances = distances[moved]
        self.size_bytes = int(sizes.sum()) + HEADER_BYTES

    def _pack_of(self, entries: Integers) -> Integers:
        return np.searchsorted(self._firsts, entries, side="right") - 1

    # -- the bytes ----------------------------------------------------------------------------------

    def splices(self) -> Splices:
        """The pack without its checksum."""
        packs = [self._stock.packs[number].data for number, _ in self._picked]
        if self._is_whole_pack():
            one = np.zeros(1, np.int64)
            return Splices([packs[0].mapping], one, one, one + self.size_bytes)
        begins, ends, heads = self._render_heads()
        starts = np.where(ends > begins, self._starts, self._begins)
        in_pack = self._pack_of(np.arange(self.count))
        breaks = np.ones(self.count, np.bool_)  # where an entry does not just go on behind the one before
        breaks[1:] = (starts[1:] != self._ends[:-1]) | (in_pack[1:] != in_pack[:-1]) | (ends > begins)[1:]
        rows = np.flatnonzero(breaks)
        headed = (ends > begins)[rows]
        bodies = np.arange(len(rows)) + np.cumsum(headed) + 1
        numbers = np.full(len(rows) + int(headed.sum()) + 1, len(packs), np.int64)
        firsts, lasts = np.zeros_like(numbers), np.zeros_like(numbers)
        lasts[0] = HEADER_BYTES
        numbers[bodies], firsts[bodies] = in_pack[rows], starts[rows]
        lasts[bodies] = self._ends[np.append(rows[1:], self.count) - 1] if len(rows) else 0
        before = bodies[headed] - 1
        firsts[before], lasts[before] = begins[rows[headed]], ends[rows[headed]]
        return Splices([*(pack.mapping for pack in packs), heads], numbers, firsts, lasts)

    def _render_heads(self) -> tuple[Integers, Integers, bytes]:
        """The pack's header and all that is sent before the content of entries, or in its place.

        Returns:
            For each entry where its head begins and where it ends in the bytes, which come last; the same
            number twice where an entry has none.
        """
        parts = [_HEADER.pack(b"PACK", 2, self.count)]
        size = HEADER_BYTES
        begins, ends = np.zeros(self.count, np.int64), np.zeros(self.count, np.int64)
        packs = self._pack_of(self._moved)
        for at in np.unique(packs).tolist():
            rows = np.flatnonzero(packs == at)
            moved = self._moved[rows]
            array = self._stock.packs[self._picked[at][0]].data.array
            lies = self._begins[moved], self._header_ends[moved]
            heads = render_delta_headers(array, *lies, self._distances[rows])
            begins[moved], ends[moved] = heads.begins + size, heads.ends + size
            parts.append(heads.content.tobytes())
            size += len(parts[-1])
        for entry, head in self._special.items():
            begins[entry], ends[entry] = size, size + len(head)
            parts.append(head)
            size += len(head)
        return begins, ends, b"".join(parts)


def _join(arrays: Sequence[Integers]) -> Integers:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.int64)

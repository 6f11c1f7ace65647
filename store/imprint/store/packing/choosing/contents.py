"""Commits, trees and tags out of a stock of packs, decoded as far as walking over them needs.

Invariant: what was read once stays at hand up to `bytes_max`: neighbours in history share most of their
trees, and deltas their bases.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from dulwich.errors import ApplyDeltaError
from dulwich.pack import apply_delta

from imprint.store.packing.files.mapped import BadFile
from imprint.store.packing.files.pack import COMMIT, NO_BASE, TAG, TREE
from imprint.store.packing.shelf import Absent, Place

if TYPE_CHECKING:
    from imprint.store.packing.shelf import Stock

BYTES_MAX: Final = 32 * 1024**2
_CHAIN_MAX: Final = 4096
_COMMIT: Final = re.compile(rb"tree (?P<tree>[0-9a-f]+)\n(?P<parents>(?:parent [0-9a-f]+\n)*)")
_COMMITTED: Final = re.compile(rb"^committer .* (\d{1,18}) [-+]\d+$", re.MULTILINE)


class Contents:
    """Reads objects of one stock. Not to be shared between threads.

    Args:
        stock: the packs.
        bytes_max: what is kept at hand.
    """

    def __init__(self, stock: Stock, bytes_max: int = BYTES_MAX) -> None:
        self.stock = stock
        self._kept: OrderedDict[Place, tuple[int, bytes]] = OrderedDict()
        self._kept_bytes = 0
        self._bytes_max = bytes_max
        self._entries = re.compile(rb"[0-7]+ [^\0]+\0[\s\S]{%d}|[\s\S]+" % stock.id_bytes)
        self._trees: dict[bytes, frozenset[bytes]] = {}

    def read(self, place: Place) -> tuple[int, bytes]:
        """The type number and content of an object.

        Raises:
            BadFile: it is damaged.
        """
        pack = self.stock.packs[place.pack]
        chain: list[int] = []
        rank = place.rank
        while (found := self._kept.get(Place(place.pack, rank))) is None:
            chain.append(rank)
            base = int(pack.bases[rank])
            if base == NO_BASE:
                break
            if len(chain) > _CHAIN_MAX:
                raise BadFile(f"{pack.data.name}: deltas build on each other")
            rank = base
        if found is None:
            rank = chain.pop()
            found = int(pack.kinds[rank]), pack.inflate(rank)
            self._keep(Place(place.pack, rank), found)
        kind, content = found
        for rank in reversed(chain):
            try:
                content = b"".join(apply_delta(content, pack.inflate(rank)))
            except (ApplyDeltaError, IndexError, ValueError) as fault:
                raise BadFile(f"{pack.data.name}: {fault}") from fault
            self._keep(Place(place.pack, rank), (kind, content))
        return kind, content

    def kind_of(self, place: Place) -> int:
        """The type number of an object, without reading it."""
        pack = self.stock.packs[place.pack]
        return int(pack.kinds[pack.find_root(place.rank)])

    def read_commit(self, raw_id: bytes) -> tuple[bytes, tuple[bytes, ...], int]:
        """The raw ids of a commit's tree and parents, and when it was made (seconds since the epoch).

        Raises:
            Absent: it is not in the stock, or cannot be read.
        """
        kind, content = self.read(self.stock.require(raw_id))
        header = _COMMIT.match(content) if kind == COMMIT else None
        if header is None:
            raise Absent(f"{raw_id.hex()} cannot be read as a commit")
        parents = tuple(bytes.fromhex(line.decode("ascii")) for line in header["parents"].split()[1::2])
        time = _COMMITTED.search(content, header.end())
        return bytes.fromhex(header["tree"].decode("ascii")), parents, int(time[1]) if time else 0

    def read_tag(self, raw_id: bytes) -> bytes:
        """The raw id of what an annotated tag names.

        Raises:
            Absent: it is not in the stock, or no tag.
        """
        kind, content = self.read(self.stock.require(raw_id))
        line = content.partition(b"\n")[0]
        if kind != TAG or not line.startswith(b"object "):
            raise Absent(f"{raw_id.hex()} is no tag")
        return bytes.fromhex(line[7:].decode("ascii"))

    def read_tree(self, raw_id: bytes) -> frozenset[bytes]:
        """The lines of a tree as they are; `imprint.store.packing.choosing.trees` says what is in one.

        Raises:
            Absent: it is not in the stock, or no tree.
        """
        if (known := self._trees.get(raw_id)) is not None:
            return known
        kind, content = self.read(self.stock.require(raw_id))
        if kind != TREE:
            raise Absent(f"{raw_id.hex()} is no tree")
        lines: list[bytes] = self._entries.findall(content)
        if lines and lines[-1].find(b"\0") != len(lines[-1]) - self.stock.id_bytes - 1:
            raise Absent(f"{raw_id.hex()} is no list of entries")  # what is none is one piece, to the end
        found = self._trees[raw_id] = frozenset(lines)
        return found

    def _keep(self, place: Place, found: tuple[int, bytes]) -> None:
        self._kept[place] = found
        self._kept_bytes += len(found[1])
        while self._kept_bytes > self._bytes_max:
            _, (_, content) = self._kept.popitem(last=False)
            self._kept_bytes -= len(content)

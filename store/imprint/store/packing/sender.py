"""A repository's packs for clients, made ready once for all who ask for the same.

Invariants:
    1. A pack that ends without an error is whole: it ends with the checksum of what was sent.
    2. Several that ask for the same at the same time wait while the first decides what goes into it, never
       for that one's client.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from typing import TYPE_CHECKING, Final

from imprint.store.packing.cache import ReadyPack
from imprint.store.packing.facts import SentMemo
from imprint.store.packing.making.framing import frame_blocks
from imprint.store.packing.plan import make_plan
from imprint.store.packing.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imprint.store.packing.cache import ReadyPacks
    from imprint.store.packing.request import PackRequest
    from imprint.store.packing.shelf import Stock
    from imprint.store.types import HashAlgorithm

_TURNS: Final = itertools.count()
_OWN_BYTES: Final = 4096
_WAIT_SECONDS: Final = 20.0
"""Longer than a plan takes; whoever has waited so long makes one himself."""


class Sender:
    """Makes the packs of one repository. Safe to share between threads.

    Attributes:
        sent: which commits earlier fetches brought.
        memory: what earlier fetches taught.
        turn: a number that grows over all senders; of two, the one that was asked later has the larger.

    Args:
        repository_id: whose.
        object_dir: its folder `objects`.
        algorithm: of its ids.
        ready: where packs are kept.
    """

    def __init__(
        self, repository_id: str, object_dir: Path, algorithm: HashAlgorithm, ready: ReadyPacks
    ) -> None:
        self._id = repository_id
        self._algorithm = algorithm
        self._shelf = Shelf(object_dir, algorithm.hex_length // 2)
        self._ready = ready
        self.sent = SentMemo()
        self.memory = ready.memory
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Event] = {}
        self._names: frozenset[str] | None = None
        self.turn = next(_TURNS)

    def stock(self) -> Stock:
        """The packs that are there now.

        Raises:
            Absent: they cannot be read here.
        """
        self.turn = next(_TURNS)
        stock = self._shelf.stock()
        if stock.names != self._names:
            self._ready.forget(self._id, but=stock.names)
            self._names = stock.names
        return stock

    def find_stock(self) -> Stock | None:
        """The same, if no file has to be read for it; else None."""
        self.turn = next(_TURNS)
        stock = self._shelf.find_stock()
        return stock if stock is not None and stock.names == self._names else None

    def refresh(self) -> None:
        """Let go of files that are not there any more: until then they take their space on the disk."""
        if self._shelf.drop_stale():
            self._names = None
            self._ready.forget(self._id)

    def count(self) -> tuple[int, int]:
        """Memory that it takes with the tables of its packs, and descriptors that its files hold."""
        size_bytes, files = self._shelf.count()
        return size_bytes + _OWN_BYTES, files

    def send(self, request: PackRequest) -> Iterator[bytes]:
        """The pack for a request, framed as it says.

        Raises:
            Absent: it cannot be made here. That is told at once, before the first byte is asked for.
        """
        return frame_blocks(self._prepare(request).blocks(), request.band_bytes_max)

    def _prepare(self, request: PackRequest) -> ReadyPack:
        stock = self.stock()
        name = _name(request)
        key = (self._id, name)
        if pack := self._ready.find(key):
            return pack
        with self._lock:
            other = self._busy.get(name)
            if other is None:
                mine = self._busy[name] = threading.Event()
        if other is not None:
            other.wait(_WAIT_SECONDS)
            return self._ready.find(key) or self._make(stock, request)
        try:
            pack = self._make(stock, request)
            self._ready.keep(key, pack)
            return pack
        finally:
            with self._lock:
                del self._busy[name]
            mine.set()

    def _make(self, stock: Stock, request: PackRequest) -> ReadyPack:
        layout = make_plan(stock, request, self.memory)
        return ReadyPack(layout.splices(), layout.names, self._algorithm.value, layout.checksum)


def _name(request: PackRequest) -> str:
    """What a pack depends on: what is asked for and had, and what may be used to say it."""
    lists = (request.wants, request.haves, request.edges, request.shallow)
    text = "|".join(" ".join(sorted(set(each))) for each in lists)
    flags = f"{request.thin:d}{request.ofs_delta:d} {request.filter}"
    return hashlib.blake2b(f"{text}|{flags}".encode(), digest_size=20).hexdigest()

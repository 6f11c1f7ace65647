"""Packs that are ready to be sent, kept for the next who asks for the same: a fleet of agents does.

The key says what was asked for. What a pack for it holds never changes; that it may be given is verified
before it is looked for here. A small pack is kept whole; a large one as the list of stretches of packs on
disk that it consists of.

Invariants:
    1. All that is kept takes at most about `bytes_max` of memory: what was not asked for the longest goes.
    2. What is kept of a pack on disk goes after that has gone: the disk gets its space back, and what was
       pruned is not given any more.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from imprint.store.packing.choosing.memory import PackMemory
from imprint.store.packing.making.splices import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.packing.making.splices import Splices

Key = tuple[str, str]
"""A repository's id, and what was asked for."""

SMALL_BYTES: Final = 1024**2
"""Packs up to this size are put together once."""
_MEMORY_SHARE: Final = 0.25
_OWN_BYTES: Final = 500
"""What a pack takes beside its bytes or stretches."""


class ReadyPack:
    """A pack, whose checksum is computed when it is sent for the first time, unless it is known.

    Attributes:
        names: of the packs on disk that it was made of.
        is_mapped: whether it has stretches, which keep those packs mapped.
        weight_bytes: memory that it takes.

    Args:
        splices: its bytes without the checksum.
        names: of the packs that they lie in.
        algorithm: of the checksum, as `hashlib` calls it.
        checksum: its checksum, where that is known.
    """

    def __init__(
        self, splices: Splices, names: frozenset[str], algorithm: str, checksum: bytes | None = None
    ) -> None:
        self._splices = splices
        self._algorithm = algorithm
        self._checksum = checksum
        self._whole: bytes | None = None
        self.names = names
        self.is_mapped = splices.size_bytes > SMALL_BYTES
        self.weight_bytes = splices.weight_bytes + _OWN_BYTES
        if not self.is_mapped:
            whole = b"".join(splices.blocks())
            self._whole = whole + hashlib.new(algorithm, whole, usedforsecurity=False).digest()
            self._splices = NOTHING
            self.weight_bytes = len(whole) + _OWN_BYTES

    def blocks(self) -> Iterator[bytes]:
        """The whole pack. May be asked for several times, also at the same time."""
        if self._whole is not None:
            yield self._whole
            return
        if self._checksum is not None:
            yield from self._splices.blocks()
        else:
            digest = hashlib.new(self._algorithm, usedforsecurity=False)
            for block in self._splices.blocks():
                digest.update(block)
                yield block
            self._checksum = digest.digest()
        yield self._checksum


class ReadyPacks:
    """Packs of all repositories that one process keeps ready. Safe to share between threads.

    Attributes:
        memory: what several packs need.

    Args:
        bytes_max: of memory; 0 keeps none.
    """

    def __init__(self, bytes_max: int) -> None:
        self.memory = PackMemory(int(_MEMORY_SHARE * bytes_max))
        self._bytes_max = bytes_max - int(_MEMORY_SHARE * bytes_max)
        self._lock = threading.Lock()
        self._packs: OrderedDict[Key, ReadyPack] = OrderedDict()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """Memory that is taken."""
        return self._bytes + self.memory.size_bytes

    def find(self, key: Key) -> ReadyPack | None:
        """The pack of a key; None if it is not here."""
        with self._lock:
            pack = self._packs.get(key)
            if pack is not None:
                self._packs.move_to_end(key)
            return pack

    def keep(self, key: Key, pack: ReadyPack) -> None:
        """Keep a pack, unless it is larger than all that may be kept."""
        if pack.weight_bytes > self._bytes_max:
            return
        with self._lock:
            self._drop(key)
            self._packs[key] = pack
            self._bytes += pack.weight_bytes
            while self._bytes > self._bytes_max:
                self._drop(next(iter(self._packs)))

    def forget(self, repository_id: str, but: frozenset[str] = frozenset()) -> None:
        """Drop what is kept of a repository; with `but`, only what lies in other packs than these."""
        with self._lock:
            for key, pack in list(self._packs.items()):
                if key[0] == repository_id and not (but and pack.names <= but):
                    self._drop(key)

    def forget_mapped(self, repository_id: str) -> None:
        """Drop what keeps files of a repository mapped."""
        with self._lock:
            for key, pack in list(self._packs.items()):
                if key[0] == repository_id and pack.is_mapped:
                    self._drop(key)

    def clear(self) -> None:
        """Drop all of it."""
        with self._lock:
            self._packs.clear()
            self._bytes = 0
        self.memory.let_go()

    def _drop(self, key: Key) -> None:
        if gone := self._packs.pop(key, None):
            self._bytes -= gone.weight_bytes

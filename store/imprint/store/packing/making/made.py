"""Entries that had to be made anew, kept for the packs that need the same: neighbours in history do.

An entry is known by the id of its object, whatever repository it was made for: it is looked for only where
that object is about to be sent.

Invariant: all that is kept takes at most about `bytes_max` of memory; what was not asked for the longest
goes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

_OWN_BYTES: Final = 250
"""What an entry takes beside its bytes."""


class MadeEntries:
    """Whole entries by object. Safe to share between threads.

    Args:
        bytes_max: of memory; 0 keeps none.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """Memory that is taken."""
        return self._bytes

    def find(self, raw_id: bytes) -> tuple[int, bytes] | None:
        """The type number and the entry of an object; None if it is not here."""
        with self._lock:
            entry = self._entries.get(raw_id)
            if entry is not None:
                self._entries.move_to_end(raw_id)
            return entry

    def keep(self, raw_id: bytes, kind: int, entry: bytes) -> None:
        """Keep an entry for a while."""
        with self._lock:
            if raw_id in self._entries:
                return
            self._entries[raw_id] = kind, entry
            self._bytes += len(entry) + _OWN_BYTES
            while self._bytes > self._bytes_max:
                _, (_, gone) = self._entries.popitem(last=False)
                self._bytes -= len(gone) + _OWN_BYTES

    def let_go(self) -> None:
        """Drop all of it."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

"""What is kept for whoever needs the same soon, within bounds of memory.

Invariant: all that is kept takes at most about `bytes_max` of memory; what was not asked for the longest
goes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class Weighed(Generic[V]):
    """Values by key, each with its weight. Safe to share between threads.

    Args:
        bytes_max: of memory; 0 keeps none.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[V, int]] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """Memory that is taken."""
        return self._bytes

    def find(self, key: bytes) -> V | None:
        """The value of a key; None if it is not here."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
            return kept[0]

    def keep(self, key: bytes, value: V, weight_bytes: int) -> None:
        """Keep a value for a while; a key's first one stays."""
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = value, weight_bytes
            self._bytes += weight_bytes
            while self._bytes > self._bytes_max:
                _, (_, gone_bytes) = self._kept.popitem(last=False)
                self._bytes -= gone_bytes

    def let_go(self) -> None:
        """Drop all of it."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

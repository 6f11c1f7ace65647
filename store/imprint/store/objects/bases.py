"""Contents that deltas of a pack build on, by where they are in it: versions of a file share most of them.

Invariants:
    1. What is kept has at most the bytes it was made for; the one that was not asked for longest goes first.
    2. What is larger than a quarter of that is not kept: it would send all others away.
"""

from __future__ import annotations

import threading
from collections import OrderedDict


class KeptBases:
    """Kept contents with their type numbers. Safe to share between threads.

    Args:
        bytes_max: so much is kept.
    """

    def __init__(self, bytes_max: int) -> None:
        self._left = bytes_max
        self._each_max = bytes_max // 4
        self._kept: OrderedDict[int, tuple[int, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, offset: int) -> tuple[int, bytes] | None:
        """The type number and content of what is at an offset; None if it is not kept."""
        with self._lock:
            found = self._kept.get(offset)
            if found is not None:
                self._kept.move_to_end(offset)
            return found

    def keep(self, offset: int, number: int, content: bytes) -> None:
        """Keep a content."""
        if len(content) > self._each_max:
            return
        with self._lock:
            if offset in self._kept:
                return
            self._kept[offset] = number, content
            self._left -= len(content)
            while self._left < 0:
                self._left += len(self._kept.popitem(last=False)[1][1])

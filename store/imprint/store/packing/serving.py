"""What serving the fetches of repositories keeps at hand, within bounds.

Invariant: together the repositories' tables take at most about `memory_bytes_max`; those that were not asked
for the longest are let go. A request that has begun keeps what it uses.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.packing.sender import Sender
from imprint.store.refs.visible import VisibleMemo

if TYPE_CHECKING:
    from pathlib import Path

    from imprint.store.packing.cache import ReadyPacks
    from imprint.store.types import HashAlgorithm

_ASKED_BETWEEN: Final = 32
"""Requests from one look at the tables of all repositories to the next: with many, a look is dear."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What one repository's fetches share.

    Attributes:
        sender: makes its packs.
        visible: its refs as clients see them.
    """

    sender: Sender
    visible: VisibleMemo


class Servings:
    """The servings of all repositories of a data folder. Safe to share between threads.

    Args:
        ready: where packs are kept.
        memory_bytes_max: what the tables of packs may take.
    """

    def __init__(self, ready: ReadyPacks, memory_bytes_max: int) -> None:
        self._ready = ready
        self._memory_bytes_max = memory_bytes_max
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Serving] = OrderedDict()
        self._asked = 0

    def of(self, repository_id: str, git_dir: Path, algorithm: HashAlgorithm) -> Serving:
        """What the fetches of a repository share."""
        with self._lock:
            serving = self._known.get(repository_id)
            if serving is None:
                sender = Sender(repository_id, git_dir / "objects", algorithm, self._ready)
                serving = self._known[repository_id] = Serving(sender, VisibleMemo())
            self._known.move_to_end(repository_id)
            self._asked += 1
            if self._asked % _ASKED_BETWEEN == 0:
                self._make_room()
            return serving

    def forget(self, repository_id: str) -> None:
        """Drop what is kept of a repository that was destroyed."""
        with self._lock:
            self._known.pop(repository_id, None)
        self._ready.forget(repository_id)

    def _make_room(self) -> None:
        left = sum(serving.sender.count_bytes() for serving in self._known.values())
        for serving in self._known.values():
            if left <= self._memory_bytes_max:
                return
            left -= serving.sender.let_go()

"""What serving the fetches of repositories keeps at hand, within bounds.

Invariants:
    1. Together the repositories' tables, of packs and of refs, take at most about `memory_bytes_max`, and
       the files that they are read from at most `files_max` descriptors; those that were not asked for the
       longest are let go.
    2. When memory is short, all that is kept is let go, and nothing is kept until it is not.
    3. A request that has begun keeps what it uses.
"""

from __future__ import annotations

import resource
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.packing.pressure import Pressure
from imprint.store.packing.sender import Sender
from imprint.store.refs.visible import VisibleMemo

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from imprint.store.packing.cache import ReadyPacks
    from imprint.store.types import HashAlgorithm

_ASKED_BETWEEN: Final = 32
"""Requests from one look at the tables of all repositories to the next: with many, a look is dear."""
_FILES_SHARE: Final = 4
"""The part of the descriptors that a process may have, one in so many, which mapped files may hold."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What one repository's fetches share.

    Attributes:
        sender: makes its packs.
        visible: its refs as clients see them.
    """

    sender: Sender
    visible: VisibleMemo

    def count(self) -> tuple[int, int]:
        """Memory that it takes, and descriptors that it holds."""
        size_bytes, files = self.sender.count()
        return size_bytes + self.visible.count_bytes(), files


class Servings:
    """The servings of all repositories of a data folder. Safe to share between threads.

    Args:
        ready: where packs are kept.
        memory_bytes_max: what the tables of packs may take.
        files_max: how many descriptors their files may hold; None for a part of what the process may have.
        pressure: tells when memory is short.
    """

    def __init__(
        self,
        ready: ReadyPacks,
        memory_bytes_max: int,
        files_max: int | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        self._ready = ready
        self._memory_bytes_max = memory_bytes_max
        self._files_max = files_max
        self._pressure = pressure or Pressure()
        self._lock = threading.Lock()
        self._known: dict[str, Serving] = {}
        self._asked = 0

    def of(self, repository_id: str, git_dir: Path, algorithm: HashAlgorithm) -> Serving:
        """What the fetches of a repository share."""
        is_short = self._pressure.is_short()
        with self._lock:
            if is_short:
                self._let_all_go()
            serving = self._known.get(repository_id)
            if serving is None:
                sender = Sender(repository_id, git_dir / "objects", algorithm, self._ready)
                serving = self._known[repository_id] = Serving(sender, VisibleMemo())
            self._asked += 1
            if self._asked % _ASKED_BETWEEN == 0:
                self._make_room()
            return serving

    def forget(self, repository_id: str) -> None:
        """Drop what is kept of a repository that was destroyed."""
        with self._lock:
            self._known.pop(repository_id, None)
        self._ready.forget(repository_id)

    def keep_only(self, repository_ids: Collection[str]) -> None:
        """Drop what is kept of all other repositories: another process may have destroyed them."""
        with self._lock:
            gone = self._known.keys() - set(repository_ids)
        for repository_id in gone:
            self.forget(repository_id)

    def _make_room(self) -> None:
        taken = {key: serving.count() for key, serving in self._known.items()}
        bytes_left, files_left = (sum(each) for each in zip(*taken.values(), strict=True))
        files_max = self._find_files_max()
        for repository_id in sorted(taken, key=lambda each: self._known[each].sender.turn):
            if bytes_left <= self._memory_bytes_max and files_left <= files_max:
                return
            del self._known[repository_id]
            self._ready.forget_mapped(repository_id)
            size_bytes, files = taken[repository_id]
            bytes_left -= size_bytes
            files_left -= files

    def _let_all_go(self) -> None:
        self._known.clear()
        self._ready.clear()
        self._pressure.give_back()

    def _find_files_max(self) -> int:
        if self._files_max is not None:
            return self._files_max
        may_have, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return may_have // _FILES_SHARE

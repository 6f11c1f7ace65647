"""Where mirrors are kept: the port, and an implementation in memory.

Invariants:
    1. A repository has one mirror at most, and a mirror goes with its repository.
    2. `change` is one step: what another changed meanwhile is not lost.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from imprint.store.errors import MirrorExists, MirrorMissing, RepositoryMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.store.mirror.model import Mirror


class Mirrors(Protocol):
    """All mirrors of a data folder."""

    def add(self, mirror: Mirror) -> None:
        """Keep a new mirror.

        Raises:
            MirrorExists: the repository has one.
            RepositoryMissing: there is no such repository.
        """
        ...

    def find(self, repository_id: str) -> Mirror | None:
        """The mirror of a repository; None if it has none."""
        ...

    def list(self) -> list[Mirror]:
        """All mirrors, ordered by repository."""
        ...

    def change(self, repository_id: str, change: Callable[[Mirror], Mirror]) -> Mirror:
        """Change a mirror, and return it as it is then.

        Raises:
            MirrorMissing: it is gone.
        """
        ...

    def remove(self, repository_id: str) -> None:
        """Forget a mirror; nothing for a repository without one."""
        ...


class MemoryMirrors(Mirrors):
    """`Mirrors` in memory, which asks whether a repository is known where it must be."""

    def __init__(self, is_known: Callable[[str], bool]) -> None:
        self._is_known = is_known
        self._lock = threading.Lock()
        self._mirrors: dict[str, Mirror] = {}

    def add(self, mirror: Mirror) -> None:
        """See `Mirrors.add`."""
        if not self._is_known(mirror.repository_id):
            raise RepositoryMissing(mirror.repository_id)
        with self._lock:
            if known := self._mirrors.get(mirror.repository_id):
                raise MirrorExists(known.url)
            self._mirrors[mirror.repository_id] = mirror

    def find(self, repository_id: str) -> Mirror | None:
        """See `Mirrors.find`."""
        with self._lock:
            return self._mirrors.get(repository_id)

    def list(self) -> list[Mirror]:
        """See `Mirrors.list`."""
        with self._lock:
            return [mirror for _, mirror in sorted(self._mirrors.items())]

    def change(self, repository_id: str, change: Callable[[Mirror], Mirror]) -> Mirror:
        """See `Mirrors.change`."""
        with self._lock:
            if repository_id not in self._mirrors:
                raise MirrorMissing
            changed = self._mirrors[repository_id] = change(self._mirrors[repository_id])
            return changed

    def remove(self, repository_id: str) -> None:
        """See `Mirrors.remove`."""
        with self._lock:
            self._mirrors.pop(repository_id, None)

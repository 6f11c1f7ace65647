"""Who commits name as their authors, remembered for a while: a commit never changes.

Invariants:
    1. An answer is what the commit itself says; one that is absent or damaged has none.
    2. At most `count_max` commits are remembered; which were asked for least lately go first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from imprint.store.history.reading import iter_commits

if TYPE_CHECKING:
    from collections.abc import Collection

    from imprint.store.objects.ports import Identity
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

COUNT_MAX: Final = 20_000
"""About 10 MB; docs/limits.md has it, too."""


class Authors:
    """Authors of commits, of all repositories together. Safe to share between threads.

    Args:
        count_max: of how many commits they are remembered.
    """

    def __init__(self, count_max: int = COUNT_MAX) -> None:
        self._count_max = count_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[ObjectId, Identity] = OrderedDict()

    def find(self, view: RepositoryView, commits: Collection[ObjectId]) -> dict[ObjectId, Identity]:
        """The authors of the commits, which the repository holds; one that does not decode is left out."""
        found = {}
        with self._lock:
            for commit in commits:
                author = self._kept.get(commit)
                if author is not None:
                    self._kept.move_to_end(commit)
                    found[commit] = author
        missing = [commit for commit in commits if commit not in found]
        read = {each.id: each.author for each in iter_commits(view, missing)}
        with self._lock:
            self._kept.update(read)
            while len(self._kept) > self._count_max:
                self._kept.popitem(last=False)
        return found | read

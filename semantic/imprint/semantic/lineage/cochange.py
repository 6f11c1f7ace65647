"""Which files change together.

Invariants:
    1. Only what commits themselves did counts: a merge repeats it.
    2. A commit of more than `FILES_MAX` files says nothing of any two of them: it is a renaming, an import or
       a new layout.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.semantic.lineage.log.segment import ORDINARY

if TYPE_CHECKING:
    from imprint.semantic.lineage.past import Past

FILES_MAX: Final = 30
"""docs/limits.md has it, too."""
COMMITS_MAX: Final = 500
"""Commits of a file that are looked at, the newest."""
_TIMES_MIN: Final = 2


class Together(NamedTuple):
    """A file that changes with another: how often, and in which share of the commits looked at."""

    path: bytes
    times: int
    share: float


def changed_together(past: Past, path: bytes, number: int | None = None, limit: int = 20) -> list[Together]:
    """The files that changed together with a file at least twice, most often first.

    Args:
        past: the repository's past, limited to what may be shown.
        path: the file.
        number: up to which commit, through the renames before it; None for all commits of this path.
        limit: files at most.
    """
    commits = past.touching(path) if number is None else past.following(path, number)
    counted: Counter[bytes] = Counter()
    looked_at = 0
    names = {path} if number is None else {name.path for name in past.trace(path, number)}
    for commit in commits[:COMMITS_MAX].tolist():
        touches = [touch for touch in past.touches(commit) if touch.kind == ORDINARY]
        if not 0 < len(touches) <= FILES_MAX:
            continue
        looked_at += 1
        counted.update({touch.path for touch in touches} - names)
    found = [
        Together(other, times, times / looked_at) for other, times in counted.items() if times >= _TIMES_MIN
    ]
    found.sort(key=lambda each: (-each.times, each.path))
    return found[:limit]

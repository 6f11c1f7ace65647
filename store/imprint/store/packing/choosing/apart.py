"""What wants reach and haves do not, by bitmaps: the commits between them are not walked.

Invariants:
    1. What is apart is reached by the wants, and by none of the haves.
    2. It is told by ids and by the numbers of one multi-pack-index, whose checksum it is kept by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store.packing.choosing.found import Apart
from imprint.store.packing.choosing.memory import name_walk
from imprint.store.packing.choosing.reach import Reach
from imprint.store.packing.shelf import Absent

if TYPE_CHECKING:
    from collections.abc import Collection

    from imprint.store.packing.choosing.contents import Contents
    from imprint.store.packing.choosing.memory import PackMemory
    from imprint.store.packing.choosing.walk import Commits

FAR_COMMITS: Final = 16
"""From so many generations between wants and haves on, bitmaps are asked before commits are walked."""
_WALKED_SHARE: Final = 2
"""On either side so many times the commits between are looked at, where they have no bitmap."""
OBJECTS_MAX: Final = 1_000_000
"""Beyond, all bits together take longer to look at than a few commits do."""


def recall_far(
    contents: Contents,
    commits: Commits,
    wants: Collection[bytes],
    haves: Collection[bytes],
    memory: PackMemory,
) -> Apart | None:
    """What is apart, where it is much: as many commits at least as generations lie between.

    Args:
        contents: reads objects.
        commits: without any that is cut off.
        wants: raw ids of commits.
        haves: likewise.
        memory: what was found before.

    Returns:
        None where it is little, or where bitmaps would take as much as a walk.
    """
    multi = contents.stock.multi
    if not wants or not haves or multi is None or contents.stock.bitmaps is None:
        return None
    if len(multi.ids) > OBJECTS_MAX:
        return None
    distance = max(map(commits.find_generation, wants)) - max(map(commits.find_generation, haves))
    if distance < FAR_COMMITS:
        return None
    key = name_walk(wants, haves, (multi.checksum,))
    apart = memory.find_apart(key)
    if apart is None:
        wanted, had = Reach(contents, memory), Reach(contents, memory)
        try:
            wanted.add(wants, commits, commits_max=_WALKED_SHARE * distance)
            had.add(haves, commits, commits_max=_WALKED_SHARE * distance)
        except Absent:
            return None
        apart = tell_apart(wanted, had, haves)
        memory.keep_apart(key, apart)
    return apart


def tell_apart(wanted: Reach, had: Reach, haves: Collection[bytes]) -> Apart:
    """What is reached here and not there.

    Args:
        wanted: what the wants reach.
        had: what the haves reach.
        haves: their raw ids.
    """
    others = tuple(raw_id for raw_id in wanted.others if raw_id not in had.others)
    is_joined = any(map(wanted.holds, haves))
    return Apart(wanted.words & ~had.words, others, had.words, frozenset(had.others), is_joined)

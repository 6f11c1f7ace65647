"""Which contents held a passage, and what ended the last of them.

Invariants:
    1. A change of a content that keeps the passage ends nothing.
    2. What a commit did is told before a merge that brought it in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.lineage.log.segment import MERGED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imprint.semantic.lineage.past import Past, PathTouch
    from imprint.semantic.search.corpus import Corpus, Passage
    from imprint.store.types import ObjectId

HOLDERS_MAX: Final = 1_000
"""Contents of one passage that are looked at; docs/limits.md."""
_PARENTS_OF_MERGE: Final = 2


def find_holders(history: Corpus, passages: Sequence[Passage]) -> list[dict[ObjectId, int]]:
    """Of each passage of a history the contents that hold it, with the line where it begins in each."""
    listing = history.listing
    counts, ids, lines = history.layout.list_passages(listing.row_ids)
    ends = np.cumsum(counts)
    wanted = []
    for passage in passages:
        first, last = int(ends[passage.file] - counts[passage.file]), int(ends[passage.file])
        here = np.flatnonzero(lines[first:last] == passage.start_line)
        wanted.append(int(ids[first + here[0]]) if len(here) else -1)
    places = np.flatnonzero(np.isin(ids, np.array(wanted, ids.dtype)))
    files = np.searchsorted(ends, places, "right")
    found: dict[int, dict[ObjectId, int]] = {}
    for place, file in zip(places.tolist(), files.tolist(), strict=True):
        held = found.setdefault(int(ids[place]), {})
        if len(held) < HOLDERS_MAX:
            held.setdefault(listing.blob(file), int(lines[place]))
    return [found.get(each, {}) for each in wanted]


def find_last_end(past: Past, blobs: Mapping[ObjectId, int]) -> PathTouch | None:
    """The newest touch that ended one of some contents and left none of them; None if there is none."""
    ends = [
        touch
        for blob in blobs
        for touch in past.touches_of_content(blob, taken_away=True)
        if touch.kind != MERGED and touch.old is not None and touch.new not in blobs
    ]
    own = [touch for touch in ends if len(past.parents(touch.number)) < _PARENTS_OF_MERGE]
    return max(own or ends, key=lambda touch: touch.number, default=None)

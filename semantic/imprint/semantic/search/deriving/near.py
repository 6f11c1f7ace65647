"""Which listing a tree's is derived from: of those at hand the one whose tree seems to differ least."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from imprint.semantic.search.deriving.listing import (
    Told,
    can_be_base,
    derive,
    find_places,
    keys_of,
    list_again,
)
from imprint.store.errors import LimitExceeded, ObjectDamaged, ObjectMissing
from imprint.store.objects.difference import estimate_difference, find_changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from imprint.semantic.index.ports import BlobKey, Index
    from imprint.semantic.search.listing import Listing
    from imprint.store.objects.difference import FileChange, TreeReader
    from imprint.store.objects.ports import Objects
    from imprint.store.types import ObjectId

_CHANGED_SHARE: Final = 0.75
"""Where more of the files differ, deriving costs as much as listing. One that moved differs twice."""
_CHANGED_FEW: Final = 100
"""So many may differ in any case."""


class Near(NamedTuple):
    """A listing, and how a tree differs from its tree.

    Attributes:
        base: the listing.
        incarnation: of the index that it is of.
        changes: the files that differ, and those that are looked up anew, in path order.
    """

    base: Listing
    incarnation: str
    changes: Sequence[FileChange]

    def keys(self) -> set[BlobKey]:
        """What the tree holds and the listing's has not, at these paths."""
        return keys_of(self.changes, new=True)

    def kept(self) -> frozenset[int]:
        """The ids of rows that both have."""
        gone = find_places(self.base, (change.path for change in self.changes if change.old))
        return frozenset(np.delete(self.base.row_ids, gone).tolist())

    def derive(self, index: Index) -> Listing | None:
        """The tree's listing; None where it must be made of all of its files."""
        keys = self.keys() | keys_of(self.changes, new=False)
        rows = index.find_rows(keys)
        kin = index.find_kin(keys - rows.keys()) if len(rows) < len(keys) else {}
        reasons = {row.id: row.skipped for row in chain(rows.values(), kin.values())}
        reasons |= self._find_reasons(index, reasons.keys())
        listing = derive(self.base, self.changes, Told(rows, kin, reasons))
        return listing if index.incarnation() == self.incarnation else None

    def _find_reasons(self, index: Index, known: AbstractSet[int]) -> dict[int, str | None]:
        """The same of rows that told before and are not known: those of files that have got their own."""
        told = self.base.row_ids[self.base.borrowed].tolist()
        others = ((row, index.find_parts(row)) for row in told if row not in known)
        return {row: parts.skipped for row, parts in others if parts}


def find_near(
    objects: Objects,
    reader: TreeReader,
    incarnation: str,
    candidates: Iterable[tuple[ObjectId, Listing]],
    tree: ObjectId,
) -> Near | None:
    """The listing from which a tree's is derived best; None where none is near."""
    nearest: tuple[ObjectId, Listing] | None = None
    least = inf
    for other, listing in candidates:
        if len(other) != len(tree) or not can_be_base(listing):  # ids of another length tell nothing
            continue
        with suppress(ObjectMissing, ObjectDamaged):  # another repository's, or one that must be read whole
            apart = estimate_difference(objects, reader, other, tree, least)
            if apart < least:
                nearest, least = (other, listing), apart
    if nearest is None:
        return None
    other, listing = nearest
    try:
        most = max(int(len(listing) * _CHANGED_SHARE), _CHANGED_FEW)
        changes = find_changes(objects, reader, other, tree, most)
    except (LimitExceeded, ObjectMissing, ObjectDamaged):
        return None
    return Near(listing, incarnation, list_again(listing, changes))

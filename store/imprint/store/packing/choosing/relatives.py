"""Of versions of a file, one that the client has: what is made anew is made as a delta of it.

Packs say which objects are alike: git makes versions of one file, or of one tree, deltas of each other. So
what lies a few deltas away is most often the version before or after, and no tree has to be read to find it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.files.ewah import list_bits
from imprint.store.packing.files.pack import NO_BASE

if TYPE_CHECKING:
    import numpy.typing as npt

    from imprint.store.packing.files.pack import PackFile
    from imprint.store.packing.shelf import Place, Stock

    Integers = npt.NDArray[np.int64]

_STEPS_MAX: Final = 32
"""So many deltas away are versions still alike."""
_NONE: Final = -1


class Relatives:
    """Finds objects that are like others, among some.

    Args:
        stock: the packs.
        words: bits of the objects to be found, by the numbers of the multi-pack-index.
    """

    def __init__(self, stock: Stock, words: npt.NDArray[np.uint64]) -> None:
        self._stock = stock
        self._words = words
        self._ranks: dict[int, Integers] | None = None
        self._nearest: dict[int, Integers] = {}

    def find(self, place: Place) -> bytes | None:
        """The raw id of one that is nearest to an object; None if none is near."""
        pack = self._stock.packs[place.pack]
        nearest = self._nearest.get(place.pack)
        if nearest is None:
            nearest = self._nearest[place.pack] = self._find_nearest(place.pack, pack)
        rank = place.rank
        for _ in range(_STEPS_MAX):
            if (found := int(nearest[rank])) != _NONE:
                return pack.id_of(found)
            rank = int(pack.bases[rank])
            if rank == NO_BASE:
                break
        return None

    def _find_nearest(self, number: int, pack: PackFile) -> Integers:
        """For each rank, which of those to be found builds on it by the fewest deltas."""
        if self._ranks is None:
            self._ranks = dict(self._stock.places_of(list_bits(self._words)))
        nearest = np.full(len(pack), _NONE, np.int64)
        found = self._ranks.get(number)
        if found is None:
            return nearest
        nearest[found] = found
        builds = found
        for _ in range(_STEPS_MAX):
            bases = pack.bases[builds]
            is_new = (bases != NO_BASE) & (nearest[bases] == _NONE)
            bases, builds = bases[is_new], builds[is_new]
            if not len(bases):
                break
            nearest[bases] = nearest[builds]
            builds = bases
        return nearest

"""The places of an array's largest values, in few passes over it.

Invariant: of equal values the first places are taken, so that what is found depends on the values alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from imprint.semantic.index.arrays import Array

_MAXIMA: Final = 8
"""Maxima for each value wanted: more are costlier to sort out, fewer let more values through."""


def find_largest(values: Array, wanted: int, above: float = -np.inf) -> Array:
    """The places, ascending, of so many of the largest values, of those above a bound.

    The values are dealt to groups. The smallest of the `wanted` largest maxima of groups is no larger than
    any value that is wanted, so nearly everything falls away in one comparison.
    """
    groups = _MAXIMA * wanted
    floor: Any = above
    if len(values) >= 2 * groups:
        rounds = len(values) // groups
        maxima = values[: rounds * groups].reshape(rounds, groups).max(axis=0)
        floor = max(floor, np.partition(maxima, groups - wanted)[groups - wanted])
    places = np.flatnonzero(values >= floor if floor > above else values > above)
    if len(places) > wanted:
        chosen = values[places]
        least = np.partition(chosen, len(chosen) - wanted)[len(chosen) - wanted]
        surely, equal = chosen > least, chosen == least
        equal &= np.cumsum(equal) <= wanted - np.count_nonzero(surely)
        places = places[surely | equal]
    return places

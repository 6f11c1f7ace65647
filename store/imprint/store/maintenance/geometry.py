"""Which packs to join: the geometric rule.

Sorted by how many objects they hold, each pack shall hold at least `FACTOR` times as many as all smaller ones
together. Then there are at most as many packs as the objects have binary digits, and an object is written
again only when the pack that it is in at least doubles: over n pushes at most log2(n) times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.store.events import PackRecord

FACTOR: Final = 2


def choose_packs(packs: Iterable[PackRecord], bytes_max: int) -> tuple[PackRecord, ...]:
    """The smallest packs, which together shall become one for the rule to hold; none where it holds.

    Args:
        packs: all there are.
        bytes_max: larger packs stay as they are.
    """
    ascending = sorted(
        (pack for pack in packs if pack.size_bytes <= bytes_max),
        key=lambda pack: (pack.object_count, pack.name),
    )
    # From the largest down: the rule holds between neighbours as far as this.
    count = len(ascending)
    while count > 1 and ascending[count - 1].object_count >= FACTOR * ascending[count - 2].object_count:
        count -= 1
    if count <= 1:
        return ()
    joined = sum(pack.object_count for pack in ascending[:count])
    while count < len(ascending) and ascending[count].object_count < FACTOR * joined:
        joined += ascending[count].object_count
        count += 1
    return tuple(ascending[:count])

"""What is expected of data that others wrote: how deep it may nest, and surprises.

Invariants:
    1. A surprise costs the one record that it comes of: failures of the machine are none.
"""

from __future__ import annotations

from typing import Final

DEPTH_MAX: Final = 100
"""Objects and lists within one another: what is read deeper could not be written again."""
UNFORESEEN: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What code that did not expect its data raises; never a failure of disk, memory, database or git."""


def is_deep(value: object) -> bool:
    """Whether a value of JSON nests deeper than `DEPTH_MAX`."""
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True

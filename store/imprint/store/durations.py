"""Durations as people write them: `30m`, `24h`, `7d`, `never`."""

from __future__ import annotations

import re
from typing import Final

from imprint.store.errors import BadExpiry

_UNITS_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION: Final = re.compile(r"([0-9]{1,6})([smhdw])\Z")


def parse_duration_ms(text: str) -> int | None:
    """Milliseconds in a duration: a whole number and `s`, `m`, `h`, `d` or `w`. None for `never`.

    Raises:
        BadExpiry: it is written otherwise, or has more than six digits.
    """
    folded = text.strip().lower()
    if folded == "never":
        return None
    found = _DURATION.match(folded)
    if not found:
        raise BadExpiry(text)
    return int(found[1]) * _UNITS_MS[found[2]]

"""What a claim says beyond a foreign format, carried in the format's own place for such things.

Names begin with `imprint.`; values are text, as Git AI's `custom_attributes` wants them. Whoever reads them
back learns what was said elsewhere: the evidence stays `declared`, whatever the attributes call it, because
anybody can write them.

Invariants:
    1. `restore(claim, carry(claim))` has the turn, score and origin of `claim`; unknown attributes
       are passed over.
    2. A value that cannot be read is passed over too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadObjectId
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.evidence.claims import Claim

PREFIX: Final = "imprint."
SCOPE: Final = f"{PREFIX}scope"
WHOLE_COMMIT: Final = "commit"
"""Value of `SCOPE`: the claim is about the commit, and names no lines."""
_DIGITS_MAX: Final = 9


def carry(claim: Claim) -> dict[str, str]:
    """The attributes that say what the format cannot."""
    said = {
        "evidence": claim.evidence.value,
        "method": claim.method,
        "turn": str(claim.turn) if claim.turn is not None else None,
        "score": repr(claim.score) if claim.score is not None else None,
        "via": claim.via,
    }
    attributes = {f"{PREFIX}{name}": value for name, value in said.items() if value}
    return attributes if claim.lines else attributes | {SCOPE: WHOLE_COMMIT}


def restore(claim: Claim, attributes: Mapping[str, object]) -> Claim:
    """The claim with what attributes say of it; its evidence, method and lines stay."""
    return replace(
        claim,
        turn=_read_number(attributes.get(f"{PREFIX}turn")),
        score=_read_score(attributes.get(f"{PREFIX}score")),
        via=_read_id(attributes.get(f"{PREFIX}via")),
    )


def _read_number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX:
        return int(value)
    return None


def _read_score(value: object) -> float | None:
    try:
        score = float(value) if isinstance(value, str) else -1.0
    except ValueError:
        return None
    return score if 0.0 <= score <= 1.0 else None


def _read_id(value: object) -> ObjectId | None:
    try:
        return ObjectId.parse(value) if isinstance(value, str) else None
    except BadObjectId:
        return None

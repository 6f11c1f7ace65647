"""What a format could not say. The table of all losses is in `docs/formats-out.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imprint.store.types import ObjectId


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that is known here and not in what was written.

    Attributes:
        commit: of what; None where it is about no commit.
        what: what was left out.
        reason: why.
    """

    commit: ObjectId | None
    what: str
    reason: str

"""What a search needs beside the index: the past, claims and prompts, as far as whoever asks may know them.

Invariants:
    1. A `Background` is made for one caller and one question; nothing of it is kept when the answer is given.
    2. The past is limited to what the caller's view shows; prompts are read through the caller's own reader,
       which gives None for what may not be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from imprint.semantic.lineage.past import Past
    from imprint.store.evidence.claims import Claim
    from imprint.store.origins.explain import PromptReader
    from imprint.store.types import ObjectId

    ClaimReader = Callable[[Collection[ObjectId]], Mapping[ObjectId, Sequence[Claim]]]
    """Given commits: the claims about each, best first."""


@dataclass(frozen=True, slots=True)
class Background:
    """What there is beside the index.

    Attributes:
        past: the change log, limited to the caller's view; None where there is none: then filters by date and
            author, messages, differences, prompts and removed code are refused, and history does not rank.
        claims: reads claims; None where there are none: then filters by agent and session are refused.
        prompts: reads prompts; None where the caller has none to read.
    """

    past: Past | None = None
    claims: ClaimReader | None = None
    prompts: PromptReader | None = None


NOTHING = Background()

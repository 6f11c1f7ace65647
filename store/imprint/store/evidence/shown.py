"""Claims as those see them from whom a repository's settings hide refs.

Invariants:
    1. A commit that only hidden refs reach is not named as the one from which a claim was carried over; the
       claim itself, its method and its score stay.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imprint.store.view import list_reached

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imprint.store.evidence.claims import Claim
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView


def show_claims(
    view: RepositoryView, claims: Mapping[ObjectId, Sequence[Claim]]
) -> Mapping[ObjectId, Sequence[Claim]]:
    """The claims, without `via` where the view does not have that commit."""
    if not view.reached_only:
        return claims
    named = {claim.via for ranked in claims.values() for claim in ranked if claim.via is not None}
    hidden = named.difference(list_reached(view, sorted(named)))
    if not hidden:
        return claims
    return {
        commit: [replace(claim, via=None) if claim.via in hidden else claim for claim in ranked]
        for commit, ranked in claims.items()
    }

"""Where claims come from: the ledger, transcripts that were matched, links over rewrites; asked alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.store.evidence.claims import Claim
    from imprint.store.types import ObjectId


class ClaimSource(Protocol):
    """Something that claims origins of commits. Safe to share between threads."""

    def claims_of(self, repository_id: str, commits: Iterable[ObjectId]) -> dict[ObjectId, list[Claim]]:
        """What is claimed of each of the commits, best first; commits without claims are left out."""
        ...

    def all_claims(self, repository_id: str) -> dict[ObjectId, list[Claim]]:
        """What is claimed of every commit of the repository, best first."""
        ...

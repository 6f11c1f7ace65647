"""Several sources of claims as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.evidence.claims import rank_claims
from imprint.store.evidence.ports import ClaimSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.store.evidence.claims import Claim
    from imprint.store.types import ObjectId


class ClaimStack(ClaimSource):
    """What any of the sources claims; where they are equally good, the earlier source comes first."""

    def __init__(self, sources: Sequence[ClaimSource]) -> None:
        self._sources = tuple(sources)

    def claims_of(self, repository_id: str, commits: Iterable[ObjectId]) -> dict[ObjectId, list[Claim]]:
        """See `ClaimSource.claims_of`."""
        wanted = list(commits)
        return _merge(source.claims_of(repository_id, wanted) for source in self._sources)

    def all_claims(self, repository_id: str) -> dict[ObjectId, list[Claim]]:
        """See `ClaimSource.all_claims`."""
        return _merge(source.all_claims(repository_id) for source in self._sources)


def _merge(answers: Iterable[dict[ObjectId, list[Claim]]]) -> dict[ObjectId, list[Claim]]:
    merged: dict[ObjectId, list[Claim]] = {}
    for answer in answers:
        for commit, claims in answer.items():
            merged.setdefault(commit, []).extend(claims)
    return {commit: rank_claims(claims) for commit, claims in merged.items()}

"""The commits of a history with what counts of their origins, in bulk."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.shown import show_claims
from imprint.store.export.effective import ExportedCommit, select_effective
from imprint.store.history.reading import iter_added_lines, iter_commits, list_commits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.evidence.ports import ClaimSource
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

_AT_ONCE: Final = 500
"""Commits whose claims and added lines are in memory together."""


def iter_exported(
    view: RepositoryView, claims: ClaimSource, commit: ObjectId, *, with_lines: bool
) -> Iterator[ExportedCommit]:
    """The commits reachable from one, oldest first, that have a claim which counts.

    Args:
        view: the repository.
        claims: who claims.
        commit: where to begin.
        with_lines: whether the lines that each commit added are wanted too; they take git's time. A commit
            of which files are absent is given without.
    """
    remaining = reversed(list_commits(view, [commit]))
    while ids := list(islice(remaining, _AT_ONCE)):
        known = show_claims(view, claims.claims_of(view.id, ids))
        found = [each for each in iter_commits(view, ids) if each.id in known]
        pairs = iter_added_lines(view, found) if with_lines else ((each, {}) for each in found)
        for each, added in pairs:
            if chosen := select_effective(known[each.id]):
                yield ExportedCommit(each, chosen, added or {})

"""Refs of a repository that the catalogue keeps.

The newest snapshot is remembered. When the repository's generation has grown, what happened since is read;
asking for the generation is one row, while a repository of agents may have 100,000 refs.

Invariants:
    1. A snapshot is never older than the newest event that was committed before it was asked for.
    2. A snapshot is shared between callers: nobody changes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.refs.ports import Refs

if TYPE_CHECKING:
    from imprint.store.catalog.ports import Catalogue, RefSnapshot


class CataloguedRefs(Refs):
    """The `Refs` of one repository of a catalogue. Safe to share between threads."""

    def __init__(self, catalogue: Catalogue, repository_id: str) -> None:
        self._catalogue = catalogue
        self._repository_id = repository_id
        self._newest: RefSnapshot | None = None

    def snapshot(self) -> RefSnapshot:
        """HEAD and every ref as they are now.

        Raises:
            RepositoryMissing: the repository was purged.
        """
        newest = self._newest
        generation = self._catalogue.get_repository(self._repository_id).generation
        if newest is None or newest.generation < generation:
            newest = self._catalogue.read_refs(self._repository_id, since=newest)
            self._newest = newest
        return newest

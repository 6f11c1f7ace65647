"""Removing what crashes left behind: dead quarantines, and packs that were never admitted.

Invariants:
    1. Nothing that the catalogue has a row for is touched, retired packs included, and nothing of a push that
       still runs.
    2. A pack without a row that alone holds an object a ref points at is kept and reported: rows may be
       missing because an older catalogue was restored.
    3. Unreachable objects that were once admitted stay.
    4. While a live pack is missing, no pack is removed: what is left may hold the same objects.

A crash while collecting leaves less to collect.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.errors import StorageFailed
from imprint.store.events import PackReplacement
from imprint.store.receive import packs
from imprint.store.receive.packs import promotion_lock
from imprint.store.receive.quarantine import sweep

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.types import ObjectId

_log = logging.getLogger("imprint.store")
_PARTIAL_FILES: Final = "tmp_*"
"""What git calls a pack or index that it has not finished."""


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What was removed.

    Attributes:
        quarantines: how many dead quarantines.
        packs: names of the packs without a row that are gone.
        suspicious: names of packs without a row that were kept because a ref needs them.
    """

    quarantines: int
    packs: tuple[str, ...]
    suspicious: tuple[str, ...]


def collect(repository: Repository, hosting: Hosting) -> CollectReport:
    """Remove what dead pushes left in a repository. Pushes may run meanwhile.

    Raises:
        StorageFailed: the file system refuses.
    """
    (repository.git_dir / "imprint").mkdir(exist_ok=True)
    swept = sweep(repository.git_dir)
    removed, needed = _collect_packs(repository, hosting)
    repository.view.objects.refresh()
    if swept or removed or needed:
        _log.info(
            "%s: collected %d quarantines, %d packs; kept %d suspicious",
            repository.record.id,
            swept,
            len(removed),
            len(needed),
        )
    return CollectReport(swept, tuple(sorted(removed)), tuple(sorted(needed)))


def _collect_packs(repository: Repository, hosting: Hosting) -> tuple[frozenset[str], frozenset[str]]:
    """Remove packs without a row; those that went, and those that a ref needs."""
    pack_dir = repository.git_dir / "objects" / "pack"
    with promotion_lock(repository.git_dir).hold():
        # Changes nothing, but waits for an admission whose outcome its caller could not wait for.
        hosting.catalogue.replace_packs(repository.record.id, PackReplacement(), hosting.clock.now_ms())
        recorded = hosting.catalogue.list_packs(repository.record.id)
        retired = hosting.catalogue.list_retired_packs(repository.record.id)
        if not all(packs.is_whole(name, pack_dir) for name in recorded):
            return frozenset(), frozenset()
        leftovers = packs.list_packs(pack_dir) - recorded - retired.keys()
        needed = _find_needed(repository, pack_dir, leftovers, recorded) if leftovers else frozenset()
        for name in sorted(leftovers - needed):
            packs.remove(name, pack_dir)
        for partial in pack_dir.glob(_PARTIAL_FILES):
            partial.unlink(missing_ok=True)
    return leftovers - needed, needed


def _find_needed(
    repository: Repository, pack_dir: Path, leftovers: frozenset[str], recorded: frozenset[str]
) -> frozenset[str]:
    """Leftovers that hold a ref's object which no recorded pack holds."""
    tips = frozenset(value.id for value in repository.view.refs.snapshot().refs.values())
    algorithm = repository.record.algorithm

    def find_held(name: str, wanted: Iterable[ObjectId]) -> set[ObjectId]:
        try:
            with packs.PackIndex(pack_dir / f"{name}.idx", algorithm) as index:
                return {tip for tip in wanted if tip in index}
        except StorageFailed:
            return set()  # a leftover without an index serves nobody

    lacking = set(tips)
    for name in recorded:
        if not lacking:
            return frozenset()
        lacking -= find_held(name, lacking)
    return frozenset(name for name in leftovers if find_held(name, lacking))

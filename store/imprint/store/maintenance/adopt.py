"""Mending what somebody did to the files by hand: live packs whose files have gone.

Invariants:
    1. Nothing is removed here, and while a live pack is missing `retired` removes nothing either.
    2. The row of a missing pack is retired only after git has walked from every ref of SQL to the last object
       and found all of them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imprint.store.durable import sync_folder
from imprint.store.errors import PlumbingFailed, StorageFailed, StoreFailure
from imprint.store.events import PackReplacement
from imprint.store.maintenance.lookup import drop_lookup, read_covered
from imprint.store.maintenance.work import render_tips
from imprint.store.receive import packs
from imprint.store.receive.packs import promotion_lock

if TYPE_CHECKING:
    from imprint.store.maintenance.work import Work

_log = logging.getLogger("imprint.store")


@dataclass(frozen=True, slots=True)
class Adoption:
    """What was mended.

    Attributes:
        missing: live packs whose files were not there.
        adopted: packs that are live now because they may hold the same objects.
        lost: whether a ref reaches an object that is nowhere; then the rows of the missing packs stay.
    """

    missing: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    lost: bool = False


def list_missing(work: Work) -> frozenset[str]:
    """Live packs that cannot be read from."""
    return frozenset(name for name in work.list_live() if not packs.is_whole(name, work.pack_dir))


def adopt(work: Work) -> Adoption:
    """Where a live pack is missing, make its index again, or let other packs on disk stand in. Exclusively.

    Raises:
        Stopped: it was time to stop.
        StoreFailure: the machine failed.
    """
    _protect(work)
    _restore_indexes(work)
    missing = list_missing(work)
    if not missing:
        return Adoption()
    try:
        if missing & read_covered(work.pack_dir):
            drop_lookup(work.pack_dir)
    except OSError as failure:
        raise StorageFailed(f"{failure.filename}: {failure.strerror}") from failure
    candidates = tuple(
        name
        for name in sorted(packs.list_packs(work.pack_dir) - work.list_live())
        if packs.is_whole(name, work.pack_dir) and _is_sound(work, name)
    )
    _replace(work, candidates, frozenset())
    lost = not _is_whole(work)
    if not lost:
        _replace(work, (), missing)
    work.step("adopted")
    _log.error(
        "%s: %d packs were missing; %d others stand in for them; objects lost: %s",
        work.repository.record.id,
        len(missing),
        len(candidates),
        lost,
    )
    return Adoption(tuple(sorted(missing)), candidates, lost)


def _protect(work: Work) -> None:
    """Live packs from before there were `.keep` files, or whose file was removed, get one."""
    try:
        for name in work.list_live():
            packs.protect(name, work.pack_dir)
    except OSError as failure:
        raise StorageFailed(f"{failure.filename}: {failure.strerror}") from failure


def _restore_indexes(work: Work) -> None:
    """Make the indexes again that packs have lost."""
    for name in work.list_live():
        if (work.pack_dir / f"{name}.pack").exists() and not (work.pack_dir / f"{name}.idx").exists():
            with work.workshop() as shop:
                (shop.pack_dir / f"{name}.pack").hardlink_to(work.pack_dir / f"{name}.pack")
                pack = str(shop.pack_dir.absolute() / f"{name}.pack")
                work.run(shop.alone, "index-pack", "--rev-index", pack)
                for suffix in (".rev", ".idx"):
                    (shop.pack_dir / f"{name}{suffix}").rename(work.pack_dir / f"{name}{suffix}")
                sync_folder(work.pack_dir)


def _is_sound(work: Work, name: str) -> bool:
    try:
        work.run(work.repository.view.plumbing, "index-pack", "--verify", str(work.pack_dir / f"{name}.pack"))
    except PlumbingFailed:
        return False
    return True


def _is_whole(work: Work) -> bool:
    """Whether git finds everything that a ref of SQL reaches."""
    # Without the commit-graph, which vouches for commits without looking for them.
    command = ("-c", "core.commitGraph=false", "rev-list", "--objects", "--quiet", "--stdin")
    try:
        work.run(work.repository.view.plumbing, *command, stdin=render_tips(work.snapshot()))
    except PlumbingFailed:
        return False
    return True


def _replace(work: Work, added: tuple[str, ...], retired: frozenset[str]) -> None:
    with promotion_lock(work.git_dir).hold():
        retired &= work.list_live()
        records = []
        for name in added:
            try:
                records.append(packs.read_record(name, work.pack_dir, work.algorithm))
                packs.protect(name, work.pack_dir)
            except (StoreFailure, OSError):  # it has gone meanwhile
                continue
        work.hosting.catalogue.replace_packs(
            work.repository.record.id,
            PackReplacement(tuple(records), retired),
            work.hosting.clock.now_ms(),
        )

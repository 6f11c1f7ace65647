"""Packs that take the place of others.

Invariants:
    1. A pack is retired only after a new index, made from the new packs' own content, was found to name every
       object that it holds.
    2. New packs come under the promotion lock, and count from the one transaction that retires the old ones.
       A crash before it leaves packs without a row, which `collect` removes; after it, retired ones.
    3. The files of retired packs stay: see `retired`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.store.errors import OutcomeUnknown, StorageFailed, StoreError, StoreFailure
from imprint.store.events import PackReplacement
from imprint.store.maintenance.contents import find_lacking, open_indexes
from imprint.store.maintenance.state import read_state, write_state
from imprint.store.maintenance.work import render_tips
from imprint.store.receive import packs
from imprint.store.receive.packs import promotion_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from imprint.store.events import PackRecord
    from imprint.store.maintenance.work import Work
    from imprint.store.receive.quarantine import Quarantine

JOIN_MAX: Final = 400
"""How many packs are joined at once: each index takes a file descriptor while they are compared."""
_BETTER: Final = ("--no-reuse-delta", "--window=50", "--depth=50")
"""What `--all` spends on smaller packs; git's defaults are a window of 10, and deltas as they are."""

_log = logging.getLogger("imprint.store")


def join_packs(work: Work, names: Collection[str]) -> PackRecord:
    """Make one pack of several, with their deltas as they are.

    Raises:
        Stopped: it was time to stop.
        Conflict: one of them is not live any more.
        StoreFailure: the machine failed, or a pack is damaged; nothing has changed.
    """
    with work.workshop(names) as shop:
        questions = "".join(f"{name}.pack\n" for name in sorted(names)).encode()
        made = write_packs(work, shop, questions, "--stdin-packs")
        work.step("packed")
        verify_cover(work, shop, made, names)
        records = replace_packs(work, shop, made, frozenset(names))
    work.step("released")
    _log.info("%s: %d packs are one now", work.repository.record.id, len(names))
    return records[0]


def repack_all(work: Work, *, better: bool) -> tuple[PackRecord, ...]:
    """Make one pack of all that refs reach, and one of all the rest.

    Args:
        work: where.
        better: look for better deltas, which takes much longer.

    Raises:
        Stopped, Conflict, StoreFailure: as `join_packs`.
    """
    live = work.list_live()
    with work.workshop(live) as shop:
        reached, rest = split_packs(work, shop, live, better=better)
        made = (*reached, *rest)
        verify_cover(work, shop, made, live)
        if frozenset(made) == live:
            return ()
        records = replace_packs(work, shop, made, live)
    note_aside(work, rest)
    work.step("released")
    _log.info("%s: %d packs are %d now", work.repository.record.id, len(live), len(records))
    return records


def split_packs(
    work: Work, shop: Quarantine, live: Collection[str], *, better: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make packs in the workshop: of what refs reach, and of what else the live packs hold."""
    options = _BETTER if better else ()
    tips = render_tips(work.snapshot())
    reached = write_packs(work, shop, tips, "--revs", "--non-empty", *options)
    with (
        open_indexes(live, work.pack_dir, work.algorithm) as before,
        open_indexes(reached, shop.pack_dir, work.algorithm) as after,
    ):
        unreached = "".join(f"{each}\n" for each in find_lacking(before, after)).encode()
    rest = write_packs(work, shop, unreached, "--non-empty", *options) if unreached else ()
    work.step("packed")
    return reached, rest


def write_packs(work: Work, shop: Quarantine, questions: bytes, *options: str) -> tuple[str, ...]:
    """Write what is asked for into a pack of the workshop, and index it from its own content."""
    base = str(shop.pack_dir.absolute() / "pack")
    command = ("pack-objects", "-q", "--threads=1", "--delta-base-offset", *options, base)
    names = [f"pack-{line}" for line in work.run(shop.beside, *command, stdin=questions).decode().split()]
    for name in names:
        (shop.pack_dir / f"{name}.idx").unlink()
        pack = str(shop.pack_dir.absolute() / f"{name}.pack")
        work.run(shop.alone, "index-pack", "--threads=1", "--rev-index", pack)
    return tuple(names)


def verify_cover(work: Work, shop: Quarantine, made: Sequence[str], replaced: Collection[str]) -> None:
    """Check that packs of the workshop hold every object of those that they replace.

    Raises:
        StorageFailed: they do not, or an index is not there.
    """
    with (
        open_indexes(replaced, work.pack_dir, work.algorithm) as before,
        open_indexes(made, shop.pack_dir, work.algorithm) as after,
    ):
        if lacking := next(find_lacking(before, after), None):
            raise StorageFailed(f"a new pack of {work.git_dir} lacks {lacking}; the old ones stay")
    work.step("verified")


def replace_packs(
    work: Work, shop: Quarantine, made: Sequence[str], replaced: frozenset[str]
) -> tuple[PackRecord, ...]:
    """Bring packs of the workshop in, and retire those that they replace, in one transaction."""

    def record(records: tuple[PackRecord, ...]) -> None:
        replacement = PackReplacement(records, replaced - frozenset(made))
        work.hosting.catalogue.replace_packs(
            work.repository.record.id, replacement, work.hosting.clock.now_ms()
        )

    with promotion_lock(work.git_dir).hold():
        work.step("locked")
        return place_packs(work, shop, made, record)


def place_packs(
    work: Work, shop: Quarantine, made: Sequence[str], record: Callable[[tuple[PackRecord, ...]], None]
) -> tuple[PackRecord, ...]:
    """Under the promotion lock: move packs out of the workshop, and record them; or take them away again."""
    records = tuple(packs.read_record(name, shop.pack_dir, work.algorithm) for name in made)
    try:
        packs.place([(name, shop.pack_dir) for name in made], work.pack_dir, work.step)
        work.step("placed")
        record(records)
    except OutcomeUnknown:
        raise  # they may be live: `collect` will know
    except StoreError:
        _take_away(work, made)
        raise
    work.step("replaced")
    return records


def note_aside(work: Work, names: Collection[str]) -> None:
    """Remember which packs hold only what no ref reaches."""
    write_state(work.git_dir, replace(read_state(work.git_dir), aside=frozenset(names)))


def _take_away(work: Work, names: Sequence[str]) -> None:
    """Remove packs that were placed for nothing. What cannot be removed is left to `collect`."""
    try:
        for name in frozenset(names) - work.list_live() - work.list_retired().keys():
            packs.remove(name, work.pack_dir)
    except StoreFailure as failure:
        _log.warning("%s: packs are left to collect: %s", work.repository.record.id, failure)

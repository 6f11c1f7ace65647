"""The files of retired packs go when nobody can be reading them.

A retired pack goes in two steps, each a grace after the one before. First its index: from then on nobody
finds the pack anew, and whoever looks for an object finds it in the pack that took its place. Then the rest:
whoever had found something in it has ended. A grace is at least as long as any run of git may take.

Invariants:
    1. A file goes only under the promotion lock, while the catalogue says that its pack is retired, the
       multi-pack-index does not name it, and every live pack is there.
    2. The row goes after the files. A crash leaves a retired row, which the next round finishes.
    3. A retired pack that is admitted again is live from that transaction on, with all its files.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from imprint.store.durable import sync_folder
from imprint.store.errors import StorageFailed
from imprint.store.events import PackReplacement
from imprint.store.maintenance.lookup import list_stale, read_covered, write_lookup
from imprint.store.maintenance.state import read_state, write_state
from imprint.store.receive import packs
from imprint.store.receive.packs import promotion_lock

if TYPE_CHECKING:
    from imprint.store.limits import Limits
    from imprint.store.maintenance.work import Work

_log = logging.getLogger("imprint.store")


def grace_ms(limits: Limits) -> int:
    """How long each step waits, in milliseconds."""
    return 1000 * max(limits.retired_seconds_min, limits.plumbing_seconds_max)


def remove_retired(work: Work) -> tuple[str, ...]:
    """Take the steps that are due; names of the packs that are gone for good. Call it exclusively.

    Raises:
        Stopped: it was time to stop.
        StoreFailure: the machine failed; what is left is done by the next call.
    """
    due = _find_due(work)
    if not due:
        return ()
    if list_stale(work.pack_dir, work.list_live()):
        write_lookup(work)
    with promotion_lock(work.git_dir).hold():
        # Changes nothing, but waits for an admission whose outcome its caller could not wait for.
        work.hosting.catalogue.replace_packs(
            work.repository.record.id, PackReplacement(), work.hosting.clock.now_ms()
        )
        if any(not packs.is_whole(name, work.pack_dir) for name in work.list_live()):
            return ()
        due = (_find_due(work) & work.list_retired().keys()) - read_covered(work.pack_dir)
        try:
            gone = _take_steps(work, due)
        except OSError as failure:
            raise StorageFailed(f"{failure.filename}: {failure.strerror}") from failure
        forgotten = work.hosting.catalogue.forget_packs(work.repository.record.id, gone)
    if forgotten:
        work.step("forgotten")
        _log.info("%s: %d retired packs are gone", work.repository.record.id, len(forgotten))
    return tuple(sorted(forgotten))


def _find_due(work: Work) -> frozenset[str]:
    """Retired packs for which some step is due."""
    until_ms = work.hosting.clock.now_ms() - grace_ms(work.hosting.limits)
    hidden = read_state(work.git_dir).hidden
    return frozenset(
        name
        for name, retired_at_ms in work.list_retired().items()
        if max(retired_at_ms, hidden.get(name, 0)) <= until_ms
    )


def _take_steps(work: Work, due: frozenset[str]) -> frozenset[str]:
    """Take one step for each; those that have lost their last file."""
    state = read_state(work.git_dir)
    now_ms = work.hosting.clock.now_ms()
    retired = work.list_retired()
    hidden = {name: at_ms for name, at_ms in state.hidden.items() if name in retired}
    gone = set()
    for name in sorted(due):
        index = work.pack_dir / f"{name}.idx"
        if name in hidden and not index.exists():
            packs.remove(name, work.pack_dir)
            work.step("removed")
            gone.add(name)
            del hidden[name]
        else:
            index.unlink(missing_ok=True)
            hidden[name] = now_ms
            work.step("hidden")
    sync_folder(work.pack_dir)
    write_state(work.git_dir, replace(state, hidden=hidden))
    return frozenset(gone)

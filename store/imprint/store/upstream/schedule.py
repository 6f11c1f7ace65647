"""Which mirrors are due, and rounds of them one after the other.

Invariants:
    1. A mirror that fails stops no other; its state says what went wrong, and it is tried ever more rarely.
    2. Processes that look at the same time do not do the same round twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from imprint.store.errors import MirrorBusy, MirrorMissing, Missing, StoreError
from imprint.store.hosting.followers import Stopped, never
from imprint.store.upstream.sync import remove_workshop, sync, workshop_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from imprint.store.hosting.repositories import Hosting
    from imprint.store.receive.receiver import Receiver

ROUNDS_MAX: Final = 100
"""Rounds in one go; the others are due next time."""
_log = logging.getLogger("imprint.store")


def sync_due(hosting: Hosting, receiver: Receiver, stopping: Callable[[], bool] = never) -> int:
    """Do the rounds that are due, those that have waited longest first; how many were done."""
    now_ms = hosting.clock.now_ms()
    mirrors = hosting.mirrors.list()
    _sweep(hosting, {mirror.repository_id for mirror in mirrors})
    due = sorted(
        (mirror for mirror in mirrors if mirror.is_due(now_ms)),
        key=lambda mirror: mirror.next_at_ms(),
    )
    done = 0
    for mirror in due[:ROUNDS_MAX]:
        if stopping():
            break
        try:
            done += sync(hosting, receiver, mirror.repository_id, stopping, only_due=True) is not None
        except Stopped:
            break
        except (MirrorBusy, MirrorMissing, Missing):
            continue  # somebody else does it, or it is gone
        except StoreError as failed:
            _log.warning("%s: not mirrored: %s", mirror.repository_id, failed.code)
    return done


def _sweep(hosting: Hosting, mirrored: Collection[str]) -> None:
    """Delete what mirrors of repositories left that are destroyed, or mirrors no more."""
    try:
        left = {path.name.removesuffix(".lock") for path in workshop_folder(hosting, "").iterdir()}
    except FileNotFoundError:
        return
    for repository_id in left.difference(mirrored):
        if hosting.mirrors.find(repository_id) is None:  # a new one's row comes before its workshop
            remove_workshop(hosting, repository_id)

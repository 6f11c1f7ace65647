"""Which mirrors are due, and rounds of them one after the other.

Invariants:
    1. A mirror that fails stops no other; its state says what went wrong, and it is tried ever more rarely.
    2. Processes that look at the same time do not do the same round twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from imprint.store.errors import Missing, StoreError
from imprint.store.hosting.followers import Stopped, never
from imprint.store.mirror.ports import MirrorBusy, MirrorMissing
from imprint.store.upstream.sync import sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.store.hosting.repositories import Hosting
    from imprint.store.receive.receiver import Receiver

ROUNDS_MAX: Final = 100
"""Rounds in one go; the others are due next time."""
_log = logging.getLogger("imprint.store")


def sync_due(hosting: Hosting, receiver: Receiver, stopping: Callable[[], bool] = never) -> int:
    """Do the rounds that are due, those that have waited longest first; how many were done."""
    now_ms = hosting.clock.now_ms()
    due = sorted(
        (mirror for mirror in hosting.mirrors.list() if mirror.is_due(now_ms)),
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

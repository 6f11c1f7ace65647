"""Ids that refs had until a moment ago.

A client lists refs in one request and asks for objects in the next. A branch that is rewritten or deleted in
between must not make its fetch fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store.refs.hidden import HiddenRefs

if TYPE_CHECKING:
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.types import ObjectId

RECENT_MS: Final = 10 * 60 * 1000
"""How long an id may still be asked for after its ref left it, milliseconds."""
EVENTS_MAX: Final = 1000
"""How many events are looked through for it."""


def find_recent_tips(hosting: Hosting, repository: Repository) -> frozenset[ObjectId]:
    """Ids that visible refs had within the last ten minutes, as far as the newest events tell."""
    hides = HiddenRefs.of(repository.record).hides
    newest = repository.view.refs.snapshot().generation
    since_ms = hosting.clock.now_ms() - RECENT_MS
    events = hosting.catalogue.list_events(
        repository.record.id, after=max(0, newest - EVENTS_MAX), limit=EVENTS_MAX
    )
    return frozenset(
        change.old
        for event in events
        if event.at_ms >= since_ms
        for change in event.changes
        if change.old and not hides(change.name)
    )

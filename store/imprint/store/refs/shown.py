"""Refs and events as clients see them to whom a repository's settings hide refs.

Invariants:
    1. A hidden ref is answered exactly like one that is not there.
    2. No event is left out, so that sequences have no gap: it only says less.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from imprint.store.events import EventKind
from imprint.store.refs.hidden import HIDE_REFS
from imprint.store.refs.ports import Refs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.events import Event
    from imprint.store.refs.hidden import HiddenRefs


class ShownRefs(Refs):
    """Refs less the hidden ones. The newest snapshot is remembered."""

    def __init__(self, refs: Refs, hidden: HiddenRefs) -> None:
        self._refs = refs
        self._hidden = hidden
        self._newest: RefSnapshot | None = None

    def snapshot(self) -> RefSnapshot:
        """HEAD and every ref that is shown. HEAD has no commit while its branch is hidden."""
        whole, newest = self._refs.snapshot(), self._newest
        if newest is None or newest.generation != whole.generation:
            hides = self._hidden.hides
            shown = {name: value for name, value in whole.refs.items() if not hides(name)}
            self._newest = newest = replace(whole, refs=shown)
        return newest


def show_event(event: Event, hidden: HiddenRefs) -> Event:
    """The event without what it says of hidden refs, and without the setting that names them."""
    hides = hidden.hides
    changes = tuple(change for change in event.changes if not hides(change.name))
    return replace(
        event,
        changes=changes,
        head=None if event.head and hides(event.head) else event.head,
        details={} if event.changes and not changes else _show_details(event, hidden),
    )


def _show_details(event: Event, hidden: HiddenRefs) -> Mapping[str, str]:
    if event.kind is EventKind.SETTINGS:
        return {name: _without_patterns(text) for name, text in event.details.items()}
    if event.kind is EventKind.HEAD:
        hides = hidden.hides
        return {name: text for name, text in event.details.items() if not hides(text.encode())}
    return event.details


def _without_patterns(text: str) -> str:
    return json.dumps({name: value for name, value in json.loads(text).items() if name != HIDE_REFS})

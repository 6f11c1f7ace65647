"""The clone's own archive: where sessions are kept that go to no server, or not yet.

Invariants:
    1. What is kept here is what a server would be sent; it has the same form there.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from imprint.store.clock import RandomIds, SystemClock
from imprint.store.clone import Clone
from imprint.store.sessions.cloned import open_clone_keeper
from imprint.store.sessions.keeping import GivenSession
from imprint.store.sessions.model import Anchor, AnchorKind, Record, Source
from imprint.store.sessions.rules import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imprint.cli.capture.places import Places
    from imprint.store.sessions.keeping import Keeper


class CloneArchive:
    """Takes documents as a server does.

    Args:
        keeper: of the clone.
        repository_id: the clone's.
    """

    def __init__(self, keeper: Keeper, repository_id: str) -> None:
        self._keeper = keeper
        self._id = repository_id
        self._clock = SystemClock()
        self._ids = RandomIds(self._clock)

    def keep(self, document: Mapping[str, Any]) -> None:
        """Keep a piece of a session, or a record.

        Raises:
            StoreError: it cannot be kept.
        """
        source = Source(document["source"]["system"], document["source"].get("version"))
        if document["anchors"]:
            part = document["part"]
            record = Record(
                id=self._ids.new_id("rec"),
                source=source,
                actor=OPERATOR,
                received_at_ms=self._clock.now_ms(),
                anchors=tuple(Anchor(AnchorKind(one["kind"]), one["value"]) for one in document["anchors"]),
                session_id=document["id"],
                part=(part[0], part[1]) if part else None,
                agent=document["agent"],
                extra=document["extra"],
            )
            self._keeper.archive.add_records(self._id, [record])
            return
        given = GivenSession(
            agent=document["agent"],
            content=document["transcript"].encode(),
            source=source,
            session_id=document["id"],
            parent_id=document["parent_id"],
            first_line=document["first_line"],
        )
        self._keeper.keep(self._id, given, OPERATOR)


@contextmanager
def open_archive(places: Places) -> Iterator[CloneArchive]:
    """The archive of a clone."""
    with Clone.discover(places.common_dir) as clone:
        keeper = open_clone_keeper(clone)
        try:
            yield CloneArchive(keeper, clone.view.id)
        finally:
            keeper.close()

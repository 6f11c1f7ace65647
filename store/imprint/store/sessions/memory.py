"""The archive in memory: for tests, and the plainest statement of what an archive does.

Nothing survives the process.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from imprint.store.errors import Conflict, RepositoryMissing
from imprint.store.sessions import codec
from imprint.store.sessions.ports import Archive
from imprint.store.sessions.rules import (
    is_same,
    verify_expected,
    verify_record,
    verify_session,
    verify_writable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imprint.store.sessions.model import Anchor, ArchivedSession, ArchivedTurn, Record


class _Shelf:
    """What is kept of one repository."""

    def __init__(self) -> None:
        self.last = 0
        self.sessions: dict[str, ArchivedSession] = {}
        self.turns: dict[str, list[ArchivedTurn]] = {}
        self.records: dict[str, Record] = {}
        self.erased: set[str] = set()

    def next_serial(self) -> int:
        self.last += 1
        return self.last


class MemoryArchive(Archive):
    """An `Archive` that lives as long as the object.

    Args:
        is_known: whether there is a repository of this id.
    """

    def __init__(self, is_known: Callable[[str], bool]) -> None:
        self._is_known = is_known
        self._lock = threading.Lock()
        self._shelves: dict[str, _Shelf] = {}

    def put_session(
        self,
        repository_id: str,
        session: ArchivedSession,
        turns: Sequence[ArchivedTurn],
        *,
        expected: int | None = None,
    ) -> ArchivedSession:
        """See `Archive.put_session`."""
        verify_session(session, turns)
        session, turns = _settled(session), [_settled_turn(turn) for turn in turns]
        with self._lock:
            shelf = self._writable(repository_id)
            kept = shelf.sessions.get(session.id)
            verify_writable(kept, session, is_erased=bool({session.id, session.root_id} & shelf.erased))
            verify_expected(kept, session, expected)
            if kept is not None and is_same(kept, session) and shelf.turns[session.id] == turns:
                return kept
            session = replace(session, serial=shelf.next_serial())
            shelf.sessions[session.id] = session
            shelf.turns[session.id] = turns
            return session

    def find_session(self, repository_id: str, session_id: str) -> ArchivedSession | None:
        """See `Archive.find_session`."""
        with self._lock:
            return self._shelf(repository_id).sessions.get(session_id)

    def list_sessions(
        self, repository_id: str, *, after_serial: int = 0, limit: int = 1000
    ) -> list[ArchivedSession]:
        """See `Archive.list_sessions`."""
        with self._lock:
            kept = self._shelf(repository_id).sessions.values()
            newer = [session for session in kept if session.serial > after_serial]
        return sorted(newer, key=lambda session: session.serial)[:limit]

    def list_children(self, repository_id: str, session_id: str) -> list[ArchivedSession]:
        """See `Archive.list_children`."""
        with self._lock:
            kept = self._shelf(repository_id).sessions.values()
            children = [session for session in kept if session.parent_id == session_id]
        return sorted(children, key=lambda session: session.serial)

    def list_turns(
        self, repository_id: str, session_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[ArchivedTurn]:
        """See `Archive.list_turns`."""
        with self._lock:
            turns = self._shelf(repository_id).turns.get(session_id, ())
            return [turn for turn in turns if turn.number > after][:limit]

    def count_turns(self, repository_id: str, session_ids: Iterable[str]) -> dict[str, int]:
        """See `Archive.count_turns`."""
        with self._lock:
            turns = self._shelf(repository_id).turns
            return {name: len(turns[name]) for name in session_ids if turns.get(name)}

    def add_records(self, repository_id: str, records: Iterable[Record]) -> list[Record]:
        """See `Archive.add_records`."""
        given = list(records)
        for record in given:
            verify_record(record)
        with self._lock:
            shelf = self._writable(repository_id)
            known = {_digest(record) for record in shelf.records.values()}
            ids = set(shelf.records)
            new: list[Record] = []
            for record in given:
                if _digest(record) in known:
                    continue
                if record.id in ids:
                    raise Conflict(f"there is another record {record.id!r}")
                known.add(_digest(record))
                ids.add(record.id)
                new.append(record)
            added = [replace(_settled_record(record), serial=shelf.next_serial()) for record in new]
            shelf.records.update((record.id, record) for record in added)
            return added

    def list_records(self, repository_id: str, *, after_serial: int = 0, limit: int = 1000) -> list[Record]:
        """See `Archive.list_records`."""
        return [record for record in self._records(repository_id) if record.serial > after_serial][:limit]

    def find_records(self, repository_id: str, anchors: Iterable[Anchor]) -> list[Record]:
        """See `Archive.find_records`."""
        wanted = set(anchors)
        return [record for record in self._records(repository_id) if wanted & set(record.anchors)]

    def records_of_session(self, repository_id: str, session_id: str) -> list[Record]:
        """See `Archive.records_of_session`."""
        return [record for record in self._records(repository_id) if record.session_id == session_id]

    def mark_erased(self, repository_id: str, session_id: str, at_ms: int) -> list[ArchivedSession]:
        """See `Archive.mark_erased`."""
        codec.verify_name("the id of a session", session_id)
        with self._lock:
            shelf = self._writable(repository_id)
            named = shelf.sessions.get(session_id)
            root_id = named.root_id if named else session_id
            shelf.erased |= {root_id, session_id}
            tree = [session for session in shelf.sessions.values() if session.root_id == root_id]
            for session in sorted(tree, key=lambda session: session.serial):
                shelf.erased.add(session.id)
                if session.erased_at_ms is None:
                    shelf.sessions[session.id] = replace(
                        session, erased_at_ms=at_ms, serial=shelf.next_serial()
                    )
            marked = [shelf.sessions[session.id] for session in tree]
        return sorted(marked, key=lambda session: session.serial)

    def last_serial(self, repository_id: str) -> int:
        """See `Archive.last_serial`."""
        with self._lock:
            return self._shelf(repository_id).last

    def close(self) -> None:
        """See `Archive.close`."""

    def _records(self, repository_id: str) -> list[Record]:
        with self._lock:
            return sorted(self._shelf(repository_id).records.values(), key=lambda record: record.serial)

    def _shelf(self, repository_id: str) -> _Shelf:
        return self._shelves.get(repository_id) or _Shelf()

    def _writable(self, repository_id: str) -> _Shelf:
        if not self._is_known(repository_id):
            raise RepositoryMissing(repository_id)
        return self._shelves.setdefault(repository_id, _Shelf())


def _settled(session: ArchivedSession) -> ArchivedSession:
    """The session as a database would give it back."""
    columns = {name: getattr(session, name) for name in codec.SESSION_COLUMNS}
    return codec.read_session(columns, codec.session_facts(session))


def _settled_turn(turn: ArchivedTurn) -> ArchivedTurn:
    return codec.read_turn(turn.number, turn.prompt, codec.turn_facts(turn))


def _settled_record(record: Record) -> Record:
    return codec.read_record(
        record.id, record.actor, record.received_at_ms, record.serial, codec.record_facts(record)
    )


def _digest(record: Record) -> str:
    return codec.record_digest(codec.record_facts(record))

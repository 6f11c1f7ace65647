"""The archive of sessions and records: ground, beside the catalogue of a server or within a clone.

Every promise below is tested on every implementation by `tests/contracts/test_archive.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.store.sessions.model import Anchor, ArchivedSession, ArchivedTurn, Record


class Archive(Protocol):
    """Sessions and records of repositories. Safe to share between threads; each call is one transaction.

    When a writing method returns, what it wrote survives a crash. Any method may raise `StorageFailed`.
    """

    def put_session(
        self,
        repository_id: str,
        session: ArchivedSession,
        turns: Sequence[ArchivedTurn],
        *,
        expected: int | None = None,
    ) -> ArchivedSession:
        """Keep a session, in place of what was kept of it; as it is now, with its new `serial`.

        A session that differs in nothing but `source` and `received_at_ms`, with the same turns, stays as it
        is and keeps its serial. Edits of tool calls are not kept: they are in the transcript.

        Args:
            repository_id: where.
            session: what is to be kept; its `serial` says nothing.
            turns: all of its turns, in order.
            expected: the serial that the kept session must have, 0 for none kept; None for any.

        Raises:
            BadInput: a name is empty, too long, holds a NUL or is no Unicode; or turns are not in order.
            RepositoryMissing: no repository of this id.
            TranscriptErased: the session was erased: nothing more is taken of it.
            SessionConflict: it was delivered by another actor before, who is not `operator`.
            SessionMoved: the kept session has another serial than expected.
        """
        ...

    def find_session(self, repository_id: str, session_id: str) -> ArchivedSession | None:
        """The session; None if it was never kept."""
        ...

    def list_sessions(
        self, repository_id: str, *, after_serial: int = 0, limit: int = 1000
    ) -> list[ArchivedSession]:
        """Sessions with a serial above `after_serial`, by serial, at most `limit`."""
        ...

    def list_children(self, repository_id: str, session_id: str) -> list[ArchivedSession]:
        """Sessions that this one started, by serial."""
        ...

    def list_turns(
        self, repository_id: str, session_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[ArchivedTurn]:
        """Turns of a session with their calls and usage, in order; none if it was never kept.

        Args:
            repository_id: where.
            session_id: which session.
            after: turns with a higher number only.
            limit: at most so many; None for all.
        """
        ...

    def count_turns(self, repository_id: str, session_ids: Iterable[str]) -> dict[str, int]:
        """How many turns each of the sessions has; those without any are left out."""
        ...

    def add_records(self, repository_id: str, records: Iterable[Record]) -> list[Record]:
        """Keep records, all or none; those that were new, with their serials.

        A record equal to a kept one in all but `id`, `actor`, `received_at_ms` and `serial` is not new.

        Raises:
            BadInput: a record has no anchor, or a name that cannot be kept.
            Conflict: another record has the id.
            RepositoryMissing: no repository of this id.
        """
        ...

    def list_records(self, repository_id: str, *, after_serial: int = 0, limit: int = 1000) -> list[Record]:
        """Records with a serial above `after_serial`, by serial, at most `limit`."""
        ...

    def find_records(self, repository_id: str, anchors: Iterable[Anchor]) -> list[Record]:
        """Records that have one of the anchors, by serial."""
        ...

    def records_of_session(self, repository_id: str, session_id: str) -> list[Record]:
        """Records that speak of a session, by serial."""
        ...

    def mark_erased(self, repository_id: str, session_id: str, at_ms: int) -> list[ArchivedSession]:
        """Note that the texts of a session's whole tree were destroyed; the sessions of the tree.

        Prompts' addresses stay, and lead nowhere. Marking twice keeps the first time. A session that was
        never kept is remembered as erased all the same, and nothing is returned for it.
        """
        ...

    def last_serial(self, repository_id: str) -> int:
        """The newest serial given out in the repository; 0 for none."""
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...

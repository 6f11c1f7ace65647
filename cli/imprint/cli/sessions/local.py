"""Recorded sessions of a data folder and of a clone: whoever reads its files may read all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.cli.ports import RecordedSessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.cli.ports import Document
    from imprint.store.catalog.ports import Catalogue
    from imprint.store.sessions.keeping import Keeper


class LocalSessions(RecordedSessions):
    """The sessions of one repository in a data folder or a clone.

    Args:
        repository_id: which.
        keeper: its archive.
        catalogue: of the data folder; None in a clone.
        erase: how texts are destroyed there; None to have the keeper do it, and nobody told.
    """

    def __init__(
        self,
        repository_id: str,
        keeper: Keeper,
        catalogue: Catalogue | None = None,
        erase: Callable[[str], list[str]] | None = None,
    ) -> None:
        from imprint.store.sessions.listing import SessionList

        self._repository_id = repository_id
        self._keeper = keeper
        self._erase = erase
        self._known = SessionList(repository_id, keeper.archive, catalogue)

    def list_all(self) -> list[Document]:
        """See `RecordedSessions.list_all`."""
        return self._known.describe_all(self._known.list_all())

    def show(self, session_id: str) -> Document:
        """See `RecordedSessions.show`."""
        return self._known.describe_whole(self._known.get(session_id))

    def turns(self, session_id: str) -> Document:
        """See `RecordedSessions.turns`."""
        found = self._known.turns(self._known.get(session_id), self._read_prompt)
        return {"session": session_id, "turns": found, "withheld": None}

    def transcript(self, session_id: str) -> Iterator[bytes]:
        """See `RecordedSessions.transcript`."""
        from imprint.store.errors import TranscriptMissing

        session = self._known.get(session_id)
        if session.archived is None:
            raise TranscriptMissing(f"no transcript of session {session_id!r} was kept")
        return self._keeper.iter_transcript(self._repository_id, session.archived)

    def erase(self, session_id: str) -> Document:
        """See `RecordedSessions.erase`."""
        if self._erase is not None:
            erased = self._erase(session_id)
        else:
            kept = self._keeper.erase(self._repository_id, session_id)
            erased = [session.id for session in kept] or [session_id]
        return {"erased": erased, "left": self._known.list_left(erased)}

    def redact(self, session_id: str) -> Document:
        """See `RecordedSessions.redact`."""
        self._keeper.redact_again(self._repository_id, session_id)
        return self.show(session_id)

    def _read_prompt(self, session_id: str, address: str) -> str | None:
        return self._keeper.read_prompt(self._repository_id, session_id, address)

"""Recorded sessions of a server: what the token may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from imprint.cli.errors import UsageProblem
from imprint.cli.ports import RecordedSessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.cli.ports import Document

_PAGE: Final = 200


class Asking(Protocol):
    """What is needed of a client of the server."""

    def get(self, address: str, /, **parameters: Any) -> Document:
        """Ask for a document."""
        ...

    def delete(self, address: str, /, **parameters: Any) -> Document:
        """Remove something."""
        ...

    def pages(self, address: str, name: str, /, **parameters: Any) -> list[Document]:
        """Every item of a list that comes in pages."""
        ...

    def pieces(self, address: str) -> Iterator[bytes]:
        """An answer that is no document."""
        ...


class ServerSessions(RecordedSessions):
    """The sessions of one repository on a server.

    Args:
        client: the server.
        path: the address of the repository below `/api`.
    """

    def __init__(self, client: Asking, path: str) -> None:
        self._client = client
        self._path = f"{path}/sessions"

    def list_all(self) -> list[Document]:
        """See `RecordedSessions.list_all`."""
        return self._client.pages(self._path, "sessions")

    def show(self, session_id: str) -> Document:
        """See `RecordedSessions.show`."""
        return self._client.get(self._address(session_id))

    def turns(self, session_id: str) -> Document:
        """See `RecordedSessions.turns`."""
        address = f"{self._address(session_id)}/turns"
        found: Document = {"turns": [], "next_cursor": None}
        while not found["turns"] or found["next_cursor"]:
            page = self._client.get(address, limit=_PAGE, cursor=found["next_cursor"] or 0)
            found = {**page, "turns": [*found["turns"], *page["turns"]]}
            if not page["turns"]:
                break
        return {name: found[name] for name in ("session", "turns", "withheld")}

    def transcript(self, session_id: str) -> Iterator[bytes]:
        """See `RecordedSessions.transcript`."""
        return self._client.pieces(f"{self._address(session_id)}/transcript")

    def erase(self, session_id: str) -> Document:
        """See `RecordedSessions.erase`."""
        return self._client.delete(f"{self._address(session_id)}/texts")

    def redact(self, _session_id: str) -> Document:
        """See `RecordedSessions.redact`."""
        raise UsageProblem(
            "sessions are redacted anew at the data folder",
            hint="run it there, with --data DIR; a session that grows is redacted anew by itself",
        )

    def _address(self, session_id: str) -> str:
        return f"{self._path}/{quote(session_id, safe='')}"

"""What the commands about sessions ask of a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.cli.ports import Document


class RecordedSessions(Protocol):
    """The sessions of one repository; documents as REST has them, see docs/reference/rest.md."""

    def list_all(self) -> list[Document]:
        """All of them, oldest first, without prompts."""
        ...

    def show(self, session_id: str) -> Document:
        """One, with its tree, what it cost and which files its tools named."""
        ...

    def turns(self, session_id: str) -> Document:
        """`{"session", "turns": [...], "withheld"}`."""
        ...

    def transcript(self, session_id: str) -> Iterator[bytes]:
        """The redacted transcript in pieces."""
        ...

    def erase(self, session_id: str) -> list[str]:
        """Destroy the texts of a session and of its tree; whose they were."""
        ...

    def redact(self, session_id: str) -> Document:
        """Redact what is kept by the policy of today; the session as it is then."""
        ...

"""A transcript format: recognised from its first bytes, read into the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from imprint.store.agents.model import ParsedSession


class TranscriptFormat(Protocol):
    """Reads the transcripts of one agent. Total: any bytes give a session; what is unreadable is a problem.

    Attributes:
        agent: the tool's id, such as `claude-code`.
    """

    agent: str

    def recognises(self, head: bytes) -> bool:
        """Whether the first bytes of a file, at most 64 KiB of them, look like this format's."""
        ...

    def parse(self, content: bytes) -> ParsedSession:
        """The whole transcript."""
        ...

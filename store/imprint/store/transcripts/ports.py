"""Prompts and transcripts: readable with the session's key, and gone for ever with it.

Every promise below is tested on every implementation by `tests/contracts/test_transcripts.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

TRANSCRIPT_BYTES_MAX: Final = 64 * 1024**2
"""Bytes of one text."""


def transcript_key(repository_id: str, root_id: str) -> str:
    """The id of the key under which the texts of a session and of its whole tree are kept."""
    return f"{repository_id}/{root_id}"


class Batch(Protocol):
    """Texts of one session that become durable together. Used by one thread.

    Attributes:
        session_key_id: of the session.
    """

    session_key_id: str

    def write(self, text: bytes) -> str:
        """Take a text in and return its address; errors as in `Transcripts.write`."""
        ...


class Transcripts(Protocol):
    """Texts of sessions, each addressed by a keyed hash of its content. Safe to share between threads.

    The address says nothing about the text to somebody without the session's key: equal texts in different
    sessions have different addresses. When `write` returns, the text survives a crash.
    """

    def write(self, session_key_id: str, text: bytes) -> str:
        """Keep a text of a session and return its address; writing it again gives the same address.

        Args:
            session_key_id: names the key: `<repository id>/<root session id>`.
            text: the content, at most `TRANSCRIPT_BYTES_MAX` bytes.

        Raises:
            TranscriptErased: the session was erased.
            LimitExceeded: the text is too large.
            StorageFailed: it could not be made durable.
        """
        ...

    def writing(self, session_key_id: str) -> AbstractContextManager[Batch]:
        """A block whose texts are durable, and can be read, when it has ended: for many at the cost of few.

        Where the block raises, or the machine stops within it, its texts may be gone, and no name of a text
        was given to a part of one. Others may write to the session meanwhile.

        Raises:
            TranscriptErased: at the end of the block: the session was erased meanwhile; nothing was kept.
            TranscriptMissing: at the end of the block: a text that was there already was forgotten meanwhile.
            StorageFailed: at the end of the block: the texts could not be made durable.
        """
        ...

    def read(self, session_key_id: str, address: str) -> bytes:
        """The text at an address.

        Raises:
            TranscriptErased: the session's key was destroyed.
            TranscriptMissing: nothing at this address.
        """
        ...

    def hashing_key(self, session_key_id: str) -> bytes:
        """32 bytes by which a writer recognises what it has written of this session; made if there are none.

        The same for as long as the session's key lives, another for every session, and gone with it.

        Raises:
            TranscriptErased: the session was erased.
            StorageFailed: it could not be made durable.
        """
        ...

    def forget(self, session_key_id: str, addresses: Iterable[str]) -> None:
        """Drop texts of a session that nothing names any more. What is not there is passed over.

        Raises:
            StorageFailed: one could not be dropped.
        """
        ...

    def erase(self, session_key_id: str) -> None:
        """Destroy the session's key: everything written under it is unreadable from now on, for ever.

        Erasing what was never written, or twice, is allowed; the session stays closed to writing.
        """
        ...

"""Transcripts in memory: for tests, and the plainest statement of what transcripts do.

Invariants:
    1. Addresses of one session say nothing about those of another: each is keyed by its session's id.

Nothing survives the process.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imprint.store.errors import LimitExceeded, TranscriptErased, TranscriptMissing
from imprint.store.transcripts.ports import TRANSCRIPT_BYTES_MAX, Batch, Transcripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class MemoryTranscripts(Transcripts):
    """`Transcripts` that live as long as the object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, dict[str, bytes]] = {}
        self._erased: set[str] = set()

    def write(self, session_key_id: str, text: bytes) -> str:
        """See `Transcripts.write`."""
        with self.writing(session_key_id) as batch:
            return batch.write(text)

    @contextmanager
    def writing(self, session_key_id: str) -> Iterator[Batch]:
        """See `Transcripts.writing`."""
        batch = _MemoryBatch(self, session_key_id)
        yield batch
        with self._lock:
            if batch.texts:
                self.verify_kept(session_key_id)
            self._texts.setdefault(session_key_id, {}).update(batch.texts)

    def read(self, session_key_id: str, address: str) -> bytes:
        """See `Transcripts.read`."""
        with self._lock:
            self.verify_kept(session_key_id)
            text = self._texts.get(session_key_id, {}).get(address)
        if text is None:
            raise TranscriptMissing("no text at this address in this session")
        return text

    def hashing_key(self, session_key_id: str) -> bytes:
        """See `Transcripts.hashing_key`."""
        with self._lock:
            self.verify_kept(session_key_id)
        return hashlib.sha256(session_key_id.encode("utf-8", "surrogatepass")).digest()

    def forget(self, session_key_id: str, addresses: Iterable[str]) -> None:
        """See `Transcripts.forget`."""
        with self._lock:
            for address in addresses:
                self._texts.get(session_key_id, {}).pop(address, None)

    def erase(self, session_key_id: str) -> None:
        """See `Transcripts.erase`."""
        with self._lock:
            self._texts.pop(session_key_id, None)
            self._erased.add(session_key_id)

    def verify_kept(self, session_key_id: str) -> None:
        """Raise `TranscriptErased` where the session was erased."""
        if session_key_id in self._erased:
            raise TranscriptErased("the texts of this session were erased")


class _MemoryBatch(Batch):
    def __init__(self, transcripts: MemoryTranscripts, session_key_id: str) -> None:
        self._transcripts = transcripts
        self.session_key_id = session_key_id
        self.texts: dict[str, bytes] = {}

    def write(self, text: bytes) -> str:
        """See `Batch.write`."""
        if len(text) > TRANSCRIPT_BYTES_MAX:
            raise LimitExceeded(f"the text has {len(text)} bytes", limit="TRANSCRIPT_BYTES_MAX")
        self._transcripts.verify_kept(self.session_key_id)
        key = self.session_key_id.encode("utf-8", "surrogatepass")
        address = hmac.new(key, text, hashlib.sha256).hexdigest()
        self.texts[address] = text
        return address

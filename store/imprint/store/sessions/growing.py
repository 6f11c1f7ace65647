"""One transcript as it grows: what of it is there already, and what has to be redacted and written.

Invariants:
    1. A chunk that is there is neither redacted nor written again, unless the policy is another.
    2. Nothing is written before it was redacted, and before what nobody can read was taken out.
    3. What is counted as replaced are the marks in what is kept, whoever replaced it: this place, or a
       client that redacts before it sends.
    4. Memory is bounded by the largest chunk and by the part of the transcript that turns are read from.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from imprint.store.agents import codex
from imprint.store.errors import LimitExceeded
from imprint.store.redaction.ports import count_marks
from imprint.store.sessions.chunks import Chunk, count_lines, cut, line_start
from imprint.store.sessions.manifest import Entry, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.limits import Limits
    from imprint.store.redaction.ports import Redactor
    from imprint.store.transcripts.ports import Batch, Transcripts


class Growth:
    """The next state of one transcript. Used once, by one thread.

    Args:
        transcripts: where texts are kept.
        batch: where new ones are written, under the key of all; they are read again after its end alone.
        redactor: what takes secrets out.
        limits: bounds of transcripts.
        kept: what is there; None for nothing.
        agent: the tool whose transcript it is.

    Attributes:
        head: the redacted transcript from its start, up to `transcript_parse_bytes_max`, in whole lines.
        is_head_whole: whether that is all of it.
    """

    def __init__(
        self,
        transcripts: Transcripts,
        batch: Batch,
        redactor: Redactor,
        limits: Limits,
        kept: Manifest | None,
        agent: str,
    ) -> None:
        self._transcripts = transcripts
        self._batch = batch
        self._is_sealed = agent == codex.AGENT
        self._key_id = batch.session_key_id
        self._redactor = redactor
        self._limits = limits
        self._kept = kept
        self._hashing_key = transcripts.hashing_key(self._key_id)
        self._entries: list[Entry] = []
        self._hash = hashlib.sha256()
        self._parts: list[bytes] = []
        self._head_size = 0
        self._raw_bytes = self._lines = 0
        self.is_head_whole = True

    @property
    def content_hash(self) -> str:
        """SHA-256 of the redacted transcript, hexadecimal."""
        return self._hash.hexdigest()

    @property
    def head(self) -> bytes:
        """See the class."""
        return b"".join(self._parts)

    def holds(self, content: bytes) -> bool:
        """Whether what is kept begins with this content, or is equal to it."""
        entries = iter(self._kept.entries if self._kept else ())
        for chunk in cut(content, self._hashing_key, self._limits):
            entry = next(entries, None)
            if entry is None:
                return False
            if chunk.key.hex() != entry.key:
                shorter = self._redacted(content[chunk.start : chunk.end])
                return chunk.end == len(content) and self._read(entry).startswith(shorter)
        return True

    def is_held_by(self, content: bytes) -> bool:
        """Whether this content begins with what is kept, or is equal to it."""
        entries = self._kept.entries if self._kept else ()
        chunks = cut(content, self._hashing_key, self._limits)
        for entry in entries:
            chunk = next(chunks, None)
            if chunk is None:
                return False
            if chunk.key.hex() != entry.key:
                longer = self._redacted(content[chunk.start : chunk.end])
                return entry is entries[-1] and longer.startswith(self._read(entry))
        return True

    def overlaps(self, content: bytes, first_line: int) -> bool:
        """Whether what is kept has, from a line on, what the content begins with; as far as both reach."""
        given = iter(self._redacted(content).splitlines(keepends=True))
        line = 0
        for entry in self._kept.entries if self._kept else ():
            if line + entry.line_count > first_line:
                text = self._read(entry)
                for there in text[line_start(text, max(0, first_line - line)) :].splitlines(keepends=True):
                    if there != next(given, there):
                        return False
            line += entry.line_count
        return True

    def take_whole(self, content: bytes) -> Manifest:
        """The transcript is this content.

        Raises:
            LimitExceeded: it, a line of it, or the number of its lines is too large.
        """
        is_same_policy = self._kept is not None and self._kept.policy_hash == self._redactor.policy_hash
        known = {entry.key: entry for entry in self._kept.entries} if self._kept and is_same_policy else {}
        for chunk in cut(content, self._hashing_key, self._limits):
            entry = known.get(chunk.key.hex())
            if entry is None:
                self._add(chunk, content[chunk.start : chunk.end])
            else:
                self._note(replace(entry, is_closed=chunk.is_closed), self._read(entry))
        return self._settled()

    def append(self, content: bytes) -> Manifest:
        """The transcript goes on with these lines.

        Raises:
            LimitExceeded: it, a line of it, or the number of its lines is too large.
        """
        entries = list(self._kept.entries) if self._kept else []
        begun = None
        before = b""
        if content and entries and not entries[-1].is_closed:
            tail = entries.pop()
            before = self._read(tail)
            begun = Chunk(bytes.fromhex(tail.key), 0, 0, tail.line_count, tail.raw_bytes, is_closed=False)
            if not before.endswith(b"\n"):
                # The line was not at its end when it came: it ends now, and the chain is no longer that of
                # what came. A whole transcript that comes later has this one chunk redacted again.
                before += b"\n"
                begun = replace(begun, key=hashlib.sha256(begun.key).digest()[: len(begun.key)])
        for entry in entries:
            self._keep(entry)
        for chunk in cut(content, self._hashing_key, self._limits, begun):
            self._add(chunk, before + content[chunk.start : chunk.end])
            before = b""
        return self._settled()

    # -- chunks -------------------------------------------------------------------------------------------

    def _keep(self, entry: Entry) -> None:
        """Take over a chunk, redacted again where that was by another policy."""
        text = self._read(entry)
        if self._kept and self._kept.policy_hash != self._redactor.policy_hash:
            text = self._redacted(text)
            address = self._batch.write(text)
            entry = replace(entry, address=address, size_bytes=len(text))
        self._note(entry, text)

    def _add(self, chunk: Chunk, raw: bytes) -> None:
        self._verify_room(chunk)
        text = self._redacted(raw)
        address = self._batch.write(text)
        lines, size = chunk.line_count, chunk.raw_bytes
        key = chunk.key.hex()
        entry = Entry(key, address, lines, size, len(text), chunk.is_closed, {})
        self._note(entry, text)

    def _note(self, entry: Entry, text: bytes) -> None:
        counts = count_marks(text, self._redactor.kinds)
        self._entries.append(replace(entry, counts=dict(sorted(counts.items()))))
        self._hash.update(text)
        self._raw_bytes += entry.raw_bytes
        self._lines += entry.line_count
        if not self.is_head_whole:
            return
        room = self._limits.transcript_parse_bytes_max - self._head_size
        self.is_head_whole = len(text) <= room
        self._parts.append(text if self.is_head_whole else text[: text.rfind(b"\n", 0, room) + 1])
        self._head_size += len(text)

    def _verify_room(self, chunk: Chunk) -> None:
        if self._raw_bytes + chunk.raw_bytes > self._limits.transcript_bytes_max:
            raise LimitExceeded("the transcript is too long", limit="transcript_bytes_max")
        if self._lines + chunk.line_count > self._limits.transcript_lines_max:
            raise LimitExceeded("the transcript has too many lines", limit="transcript_lines_max")

    def _redacted(self, raw: bytes) -> bytes:
        if self._is_sealed:
            raw = codex.drop_sealed(raw)
        done = self._redactor.redact(raw.decode("utf-8", "surrogateescape"))
        return done.text.encode("utf-8", "surrogateescape")

    def _read(self, entry: Entry) -> bytes:
        return self._transcripts.read(self._key_id, entry.address)

    def _settled(self) -> Manifest:
        return Manifest(self._redactor.engine, self._redactor.policy_hash, tuple(self._entries))


def iter_texts(transcripts: Transcripts, key_id: str, manifest: Manifest) -> Iterator[bytes]:
    """The chunks of a kept transcript, in order."""
    for entry in manifest.entries:
        yield transcripts.read(key_id, entry.address)


def skip_lines(content: bytes, number: int) -> bytes:
    """The content without its first lines."""
    return content[line_start(content, number) :] if number < count_lines(content) else b""

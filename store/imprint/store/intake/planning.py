"""What will be read of checkpoints: their small files, and from them a plan of sessions and transcripts.

Invariants:
    1. What is planned is in memory for every session of every checkpoint; contents are not.
    2. Copies of one session are together and in the order of time, a sub-agent's after its parent's.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import Problem
from imprint.store.formats import entire
from imprint.store.formats.entire import SUMMARY, SessionFiles
from imprint.store.formats.foreign import UNFORESEEN
from imprint.store.intake.growth import Worth
from imprint.store.intake.objects import reading_blobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.intake.listing import FoundCheckpoint
    from imprint.store.plumbing import Plumbing
    from imprint.store.types import ObjectId

TRANSCRIPT_BYTES_MAX: Final = 512 * 1024**2
"""The longest transcript that is taken, all its parts together."""
_SMALL_AT_ONCE: Final = 500
"""Checkpoints whose small files are announced to one git."""
_BYTES_AT_ONCE: Final = 128 * 1024**2
"""Transcripts announced to one git: it must end before its time limit, however long redaction takes."""
_SMALL_FILE: Final = re.compile(r"(?:.*/)?(?:metadata\.json|task\.json)\Z")
_NAME_BYTES_MAX: Final = 200
SESSIONS_MAX: Final = 2_000
"""Sessions of one checkpoint that are read, sub-agents among them."""
_log = logging.getLogger("imprint.store")


PARENT_FIELD: Final = "parent_session_id"
"""Of a session's metadata: what our own export calls the session that started it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A session's share of a checkpoint.

    Attributes:
        session_id: whose.
        parent_id: of a sub-agent: the session that started it.
        at: when the checkpoint was made, as written; empty if not said.
        checkpoint: which.
        files: the session's files in it.
        content: those that hold the transcript, or what is there in its place; empty without any.
        worth: what these are worth.
        size: their bytes.
    """

    session_id: str
    parent_id: str | None
    at: str
    checkpoint: FoundCheckpoint
    files: SessionFiles
    content: tuple[str, ...]
    worth: Worth
    size: int

    @property
    def names(self) -> tuple[str, ...]:
        """The files to read, in order."""
        summary = SUMMARY if SUMMARY in self.checkpoint.names else None
        small = dict.fromkeys(
            each for each in (summary, self.files.metadata, self.files.content_hash) if each
        )
        return (*small, *self.content)

    @property
    def place(self) -> str:
        """Where it is, for people: the checkpoint and the folder in it."""
        return f"{self.checkpoint.id}/{self.files.folder}".rstrip("/")


def plan_parts(
    plumbing: Plumbing, found: Sequence[FoundCheckpoint], sizes: Mapping[ObjectId, int]
) -> tuple[list[Part], list[tuple[str, Problem]]]:
    """Every session of every checkpoint; and, with its ref, what of them cannot be read.

    Args:
        plumbing: git on the objects.
        found: the checkpoints.
        sizes: bytes of each of their files that is there.
    """
    parts: list[Part] = []
    problems: list[tuple[str, Problem]] = []
    for checkpoint, contents in _iter_small(plumbing, found, sizes):
        of_this: list[Problem] = []
        try:
            parts += _plan(checkpoint, contents, sizes, of_this)
        except UNFORESEEN as surprise:
            of_this.append(tell_surprise(checkpoint.id, surprise))
        problems += [(checkpoint.ref, problem) for problem in entire.cap_problems(of_this)]
    return parts, problems


def batches(parts: Iterable[Part]) -> Iterator[list[list[Part]]]:
    """The parts, those of one session together, in batches that one run of git can serve."""
    batch: list[list[Part]] = []
    size = 0
    for _, group in groupby(sorted(parts, key=_order), key=lambda part: part.session_id):
        copies = list(group)
        batch.append(copies)
        size += sum(part.size for part in copies)
        if size > _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _order(part: Part) -> tuple[bool, str, str, int, str]:
    return part.parent_id is not None, part.session_id, part.at, part.size, part.checkpoint.id


def _iter_small(
    plumbing: Plumbing, found: Sequence[FoundCheckpoint], sizes: Mapping[ObjectId, int]
) -> Iterator[tuple[FoundCheckpoint, dict[str, bytes]]]:
    """Each checkpoint with the small files that it has and that are there."""
    for start in range(0, len(found), _SMALL_AT_ONCE):
        some = found[start : start + _SMALL_AT_ONCE]
        wanted = [
            [
                (name, blob)
                for name, blob in checkpoint.names.items()
                if _SMALL_FILE.match(name) and blob in sizes
            ]
            for checkpoint in some
        ]
        announced = [blob for files in wanted for _, blob in files]
        with reading_blobs(plumbing, announced) as blobs:
            for checkpoint, files in zip(some, wanted, strict=True):
                read = ((name, blobs.read(blob)) for name, blob in files)
                yield checkpoint, {name: content for name, content in read if content is not None}


def _plan(
    checkpoint: FoundCheckpoint,
    contents: Mapping[str, bytes],
    sizes: Mapping[ObjectId, int],
    problems: list[Problem],
) -> Iterator[Part]:
    summary = parse_file(checkpoint, SUMMARY, contents, problems)
    mains: dict[str, str] = {}
    listed = entire.list_sessions(checkpoint.id, checkpoint.names, summary)
    if len(listed) > SESSIONS_MAX:
        text = f"too_many: it has {len(listed)} sessions; the first {SESSIONS_MAX} were read"
        problems.append(Problem(checkpoint.id, text))
    for files in listed[:SESSIONS_MAX]:
        place = f"{checkpoint.id}/{files.folder}".rstrip("/")
        metadata = parse_file(checkpoint, files.metadata, contents, problems)
        said = entire.read_said(summary, metadata)
        session_id, parent_id = said.session_id, entire.read_text(metadata.get(PARENT_FIELD))
        if files.tool_use is not None:
            session_id = files.agent_id or files.tool_use
            parent_id = mains.get(files.parent_folder) or next(iter(mains.values()), None)
            if reason := entire.read_text(metadata.get("transcript_unavailable_reason")):
                problems.append(Problem(place, f"transcript_unavailable: {reason}"))
        elif session_id is not None:
            mains[files.folder] = session_id
        if session_id is None or len(session_id.encode("utf-8", "replace")) > _NAME_BYTES_MAX:
            problems.append(Problem(place, "no_session: its metadata name no session; it was passed over"))
            continue
        content, worth = _choose(checkpoint, files, sizes)
        size = sum(sizes[checkpoint.names[name]] for name in content)
        if size > TRANSCRIPT_BYTES_MAX:
            problems.append(Problem(place, f"too_large: its transcript has {size} bytes; it was left out"))
            content, size = (), 0
        yield Part(session_id, parent_id, said.created_at or "", checkpoint, files, content, worth, size)


def _choose(
    checkpoint: FoundCheckpoint, files: SessionFiles, sizes: Mapping[ObjectId, int]
) -> tuple[tuple[str, ...], Worth]:
    """The best that is there of a transcript: all of it, a compact one, or the prompts alone."""
    choices = (
        (files.transcript, Worth.WHOLE),
        ((files.compact,) if files.compact else (), Worth.COMPACT),
        ((files.prompt,) if files.prompt else (), Worth.PROMPTS),
    )
    for names, worth in choices:
        if names and all(sizes.get(checkpoint.names[name], 0) for name in names):
            return names, worth
    return (), Worth.PROMPTS


def tell_surprise(place: str, surprise: Exception) -> Problem:
    """The problem `unreadable`, for what no code expected; logged with where it came from."""
    _log.warning("records: %a could not be read", place, exc_info=surprise)
    return Problem(place, f"unreadable: {type(surprise).__name__}; it was passed over")


def parse_file(
    checkpoint: FoundCheckpoint,
    name: str | None,
    contents: Mapping[str, bytes | None],
    problems: list[Problem],
) -> dict[str, object]:
    """The JSON object of a checkpoint's file; an empty one where there is none, or none that can be read."""
    content = contents.get(name) if name is not None else None
    if content is None:
        return {}
    return entire.parse_object(content, f"{checkpoint.id}/{name}", problems)

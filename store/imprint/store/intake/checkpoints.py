"""Entire's checkpoints into the archive: a record for each session of each checkpoint, transcripts once.

First the small files of all checkpoints are read, to know which copies of which session there are; then,
session by session in the order of time, their transcripts, one at a time.

Invariants:
    1. What a record says follows from the checkpoint's own files alone, but for the session that holds a copy
       which continues no other: reading it again gives the same record.
    2. A checkpoint, or a session of one, that cannot be read is a problem with its place; the rest is read.
    3. Words of people and of transcripts are never kept in the open.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imprint.store.agents.model import Problem
from imprint.store.errors import BadInput, Conflict, LimitExceeded, TranscriptErased
from imprint.store.formats import entire
from imprint.store.formats.entire import METADATA_BYTES_MAX, SYSTEM
from imprint.store.formats.foreign import UNFORESEEN
from imprint.store.hosting.followers import Stopped, never
from imprint.store.intake.growth import Growth, Place, Worth
from imprint.store.intake.listing import list_checkpoints
from imprint.store.intake.objects import find_sizes, reading_blobs
from imprint.store.intake.planning import batches, plan_parts, tell_surprise
from imprint.store.intake.statements import make_record, name_agent
from imprint.store.sessions.keeping import GivenSession
from imprint.store.sessions.model import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imprint.store.intake.listing import FoundCheckpoint, Refs
    from imprint.store.intake.objects import Blobs
    from imprint.store.intake.planning import Part
    from imprint.store.intake.shelf import Shelf
    from imprint.store.plumbing import Plumbing
    from imprint.store.sessions.model import Record
    from imprint.store.types import ObjectId

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class AbsentFile:
    """A file of a checkpoint whose content the repository lacks."""

    checkpoint: str
    path: str
    blob: str


@dataclass(slots=True)
class Intake:
    """What one reading brought.

    Attributes:
        problems: with the ref of each: what could not be read.
        absent: contents that are not there.
        counts: `checkpoints`, `sessions`, `records`, `new records`, `transcripts`, `prompts` that stood in
            for one, and their `bytes`, that were read; and those that were `kept` and `kept bytes`.
    """

    problems: list[tuple[str, Problem]] = field(default_factory=list)
    absent: list[AbsentFile] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class CheckpointReader:
    """Reads what a change of refs brought.

    Args:
        plumbing: git on the objects: of the repository itself, or of what is taken over.
        shelf: where things are kept, and in whose name.
        stopping: asked between sessions.
        progress: told how many sessions' parts are read, and how many there are.
    """

    def __init__(
        self,
        plumbing: Plumbing,
        shelf: Shelf,
        stopping: Callable[[], bool] = never,
        progress: Progress | None = None,
    ) -> None:
        self._plumbing = plumbing
        self._shelf = shelf
        self._stopping = stopping
        self._progress = progress
        self._intake = Intake()

    def read(self, old: Refs, new: Refs) -> Intake:
        """Keep what is new between two states of the refs.

        Raises:
            Stopped: `stopping` said so; what was kept so far stays.
        """
        found, unreadable = list_checkpoints(self._plumbing, old, new)
        self._intake.problems += unreadable
        self._intake.counts["checkpoints"] = len({checkpoint.id for checkpoint in found})
        every = (blob for checkpoint in found for blob in checkpoint.names.values())
        sizes = find_sizes(self._plumbing, every)
        found = [self._leave_out(checkpoint, sizes) for checkpoint in found]
        parts, malformed = plan_parts(self._plumbing, found, sizes)
        self._intake.problems += malformed
        done = 0
        for batch in batches(parts):
            announced = (
                part.checkpoint.names[name] for group in batch for part in group for name in part.names
            )
            with reading_blobs(self._plumbing, announced) as blobs:
                for group in batch:
                    if self._stopping():
                        raise Stopped
                    self._keep(group, blobs)
                    done += len(group)
                    if self._progress:
                        self._progress(done, len(parts))
        return self._intake

    def _leave_out(self, checkpoint: FoundCheckpoint, sizes: Mapping[ObjectId, int]) -> FoundCheckpoint:
        """The checkpoint without small files that are none; what is absent is noted."""
        names = dict(checkpoint.names)
        for name, blob in sorted(checkpoint.names.items()):
            if blob not in sizes:
                self._intake.absent.append(AbsentFile(checkpoint.id, name, blob))
                text = f"absent: its content {blob} is not there"
            elif sizes[blob] > METADATA_BYTES_MAX and not entire.is_transcript(name):
                del names[name]
                text = f"too_large: {sizes[blob]} bytes; it was left out"
            else:
                continue
            self._intake.problems.append((checkpoint.ref, Problem(f"{checkpoint.id}/{name}", text)))
        return replace(checkpoint, names=names)

    def _keep(self, group: Sequence[Part], blobs: Blobs) -> None:
        """Keep one session: its transcript as far as it grew, and a record for each of its checkpoints."""
        growth = Growth(self._shelf.archive.find_session(self._shelf.repository_id, group[0].session_id))
        counts = self._intake.counts
        records: list[tuple[Part, Record]] = []
        newest: list[tuple[Part, str | None]] = []
        for part in group:
            contents = {name: blobs.read(part.checkpoint.names[name]) for name in part.names}
            try:
                records.append((part, self._read_part(part, contents, growth, newest)))
            except (*UNFORESEEN, BadInput) as surprise:
                self._pass_over(part, surprise)
        self._flush(newest, growth)
        counts["sessions"] += 1
        counts["records"] += len(records)
        self._add(records)

    def _read_part(
        self,
        part: Part,
        contents: Mapping[str, bytes | None],
        growth: Growth,
        newest: list[tuple[Part, str | None]],
    ) -> Record:
        """The record of one part; its transcript is kept if it stands alone, else noted in `newest`."""
        counts = self._intake.counts
        agent = name_agent(part, contents)
        content = _join(part, contents, agent)
        target = part.session_id
        if content:
            counts["prompts" if part.worth is Worth.PROMPTS else "transcripts"] += 1
            counts["bytes"] += len(content)
            place = growth.place(content, part.worth)
            if place is Place.GROWN:
                newest[:] = [(part, agent)]
            elif place is Place.APART:
                target = f"{part.session_id}@{part.checkpoint.id}"
                self._flush(newest, growth)
                alone = Growth(None)
                alone.place(content, part.worth)
                self._keep_session(part, agent, target, part.session_id, content, alone.facts())
        record = make_record(part, target, contents, content, self._shelf)
        self._intake.problems += [(part.checkpoint.ref, problem) for problem in record.problems]
        return record

    def _add(self, records: Sequence[tuple[Part, Record]]) -> None:
        """Keep the records together; where one of them cannot be kept, each by itself."""
        try:
            self._intake.counts["new records"] += self._shelf.add([record for _, record in records])
        except (*UNFORESEEN, BadInput) as surprise:
            if len(records) == 1:
                self._pass_over(records[0][0], surprise)
                return
            for each in records:
                self._add([each])

    def _pass_over(self, part: Part, surprise: Exception) -> None:
        self._intake.problems.append((part.checkpoint.ref, tell_surprise(part.place, surprise)))

    def _flush(self, newest: Sequence[tuple[Part, str | None]], growth: Growth) -> None:
        """Keep the longest copy there is, if it is new."""
        if newest and growth.pending is not None:
            part, agent = newest[0]
            self._keep_session(part, agent, part.session_id, part.parent_id, growth.pending, growth.facts())
            growth.pending = None

    def _keep_session(
        self,
        part: Part,
        agent: str | None,
        session_id: str,
        parent_id: str | None,
        content: bytes,
        facts: dict[str, object],
    ) -> None:
        if self._shelf.holds(session_id, facts):
            return
        source = Source(SYSTEM, ref=part.checkpoint.ref)
        given = GivenSession(agent, content, source, session_id=session_id, parent_id=parent_id, extra=facts)
        try:
            self._shelf.keep(given)
        except (TranscriptErased, Conflict, LimitExceeded, BadInput) as refusal:
            problem = Problem(part.place, f"not_kept: {refusal.message}")
            self._intake.problems.append((part.checkpoint.ref, problem))
        except UNFORESEEN as surprise:
            self._pass_over(part, surprise)
        else:
            self._intake.counts["kept"] += 1
            self._intake.counts["kept bytes"] += len(content)


def _join(part: Part, contents: Mapping[str, bytes | None], agent: str | None) -> bytes:
    """The transcript, or what stands in for it; empty where there is nothing."""
    pieces = [content for name in part.content if (content := contents[name]) is not None]
    if not pieces:
        return b""
    whole = entire.join_transcript(pieces)
    return entire.render_prompts(whole, agent or "unknown") if part.worth is Worth.PROMPTS else whole

"""What the archive keeps: sessions of agents with their turns, and records that tie them to commits.

Invariants:
    1. A session is known by its id within a repository. It grows: keeping it again with more lines replaces
       its turns, calls and usage; what the transcript held before is still in it.
    2. A record is one statement by one source. It is never changed; the same statement kept again is the same
       record, and a changed one is another.
    3. Prompts and transcripts are addresses among the transcripts of the root session, never text.
    4. Fields that the source has and the model has not are kept verbatim in `extra`.

Times are milliseconds since the Unix epoch; lines of transcripts count from 0, the end not included.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.agents.model import Problem, ToolCall, Usage


@dataclass(frozen=True, slots=True)
class Source:
    """Where something was read.

    Attributes:
        system: `entire`, `git-ai`, `agent-trace`, `capture`, `api`, or an external agent's name.
        version: of the format or the writing program; None if not said.
        ref: where in the repository, such as `refs/entire/checkpoints/2Y/...`; None if it came otherwise.
        raw_hash: SHA-256 of what was read, hexadecimal; None if not taken.
    """

    system: str
    version: str | None = None
    ref: str | None = None
    raw_hash: str | None = None


class AnchorKind(enum.Enum):
    """What ties a record to code."""

    COMMIT = "commit"
    """The source names the commit."""
    TREE = "tree"
    PATCH_ID = "patch-id"
    CHECKPOINT = "checkpoint"
    """A commit names the record, by the trailer `Entire-Checkpoint: <value>`."""
    BASE = "base"
    """The commit that was checked out when the work was done: the parent of the one that holds it."""
    SESSION = "session"
    """A commit names the session, by a trailer or a push."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """One tie between a record and code."""

    kind: AnchorKind
    value: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was taken out of a transcript before it was written.

    Attributes:
        engine: what looked for secrets.
        policy_hash: over all its rules; see `imprint.store.redaction.ports.Redactor`.
        counts: replacements by kind.
    """

    engine: str
    policy_hash: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArchivedTurn:
    """One turn of a session.

    Attributes:
        number: counts from 1.
        prompt: address of its text among the transcripts of the root session; None if there is none.
        at_ms: None if not said.
        model: None if not said.
        first_line, end_line: lines of the transcript.
        calls: tools used. Their edits are in the transcript, not here.
        usage: requests made.
    """

    number: int
    prompt: str | None = None
    at_ms: int | None = None
    model: str | None = None
    first_line: int = 0
    end_line: int = 0
    calls: tuple[ToolCall, ...] = ()
    usage: tuple[Usage, ...] = ()


@dataclass(frozen=True, slots=True)
class ArchivedSession:
    """A session as the archive has it.

    Attributes:
        id: the agent's own id; unique in the repository.
        root_id: the session at the top of its tree, itself if it has no parent: whose key its texts have.
        parent_id: the session that started it; None for a root.
        agent, agent_version: the tool.
        actor: who delivered it: the authenticated actor, `operator` at the data folder.
        source: where it was read last.
        models: every model that answered.
        cwd, branch: as the transcript says; None if it does not.
        started_at_ms, ended_at_ms: None if not said.
        received_at_ms: when it was kept last.
        transcript: address of its manifest among the transcripts of the root session; None without one.
        content_hash: SHA-256 of the whole redacted transcript, hexadecimal; None without one.
        line_count: lines of the transcript.
        redaction: what was taken out; None if nothing was looked for because it came redacted.
        erased_at_ms: when its texts were destroyed; None if they were not.
        serial: grows with every write to the repository's archive; readers remember how far they are.
        problems: what could not be read.
        extra: see the invariants.
    """

    id: str
    root_id: str
    agent: str
    actor: str
    source: Source
    received_at_ms: int
    parent_id: str | None = None
    agent_version: str | None = None
    models: tuple[str, ...] = ()
    cwd: str | None = None
    branch: str | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    transcript: str | None = None
    content_hash: str | None = None
    line_count: int = 0
    redaction: Redaction | None = None
    erased_at_ms: int | None = None
    serial: int = 0
    problems: tuple[Problem, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordedLines:
    """Lines that a record claims: `start` to `end` of a file, counting from 1, both included.

    Attributes:
        path: as `imprint.store.paths.quote_path` writes it.
        start, end: in the anchored commit's file.
        contributor: `ai`, `human`, `mixed` or `unknown`.
        agent, model: None if not said.
        session: None if not said.
        content_hash: the source's own hash of the lines, verbatim; None without one.
    """

    path: str
    start: int
    end: int
    contributor: str = "ai"
    agent: str | None = None
    model: str | None = None
    session: str | None = None
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One statement: this work, by this session, went into that commit.

    Attributes:
        id: unique in the store.
        source: where it was read.
        actor: who delivered it.
        received_at_ms: when.
        anchors: ties to code, at least one.
        session_id: the session it speaks of; None if it names none.
        part: lines of the session's transcript that belong to it; None for all.
        human: whom the source names as the person; None if it does not.
        agent, model: as the source says; None if it does not.
        lines: lines that it claims; empty if it claims none.
        serial: see `ArchivedSession.serial`.
        problems: what could not be read, `hash_mismatch` among them.
        extra: see the invariants.
    """

    id: str
    source: Source
    actor: str
    received_at_ms: int
    anchors: tuple[Anchor, ...]
    session_id: str | None = None
    part: tuple[int, int] | None = None
    human: str | None = None
    agent: str | None = None
    model: str | None = None
    lines: tuple[RecordedLines, ...] = ()
    serial: int = 0
    problems: tuple[Problem, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)

"""What a transcript says, whichever agent wrote it: turns, tool calls, edits, usage.

Invariants:
    1. Turns are numbered from 1 in the order of the transcript. A turn begins with a prompt that a person, or
       a parent session, gave; what comes before the first prompt belongs to turn 1.
    2. Usage is per request and a difference, never a running total: summing it counts nothing twice.
    3. Lines of a transcript count from 0; `first_line` is included, `end_line` is not.
    4. Paths are as the tool was given them, with `/`; relative to the session's folder where they lie in it.

Times are milliseconds since the Unix epoch.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class EditKind(enum.Enum):
    """How a tool changed a file."""

    WRITE = "write"
    """The whole content was given; `added` has all of it."""
    REPLACE = "replace"
    """Some text took the place of other text."""
    PATCH = "patch"
    """A patch was applied; `added` and `removed` are its lines."""
    SHELL = "shell"
    """A command may have written these lines: a here-document, an inline script, an echo."""
    DELETE = "delete"
    MOVE = "move"
    """`path` is the new name, `old_path` the one before."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Text that a tool call put into a file, or took out of it.

    Attributes:
        path: the file; empty where a shell command does not say which.
        kind: how.
        added: lines, without line feed, in their order.
        removed: likewise.
        old_path: of a move.
    """

    path: str
    kind: EditKind
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    old_path: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One use of a tool.

    Attributes:
        id: the agent's own id of the call; empty if it has none.
        name: the tool's name as the agent has it.
        at_ms: when; None if not said.
        paths: files that it names, read or written.
        edits: what it wrote.
        ok: whether it succeeded; None if not said.
        sub_session: id of the session that it started, of a sub-agent; None for other tools.
    """

    id: str
    name: str
    at_ms: int | None = None
    paths: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    ok: bool | None = None
    sub_session: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one request to a model took: tokens, and money where the transcript says so.

    Attributes:
        request_id: the request or message; None if the transcript has no ids.
        model: which model answered; None if not said.
        input_tokens: without those read from a cache or written to it.
        output_tokens: with reasoning.
        cache_read_tokens, cache_write_tokens: input from and to the provider's cache.
        reasoning_tokens: the part of the output that is reasoning, where said.
        cost_usd: US dollars; None if not said.
    """

    request_id: str | None = None
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class ParsedTurn:
    """One prompt and everything up to the next.

    Attributes:
        number: counts from 1.
        prompt: its text; empty where the transcript begins before any prompt.
        at_ms: when it was given; None if not said.
        first_line, end_line: lines of the transcript.
        model: the model that answered last; None if not said.
        calls: tools used, in order.
        usage: requests made, in order.
    """

    number: int
    prompt: str
    at_ms: int | None = None
    first_line: int = 0
    end_line: int = 0
    model: str | None = None
    calls: tuple[ToolCall, ...] = ()
    usage: tuple[Usage, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a transcript or record that could not be read; the rest was.

    Attributes:
        place: where: `line 17`, a path within a checkpoint, or a field.
        text: what is wrong.
    """

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class ParsedSession:
    """A whole transcript.

    Attributes:
        agent: the tool's id, such as `claude-code`; see `imprint.store.formats.identities`.
        id: the agent's own id of the session; empty if the transcript does not say.
        turns: in order.
        agent_version: None if not said.
        parent_id: the session that started it, of a sub-agent or a fork; None for others.
        cwd: the folder it worked in; None if not said.
        branch: the branch it names; None if not said.
        started_at_ms, ended_at_ms: times of the first and last line that have one.
        models: every model that answered, in order of first appearance.
        line_count: lines of the transcript.
        problems: what could not be read.
        extra: facts of the format that have no place above.
    """

    agent: str
    id: str
    turns: tuple[ParsedTurn, ...] = ()
    agent_version: str | None = None
    parent_id: str | None = None
    cwd: str | None = None
    branch: str | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    models: tuple[str, ...] = ()
    line_count: int = 0
    problems: tuple[Problem, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)

"""What capture saw shell commands change: snapshots of the work tree before and after, compared.

Lines are `{"imprint":"shell","v":1,"agent":…,"session":…,"call":…,"at_ms":…,"command":…,"shared":…,
"files":[{"path":…,"added":[…],"removed":[…]}]}`, one for each call of a shell tool that changed something.
They are kept as a session of their own, a child of the one that made the calls: nothing is ever put into an
agent's transcript. Paths are relative to the work tree's top.

Invariants:
    1. The session's agent is the one that the lines name; each line is a turn, its prompt the command.
    2. A call that others worked beside (`shared`) says so in its tool's name: what it changed may be theirs.

Versions: 1, the first.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import Edit, EditKind, ParsedSession, ParsedTurn, Problem, ToolCall
from imprint.store.agents.ports import TranscriptFormat
from imprint.store.agents.reading.values import (
    as_map,
    as_maps,
    as_name,
    as_optional,
    as_path,
    as_text,
    as_time,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT: Final = "imprint-capture"
VERSION: Final = 1
SUFFIX: Final = ".shell"
"""What is added to a session's id to name the session of its shell commands."""
TOOL: Final = "shell"
SHARED_TOOL: Final = "shell-shared"

_HEAD: Final = re.compile(rb'\s*\{\s*"imprint"\s*:\s*"shell"')


class Captured(TranscriptFormat):
    """See the module."""

    agent = AGENT

    def recognises(self, head: bytes) -> bool:
        """See `TranscriptFormat.recognises`."""
        return _HEAD.match(head) is not None

    def parse(self, content: bytes) -> ParsedSession:
        """See `TranscriptFormat.parse`."""
        turns: list[ParsedTurn] = []
        problems: list[Problem] = []
        agent, session = AGENT, ""
        lines = content.decode("utf-8", "replace").split("\n")
        count = len(lines) - (not lines[-1])
        for at, text in enumerate(lines[:count]):
            try:
                line = as_map(json.loads(text))
            except (ValueError, RecursionError):
                problems.append(Problem(f"line {at + 1}", "it is not JSON"))
                continue
            agent = as_optional(line.get("agent")) or agent
            session = session or as_name(line.get("session"))
            turns.append(_read_turn(len(turns) + 1, at, line))
        times = [turn.at_ms for turn in turns if turn.at_ms is not None]
        return ParsedSession(
            agent=agent,
            id=session + SUFFIX if session else "",
            turns=tuple(turns),
            parent_id=session or None,
            started_at_ms=min(times, default=None),
            ended_at_ms=max(times, default=None),
            line_count=count,
            problems=tuple(problems),
        )


def _read_turn(number: int, at: int, line: Mapping[str, object]) -> ParsedTurn:
    edits = tuple(
        Edit(
            as_path(file.get("path")),
            EditKind.SHELL,
            _read_lines(file, "added"),
            _read_lines(file, "removed"),
        )
        for file in as_maps(line.get("files"))
    )
    call = ToolCall(
        id=as_name(line.get("call")),
        name=SHARED_TOOL if line.get("shared") is True else TOOL,
        at_ms=as_time(line.get("at_ms")),
        paths=tuple(edit.path for edit in edits),
        edits=edits,
        ok=True,
    )
    return ParsedTurn(number, as_text(line.get("command")), call.at_ms, at, at + 1, None, (call,))


def _read_lines(file: Mapping[str, object], name: str) -> tuple[str, ...]:
    listed = file.get(name)
    return tuple(as_text(one) for one in listed) if isinstance(listed, list) else ()

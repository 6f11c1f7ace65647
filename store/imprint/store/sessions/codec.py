"""Sessions, turns and records as texts: what the archive keeps of them beside the columns it searches.

Invariants:
    1. Reading back what was written gives the same session, turn or record, less the edits of tool calls:
       those are in the transcript, under its key.
    2. The text is JSON of ASCII characters with sorted names: any database keeps it, and equal things have
       equal texts.
    3. A fact that a newer version added is ignored when read by an older one.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from imprint.store.agents.model import Problem, ToolCall, Usage
from imprint.store.errors import BadInput
from imprint.store.sessions.model import (
    Anchor,
    AnchorKind,
    ArchivedSession,
    ArchivedTurn,
    Record,
    RecordedLines,
    Redaction,
    Source,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME_BYTES_MAX = 4096
"""Bytes of the id of a session or record, or of the value of an anchor."""
SESSION_COLUMNS = (
    "id",
    "serial",
    "root_id",
    "parent_id",
    "agent",
    "actor",
    "received_at_ms",
    "content_hash",
    "transcript",
    "erased_at_ms",
)
"""Attributes of a session that are columns of their own."""


def verify_name(what: str, name: str) -> None:
    """Check a text that becomes a column of its own.

    Raises:
        BadInput: it is empty, too long, holds a NUL, or is no valid Unicode.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError as failure:
        raise BadInput(f"{what} holds half a surrogate pair, which is no Unicode") from failure
    if not 0 < size <= NAME_BYTES_MAX or "\0" in name:
        raise BadInput(
            f"{name[:80]!r} cannot be {what}", hint=f"use 1 to {NAME_BYTES_MAX} bytes without a NUL"
        )


def session_facts(session: ArchivedSession) -> str:
    """What has no column."""
    return _text(
        {
            "source": _source(session.source),
            "agent_version": session.agent_version,
            "models": list(session.models),
            "cwd": session.cwd,
            "branch": session.branch,
            "started_at_ms": session.started_at_ms,
            "ended_at_ms": session.ended_at_ms,
            "line_count": session.line_count,
            "redaction": _redaction(session.redaction),
            "problems": _problems(session.problems),
            "extra": session.extra,
        }
    )


def read_session(columns: Mapping[str, Any], facts: str) -> ArchivedSession:
    """The session of a row: its columns by the names of the attributes, and its facts."""
    said = json.loads(facts)
    redaction = said.get("redaction")
    return ArchivedSession(
        **columns,
        source=_read_source(said["source"]),
        agent_version=said.get("agent_version"),
        models=tuple(said.get("models", ())),
        cwd=said.get("cwd"),
        branch=said.get("branch"),
        started_at_ms=said.get("started_at_ms"),
        ended_at_ms=said.get("ended_at_ms"),
        line_count=said.get("line_count", 0),
        redaction=Redaction(redaction["engine"], redaction["policy_hash"], redaction["counts"])
        if redaction
        else None,
        problems=_read_problems(said),
        extra=said.get("extra", {}),
    )


def turn_facts(turn: ArchivedTurn) -> str:
    """What has no column."""
    return _text(
        {
            "at_ms": turn.at_ms,
            "model": turn.model,
            "first_line": turn.first_line,
            "end_line": turn.end_line,
            "calls": [_call(call) for call in turn.calls],
            "usage": [_usage(usage) for usage in turn.usage],
        }
    )


def read_turn(number: int, prompt: str | None, facts: str) -> ArchivedTurn:
    """The turn of a row."""
    said = json.loads(facts)
    return ArchivedTurn(
        number=number,
        prompt=prompt,
        at_ms=said.get("at_ms"),
        model=said.get("model"),
        first_line=said.get("first_line", 0),
        end_line=said.get("end_line", 0),
        calls=tuple(_read_call(call) for call in said.get("calls", ())),
        usage=tuple(Usage(**_known(usage, _USAGE)) for usage in said.get("usage", ())),
    )


def record_facts(record: Record) -> str:
    """What has no column, and the anchors in their order."""
    return _text(
        {
            "source": _source(record.source),
            "anchors": [[anchor.kind.value, anchor.value] for anchor in record.anchors],
            "session_id": record.session_id,
            "part": list(record.part) if record.part else None,
            "human": record.human,
            "agent": record.agent,
            "model": record.model,
            "lines": [_lines(lines) for lines in record.lines],
            "problems": _problems(record.problems),
            "extra": record.extra,
        }
    )


def record_digest(facts: str) -> str:
    """What equal statements share: SHA-256 of the facts, hexadecimal."""
    return hashlib.sha256(facts.encode()).hexdigest()


def read_record(record_id: str, actor: str, received_at_ms: int, serial: int, facts: str) -> Record:
    """The record of a row."""
    said = json.loads(facts)
    part = said.get("part")
    return Record(
        id=record_id,
        source=_read_source(said["source"]),
        actor=actor,
        received_at_ms=received_at_ms,
        anchors=tuple(Anchor(AnchorKind(kind), value) for kind, value in said["anchors"]),
        session_id=said.get("session_id"),
        part=(part[0], part[1]) if part else None,
        human=said.get("human"),
        agent=said.get("agent"),
        model=said.get("model"),
        lines=tuple(RecordedLines(**_known(lines, _LINES)) for lines in said.get("lines", ())),
        serial=serial,
        problems=_read_problems(said),
        extra=said.get("extra", {}),
    )


_USAGE = frozenset(Usage.__dataclass_fields__)
_LINES = frozenset(RecordedLines.__dataclass_fields__)


def _known(said: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name in names}


def _text(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def _source(source: Source) -> list[str | None]:
    return [source.system, source.version, source.ref, source.raw_hash]


def _read_source(said: list[Any]) -> Source:
    return Source(said[0], said[1], said[2], said[3])


def _redaction(redaction: Redaction | None) -> dict[str, object] | None:
    if redaction is None:
        return None
    return {
        "engine": redaction.engine,
        "policy_hash": redaction.policy_hash,
        "counts": dict(redaction.counts),
    }


def _problems(problems: Iterable[Problem]) -> list[list[str]]:
    return [[problem.place, problem.text] for problem in problems]


def _read_problems(said: Mapping[str, Any]) -> tuple[Problem, ...]:
    return tuple(Problem(place, text) for place, text in said.get("problems", ()))


def _call(call: ToolCall) -> dict[str, object]:
    return {
        "id": call.id,
        "name": call.name,
        "at_ms": call.at_ms,
        "paths": list(call.paths),
        "ok": call.ok,
        "sub_session": call.sub_session,
    }


def _read_call(said: Mapping[str, Any]) -> ToolCall:
    return ToolCall(
        id=said["id"],
        name=said["name"],
        at_ms=said.get("at_ms"),
        paths=tuple(said.get("paths", ())),
        ok=said.get("ok"),
        sub_session=said.get("sub_session"),
    )


def _usage(usage: Usage) -> dict[str, object]:
    """Only what is not zero or unknown: a session has thousands of them."""
    values = {name: getattr(usage, name) for name in _USAGE}
    return {name: value for name, value in values.items() if value not in (None, 0)}


def _lines(lines: RecordedLines) -> dict[str, object]:
    values = {name: getattr(lines, name) for name in _LINES}
    return {name: value for name, value in values.items() if value is not None}

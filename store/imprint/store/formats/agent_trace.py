"""Agent Trace records (specification 0.1.0): a codec that takes any version and any writer's habits.

A record says which lines of which files an agent or a person contributed::

    {"version": "0.1.0", "id": "<uuid>", "timestamp": "...", "vcs": {"type": "git", "revision": "<commit>"},
     "tool": {"name": "cursor", "version": "2.4.0"},
     "files": [{"path": "a.py", "conversations": [
       {"url": "...", "contributor": {"type": "ai", "model_id": "anthropic/..."},
        "ranges": [{"start_line": 1, "end_line": 9, "content_hash": "murmur3:9f2e8a1b"}]}]}]}

Records lie one per line in `.agent-trace/traces.jsonl`, or one or a list of them in a JSON file. Writers
disagree on what `revision` is: the commit that holds the lines, or the one before it.

Invariants:
    1. Total: any bytes give traces and problems; what cannot be read is named with its place.
    2. `parse_trace(render_trace(trace)) == trace` for every trace that `parse_trace` gave.
    3. Unknown fields are kept as they are, on the record, its files, conversations and ranges.
    4. Files that are none, such as `.shell-history`, claim nothing and are named.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from imprint.store.agents.model import Problem
from imprint.store.errors import BadPath
from imprint.store.formats.foreign import is_deep
from imprint.store.formats.identities import normalise_tool
from imprint.store.paths import quote_path, unquote_path, verify_path
from imprint.store.sessions.model import Anchor, AnchorKind, RecordedLines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SYSTEM: Final = "agent-trace"
TRACES_PATH: Final = b".agent-trace/traces.jsonl"
METHOD: Final = "agent-trace"
VENDOR: Final = "dev.imprint"
"""Key of `metadata` under which our own export keeps what the format has no field for."""
_PSEUDO_PATHS: Final = frozenset({".shell-history", ".sessions"})
_LINES_MAX: Final = 2**31 - 1
_PROBLEMS_MAX: Final = 100
_COMMIT: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_TEXT_LENGTH_MAX: Final = 250


@dataclass(frozen=True, slots=True)
class TraceRange:
    """Lines `start` to `end`, both included, from 1; `contributor` where it is not the conversation's."""

    start: int
    end: int
    content_hash: str | None = None
    contributor: Mapping[str, object] | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one exchange contributed to a file."""

    ranges: tuple[TraceRange, ...] = ()
    url: str | None = None
    contributor: Mapping[str, object] | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TracedFile:
    """A file and what was contributed to it; the path as written."""

    path: str
    conversations: tuple[Conversation, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trace:
    """One record; `problems` are about what could not be read and is not in it."""

    id: str
    files: tuple[TracedFile, ...] = ()
    version: str | None = None
    timestamp: str | None = None
    revision: str | None = None
    tool: Mapping[str, object] | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[Problem, ...] = field(default=(), compare=False)


def parse_traces(content: bytes, place: str) -> tuple[list[Trace], list[Problem]]:
    """The records of a file, one per line or as one JSON value; and what is none."""
    whole = _load(content)
    if isinstance(whole, list):
        items = [(f"{place} record {number}", item) for number, item in enumerate(whole, 1)]
    elif isinstance(whole, dict):
        items = [(f"{place} record 1", whole)]
    else:
        lines = enumerate(content.split(b"\n"), 1)
        items = [(f"{place} line {number}", _load(line)) for number, line in lines if line.strip()]
    traces, problems = [], []
    for where, item in items:
        if isinstance(item, dict) and isinstance(item.get("files"), list):
            traces.append(parse_trace(item, where))
        else:
            problems.append(Problem(where, "not an Agent Trace record: no JSON object with a list of files"))
    return traces, problems[:_PROBLEMS_MAX]


def _load(raw: bytes) -> object:
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return None if is_deep(parsed) else parsed


def parse_trace(raw: Mapping[str, Any], place: str = "record") -> Trace:
    """Read one record."""
    problems: list[Problem] = []
    files = [
        _parse_file(item, f"{place} file {number}", problems)
        for number, item in enumerate(_list(raw.get("files")), 1)
    ]
    vcs = raw.get("vcs")
    revision = vcs.get("revision") if isinstance(vcs, dict) else None
    tool = raw.get("tool")
    known = {key for key in ("id", "version", "timestamp") if _text(raw.get(key)) is not None} | {"files"}
    known |= {"tool"} if isinstance(tool, dict) else set()
    if isinstance(revision, str) and vcs == {"type": "git", "revision": revision}:
        known.add("vcs")
    return Trace(
        id=_text(raw.get("id")) or "",
        files=tuple(each for each in files if each is not None),
        version=_text(raw.get("version")),
        timestamp=_text(raw.get("timestamp")),
        revision=revision if isinstance(revision, str) else None,
        tool=tool if isinstance(tool, dict) else None,
        extra={key: value for key, value in raw.items() if key not in known},
        problems=tuple(problems[:_PROBLEMS_MAX]),
    )


def _parse_file(raw: object, place: str, problems: list[Problem]) -> TracedFile | None:
    if not isinstance(raw, dict) or not isinstance(raw.get("path"), str):
        problems.append(Problem(place, "no path"))
        return None
    conversations = []
    for number, item in enumerate(_list(raw.get("conversations")), 1):
        if isinstance(item, dict):
            conversations.append(_parse_conversation(item, f"{place} conversation {number}", problems))
        else:
            problems.append(Problem(f"{place} conversation {number}", "not a JSON object"))
    extra = {key: value for key, value in raw.items() if key not in {"path", "conversations"}}
    return TracedFile(raw["path"], tuple(conversations), extra)


def _parse_conversation(raw: Mapping[str, Any], place: str, problems: list[Problem]) -> Conversation:
    ranges = []
    for number, item in enumerate(_list(raw.get("ranges")), 1):
        parsed = _parse_range(item)
        if parsed is None:
            problems.append(Problem(f"{place} range {number}", "not a range of lines"))
        else:
            ranges.append(parsed)
    contributor = raw.get("contributor")
    url = raw.get("url")
    known = {"ranges"}
    known |= {"url"} if isinstance(url, str) else set()
    known |= {"contributor"} if isinstance(contributor, dict) else set()
    return Conversation(
        tuple(ranges),
        url if isinstance(url, str) else None,
        contributor if isinstance(contributor, dict) else None,
        {key: value for key, value in raw.items() if key not in known},
    )


def _parse_range(raw: object) -> TraceRange | None:
    if not isinstance(raw, dict):
        return None
    start, end = raw.get("start_line"), raw.get("end_line")
    if type(start) is not int or type(end) is not int or not 1 <= start <= end <= _LINES_MAX:
        return None
    contributor, content_hash = raw.get("contributor"), raw.get("content_hash")
    known = {"start_line", "end_line"}
    known |= {"content_hash"} if isinstance(content_hash, str) else set()
    known |= {"contributor"} if isinstance(contributor, dict) else set()
    return TraceRange(
        start,
        end,
        content_hash if isinstance(content_hash, str) else None,
        contributor if isinstance(contributor, dict) else None,
        {key: value for key, value in raw.items() if key not in known},
    )


# -- writing -------------------------------------------------------------------------------------------


def render_trace(trace: Trace) -> dict[str, object]:
    """The record as a JSON object."""
    raw: dict[str, object] = {
        "version": trace.version,
        "id": trace.id or None,
        "timestamp": trace.timestamp,
        "vcs": {"type": "git", "revision": trace.revision} if trace.revision is not None else None,
        "tool": trace.tool,
    }
    files = [_render_file(file) for file in trace.files]
    return {key: value for key, value in raw.items() if value is not None} | {"files": files, **trace.extra}


def render_agent_trace(traces: list[Trace]) -> bytes:
    """Records as a `traces.jsonl`: one per line."""
    return b"".join(json.dumps(render_trace(trace)).encode() + b"\n" for trace in traces)


def _render_file(file: TracedFile) -> dict[str, object]:
    conversations = [_render_conversation(each) for each in file.conversations]
    return {"path": file.path, "conversations": conversations, **file.extra}


def _render_conversation(conversation: Conversation) -> dict[str, object]:
    raw = {"url": conversation.url, "contributor": conversation.contributor}
    ranges = [_render_range(each) for each in conversation.ranges]
    return {key: value for key, value in raw.items() if value is not None} | {
        "ranges": ranges,
        **conversation.extra,
    }


def _render_range(part: TraceRange) -> dict[str, object]:
    raw = {"content_hash": part.content_hash, "contributor": part.contributor}
    said = {key: value for key, value in raw.items() if value is not None}
    return {"start_line": part.start, "end_line": part.end, **said, **part.extra}


# -- what it claims ------------------------------------------------------------------------------------


def read_anchors(trace: Trace) -> tuple[Anchor, ...]:
    """Ties to code: the revision as the commit, and as the commit before it; none where it names none."""
    if trace.revision is None or not _COMMIT.match(trace.revision):
        return ()
    return Anchor(AnchorKind.COMMIT, trace.revision), Anchor(AnchorKind.BASE, trace.revision)


def read_lines(trace: Trace, place: str) -> tuple[tuple[RecordedLines, ...], list[Problem]]:
    """The lines that a record claims, and the files that it names and that are none."""
    problems: list[Problem] = []
    tool = normalise_tool(_text((trace.tool or {}).get("name")) or "")
    ours = _read_own(trace)
    lines: list[RecordedLines] = []
    for file in trace.files:
        path = _read_path(file.path)
        if path is None:
            problems.append(Problem(place, f"pseudo_path: {file.path[:80]!r} is no file of a repository"))
            continue
        for conversation in file.conversations:
            read = list(_iter_lines(path, conversation, tool))
            lines += _restore(read, ours) if ours else read
    return tuple(lines), problems[:_PROBLEMS_MAX]


def _iter_lines(path: str, conversation: Conversation, tool: str | None) -> Iterator[RecordedLines]:
    for part in conversation.ranges:
        contributor = part.contributor or conversation.contributor or {}
        kind = _text(contributor.get("type")) or "unknown"
        model = _text(contributor.get("model_id"))
        is_agent = kind in {"ai", "mixed"}
        yield RecordedLines(
            path,
            part.start,
            part.end,
            contributor=kind if kind in {"ai", "human", "mixed"} else "unknown",
            agent=tool if is_agent else None,
            model=(model.rpartition("/")[2] or None) if model and is_agent else None,
            content_hash=_text(part.content_hash),
        )


def _read_own(trace: Trace) -> list[Mapping[str, Any]]:
    """What our own export says of each claim, beyond the format; nothing in records of others."""
    metadata = trace.extra.get("metadata")
    vendor = metadata.get(VENDOR) if isinstance(metadata, dict) else None
    claims = vendor.get("claims") if isinstance(vendor, dict) else None
    return [each for each in _list(claims) if isinstance(each, dict)]


def _restore(read: list[RecordedLines], ours: list[Mapping[str, Any]]) -> list[RecordedLines]:
    """The lines of one conversation, with agent, model and session of the claim that they come from."""
    wanted = [{"path": each.path, "start": each.start, "end": each.end} for each in read]
    claim = next((each for each in ours if each.get("lines") and _has_lines(each, wanted)), None)
    claim = claim or next((each for each in ours if not each.get("lines")), None)
    if claim is None:
        return read
    agent, model, session = (_text(claim.get(key)) for key in ("agent", "model", "session"))
    return [replace(each, agent=agent, model=model, session=session) for each in read]


def _has_lines(claim: Mapping[str, Any], wanted: list[dict[str, object]]) -> bool:
    lines = _list(claim.get("lines"))
    return bool(wanted) and all(each in lines for each in wanted)


def _read_path(text: str) -> str | None:
    """The path as records keep it; None for what cannot be a file."""
    try:
        raw = unquote_path(text) if text.startswith('"') else text.encode("utf-8", "surrogateescape")
        raw = raw.removeprefix(b"./")
        verify_path(raw)
    except (BadPath, UnicodeEncodeError):
        return None
    return None if text in _PSEUDO_PATHS else quote_path(raw)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    """A text that can be kept; None for everything else."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        return None
    return value.strip()[:_TEXT_LENGTH_MAX].strip().encode("utf-8", "replace").decode()

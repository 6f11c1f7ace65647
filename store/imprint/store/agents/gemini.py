"""Transcripts of Gemini CLI: `chats/session-*` in `~/.gemini/tmp/<project>`, lines of JSON or one document.

Both have messages `{id, timestamp, type: "user"|"gemini", content, model, toolCalls, tokens}`. In the lines,
the first is a header with `sessionId`; a line `{"$set": {…}}` changes the header, and may hold all messages
anew; one of `{"$rewindTo": id}` takes back the messages from that one on. A message is written again when it
has grown.

Invariants:
    1. Of a message that is written several times, the last value of each field counts, at the first's place.
    2. What was taken back was said and done all the same: its turns stay.
    3. `tokens.input` includes what came from the cache; `Usage.input_tokens` does not. `thoughts` are output.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import EditKind, ToolCall, Usage
from imprint.store.agents.ports import TranscriptFormat
from imprint.store.agents.reading.draft import Draft
from imprint.store.agents.reading.lines import Document, Lines
from imprint.store.agents.reading.patches import read_patch
from imprint.store.agents.reading.tools import judge_call, read_call
from imprint.store.agents.reading.values import (
    as_count,
    as_map,
    as_maps,
    as_name,
    as_optional,
    as_path,
    as_text,
    as_time,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imprint.store.agents.model import Edit, ParsedSession

AGENT: Final = "gemini-cli"

_OUTCOMES: Final = {"success": False, "error": True, "cancelled": True}


class Gemini(TranscriptFormat):
    """See the module."""

    agent = AGENT

    def recognises(self, head: bytes) -> bool:
        """See `TranscriptFormat.recognises`."""
        named = b'"sessionId"' in head and b'"projectHash"' in head
        spoken = re.search(rb'"type"\s*:\s*"gemini"', head) is not None
        return named or spoken

    def parse(self, content: bytes) -> ParsedSession:
        """See `TranscriptFormat.parse`."""
        draft = Draft(AGENT)
        if _is_document(content):
            document = Document(content)
            _take_header(draft, document.value)
            messages = as_maps(document.value.get("messages"))
            placed = [(document.find_line(as_text(message.get("id"))), message) for message in messages]
            _take_messages(draft, placed)
            return draft.build(document)
        lines = Lines(content)
        _take_messages(draft, _collect(draft, lines))
        return draft.build(lines)


def _is_document(content: bytes) -> bool:
    """Whether it is one document: its first line is no whole object, or holds all messages."""
    start = content.lstrip()[:1]
    first = content.lstrip().split(b"\n", 1)[0].rstrip()
    return start == b"{" and (not first.endswith(b"}") or b'"messages"' in first[:4096])


def _collect(draft: Draft, lines: Lines) -> list[tuple[int, Mapping[str, object]]]:
    messages: dict[str, tuple[int, Mapping[str, object]]] = {}

    def keep(number: int, message: Mapping[str, object]) -> None:
        key = as_name(message.get("id")) or f"line {number}"
        place, known = messages.get(key, (number, {}))
        messages[key] = (place, {**known, **{name: value for name, value in message.items() if value}})

    for number, line in lines:
        change = as_map(line.get("$set"))
        if "sessionId" in line or change:
            _take_header(draft, change or line)
            for message in as_maps((change or line).get("messages")):
                keep(number, message)
        elif "type" in line:
            keep(number, line)
    return list(messages.values())


def _take_header(draft: Draft, header: Mapping[str, object]) -> None:
    draft.id = draft.id or as_optional(header.get("sessionId"))
    draft.see_time(as_time(header.get("startTime")))
    for name in ("projectHash", "kind", "summary"):
        if isinstance(header.get(name), str):
            draft.extra[name] = as_text(header[name])[:1000]
    folders = header.get("directories")
    if draft.cwd is None and isinstance(folders, list) and folders:
        draft.cwd = as_path(folders[0]) or None


def _take_messages(draft: Draft, messages: Iterable[tuple[int, Mapping[str, object]]]) -> None:
    for number, message in messages:
        at_ms = as_time(message.get("timestamp"))
        draft.see_time(at_ms)
        if message.get("type") == "user":
            text = _text_of(message.get("displayContent")) or _text_of(message.get("content"))
            if text.strip():
                draft.begin_turn(number, text, at_ms, as_name(message.get("id")))
        elif message.get("type") == "gemini":
            _take_answer(draft, message, at_ms)


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return as_text(content)
    parts = as_maps(content) or ([content] if isinstance(content, dict) else [])
    return "\n\n".join(filter(None, (as_text(as_map(part).get("text")) for part in parts)))


def _take_answer(draft: Draft, message: Mapping[str, object], at_ms: int | None) -> None:
    model = as_optional(message.get("model"))
    draft.see_model(model)
    tokens = as_map(message.get("tokens"))
    if tokens:
        cached, thoughts = as_count(tokens.get("cached")), as_count(tokens.get("thoughts"))
        draft.add_usage(
            Usage(
                request_id=as_optional(message.get("id")),
                model=model,
                input_tokens=max(0, as_count(tokens.get("input")) - cached) + as_count(tokens.get("tool")),
                output_tokens=as_count(tokens.get("output")) + thoughts,
                cache_read_tokens=cached,
                reasoning_tokens=thoughts,
            )
        )
    for part in as_maps(message.get("toolCalls")):
        _take_call(draft, part, as_time(part.get("timestamp")) or at_ms)


def _take_call(draft: Draft, part: Mapping[str, object], at_ms: int | None) -> None:
    call = ToolCall(as_name(part.get("id")), as_name(part.get("name")), at_ms)
    call = read_call(call, part.get("args"), draft.cwd or "")
    failed = _OUTCOMES.get(as_name(part.get("status")))
    ok = None if failed is None else judge_call(call, failed=failed)
    shown = as_map(part.get("resultDisplay"))
    edits = _exact_edits(call.edits, as_text(shown.get("fileDiff")))
    draft.add_call(ToolCall(call.id, call.name, at_ms, call.paths, edits, ok))


def _exact_edits(edits: tuple[Edit, ...], diff: str) -> tuple[Edit, ...]:
    """The edits as the tool shows that it made them, where it does."""
    if not diff or not edits or edits[0].kind is EditKind.SHELL:
        return edits
    exact = read_patch(diff if "--- " in diff else f"--- a/file\n+++ b/file\n{diff}")
    added = tuple(line for edit in exact for line in edit.added)
    removed = tuple(line for edit in exact for line in edit.removed)
    if not added and not removed:
        return edits
    return (type(edits[0])(edits[0].path, EditKind.PATCH, added, removed),)

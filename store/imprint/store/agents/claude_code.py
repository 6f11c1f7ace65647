"""Transcripts of Claude Code: lines of JSON under `~/.claude/projects`.

The format is not documented by its maker; what is relied on: each line has a `type`; `user` and `assistant`
lines have a `message` as the Messages API has it, a `uuid`, `timestamp`, `cwd`, `sessionId`, `version`,
`gitBranch`. One answer is streamed over several lines with one `message.id`. A tool's result comes in a
later `user` line, with what the tool did in `toolUseResult`. Work of sub-agents stands in lines with
`isSidechain`, in `progress` lines, or in a transcript of its own whose lines all have `isSidechain` and an
`agentId`.

Invariants:
    1. A turn begins with what a person typed: no tool result, no reminder, no output of a command, no
       summary of a compacted conversation, no message of a sub-agent, no interruption. A slash command
       begins a turn when a model answers it.
    2. What a sub-agent does within the transcript belongs to the turn that runs it.
    3. An edit whose result says how the file changed has exactly those lines (`EditKind.PATCH`); a person
       may have changed them before they were written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import Edit, EditKind, ToolCall, Usage
from imprint.store.agents.ports import TranscriptFormat
from imprint.store.agents.reading.draft import Draft
from imprint.store.agents.reading.lines import Lines
from imprint.store.agents.reading.patches import read_hunks
from imprint.store.agents.reading.tools import judge_call, read_call
from imprint.store.agents.reading.values import (
    as_cost,
    as_count,
    as_map,
    as_maps,
    as_name,
    as_optional,
    as_path,
    as_text,
    as_time,
    join_texts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.agents.model import ParsedSession

AGENT: Final = "claude-code"

_IDLE: Final = re.compile(
    rb'"type":"(?:file-history-snapshot|progress","data":\{"type":"(?:hook|bash|mcp)_progress)"'
)
"""Lines that say nothing of turns; they make up half of a transcript and are not decoded."""

_TYPES: Final = re.compile(
    rb'"type"\s*:\s*"(?:user|assistant|system|summary|file-history-snapshot|progress|queue-operation|attachment'
    rb'|mode|permission-mode|last-prompt|ai-title)"'
)
_NO_PROMPT: Final = re.compile(
    r"\s*(?:<(?:local-command-\w+|command-(?:message|args|contents)|bash-\w+|system-reminder|task-notification"
    r"|agent-notification|user-prompt-submit-hook|tool_use_error|new-diagnostics|ide_\w+)\b"
    r"|\[Request interrupted by user|Caveat: The messages below"
    r"|This session is being continued from a previous conversation)"
)
_REMINDER: Final = re.compile(r"<(system-reminder|ide_\w+)>.*?</\1>\s*", re.DOTALL)
_COMMAND: Final = re.compile(r"<command-name>\s*(/?[^<]*?)\s*</command-name>")
_ARGUMENTS: Final = re.compile(r"<command-args>(.*?)</command-args>", re.DOTALL)
_REFUSED: Final = re.compile(
    r"(?:Error: )?(?:The user doesn't want to|<tool_use_error>|Sibling tool call|Permission to)"
)
"""Results of calls that never ran."""

_SYNTHETIC: Final = "<synthetic>"


class ClaudeCode(TranscriptFormat):
    """See the module."""

    agent = AGENT

    def recognises(self, head: bytes) -> bool:
        """See `TranscriptFormat.recognises`."""
        named = b'"sessionId"' in head or b'"leafUuid"' in head or b'"isSnapshotUpdate"' in head
        return named and _TYPES.search(head) is not None and b'"projectHash"' not in head

    def parse(self, content: bytes) -> ParsedSession:
        """See `TranscriptFormat.parse`."""
        reader = _Reader(Lines(content))
        return reader.read()


def name_sub_session(session_id: str, agent_id: str) -> str:
    """The id of a sub-agent's session: its own is unique only within the session that started it."""
    return f"{session_id}.{agent_id}"


@dataclass(slots=True)
class _Pending:
    line: int
    prompt: str
    at_ms: int | None
    key: str


class _Reader:
    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._draft = Draft(AGENT)
        self._session = ""
        self._own_side: bool | None = None
        self._pending: _Pending | None = None
        self._seen: set[str] = set()

    def read(self) -> ParsedSession:
        for number, raw in self._lines.raw():
            if _IDLE.search(raw, 0, 4096):
                continue
            line = self._lines.decode(number, raw)
            if line is not None:
                self._take(number, line)
        return self._draft.build(self._lines)

    def _take(self, number: int, line: Mapping[str, object]) -> None:
        kind = as_name(line.get("type"))
        draft = self._draft
        draft.see_time(as_time(line.get("timestamp")))
        if kind in {"user", "assistant"}:
            self._see_session(line)
            if kind == "assistant":
                self._take_answer(line)
            else:
                self._take_user(number, line)
        elif kind == "progress":
            self._take_progress(line)
        elif kind == "attachment":
            self._take_attachment(number, line)
        elif kind == "summary" and line.get("summary"):
            draft.extra.setdefault("title", as_text(line["summary"])[:1000])

    def _see_session(self, line: Mapping[str, object]) -> None:
        draft = self._draft
        self._session = self._session or as_name(line.get("sessionId"))
        if self._own_side is None:
            agent_id = as_name(line.get("agentId"))
            self._own_side = bool(line.get("isSidechain")) and bool(agent_id)
            if self._own_side:
                draft.id = name_sub_session(self._session, agent_id)
                draft.parent_id = self._session or None
        draft.id = draft.id or self._session or None
        draft.cwd = draft.cwd or as_path(line.get("cwd")) or None
        draft.branch = draft.branch or as_optional(line.get("gitBranch"))
        draft.agent_version = as_optional(line.get("version")) or draft.agent_version

    def _take_user(self, number: int, line: Mapping[str, object]) -> None:
        content = as_map(line.get("message")).get("content")
        results = [part for part in as_maps(content) if part.get("type") == "tool_result"]
        for part in results:
            self._take_result(part, line.get("toolUseResult") if len(results) == 1 else None)
        side = bool(line.get("isSidechain")) and not self._own_side
        if line.get("isMeta") or line.get("isCompactSummary") or side:
            return
        self._take_prompt(number, line, _prompt_of(content))

    def _take_prompt(self, number: int, line: Mapping[str, object], text: str) -> None:
        at_ms, key = as_time(line.get("timestamp")), as_name(line.get("uuid"))
        command = _COMMAND.search(text)
        if command and text.lstrip().startswith("<command-"):
            arguments = _ARGUMENTS.search(text)
            prompt = f"{command[1]} {arguments[1].strip() if arguments else ''}".strip()
            self._pending = _Pending(number, prompt, at_ms, key)
        elif _NO_PROMPT.match(text):
            if text.lstrip().startswith("<local-command-"):
                self._pending = None
        elif text.strip():
            self._pending = None
            self._draft.begin_turn(number, text, at_ms, key)

    def _take_attachment(self, number: int, line: Mapping[str, object]) -> None:
        attachment = as_map(line.get("attachment"))
        if attachment.get("type") != "queued_command" or attachment.get("commandMode") == "task-notification":
            return
        self._take_prompt(number, line, _prompt_of(attachment.get("prompt")))

    def _take_progress(self, line: Mapping[str, object]) -> None:
        data = as_map(line.get("data"))
        inner = as_map(data.get("message"))
        if data.get("type") != "agent_progress" or not inner:
            return
        agent_id, caller = as_name(data.get("agentId")), as_name(line.get("parentToolUseID"))
        if agent_id and caller:
            sub_session = name_sub_session(self._session, agent_id)
            self._draft.finish_call(caller, ok=None, sub_session=sub_session)
        if inner.get("type") == "assistant":
            self._take_answer({"isSidechain": True, **inner})
        else:
            for part in as_maps(as_map(inner.get("message")).get("content")):
                if part.get("type") == "tool_result":
                    self._take_result(part, inner.get("toolUseResult"))

    def _take_answer(self, line: Mapping[str, object]) -> None:
        message = as_map(line.get("message"))
        model = as_optional(message.get("model"))
        if model == _SYNTHETIC:
            return
        side = bool(line.get("isSidechain")) and not self._own_side
        if self._pending is not None and not side:
            pending, self._pending = self._pending, None
            self._draft.begin_turn(pending.line, pending.prompt, pending.at_ms, pending.key)
        if not side:
            self._draft.see_model(model)
        self._take_usage(line, message, model)
        at_ms = as_time(line.get("timestamp"))
        cwd = as_path(line.get("cwd")) or self._draft.cwd or ""
        for part in as_maps(message.get("content")):
            if part.get("type") == "tool_use":
                call = ToolCall(as_name(part.get("id")), as_name(part.get("name")), at_ms)
                self._draft.add_call(read_call(call, part.get("input"), cwd))

    def _take_usage(
        self, line: Mapping[str, object], message: Mapping[str, object], model: str | None
    ) -> None:
        usage = as_map(message.get("usage"))
        if not usage:
            return
        self._draft.add_usage(
            Usage(
                request_id=as_optional(message.get("id")) or as_optional(line.get("requestId")),
                model=model,
                input_tokens=as_count(usage.get("input_tokens")),
                output_tokens=as_count(usage.get("output_tokens")),
                cache_read_tokens=as_count(usage.get("cache_read_input_tokens")),
                cache_write_tokens=as_count(usage.get("cache_creation_input_tokens")),
                cost_usd=as_cost(line.get("costUSD")),
            )
        )

    def _take_result(self, part: Mapping[str, object], outcome: object) -> None:
        call = self._draft.find_call(as_name(part.get("tool_use_id")))
        if call is None:
            return
        failed = part.get("is_error") is True or (isinstance(outcome, str) and outcome.startswith("Error"))
        done = as_map(outcome)
        agent_id = as_name(done.get("agentId"))
        sub_session = name_sub_session(self._session, agent_id) if agent_id else call.sub_session
        edits = call.edits if failed else _exact_edits(call.edits, done)
        refused = failed and _REFUSED.match(join_texts(part.get("content"))) is not None
        ok = False if refused else judge_call(call, failed=failed)
        self._draft.change_call(replace(call, ok=ok, sub_session=sub_session, edits=edits))


def _prompt_of(content: object) -> str:
    """What a person typed, without what the program put beside it."""
    text = join_texts(content)
    if not text and any(part.get("type") == "image" for part in as_maps(content)):
        return "[image]"
    return _REMINDER.sub("", text) if "<system-reminder>" in text or "<ide_" in text else text


def _exact_edits(edits: tuple[Edit, ...], done: Mapping[str, object]) -> tuple[Edit, ...]:
    """The edits as the tool reports that it made them, where it does."""
    if not edits or edits[0].kind is EditKind.SHELL or "structuredPatch" not in done:
        return edits
    exact = read_hunks(edits[0].path, done["structuredPatch"])
    return edits if exact is None else (exact,)

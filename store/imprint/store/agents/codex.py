"""Transcripts of Codex CLI: rollouts under `~/.codex/sessions`.

Lines are `{timestamp, type, payload}`. Two logs interleave: `response_item` is what the model saw and said,
`event_msg` what the terminal showed. A prompt stands in both, one right after the other. The program writes
messages of its own as the user's, in tags such as `<environment_context>`; they are no prompts.

Invariants:
    1. `token_count` is a running total of the session: usage is the difference to the one before. Its
       request is named by the turn and the total, so what a fork copies of its parent's history is the same
       request.
    2. What `patch_apply_end` says was changed takes the place of what the patch asked for.
    3. Reasoning, encrypted or not, is not read.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import Edit, EditKind, ToolCall, Usage
from imprint.store.agents.ports import TranscriptFormat
from imprint.store.agents.reading.draft import Draft
from imprint.store.agents.reading.lines import Lines
from imprint.store.agents.reading.patches import read_patch
from imprint.store.agents.reading.tools import judge_call, paths_of, read_call
from imprint.store.agents.reading.values import (
    as_count,
    as_map,
    as_name,
    as_optional,
    as_path,
    as_text,
    as_time,
    join_texts,
    split_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imprint.store.agents.model import ParsedSession

AGENT: Final = "codex"

_IDLE: Final = re.compile(
    rb'"type":"compacted"|"payload":\{"type":"(?:reasoning|agent_message|agent_reasoning\w*|web_search_\w+'
    rb'|context_compacted|turn_diff|world_state|mcp_tool_call_\w+|thread_name_updated)"'
)
_SEALED: Final = re.compile(rb'("encrypted_content"[ \t]*+:[ \t]*+)"[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+"')
_OWN_MESSAGE: Final = re.compile(
    r"\s*(?:<(?:environment_context|user_instructions|permissions|subagent_notification"
    r"|turn_aborted|user_shell_command|skill|skills_instructions|INSTRUCTIONS|collaboration_mode|user_action"
    r"|model_switch|agents?_context|apps_instructions|plugins_instructions|recommended_plugins|hook_prompt)\b"
    r"|# AGENTS\.md instructions)"
)
_EXIT_CODE: Final = re.compile(r"(?:Process exited with code|Exit code:) (-?\d{1,9})")


def drop_sealed(content: bytes) -> bytes:
    """Lines without reasoning that only the model's provider can open: `null` stands in its place.

    The field `encrypted_content` of items of kind `reasoning` and of compactions holds it. A line that was
    JSON stays JSON, and there are as many lines as before; a name within another text is left alone.
    """
    return _SEALED.sub(rb"\1null", content)


class Codex(TranscriptFormat):
    """See the module."""

    agent = AGENT

    def recognises(self, head: bytes) -> bool:
        """See `TranscriptFormat.recognises`."""
        return (
            b'"payload"' in head
            and re.search(rb'"type"\s*:\s*"(?:session_meta|response_item|event_msg|turn_context)"', head)
            is not None
        )

    def parse(self, content: bytes) -> ParsedSession:
        """See `TranscriptFormat.parse`."""
        return _Reader(Lines(content)).read()


class _Reader:
    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._draft = Draft(AGENT)
        self._turn_id = ""
        self._cwd = ""
        self._model: str | None = None
        self._total: Mapping[str, object] = {}
        self._totals: set[int] = set()
        self._takers: dict[str, Callable[[int, Mapping[str, object], int | None], None]] = {
            "session_meta": self._take_meta,
            "turn_context": self._take_context,
            "response_item": self._take_item,
            "event_msg": self._take_event,
        }

    def read(self) -> ParsedSession:
        for number, raw in self._lines.raw():
            if _IDLE.search(raw, 0, 200):
                continue
            line = self._lines.decode(number, raw)
            if line is None:
                continue
            at_ms = as_time(line.get("timestamp"))
            self._draft.see_time(at_ms)
            taker = self._takers.get(as_name(line.get("type")))
            if taker is not None:
                taker(number, as_map(line.get("payload")), at_ms)
        return self._draft.build(self._lines)

    def _take_meta(self, _number: int, payload: Mapping[str, object], _at_ms: int | None) -> None:
        draft = self._draft
        if draft.id is not None:
            return
        draft.id = as_optional(payload.get("id"))
        draft.agent_version = as_optional(payload.get("cli_version"))
        draft.cwd = as_path(payload.get("cwd")) or None
        draft.branch = as_optional(as_map(payload.get("git")).get("branch"))
        spawn = as_map(as_map(as_map(payload.get("source")).get("subagent")).get("thread_spawn"))
        parents = (
            spawn.get("parent_thread_id"),
            payload.get("parent_thread_id"),
            payload.get("forked_from_id"),
        )
        draft.parent_id = next((name for name in map(as_optional, parents) if name), None)
        for name in ("originator", "model_provider", "forked_from_id"):
            if isinstance(payload.get(name), str):
                draft.extra[name] = as_name(payload[name])

    def _take_context(self, _number: int, payload: Mapping[str, object], _at_ms: int | None) -> None:
        self._turn_id = as_name(payload.get("turn_id")) or self._turn_id
        self._model = as_optional(payload.get("model")) or self._model
        self._cwd = as_path(payload.get("cwd")) or self._cwd
        self._draft.cwd = self._draft.cwd or self._cwd or None

    def _take_item(self, number: int, payload: Mapping[str, object], at_ms: int | None) -> None:
        kind = as_name(payload.get("type"))
        if kind == "message":
            self._take_message(number, payload, at_ms)
        elif kind in {"function_call", "custom_tool_call", "local_shell_call"}:
            self._take_call(payload, kind, at_ms)
        elif kind in {"function_call_output", "custom_tool_call_output"}:
            self._take_output(payload)

    def _take_message(self, number: int, payload: Mapping[str, object], at_ms: int | None) -> None:
        if payload.get("role") == "user":
            text = join_texts(payload.get("content"), ("input_text", "text"))
            if text.strip() and not _OWN_MESSAGE.match(text):
                self._draft.begin_turn(number, text, at_ms)
        elif payload.get("role") == "assistant":
            self._draft.see_model(self._model)

    def _take_call(self, payload: Mapping[str, object], kind: str, at_ms: int | None) -> None:
        given: object = payload.get("input")
        name = as_name(payload.get("name"))
        if kind == "local_shell_call":
            name, given = "local_shell", as_map(payload.get("action"))
        elif kind == "function_call":
            given = _decode(payload.get("arguments"))
        call_id = as_name(payload.get("call_id")) or as_name(payload.get("id"))
        self._draft.see_model(self._model)
        self._draft.add_call(read_call(ToolCall(call_id, name, at_ms), given, self._cwd))

    def _take_output(self, payload: Mapping[str, object]) -> None:
        call = self._draft.find_call(as_name(payload.get("call_id")))
        if call is None or call.ok is not None:
            return
        output = payload.get("output")
        text = as_text(output) if isinstance(output, str) else as_text(as_map(output).get("content"))
        fields = as_map(_decode(text)) if text.startswith("{") else {}
        code = as_map(fields.get("metadata")).get("exit_code")
        told = _EXIT_CODE.search(text[:2000])
        if code is None and told:
            code = int(told[1])
        sub_session = as_optional(fields.get("agent_id")) if call.name == "spawn_agent" else None
        ok = None if code is None else judge_call(call, failed=code != 0)
        self._draft.finish_call(call.id, ok=ok, sub_session=sub_session)

    def _take_event(self, number: int, payload: Mapping[str, object], at_ms: int | None) -> None:
        kind = payload.get("type")
        if kind == "user_message":
            text = as_text(payload.get("message"))
            if text.strip() and not _OWN_MESSAGE.match(text) and not self._is_current(text):
                self._draft.begin_turn(number, text, at_ms)
        elif kind == "token_count":
            self._take_tokens(as_map(payload.get("info")))
        elif kind == "patch_apply_end":
            self._take_patch(payload)
        elif kind == "exec_command_end":
            call = self._draft.find_call(as_name(payload.get("call_id")))
            code = payload.get("exit_code")
            if call is not None and isinstance(code, int):
                self._draft.finish_call(call.id, ok=judge_call(call, failed=code != 0))
        elif kind == "task_started":
            self._turn_id = as_name(payload.get("turn_id")) or self._turn_id

    def _is_current(self, text: str) -> bool:
        fresh = self._draft.fresh_prompt
        return fresh is not None and (text.strip() in fresh or fresh.strip() in text)

    def _take_tokens(self, info: Mapping[str, object]) -> None:
        total = as_map(info.get("total_token_usage"))
        sum_of_all = as_count(total.get("total_tokens"))
        if not total or sum_of_all in self._totals:
            return
        self._totals.add(sum_of_all)
        before, self._total = self._total, total
        if any(as_count(total.get(name)) < as_count(value) for name, value in before.items()):
            before, total = {}, as_map(info.get("last_token_usage"))  # the count began anew

        def grown(name: str) -> int:
            return as_count(total.get(name)) - as_count(before.get(name))

        cached = grown("cached_input_tokens")
        usage = Usage(
            request_id=f"{self._turn_id or self._draft.id or ''}:{sum_of_all}",
            model=self._model,
            input_tokens=max(0, grown("input_tokens") - cached),
            output_tokens=grown("output_tokens"),
            cache_read_tokens=cached,
            reasoning_tokens=grown("reasoning_output_tokens"),
        )
        if usage.input_tokens or usage.output_tokens or cached:
            self._draft.add_usage(usage)

    def _take_patch(self, payload: Mapping[str, object]) -> None:
        call = self._draft.find_call(as_name(payload.get("call_id")))
        if call is None:
            return
        if payload.get("success") is False:
            self._draft.change_call(replace(call, ok=False))
            return
        edits = tuple(
            edit
            for path, change in as_map(payload.get("changes")).items()
            for edit in _read_change(as_path(path), as_map(change))
        )
        self._draft.change_call(
            replace(call, ok=True, edits=edits or call.edits, paths=paths_of(edits, *call.paths))
        )


def _read_change(path: str, change: Mapping[str, object]) -> tuple[Edit, ...]:
    kind = change.get("type")
    if kind == "add":
        return (Edit(path, EditKind.WRITE, split_text(as_text(change.get("content")))),)
    if kind == "delete":
        return (Edit(path, EditKind.DELETE),)
    moved = as_path(change.get("move_path"))
    edits = [
        replace(edit, path=moved or path) for edit in read_patch(_with_names(change.get("unified_diff")))
    ]
    if moved and moved != path:
        edits.insert(0, Edit(moved, EditKind.MOVE, old_path=path))
    return tuple(edits)


def _with_names(diff: object) -> str:
    text = as_text(diff)
    return text if text.startswith("--- ") else f"--- a/file\n+++ b/file\n{text}"


def _decode(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value

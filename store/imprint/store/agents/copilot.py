"""Transcripts of GitHub Copilot CLI: `events.jsonl` under `~/.copilot/session-state/<id>`.

Lines are events `{type, data, id, timestamp, parentId}`, as the documentation of the Copilot SDK lists them:
`session.start`, `session.model_change`, `session.shutdown`, `user.message`, `assistant.message`,
`tool.execution_start`, `tool.execution_complete`, `subagent.started`.

Invariants:
    1. `session.shutdown` has the tokens of each model; it takes the place of what single messages said,
       which is their output alone. Where a later shutdown has more of everything, it is a running total.
    2. Its `inputTokens` include those of the cache; `Usage.input_tokens` does not. Premium requests are no
       money.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import ToolCall, Usage
from imprint.store.agents.ports import TranscriptFormat
from imprint.store.agents.reading.draft import Draft
from imprint.store.agents.reading.lines import Lines
from imprint.store.agents.reading.tools import judge_call, paths_of, read_call
from imprint.store.agents.reading.values import (
    as_count,
    as_items,
    as_map,
    as_name,
    as_optional,
    as_path,
    as_text,
    as_time,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imprint.store.agents.model import ParsedSession

AGENT: Final = "copilot"

_HEAD: Final = re.compile(
    rb'"type"\s*:\s*"(?:session\.(?:start|resume|model_change|info)|user\.message|assistant\.(?:turn_start|message)'
    rb'|tool\.execution_\w+)"'
)
_COUNTS: Final = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "reasoningTokens")


class Copilot(TranscriptFormat):
    """See the module."""

    agent = AGENT

    def recognises(self, head: bytes) -> bool:
        """See `TranscriptFormat.recognises`."""
        return _HEAD.search(head) is not None and b'"data"' in head

    def parse(self, content: bytes) -> ParsedSession:
        """See `TranscriptFormat.parse`."""
        return _Reader(Lines(content)).read()


class _Reader:
    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._draft = Draft(AGENT)
        self._model: str | None = None
        self._single: set[str] = set()
        self._events: set[str] = set()
        self._totals: dict[str, dict[str, int]] = {}
        self._takers: dict[str, Callable[[int, Mapping[str, object], int | None], None]] = {
            "session.start": self._take_start,
            "session.resume": self._take_start,
            "session.model_change": self._take_model,
            "session.shutdown": self._take_shutdown,
            "user.message": self._take_prompt,
            "assistant.message": self._take_message,
            "tool.execution_start": self._take_call,
            "tool.execution_complete": self._take_result,
            "subagent.started": self._take_sub_agent,
        }

    def read(self) -> ParsedSession:
        for number, line in self._lines:
            key = as_name(line.get("id"))
            if key and key in self._events:
                continue
            self._events.add(key)
            at_ms = as_time(line.get("timestamp"))
            self._draft.see_time(at_ms)
            taker = self._takers.get(as_name(line.get("type")))
            if taker is not None:
                taker(number, as_map(line.get("data")), at_ms)
        return self._draft.build(self._lines)

    def _take_start(self, _number: int, data: Mapping[str, object], _at_ms: int | None) -> None:
        draft, context = self._draft, as_map(data.get("context"))
        draft.id = draft.id or as_optional(data.get("sessionId"))
        version = as_optional(data.get("copilotVersion")) or as_optional(data.get("version"))
        draft.agent_version = draft.agent_version or version
        draft.cwd = draft.cwd or as_path(context.get("cwd")) or None
        draft.branch = draft.branch or as_optional(context.get("branch"))
        self._model = as_optional(data.get("selectedModel")) or self._model

    def _take_model(self, _number: int, data: Mapping[str, object], _at_ms: int | None) -> None:
        self._model = as_optional(data.get("newModel")) or self._model

    def _take_prompt(self, number: int, data: Mapping[str, object], at_ms: int | None) -> None:
        text = as_text(data.get("content"))
        if text.strip() and as_name(data.get("source")) not in {"system", "skill"}:
            self._draft.begin_turn(number, text, at_ms)

    def _take_message(self, _number: int, data: Mapping[str, object], _at_ms: int | None) -> None:
        model = as_optional(data.get("model")) or self._model
        self._draft.see_model(model)
        output, key = as_count(data.get("outputTokens")), as_name(data.get("messageId"))
        if output and key:
            self._single.add(key)
            self._draft.add_usage(Usage(request_id=key, model=model, output_tokens=output))

    def _take_call(self, _number: int, data: Mapping[str, object], at_ms: int | None) -> None:
        call = ToolCall(as_name(data.get("toolCallId")), as_name(data.get("toolName")), at_ms)
        given = data.get("arguments")
        if isinstance(given, str) and given.lstrip().startswith("{"):
            given = _decode(given)
        self._draft.add_call(read_call(call, given, self._draft.cwd or ""))

    def _take_result(self, _number: int, data: Mapping[str, object], _at_ms: int | None) -> None:
        call = self._draft.find_call(as_name(data.get("toolCallId")))
        if call is None:
            return
        properties = as_map(as_map(data.get("toolTelemetry")).get("properties"))
        named = _decode(as_text(properties.get("filePaths")))
        paths = [as_path(path) for path in as_items(named)]
        success = data.get("success")
        ok = judge_call(call, failed=not success) if isinstance(success, bool) else None
        self._draft.change_call(replace(call, ok=ok, paths=paths_of(call.edits, *call.paths, *paths)))

    def _take_sub_agent(self, _number: int, data: Mapping[str, object], _at_ms: int | None) -> None:
        started = as_optional(data.get("sessionId")) or as_optional(data.get("agentId"))
        self._draft.finish_call(as_name(data.get("toolCallId")), ok=None, sub_session=started)

    def _take_shutdown(self, number: int, data: Mapping[str, object], _at_ms: int | None) -> None:
        metrics = as_map(data.get("modelMetrics"))
        totals = {
            as_name(model): {
                name: as_count(as_map(as_map(metric).get("usage")).get(name)) for name in _COUNTS
            }
            for model, metric in metrics.items()
        }
        if not totals:
            return
        self._draft.drop_usage(self._single)
        self._single = set()
        before, self._totals = self._totals, totals
        if any(
            totals.get(model, {}).get(name, 0) < count
            for model, counts in before.items()
            for name, count in counts.items()
        ):
            before = {}  # the count began anew
        for model, counts in totals.items():
            grown = {name: count - before.get(model, {}).get(name, 0) for name, count in counts.items()}
            if any(grown.values()):
                self._draft.add_usage(_usage_of(f"shutdown {number} {model}", model, grown))


def _usage_of(key: str, model: str, counts: Mapping[str, int]) -> Usage:
    read, written = counts["cacheReadTokens"], counts["cacheWriteTokens"]
    return Usage(
        request_id=key,
        model=model,
        input_tokens=max(0, counts["inputTokens"] - read - written),
        output_tokens=counts["outputTokens"],
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=counts["reasoningTokens"],
    )


def _decode(text: str) -> object:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text

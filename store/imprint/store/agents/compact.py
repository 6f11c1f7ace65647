"""Compact transcripts as Entire writes them: `transcript.jsonl`, one form for all agents.

Lines are `{"v":1,"agent":…,"cli_version":…,"type":"user"|"assistant","ts":…,"content":[…]}`. Parts of a
user's content are `{id,text}`; an assistant's are `{type:"text",text}` and
`{type:"tool_use",id,name,input,result}`, the result within the call. The session's id is not in it, nor are
models and caches.

Invariants:
    1. The session's agent is the one that the lines name: `Claude Code` and `claude-code` are both written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import ToolCall, Usage
from imprint.store.agents.ports import TranscriptFormat
from imprint.store.agents.reading.draft import Draft
from imprint.store.agents.reading.lines import Lines
from imprint.store.agents.reading.tools import judge_call, read_call
from imprint.store.agents.reading.values import (
    as_count,
    as_map,
    as_maps,
    as_name,
    as_optional,
    as_text,
    as_time,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.agents.model import ParsedSession

_HEAD: Final = re.compile(rb'\s*\{\s*"v"\s*:\s*\d+\s*,\s*"agent"\s*:\s*"')


class Compact(TranscriptFormat):
    """See the module."""

    agent = "entire"

    def recognises(self, head: bytes) -> bool:
        """See `TranscriptFormat.recognises`."""
        return _HEAD.match(head) is not None

    def parse(self, content: bytes) -> ParsedSession:
        """See `TranscriptFormat.parse`."""
        lines = Lines(content)
        draft = Draft(self.agent)
        for number, line in lines:
            at_ms = as_time(line.get("ts"))
            draft.see_time(at_ms)
            draft.agent = as_name(line.get("agent")).lower().replace(" ", "-") or draft.agent
            draft.extra.setdefault("cli_version", as_name(line.get("cli_version")))
            if line.get("type") == "user":
                parts = as_maps(line.get("content"))
                text = "\n\n".join(filter(None, (as_text(part.get("text")) for part in parts)))
                key = next((name for name in (as_name(part.get("id")) for part in parts) if name), "")
                if text.strip():
                    draft.begin_turn(number, text, at_ms, key)
            elif line.get("type") == "assistant":
                _take_answer(draft, line, at_ms)
        return draft.build(lines)


def _take_answer(draft: Draft, line: Mapping[str, object], at_ms: int | None) -> None:
    usage = Usage(
        request_id=as_optional(line.get("id")),
        input_tokens=as_count(line.get("input_tokens")),
        output_tokens=as_count(line.get("output_tokens")),
    )
    if usage.input_tokens or usage.output_tokens:
        draft.add_usage(usage)
    for part in as_maps(line.get("content")):
        if part.get("type") != "tool_use":
            continue
        call = read_call(
            ToolCall(as_name(part.get("id")), as_name(part.get("name")), at_ms), part.get("input")
        )
        draft.add_call(call)
        result = as_map(part.get("result"))
        if result:
            failed = result.get("status") == "error" or result.get("is_error") is True
            draft.finish_call(call.id, ok=judge_call(call, failed=failed))

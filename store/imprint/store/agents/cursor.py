"""Transcripts of Cursor's agent: `agent-transcripts/<id>.jsonl` under `~/.cursor/projects/<folder>`.

Lines are `{role, message: {content: […]}}` with parts `{type:"text",text}` and
`{type:"tool_use",name,input}`. A person's words stand within `<user_query>`; what the editor adds stands in
other tags before it. There are no ids, times, models, tokens or results of tools, and the session's id is
only in the name of the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import ToolCall
from imprint.store.agents.ports import TranscriptFormat
from imprint.store.agents.reading.draft import Draft
from imprint.store.agents.reading.lines import Lines
from imprint.store.agents.reading.tools import read_call
from imprint.store.agents.reading.values import as_map, as_maps, as_name, as_optional, as_time, join_texts

if TYPE_CHECKING:
    from imprint.store.agents.model import ParsedSession

AGENT: Final = "cursor"

_HEAD: Final = re.compile(rb'\s*\{\s*"role"\s*:\s*"(?:user|assistant|system)"\s*,\s*"message"\s*:')
_QUERY: Final = re.compile(r"<user_query>\s*(.*?)\s*</user_query>", re.DOTALL)
_ADDED: Final = re.compile(
    r"<(user_info|git_status|attached_files|rules|additional_data|system_reminder|open_and_recently_viewed_files"
    r"|project_layout|agent_skills|agent_transcripts|timestamp)\b.*?</\1>\s*",
    re.DOTALL,
)


class Cursor(TranscriptFormat):
    """See the module."""

    agent = AGENT

    def recognises(self, head: bytes) -> bool:
        """See `TranscriptFormat.recognises`."""
        return _HEAD.match(head) is not None

    def parse(self, content: bytes) -> ParsedSession:
        """See `TranscriptFormat.parse`."""
        lines = Lines(content)
        draft = Draft(AGENT)
        for number, line in lines:
            parts = as_map(line.get("message")).get("content")
            at_ms = as_time(line.get("timestamp"))
            draft.see_time(at_ms)
            if line.get("role") == "user":
                prompt = _prompt_of(join_texts(parts))
                if prompt:
                    draft.begin_turn(number, prompt, at_ms)
            elif line.get("role") == "assistant":
                draft.see_model(as_optional(as_map(line.get("message")).get("model")))
                for part in as_maps(parts):
                    if part.get("type") == "tool_use":
                        call = ToolCall(as_name(part.get("id")), as_name(part.get("name")), at_ms)
                        draft.add_call(read_call(call, part.get("input")))
        return draft.build(lines)


def _prompt_of(text: str) -> str:
    queries = _QUERY.findall(text)
    return "\n\n".join(queries) if queries else _ADDED.sub("", text).strip()

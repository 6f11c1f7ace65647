"""Transcripts of external agents, read by their plug-ins.

Invariants:
    1. Total, as every format is: a plug-in that fails leaves a session with a problem that says what it did.
    2. Lines are those of the transcript itself: a turn begins where its prompt stands in it.
    3. The transcript is handed over in a file of mode 0600 that is gone when `parse` returns.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imprint.store.agents.compact import Compact
from imprint.store.agents.model import ParsedSession, ParsedTurn, Problem, ToolCall
from imprint.store.agents.ports import TranscriptFormat
from imprint.store.errors import PluginFailed

if TYPE_CHECKING:
    from imprint.store.agents.external.client import AgentInfo, ExternalAgent


class ExternalFormat(TranscriptFormat):
    """The transcripts of one external agent.

    Args:
        agent: its plug-in.
        info: what it said of itself.
    """

    def __init__(self, agent: ExternalAgent, info: AgentInfo) -> None:
        self.agent = info.name
        self._agent = agent
        self._info = info

    def recognises(self, head: bytes) -> bool:  # noqa: ARG002 - the protocol cannot tell
        """Never: the protocol has no question for it; who has such a transcript knows whose it is."""
        return False

    def parse(self, content: bytes) -> ParsedSession:
        """See `TranscriptFormat.parse`."""
        count = content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
        session = ParsedSession(self.agent, "", line_count=count)
        with tempfile.TemporaryDirectory(prefix="imprint-agent-") as folder:
            path = Path(folder, "transcript.jsonl")
            path.touch(mode=0o600)
            path.write_bytes(content)
            try:
                session = self._read(session, str(path))
                session = replace(session, turns=_place(session.turns, content, count))
                return self._count(session, content)
            except PluginFailed as error:
                problem = Problem(str(self._agent.program), error.message)
                return replace(session, problems=(*session.problems, problem))

    def _read(self, session: ParsedSession, path: str) -> ParsedSession:
        if "compact_transcript" in self._info.capabilities:
            compact = Compact().parse(self._agent.compact_transcript(path))
            return replace(compact, agent=self.agent, line_count=session.line_count)
        if "transcript_analyzer" not in self._info.capabilities:
            problem = Problem(str(self._agent.program), "can neither compact nor analyse transcripts")
            return replace(session, problems=(problem,))
        prompts = self._agent.list_prompts(path)
        turns = [ParsedTurn(number, prompt) for number, prompt in enumerate(prompts, 1)]
        files, _ = self._agent.list_modified_files(path)
        if files:
            turns = turns or [ParsedTurn(1, "")]
            turns[-1] = replace(turns[-1], calls=(ToolCall("", "extract-modified-files", paths=files),))
        return replace(session, turns=tuple(turns))

    def _count(self, session: ParsedSession, content: bytes) -> ParsedSession:
        known = any(turn.usage for turn in session.turns)
        if known or not session.turns or "token_calculator" not in self._info.capabilities:
            return session
        usage = self._agent.count_tokens(content)
        *before, last = session.turns
        return replace(session, turns=(*before, replace(last, usage=(usage,))))


def _place(turns: tuple[ParsedTurn, ...], content: bytes, count: int) -> tuple[ParsedTurn, ...]:
    """The turns with the lines where their prompts stand; one that is not found begins where the last did."""
    starts: list[int] = []
    at = line = 0
    for turn in turns:
        mark = json.dumps(turn.prompt[:200], ensure_ascii=False)[1:-1].encode()
        found = content.find(mark, at) if mark else -1
        if found >= 0:
            line += content.count(b"\n", at, found)
            at = found
        starts.append(line if starts else 0)
    ends = [*starts[1:], count]
    return tuple(
        replace(turn, first_line=start, end_line=end)
        for turn, start, end in zip(turns, starts, ends, strict=False)
    )

"""A session while it is being read: turns open, calls get their results, usage is counted once.

Invariants:
    1. What a transcript repeats (a call's id, a request's id, a prompt's id) is one thing; a later line
       about a request replaces its numbers where they are larger, as streamed answers count up.
    2. Turns cover all lines: the first begins at line 0, each ends where the next begins.
    3. Nothing before the first prompt is lost: it opens a turn without one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imprint.store.agents.model import ParsedSession, ParsedTurn, ToolCall, Usage
from imprint.store.agents.reading.places import Places

if TYPE_CHECKING:
    from imprint.store.agents.reading.lines import Document, Lines


@dataclass(slots=True)
class _Turn:
    prompt: str
    at_ms: int | None
    first_line: int
    model: str | None = None
    calls: list[int] = field(default_factory=list)
    usage: list[int] = field(default_factory=list)


class Draft:
    """Collects what a transcript says, line by line.

    Attributes:
        agent, id, agent_version, parent_id, cwd, branch: see `ParsedSession`; None until they are known.
        extra: likewise.
    """

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.id: str | None = None
        self.agent_version: str | None = None
        self.parent_id: str | None = None
        self.cwd: str | None = None
        self.branch: str | None = None
        self.extra: dict[str, object] = {}
        self._turns: list[_Turn] = []
        self._prompts: set[str] = set()
        self._calls: list[ToolCall] = []
        self._call_of: dict[str, int] = {}
        self._usage: list[Usage] = []
        self._usage_of: dict[str, int] = {}
        self._models: dict[str, None] = {}
        self._first_ms: int | None = None
        self._last_ms: int | None = None

    def see_time(self, at_ms: int | None) -> None:
        """Take note of a line's time."""
        if at_ms is not None:
            self._first_ms = at_ms if self._first_ms is None else self._first_ms
            self._last_ms = at_ms

    def begin_turn(self, line: int, prompt: str, at_ms: int | None = None, key: str = "") -> bool:
        """A prompt was given; False if this one, by its `key`, was seen before."""
        if key:
            if key in self._prompts:
                return False
            self._prompts.add(key)
        first = line if self._turns else 0
        self._turns.append(_Turn(prompt, at_ms, first))
        return True

    @property
    def fresh_prompt(self) -> str | None:
        """The prompt of a turn in which nothing was done yet; None if something was, or none has begun."""
        turn = self._turns[-1] if self._turns else None
        return None if turn is None or turn.calls or turn.usage else turn.prompt

    def add_call(self, call: ToolCall) -> None:
        """A tool was used; the same id again is the same call."""
        if call.id and call.id in self._call_of:
            return
        index = len(self._calls)
        if call.id:
            self._call_of[call.id] = index
        self._calls.append(call)
        self._current().calls.append(index)

    def find_call(self, call_id: str) -> ToolCall | None:
        """A call as it is known by now."""
        index = self._call_of.get(call_id)
        return None if index is None else self._calls[index]

    def change_call(self, call: ToolCall) -> None:
        """Put a call in place of the one of the same id."""
        index = self._call_of.get(call.id)
        if index is not None:
            self._calls[index] = call

    def finish_call(self, call_id: str, *, ok: bool | None, sub_session: str | None = None) -> None:
        """A call's result came; of an unknown call nothing is noted."""
        call = self.find_call(call_id)
        if call is not None:
            self.change_call(
                replace(
                    call,
                    ok=call.ok if ok is None else ok,
                    sub_session=sub_session or call.sub_session,
                )
            )

    def see_model(self, model: str | None) -> None:
        """A model answered."""
        if model:
            self._models.setdefault(model)
            self._current().model = model

    def add_usage(self, usage: Usage) -> None:
        """What a request took; the same request again replaces what it said before."""
        key = usage.request_id
        if key is not None and key in self._usage_of:
            index = self._usage_of[key]
            self._usage[index] = _larger(self._usage[index], usage)
            return
        if key is not None:
            self._usage_of[key] = len(self._usage)
        self._current().usage.append(len(self._usage))
        self._usage.append(usage)

    def drop_usage(self, keys: set[str]) -> None:
        """Forget requests whose sum came from elsewhere."""
        gone = {self._usage_of[key] for key in keys if key in self._usage_of}
        for turn in self._turns:
            turn.usage = [index for index in turn.usage if index not in gone]

    def build(self, lines: Lines | Document) -> ParsedSession:
        """The session as read."""
        places = Places(self.cwd)
        ends = [*(turn.first_line for turn in self._turns[1:]), lines.count]
        turns = tuple(
            ParsedTurn(
                number=number,
                prompt=turn.prompt,
                at_ms=turn.at_ms,
                first_line=turn.first_line,
                end_line=end,
                model=turn.model,
                calls=tuple(places.settle(self._calls[index]) for index in turn.calls),
                usage=tuple(self._usage[index] for index in turn.usage),
            )
            for number, (turn, end) in enumerate(zip(self._turns, ends, strict=False), 1)
        )
        return ParsedSession(
            agent=self.agent,
            id=self.id or "",
            turns=turns,
            agent_version=self.agent_version,
            parent_id=self.parent_id,
            cwd=self.cwd,
            branch=self.branch,
            started_at_ms=self._first_ms,
            ended_at_ms=self._last_ms,
            models=tuple(self._models),
            line_count=lines.count,
            problems=lines.problems,
            extra=self.extra,
        )

    def _current(self) -> _Turn:
        if not self._turns:
            self._turns.append(_Turn("", None, 0))
        return self._turns[-1]


def _larger(known: Usage, again: Usage) -> Usage:
    return replace(
        again,
        model=again.model or known.model,
        input_tokens=max(known.input_tokens, again.input_tokens),
        output_tokens=max(known.output_tokens, again.output_tokens),
        cache_read_tokens=max(known.cache_read_tokens, again.cache_read_tokens),
        cache_write_tokens=max(known.cache_write_tokens, again.cache_write_tokens),
        reasoning_tokens=max(known.reasoning_tokens, again.reasoning_tokens),
        cost_usd=known.cost_usd if again.cost_usd is None else again.cost_usd,
    )

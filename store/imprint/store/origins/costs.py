"""What sessions took: tokens, and money where transcripts state it.

Invariants:
    1. A request counts once, though several transcripts tell of it: a sub-agent's and its parent's, a fork's
       and what it was forked from.
    2. Money is what transcripts state. Requests without a price are counted apart; nothing is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.origins.tally import month_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imprint.store.agents.model import Usage
    from imprint.store.sessions.model import ArchivedSession, ArchivedTurn
    from imprint.store.sessions.ports import Archive

    Json = dict[str, object]

_PAGE: Final = 500
_UNNAMED: Final = "not said"


@dataclass(slots=True)
class Cost:
    """What was taken by one agent, model, actor, session or month.

    Attributes:
        name: whose.
        requests: to models.
        input_tokens: without those of caches.
        output_tokens: with reasoning.
        cache_read_tokens, cache_write_tokens: from and to caches.
        stated_usd: US dollars that transcripts state.
        unpriced: requests of which none does.
        sessions: that had any request.
    """

    name: str
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    stated_usd: float = 0.0
    unpriced: int = 0
    sessions: set[str] = field(default_factory=set)

    def add(self, session_id: str, usage: Usage) -> None:
        """Count a request."""
        self.sessions.add(session_id)
        self.requests += 1
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cache_read_tokens += usage.cache_read_tokens
        self.cache_write_tokens += usage.cache_write_tokens
        if usage.cost_usd is None:
            self.unpriced += 1
        else:
            self.stated_usd += usage.cost_usd

    def to_json(self) -> Json:
        """`usd` is null where no request has a price."""
        priced = self.requests - self.unpriced
        return {
            "name": self.name,
            "sessions": len(self.sessions),
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cache_read_tokens": self.cache_read_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "usd": round(self.stated_usd, 6) if priced else None,
            "unpriced": self.unpriced,
        }


@dataclass(frozen=True, slots=True)
class Costs:
    """What all sessions of a repository took.

    Attributes:
        total: of all.
        agents, models, actors, sessions, months: each adds up to `total`; most tokens first, months in order.
        undated: requests without a time, left out where a range of dates was asked for.
    """

    total: Cost
    agents: tuple[Cost, ...]
    models: tuple[Cost, ...]
    actors: tuple[Cost, ...]
    sessions: tuple[Cost, ...]
    months: tuple[Cost, ...]
    undated: int = 0

    def to_json(self) -> Json:
        """The sums as JSON."""
        groups = {"agents": self.agents, "models": self.models, "actors": self.actors}
        groups |= {"sessions": self.sessions, "months": self.months}
        lists = {name: [cost.to_json() for cost in costs] for name, costs in groups.items()}
        return {"total": self.total.to_json(), "undated": self.undated, **lists}


def sum_costs(
    archive: Archive, repository_id: str, since_ms: int | None = None, until_ms: int | None = None
) -> Costs:
    """Sum up what the archive's sessions took, of turns from `since_ms` to before `until_ms`."""
    total = Cost("all")
    groups: dict[str, dict[str, Cost]] = {
        name: {} for name in ("agent", "model", "actor", "session", "month")
    }
    seen: set[tuple[str, str]] = set()
    undated = 0
    for session, turn, usage in _iter_usage(archive, repository_id):
        if usage.request_id is not None:
            if (session.agent, usage.request_id) in seen:
                continue
            seen.add((session.agent, usage.request_id))
        at_ms = turn.at_ms if turn.at_ms is not None else session.started_at_ms
        if since_ms is not None or until_ms is not None:
            if at_ms is None:
                undated += 1
                continue
            if at_ms < (since_ms or 0) or (until_ms is not None and at_ms >= until_ms):
                continue
        total.add(session.id, usage)
        month = _UNNAMED if at_ms is None else month_of(at_ms)
        names = {"agent": session.agent, "model": usage.model or _UNNAMED, "actor": session.actor}
        for group, name in (names | {"session": session.id, "month": month}).items():
            groups[group].setdefault(name, Cost(name)).add(session.id, usage)
    return Costs(
        total,
        agents=_order(groups["agent"]),
        models=_order(groups["model"]),
        actors=_order(groups["actor"]),
        sessions=_order(groups["session"]),
        months=tuple(groups["month"][name] for name in sorted(groups["month"])),
        undated=undated,
    )


def _iter_usage(
    archive: Archive, repository_id: str
) -> Iterator[tuple[ArchivedSession, ArchivedTurn, Usage]]:
    serial = 0
    while sessions := archive.list_sessions(repository_id, after_serial=serial, limit=_PAGE):
        for session in sessions:
            serial = session.serial
            for turn in archive.list_turns(repository_id, session.id):
                for usage in turn.usage:
                    yield session, turn, usage


def _order(costs: Mapping[str, Cost]) -> tuple[Cost, ...]:
    def weight(cost: Cost) -> tuple[int, str]:
        spent = cost.input_tokens + cost.output_tokens + cost.cache_read_tokens + cost.cache_write_tokens
        return -spent, cost.name

    return tuple(sorted(costs.values(), key=weight))

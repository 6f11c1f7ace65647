"""Counting commits and lines into evidence classes, by agent, model, actor, month, folder, symbol.

Invariants:
    1. Every commit and every line is counted in exactly one class. The counts of months add up to those of
       all commits; the folder `""` holds all lines; agents, actors and what no claim names add up to all
       lines.
    2. `unknown` is a class of its own and never counted as anybody's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Claim, Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from imprint.store.history.blame import Span
    from imprint.store.objects.ports import Commit
    from imprint.store.types import ObjectId

    Locate = Callable[[bytes], Iterable[tuple[str, int, int]]]
    """Names the symbols of a file of the audited commit, with their first and last lines, from 1."""

FOLDER_DEPTH: Final = 3
"""How deep folders are counted, below the root."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one agent, one model, or one actor without an agent, has a part in.

    Attributes:
        name: the agent's id, the model's name, or the actor's name.
        commits: commits of which any claim names it, by the best evidence of these claims.
        line_classes: text lines whose best claim names it, by evidence.
        models: models named with it, ordered by name.
    """

    name: str
    commits: Mapping[Evidence, int]
    line_classes: Mapping[Evidence, int]
    models: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """Text lines whose best claim names it."""
        return sum(self.line_classes.values())


@dataclass(frozen=True, slots=True)
class Place:
    """The text lines of a folder, with those of the folders in it, or of a symbol.

    Attributes:
        path: of the folder, empty for the root; or of the symbol's file.
        lines: by class.
        symbol: its name; None for a folder.
    """

    path: bytes
    lines: Mapping[Evidence, int]
    symbol: str | None = None


def no_classes() -> Counter[Evidence]:
    """Nothing counted yet, every class named."""
    return Counter(dict.fromkeys(Evidence, 0))


def month_of(at_ms: int) -> str:
    """Such as `2026-01`, in UTC; `unknown` for a time that no calendar holds."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m")
    except (OverflowError, ValueError, OSError):
        return "unknown"


@dataclass(slots=True)
class _Party:
    """An agent, a model or an actor while it is counted."""

    commits: Counter[Evidence] = field(default_factory=no_classes)
    lines: Counter[Evidence] = field(default_factory=no_classes)
    models: set[str] = field(default_factory=set)


class Tally:
    """Sums up commits, then files.

    Args:
        claims: of every commit, best first.
        counted: commits of which lines count; None for all.
    """

    def __init__(
        self, claims: Mapping[ObjectId, Sequence[Claim]], counted: Collection[ObjectId] | None = None
    ) -> None:
        self._claims = claims
        self._counted = counted
        self._covers: dict[ObjectId, _Cover] = {}
        self._agents: dict[str, _Party] = {}
        self._models: dict[str, _Party] = {}
        self._actors: dict[str, _Party] = {}
        self._folders: dict[bytes, Counter[Evidence]] = {b"": no_classes()}
        self._symbols: list[Place] = []
        self.months: dict[str, Counter[Evidence]] = {}
        self.files: Counter[bool] = Counter()
        self.commits = no_classes()
        self.lines = no_classes()

    def add_commit(self, commit: Commit) -> None:
        """Count a commit."""
        claims = self._claims.get(commit.id, ())
        best = claims[0].evidence if claims else Evidence.UNKNOWN
        self.add_class(best, month_of(commit.author.at_s * 1000))
        seen: set[int] = set()
        for claim in claims:
            for party in self._parties(claim):
                if claim.model:
                    party.models.add(claim.model)
                if id(party) not in seen:
                    seen.add(id(party))
                    party.commits[claim.evidence] += 1

    def add_class(self, evidence: Evidence, month: str) -> None:
        """Count a commit of which only this is known."""
        self.commits[evidence] += 1
        self.months.setdefault(month, no_classes())[evidence] += 1

    def add_file(self, path: bytes, spans: Sequence[Span] | None, locate: Locate | None = None) -> None:
        """Count a file's lines, in their order; None stands for a binary file."""
        self.files[spans is not None] += 1
        counts = no_classes()
        classes: list[tuple[Evidence | None, int]] = []
        for span in spans or ():
            if self._counted is not None and span.commit not in self._counted:
                classes.append((None, span.count))
                continue
            cover = self._covers.get(span.commit)
            if cover is None:
                cover = self._covers[span.commit] = _Cover(self._claims.get(span.commit, ()))
            for claim, count in cover.split(span):
                evidence = claim.evidence if claim else Evidence.UNKNOWN
                counts[evidence] += count
                classes.append((evidence, count))
                for party in self._parties(claim) if claim else ():
                    party.lines[evidence] += count
        self.lines.update(counts)
        for folder in _folders_of(path):
            self._folders.setdefault(folder, no_classes()).update(counts)
        if locate is not None and spans:
            self._symbols.extend(_count_symbols(path, classes, locate(path)))

    def _parties(self, claim: Claim) -> Iterator[_Party]:
        if claim.agent:
            yield self._agents.setdefault(claim.agent, _Party())
        elif claim.actor:
            yield self._actors.setdefault(claim.actor, _Party())
        if claim.model:
            yield self._models.setdefault(claim.model, _Party())

    @property
    def agents(self) -> tuple[Share, ...]:
        """Most lines first."""
        return _order_shares(self._agents)

    @property
    def models(self) -> tuple[Share, ...]:
        """Most lines first."""
        return _order_shares(self._models)

    @property
    def actors(self) -> tuple[Share, ...]:
        """People and services that claims name without an agent, most lines first."""
        return _order_shares(self._actors)

    @property
    def folders(self) -> tuple[Place, ...]:
        """By path, the root first."""
        return tuple(Place(path, dict(counts)) for path, counts in sorted(self._folders.items()))

    @property
    def symbols(self) -> tuple[Place, ...]:
        """By path and place in the file."""
        return tuple(sorted(self._symbols, key=lambda place: place.path))


def _folders_of(path: bytes) -> Iterator[bytes]:
    yield b""
    at = -1
    for _ in range(FOLDER_DEPTH):
        at = path.find(b"/", at + 1)
        if at < 0:
            return
        yield path[:at]


def _count_symbols(
    path: bytes, classes: Iterable[tuple[Evidence | None, int]], symbols: Iterable[tuple[str, int, int]]
) -> Iterator[Place]:
    by_line = [evidence for evidence, count in classes for _ in range(count)]
    for name, start, end in symbols:
        counts = no_classes()
        counts.update(evidence for evidence in by_line[max(0, start - 1) : end] if evidence is not None)
        if any(counts.values()):
            yield Place(path, dict(counts), name)


def _order_shares(parties: Mapping[str, _Party]) -> tuple[Share, ...]:
    shares = [
        Share(name, dict(party.commits), dict(party.lines), tuple(sorted(party.models)))
        for name, party in parties.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.lines, -sum(share.commits.values()), share.name)))


class _Cover:
    """The best claim for each line that a commit added, found without going through its ranges each time."""

    def __init__(self, ranked: Sequence[Claim]) -> None:
        self._whole: Claim | None = next((claim for claim in ranked if not claim.lines), None)
        before = ranked[: ranked.index(self._whole)] if self._whole else ranked
        self._lines: dict[bytes, dict[int, Claim]] = {}
        for claim in reversed(before):  # so that better ones overwrite
            for part in claim.lines:
                of_path = self._lines.setdefault(part.path, {})
                of_path.update(dict.fromkeys(range(part.start, part.end + 1), claim))

    def split(self, span: Span) -> Iterator[tuple[Claim | None, int]]:
        """The span's lines as counts, each with the best claim that covers them."""
        of_path = self._lines.get(span.path)
        if not of_path:
            yield self._whole, span.count
            return
        for line in range(span.original_line, span.original_line + span.count):
            yield of_path.get(line, self._whole), 1

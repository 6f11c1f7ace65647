"""Which claim counts for which line: what every exporter writes.

Formats that know no evidence cannot rank claims. They are given, for each line, the claim that is the best
here, so that whoever reads them finds the same.

Invariants:
    1. Lines of the answer's claims are disjoint, and each has the claim that `find_best` gives it.
    2. At most one claim is about the whole commit; it counts where no claim about lines does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imprint.store.evidence.claims import Claim, LineRange
from imprint.store.formats.gitai import METHOD as GIT_AI

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from imprint.store.history.reading import Ranges
    from imprint.store.objects.ports import Commit


@dataclass(frozen=True, slots=True)
class ExportedCommit:
    """A commit and what is to be said of it.

    Attributes:
        commit: the commit.
        claims: those that count for some line, best first, with disjoint lines; the last one may be about the
            whole commit.
        added: lines that the commit added, by path.
    """

    commit: Commit
    claims: tuple[Claim, ...]
    added: Mapping[bytes, Ranges]


def select_effective(ranked: Sequence[Claim]) -> tuple[Claim, ...]:
    """The claims of one commit that are the best for some line, cut to these lines."""
    taken: dict[bytes, list[tuple[int, int]]] = {}
    chosen: list[Claim] = []
    for claim in ranked:
        if not claim.lines:
            return (*chosen, claim)
        left = tuple(_subtract(claim.lines, taken))
        if left:
            chosen.append(replace(claim, lines=left))
        for part in left:
            taken.setdefault(part.path, []).append((part.start, part.end))
    return tuple(chosen)


def names_person(claim: Claim, people: Collection[str]) -> bool:
    """Whether a claim says that a person wrote it: an actor known as one, or whom a Git AI note calls so.

    An actor that is not known to be a person may be a service: what is unknown is never human.
    """
    return not claim.agent and (claim.actor in people or bool(claim.actor and claim.method == GIT_AI))


def _subtract(
    lines: Iterable[LineRange], taken: Mapping[bytes, list[tuple[int, int]]]
) -> Iterator[LineRange]:
    """The lines that nothing has taken, each once, by path and ascending."""
    by_path: dict[bytes, list[tuple[int, int]]] = {}
    for part in lines:
        by_path.setdefault(part.path, []).append((part.start, part.end))
    for path, ranges in by_path.items():
        for start, end in _join(ranges):
            yield from (LineRange(path, *left) for left in _cut(start, end, sorted(taken.get(path, ()))))


def _join(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    pending: tuple[int, int] | None = None
    for start, end in sorted(ranges):
        if pending and start <= pending[1] + 1:
            pending = (pending[0], max(end, pending[1]))
        else:
            if pending:
                yield pending
            pending = (start, end)
    if pending:
        yield pending


def _cut(start: int, end: int, taken: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for first, last in taken:
        if last < start or first > end:
            continue
        if first > start:
            yield start, first - 1
        start = last + 1
    if start <= end:
        yield start, end

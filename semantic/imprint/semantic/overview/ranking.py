"""Which files of a commit matter most: those that much of the rest leans on.

PageRank (Page, Brin, Motwani and Winograd 1999) over files: a file leans on another by each name that it uses
and the other defines. Names that many files define, and private ones, say little. With a focus, the walk
begins anew in the files of the focus, as in personalised PageRank.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.parse.model import EntityKind
from imprint.semantic.search.signals.roles import demotion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.snapshot import Facts, Snapshot

FILES_MAX: Final = 3_000
"""Files looked at, the least nested first; docs/limits.md."""
_DAMPING: Final = 0.85
_ROUNDS: Final = 30
_COMMON: Final = 5
"""A name that more files define than this points nowhere in particular."""
_LITTLE: Final = 0.1
_NAMELESS: Final = frozenset({EntityKind.MODULE, EntityKind.FIELD, EntityKind.VARIABLE, EntityKind.NAMESPACE})


@dataclass(frozen=True, slots=True)
class Ranking:
    """Files by what they matter.

    Attributes:
        files: numbers in the snapshot, the most important first.
        facts: of each file looked at.
        uses: how often each name is used in other files than those that define it.
        left_out: files that were not looked at.
    """

    files: tuple[int, ...]
    facts: dict[int, Facts]
    uses: Counter[str]
    left_out: int


def rank_files(snapshot: Snapshot, focus: Sequence[int] = ()) -> Ranking:
    """Rank the files of a commit that define something; with a focus, as seen from its files."""
    near = frozenset(focus)
    wanted = sorted(range(len(snapshot.paths)), key=lambda file: _place(snapshot.paths[file], file in near))
    looked_at = sorted(wanted[:FILES_MAX])
    facts = {file: snapshot.facts(file) for file in looked_at}
    definers: dict[str, set[int]] = defaultdict(set)
    for file, each in facts.items():
        for entity in each.entities:
            if entity.kind not in _NAMELESS:
                definers[entity.name].add(file)
    numbers = {file: number for number, file in enumerate(looked_at)}
    sources, targets, weights = [], [], []
    uses: Counter[str] = Counter()
    for file, each in facts.items():
        for name, count in Counter(reference.name for reference in each.references).items():
            others = definers.get(name, set()) - {file}
            if not others or file in definers[name]:
                continue
            uses[name] += count
            weight = math.sqrt(count) * _telling(name, len(definers[name])) / len(others)
            for other in others if len(others) <= _COMMON else ():
                sources.append(numbers[file])
                targets.append(numbers[other])
                weights.append(weight)
    starts = np.ones(len(looked_at))
    if begun := [numbers[file] for file in near if file in numbers]:
        starts = np.zeros(len(looked_at))
        starts[begun] = 1.0
    ranks = _walk(starts, np.array(sources, int), np.array(targets, int), np.array(weights, float))
    for number, file in enumerate(looked_at):
        path = snapshot.paths[file].decode("utf-8", "replace")
        ranks[number] *= 1.0 if file in near else demotion(path, frozenset())
    defining = [file for file in looked_at if any(e.kind not in _NAMELESS for e in facts[file].entities)]
    defining.sort(key=lambda file: (-ranks[numbers[file]], snapshot.paths[file]))
    return Ranking(tuple(defining), facts, uses, len(snapshot.paths) - len(looked_at))


def _place(path: bytes, is_focus: bool) -> tuple[bool, float, int, bytes]:  # noqa: FBT001
    return not is_focus, -demotion(path.decode("utf-8", "replace"), frozenset()), path.count(b"/"), path


def _telling(name: str, definers: int) -> float:
    if name.startswith("_") or definers > _COMMON:
        return _LITTLE
    return 1.0


def _walk(starts: Array, sources: Array, targets: Array, weights: Array) -> Array:
    """The share of time that a walk over the edges spends at each file."""
    starts = starts / max(starts.sum(), 1.0)
    out = np.bincount(sources, weights=weights, minlength=len(starts))
    shares = weights / np.where(out[sources] > 0, out[sources], 1.0)
    ranks = starts.copy()
    for _ in range(_ROUNDS):
        moved = np.bincount(targets, weights=ranks[sources] * shares, minlength=len(starts))
        resting = ranks[out == 0].sum()
        ranks = (1 - _DAMPING) * starts + _DAMPING * (moved + resting * starts)
    return ranks

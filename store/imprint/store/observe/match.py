"""Which turn wrote a line: added lines of a commit, matched with what sessions wrote.

A line is looked up by its text among what edits made new, in files of its path. Of several places the one
with the most agreeing lines around it wins, then the one nearest before the commit, unless a later edit took
it out again. Lines
without meaning of their own take the turn of the run they stand in, and so do lines that were changed a
little after the edit.

Invariants:
    1. Only lines that the commit added are matched, each with at most one turn.
    2. A plain line is never matched by itself.
    3. The same commit and sessions give the same matches.
    4. The score says how alike line and edit are, and how many turns could have been it; it is no
       probability. It is 1 only for a line that is, letter for letter, what an editing tool of one turn
       was given for this path in the part of the transcript that belongs to the commit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import EditKind
from imprint.store.observe.keys import is_plain, loosen, squeeze
from imprint.store.observe.model import LOOSE_TIERS, Likeness, LineMatch, PathTie, Tier, find_tie

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.store.observe.model import AddedFile, Candidate
    from imprint.store.observe.payloads import Payload


_TIER_WEIGHTS: Final = {
    Tier.PART: 1.0,
    Tier.SESSION: 0.9,
    Tier.RELATED: 0.95,
    Tier.NEARBY: 0.7,
    Tier.FOREIGN: 0.5,
}
_LIKENESS_WEIGHTS: Final = {
    Likeness.EXACT: 1.0,
    Likeness.SPACED: 0.95,
    Likeness.LOOSE: 0.9,
    Likeness.FRAGMENT: 0.85,
    Likeness.SIMILAR: 0.7,
    Likeness.RUN: 0.8,
}
_PATH_WEIGHTS: Final = {PathTie.SAME: 1.0, PathTie.MOVED: 0.95, PathTie.NAMED: 0.8, PathTie.OTHER: 0.7}
_SHELL_WEIGHT: Final = 0.85
_ENDED_WEIGHT: Final = 0.7
_RUN_MAX: Final = 8
"""Agreeing lines that are counted on each side."""
_RUN_WEIGHT: Final = 0.03
_RUN_MIN: Final = {PathTie.SAME: 0, PathTie.MOVED: 0, PathTie.NAMED: 2, PathTie.OTHER: 3}
"""Telling lines around it that must agree as well."""
_RUN_MIN_NEARBY: Final = 3
_SAME_FILE: Final = frozenset({PathTie.SAME, PathTie.MOVED})
_COMMON_COUNT: Final = 4
"""A line that stands so often in one file needs agreeing lines around it."""
_PLACES_MAX: Final = 64
"""Places of one text that are looked at, the latest."""
_SIMILAR_MIN: Final = 0.6
_SIMILAR_CHARACTERS_MAX: Final = 1000
_GAP_MAX: Final = 12
"""Changed lines between two matched ones that are compared."""
_FRAGMENT_CHARACTERS_MIN: Final = 3
_NOWHERE: Final = -1


@dataclass(frozen=True, slots=True)
class _Place:
    """One line of one payload of one candidate, as the origin of a line."""

    candidate: int
    payload: Payload
    at: int
    weight: float
    run: int
    likeness: Likeness
    tier: Tier

    @property
    def turn(self) -> tuple[int, int]:
        return self.candidate, self.payload.turn

    @property
    def strength(self) -> float:
        return self.weight + _RUN_WEIGHT * self.run


@dataclass(slots=True)
class _Found:
    place: _Place
    candidates: int
    likeness: Likeness
    at: int
    """Line of the payload; `_NOWHERE` if the line is not in it."""


def match_lines(file: AddedFile, candidates: Sequence[Candidate]) -> list[LineMatch]:
    """Match a file's added lines with the turns that wrote them, in order; others are left out."""
    matching = _Matching(file, candidates)
    matching.match_telling()
    matching.match_fragments()
    matching.fill_runs()
    matching.match_surrounded()
    return matching.finish()


class _Matching:
    """One file while it is matched."""

    def __init__(self, file: AddedFile, candidates: Sequence[Candidate]) -> None:
        self._file = file
        self._candidates = candidates
        self._keys = [squeeze(line) for line in file.lines]
        self._added = [at for start, end in file.added for at in range(start - 1, min(end, len(file.lines)))]
        self._is_added = set(self._added)
        self._counts = Counter(self._keys)
        self._found: dict[int, _Found] = {}
        self._ties: dict[str, PathTie] = {}
        self._loose: dict[int, dict[str, list[tuple[int, int]]]] = {}

    # -- telling lines ----------------------------------------------------------------------------------

    def match_telling(self) -> None:
        """Match lines that say where they are from, by their text."""
        for at in self._added:
            if not is_plain(self._keys[at]):
                places = list(self._iter_places(at))
                if places:
                    self._choose(at, places)

    def _iter_places(self, at: int) -> Iterator[_Place]:
        key = self._keys[at]
        found = False
        for number, candidate in enumerate(self._candidates):
            for order, place in candidate.edits.places.get(key, ())[-_PLACES_MAX:]:
                made = self._weigh(at, number, order, place, None)
                if made is not None:
                    found = True
                    yield made
        if not found:
            loose = loosen(key)
            for number in range(len(self._candidates)):
                for order, place in self._loose_places(number).get(loose, ())[-_PLACES_MAX:]:
                    made = self._weigh(at, number, order, place, Likeness.LOOSE)
                    if made is not None:
                        yield made

    def _loose_places(self, number: int) -> dict[str, list[tuple[int, int]]]:
        known = self._loose.get(number)
        if known is None:
            known = self._loose[number] = {}
            for payload in self._candidates[number].edits.payloads:
                if self._tie(number, payload) in _SAME_FILE:
                    for place in sorted(payload.fresh):
                        key = payload.keys[place]
                        if not is_plain(key):
                            known.setdefault(loosen(key), []).append((payload.order, place))
        return known

    def _weigh(
        self, at: int, number: int, order: int, place: int, likeness: Likeness | None
    ) -> _Place | None:
        """The place as an origin of the line; None where it is too weak to be one."""
        candidate = self._candidates[number]
        payload = candidate.edits.payloads[order]
        tier = candidate.tier_of(payload)
        if tier is None:
            return None
        if likeness is None:
            same = payload.lines[place] == self._file.lines[at]
            likeness = Likeness.EXACT if same else Likeness.SPACED
        tie = self._tie(number, payload)
        if tier in LOOSE_TIERS and tie not in _SAME_FILE:
            return None
        run = self._measure_run(at, payload, place)
        needed = max(_RUN_MIN[tie], _RUN_MIN_NEARBY if tier in LOOSE_TIERS else 0)
        if run < max(needed, self._counts[self._keys[at]] >= _COMMON_COUNT):
            return None
        weight = _TIER_WEIGHTS[tier] * _LIKENESS_WEIGHTS[likeness] * _PATH_WEIGHTS[tie]
        if payload.kind is EditKind.SHELL:
            weight *= _SHELL_WEIGHT
        ended = candidate.edits.ended.get((order, place))
        if ended is not None and candidate.tier_of(candidate.edits.payloads[ended]) is not None:
            weight *= _ENDED_WEIGHT
        return _Place(number, payload, place, weight, run, likeness, tier)

    def _tie(self, number: int, payload: Payload) -> PathTie:
        name = f"{number}:{payload.path}"
        tie = self._ties.get(name)
        if tie is None:
            moves = self._candidates[number].edits.moves
            tie = self._ties[name] = find_tie(self._file, payload.path, moves)
        return tie

    def _measure_run(self, at: int, payload: Payload, place: int) -> int:
        """Telling lines that agree around a line, on both sides up to the first that does not."""
        return self._measure_side(at, payload, place, -1) + self._measure_side(at, payload, place, 1)

    def _measure_side(self, at: int, payload: Payload, place: int, step: int) -> int:
        run = 0
        for distance in range(1, _RUN_MAX + 1):
            line, other = at + step * distance, place + step * distance
            if not (0 <= line < len(self._keys) and 0 <= other < len(payload.keys)):
                break
            if self._keys[line] != payload.keys[other]:
                break
            run += not is_plain(self._keys[line])
        return run

    def _choose(self, at: int, places: Sequence[_Place]) -> None:
        tied = [place for place in places if place.tier not in LOOSE_TIERS]
        places = tied or [place for place in places if place.tier is Tier.NEARBY] or places
        best = max(places, key=self._rank)
        turns = {place.turn for place in places if place.strength > best.strength - _RUN_WEIGHT / 2}
        self._found[at] = _Found(best, len(turns), best.likeness, best.at)

    def _rank(self, place: _Place) -> tuple[float, tuple[bool, int], int, int]:
        """Strongest, then nearest before the commit; orders of edits are compared within one session only."""
        nearness = self._candidates[place.candidate].nearness(place.payload.at_ms)
        return round(place.strength, 6), nearness, -place.candidate, place.payload.order

    # -- pieces of lines --------------------------------------------------------------------------------

    def match_fragments(self) -> None:
        """Match lines of which an edit replaced a piece: what is left must have been there before."""
        pieces = list(self._iter_pieces())
        before = {squeeze(line) for line in self._file.before}
        for at in self._added:
            if at in self._found or is_plain(self._keys[at]):
                continue
            places = [
                made
                for number, order, place, removed in pieces
                if self._is_piece(at, number, order, place, removed, before)
                and (made := self._weigh(at, number, order, place, Likeness.FRAGMENT)) is not None
            ]
            if places:
                self._choose(at, places)

    def _iter_pieces(self) -> Iterator[tuple[int, int, int, str]]:
        for number, candidate in enumerate(self._candidates):
            for order, place, removed in candidate.edits.pieces:
                payload = candidate.edits.payloads[order]
                if self._tie(number, payload) in _SAME_FILE:
                    yield number, order, place, removed

    def _is_piece(self, at: int, number: int, order: int, place: int, removed: str, before: set[str]) -> bool:
        key = self._keys[at]
        piece = self._candidates[number].edits.payloads[order].keys[place]
        if len(piece) < _FRAGMENT_CHARACTERS_MIN or piece not in key:
            return False
        restored = key.replace(piece, removed)
        return restored != key and (
            restored in before
            or key.replace(piece, removed, 1) in before
            or restored in self._candidates[number].edits.places
        )

    # -- runs -------------------------------------------------------------------------------------------

    def fill_runs(self) -> None:
        """Give the lines between and beside matched ones the turn of their run."""
        for first, last in self._file.added:
            start, end = first - 1, min(last, len(self._file.lines))
            for at in range(start, end):
                self._extend(at, at - 1, 1)
            for at in range(end - 1, start - 1, -1):
                self._extend(at, at + 1, -1)
            self._fill_gaps(start, end)
            self._fill_plain(start, end)

    def _extend(self, at: int, beside: int, step: int) -> None:
        """Match a line that follows a matched one here and in the edit alike."""
        near = self._found.get(beside)
        if at in self._found or near is None or near.at == _NOWHERE:
            return
        place = near.at + step
        payload = near.place.payload
        if not 0 <= place < len(payload.keys):
            return
        key = self._keys[at]
        same = key == payload.keys[place] or loosen(key) == loosen(payload.keys[place])
        if same and (place in payload.fresh or is_plain(key)):
            exact = payload.lines[place] == self._file.lines[at]
            likeness = Likeness.EXACT if exact else Likeness.SPACED
            self._found[at] = _Found(near.place, near.candidates, likeness, place)

    def _fill_gaps(self, start: int, end: int) -> None:
        """Match lines changed a little: between two lines of an edit, like a line that the edit has there."""
        for first, last in self._iter_gaps(start, end):
            above, below = self._found.get(first - 1), self._found.get(last)
            for near, step in ((above, 1), (below, -1)):
                if near is None or near.at == _NOWHERE or last - first > _GAP_MAX:
                    continue
                payload = near.place.payload
                window = range(near.at + step, near.at + step * (_GAP_MAX + 2), step)
                places = [it for it in window if 0 <= it < len(payload.lines) and it in payload.fresh]
                for at in range(first, last):
                    if at not in self._found and not is_plain(self._keys[at]):
                        self._match_similar(at, near, places)

    def _match_similar(self, at: int, near: _Found, places: Sequence[int]) -> None:
        line = self._keys[at][:_SIMILAR_CHARACTERS_MAX]
        best, best_place = _SIMILAR_MIN, None
        for place in places:
            other = near.place.payload.keys[place][:_SIMILAR_CHARACTERS_MAX]
            if is_plain(other) or 2 * min(len(line), len(other)) < best * (len(line) + len(other)):
                continue
            matcher = SequenceMatcher(None, line, other, autojunk=False)
            if matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
                best, best_place = ratio, place
        if best_place is not None:
            self._found[at] = _Found(near.place, near.candidates, Likeness.SIMILAR, best_place)

    def _iter_gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        gaps = []
        at = start
        while at < end:
            if at in self._found:
                at += 1
                continue
            first = at
            while at < end and at not in self._found:
                at += 1
            gaps.append((first, at))
        return gaps

    def _fill_plain(self, start: int, end: int) -> None:
        """Plain lines take the turn of the nearest matched line of their stretch, the one above first."""
        for first, last in self._iter_gaps(start, end):
            above, below = self._found.get(first - 1), self._found.get(last)
            for at in range(first, last):
                if not is_plain(self._keys[at]):
                    break
                if above:
                    self._found[at] = _Found(above.place, above.candidates, Likeness.RUN, _NOWHERE)
            for at in range(last - 1, first - 1, -1):
                if at in self._found or not is_plain(self._keys[at]):
                    break
                if below:
                    self._found[at] = _Found(below.place, below.candidates, Likeness.RUN, _NOWHERE)

    def match_surrounded(self) -> None:
        """Match plain lines alone among old ones, where an edit shows the same lines around them."""
        payloads = [
            (number, payload)
            for number, candidate in enumerate(self._candidates)
            for payload in candidate.edits.payloads
            if self._tie(number, payload) in _SAME_FILE
        ]
        for at in self._added:
            if at in self._found or not is_plain(self._keys[at]):
                continue
            places = []
            for number, payload in payloads:
                for place in payload.fresh:
                    if payload.keys[place] == self._keys[at] and self._is_surrounded(at, payload, place):
                        made = self._weigh(at, number, payload.order, place, None)
                        if made is not None and made.run:
                            places.append(made)
            if places:
                self._choose(at, places)

    def _is_surrounded(self, at: int, payload: Payload, place: int) -> bool:
        keys = self._keys
        return all(
            0 <= at + step < len(keys)
            and 0 <= place + step < len(payload.keys)
            and keys[at + step] == payload.keys[place + step]
            for step in (-1, 1)
        )

    def finish(self) -> list[LineMatch]:
        """The matches, by line."""
        return [self._render(at, self._found[at]) for at in self._added if at in self._found]

    def _render(self, at: int, found: _Found) -> LineMatch:
        place = found.place
        weight = place.weight / _LIKENESS_WEIGHTS[place.likeness] * _LIKENESS_WEIGHTS[found.likeness]
        return LineMatch(
            line=at + 1,
            session=self._candidates[place.candidate].edits.session,
            turn=place.payload.turn,
            score=round(weight / found.candidates, 3),
            candidates=found.candidates,
            likeness=found.likeness,
            is_shell=place.payload.kind is EditKind.SHELL,
            tier=place.tier,
        )

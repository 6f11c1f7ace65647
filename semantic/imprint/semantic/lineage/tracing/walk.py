"""The walk: from one content of a file back along every touch that its ancestors made, with one definition.

From a commit it goes to the one that brought what the path has there, and on from that one's parents. A
commit belongs to the history if the definition's text, with the documentation above it, or its file's path
changed.

Invariants:
    1. Only commits that touched the file are looked at, and only their contents are read.
    2. A merge belongs to it only where it holds a line that none of its parents has.
    3. Where the walk ends for another reason than that the symbol began, `History.missing` says so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from imprint.semantic.lineage.log.segment import ABSENT, ORDINARY, OTHER_PARENT
from imprint.semantic.lineage.model import ChangeKind, SymbolChange
from imprint.semantic.lineage.tracing.identity import (
    define,
    find_before,
    find_elsewhere,
    find_named,
    has_moved,
    tell_kinds,
)
from imprint.semantic.lineage.tracing.lost import list_lost, may_define
from imprint.semantic.lineage.tracing.unchanged import find_passages, find_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.semantic.lineage.past import Past, PathTouch
    from imprint.semantic.lineage.tracing.contents import Contents
    from imprint.semantic.lineage.tracing.identity import Defined
    from imprint.semantic.lineage.tracing.steps import KeptSteps
    from imprint.semantic.parse.model import Entity
    from imprint.store.types import ObjectId

STEPS_MAX: Final = 20_000
"""Touches that one question looks at; docs/limits.md."""
FILES_MAX: Final = 300
"""Other files of a commit in which a definition's origin is looked for."""
RESTORED_MAX: Final = 40
"""Earlier contents of a file in which a definition that appears is looked for."""
_DEFINED_KEPT: Final = 64
_LOOKED_UP_MAX: Final = 4_000
_EARLIER_PATHS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Spot:
    """A definition in a content.

    Attributes:
        path, blob: the file.
        name: its qualified name.
        first: the first line of its comment, else of itself.
        start_line, end_line: its own lines.
    """

    path: bytes
    blob: ObjectId
    name: str
    first: int
    start_line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a symbol's past.

    Attributes:
        changes: newest first.
        missing: why it may go further back, in words; empty if it is whole.
        others: definitions that the question fits as well.
    """

    changes: tuple[SymbolChange, ...]
    missing: tuple[str, ...] = ()
    others: tuple[tuple[bytes, Entity], ...] = ()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one touch did: the definition before it, None where it began; and what was done to it.

    `removed` is the commit that took it away before it was restored.
    """

    spot: Spot | None
    kinds: tuple[ChangeKind, ...]
    removed: int | None = None


def trace_definition(
    past: Past,
    contents: Contents,
    number: int,
    file: tuple[bytes, ObjectId],
    entity: Entity,
    steps: KeptSteps | None = None,
) -> History:
    """The history of a definition in a file, a path and its content, as a commit has it."""
    path, blob = file
    spot = _spot(path, blob, define(path, contents.lines(blob), [entity])[0])
    try:
        return _Walk(past, contents, steps).run(spot, number)
    except _TextsDiffer:
        return _Walk(past, contents, steps, by_passages=False).run(spot, number)


def _spot(path: bytes, blob: ObjectId, each: Defined) -> Spot:
    entity = each.entity
    return Spot(path, blob, entity.qualified_name, each.first, entity.start_line, entity.end_line)


class _TextsDiffer(Exception):
    """Equal passages had other texts: their lines end in another way."""


class _Walk:
    """One question's way back; `by_passages` over contents that need not be read."""

    def __init__(
        self, past: Past, contents: Contents, steps: KeptSteps | None, *, by_passages: bool = True
    ) -> None:
        self._past = past
        self._contents = contents
        self._steps = steps
        self._firsts = past.first_parents()
        self._touches: dict[bytes, dict[int, list[PathTouch]]] = {}
        self._origins: dict[tuple[bytes, int], list[PathTouch]] = {}
        self._taken: dict[bytes, bytes] = {}
        self._by_passages = by_passages
        self._listed: set[bytes] = set()
        self._texts: dict[Spot, bytes] = {}
        self._defined: dict[tuple[bytes, ObjectId, str], list[Defined]] = {}
        self._changes: dict[tuple[int, bytes], SymbolChange] = {}
        self._missing: set[str] = set()

    def run(self, spot: Spot, number: int) -> History:
        """Walk until every way has ended."""
        waiting, seen, left = [(spot, number)], set(), STEPS_MAX
        while waiting:
            here, number = waiting.pop()
            touches = self._find_origin(here.path, number)
            if not touches:
                self._missing.add("history ends where this repository is shallow, or where its log ends")
            elif (here, touches[0].number) not in seen:
                seen.add((here, touches[0].number))
                waiting += self._take(here, touches)
                left -= 1
            if left < 0:
                self._missing.add(f"only {STEPS_MAX:,} changes of the file were looked at")
                break
        if self._contents.lacks_some:
            self._missing.add("contents of files are not in this repository")
        elif self._steps is not None and not self._past.is_shallow:  # else it may get to know more
            self._steps.add(self._taken)
        ordered = sorted(self._changes.items(), reverse=True, key=lambda pair: pair[0][0])
        return History(tuple(change for _, change in ordered), tuple(sorted(self._missing)))

    # -- where to go --------------------------------------------------------------------------------

    def _find_origin(self, path: bytes, number: int) -> list[PathTouch]:
        """The touches that brought what a path has at a commit; several where a merge wrote it.

        As in `git log`, of a merge that has what one of its parents has that parent alone is followed, the
        first one first.
        """
        here, firsts, asked = self._of(path), self._firsts, (path, number)
        found = self._origins.get(asked)
        while found is None:
            while number >= 0 and number not in here:
                number = firsts[number]
            touches = here.get(number, [])
            if not touches or touches[0].kind == ORDINARY:
                found = touches
            elif touches[-1].kind == OTHER_PARENT or (parent := self._find_parent(touches[0])) is None:
                found = self._join(touches)
            else:
                number = parent
        self._origins[asked] = found
        return found

    def _find_parent(self, merged: PathTouch) -> int | None:
        """The further parent that has what a merge has; None if none has."""
        for parent in self._past.further_parents(merged.number):
            if any(touch.new == merged.new for touch in self._find_origin(merged.path, parent)):
                return parent
        return None

    def _join(self, touches: Sequence[PathTouch]) -> list[PathTouch]:
        """What a merge did to a file against each parent, where one has it under an earlier path too."""
        merged, found = touches[0], [touch for touch in touches if touch.old is not None]
        for parent in self._past.further_parents(merged.number):
            if self._find_origin(merged.path, parent):
                continue
            brought = (each for touched in self._of(merged.path).values() for each in touched)
            earlier = dict.fromkeys(each.old_path for each in brought if each.old_path != merged.path)
            for old_path in list(earlier)[:_EARLIER_PATHS_MAX]:
                if origin := self._find_origin(old_path, parent):
                    old = origin[0].new
                    found.append(merged._replace(old_path=old_path, old=old, kind=OTHER_PARENT))
                    break
        return found or [merged]

    def _of(self, path: bytes) -> dict[int, list[PathTouch]]:
        """What each commit did to a path; a merge against its first parent first."""
        if path not in self._touches:
            found: dict[int, list[PathTouch]] = {}
            for touch in self._past.touches_of(path):
                if touch.path == path and (touch.new != touch.old or touch.old_path != path):
                    found.setdefault(touch.number, []).append(touch)
            for touches in found.values():
                touches.sort(key=lambda touch: touch.kind)
            self._touches[path] = found
        return self._touches[path]

    def _go_back(self, touch: PathTouch) -> int:
        """The parent that a touch was told against."""
        if touch.kind != OTHER_PARENT:
            return self._firsts[touch.number]
        others = self._past.further_parents(touch.number)
        for parent in others[:-1]:
            if any(each.new == touch.old for each in self._find_origin(touch.old_path, parent)):
                return parent
        return others[-1] if others else ABSENT

    # -- one step -----------------------------------------------------------------------------------

    def _take(self, spot: Spot, touches: Sequence[PathTouch]) -> list[tuple[Spot, int]]:
        """Go back over one commit; the definitions to go on from, each with a commit that has it."""
        number = touches[0].number
        outcomes = [(self._outcome(spot, touch), touch) for touch in touches]
        if len(touches) > 1:
            there = [each for each in outcomes if each[0].spot is not None]
            same = any(not {*outcome.kinds} - {ChangeKind.MOVED} for outcome, _ in there)
            if same or (there and not self._is_written(spot, number, [outcome for outcome, _ in there])):
                return self._follow(there)
            outcomes = there or outcomes[:1]
        for outcome, _ in outcomes:
            if outcome.kinds:
                self._report(number, outcome.kinds, spot)
            if outcome.removed is not None and outcome.spot is not None:
                self._report(outcome.removed, (ChangeKind.REMOVED,), outcome.spot)
        return self._follow(outcomes)

    def _follow(self, outcomes: Sequence[tuple[_Outcome, PathTouch]]) -> list[tuple[Spot, int]]:
        return [
            (
                outcome.spot,
                self._go_back(touch) if outcome.removed is None else self._firsts[outcome.removed],
            )
            for outcome, touch in outcomes
            if outcome.spot is not None
        ]

    def _is_written(self, spot: Spot, number: int, parents: Sequence[_Outcome]) -> bool:
        """Whether a merge has a line of the definition that it has in no parent; else git joined them."""
        key = hashlib.blake2b(
            repr((b"merge", self._past.commit(number), spot)).encode(), digest_size=16
        ).digest()
        kept = self._steps.find(key) if self._steps is not None else None
        if kept is None:
            lines = {line for each in parents if each.spot for line in self._text(each.spot).split(b"\n")}
            kept = b"1" if set(self._text(spot).split(b"\n")) - lines else b"0"
            self._taken[key] = kept
        return kept == b"1"

    def _text(self, spot: Spot) -> bytes:
        text = self._contents.lines(spot.blob).text(spot.first, spot.end_line)
        if self._texts.get(spot, text) != text:
            raise _TextsDiffer
        return text

    def _report(self, number: int, kinds: tuple[ChangeKind, ...], spot: Spot) -> None:
        past, key = self._past, (number, spot.path)
        if key in self._changes:
            kinds = tuple(dict.fromkeys((*self._changes[key].kinds, *kinds)))
        self._changes[key] = SymbolChange(
            past.commit(number),
            past.time(number),
            past.author(number),
            past.subject(number),
            kinds,
            spot.path,
            spot.name,
            spot.start_line,
            spot.end_line,
        )

    def _outcome(self, spot: Spot, touch: PathTouch) -> _Outcome:
        if self._steps is None:
            return self._find(spot, touch)
        key = _key(self._past.commit(touch.number), spot, touch)
        kept = self._steps.find(key)
        if kept is not None:
            return self._load(kept)
        outcome = self._find(spot, touch)
        self._taken[key] = self._dump(outcome)
        return outcome

    def _find(self, spot: Spot, touch: PathTouch) -> _Outcome:
        moved = (ChangeKind.MOVED,) if touch.old_path != touch.path else ()
        if touch.old is not None:
            if touch.old == spot.blob:
                same = replace(spot, path=touch.old_path)
                if spot in self._texts:
                    self._texts[same] = self._texts[spot]
                return _Outcome(same, moved)
            before = self._find_unchanged(spot, touch.old_path, touch.old, touch)
            if before is not None:
                return _Outcome(before, moved)
        if spot in self._texts:
            self._text(spot)
        name = spot.name.rpartition(".")[2]
        named = self._define(spot.path, spot.blob, name)
        defined = _locate(named, spot)
        if defined is None:
            return _Outcome(None, (ChangeKind.INTRODUCED,))
        if touch.old is not None:
            found = find_named(defined, named, self._define(touch.old_path, touch.old, name))
            if found is None:  # what has its name did not tell
                every = self._define(spot.path, spot.blob)
                now = [defined if each.entity == defined.entity else each for each in every]
                found = find_before(defined, now, self._define(touch.old_path, touch.old))
            if found is not None:
                is_moved = bool(moved) or self._has_moved(found, defined, spot, touch)
                kinds = tell_kinds(found, defined, moved=is_moved)
                return _Outcome(_spot(touch.old_path, touch.old, found), kinds)
        return (
            self._find_elsewhere(defined, touch)
            or self._find_removed(defined, spot, touch)
            or _Outcome(None, (ChangeKind.INTRODUCED,))
        )

    def _find_unchanged(self, spot: Spot, path: bytes, blob: ObjectId, touch: PathTouch) -> Spot | None:
        """A definition in an older content, where it is beyond doubt that its text is the same."""
        known, place, before = self._contents.known if self._by_passages else None, None, None
        if known is not None:
            if not known.has(path, blob):
                known.prepare([(spot.path, spot.blob), *self._list_contents(touch.path)])
            now, before = known.pieces(spot.path, spot.blob), known.pieces(path, blob)
            place = find_passages(now, before, spot) if now and before else None
        found = place is not None
        if place is None:
            place = find_text(self._contents.lines(spot.blob), self._contents.read(blob), spot)
        if place is None:
            return None
        by = place - spot.first
        older = replace(
            spot,
            path=path,
            blob=blob,
            first=place,
            start_line=spot.start_line + by,
            end_line=spot.end_line + by,
        )
        if found:
            self._texts[older] = self._texts.get(spot) or self._text(spot)
        return older

    def _list_contents(self, path: bytes) -> list[tuple[bytes, ObjectId]]:
        """What was at a path before each commit, so that few look-ups find it."""
        if path in self._listed:
            return []
        self._listed.add(path)
        touches = (touch for touched in self._of(path).values() for touch in touched)
        return [(each.old_path, each.old) for each in islice(touches, _LOOKED_UP_MAX) if each.old is not None]

    def _define(self, path: bytes, blob: ObjectId, name: str = "") -> list[Defined]:
        """What a content defines, or what of it has a name."""
        if (path, blob, name) not in self._defined:
            if len(self._defined) > _DEFINED_KEPT:
                self._defined.clear()
            contents = self._contents
            wanted = contents.named(path, blob, name) if name else contents.entities(path, blob)
            self._defined[path, blob, name] = define(path, contents.lines(blob), wanted)
        return self._defined[path, blob, name]

    def _has_moved(self, old: Defined, new: Defined, spot: Spot, touch: PathTouch) -> bool:
        """Whether a commit took a definition to another place inside its file."""
        if touch.old is None or old.entity.container == new.entity.container:
            return False
        entities = self._contents.entities
        return has_moved(old, new, entities(touch.old_path, touch.old), entities(spot.path, spot.blob))

    def _find_elsewhere(self, defined: Defined, touch: PathTouch) -> _Outcome | None:
        """Where in the commit's other files the definition was before."""
        if touch.kind != ORDINARY:
            return None
        suffix = touch.path.rpartition(b".")[2]
        others = [
            other
            for other in self._past.touches(touch.number)
            if other.old and other.old_path != touch.old_path and other.old_path.endswith(suffix)
        ]
        if len(others) > FILES_MAX:
            return None
        lost = list_lost(self._contents, others, defined.entity.name.encode())
        found = find_elsewhere(defined, [each for each, _ in lost])
        for each, other in lost:
            if each is found and other.old:
                kinds = tell_kinds(each, defined, moved=True)
                return _Outcome(_spot(other.old_path, other.old, each), kinds)
        return None

    def _find_removed(self, defined: Defined, spot: Spot, touch: PathTouch) -> _Outcome | None:
        """Whether an earlier content of the file had the definition, which a commit then took away."""
        if touch.kind != ORDINARY:
            return None
        earlier = [
            each
            for each in self._past.touches_of(spot.path)
            if each.old_path == spot.path
            and each.old
            and each.kind == ORDINARY
            and each.number < touch.number
        ]
        before = self._past.ancestors(touch.number) if earlier else ()
        earlier = [each for each in earlier if before[each.number]][:RESTORED_MAX]
        if not may_define(self._contents, earlier, defined.entity.name):
            return None
        name = defined.entity.name.encode()
        for each in earlier:
            if each.old is None or name not in self._contents.read(each.old):
                continue
            if each.new is not None and name in self._contents.read(each.new):
                continue
            found = find_elsewhere(defined, self._define(spot.path, each.old))
            if found is not None and found.entity.name == defined.entity.name:
                return _Outcome(_spot(spot.path, each.old, found), (ChangeKind.RESTORED,), each.number)
            return None
        return None

    # -- kept ---------------------------------------------------------------------------------------

    def _dump(self, outcome: _Outcome) -> bytes:
        spot = outcome.spot
        removed = None if outcome.removed is None else self._past.commit(outcome.removed)
        where = (
            [spot.path.hex(), spot.blob, spot.name, spot.first, spot.start_line, spot.end_line]
            if spot
            else None
        )
        return json.dumps([where, [kind.value for kind in outcome.kinds], removed]).encode()

    def _load(self, kept: bytes) -> _Outcome:
        where, kinds, removed = json.loads(kept)
        spot = Spot(bytes.fromhex(where[0]), *where[1:]) if where else None
        number = self._past.find(removed) if removed else None
        return _Outcome(spot, tuple(ChangeKind(kind) for kind in kinds), number)


def _key(commit: ObjectId, spot: Spot, touch: PathTouch) -> bytes:
    parts = (commit, spot.path, spot.blob, spot.name, spot.first, spot.start_line, touch.old_path, touch.old)
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()


def _locate(now: Iterable[Defined], spot: Spot) -> Defined | None:
    """The definition of a content that a spot means."""
    last = spot.name.rpartition(".")[2]
    named = [each for each in now if each.entity.name == last]
    return min(named, default=None, key=lambda each: abs(each.entity.start_line - spot.start_line))

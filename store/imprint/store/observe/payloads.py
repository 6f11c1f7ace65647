"""What a session wrote, ready to be matched: the edits of its transcript, with what each of them made new.

An edit's payload holds more than it changed: the text to replace is given with lines around it, and a file
that is written whole holds everything that was in it before. New are only the lines that were not in what
the edit took away, or in what the session last knew the file to hold.

Invariants:
    1. Calls that failed wrote nothing.
    2. A line is new to at most one edit unless it was taken out in between or written twice.
    3. The same transcript gives the same payloads.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import EditKind
from imprint.store.observe.keys import squeeze

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.store.agents.model import Edit, ParsedSession

_ALIGNED_LINES_MAX: Final = 3000
"""Longer texts are compared as bags of lines: aligning takes time that grows with the square."""
PAYLOAD_LINES_MAX: Final = 20_000
"""Lines of one edit that are matched; what a session writes beyond is data rather than code."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What one edit put into a file.

    Attributes:
        order: its place among the session's edits.
        turn: number of the turn that it belongs to, counting from 1.
        first_line, end_line: lines of the transcript that the turn takes.
        at_ms: when; None if not said.
        path: as the transcript has it, below the session's folder relative to it; empty if not said.
        kind: how.
        lines: its text, without line feeds.
        keys: the lines squeezed; see `squeeze`.
        fresh: places among `lines` of what it made new.
    """

    order: int
    turn: int
    first_line: int
    end_line: int
    at_ms: int | None
    path: str
    kind: EditKind
    lines: tuple[str, ...]
    keys: tuple[str, ...]
    fresh: frozenset[int]


@dataclass(frozen=True, slots=True)
class SessionEdits:
    """Everything that a session wrote.

    Attributes:
        session: its id.
        payloads: by order.
        places: for a squeezed line, where it was new: numbers of the payload and of its line.
        ended: for a payload and one of its lines, the order of the edit that took the line out again.
        pieces: lines of replacements that may be pieces of longer lines: numbers of the payload and of its
            line, and, squeezed, the piece that it took the place of.
        moves: paths that the session gave to files, and those before.
        lines: how many lines it holds altogether; what it costs to keep.
    """

    session: str
    payloads: tuple[Payload, ...]
    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    ended: dict[tuple[int, int], int] = field(default_factory=dict)
    pieces: tuple[tuple[int, int, str], ...] = ()
    moves: dict[str, str] = field(default_factory=dict)
    lines: int = 0


def collect_edits(session: ParsedSession, session_id: str = "") -> SessionEdits:
    """The edits of a transcript.

    Args:
        session: the transcript.
        session_id: what the archive calls it; empty: what the transcript does.
    """
    collector = _Collector(session.cwd)
    for turn in session.turns:
        for call in turn.calls:
            if call.ok is not False:
                for edit in call.edits:
                    collector.add(edit, turn.number, (turn.first_line, turn.end_line), call.at_ms)
    return collector.finish(session_id or session.id)


class _Collector:
    """Follows what a session knows of each file while its edits go by."""

    def __init__(self, cwd: str | None) -> None:
        self._root = cwd.rstrip("/").replace("\\", "/") + "/" if cwd else ""
        self._payloads: list[Payload] = []
        self._known: dict[str, list[str]] = {}
        self._live: dict[str, dict[str, list[tuple[int, int]]]] = {}
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._ended: dict[tuple[int, int], int] = {}
        self._pieces: list[tuple[int, int, str]] = []
        self._moves: dict[str, str] = {}

    def add(self, edit: Edit, turn: int, span: tuple[int, int], at_ms: int | None) -> None:
        path = self._shorten(edit.path)
        if edit.kind is EditKind.MOVE and edit.old_path:
            self._move(self._shorten(edit.old_path), path)
        if edit.kind is EditKind.DELETE:
            self._known.pop(path, None)
        if not edit.added and not edit.removed:
            return
        lines = edit.added[:PAYLOAD_LINES_MAX]
        before = self._known.get(path, []) if edit.kind is EditKind.WRITE else list(edit.removed)
        fresh = _find_fresh(before, lines)
        order = len(self._payloads)
        self._end_lines(path, before, lines, order)
        keys = tuple(map(squeeze, lines))
        self._payloads.append(Payload(order, turn, *span, at_ms, path, edit.kind, lines, keys, fresh))
        live = self._live.setdefault(path, {})
        for at in sorted(fresh):
            self._places.setdefault(keys[at], []).append((order, at))
            live.setdefault(lines[at], []).append((order, at))
        if edit.kind is EditKind.REPLACE and edit.removed and lines:
            self._add_pieces(order, edit.removed, lines)
        self._know(edit, path, lines)

    def _add_pieces(self, order: int, removed: Sequence[str], lines: Sequence[str]) -> None:
        """The first and the last line of a replacement may begin and end within a line."""
        ends = {(0, 0), (len(lines) - 1, len(removed) - 1)}
        for at, was in sorted(ends):
            if lines[at] != removed[was]:
                self._pieces.append((order, at, squeeze(removed[was])))

    def _shorten(self, path: str) -> str:
        path = path.replace("\\", "/")
        return path.removeprefix(self._root) if self._root else path

    def _move(self, old: str, new: str) -> None:
        self._moves[new] = old
        for known in (self._known, self._live):
            if old in known:
                known[new] = known.pop(old)  # type: ignore[assignment]

    def _end_lines(self, path: str, before: Sequence[str], after: Sequence[str], order: int) -> None:
        """Note what the edit took out, newest first: text given twice was most likely the later."""
        live = self._live.get(path)
        if not live:
            return
        for line, count in (Counter(before) - Counter(after)).items():
            for _ in range(min(count, len(live.get(line, ())))):
                self._ended[live[line].pop()] = order

    def _know(self, edit: Edit, path: str, lines: Sequence[str]) -> None:
        """Keep what the file holds now, as far as the session has seen it."""
        if edit.kind is EditKind.WRITE:
            self._known[path] = list(lines)
            return
        known = self._known.get(path)
        if known is None or not edit.removed:
            return
        at = _find_block(known, edit.removed)
        if at is not None:
            last = at + len(edit.removed) - 1
            head = known[at].removesuffix(edit.removed[0])
            tail = known[last].removeprefix(edit.removed[-1]) if last > at else ""
            known[at : last + 1] = [head + line if not place else line for place, line in enumerate(lines)]
            if tail and lines:
                known[at + len(lines) - 1] += tail

    def finish(self, session: str) -> SessionEdits:
        count = sum(len(payload.lines) for payload in self._payloads)
        return SessionEdits(
            session,
            tuple(self._payloads),
            self._places,
            self._ended,
            tuple(self._pieces),
            self._moves,
            count,
        )


def _find_fresh(before: Sequence[str], after: Sequence[str]) -> frozenset[int]:
    """Places of the lines of `after` that were not in `before`."""
    if not before:
        return frozenset(range(len(after)))
    if len(before) > _ALIGNED_LINES_MAX or len(after) > _ALIGNED_LINES_MAX:
        return frozenset(_iter_surplus(before, after))
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return frozenset(
        at
        for tag, _, _, start, end in matcher.get_opcodes()
        if tag in {"insert", "replace"}
        for at in range(start, end)
    )


def _iter_surplus(before: Sequence[str], after: Sequence[str]) -> Iterator[int]:
    left = Counter(before)
    for at, line in enumerate(after):
        if left[line]:
            left[line] -= 1
        else:
            yield at


def _find_block(lines: Sequence[str], block: Sequence[str]) -> int | None:
    """Where the block stands among the lines; None if nowhere. Its first and last line may be cut short."""
    size = len(block)
    if size == 1:
        return next((at for at, line in enumerate(lines) if line == block[0]), None)
    inner = list(block[1:-1])
    for at in range(len(lines) - size + 1):
        if (
            lines[at].endswith(block[0])
            and lines[at + size - 1].startswith(block[-1])
            and list(lines[at + 1 : at + size - 1]) == inner
        ):
            return at
    return None

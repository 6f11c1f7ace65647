"""Which sessions made a commit: the reflog of a work tree is replayed, and lines are taken by who wrote them.

Invariants:
    1. A line that a session wrote goes into one commit: what a partial commit leaves waits for a later one.
       Amending or resetting gives the lines of the commit that is gone back.
    2. Where several wrote the same line, the last before the commit has it. A session that none of whose
       lines went in is not named, whatever else it did in the folder.
    3. Nothing of a transcript is remembered here but hashes of lines.

Lines are compared without white space; those that could stand anywhere (a bracket, `return`) count only where
a session wrote nothing else.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from imprint.store.agents.model import EditKind
from imprint.store.observe.keys import is_plain, squeeze
from imprint.store.observe.payloads import collect_edits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from imprint.cli.capture.discover import Ground
    from imprint.cli.capture.shell import ShellCall
    from imprint.store.agents.model import ParsedSession
    from imprint.store.history.patches import FilePatch

AMEND: Final = "commit (amend)"
"""What reflogs call amending."""
_ENTRY: Final = re.compile(rb"([0-9a-f]{40,64}) ([0-9a-f]{40,64}) .*> (\d+) [-+]\d{4}(?:\t(.*))?")
_LATE_MS: Final = 3_000
"""Reflogs count whole seconds, and a transcript's line is written after what it tells of was done."""
_GONE: Final = "-"
"""What the key of a line that was taken out begins with."""
_MISSING: Final = "!"
"""The key of a file that was deleted or moved away."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One edit of a session.

    Attributes:
        top: the work tree.
        path: from its top.
        keys: hashes of the lines that it put in or took out.
        at_ms: when; None if not said.
        first_line, end_line: of the transcript: the turn it belongs to.
        call: id of the shell call that did it; empty for others.
    """

    top: str
    path: str
    keys: tuple[str, ...]
    at_ms: int | None
    first_line: int
    end_line: int
    call: str = ""


def read_piece(document: Mapping[str, Any]) -> Piece:
    """A piece that was written down as JSON."""
    return Piece(**{**document, "keys": tuple(document["keys"])})


@dataclass(frozen=True, slots=True)
class Step:
    """An entry of a reflog.

    Attributes:
        old, new: commits; `old` is all zeros for the first.
        at_ms: when.
        action: what git was doing, such as `commit (amend)`.
    """

    old: str
    new: str
    at_ms: int
    action: str


@dataclass(frozen=True, slots=True)
class Share:
    """What a session has in a commit.

    Attributes:
        session: its id.
        first_line, end_line: the part of its transcript.
        lines: how many lines of the commit are its.
        paths: of the files that they are in.
        calls: shell calls that wrote some of them.
    """

    session: str
    first_line: int
    end_line: int
    lines: int
    paths: tuple[str, ...]
    calls: tuple[str, ...] = ()


def read_reflog(git_dir: Path) -> list[Step]:
    """The moves of a work tree's HEAD, oldest first; none where git keeps no reflog."""
    try:
        content = (git_dir / "logs" / "HEAD").read_bytes()
    except OSError:
        return []
    steps = []
    for line in content.splitlines():
        if found := _ENTRY.match(line):
            action = (found[4] or b"").decode("utf-8", "replace").partition(":")[0]
            steps.append(Step(found[1].decode(), found[2].decode(), int(found[3]) * 1000, action))
    return steps


def cut_pieces(parsed: ParsedSession, ground: Ground, cwd: str | None) -> list[Piece]:
    """The edits of a transcript, where they fell into work trees of the clone."""
    folder = parsed.cwd or cwd or ""
    pieces = []
    for payload in collect_edits(parsed).payloads:
        lines = [payload.keys[at] for at in sorted(payload.fresh)]
        where = _locate(folder, payload.path, ground)
        if where and lines:
            pieces.append(
                Piece(*where, _hash_all(lines), payload.at_ms, payload.first_line, payload.end_line)
            )
    for turn in parsed.turns:
        for call in turn.calls:
            for edit in () if call.ok is False else call.edits:
                gone = Counter(map(squeeze, edit.removed)) - Counter(map(squeeze, edit.added))
                keys = [_GONE + one for one in _hash_all(list(gone.elements()))]
                name = edit.old_path if edit.kind is EditKind.MOVE and edit.old_path else edit.path
                if edit.kind in (EditKind.DELETE, EditKind.MOVE):
                    keys.append(_MISSING)
                where = _locate(folder, name, ground)
                if where and keys:
                    pieces.append(Piece(*where, tuple(keys), call.at_ms, turn.first_line, turn.end_line))
    return pieces


def cut_shell_pieces(call: ShellCall, ground: Ground) -> list[Piece]:
    """What a shell call changed, as edits; the turn that it belongs to is found by its id."""
    top = ground.find_top(call.cwd)
    pieces = []
    for file in call.files if top else ():
        keys = [*_hash_all([squeeze(line) for line in file["added"]])]
        keys += [_GONE + one for one in _hash_all([squeeze(line) for line in file["removed"]])]
        if keys:
            pieces.append(Piece(top or "", file["path"], tuple(keys), call.ended_ms, 0, 0, call.call))
    return pieces


def _locate(folder: str, path: str, ground: Ground) -> tuple[str, str] | None:
    """The work tree that an edited file lies in, and its path there."""
    if not path:
        return None
    full = os.path.normpath(os.path.join(folder, path))  # noqa: PTH118 - `..` is not to follow links
    parent, name = os.path.split(full)
    real = os.path.realpath(parent)
    top = ground.find_top(real)
    return None if top is None else (top, os.path.relpath(os.path.join(real, name), top))  # noqa: PTH118


def _hash_all(keys: Sequence[str]) -> tuple[str, ...]:
    """Hashes of lines that say something; of all of them where none does."""
    telling = [key for key in keys if not is_plain(key)]
    return tuple(
        hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16] for key in telling or keys if key
    )


@dataclass(slots=True)
class _Live:
    """A piece while the reflog is replayed."""

    session: str
    piece: Piece
    left: Counter[str]


@dataclass(slots=True)
class Replay:
    """Replays the reflog of one work tree.

    Args:
        top: the work tree.
        works: pieces of each session.
        patches: of the commits, against their first parents.
        parents: the first parent of each commit.
    """

    top: str
    works: Mapping[str, Sequence[Piece]]
    patches: Mapping[str, Sequence[FilePatch]]
    parents: Mapping[str, str]
    _by_path: dict[str, list[_Live]] = field(default_factory=dict)
    _taken: dict[str, list[tuple[_Live, Counter[str]]]] = field(default_factory=dict)

    def run(self, steps: Iterable[Step]) -> dict[str, list[Share]]:
        """The sessions of each commit that was made here."""
        for session, pieces in self.works.items():
            for piece in pieces:
                if piece.top == self.top:
                    live = _Live(session, piece, Counter(piece.keys))
                    self._by_path.setdefault(piece.path, []).append(live)
        for lives in self._by_path.values():
            lives.sort(key=lambda live: live.piece.at_ms or 0, reverse=True)
        shares = {}
        for step in steps:
            if step.action == AMEND:
                self._give_back(step.old)
            elif step.action == "reset":
                self._give_back_until(step.old, step.new)
            if step.action.startswith("commit") and step.new in self.patches:
                shares[step.new] = self._take(step)
        return shares

    def _give_back(self, commit: str) -> None:
        for live, keys in self._taken.pop(commit, ()):
            live.left += keys

    def _give_back_until(self, old: str, new: str) -> None:
        """Commits that a reset undid: those from `old` back to `new`, if it goes straight back."""
        undone = []
        while old != new:
            if old not in self.parents:
                return
            undone.append(old)
            old = self.parents[old]
        for commit in undone:
            self._give_back(commit)

    def _take(self, step: Step) -> list[Share]:
        found: dict[str, list[tuple[Piece, int]]] = {}
        for path, changed in _read_wanted(self.patches[step.new]).items():
            wanted = changed.copy()
            for live in self._by_path.get(path, ()):
                if (live.piece.at_ms or 0) > step.at_ms + _LATE_MS:
                    continue
                keys = live.left & wanted
                if not keys:
                    continue
                live.left -= keys
                wanted.subtract(keys)
                self._taken.setdefault(step.new, []).append((live, keys))
                found.setdefault(live.session, []).append((live.piece, keys.total()))
        return [_join(session, pieces) for session, pieces in found.items()]


def _join(session: str, found: Sequence[tuple[Piece, int]]) -> Share:
    pieces = [piece for piece, _ in found]
    spans = [piece for piece in pieces if piece.end_line > piece.first_line]
    return Share(
        session=session,
        first_line=min((piece.first_line for piece in spans), default=0),
        end_line=max((piece.end_line for piece in spans), default=0),
        lines=sum(count for _, count in found),
        paths=tuple(sorted({piece.path for piece in pieces})),
        calls=tuple(dict.fromkeys(piece.call for piece in pieces if piece.call)),
    )


def _read_wanted(patch: Sequence[FilePatch]) -> dict[str, Counter[str]]:
    """For each file of a commit, the hashes of the lines that went in and out."""
    wanted: dict[str, Counter[str]] = {}
    for file in patch:
        keys = wanted.setdefault(os.fsdecode(file.path), Counter())
        for hunk in file.hunks:
            keys.update(_hash_each(hunk.added, ""))
            keys.update(_hash_each(hunk.removed, _GONE))
        is_gone = bool(file.hunks) and not any(hunk.added for hunk in file.hunks)
        if is_gone:
            keys[_MISSING] += 1
        if file.old_path != file.path:
            wanted.setdefault(os.fsdecode(file.old_path), Counter())[_MISSING] += 1
    return wanted


def _hash_each(lines: Iterable[bytes], mark: str) -> list[str]:
    keys = (squeeze(line.decode("utf-8", "replace")) for line in lines)
    return [mark + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16] for key in keys if key]

"""What shell tools changed: the snapshots before and after a call, compared.

Invariants:
    1. A call counts only if both snapshots were taken; what is missing is said, not guessed.
    2. A change that happened while another session's shell tool ran too is marked as shared.
    3. Snapshots are dropped as soon as they were read.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from imprint.cli.capture.hooks.script import AFTER_SHELL, BEFORE_SHELL
from imprint.store.agents.captured import SUFFIX, VERSION
from imprint.store.errors import BadObjectId, PlumbingFailed
from imprint.store.history.patches import iter_patches
from imprint.store.paths import quote_path
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.cli.capture.notes import Note
    from imprint.cli.capture.places import Places
    from imprint.store.history.patches import FilePatch
    from imprint.store.plumbing import Plumbing

LINES_PER_CALL_MAX: Final = 20_000
"""Lines that one call may have changed; what goes beyond is data, and is left out."""
_WAITING_SECONDS_MAX: Final = 24 * 3600
"""How long a snapshot waits for the one after it."""


@dataclass(frozen=True, slots=True)
class ShellCall:
    """One call of a shell tool that changed files.

    Attributes:
        agent, session, call: whose, and which.
        cwd: where it ran.
        begun_ms, ended_ms: when.
        command: as the agent gave it.
        is_shared: whether another session's tool ran meanwhile.
        files: what changed: `{path, added, removed}`, paths from the work tree's top.
    """

    agent: str
    session: str
    call: str
    cwd: str
    begun_ms: int
    ended_ms: int
    command: str
    is_shared: bool
    files: list[dict[str, Any]] = field(default_factory=list)

    @property
    def line(self) -> bytes:
        """The call as a line of the session that is kept; see `imprint.store.agents.captured`."""
        document = {
            "imprint": "shell",
            "v": VERSION,
            "agent": self.agent,
            "session": self.session,
            "call": self.call,
            "at_ms": self.ended_ms,
            "command": self.command,
            "shared": self.is_shared,
            "files": self.files,
        }
        return json.dumps(document, ensure_ascii=True).encode() + b"\n"


def name_shell_session(session: str) -> str:
    """The id of the session that holds what a session's shell commands changed."""
    return session + SUFFIX


@dataclass(frozen=True, slots=True)
class Shells:
    """What the notes of shell tools came to.

    Attributes:
        calls: those that changed something.
        done: notes that were used.
        problems: calls without snapshots, and why.
    """

    calls: list[ShellCall]
    done: list[Note]
    problems: list[str]


def read_calls(notes: Sequence[Note], places: Places, plumbing: Plumbing, now_ms: int) -> Shells:
    """Pair the snapshots of shell tools and compare them.

    Args:
        notes: of hooks, oldest first.
        places: of the clone.
        plumbing: git on the clone.
        now_ms: the time.
    """
    shells = Shells([], [], [])
    pairs = _pair(notes, shells, now_ms)
    compare = plumbing.in_quarantine(places.snapshots / "objects")
    for before, after in pairs:
        shells.done.extend((before, after))
        if reason := _missing(before, after):
            shells.problems.append(f"what a shell tool changed is not known: {reason}")
            continue
        try:
            trees = ObjectId.parse(before.tree), ObjectId.parse(after.tree)
            patch = (
                next(iter_patches(compare, [trees], LINES_PER_CALL_MAX)) if before.tree != after.tree else []
            )
        except (BadObjectId, PlumbingFailed, StopIteration):
            shells.problems.append("what a shell tool changed is not known: its snapshot cannot be read")
            continue
        if files := [_describe(file) for file in patch]:
            shells.calls.append(_build(before, after, files, pairs))
    return shells


def drop_snapshots(places: Places, waiting: Iterable[Note]) -> None:
    """Remove the objects of snapshots unless one still waits for its second."""
    if not any(note.tree for note in waiting):
        shutil.rmtree(places.snapshots, ignore_errors=True)


def _pair(notes: Sequence[Note], shells: Shells, now_ms: int) -> list[tuple[Note, Note]]:
    open_notes: dict[tuple[str, str, str], Note] = {}
    pairs = []
    for note in notes:
        key = (note.agent, note.session, note.call)
        if note.event == BEFORE_SHELL:
            if key in open_notes:  # a call that never ended; ids of calls may be missing
                shells.done.append(open_notes[key])
            open_notes[key] = note
        elif note.event == AFTER_SHELL:
            before = open_notes.pop(key, None)
            if before is None:
                shells.done.append(note)
            else:
                pairs.append((before, note))
    shells.done.extend(
        note for note in open_notes.values() if now_ms - note.at_ns // 10**6 > _WAITING_SECONDS_MAX * 1000
    )
    return pairs


def _missing(before: Note, after: Note) -> str:
    said = {before.tree, after.tree}
    if "too-large" in said:
        return "the work tree is too large for snapshots"
    if "late" in said:
        return "a snapshot took too long"
    return "" if all(said) else "a snapshot could not be taken"


def _build(
    before: Note, after: Note, files: list[dict[str, Any]], pairs: Sequence[tuple[Note, Note]]
) -> ShellCall:
    is_shared = any(
        (one.agent, one.session) != (before.agent, before.session)
        and one.at_ns < after.at_ns
        and other.at_ns > before.at_ns
        for one, other in pairs
    )
    return ShellCall(
        agent=before.agent,
        session=before.session,
        call=before.call,
        cwd=before.cwd or after.cwd,
        begun_ms=before.at_ns // 10**6,
        ended_ms=after.at_ns // 10**6,
        command=before.command or after.command,
        is_shared=is_shared,
        files=files,
    )


def _describe(file: FilePatch) -> dict[str, Any]:
    return {
        "path": _render(file.path),
        "added": [_text(line) for hunk in file.hunks for line in hunk.added],
        "removed": [_text(line) for hunk in file.hunks for line in hunk.removed],
    }


def _render(path: bytes) -> str:
    """A path as a tool would give it; one that is no UTF-8 as git quotes it."""
    try:
        return path.decode()
    except UnicodeDecodeError:
        return quote_path(path)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")

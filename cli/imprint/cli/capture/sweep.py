"""The sweep: what hooks noted and what agents wrote is kept, linked to commits, and sent.

    1. read the notes of hooks
    2. find transcripts of this clone's work trees, and read what is new of each
    3. redact it; put it into the outbox, or into the clone's archive
    4. replay the reflogs: which sessions are in which commits
    5. send the outbox; remember how far this came

Invariants:
    1. One sweep at a time works on a clone. Nothing depends on when it runs, or how often.
    2. A crash repeats work; keeping is idempotent, so it repeats nothing that is kept.
    3. With capture off, notes are discarded unread.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from imprint.cli.capture.deliver import (
    PIECE_BYTES_MAX,
    Outbox,
    Parcel,
    drain,
    find_destination,
    keep_in_clone,
)
from imprint.cli.capture.discover import Ground, Transcript, list_noted, list_transcripts
from imprint.cli.capture.external import list_external
from imprint.cli.capture.hooks.files import Manifest
from imprint.cli.capture.hooks.script import BEFORE_SHELL
from imprint.cli.capture.linking import Linker
from imprint.cli.capture.notes import Note, read_notes
from imprint.cli.capture.places import Places, Wishes, list_work_trees, read_wishes
from imprint.cli.capture.shell import Shells, drop_snapshots, name_shell_session, read_calls
from imprint.cli.capture.state import Known, State
from imprint.cli.errors import UsageProblem
from imprint.cli.output import counted
from imprint.store.agents.known import find_format
from imprint.store.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.cli.call import Surroundings
    from imprint.cli.capture.hooks.install import Scene
    from imprint.store.clock import Clock
    from imprint.store.redaction.ports import Redactor

SOURCE: Final = {"system": "capture", "version": "1"}
_TAIL_BYTES: Final = 1024
_TRANSCRIPT_BYTES_MAX: Final = 256 * 1024**2
"""A larger transcript is left alone, and said."""


@dataclass(slots=True)
class Report:
    """What a sweep did.

    Attributes:
        is_on: whether capture is on.
        sessions: sessions of which something new was kept.
        records: records of what sessions have in commits.
        sent: documents that the server took.
        waiting: documents that wait for it.
        destination: where they go; empty for the clone.
        problems: what could not be done.
    """

    is_on: bool = True
    sessions: list[str] = field(default_factory=list)
    records: int = 0
    sent: int = 0
    waiting: int = 0
    destination: str = ""
    problems: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {name: getattr(self, name) for name in self.__slots__}

    def render(self) -> list[str]:
        """For people."""
        if not self.is_on:
            return ["capture is off (imprint.capture): nothing was read or kept"]
        where = f"sent to {self.destination}" if self.destination else "kept in this clone"
        new = f"{counted(len(self.sessions), 'session')} new or grown"
        lines = [f"{new}, {counted(self.records, 'record')}; {where}"]
        return lines + ([f"{counted(self.waiting, 'document')} waiting to be sent"] if self.waiting else [])


@dataclass(slots=True)
class Sweep:
    """One pass over a clone.

    Attributes:
        scene: the clone and its user.
        places: of the clone.
        surroundings: of the process.
        clock: the time.
        redactor: what takes secrets out.
    """

    scene: Scene
    places: Places
    surroundings: Surroundings
    clock: Clock
    redactor: Redactor

    @classmethod
    def of(cls, scene: Scene, surroundings: Surroundings) -> Self:
        """A sweep of a clone.

        Raises:
            UsageProblem: it is not run in a clone.
        """
        from imprint.store.redaction.engine import make_redactor

        if scene.places is None:
            raise UsageProblem("there is no clone here", hint="change into one")
        return cls(scene, scene.places, surroundings, SystemClock(), make_redactor())

    def run(self, *, everything: bool = False) -> Report:
        """Do it.

        Args:
            everything: take what was there before the hooks were installed too.
        """
        report = Report()
        with self.places.sweeping() as is_alone:
            if not is_alone:
                report.problems.append("another sweep is at work and does not end")
                return report
            self.places.waking.unlink(missing_ok=True)
            wishes = read_wishes(self.scene.git, self.scene.home)
            notes = read_notes(self.places.spool)
            if not wishes.is_on:
                self._stop(notes)
                report.is_on = False
                return report
            self.places.off.unlink(missing_ok=True)
            since_ms = 0 if everything else Manifest(self.places.hooks).installed_at_ms or 0
            first = _Pass(self, wishes, notes, State.load(self.places.state), report)
            first.run(since_ms)
            if first.is_again:
                _Pass(self, wishes, [], State.load(self.places.state), report).run(since_ms)
        report.sessions = list(dict.fromkeys(report.sessions))
        return report

    def _stop(self, notes: list[Note]) -> None:
        """Tell the hooks that there is nothing to note."""
        self.places.off.touch()
        for note in notes:
            note.discard()
        drop_snapshots(self.places, ())


@dataclass(slots=True)
class _Pass:
    """What one run works with."""

    sweep: Sweep
    wishes: Wishes
    notes: list[Note]
    state: State
    report: Report
    is_again: bool = False
    _parcels: list[Parcel] = field(default_factory=list)

    def run(self, since_ms: int) -> None:
        from imprint.store.clone import Clone

        sweep = self.sweep
        with Clone.discover(sweep.places.common_dir) as clone:
            ground = Ground(self._list_tops(), self.wishes.excluded)
            now_ms = sweep.clock.now_ms()
            shells = read_calls(self.notes, sweep.places, clone.view.plumbing, now_ms)
            self.report.problems += dict.fromkeys(shells.problems)
            changed = self._read_transcripts(ground, since_ms)
            linker = Linker(clone.view, sweep.places, self.state, ground, now_ms)
            for transcript in changed:
                linker.read(transcript, self.state.files[transcript.key])
            self._keep_shells(shells, linker)
            records = linker.link(
                self._find_git_folders(), self.notes, is_changed=bool(changed or shells.calls)
            )
            self._parcels += records
            self.report.records += len(records)
        self._deliver()
        self._forget_notes(shells)
        self.state.swept_at_ms = sweep.clock.now_ms()
        self.state.save(sweep.places.state)

    # -- transcripts --------------------------------------------------------------------------------------

    def _list_tops(self) -> list[str]:
        """Work trees of the clone, those that are gone too; the main one first."""
        common = self.sweep.places.common_dir
        tops = list_work_trees(self.sweep.scene.git, common)
        if self.state.tops and tops[0] == str(common):  # told from elsewhere, earlier
            tops[0] = self.state.tops[0]
        # Where a work tree was and something is again, that is somebody else's.
        gone = [top for top in self.state.tops if top not in tops and not Path(top).exists()]
        self.state.tops = [*tops, *gone]
        return self.state.tops

    def _find_git_folders(self) -> dict[str, Path]:
        """The Git folder of each work tree."""
        common = self.sweep.places.common_dir
        trees = {}
        with suppress(OSError):
            for folder in (common / "worktrees").iterdir():
                with suppress(OSError):
                    file = (folder / "gitdir").read_text("utf-8", "surrogateescape").rstrip("\n")
                    trees[os.path.realpath(Path(file).parent)] = folder
        if self.state.tops:
            trees[os.path.realpath(self.state.tops[0])] = common
        return trees

    def _read_transcripts(self, ground: Ground, since_ms: int) -> list[Transcript]:
        """Transcripts of this clone that are new or have grown; their new parts become parcels."""
        scene = self.sweep.scene
        found: dict[str, Transcript] = {}
        for one in list_noted(self.notes):
            found[one.key] = one
        plugins = Manifest(self.sweep.places.hooks).plugins
        for one in list_external(plugins, scene, self.state.tops, self.report.problems):
            found[one.key] = one
        for one in list_transcripts(scene.home, scene.environment, ground):
            found[one.key] = (
                one if found.get(one.key) is None or found[one.key].cwd is None else found[one.key]
            )
        changed = []
        # Parents first: a sub-agent's texts are kept under the key of its parent's.
        for transcript in sorted(found.values(), key=lambda one: (one.parent_id is not None, one.key)):
            with suppress(OSError):
                if self._read_one(transcript, ground, since_ms):
                    changed.append(transcript)
        return changed

    def _read_one(self, transcript: Transcript, ground: Ground, since_ms: int) -> bool:
        stamp = transcript.stamp()
        known = self.state.files.get(transcript.key) or Known(transcript.agent)
        if (known.size, known.mtime_ns, known.inode) == stamp:
            return False
        if known.lines == 0 and stamp[1] // 10**6 < since_ms:
            return False
        if known.cwd is None:
            known.cwd = transcript.find_cwd()
        known.is_here = known.cwd is not None and ground.holds(known.cwd)
        self.state.files[transcript.key] = known
        known.size, known.mtime_ns, known.inode = stamp
        if not known.is_here:
            return False
        if stamp[0] > _TRANSCRIPT_BYTES_MAX:
            self.report.problems.append(f"{transcript.path}: a transcript of {stamp[0]} bytes is left alone")
            return False
        return self._take(transcript, known)

    def _take(self, transcript: Transcript, known: Known) -> bool:
        """Make parcels of what is new; whether there is anything."""
        content = transcript.read()
        kept = known.offset if transcript.is_growing else 0
        is_grown = (
            0 < kept <= len(content) and _hash(content[max(0, kept - _TAIL_BYTES) : kept]) == known.tail
        )
        start = kept if is_grown else 0
        end = content.rfind(b"\n") + 1 if transcript.is_growing else len(content)
        if end <= start:
            return False
        if not known.session_id or not is_grown:
            form = find_format(transcript.agent, content[:65536])
            parsed = form.parse(content[:end]) if form else None
            said = parsed.id if parsed else ""
            known.session_id = said or transcript.session_id
            known.parent_id = (parsed.parent_id if parsed else None) or transcript.parent_id
        if not known.session_id:
            return False
        first = known.lines if is_grown else 0
        self._parcels += self._cut(transcript.agent, known, content[start:end], first)
        known.lines = first + content[start:end].count(b"\n") + (not content[start:end].endswith(b"\n"))
        known.offset, known.tail = end, _hash(content[max(0, end - _TAIL_BYTES) : end])
        self.report.sessions.append(known.session_id)
        return True

    def _cut(self, agent: str, known: Known, content: bytes, first: int) -> list[Parcel]:
        """Redacted pieces of whole lines."""
        parcels = []
        for lines in _group(content.splitlines(keepends=True)):
            text = self.sweep.redactor.redact(b"".join(lines).decode("utf-8", "replace")).text
            parcels.append(Parcel(agent, known.session_id, known.parent_id, first, text))
            first += len(lines)
        return parcels

    def _keep_shells(self, shells: Shells, linker: Linker) -> None:
        """What shell tools changed becomes a session below the one that called them."""
        for call in shells.calls:
            if not call.session or not linker.add_shell(call):
                continue
            session = name_shell_session(call.session)
            known = self.state.files.setdefault(f"shell:{session}", Known(call.agent, session, call.session))
            self._parcels += self._cut(call.agent, known, call.line, known.lines)
            known.lines += 1
            if session not in self.report.sessions:
                self.report.sessions.append(session)

    # -- delivery -----------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        sweep = self.sweep
        outbox = Outbox(sweep.places.ground / "outbox")
        destination = None
        if self._parcels or len(outbox):
            destination = find_destination(
                sweep.scene.git, sweep.scene.folder, self.wishes, sweep.surroundings, self.state.servers
            )
            self.state.destination = str(destination) if destination else ""
        documents = [parcel.document(SOURCE) for parcel in self._parcels]
        if destination is None and not len(outbox):
            if documents:
                kept = keep_in_clone(sweep.places, documents)
                self.report.problems += kept.refused
                self._send_whole(kept.moved)
            return
        left = [document for document in documents if not outbox.put(document)]
        self.report.destination = self.state.destination
        if destination is not None:
            drained = drain(outbox, destination)
            self.report.sent += drained.sent
            self.report.problems += drained.refused
            self._send_whole(drained.moved)
            if drained.unreachable:
                self.report.problems.append(f"not sent yet: {drained.unreachable}")
                left = documents
        else:
            left = documents
        self.report.waiting = len(outbox)
        if left:
            self.report.problems += keep_in_clone(sweep.places, left).refused

    def _send_whole(self, sessions: Iterable[str]) -> None:
        """Begin anew with the first line of these."""
        for session in sessions:
            self.is_again = True
            for key, known in list(self.state.files.items()):
                if known.session_id == session:
                    del self.state.files[key]

    def _forget_notes(self, shells: Shells) -> None:
        paired = {note.file for note in shells.done}
        waiting = []
        for note in self.notes:
            if note.event == BEFORE_SHELL and note.file not in paired:
                waiting.append(note)
            else:
                note.discard()
        drop_snapshots(self.sweep.places, waiting)


def _group(lines: list[bytes]) -> Iterable[list[bytes]]:
    """Runs of lines of about `PIECE_BYTES_MAX` bytes."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        if group and size + len(line) > PIECE_BYTES_MAX:
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line)
    if group:
        yield group


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

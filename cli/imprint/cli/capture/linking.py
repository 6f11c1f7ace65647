"""Linking: edits of the clone's sessions against the commits of its work trees, as far as they are new.

Invariants:
    1. A commit's record for a session is made once; a session that is found later gets its own.
    2. What is cached of a transcript is hashes of lines, and can be had again while the transcript is there.
    3. Merges are no session's: what they bring was committed before.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from imprint.cli.capture.deliver import Parcel
from imprint.cli.capture.hooks.script import POST_COMMIT
from imprint.cli.capture.link import (
    AMEND,
    Piece,
    Replay,
    Share,
    Step,
    cut_pieces,
    cut_shell_pieces,
    read_piece,
    read_reflog,
)
from imprint.cli.capture.shell import name_shell_session
from imprint.store.agents.known import find_format
from imprint.store.history.patches import iter_patches
from imprint.store.history.reading import isolated
from imprint.store.types import HashAlgorithm, ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from imprint.cli.capture.discover import Ground, Transcript
    from imprint.cli.capture.notes import Note
    from imprint.cli.capture.places import Places
    from imprint.cli.capture.shell import ShellCall
    from imprint.cli.capture.state import Known, State
    from imprint.store.history.patches import FilePatch
    from imprint.store.view import RepositoryView

REPLAY_MS_MAX: Final = 30 * 24 * 3600 * 1000
"""How far back reflogs are replayed: what a session wrote before that is not waited for any longer."""
_PATCH_LINES_MAX: Final = 200_000
_EMPTY_TREES: Final = {
    HashAlgorithm.SHA1: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    HashAlgorithm.SHA256: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
"""Git's id of a tree without entries, which every repository has."""


class Linker:
    """Finds what sessions have in commits of one clone.

    Args:
        view: the clone.
        places: of its capture.
        state: what earlier sweeps found; what is new is put in.
        ground: its work trees.
        now_ms: the time.
    """

    def __init__(
        self, view: RepositoryView, places: Places, state: State, ground: Ground, now_ms: int
    ) -> None:
        self._view = view
        self._cache = places.common_dir / "imprint" / "cache" / "capture"
        self._state = state
        self._ground = ground
        self._since_ms = now_ms - REPLAY_MS_MAX

    def read(self, transcript: Transcript, known: Known) -> None:
        """Take the edits of a transcript."""
        content = transcript.read()
        form = find_format(transcript.agent, content[:65536])
        if form is None:
            return
        parsed = form.parse(content)
        document = {
            "stamp": [known.size, known.mtime_ns, known.inode],
            "pieces": [asdict(piece) for piece in cut_pieces(parsed, self._ground, known.cwd)],
            "calls": {
                call.id: [turn.first_line, turn.end_line]
                for turn in parsed.turns
                for call in turn.calls
                if call.id
            },
        }
        self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file(transcript.key).write_text(json.dumps(document))

    def add_shell(self, call: ShellCall) -> bool:
        """Take what a shell call changed; False if it was taken before, or lies in no work tree."""
        pieces = cut_shell_pieces(call, self._ground)
        known = self._state.shells.setdefault(call.session, [])
        if not pieces or any(one["call"] == call.call and one["begun_ms"] == call.begun_ms for one in known):
            return False
        listed = [asdict(piece) for piece in pieces]
        known.append({"call": call.call, "begun_ms": call.begun_ms, "pieces": listed})
        return True

    def link(
        self, work_trees: Mapping[str, Path], notes: Sequence[Note], *, is_changed: bool
    ) -> list[Parcel]:
        """Records of what is new in commits, or newly known.

        Args:
            work_trees: the Git folder of each.
            notes: of hooks.
            is_changed: whether edits were taken since the last time.
        """
        reflogs = {top: read_reflog(git_dir) for top, git_dir in work_trees.items()}
        reflogs = self._add_noted(reflogs, notes)
        heads = {top: f"{len(steps)} {steps[-1].new}" for top, steps in reflogs.items() if steps}
        rewritten = [pair for note in notes for pair in note.rewritten]
        if not is_changed and not rewritten and heads == self._state.heads:
            return []
        self._state.heads = heads
        works = self._load_works()
        shares = self._replay(reflogs, works) if works else {}
        # What an amended commit has was replayed: lines that it lost do not come back.
        amended = {step.new for steps in reflogs.values() for step in steps if step.action == AMEND}
        for old, new in rewritten:
            if not shares.get(new) and new not in amended:
                known = self._state.linked.get(old, {})
                shares[new] = shares.get(old) or [_read_share(one) for one in known.values()]
        return self._record(shares)

    def _add_noted(self, reflogs: dict[str, list[Step]], notes: Sequence[Note]) -> dict[str, list[Step]]:
        """Commits that hooks told of and no reflog has: git may be told to keep none."""
        seen = {step.new for steps in reflogs.values() for step in steps}
        for note in notes:
            if note.event == POST_COMMIT and note.commit not in seen and not any(reflogs.values()):
                for steps in reflogs.values():
                    steps.append(Step("", note.commit, note.at_ns // 10**6, "commit"))
        return reflogs

    def _load_works(self) -> dict[str, list[Piece]]:
        """The edits of every session of the clone."""
        works: dict[str, list[Piece]] = {}
        calls: dict[str, tuple[str, int, int]] = {}
        for key, known in self._state.files.items():
            if not known.is_here or known.mtime_ns // 10**6 < self._since_ms:
                continue
            with suppress(OSError, ValueError, KeyError):
                document = json.loads(self._file(key).read_text())
                works.setdefault(known.session_id, []).extend(map(read_piece, document["pieces"]))
                calls |= {name: (known.session_id, *span) for name, span in document["calls"].items()}
        for session, noted in self._state.shells.items():
            for one in noted:
                # Hooks name the session; that it was a sub-agent of it, its transcript says.
                caller, first, end = calls.get(one["call"], (session, 0, 0))
                works.setdefault(caller, []).extend(
                    replace(read_piece(piece), first_line=first, end_line=end) for piece in one["pieces"]
                )
        return {session: pieces for session, pieces in works.items() if pieces}

    def _replay(
        self, reflogs: Mapping[str, Sequence[Step]], works: Mapping[str, Sequence[Piece]]
    ) -> dict[str, list[Share]]:
        recent = {
            top: [step for step in steps if step.at_ms >= self._since_ms] for top, steps in reflogs.items()
        }
        commits = [
            step.new for steps in recent.values() for step in steps if step.action.startswith("commit")
        ]
        facts = self._read_commits(commits)
        patches = self._read_patches(facts)
        parents = {commit: parents[0] for commit, (_, parents) in facts.items() if parents}
        shares: dict[str, list[Share]] = {}
        for top, steps in recent.items():
            shares |= Replay(top, works, patches, parents).run(steps)
        return shares

    def _read_commits(self, commits: Iterable[str]) -> dict[str, tuple[str, list[str]]]:
        """Tree and parents of commits that are still there."""
        wanted = "\n".join(dict.fromkeys(commits))
        if not wanted:
            return {}
        listed = self._view.plumbing.run(
            "log", "--no-walk=unsorted", "--ignore-missing", "--format=%H %T %P", "--stdin",
            stdin=(wanted + "\n").encode(),
        )  # fmt: skip
        facts = {}
        for line in listed.decode().splitlines():
            commit, tree, *parents = line.split(" ")
            facts[commit] = (tree, [one for one in parents if one])
        return facts

    def _read_patches(self, facts: Mapping[str, tuple[str, list[str]]]) -> dict[str, list[FilePatch]]:
        """What each commit changed; merges left out."""
        single = {commit: parents for commit, (_, parents) in facts.items() if len(parents) <= 1}
        trees = {commit: tree for commit, (tree, _) in facts.items()}
        missing = {one for parents in single.values() for one in parents} - trees.keys()
        trees |= {commit: tree for commit, (tree, _) in self._read_commits(sorted(missing)).items()}
        empty = _EMPTY_TREES[self._view.objects.algorithm]
        pairs = {
            commit: (ObjectId(trees[parents[0]] if parents else empty), ObjectId(trees[commit]))
            for commit, parents in single.items()
            if not parents or parents[0] in trees
        }
        with isolated(self._view) as plumbing:
            patches = iter_patches(plumbing, list(pairs.values()), _PATCH_LINES_MAX)
            return dict(zip(pairs, patches, strict=True))

    def _record(self, shares: Mapping[str, Sequence[Share]]) -> list[Parcel]:
        agents = {known.session_id: known.agent for known in self._state.files.values()}
        noted = {one["call"]: session for session, listed in self._state.shells.items() for one in listed}
        parcels = []
        facts = self._read_commits([commit for commit, found in shares.items() if found])
        for commit, (tree, parents) in facts.items():
            linked = self._state.linked.setdefault(commit, {})
            new = [share for share in shares[commit] if share.session not in linked]
            if not new:
                continue
            anchors = [("commit", commit), ("tree", tree), *(("base", one) for one in parents[:1])]
            if patch_id := self._patch_id(commit):
                anchors.append(("patch-id", patch_id))
            for share in new:
                linked[share.session] = asdict(share)
                shells = next((noted[call] for call in share.calls if call in noted), share.session)
                parcels.append(_build(share, agents.get(share.session, "unknown"), tuple(anchors), shells))
        return parcels

    def _patch_id(self, commit: str) -> str:
        patch = self._view.plumbing.run("diff-tree", "-p", "--root", commit)
        return self._view.plumbing.run("patch-id", "--stable", stdin=patch).decode().partition(" ")[0]

    def _file(self, key: str) -> Path:
        return self._cache / f"{hashlib.sha256(os.fsencode(key)).hexdigest()}.json"


def _build(share: Share, agent: str, anchors: tuple[tuple[str, str], ...], shells: str) -> Parcel:
    """The record of a share; `shells` is the session that the shell calls were noted for."""
    extra: dict[str, Any] = {"lines": share.lines, "paths": list(share.paths)}
    if share.calls:
        extra["shell_edits"] = {"session": name_shell_session(shells), "calls": list(share.calls)}
    part = (share.first_line, share.end_line) if share.end_line > share.first_line else None
    return Parcel(agent, share.session, anchors=anchors, part=part, extra=extra)


def _read_share(document: Mapping[str, Any]) -> Share:
    return Share(**{**document, "paths": tuple(document["paths"]), "calls": tuple(document["calls"])})

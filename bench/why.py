"""How many added lines are tied to the prompt turn that wrote them, and how many of the ties are wrong.

    python bench/why.py REPOSITORY [--head REF] [--seeds 1,2,3] [--rewrites] [--misses] [--json FILE]

REPOSITORY is any Git folder with checkpoints of Entire in its refs; it is read through a shared clone and
left alone. Measured are the commits reachable from `--head` (HEAD) with one parent whose trailers lead to
checkpoints; those with a transcript that is absent from the repository are counted apart.

    tied      added lines that the product ties to a turn
    one turn  tied lines for which no other turn is as likely
    control   the same commits, each of their sessions exchanged for another one that wrote about as much and
              shares no tool call with it: lines tied then are tied by chance
    later     of lines that no tied session wrote, those found, by the rules for sessions nearby, in sessions
              of the week that began a day after the commit: they cannot have written them
    precision 1 - (control + later) / tied, as shares of all lines

`--rewrites` measures more: each merge into `--head` made again as `git merge --squash` makes it, without any
trailer, tied by the sessions of the commits that it merged and, apart, by the product's links; and the merged
commits after `git rebase` onto the other parent, by what their messages still say.
`--misses` says why the others were not tied.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from imprint.store.agents.known import find_format
from imprint.store.agents.model import EditKind
from imprint.store.clone import Clone
from imprint.store.evidence.ports import ClaimSource
from imprint.store.formats.entire import (
    Layout,
    count_lines,
    find_layout,
    join_transcript,
    list_sessions,
    read_said,
    split_path,
)
from imprint.store.history.reading import iter_commits, iter_objects, list_commits
from imprint.store.links.claims import LinkedClaims
from imprint.store.links.intake import Arrival, Intake
from imprint.store.links.refusals import NoRefusals
from imprint.store.links.store import LinkStore
from imprint.store.objects.ports import ObjectKind
from imprint.store.observe.candidates import LATE_MS, NEARBY_MS, Edits, Finder, Tied, read_anchors
from imprint.store.observe.changes import iter_added_files
from imprint.store.observe.claims import observed_claims
from imprint.store.observe.match import match_lines
from imprint.store.observe.model import Candidate, Tier
from imprint.store.observe.payloads import collect_edits
from imprint.store.sessions.memory import MemoryArchive
from imprint.store.sessions.model import (
    Anchor,
    AnchorKind,
    ArchivedSession,
    ArchivedTurn,
    Record,
    Source,
)
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imprint.store.agents.model import ParsedSession
    from imprint.store.evidence.claims import Claim
    from imprint.store.objects.ports import Commit
    from imprint.store.observe.model import AddedFile, LineMatch
    from imprint.store.observe.payloads import SessionEdits
    from imprint.store.view import RepositoryView

DAY_MS = 24 * 3600 * 1000
NEIGHBOURS = 12
"""Sessions on each side, by size, from which one is drawn for the control."""
GENERATED = (".lock", ".sum", "-lock.json", "lock.yaml", ".min.js", ".svg", ".snap", ".golden")
ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.com",
}


# -- reading checkpoints --------------------------------------------------------------------------------


@dataclass
class Given:
    """One session in one checkpoint."""

    checkpoint: str
    session: str
    agent: str | None
    start: int
    transcript: tuple[ObjectId, ...]


@dataclass
class Shelf:
    """Everything that the checkpoints of a repository hold."""

    archive: MemoryArchive
    parsed: dict[str, ParsedSession] = field(default_factory=dict)
    calls: dict[str, frozenset[str]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    """Checkpoints of which a transcript is not there, in no other checkpoint either."""
    known: set[str] = field(default_factory=set)
    """Checkpoints that are there."""
    children: set[str] = field(default_factory=set)
    """Sessions that started others, whose transcripts are not there."""


def read_shelf(view: RepositoryView) -> Shelf:
    shelf = Shelf(MemoryArchive(lambda _: True))
    given = list(iter_given(view))
    shelf.known = {each.checkpoint for each in given}
    sizes = {blob: view.objects.find_size(blob) for each in given for blob in each.transcript}
    best: dict[str, Given] = {}
    size_of = lambda each: sum(sizes[blob] or 0 for blob in each.transcript)  # noqa: E731
    for each in given:
        present = each.transcript and all(sizes[blob] is not None for blob in each.transcript)
        if present and (each.session not in best or size_of(each) > size_of(best[each.session])):
            best[each.session] = each
    ends = {}
    for each in given:
        if each.session not in best:
            shelf.absent.add(each.checkpoint)
            continue
        if all(sizes[blob] is not None for blob in each.transcript) and each.transcript:
            content = join_transcript([view.objects.read_blob(blob) for blob in each.transcript])
            ends[each.checkpoint, each.session] = count_lines(content)
            if best[each.session] is each:
                put_session(shelf, view, each, content)
        else:
            shelf.absent.add(each.checkpoint)
    records = [
        Record(
            f"{number}",
            Source("entire"),
            "bench",
            0,
            (Anchor(AnchorKind.CHECKPOINT, each.checkpoint),),
            session_id=each.session,
            part=(each.start, max(end, each.start + 1)),
        )
        for number, each in enumerate(given)
        if each.session in shelf.parsed and (end := ends.get((each.checkpoint, each.session), 10**9))
    ]
    shelf.archive.add_records(view.id, records)
    return shelf


def put_session(shelf: Shelf, view: RepositoryView, given: Given, content: bytes) -> None:
    known = find_format(given.agent, content[:65536])
    if known is None:
        shelf.absent.add(given.checkpoint)
        return
    parsed = shelf.parsed[given.session] = known.parse(content)
    calls = [call for turn in parsed.turns for call in turn.calls]
    shelf.calls[given.session] = frozenset(call.id for call in calls if call.id)
    if any(call.sub_session for call in calls):
        shelf.children.add(given.session)
    shelf.archive.put_session(
        view.id,
        ArchivedSession(
            given.session,
            given.session,
            parsed.agent,
            "bench",
            Source("entire"),
            0,
            started_at_ms=parsed.started_at_ms,
            ended_at_ms=parsed.ended_at_ms,
            transcript="there",
            line_count=parsed.line_count,
        ),
        [
            ArchivedTurn(
                turn.number,
                first_line=turn.first_line,
                end_line=turn.end_line,
                at_ms=turn.at_ms,
                calls=tuple(turn.calls),
            )
            for turn in parsed.turns
        ],
    )


def iter_given(view: RepositoryView) -> Iterator[Given]:
    files: dict[str, dict[str, ObjectId]] = defaultdict(dict)
    for line in view.plumbing.run("for-each-ref", "--format=%(refname)").splitlines():
        layout = find_layout(line)
        if layout is None or layout is Layout.V2_FULL:
            continue
        read_tree(view, layout, line, files)
    for line in view.plumbing.run("for-each-ref", "--format=%(refname)").splitlines():
        if find_layout(line) is Layout.V2_FULL:
            read_tree(view, Layout.V2_FULL, line, files)
    wanted = {
        blob for names in files.values() for name, blob in names.items() if name.endswith("metadata.json")
    }
    content = {
        blob: json.loads(raw)
        for blob, kind, raw in iter_objects(view.plumbing, wanted)
        if kind is ObjectKind.BLOB
    }
    for checkpoint, names in files.items():
        summary = content.get(names.get("metadata.json", ObjectId("0" * 40)), {})
        for session in list_sessions(checkpoint, names.keys(), summary):
            if session.tool_use is not None:
                continue
            said = read_said(summary, content.get(names.get(session.metadata or "", ObjectId("0" * 40)), {}))
            if said.session_id:
                parts = tuple(names[part] for part in session.transcript)
                yield Given(checkpoint, said.session_id, said.agent, said.start, parts)


def read_tree(
    view: RepositoryView, layout: Layout, ref: bytes, files: dict[str, dict[str, ObjectId]]
) -> None:
    for entry in view.plumbing.run("ls-tree", "-r", "-z", ref.decode()).split(b"\0"):
        facts, _, path = entry.partition(b"\t")
        place = split_path(layout, ref, path) if path else None
        if place is not None:
            files[place[0]].setdefault(place[1], ObjectId(facts.split()[2].decode()))


# -- measuring ------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """Lines of some commits."""

    commits: int = 0
    lines: int = 0
    tied: int = 0
    one: int = 0
    by_tier: Counter[str] = field(default_factory=Counter)

    def add(self, files: Sequence[tuple[bytes, AddedFile]], matches: Sequence[Sequence[LineMatch]]) -> None:
        self.commits += 1
        self.lines += sum(end - start + 1 for _, file in files for start, end in file.added)
        for of_file in matches:
            self.tied += len(of_file)
            self.one += sum(match.candidates == 1 for match in of_file)
            self.by_tier.update(match.tier.value for match in of_file)

    def to_json(self) -> dict[str, object]:
        return {
            "commits": self.commits,
            "lines": self.lines,
            "tied": round(self.tied / max(self.lines, 1), 4),
            "one turn": round(self.one / max(self.lines, 1), 4),
            "by tie": dict(self.by_tier),
        }


class ParsedEdits(Edits):
    """The edits of what was parsed while reading the checkpoints, all kept."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(lambda _id, _session: b"", lines_max=10**9)
        self._shelf = shelf

    def _load(self, _id: str, session: ArchivedSession) -> SessionEdits | None:
        return collect_edits(self._shelf.parsed[session.id], session.id)


class Bench:
    def __init__(self, view: RepositoryView, shelf: Shelf) -> None:
        self.view = view
        self.shelf = shelf
        self.edits = ParsedEdits(shelf)
        self.finder = Finder(shelf.archive, self.edits, view.id)
        self.sessions = shelf.archive.list_sessions(view.id, limit=10**6)
        self.ordered = sorted(self.sessions, key=lambda each: self._of(each).lines)
        self.places = {session.id: at for at, session in enumerate(self.ordered)}

    def _of(self, session: ArchivedSession):
        edits = self.edits.of(self.view.id, session)
        assert edits is not None
        return edits

    def tie(self, commit: Commit, files: Sequence[tuple[bytes, AddedFile]]) -> Tied:
        tied = self.finder.find(commit, ())
        names = frozenset(file.path.rpartition("/")[2] for _, file in files)
        self.finder.add_near(tied, commit, names)
        return tied

    def exchange(self, candidates: Sequence[Candidate], chance: random.Random) -> list[Candidate]:
        """Other sessions in place of those tied to a commit."""
        own = [each.edits.session for each in candidates if each.tier is not Tier.NEARBY]
        calls = frozenset().union(*(self.shelf.calls[session] for session in own))
        others = []
        for session in own:
            at = self.places[session]
            near = [
                each
                for each in self.ordered[max(0, at - NEIGHBOURS) : at + NEIGHBOURS + 1]
                if each.id not in own and not calls & self.shelf.calls[each.id]
            ]
            if near:
                others.append(Candidate(self._of(chance.choice(near)), Tier.PART))
        return others

    def list_later(self, commit: Commit, tied: Tied, names: frozenset[str]) -> list[Candidate]:
        """Sessions that began too late to have made the commit, chosen as those nearby are."""
        first_ms = commit.committer.at_s * 1000 + LATE_MS + DAY_MS
        calls = frozenset().union(*(self.shelf.calls[session] for session in tied.sessions))
        later = [
            each
            for each in self.sessions
            if each.started_at_ms is not None
            and first_ms <= each.started_at_ms <= first_ms + NEARBY_MS
            and not calls & self.shelf.calls[each.id]
            and not self.finder._names_of(each.id).isdisjoint(names)  # noqa: SLF001
        ]
        later.sort(key=lambda each: each.started_at_ms or 0)
        return [Candidate(self._of(each), Tier.NEARBY, None, 0) for each in later[:20]]


def select(bench: Bench, commits: Sequence[Commit]) -> tuple[list[Commit], list[Commit]]:
    """Transcript-backed commits, and those of which a transcript is absent."""
    backed, absent = [], []
    for commit in commits:
        names = [each.value for each in read_anchors(commit) if each.kind is AnchorKind.CHECKPOINT]
        if not names or len(commit.parents) > 1:
            continue
        if all(name in bench.shelf.known for name in names) and not bench.shelf.absent & set(names):
            backed.append(commit)
        else:
            absent.append(commit)
    return backed, absent


def measure(bench: Bench, commits: Sequence[Commit], seeds: Sequence[int], misses: Counter[str]) -> dict:  # type: ignore[type-arg]
    tally, later = Tally(), Tally()
    controls = {seed: Tally() for seed in seeds}
    for commit, files in iter_added_files(bench.view, commits):
        tied = bench.tie(commit, files)
        matches = [match_lines(file, tied.candidates) for _, file in files]
        tally.add(files, matches)
        count_misses(bench, tied, files, matches, misses)
        names = frozenset(file.path.rpartition("/")[2] for _, file in files)
        after = bench.list_later(commit, tied, names)
        found = [
            [match for match in match_lines(file, after) if match.line not in anchored_lines(of_file)]
            for (_, file), of_file in zip(files, matches, strict=True)
        ]
        later.add(files, found)
        for seed, control in controls.items():
            others = bench.exchange(tied.candidates, random.Random(f"{seed}.{commit.id}"))
            control.add(files, [match_lines(file, others) for _, file in files])
    by_chance = sum(control.tied for control in controls.values()) / max(len(controls), 1)
    return tally.to_json() | {
        "control": {str(seed): round(each.tied / max(each.lines, 1), 4) for seed, each in controls.items()},
        "later": round(later.tied / max(later.lines, 1), 4),
        "precision": round(1 - (by_chance + later.tied) / max(tally.tied, 1), 4),
    }


def anchored_lines(matches: Sequence[LineMatch]) -> set[int]:
    return {match.line for match in matches if match.tier is not Tier.NEARBY}


def count_misses(
    bench: Bench,
    tied: Tied,
    files: Sequence[tuple[bytes, AddedFile]],
    matches: Sequence[Sequence[LineMatch]],
    misses: Counter[str],
) -> None:
    """Why lines were not tied, as far as the transcripts tell."""
    anchored = [each for each in tied.candidates if each.tier is not Tier.NEARBY]
    for (_, file), of_file in zip(files, matches, strict=True):
        count = sum(end - start + 1 for start, end in file.added) - len(of_file)
        name = file.path.rpartition("/")[2]
        payloads = [it for each in anchored for it in each.edits.payloads if it.path.endswith(name)]
        if file.path.endswith(GENERATED):
            misses["a generated file"] += count
        elif any(it.kind is not EditKind.SHELL for it in payloads):
            misses["a file that the session edited, other lines: a person, a formatter, a command"] += count
        elif any(is_named_in_shell(bench, each.edits.session, name) for each in anchored):
            misses["a file that the session's commands name"] += count
        elif any(each.edits.session in bench.shelf.children for each in anchored):
            misses["a file that the session never edited; it started others without a transcript"] += count
        else:
            misses["a file that the session never edited"] += count


def is_named_in_shell(bench: Bench, session: str, name: str) -> bool:
    return any(
        path.endswith(name)
        for turn in bench.shelf.parsed[session].turns
        for call in turn.calls
        if any(edit.kind is EditKind.SHELL for edit in call.edits)
        or call.name.casefold() in {"bash", "shell"}
        for path in call.paths
    )


# -- rewrites -------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


class Told(ClaimSource):
    """The observed claims of the commits that were measured."""

    def __init__(self, claims: dict[ObjectId, list[Claim]]) -> None:
        self._claims = claims

    def claims_of(self, _repository_id: str, commits: Iterable[ObjectId]) -> dict[ObjectId, list[Claim]]:
        return {commit: self._claims[commit] for commit in commits if commit in self._claims}

    def all_claims(self, _repository_id: str) -> dict[ObjectId, list[Claim]]:
        return self._claims


def measure_squashes(bench: Bench, folder: Path, merges: Sequence[Commit], backed: set[ObjectId]) -> dict:  # type: ignore[type-arg]
    """Each merge as one commit without trailers: by the sessions of what it merged, and by links."""
    direct, before = Tally(), Tally()
    squashes: dict[ObjectId, Commit] = {}
    members_of: dict[ObjectId, list[Commit]] = {}
    for merge in reversed(merges):
        members = list_commits(bench.view, [merge.parents[1]], [merge.parents[0]])
        if members and set(members) <= backed:
            made = ObjectId(git(folder, "commit-tree", merge.tree, "-p", merge.parents[0], "-m", "squash"))
            squashes[made] = merge
            members_of[made] = list(iter_commits(bench.view, members))
    claims: dict[ObjectId, list[Claim]] = {}
    for commit, files in iter_added_files(bench.view, [it for part in members_of.values() for it in part]):
        tied = bench.tie(commit, files)
        matches = [match_lines(file, tied.candidates) for _, file in files]
        before.add(files, matches)
        paths = [(path, of_file) for (path, _), of_file in zip(files, matches, strict=True)]
        claims[commit.id] = observed_claims(commit.id, paths, tied.sessions, {})
    carried = carry(bench, folder, squashes, claims)
    lines = linked = 0
    for commit, files in iter_added_files(bench.view, list(iter_commits(bench.view, list(squashes)))):
        candidates: dict[str, Candidate] = {}
        for member in members_of[commit.id]:
            for each in bench.finder.find(member, ()).candidates:
                known = candidates.get(each.edits.session)
                part = each.part if known is None else join(known.part, each.part)
                until_ms = max(each.until_ms or 0, (known.until_ms or 0) if known else 0)
                candidates[each.edits.session] = Candidate(each.edits, each.tier, part, None, until_ms)
        direct.add(files, [match_lines(file, list(candidates.values())) for _, file in files])
        turns = [claim for claim in carried.get(commit.id, ()) if claim.turn is not None]
        for path, file in files:
            for start, end in file.added:
                lines += end - start + 1
                linked += sum(any(it.covers(path, at) for it in turns) for at in range(start, end + 1))
    return {
        "merged commits": before.to_json(),
        "by their sessions": direct.to_json(),
        "by links": {"lines": lines, "tied": round(linked / max(lines, 1), 4)},
    }


def carry(
    bench: Bench, folder: Path, squashes: dict[ObjectId, Commit], claims: dict[ObjectId, list[Claim]]
) -> dict[ObjectId, list[Claim]]:
    """What links carry to the squashes: branches arrive one after the other, each before its squash."""
    store = LinkStore.open(folder.parent / "links.db")
    intake = Intake(bench.view, store, lambda: None)
    seen: set[ObjectId] = set()
    for number, (squash, merge) in enumerate(squashes.items()):
        base, head = merge.parents
        new = [it for it in list_commits(bench.view, [base, head]) if it not in seen][::-1]
        seen.update(new)
        intake.take_in(Arrival(new, [head], base, 2 * number, number))
        intake.take_in(Arrival([squash], [squash], squash, 2 * number + 1, number))
    found = LinkedClaims(Told(claims), store, NoRefusals()).claims_of(bench.view.id, squashes)
    store.close()
    return found


def join(first: tuple[int, int] | None, second: tuple[int, int] | None) -> tuple[int, int] | None:
    return (min(first[0], second[0]), max(first[1], second[1])) if first and second else None


def measure_rebases(bench: Bench, folder: Path, merges: Sequence[Commit], backed: set[ObjectId]) -> dict:  # type: ignore[type-arg]
    """The commits of each merge after a rebase onto the other parent: conflicts are left out."""
    tally, before, conflicts = Tally(), Tally(), 0
    merged: list[ObjectId] = []
    tree = folder.parent / "tree"
    git(folder, "worktree", "add", "--detach", str(tree), merges[0].id if merges else "HEAD")
    made: list[ObjectId] = []
    for merge in merges:
        members = list_commits(bench.view, [merge.parents[1]], [merge.parents[0]])
        if not members or not set(members) <= backed:
            continue
        git(tree, "checkout", "-q", "--detach", merge.parents[1])
        try:
            git(tree, "rebase", "-q", "--no-autosquash", "--force-rebase", merge.parents[0])
        except subprocess.CalledProcessError:
            conflicts += 1
            git(tree, "rebase", "--abort")
            continue
        made += list_commits(bench.view, [ObjectId(git(tree, "rev-parse", "HEAD"))], [merge.parents[0]])
        merged += members
    for commit, files in iter_added_files(bench.view, list(iter_commits(bench.view, merged))):
        tied = bench.finder.find(commit, ())
        before.add(files, [match_lines(file, tied.candidates) for _, file in files])
    for commit, files in iter_added_files(bench.view, list(iter_commits(bench.view, made))):
        tied = bench.finder.find(commit, ())
        tally.add(files, [match_lines(file, tied.candidates) for _, file in files])
    return {
        "before": before.to_json(),
        "after": tally.to_json(),
        "branches with conflicts, left out": conflicts,
    }


# -- the whole ------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--head", default="HEAD")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--rewrites", action="store_true")
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    with tempfile.TemporaryDirectory(prefix="imprint-why-") as name:
        folder = Path(name) / "clone.git"
        git(Path(name), "clone", "-q", "--mirror", "--shared", str(options.repository.resolve()), str(folder))
        started = time.monotonic()
        with Clone.discover(folder) as clone:
            report = run(clone.view, folder, options, seeds)
        report["seconds"] = round(time.monotonic() - started, 1)
    text = json.dumps(report, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    return 0


def run(view: RepositoryView, folder: Path, options: argparse.Namespace, seeds: Sequence[int]) -> dict:  # type: ignore[type-arg]
    bench = Bench(view, read_shelf(view))
    head = ObjectId(git(folder, "rev-parse", options.head))
    commits = list(iter_commits(view, list_commits(view, [head])))
    backed, absent = select(bench, commits)
    misses: Counter[str] = Counter()
    report = {
        "head": head,
        "checkpoints": len(bench.shelf.known),
        "sessions": len(bench.sessions),
        "absent": {
            "commits": len(absent),
            "lines": sum(
                end - start + 1
                for _, files in iter_added_files(view, absent)
                for _, file in files
                for start, end in file.added
            ),
        },
        "why": measure(bench, backed, seeds, misses),
    }
    if options.misses:
        report["misses"] = dict(misses.most_common())
    if options.rewrites:
        merges = [commit for commit in commits if len(commit.parents) == 2]
        ids = {commit.id for commit in backed}
        report["squash"] = measure_squashes(bench, folder, merges, ids)
        report["rebase"] = measure_rebases(bench, folder, merges, ids)
    return report


if __name__ == "__main__":
    sys.exit(main())

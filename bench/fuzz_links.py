"""Random rewrites in a real Git repository where the truth of every line is known.

    python bench/fuzz_links.py [--trials N] [--seed N] [--operation NAME]

Each trial makes a repository: several authors write files of unique and of common lines (`}`, blank, `pass`),
a branch is written and the default branch moves on. Then one rewrite happens with git itself (`commit
--amend`, `rebase`, `cherry-pick`, `merge --squash`, `revert`, `mv`); where git stops at a conflict, or joins
otherwise than the trial's own record of lines says, the record is committed as the resolution.

Every original commit is claimed as a whole by its author's agent; the rewritten ones are not claimed. What
is carried to a rewritten commit is compared with the record, for every file and text: of lines that are the
same to the letter in one file, it counts how many came from which commit, not which is which.

    precision   share of carried lines that came from the commit that the claim names
    recall      share of lines of others in the rewritten commits that carry a claim
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from imprint.store.clone import Clone
from imprint.store.evidence.claims import Claim, Evidence
from imprint.store.links.claims import LinkedClaims
from imprint.store.links.follower import link_clone
from imprint.store.links.refusals import NoRefusals
from imprint.store.links.store import LinkStore
from imprint.store.types import ObjectId

COMMON = ("}", "", "    pass", "else:", "return None", "import os", "    return result", ")")
AUTHORS = ("ada", "bob", "cleo")


@dataclass(eq=False)
class Line:
    """A line and the commit that first had it; None until that commit is made."""

    text: str
    origin: str | None = None


State = dict[str, list[Line]]


@dataclass
class Edit:
    """Lines to remove, and lines to put after others; None for the beginning of the file."""

    removed: list[tuple[str, Line]] = field(default_factory=list)
    added: list[tuple[str, Line | None, list[Line]]] = field(default_factory=list)


def copy(state: State) -> State:
    return {path: list(lines) for path, lines in state.items()}


def apply(state: State, edit: Edit) -> State:
    after = copy(state)
    for path, anchor, lines in edit.added:
        file = after.setdefault(path, [])
        at = 0 if anchor is None else file.index(anchor) + 1 if anchor in file else len(file)
        file[at:at] = lines
    for path, line in edit.removed:
        if line in after.get(path, []):
            after[path].remove(line)
    return after


def invert(before: State, after: State) -> State:
    """What taking a commit back gives: the state before it, line for line."""
    del after
    return copy(before)


class Trial:
    """One repository, its record of lines, and what is claimed of its original commits."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.states: dict[str, State] = {}
        self.claims: dict[str, list[Claim]] = {}
        self.rewritten: list[str] = []
        self.restoring: set[str] = set()
        """Commits that put back lines that nobody rewrote: to name their commits is right, and not asked."""
        self.serial = 0
        self.now = 1_700_000_000
        self.agreed = self.resolved = 0
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, check: bool = True) -> str:
        self.now += 60
        environment = os.environ | {
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_EDITOR": "true",
            "GIT_AUTHOR_DATE": f"{self.now} +0000", "GIT_COMMITTER_DATE": f"{self.now} +0000",
            "GIT_AUTHOR_NAME": "ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
        }  # fmt: skip
        done = subprocess.run(
            ["git", "-c", "core.autocrlf=false", *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"git {arguments}: {done.stderr}")
        return done.stdout.strip()

    # -- making lines and commits ---------------------------------------------------------------------

    def make_lines(self, count: int) -> list[Line]:
        made = []
        for _ in range(count):
            self.serial += 1
            if self.random.random() < 0.35:
                made.append(Line(self.random.choice(COMMON)))
            else:
                made.append(Line(f"value_{self.serial} = compute({self.random.randrange(10**6)})"))
        return made

    def make_edit(self, state: State, paths: list[str] | None = None) -> Edit:
        edit = Edit()
        for _ in range(self.random.randint(1, 4)):
            if paths is None and self.random.random() < 0.25:
                self.serial += 1
                lines = self.make_lines(self.random.randint(3, 15))
                edit.added.append((f"file{self.serial}.py", None, lines))
                continue
            path = self.random.choice(paths or sorted(state))
            file = state.get(path, [])
            anchor = self.random.choice(file) if file else None
            edit.added.append((path, anchor, self.make_lines(self.random.randint(1, 8))))
            if file and self.random.random() < 0.5:
                at = self.random.randrange(len(file))
                edit.removed += [(path, line) for line in file[at : at + self.random.randint(1, 3)]]
        return edit

    def write(self, state: State) -> None:
        for path in self.folder.iterdir():
            if path.is_file():
                path.unlink()
        for path, lines in state.items():
            if lines:
                (self.folder / path).write_text("".join(f"{line.text}\n" for line in lines))

    def is_written(self, state: State) -> bool:
        files = {path.name: path.read_text() for path in self.folder.iterdir() if path.is_file()}
        wanted = {path: "".join(f"{one.text}\n" for one in lines) for path, lines in state.items() if lines}
        return files == wanted

    def commit(self, state: State, message: str, *options: str, is_original: bool = True) -> str:
        """Commit a state; its new lines are this commit's."""
        if self.is_written(state):
            self.agreed += 1
        else:
            self.resolved += 1
            self.write(state)
        self.git("add", "-A")
        author = self.random.choice(AUTHORS)
        said = () if "-C" in options else ("-m", message)
        self.git("commit", "-q", "--allow-empty", *said, *options)
        made = self.git("rev-parse", "HEAD")
        self.states[made] = state
        for lines in state.values():
            for line in lines:
                line.origin = line.origin or made
        if is_original:
            commit = ObjectId(made)
            self.claims[commit] = [Claim(commit, Evidence.DECLARED, agent=author, method="fuzz")]
        else:
            self.rewritten.append(made)
        return made

    def start(self) -> State:
        state: State = {f"base{number}.py": self.make_lines(30) for number in range(3)}
        self.commit(state, "begin")
        for number in range(2):
            state = apply(state, self.make_edit(state))
            self.commit(state, f"main {number}")
        return state

    def branch(self, state: State, count: int) -> tuple[list[str], list[Edit], State]:
        """A branch of so many commits from here."""
        self.git("checkout", "-q", "-b", "topic")
        commits, edits = [], []
        for number in range(count):
            edit = self.make_edit(state)
            state = apply(state, edit)
            commits.append(self.commit(state, f"topic {number} {self.serial}"))
            edits.append(edit)
        self.git("update-ref", "refs/pull/1/head", "HEAD")
        return commits, edits, state

    def move_main(self, state: State, paths: list[str] | None = None) -> State:
        self.git("checkout", "-q", "main")
        for number in range(2):
            state = apply(state, self.make_edit(state, paths))
            self.commit(state, f"main moves {number} {self.serial}")
        return state

    def disturb(self, before: State, after: State) -> State:
        """Another hand changes some of the lines that are about to be committed, as in a conflict."""
        state = copy(after)
        known = {id(line) for lines in before.values() for line in lines}
        fresh = [(path, line) for path, lines in state.items() for line in lines if id(line) not in known]
        for path, line in self.random.sample(fresh, min(len(fresh), self.random.randint(1, 3))):
            at = state[path].index(line)
            state[path][at : at + 1] = self.make_lines(self.random.randint(1, 2))
        return state


# -- the operations -----------------------------------------------------------------------------------------


def amend(trial: Trial) -> None:
    state = trial.start()
    commits, _, after = trial.branch(state, 1)
    after = apply(after, trial.make_edit(after))
    trial.commit(after, "amended", "--amend", is_original=False)
    del commits


def reword(trial: Trial) -> None:
    _, _, after = trial.branch(trial.start(), 1)
    trial.commit(after, "other words", "--amend", is_original=False)


def rebase(trial: Trial, *, conflicts: bool = False) -> None:
    state = trial.start()
    commits, edits, _ = trial.branch(state, trial.random.randint(1, 3))
    state = trial.move_main(state)
    trial.git("checkout", "-q", "-b", "rebased")
    for commit, edit in zip(commits, edits, strict=True):
        after = apply(state, edit)
        if conflicts:
            after = trial.disturb(state, after)
        trial.git("cherry-pick", "--no-commit", commit, check=False)  # as git rebase does for each
        trial.commit(after, "rebased", "-C", commit, is_original=False)
        trial.git("cherry-pick", "--quit", check=False)
        state = after


def rebase_conflicts(trial: Trial) -> None:
    rebase(trial, conflicts=True)


def cherry_pick(trial: Trial) -> None:
    state = trial.start()
    commits, edits, _ = trial.branch(state, 3)
    state = trial.move_main(state)
    chosen = trial.random.randrange(3)
    after = apply(state, edits[chosen])
    trial.git("cherry-pick", "--no-commit", commits[chosen], check=False)
    trial.commit(after, f"picked\n\n(cherry picked from commit {commits[chosen]})", is_original=False)


def squash(trial: Trial, *, conflicts: bool = False) -> None:
    state = trial.start()
    _, edits, _ = trial.branch(state, trial.random.randint(2, 5))
    state = trial.move_main(state)
    after = state
    for edit in edits:
        after = apply(after, edit)
    if conflicts:
        after = trial.disturb(state, after)
    trial.git("merge", "--squash", "topic", check=False)
    trial.commit(after, "squashed (#1)", is_original=False)


def squash_conflicts(trial: Trial) -> None:
    squash(trial, conflicts=True)


def split(trial: Trial) -> None:
    state = trial.start()
    _, edits, _ = trial.branch(state, 1)
    edit = edits[0]
    cut = max(1, len(edit.added) // 2)
    trial.git("checkout", "-q", "-b", "parts", "main")
    parts = [Edit(added=edit.added[:cut]), Edit(removed=edit.removed, added=edit.added[cut:])]
    for number, part in enumerate(parts):
        if part.added or part.removed:
            state = apply(state, part)
            trial.commit(state, f"part {number}", is_original=False)


def move(trial: Trial) -> None:
    """The branch's files get other names before the work is committed again."""
    state = trial.start()
    _, edits, _ = trial.branch(state, 2)
    state = trial.move_main(state)
    after = state
    for edit in edits:
        after = apply(after, edit)
    paths = sorted({path for edit in edits for path, _, _ in edit.added})
    trial.git("merge", "--squash", "topic", check=False)
    for path in paths[: trial.random.randint(1, len(paths))]:
        after[f"moved_{path}"] = after.pop(path)
    trial.commit(after, "moved", is_original=False)


def partial(trial: Trial) -> None:
    """Only some of a branch's edits arrive."""
    state = trial.start()
    _, edits, _ = trial.branch(state, 2)
    state = trial.move_main(state)
    added = [one for edit in edits for one in edit.added]
    kept = Edit(added=trial.random.sample(added, max(1, 2 * len(added) // 3)))
    trial.commit(apply(state, kept), "a part of it", is_original=False)


def revert(trial: Trial) -> None:
    before = trial.start()
    state = apply(before, trial.make_edit(before))
    made = trial.commit(state, "to be reverted")
    trial.git("revert", "--no-commit", made, check=False)
    words = f'Revert "to be reverted"\n\nThis reverts commit {made}.'
    trial.restoring.add(trial.commit(copy(before), words, is_original=False))


def revert_revert(trial: Trial) -> None:
    before = trial.start()
    state = apply(before, trial.make_edit(before))
    made = trial.commit(state, "comes back")
    trial.git("revert", "--no-commit", made, check=False)
    undone = trial.commit(copy(before), f"Revert\n\nThis reverts commit {made}.", is_original=False)
    trial.restoring.add(undone)
    trial.git("revert", "--no-commit", undone, check=False)
    trial.commit(copy(state), f"Reapply\n\nThis reverts commit {undone}.", is_original=False)


def unrelated(trial: Trial) -> None:
    """No rewrite: other work on the same files, which nothing may be carried to."""
    state = trial.start()
    trial.branch(state, 2)
    state = trial.move_main(state)
    trial.commit(apply(state, trial.make_edit(state)), "other work", is_original=False)


OPERATIONS = {
    operation.__name__: operation
    for operation in (
        amend, reword, rebase, rebase_conflicts, cherry_pick, squash, squash_conflicts, split, move, partial,
        revert, revert_revert, unrelated,
    )
}  # fmt: skip


# -- judging ------------------------------------------------------------------------------------------------


class FixedClaims:
    """The claims of a trial's original commits."""

    def __init__(self, claims: dict[str, list[Claim]]) -> None:
        self._claims = claims

    def claims_of(self, _repository_id: str, commits: object) -> dict[ObjectId, list[Claim]]:
        return {commit: self._claims[commit] for commit in commits if commit in self._claims}  # type: ignore[attr-defined]

    def all_claims(self, _repository_id: str) -> dict[ObjectId, list[Claim]]:
        return {ObjectId(commit): claims for commit, claims in self._claims.items()}


@dataclass
class Score:
    right: int = 0
    wrong: int = 0
    missed: int = 0

    def __iadd__(self, other: Score) -> Self:
        self.right += other.right
        self.wrong += other.wrong
        self.missed += other.missed
        return self

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def judge(trial: Trial) -> Score:
    with Clone.discover(trial.folder) as clone:
        store = LinkStore.open(clone.cache / "links.db")
        link_clone(clone.view, store, 0)
        claims = LinkedClaims(FixedClaims(trial.claims), store, NoRefusals())
        carried = claims.claims_of("clone", [ObjectId(commit) for commit in trial.rewritten])
        store.close()
    score = Score()
    for commit in trial.rewritten:
        is_asked = commit not in trial.restoring
        score += judge_commit(trial, commit, carried.get(ObjectId(commit), []), is_asked=is_asked)
    return score


def judge_commit(trial: Trial, commit: str, claims: list[Claim], *, is_asked: bool) -> Score:
    parent = trial.git("rev-parse", f"{commit}^")
    state, before = trial.states[commit], trial.states[parent]
    known = {id(line) for lines in before.values() for line in lines}
    truth: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for path, lines in state.items():
        for line in lines:
            if id(line) not in known and line.origin != commit and line.origin in trial.claims:
                truth[path, line.text][line.origin] += 1
    said: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for claim in claims:
        for part in claim.lines:
            for number in range(part.start, part.end + 1):
                path = part.path.decode()
                said[path, state[path][number - 1].text][str(claim.via)] += 1
    score = Score()
    for key in truth.keys() | said.keys():
        both = (truth[key] & said[key]).total()
        score.right += both
        score.wrong += said[key].total() - both
        if is_asked:
            score.missed += truth[key].total() - both
    return score


def run(name: str, seed: int, folder: Path) -> tuple[Score, Trial]:
    trial = Trial(folder, seed)
    OPERATIONS[name](trial)
    return judge(trial), trial


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--trials", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--operation", choices=sorted(OPERATIONS))
    chosen = options.parse_args()
    names = [chosen.operation] if chosen.operation else list(OPERATIONS)
    print(f"seeds {chosen.seed} to {chosen.seed + chosen.trials - 1} of each operation")
    print(f"{'operation':<18}  lines  right  wrong missed precision  recall")
    total = Score()
    for name in names:
        score = Score()
        for seed in range(chosen.seed, chosen.seed + chosen.trials):
            with tempfile.TemporaryDirectory() as folder:
                one, _ = run(name, seed, Path(folder) / "work")
                if one.wrong or one.missed:
                    print(f"    {name} seed {seed}: {one}") if chosen.operation else None
                score += one
        print_row(name, score)
        total += score
    print_row("all", total)


def print_row(name: str, score: Score) -> None:
    print(
        f"{name:<18} {score.right + score.missed:>6} {score.right:>6} {score.wrong:>6} {score.missed:>6}"
        f" {score.precision:>9.4f} {score.recall:>7.4f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

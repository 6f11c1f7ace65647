"""The audit's sums are git's own, its classes are the claims', and what it keeps never changes an answer."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from imprint.store.actors import ActorKind
from imprint.store.evidence.claims import Evidence
from imprint.store.hosting.access import SessionSeed
from imprint.store.origins.audit import audit
from imprint.store.origins.sources import Origins
from imprint.store.provenance.expand import expand_clone
from imprint.store.provenance.ledger import Ledger
from imprint.store.types import ObjectId

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
ROBOT = {"committer_name": "robot", "committer_email": "robot@example.com"}
CLAUDE = "x\n\nCo-authored-by: Claude Opus 4.6 <noreply@anthropic.com>"


def counted_by_git(git, commit: str) -> tuple[int, int, int, int]:
    """Commits, text lines, text files and binary files, as git counts them."""
    rows = git.run("diff", "--numstat", "-z", "--no-renames", EMPTY_TREE, commit).stdout.split(b"\0")[:-1]
    added = [row.split(b"\t")[0] for row in rows]
    text = [int(count) for count in added if count != b"-"]
    return int(git("rev-list", "--count", commit)), sum(text), len(text), len(added) - len(text)


def sums(coverage) -> tuple[int, int, int, int]:
    return (
        sum(coverage.commits.values()),
        sum(coverage.lines.values()),
        coverage.files_text,
        coverage.files_binary,
    )


def classes(counts) -> dict[str, int]:
    return {evidence.value: count for evidence, count in counts.items() if count}


def add_odd_files(git) -> None:
    """Every sort of entry that a tree can hold."""
    entries = {
        b"text": b"1\n2\n3\n",
        b"no newline": b"1\n2",
        b"crlf": b"1\r\n2\r\n",
        b"mac": b"1\r2\r3",
        b"empty": b"",
        b"newline": b"\n",
        b"binary": b"\0\1\2\n",
        b"late nul": b"a\n" * 4000 + b"\0\n",
        b"early nul": b"a" * 7999 + b"\0",
        b"na\xffme": b"1\n",
        b'quo"te\ttab': b"1\n2\n",
        b"d/e/f": b"deep\n",
        b"-dash": b"1\n",
        b"utf16": "text\n".encode("utf-16"),
    }
    lines = b""
    for path, content in entries.items():
        blob = git("hash-object", "-w", "--stdin", stdin=content)
        lines += b"100644 " + blob.encode() + b"\t" + path + b"\0"
    link = git("hash-object", "-w", "--stdin", stdin=b"text")
    lines += b"120000 " + link.encode() + b"\tlink\0"
    lines += b"160000 " + b"1" * 40 + b"\tsub module\0"
    git("update-index", "-z", "--index-info", stdin=lines)
    git("commit", "-q", "-m", "odd files")


def test_commits_and_lines_add_up_to_what_git_counts(work_tree, clone_view, ledger):
    work_tree.commit_file("text", "1\n")
    add_odd_files(work_tree)
    work_tree("checkout", "-q", "-f", "-b", "side", "HEAD~1")
    work_tree("commit", "-q", "--allow-empty", "-m", CLAUDE)
    work_tree("checkout", "-q", "-f", "main")
    work_tree("merge", "-q", "--no-ff", "-m", "merge", "side")
    head = ObjectId(work_tree("rev-parse", "HEAD"))
    view = clone_view(work_tree.folder)
    expand_clone(view, ledger)
    coverage = audit(view, Origins.of_ledger(ledger), head)
    assert sums(coverage) == counted_by_git(work_tree, head)
    assert coverage.files_binary == 3
    assert classes(coverage.commits) == {"declared": 1, "unknown": 3}


def test_attributes_of_the_clone_have_no_say_in_what_is_a_text_line(work_tree, clone_view, ledger):
    work_tree.commit_file("drawing.svg", "<svg/>\n")
    head = ObjectId(work_tree.commit_file(".gitattributes", "*.svg -diff\n"))
    view = clone_view(work_tree.folder)
    assert sum(audit(view, Origins.of_ledger(ledger), head).lines.values()) == 2


@pytest.fixture
def mixed(room):
    """A history with every class that this version gives, and a delivery by somebody else."""
    room.git.commit_file("a.py", "1\n2\n", "by hand", author_date="2025-12-31T23:30:00-01:00")
    room.git.commit_file("b.py", "1\n2\n3\n", CLAUDE)
    room.git.commit_file("lock", "1\n", "bump", author_name="dependabot[bot]", author_email="x@y")
    room.push(room.principal("ada", ActorKind.HUMAN), "main")
    robot = room.principal("robot", session=SessionSeed("s1", "codex", "gpt-5"))
    room.git.commit_file("a.py", "1\n2\n3\n", "delivered, not made, by robot")
    room.git.commit_file("c.py", "1\n", CLAUDE, **ROBOT)
    room.push(robot, "main")
    return room, ObjectId(room.git("rev-parse", "HEAD"))


def test_each_commit_and_line_is_in_the_class_of_its_best_claim(mixed):
    room, head = mixed
    coverage = audit(room.view, Origins.of_ledger(room.ledger), head)
    assert classes(coverage.commits) == {"bound": 1, "declared": 2, "unknown": 2}
    assert classes(coverage.lines) == {"bound": 1, "declared": 4, "unknown": 3}


def test_agents_and_actors_have_their_commits_lines_and_models(mixed):
    room, head = mixed
    coverage = audit(room.view, Origins.of_ledger(room.ledger), head)
    assert [(share.name, classes(share.commits), share.lines, share.models) for share in coverage.agents] == [
        ("claude-code", {"declared": 2}, 3, ("claude-opus-4.6",)),
        ("codex", {"bound": 1}, 1, ("gpt-5",)),
    ]
    assert [(share.name, share.lines) for share in coverage.actors] == [("dependabot", 1)]


def test_months_are_of_the_author_s_date_in_utc(mixed):
    room, head = mixed
    coverage = audit(room.view, Origins.of_ledger(room.ledger), head)
    assert {month: classes(counts) for month, counts in coverage.months.items()} == {
        "2026-01": {"bound": 1, "declared": 2, "unknown": 2}
    }


def test_a_declared_agent_without_a_record_is_listed(mixed):
    room, head = mixed
    (found,) = audit(room.view, Origins.of_ledger(room.ledger), head).unrecorded
    assert (found.agent, found.model, found.subject) == ("claude-code", "claude-opus-4.6", "x")


def test_a_note_that_names_the_agent_is_a_record(work_tree, clone_view, ledger):
    commit = work_tree.commit_file("a.py", "1\n", CLAUDE)
    note = '---\n{"sessions": {"s_00000000000001": {"agent_id": {"tool": "claude"}}}}'
    view = clone_view(work_tree.folder)
    expand_clone(view, ledger)
    assert len(audit(view, Origins.of_ledger(ledger), ObjectId(commit)).unrecorded) == 1
    work_tree("notes", "--ref=ai", "add", "-F", "-", commit, stdin=note.encode())
    expand_clone(view, ledger)
    assert audit(view, Origins.of_ledger(ledger), ObjectId(commit)).unrecorded == ()


def test_lines_of_a_note_are_split_from_the_rest_of_their_commit(work_tree, clone_view, ledger):
    commit = work_tree.commit_file("a.py", "1\n2\n3\n")
    note = (
        "a.py\n  s_00000000000001 1\n  h_00000000000002 3\n---\n"
        '{"sessions": {"s_00000000000001": {"agent_id": {"tool": "claude"}}},'
        ' "humans": {"h_00000000000002": {"author": "Ada"}}}'
    )
    work_tree("notes", "--ref=ai", "add", "-F", "-", commit, stdin=note.encode())
    view = clone_view(work_tree.folder)
    expand_clone(view, ledger)
    coverage = audit(view, Origins.of_ledger(ledger), ObjectId(commit))
    assert classes(coverage.lines) == {"declared": 2, "unknown": 1}
    assert [(share.name, share.lines) for share in coverage.agents] == [("claude-code", 1)]
    assert [(share.name, share.lines) for share in coverage.actors] == [("Ada", 1)]


def test_a_problem_in_a_note_is_part_of_the_audit(work_tree, clone_view, ledger):
    commit = work_tree.commit_file("a.py", "1\n")
    work_tree("notes", "--ref=ai", "add", "-m", "nonsense", commit)
    view = clone_view(work_tree.folder)
    expand_clone(view, ledger)
    (problem,) = audit(view, Origins.of_ledger(ledger), ObjectId(commit)).to_json()["problems"]
    assert problem["commit"] == commit


def test_commits_that_the_ledger_has_not_read_are_said_to_be_behind(work_tree, clone_view, ledger):
    head = ObjectId(work_tree.commit_file("a.py", "1\n", CLAUDE))
    view = clone_view(work_tree.folder)
    coverage = audit(view, Origins.of_ledger(ledger), head)
    assert (coverage.behind, classes(coverage.commits)) == (1, {"unknown": 1})
    expand_clone(view, ledger)
    assert audit(view, Origins.of_ledger(ledger), head).behind == 0


def test_the_json_has_the_names_that_tools_count_on(mixed):
    room, head = mixed
    found = json.loads(json.dumps(audit(room.view, Origins.of_ledger(room.ledger), head).to_json()))
    names = ["total", "bound", "observed", "declared", "inferred", "unknown"]
    assert list(found["commits"]) == list(found["lines"]) == names
    assert found["commits"]["total"] == 5
    assert found["lines"]["total"] == 8
    assert [month["month"] for month in found["months"]] == ["2026-01"]
    assert list(found["months"][0]["commits"]) == names
    assert [(agent["agent"], agent["commits"], agent["lines"]) for agent in found["agents"]] == [
        ("claude-code", 2, 3), ("codex", 1, 1),
    ]  # fmt: skip
    assert [entry["agent"] for entry in found["unrecorded"]] == ["claude-code"]


def test_a_second_audit_blames_only_what_was_touched(work_tree, clone_view, ledger):
    for name in "abcde":
        work_tree.commit_file(name, "1\n")
    head = work_tree.commit_file("a", "1\n2\n")
    view = clone_view(work_tree.folder)
    seen = []

    def note(done: int, total: int) -> None:
        seen.append((done, total))

    audit(view, Origins.of_ledger(ledger), ObjectId(head), note)
    assert (seen[0], seen[-1]) == ((0, 5), (5, 5))
    seen.clear()
    head = work_tree.commit_file("b", "1\n2\n")
    audit(view, Origins.of_ledger(ledger), ObjectId(head), note)
    assert (seen[0], seen[-1]) == ((4, 5), (5, 5))


def test_a_change_and_its_revert_are_not_taken_for_no_change(work_tree, clone_view, ledger):
    work_tree.commit_file("a", "1\n")
    before = work_tree.commit_file("a", "2\n")
    view = clone_view(work_tree.folder)
    audit(view, Origins.of_ledger(ledger), ObjectId(before))
    work_tree.commit_file("a", "3\n", CLAUDE)
    after = work_tree.commit_file("a", "2\n", CLAUDE)
    expand_clone(view, ledger)
    assert classes(audit(view, Origins.of_ledger(ledger), ObjectId(after)).lines) == {"declared": 1}
    assert classes(audit(view, Origins.of_ledger(ledger), ObjectId(before)).lines) == {"unknown": 1}


def test_unrelated_histories_share_nothing(work_tree, clone_view, ledger):
    one = work_tree.commit_file("a", "1\n")
    work_tree("checkout", "-q", "--orphan", "other")
    other = work_tree.commit_file("a", "1\n", CLAUDE)
    view = clone_view(work_tree.folder)
    expand_clone(view, ledger)
    audit(view, Origins.of_ledger(ledger), ObjectId(one))
    assert classes(audit(view, Origins.of_ledger(ledger), ObjectId(other)).lines) == {"declared": 1}


@pytest.mark.parametrize("seed", range(4))
def test_audits_in_any_order_answer_as_a_fresh_one_does(work_tree, clone_view, ledger, tmp_path, seed):
    """Random histories with merges, reverts, renames and deletions; every other commit declares an agent."""
    commits = make_history(work_tree, random.Random(seed))
    view = clone_view(work_tree.folder)
    expand_clone(view, ledger, tips=commits)
    for at, commit in enumerate(random.Random(seed).sample(commits, 8)):
        fresh = Ledger.open(tmp_path / f"fresh{at}.db")
        expand_clone(view, fresh, tips=commits)
        coverage = audit(view, Origins.of_ledger(ledger), commit)
        assert coverage == audit(view, Origins.of_ledger(fresh), commit)
        assert sums(coverage) == counted_by_git(work_tree, commit)
        fresh.close()


def make_history(git, chance: random.Random) -> list[ObjectId]:
    commits = [git.commit_file("a", "0\n")]
    contents = [f"{line}\n" * count for line in "xyz" for count in (1, 2)]
    for step in range(14):
        action = chance.choice(["write", "write", "write", "rename", "delete", "branch", "merge"])
        if action == "branch":
            git("checkout", "-q", "-b", f"b{step}", chance.choice(commits))
            continue
        name = git.folder / chance.choice("abc")
        if action == "delete":
            name.unlink(missing_ok=True)
        elif action == "rename" and name.exists():
            name.rename(git.folder / chance.choice("abc"))
        else:
            name.write_text(chance.choice(contents) + chance.choice(contents))
        git("add", "-A")
        parents = [git("rev-parse", "HEAD")] + ([chance.choice(commits)] if action == "merge" else [])
        chance.shuffle(parents)
        options = [option for parent in dict.fromkeys(parents) for option in ("-p", parent)]
        message = CLAUDE if step % 2 else f"step {step}"
        commits.append(git("commit-tree", git("write-tree"), *options, "-m", message))
        git("reset", "-q", "--hard", commits[-1])
    return [ObjectId(commit) for commit in commits]


def test_a_history_without_a_line_has_a_commit_and_no_lines(work_tree, clone_view, ledger):
    head = ObjectId(work_tree.commit_file("a", ""))
    coverage = audit(clone_view(work_tree.folder), Origins.of_ledger(ledger), head)
    assert (sum(coverage.commits.values()), sum(coverage.lines.values())) == (1, 0)
    assert coverage.commits[Evidence.UNKNOWN] == 1


def test_a_date_beyond_every_calendar_is_a_month_of_its_own(work_tree, clone_view, ledger):
    tree = work_tree("write-tree")
    raw = f"tree {tree}\nauthor A <a@b> 99999999999999999 +0000\ncommitter A <a@b> 0 +0000\n\nx\n"
    commit = work_tree("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw.encode())
    work_tree("update-ref", "refs/heads/odd", commit)
    coverage = audit(clone_view(work_tree.folder), Origins.of_ledger(ledger), ObjectId(commit))
    assert list(coverage.months) == ["unknown"]


def test_a_shallow_clone_is_audited_as_far_as_it_goes(work_tree, clone_view, ledger, tmp_path, git_client):
    for at in range(4):
        work_tree.commit_file("a", f"{at}\n")
        work_tree.commit_file("b", "1\n" * at)
    work_tree("clone", "-q", "--depth=3", f"file://{work_tree.folder}", str(tmp_path / "shallow"))
    git = git_client(tmp_path / "shallow")
    head = ObjectId(git("rev-parse", "HEAD"))
    assert (
        sums(audit(clone_view(git.folder), Origins.of_ledger(ledger), head))
        == counted_by_git(git, head)
        == (3, 4, 2, 0)
    )


def test_a_sha256_repository_is_audited_alike(git_client, tmp_path, clone_view, ledger):
    (tmp_path / "new").mkdir()
    git = git_client(tmp_path / "new")
    git("init", "-q", "-b", "main", "--object-format=sha256")
    git.commit_file("a", "1\n2\n", CLAUDE)
    head = ObjectId(git.commit_file("a", "1\n2\n3\n"))
    view = clone_view(git.folder)
    expand_clone(view, ledger)
    coverage = audit(view, Origins.of_ledger(ledger), head)
    assert (classes(coverage.commits), classes(coverage.lines)) == (
        {"declared": 1, "unknown": 1},
        {"declared": 2, "unknown": 1},
    )


def test_audits_at_the_same_time_share_the_work(work_tree, clone_view, ledger):
    for name in "abcdefgh":
        work_tree.commit_file(name, "1\n")
    head = ObjectId(work_tree("rev-parse", "HEAD"))
    view = clone_view(work_tree.folder)
    starts = []

    def run(_: int):
        seen = []
        coverage = audit(view, Origins.of_ledger(ledger), head, lambda done, total: seen.append(done))
        starts.append(seen[0])
        return coverage

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(run, range(4))
    assert all(other == first for other in others)
    assert sorted(starts) == [0, 8, 8, 8]

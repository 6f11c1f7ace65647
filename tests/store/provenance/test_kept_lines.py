"""Lines followed from what is kept are what git blame says, whatever was asked before and in which order."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from imprint.store.errors import PathMissing
from imprint.store.history import kept_trace
from imprint.store.history.blame import Span, line_origins
from imprint.store.history.kept import Lines
from imprint.store.history.kept_spans import KeptAt, KeptSpans, Place
from imprint.store.types import ObjectId


@pytest.fixture
def lines(tmp_path):
    opened = Lines.open(tmp_path / "derived")
    yield opened
    opened.close()


class CountedRuns:
    """How often git is started on a view."""

    def __init__(self, view) -> None:
        self._children = view.plumbing.children
        self._before = self._runs()

    def _runs(self) -> int:
        return sum(use.runs for use in self._children.list_uses().values())

    def take(self) -> int:
        before, self._before = self._before, self._runs()
        return self._before - before


def list_paths(git, commit: str) -> list[bytes]:
    return [name.encode() for name in git("ls-tree", "-r", "--name-only", commit).splitlines()]


def commit_tree(git, parents: list[str], at_s: int, message: str) -> str:
    environment = git.environment | {
        "GIT_COMMITTER_DATE": f"{at_s} +0000",
        "GIT_AUTHOR_DATE": f"{at_s} +0000",
    }
    options = [option for parent in dict.fromkeys(parents) for option in ("-p", parent)]
    command = ["git", "commit-tree", git("write-tree"), *options, "-m", message]
    done = subprocess.run(
        command, cwd=git.folder, env=environment, capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


def edit(chance: random.Random, text: list[str]) -> list[str]:
    """Insert, delete, replace, move or repeat a few lines, from few different ones so that they are alike."""
    changed = list(text)
    for _ in range(chance.randint(1, 3)):
        at = chance.randint(0, len(changed))
        action = chance.choice(["insert", "insert", "delete", "replace", "move"])
        if action == "insert":
            changed[at:at] = [f"{chance.choice('abcdefgh')}{chance.randint(0, 3)}\n"] * chance.randint(1, 2)
        elif action == "delete":
            del changed[at : at + chance.randint(1, 3)]
        elif action == "replace" and at < len(changed):
            changed[at] = f"{chance.choice('xyz')}\n"
        elif action == "move":
            taken = changed[at : at + 2]
            del changed[at : at + 2]
            changed[0:0] = taken
    return changed


def make_history(git, chance: random.Random, steps: int, *, is_skewed: bool) -> list[ObjectId]:
    """Random commits: edits, renames, deletions, reverts, branches, merges of two or three, criss-cross."""
    (git.folder / "a").write_text("".join(f"{line}\n" for line in range(12)))
    git("add", "-A")
    at_s = 1_700_000_000
    commits = [commit_tree(git, [], at_s, "first")]
    git("reset", "-q", "--hard", commits[0])
    for step in range(steps):
        at_s += chance.choice([-5000, 0, 1, 60]) if is_skewed else 60
        action = chance.choice(
            ["edit", "edit", "edit", "rename", "delete", "revert", "branch", "merge", "merge"]
        )
        if action == "branch":
            git("reset", "-q", "--hard", chance.choice(commits[-8:]))
            continue
        path = git.folder / chance.choice("abc")
        parents = [git("rev-parse", "HEAD")]
        if action == "delete":
            path.unlink(missing_ok=True)
        elif action == "rename" and path.exists():
            path.rename(git.folder / chance.choice("abc"))
        elif action == "revert":
            git("read-tree", "-u", "--reset", chance.choice(commits[-6:]))
        elif action == "merge":
            parents += chance.sample(commits, min(len(commits), chance.choice([1, 1, 2])))
            taken = chance.choice(parents)
            if chance.random() < 0.7:
                git("read-tree", "-u", "--reset", taken)
            if path.exists() and chance.random() < 0.6:
                path.write_text("".join(edit(chance, path.read_text().splitlines(keepends=True))))
            chance.shuffle(parents)
        else:
            text = path.read_text().splitlines(keepends=True) if path.exists() else []
            path.write_text("".join(edit(chance, text)))
        git("add", "-A")
        commits.append(commit_tree(git, parents, at_s, f"step {step}"))
        git("reset", "-q", "--hard", commits[-1])
    return [ObjectId(commit) for commit in commits]


def verify_any_order(
    git, view, lines, seed: int, *, is_skewed: bool, steps: int = 24, asked: int = 14
) -> int:
    chance = random.Random(seed)
    commits = make_history(git, chance, steps, is_skewed=is_skewed)
    count = 0
    for commit in chance.sample(commits, min(asked, len(commits))):
        for path in list_paths(git, commit):
            expected = line_origins(view, commit, path)
            if expected and chance.random() < 0.3:
                at = chance.randint(1, len(expected))
                assert lines.origin(view, commit, path, at) == expected[at - 1]
            for _ in range(2):
                assert lines.origins(view, commit, path) == expected, f"seed {seed}: {path!r} at {commit}"
            count += 1
    return count


@pytest.mark.parametrize("is_skewed", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_questions_in_any_order_are_answered_as_git_blame_does(work_tree, clone_view, lines, seed, is_skewed):
    assert verify_any_order(work_tree, clone_view(work_tree.folder), lines, seed, is_skewed=is_skewed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_histories_are_answered_as_git_blame_does(work_tree, clone_view, lines, seed):
    view = clone_view(work_tree.folder)
    verify_any_order(work_tree, view, lines, seed, is_skewed=seed % 2 == 0, steps=60, asked=30)


def test_a_question_asked_before_starts_no_git(work_tree, clone_view, lines):
    work_tree.commit_file("a.txt", "1\n2\n")
    head = ObjectId(work_tree.commit_file("a.txt", "1\n2\n3\n"))
    view = clone_view(work_tree.folder)
    runs = CountedRuns(view)
    first = lines.origins(view, head, b"a.txt")
    assert runs.take() == 2  # where the objects are, which is asked once; and blame
    assert lines.origins(view, head, b"a.txt") == first
    assert lines.origin(view, head, b"a.txt", 3) == first[2]
    assert runs.take() == 0
    assert (
        lines.origins(view, ObjectId(work_tree.commit_file("a.txt", "0\n1\n2\n3\n")), b"a.txt")[1:] != first
    )
    assert runs.take() == 1


def test_only_new_commits_are_looked_at(work_tree, clone_view, lines, monkeypatch):
    """The old ones need not even be readable any more."""
    first = work_tree.commit_file("a.txt", "1\n2\n")
    second = work_tree.commit_file("a.txt", "1\n2\n3\n")
    view = clone_view(work_tree.folder)
    lines.origins(view, ObjectId(second), b"a.txt")
    third = ObjectId(work_tree.commit_file("a.txt", "0\n1\n2\n3\n"))
    loose = work_tree.folder / ".git/objects" / first[:2] / first[2:]
    loose.rename(work_tree.folder / "away")
    found = lines.origins(view, third, b"a.txt")
    (work_tree.folder / "away").rename(loose)
    assert [origin.commit for origin in found] == [third, first, first, second]


def test_a_merge_of_an_old_branch_is_answered_from_above(work_tree, clone_view, lines):
    """Its lines stop where the branch left, which is older than what is kept."""
    work_tree.commit_file("a.txt", "".join(f"{line}\n" for line in range(30)))
    work_tree("branch", "old")
    work_tree.commit_file("b.txt", "1\n")
    kept = ObjectId(work_tree.commit_file("a.txt", "".join(f"{line}\n" for line in range(31))))
    view = clone_view(work_tree.folder)
    lines.origins(view, kept, b"a.txt")
    work_tree("checkout", "-q", "old")
    work_tree.commit_file("a.txt", "first\n" + "".join(f"{line}\n" for line in range(30)))
    work_tree("checkout", "-q", "main")
    work_tree("merge", "-q", "--no-edit", "old")
    head = ObjectId(work_tree("rev-parse", "HEAD"))
    assert lines.origins(view, head, b"a.txt") == line_origins(view, head, b"a.txt")


def test_lines_that_stop_in_too_many_places_are_asked_for_as_a_whole(
    work_tree, clone_view, lines, monkeypatch
):
    monkeypatch.setattr(kept_trace, "_BOUNDARIES_MAX", 0)
    verify_any_order(work_tree, clone_view(work_tree.folder), lines, 7, is_skewed=False, steps=10, asked=4)


@pytest.mark.parametrize("path", [b"na\xffme", b'quo"ted', b"-dash", b":(top)magic", b"a\nb"])
def test_odd_paths_are_kept_alike(work_tree, clone_view, lines, path):
    for content in (b"1\n2\n", b"0\n1\n2\n"):
        blob = work_tree("hash-object", "-w", "--stdin", stdin=content)
        work_tree(
            "update-index", "-z", "--index-info", stdin=b"100644 " + blob.encode() + b"\t" + path + b"\0"
        )
        work_tree("commit", "-q", "-m", "odd")
        head = ObjectId(work_tree("rev-parse", "HEAD"))
        view = clone_view(work_tree.folder)
        for _ in range(2):
            assert lines.origins(view, head, path) == line_origins(view, head, path)


def test_a_sha256_repository_is_kept_alike(git_client, tmp_path, clone_view, lines):
    (tmp_path / "new").mkdir()
    git = git_client(tmp_path / "new")
    git("init", "-q", "-b", "main", "--object-format=sha256")
    first = ObjectId(git.commit_file("a.txt", "1\n"))
    view = clone_view(git.folder)
    lines.origins(view, first, b"a.txt")
    second = ObjectId(git.commit_file("a.txt", "1\n2\n"))
    for _ in range(2):
        assert [origin.commit for origin in lines.origins(view, second, b"a.txt")] == [first, second]


def test_a_shallow_clone_that_is_deepened_answers_anew(work_tree, clone_view, lines, tmp_path, git_client):
    first = work_tree.commit_file("a.txt", "1\n")
    second = ObjectId(work_tree.commit_file("a.txt", "1\n2\n"))
    work_tree("clone", "-q", "--depth=1", f"file://{work_tree.folder}", str(tmp_path / "shallow"))
    view = clone_view(tmp_path / "shallow")
    assert [origin.commit for origin in lines.origins(view, second, b"a.txt")] == [second, second]
    git_client(tmp_path / "shallow")("fetch", "-q", "--unshallow")
    assert [origin.commit for origin in lines.origins(view, second, b"a.txt")] == [first, second]


def test_grafts_and_replacements_have_no_say(work_tree, clone_view, lines):
    first = work_tree.commit_file("a.txt", "1\n")
    second = ObjectId(work_tree.commit_file("a.txt", "1\n2\n"))
    view = clone_view(work_tree.folder)
    lines.origins(view, ObjectId(first), b"a.txt")
    (work_tree.folder / ".git/info").mkdir(exist_ok=True)
    (work_tree.folder / ".git/info/grafts").write_text(f"{second}\n")
    work_tree("replace", "-f", second, first)
    for _ in range(2):
        assert [origin.commit for origin in lines.origins(view, second, b"a.txt")] == [first, second]


def test_what_is_kept_may_be_deleted_and_damaged(work_tree, clone_view, tmp_path):
    head = ObjectId(work_tree.commit_file("a.txt", "1\n2\n"))
    view = clone_view(work_tree.folder)
    folder = tmp_path / "derived"
    expected = line_origins(view, head, b"a.txt")
    for damage in ("nothing", "folders", "file", "garbage", "version"):
        lines = Lines.open(folder)
        assert lines.origins(view, head, b"a.txt") == expected
        if damage == "folders":
            shutil.rmtree(folder / "blame")
            assert lines.origins(view, ObjectId(work_tree("rev-parse", "HEAD")), b"a.txt") == expected
            head = ObjectId(work_tree.commit_file("b.txt", "1\n"))
            assert lines.origins(view, head, b"a.txt") == expected
        lines.close()
        if damage == "file":
            shutil.rmtree(folder)
        elif damage == "garbage":
            (folder / "blame.db").write_bytes(b"no database" * 1000)
        elif damage == "version":
            with sqlite3.connect(folder / "blame.db") as connection:
                connection.execute("PRAGMA user_version = 99")
            connection.close()


def test_commits_that_are_gone_are_not_started_from(work_tree, clone_view, lines):
    work_tree.commit_file("a.txt", "1\n")
    gone = ObjectId(work_tree.commit_file("a.txt", "1\ngone\n"))
    lines.origins(clone_view(work_tree.folder), gone, b"a.txt")
    work_tree("reset", "-q", "--hard", "HEAD~1")
    head = ObjectId(work_tree.commit_file("a.txt", "1\n2\n"))
    work_tree("reflog", "expire", "--expire=all", "--all")
    work_tree("gc", "-q", "--prune=now")
    view = clone_view(work_tree.folder)
    assert lines.origins(view, head, b"a.txt") == line_origins(view, head, b"a.txt")


def test_a_file_that_is_missing_or_has_no_such_line_is_said_to(work_tree, clone_view, lines):
    head = ObjectId(work_tree.commit_file("a.txt", "1\n2\n"))
    view = clone_view(work_tree.folder)
    lines.origins(view, head, b"a.txt")
    with pytest.raises(PathMissing, match="no file"):
        lines.origins(view, head, b"b.txt")
    with pytest.raises(PathMissing, match="has no line 3"):
        lines.origin(view, head, b"a.txt", 3)
    with pytest.raises(PathMissing, match="has no line 9"):
        lines.origins(view, head, b"a.txt", (1, 9))
    empty = ObjectId(work_tree.commit_file("empty", ""))
    assert lines.origins(view, empty, b"empty") == []


def test_threads_and_processes_ask_at_once(work_tree, clone_view, tmp_path):
    commits = [ObjectId(work_tree.commit_file("a.txt", "1\n" * count)) for count in range(1, 9)]
    view = clone_view(work_tree.folder)
    expected = {commit: line_origins(view, commit, b"a.txt") for commit in commits}
    opened = [Lines.open(tmp_path / "derived") for _ in range(2)]
    wrong = []

    def ask(lines: Lines, seed: int) -> None:
        for commit in random.Random(seed).sample(commits, len(commits)):
            found = lines.origins(view, commit, b"a.txt")
            wrong.extend([commit] if found != expected[commit] else [])

    threads = [threading.Thread(target=ask, args=(opened[at % 2], at)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for lines in opened:
        lines.close()
    assert wrong == []


def test_a_process_killed_at_any_instant_leaves_what_can_be_used(work_tree, clone_view, tmp_path):
    commits = [work_tree.commit_file("a.txt", "1\n" * count) for count in range(1, 6)]
    script = (
        "import sys; from pathlib import Path\n"
        "from imprint.store.clone import Clone\n"
        "from imprint.store.history.kept import Lines\n"
        "from imprint.store.types import ObjectId\n"
        "view = Clone.discover(Path(sys.argv[1])).view\n"
        "while True:\n"
        "    lines = Lines.open(Path(sys.argv[2]))\n"
        "    print('.', flush=True)\n"
        "    for commit in sys.argv[3:]:\n"
        "        lines.origins(view, ObjectId(commit), b'a.txt')\n"
        "    lines.forget(view.id)\n"
    )
    for seconds in (0.005, 0.03):
        command = [sys.executable, "-c", script, str(work_tree.folder), str(tmp_path / "derived"), *commits]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ)) as child:
            assert child.stdout
            child.stdout.readline()
            threading.Event().wait(seconds)
            child.kill()
        lines = Lines.open(tmp_path / "derived")
        view = clone_view(work_tree.folder)
        for commit in commits:
            found = lines.origins(view, ObjectId(commit), b"a.txt")
            assert found == line_origins(view, ObjectId(commit), b"a.txt")
        lines.close()


def test_what_a_killed_process_had_begun_to_delete_is_not_taken_for_a_whole_folder(
    work_tree, clone_view, tmp_path, monkeypatch
):
    commit = ObjectId(work_tree.commit_file("a.txt", "1\n"))
    view = clone_view(work_tree.folder)
    lines = Lines.open(tmp_path / "derived")
    expected = lines.origins(view, commit, b"a.txt")

    def die(folder: Path, **_options: object) -> None:
        """Deleting ends after one file, as if the process had been killed."""
        for alternates in folder.rglob("alternates"):
            alternates.unlink()

    with monkeypatch.context() as patched:
        patched.setattr("imprint.store.history.kept_folder.shutil.rmtree", die)
        lines.forget(view.id)
    assert lines.origins(view, commit, b"a.txt") == expected
    lines.forget(view.id)
    assert [path for path in (tmp_path / "derived" / "blame").rglob("*") if path.is_file()] == []
    lines.close()


# -- what is kept ---------------------------------------------------------------------------------------


def place(path: bytes, repository: str = "repo") -> Place:
    return Place(repository, b"", path)


def at(number: int) -> KeptAt:
    return KeptAt(ObjectId(f"{number:040x}"), number)


def test_what_was_asked_for_least_lately_goes_first(tmp_path):
    kept = KeptSpans.open(tmp_path / "blame.db", bytes_max=40_000)
    spans = [Span(at(1).commit, b"a", 1, 3)]
    for number in range(400):
        kept.keep(place(f"path {number}".encode()), at(number), spans)
        assert kept.find(place(b"path 0"), at(0).commit) == spans
        assert 0 < kept.bytes_kept <= 40_000
    assert kept.find(place(b"path 1"), at(1).commit) is None
    assert kept.find(place(b"path 399"), at(399).commit) == spans
    kept.close()
    with sqlite3.connect(tmp_path / "blame.db") as connection:
        size = connection.execute("SELECT sum(200 + length(path) + length(spans)) FROM kept").fetchone()[0]
        assert connection.execute("SELECT bytes FROM total").fetchone()[0] == size
    connection.close()


def test_what_is_larger_than_all_there_is_room_for_is_not_kept(tmp_path):
    kept = KeptSpans.open(tmp_path / "blame.db", bytes_max=100)
    kept.keep(place(b"a"), at(1), [Span(at(1).commit, b"a", 1, 3)])
    assert kept.bytes_kept == 0
    kept.close()


def test_files_asked_for_lately_are_named_and_warming_is_no_asking(tmp_path):
    kept = KeptSpans.open(tmp_path / "blame.db")
    spans = [Span(at(1).commit, b"a", 1, 3)]
    for name in (b"a", b"b", b"c"):
        kept.keep(place(name), at(1), spans)
    kept.find(place(b"a"), at(1).commit)
    kept.keep(place(b"b"), at(2), spans, is_asked=False)
    kept.find(place(b"b"), at(2).commit, is_asked=False)
    kept.keep(place(b"d", "other"), at(1), spans)
    assert kept.list_lately_used("repo", b"", 2) in ([b"a", b"c"], [b"c", b"b"])
    kept.set_position("repo", 7)
    assert kept.list_lately_used("repo", b"", 2) == [b"a", b"c"]
    assert kept.position("repo") == 7
    kept.forget("repo")
    assert (kept.position("repo"), kept.list_lately_used("repo", b"", 2)) == (0, [])
    assert kept.find(place(b"d", "other"), at(1).commit) == spans
    kept.close()


def test_a_full_disk_fails_no_answer(work_tree, clone_view, lines, tmp_path):
    head = ObjectId(work_tree.commit_file("a.txt", "1\n2\n"))
    view = clone_view(work_tree.folder)
    with sqlite3.connect(tmp_path / "derived" / "blame.db") as connection:
        connection.execute("DROP TABLE kept")
    connection.close()
    assert lines.origins(view, head, b"a.txt") == line_origins(view, head, b"a.txt")


def test_the_folder_of_a_clone_is_made_whole_and_only_once(work_tree, clone_view, lines, tmp_path):
    head = ObjectId(work_tree.commit_file("a.txt", "1\n"))
    view = clone_view(work_tree.folder)
    for _ in range(3):
        with lines.isolated(view) as plumbing:
            assert plumbing.run("cat-file", "-t", head) == b"commit\n"
    lines.index_changed_paths(view, head)
    (folder,) = (tmp_path / "derived" / "blame" / view.id).iterdir()
    assert (folder / "objects/info/commit-graph").exists()
    assert lines.origins(view, head, b"a.txt")[0].commit == head
    assert Path(folder).name == plumbing.git_dir.name

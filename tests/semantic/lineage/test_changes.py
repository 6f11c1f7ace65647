"""The change log against what git says of the same history."""

import json
import shutil

import pytest

from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.lineage.log.segment import FORMAT_VERSION, OTHER_PARENT
from imprint.store.hosting.followers import Stopped
from imprint.store.types import ObjectId


def make_history(git) -> None:
    """Two branches that both change a file, a rename, a removal, and a merge that resolves a conflict."""
    git.commit_file("a.py", "def a():\n    return 1\n", "first\n\nIt adds the retry budget.")
    git.commit_file("b.py", "".join(f"line {n}\n" for n in range(20)), "second")
    git("checkout", "-q", "-b", "side")
    git.commit_file("a.py", "def a():\n    return 2\n", "side change")
    git("mv", "b.py", "moved.py")
    git.commit_file("moved.py", "".join(f"line {n}\n" for n in range(21)), "rename with a line more")
    git("checkout", "-q", "main")
    git.commit_file("a.py", "def a():\n    return 3\n", "main change")
    git.run("merge", "-q", "side", check=False)
    git.commit_file("a.py", "def a():\n    return 5\n", "merge")
    git("rm", "-q", "moved.py")
    git.commit_file("c.txt", "text\n", "remove")


def list_touches(past, number):
    return {
        (each.path, each.old_path, each.old, each.new)
        for each in past.touches(number)
        if each.kind != OTHER_PARENT
    }


def ask_git(git, commit):
    """The same from git's own raw log."""
    out = git(
        "log", "-1", "--root", "-m", "--first-parent", "--raw", "--no-abbrev", "-M50%", "--format=", commit
    )
    found = set()
    for line in out.splitlines():
        head, *paths = line.split("\t")
        _, _, old, new, _ = head.split(" ")
        ids = tuple(None if set(each) == {"0"} else ObjectId(each) for each in (old, new))
        found.add((paths[-1].encode(), paths[0].encode(), *ids))
    return found


def test_commits_and_touches_are_those_that_git_tells(work_tree, read_past):
    make_history(work_tree)
    view, past = read_past(work_tree)
    commits = work_tree("rev-list", "--topo-order", "HEAD").split()
    assert len(past) == len(commits)
    for commit in commits:
        number = past.find(ObjectId(commit))
        parents = work_tree("log", "-1", "--format=%P", commit).split()
        assert [past.commit(each) for each in past.parents(number)] == parents
        assert all(each < number for each in past.parents(number)), "parents come first"
        assert past.message(number) == work_tree("log", "-1", "--format=%B", commit).rstrip("\n") + "\n"
        assert past.author(number) == "Ada"
        assert past.time(number) == int(work_tree("log", "-1", "--format=%ct", commit))
        if len(parents) < 2:
            assert list_touches(past, number) == ask_git(work_tree, commit), commit
    assert past.ancestors(past.find(ObjectId(commits[0]))).all()
    assert view.refs.snapshot().head_id == commits[0]


def test_a_merge_that_holds_what_no_parent_has_is_told_against_each_parent(work_tree, read_past):
    make_history(work_tree)
    _, past = read_past(work_tree)
    merge = next(n for n in range(len(past)) if len(past.parents(n)) == 2)
    content = {each.path: each for each in past.touches(merge) if each.kind == OTHER_PARENT}
    assert set(content) == {b"a.py"}
    assert content[b"a.py"].old == work_tree("rev-parse", "side:a.py")
    assert merge in past.touching(b"a.py")
    assert merge not in past.touching(b"moved.py"), "the merge only repeats what the branch did"


def test_a_file_is_followed_through_its_renames(work_tree, read_past):
    make_history(work_tree)
    view, past = read_past(work_tree)
    side = past.find(ObjectId(work_tree("rev-parse", "side")))
    assert [name.path for name in past.trace(b"moved.py", side)] == [b"moved.py", b"b.py"]
    subjects = [past.subject(int(n)) for n in past.following(b"moved.py", side)]
    assert subjects == ["rename with a line more", "second"]
    assert view.refs.snapshot().head_id


def test_moves_are_found_as_by_reading_every_touch_of_a_path(work_tree, log, open_view):
    make_history(work_tree)
    view = open_view(work_tree.folder)
    log.ensure(view)
    main = ObjectId(work_tree("rev-parse", "main~2"))
    for past in (log.of(view.id), log.of(view.id).limited([main])):
        for number in range(len(past)):
            own = [each.path for each in past.touches(number) if each.kind != OTHER_PARENT]
            assert sorted(past.touched_paths(number, len(own))) == sorted(own)
            assert past.touched_paths(number, len(own) - 1) == ()
            reached = past.ancestors(number)
            for path in (b"a.py", b"b.py", b"moved.py", b"nowhere.py"):
                moved = [
                    each.path
                    for each in past.touches_of(path)
                    if each.old_path == path != each.path and each.new and reached[each.number]
                ]
                assert past.moved_to(path, reached) == next(iter(moved), None)
    assert log.of(view.id).moved_to(b"b.py", log.of(view.id).ancestors(len(past) - 1)) == b"moved.py"


def test_what_is_added_later_joins_what_is_there(work_tree, read_past, log, tmp_path, open_view):
    make_history(work_tree)
    view, before = read_past(work_tree)
    head = before.find(view.refs.snapshot().head_id)
    for number in range(3):
        work_tree.commit_file("d.txt", f"{number}\n", f"later {number}")
        log.ensure(view)
    after = log.of(view.id)
    assert len(after) == len(before) + 3
    assert after.commit(head) == before.commit(head), "a commit keeps its number"
    whole = ChangeLog.open(tmp_path / "whole")
    whole.ensure(open_view(work_tree.folder))
    again = whole.of(view.id)
    for number in range(len(again)):
        other = after.find(again.commit(number))
        assert list_touches(after, other) == list_touches(again, number)
        assert after.message(other) == again.message(number)


def test_messages_are_found_by_their_words(work_tree, read_past):
    make_history(work_tree)
    _, past = read_past(work_tree)
    numbers, counts = past.find_word("budget")
    assert [past.subject(int(n)) for n in numbers] == ["first"]
    assert counts.tolist() == [1]
    assert past.message_lengths()[numbers[0]] == 6
    assert past.find_word("nowhere")[0].size == 0


def test_a_limited_past_names_nothing_that_its_refs_do_not_reach(work_tree, log, open_view):
    make_history(work_tree)
    work_tree("checkout", "-q", "-b", "secret")
    hidden = ObjectId(work_tree.commit_file("a.py", "def a():\n    return 6\n", "the budget of the secret"))
    view = open_view(work_tree.folder)
    log.ensure(view)
    whole = log.of(view.id)
    number = whole.find(hidden)
    assert number is not None
    work_tree("checkout", "-q", "main")
    work_tree("branch", "-q", "-D", "secret")
    shown = log.seen(view)
    blob = ObjectId(work_tree("rev-parse", f"{hidden}:a.py"))
    assert shown.find(hidden) is None
    assert number not in shown.touching(b"a.py")
    assert number not in shown.find_word("secret")[0]
    assert shown.touches_of_content(blob) == []
    assert shown.find_word("budget")[0].size == 1
    assert whole.touches_of_content(blob)[0].number == number


def test_a_stop_keeps_what_is_logged_and_a_torn_list_is_read_anew(work_tree, log, open_view, tmp_path):
    make_history(work_tree)
    view = open_view(work_tree.folder)
    with pytest.raises(Stopped):
        log.ensure(view, stopping=lambda: True)
    assert len(log.of(view.id)) == 0
    log.ensure(view)
    count = len(log.of(view.id))
    (tmp_path / "changes" / view.id / "log.json").write_text("{torn")
    log.ensure(view)
    assert len(log.of(view.id)) == count
    listed = json.loads((tmp_path / "changes" / view.id / "log.json").read_text())
    there = {path.name for path in (tmp_path / "changes" / view.id).glob("*.segment")}
    assert there == set(listed["segments"]), "nothing is left over"


def test_what_is_forgotten_is_gone_and_comes_back_equal(work_tree, read_past, log):
    make_history(work_tree)
    view, past = read_past(work_tree)
    log.record_position(view.id, 7)
    assert log.position(view.id) == 7
    log.forget(view.id)
    assert (len(log.of(view.id)), log.position(view.id)) == (0, 0)
    log.ensure(view)
    assert [log.of(view.id).commit(n) for n in range(len(past))] == [past.commit(n) for n in range(len(past))]


def test_a_shallow_clone_says_where_history_ends_and_is_logged_anew_when_it_deepens(
    work_tree, tmp_path, git_client, log, open_view
):
    make_history(work_tree)
    folder = tmp_path / "shallow"
    work_tree("clone", "-q", "--depth", "2", f"file://{work_tree.folder}", str(folder))
    view = open_view(folder)
    log.ensure(view)
    past = log.of(view.id)
    cut = [n for n in range(len(past)) if past.is_cut(n)]
    assert cut
    assert all(past.touches(n) == [] for n in cut), "what came before is not known"
    git_client(folder)("fetch", "-q", "--unshallow")
    shutil.rmtree(folder / ".git" / "shallow", ignore_errors=True)
    log.ensure(view)
    assert len(log.of(view.id)) == int(work_tree("rev-list", "--count", "HEAD"))
    assert not any(log.of(view.id).is_cut(n) for n in range(len(log.of(view.id))))


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "header", "list"])
def test_a_damaged_log_is_none_and_comes_back_equal(work_tree, read_past, tmp_path, damage):
    make_history(work_tree)
    view, past = read_past(work_tree)
    ChangeLog.open(tmp_path / "changes").record_position(view.id, 7)
    home = tmp_path / "changes" / view.id
    (path,) = home.glob("*.segment")
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "list":
        (home / "log.json").write_text(json.dumps({"boundary": "", "version": FORMAT_VERSION}))
    else:
        path.write_bytes(
            {"empty": b"", "cut": content[:-1], "header": content[:9] + b"?" + content[10:]}[damage]
        )
    log = ChangeLog.open(tmp_path / "changes")
    assert (len(log.of(view.id)), log.position(view.id)) == (0, 0), "whoever follows begins anew"
    log.ensure(view)
    assert [log.of(view.id).commit(n) for n in range(len(past))] == [past.commit(n) for n in range(len(past))]
    assert log.position(view.id) == 7


def test_a_repository_without_commits_is_followed_once(work_tree, open_view, log):
    view = open_view(work_tree.folder)
    log.ensure(view)
    log.record_position(view.id, 3)
    assert log.position(view.id) == 3

"""Bulk readings of history: streams of commits, and the lines that each one added."""

import pytest

from imprint.store.errors import PlumbingFailed
from imprint.store.history.reading import (
    WALKED_COMMITS_MAX,
    isolated,
    iter_added_lines,
    iter_commits,
    iter_objects,
    list_commits,
    list_descendants,
    walk_commits,
)
from imprint.store.types import ObjectId

ABSENT = ObjectId("f" * 40)


def added(view, *commits: str) -> list[dict]:
    found = iter_added_lines(view, [view.objects.read_commit(ObjectId(commit)) for commit in commits])
    return [lines for _, lines in found]


def test_content_that_looks_like_a_diff_is_not_taken_for_one(work_tree, clone_view):
    first = work_tree.commit_file("a", "++ b/evil\n-- a/evil\n@@ -1 +1 @@\n")
    second = work_tree.commit_file("a", "++ b/evil\n@@ -9,9 +9,9 @@\n++ b/other\ndiff --git a/x b/x")
    third = work_tree.commit_file("a", "\\ No newline\n" + f"{'1' * 40} {'2' * 40}\n+++ b/z")
    assert added(clone_view(work_tree.folder), first, second, third) == [
        {b"a": ((1, 3),)},
        {b"a": ((2, 4),)},
        {b"a": ((1, 3),)},
    ]


def test_a_hunk_after_one_that_looks_like_a_header_is_still_of_the_same_file(work_tree, clone_view):
    work_tree.commit_file("a", "old\nold\nsame\nsame\nsame\nlast\n")
    commit = work_tree.commit_file("a", "new\n++ b/evil\nsame\nsame\nsame\nchanged\n")
    assert added(clone_view(work_tree.folder), commit) == [{b"a": ((1, 2), (6, 6))}]


@pytest.mark.parametrize("name", ["with space", "tab\there", 'quo"te', "é", "a b\\c"])
def test_unusual_paths_come_as_they_are(work_tree, clone_view, name):
    commit = work_tree.commit_file(name, "1\n")
    assert added(clone_view(work_tree.folder), commit) == [{name.encode(): ((1, 1),)}]


def test_a_rename_adds_only_what_changed(work_tree, clone_view):
    work_tree.commit_file("old", "".join(f"{at}\n" for at in range(30)))
    work_tree("mv", "old", "new")
    commit = work_tree.commit_file("new", "".join(f"{at}\n" for at in range(30)) + "more\n")
    assert added(clone_view(work_tree.folder), commit) == [{b"new": ((31, 31),)}]


def test_a_deletion_a_mode_change_and_a_binary_file_add_no_line(work_tree, clone_view):
    work_tree.commit_file("gone", "gone\n")
    (work_tree.folder / "gone").unlink()
    (work_tree.folder / "run").write_text("1\n")
    work_tree.commit_file("b", b"\0\n")
    (work_tree.folder / "run").chmod(0o755)
    work_tree("update-index", "--chmod=+x", "run")
    work_tree("commit", "-q", "-m", "mode")
    commits = work_tree("rev-list", "-2", "HEAD").split()
    assert added(clone_view(work_tree.folder), *commits) == [{}, {b"run": ((1, 1),)}]


def test_attributes_of_the_clone_do_not_hide_lines(work_tree, clone_view):
    work_tree.commit_file(".gitattributes", "* -diff\n")
    commit = work_tree.commit_file("a", "1\n")
    assert added(clone_view(work_tree.folder), commit) == [{b"a": ((1, 1),)}]


def test_commits_come_in_the_order_given_and_absent_ones_are_left_out(work_tree, clone_view):
    commits = [ObjectId(work_tree.commit_file("a", f"{at}\n", f"m{at}")) for at in range(3)]
    view = clone_view(work_tree.folder)
    wanted = [commits[2], ABSENT, commits[0], ObjectId(work_tree("rev-parse", "HEAD:a"))]
    assert [commit.subject for commit in iter_commits(view, wanted)] == ["m2", "m0"]
    many = wanted * WALKED_COMMITS_MAX
    assert [commit.subject for commit in iter_commits(view, many)] == ["m2", "m0"] * WALKED_COMMITS_MAX


def test_a_reader_that_gives_up_leaves_nothing_behind(work_tree, clone_view):
    commit = ObjectId(work_tree.commit_file("a", "1\n"))
    view = clone_view(work_tree.folder)
    reading = iter_objects(view.plumbing, [commit] * 100_000)
    assert next(reading)[0] == commit
    reading.close()


def test_a_walk_finds_what_git_lists_and_stops_at_what_is_known(work_tree, clone_view):
    base = ObjectId(work_tree.commit_file("a", "0\n"))
    work_tree("checkout", "-q", "-b", "side")
    side = ObjectId(work_tree.commit_file("b", "1\n"))
    work_tree("checkout", "-q", "main")
    main = ObjectId(work_tree.commit_file("a", "1\n"))
    work_tree("merge", "-q", "--no-ff", "-m", "merge", "side")
    work_tree("tag", "-a", "v1", "-m", "x")
    tip = ObjectId(work_tree("rev-parse", "HEAD"))
    tag, blob = (ObjectId(work_tree("rev-parse", name)) for name in ("v1", "HEAD:a"))
    view = clone_view(work_tree.folder)
    for known in ([], [base], [base, side], [base, side, main], [base, side, main, tip]):
        walked = walk_commits(view, [tag, tip, blob], lambda some, known=known: frozenset(known) & set(some))
        assert set(walked) == set(list_commits(view, [tag, tip, blob], known))
    assert walk_commits(view, [ABSENT], lambda _: frozenset()) == []


def test_a_long_walk_is_left_to_git(work_tree, clone_view):
    for at in range(WALKED_COMMITS_MAX + 1):
        work_tree("commit", "-q", "--allow-empty", "-m", str(at))
    head = ObjectId(work_tree("rev-parse", "HEAD"))
    assert walk_commits(clone_view(work_tree.folder), [head], lambda _: frozenset()) is None


def test_descendants_are_those_that_have_the_base_behind_them(work_tree, clone_view):
    work_tree.commit_file("a", "0\n")
    base = ObjectId(work_tree.commit_file("a", "1\n"))
    after = ObjectId(work_tree.commit_file("a", "2\n"))
    work_tree("checkout", "-q", "-b", "side", "HEAD~2")
    side = ObjectId(work_tree.commit_file("b", "1\n"))
    assert list_descendants(clone_view(work_tree.folder), base, [after, side]) == {after}


def test_the_isolated_git_writes_nothing_into_the_clone(work_tree, clone_view):
    head = work_tree.commit_file("a", "1\n")
    view = clone_view(work_tree.folder)
    before = sorted((work_tree.folder / ".git").rglob("*"))
    with isolated(view) as plumbing:
        plumbing.run("hash-object", "-w", "--stdin", stdin=b"new")
        folder = plumbing.git_dir
        assert plumbing.run("rev-parse", f"{head}^{{tree}}")
        with pytest.raises(PlumbingFailed):
            plumbing.run("rev-parse", "--verify", "main")
    assert not folder.exists()
    assert sorted((work_tree.folder / ".git").rglob("*")) == before

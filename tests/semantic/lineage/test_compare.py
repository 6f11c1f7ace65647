"""What two commits differ in, what is gone, and what changes together."""

from imprint.semantic.lineage.cochange import FILES_MAX, changed_together
from imprint.semantic.lineage.compare import compare
from imprint.semantic.lineage.removed import find_removals, find_removed_symbols
from imprint.store.types import ObjectId

LONG = (
    "def travel(start, end):\n    path = [start]\n    while path[-1] != end:\n"
    "        path.append(step(path[-1]))\n    return path\n"
)


def test_each_delta_between_two_commits_is_told_once(work_tree, open_view, open_contents):
    git = work_tree
    (git.folder / "same.py").write_text("def same():\n    return 0\n")
    (git.folder / "whole.py").write_text("def whole():\n    return 'a file'\n")
    (git.folder / "b.py").write_text("B = 1\n")
    old = git.commit_file(
        "a.py",
        "def kept(a):\n    return a\n\n\ndef edited(a):\n    return a\n\n\ndef gone(a):\n    return [a]\n\n\n"
        + LONG + "\n\n" + LONG.replace("travel", "rename_me").replace("step", "jump"),
        "old",
    )  # fmt: skip
    git("mv", "whole.py", "moved.py")
    (git.folder / "b.py").write_text("B = 1\n\n\n" + LONG)
    new = git.commit_file(
        "a.py",
        "def kept(a):\n    return a\n\n\ndef edited(a, b=2):\n    return a + b\n\n\n"
        "def added():\n    return 1\n\n\n" + LONG.replace("travel", "renamed").replace("step", "jump"),
        "new",
    )
    view = open_view(git.folder)
    found = compare(view, ObjectId(old), ObjectId(new), open_contents(view))
    told = [
        ({kind.value for kind in each.kinds}, each.old_path, each.old_name, each.path, each.name)
        for each in found.deltas
    ]
    assert sorted(told, key=str) == sorted(
        [
            ({"signature", "body"}, b"a.py", "edited", b"a.py", "edited"),
            ({"renamed"}, b"a.py", "rename_me", b"a.py", "renamed"),
            ({"introduced"}, b"", "", b"a.py", "added"),
            ({"removed"}, b"a.py", "gone", b"", ""),
            ({"moved"}, b"a.py", "travel", b"b.py", "travel"),
            ({"moved"}, b"whole.py", "whole", b"moved.py", "whole"),
        ],
        key=str,
    )
    assert (found.files, found.left_out) == (3, 0)
    assert compare(view, ObjectId(new), ObjectId(new), open_contents(view)).deltas == ()
    back = compare(view, ObjectId(new), ObjectId(old), open_contents(view)).deltas
    assert len(back) == len(found.deltas), "the other way round it is as much"


def test_content_that_is_gone_is_told_with_the_commit_that_took_it(work_tree, read_past, open_contents):
    git = work_tree
    git.commit_file("a.py", "def old_way(a):\n    return a\n\n\ndef stays():\n    return 1\n", "first")
    git.commit_file("b.py", "def elsewhere():\n    return 2\n", "second")
    blob_a, blob_b = (ObjectId(git("rev-parse", f"HEAD:{path}")) for path in ("a.py", "b.py"))
    cleaned = git.commit_file("a.py", "def stays():\n    return 1\n", "remove the old way")
    git("rm", "-q", "b.py")
    dropped = git.commit_file("c.txt", "x\n", "drop b")
    view, past = read_past(git)
    removals = find_removals(past, [blob_a, blob_b, ObjectId(git("rev-parse", "HEAD:c.txt"))])
    assert {blob: (each.path, each.commit, each.subject) for blob, each in removals.items()} == {
        blob_a: (b"a.py", cleaned, "remove the old way"),
        blob_b: (b"b.py", dropped, "drop b"),
    }
    assert find_removals(past, [blob_a], {blob_a}) == {}
    contents = open_contents(view)
    candidates = [(b"a.py", blob_a), (b"b.py", blob_b)]

    def find(name):
        found = find_removed_symbols(past, name, candidates, contents)
        return [(each.entity.qualified_name, each.removal.subject) for each in found]

    assert find("old_way") == [("old_way", "remove the old way")]
    assert find("elsewhere") == [("elsewhere", "drop b")]
    assert find("stays") == []


def test_files_that_change_together_are_counted_without_bulk_commits(work_tree, read_past):
    git = work_tree
    for number in range(3):
        (git.folder / "test_a.py").write_text(f"{number}\n")
        git.commit_file("a.py", f"{number}\n", f"both {number}")
    git.commit_file("a.py", "alone\n", "alone")
    for number in range(FILES_MAX):
        (git.folder / f"bulk{number}.py").write_text("x\n")
    git.commit_file("a.py", "bulk\n", "bulk")
    git("mv", "a.py", "renamed.py")
    git.commit_file("z.py", "z\n", "rename")
    view, past = read_past(git)
    head = past.find(view.refs.snapshot().head_id)
    assert changed_together(past, b"a.py") == [(b"test_a.py", 3, 0.6)]
    assert changed_together(past, b"renamed.py") == []
    assert changed_together(past, b"renamed.py", head) == [(b"test_a.py", 3, 0.6)]

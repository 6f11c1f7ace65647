"""Line origins are git blame's, whatever the file holds and whatever the clone is configured to do."""

import subprocess

import pytest

from imprint.store.errors import PathMissing
from imprint.store.history.blame import count_lines, is_binary, line_origin, line_origins
from imprint.store.types import ObjectId


def git_blame(git, path: bytes) -> list[tuple[str, int]]:
    """What stock git says: the commit and original line of each line."""
    command = [b"git", b"blame", b"--porcelain", b"HEAD", b"--", path]
    out = subprocess.run(command, cwd=git.folder, env=git.environment, capture_output=True, check=True).stdout
    lines = out.split(b"\n")
    found, header = [], None
    for line in lines[:-1]:
        if line.startswith(b"\t"):
            found.append((header[0].decode(), int(header[1])))
            header = None
        elif header is None:
            header = line.split()
    return found


def origins(view, git, path: bytes = b"a.txt"):
    return line_origins(view, ObjectId(git("rev-parse", "HEAD")), path)


@pytest.mark.parametrize(
    "contents",
    [
        [b"1\n2\n3\n", b"1\nnew\n3\n", b"0\n1\nnew\n3\n4"],
        [b"no newline", b"no newline\nmore"],
        [b"a\r\nb\r\n", b"a\r\nB\r\nc\r\n"],
        [b"\tstarts with a tab\n", b"\tstarts with a tab\n\t\n\n"],
        [b"author x\nfilename y\n", b"filename y\nauthor x\n"],
        [b"\xff\xfe\n\x80\n", b"\xff\xfe\nmid\n\x80\n"],
        [b"x\n", b""],
        [b"\n\n\n", b"\n\nx\n"],
        [b"a\x0cb\x1cc\n", b"a\x0cb\x1cc\nd\x85e\n"],
    ],
)
def test_the_origin_of_each_line_is_what_git_blame_says(work_tree, clone_view, contents):
    for content in contents:
        work_tree.commit_file("a.txt", content)
    found = origins(clone_view(work_tree.folder), work_tree)
    assert [(origin.commit, origin.original_line) for origin in found] == git_blame(work_tree, b"a.txt")
    assert [origin.line for origin in found] == list(range(1, len(found) + 1))
    text = contents[-1].split(b"\n")
    assert [origin.text for origin in found] == (text[:-1] if not text[-1] else text)
    assert len(found) == count_lines(contents[-1])


def test_a_line_is_followed_through_a_rename(work_tree, clone_view):
    first = work_tree.commit_file("old name.txt", "".join(f"{at}\n" for at in range(20)))
    work_tree("mv", "old name.txt", "a.txt")
    work_tree.commit_file("a.txt", "".join(f"{at}\n" for at in range(20)) + "more\n")
    found = origins(clone_view(work_tree.folder), work_tree)
    assert (found[3].commit, found[3].path, found[3].original_line) == (first, b"old name.txt", 4)
    assert found[20].path == b"a.txt"


@pytest.mark.parametrize(
    "path", [b"na\xffme", b'quo"ted', b"ta\tb", b"-dash", b":(top)magic", "é ü".encode(), b"a\nb"]
)
def test_any_path_can_be_asked_for(work_tree, clone_view, path):
    blob = work_tree("hash-object", "-w", "--stdin", stdin=b"1\n2\n")
    entry = b"100644 " + blob.encode() + b"\t" + path + b"\0"
    work_tree("update-index", "-z", "--index-info", stdin=entry)
    work_tree("commit", "-q", "-m", "odd")
    found = origins(clone_view(work_tree.folder), work_tree, path)
    assert [(origin.path, origin.text) for origin in found] == [(path, b"1"), (path, b"2")]


def test_the_clone_s_own_configuration_and_attributes_have_no_say(work_tree, clone_view):
    work_tree.commit_file(".gitattributes", "*.txt -diff\n")
    first = work_tree.commit_file("a.txt", "1\n2\n")
    second = work_tree.commit_file("a.txt", "1\n  2\n")
    work_tree("config", "blame.ignoreRevsFile", "is-not-there")
    work_tree("config", "core.quotePath", "false")
    work_tree("config", "diff.algorithm", "patience")
    work_tree("replace", second, first)
    found = origins(clone_view(work_tree.folder), work_tree)
    assert [origin.commit for origin in found] == [first, second]


def test_a_shallow_clone_ends_at_its_boundary(work_tree, clone_view, tmp_path):
    work_tree.commit_file("a.txt", "1\n")
    second = work_tree.commit_file("a.txt", "1\n2\n")
    work_tree("clone", "-q", "--depth=1", f"file://{work_tree.folder}", str(tmp_path / "shallow"))
    found = line_origins(clone_view(tmp_path / "shallow"), ObjectId(second), b"a.txt")
    assert [origin.commit for origin in found] == [second, second]


def test_a_worktree_and_a_bare_clone_answer_the_same(work_tree, clone_view, tmp_path):
    work_tree.commit_file("a.txt", "1\n")
    head = ObjectId(work_tree.commit_file("a.txt", "1\n2\n"))
    work_tree("worktree", "add", "-q", "--detach", str(tmp_path / "more"))
    work_tree("clone", "-q", "--bare", str(work_tree.folder), str(tmp_path / "bare.git"))
    expected = line_origins(clone_view(work_tree.folder), head, b"a.txt")
    assert line_origins(clone_view(tmp_path / "more"), head, b"a.txt") == expected
    assert line_origins(clone_view(tmp_path / "bare.git"), head, b"a.txt") == expected


def test_a_sha256_repository_is_read_alike(git_client, tmp_path, clone_view):
    (tmp_path / "new").mkdir()
    git = git_client(tmp_path / "new")
    git("init", "-q", "-b", "main", "--object-format=sha256")
    first = git.commit_file("a.txt", "1\n")
    second = git.commit_file("a.txt", "1\n2\n")
    assert [origin.commit for origin in origins(clone_view(git.folder), git)] == [first, second]


def test_one_line_is_found_without_the_others(work_tree, clone_view):
    first = work_tree.commit_file("a.txt", "1\n2\n3\n")
    second = ObjectId(work_tree.commit_file("a.txt", "0\n1\n2\nthree"))
    view = clone_view(work_tree.folder)
    assert line_origin(view, second, b"a.txt", 2) == line_origins(view, second, b"a.txt")[1]
    assert line_origin(view, second, b"a.txt", 2).commit == first
    assert line_origin(view, second, b"a.txt", 4).text == b"three"


@pytest.mark.parametrize("line", [0, -1, 4, 10**12])
def test_a_line_that_the_file_does_not_have_is_missing(work_tree, clone_view, line):
    head = ObjectId(work_tree.commit_file("a.txt", "1\n2\n3\n"))
    with pytest.raises(PathMissing, match="has no line"):
        line_origin(clone_view(work_tree.folder), head, b"a.txt", line)


@pytest.mark.parametrize(
    ("path", "what"), [(b"nope", "no file"), (b"d", "a folder"), (b"sub", "a submodule")]
)
def test_what_is_no_file_has_no_lines(work_tree, clone_view, path, what):
    work_tree.commit_file("d/a.txt", "1\n")
    work_tree("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    work_tree("commit", "-q", "-m", "submodule")
    with pytest.raises(PathMissing, match=what):
        origins(clone_view(work_tree.folder), work_tree, path)


def test_binary_is_what_git_takes_for_binary():
    assert not is_binary(b"")
    assert is_binary(b"a" * 7999 + b"\0")
    assert not is_binary(b"a" * 8000 + b"\0")

"""Somebody's clone, in each shape that git knows, with git's own answers as the oracle."""

import socket
from pathlib import Path

import pytest

from imprint.store.clone import Clone
from imprint.store.errors import DataFolderMismatch, Missing, ObjectMissing, RefMissing, StorageFailed
from imprint.store.objects.trees import iter_files, read_file
from imprint.store.plumbing import Plumbing
from imprint.store.refs.clone import DETACHED
from imprint.store.types import HashAlgorithm, ObjectId, RefName
from imprint.store.view import resolve_commit


@pytest.fixture
def repository(work_tree):
    for number in range(3):
        work_tree.commit_file("src/file.txt", f"revision {number}\n", f"revision {number}")
    work_tree("branch", "feature/one", "HEAD~1")
    work_tree("tag", "light", "HEAD~1")
    work_tree("tag", "-a", "v1", "-m", "annotated", "HEAD~2")
    work_tree("tag", "-a", "v1-again", "-m", "a tag of a tag", "v1")
    work_tree("tag", "-a", "a-blob", "-m", "a tag of a blob", "HEAD:src/file.txt")
    return work_tree


def expected_refs(git):
    """Names, values and peeled values, as `git show-ref` prints them."""
    refs = {}
    for line in git.run("show-ref", "-d", check=False).stdout.splitlines():
        text, _, name = line.partition(b" ")
        if name.endswith(b"^{}"):
            refs[name[:-3]] = (refs[name[:-3]][0], text.decode())
        else:
            refs[name] = (text.decode(), None)
    return refs


def read_refs(clone):
    refs = clone.view.refs.snapshot().refs
    return {bytes(name): (value.id, value.peeled) for name, value in refs.items() if name != DETACHED}


@pytest.mark.parametrize("start", ["", "src", "src/file.txt", ".git", ".git/refs"])
def test_a_clone_is_found_from_anywhere_within(repository, start):
    with Clone.discover(repository.folder / start) as clone:
        assert clone.git_dir == clone.common_dir == repository.folder / ".git"
        assert clone.top_level == (None if start.startswith(".git") else repository.folder)
        assert (clone.view.id, clone.view.name) == ("clone", "work")
        assert resolve_commit(clone.view, "HEAD") == repository("rev-parse", "HEAD")


def test_outside_of_a_repository_nothing_is_found(tmp_path):
    for start in (tmp_path, tmp_path / "absent"):
        with pytest.raises(Missing, match="is not inside a Git repository"):
            Clone.discover(start)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_refs_are_those_that_git_shows(repository, packed):
    if packed:
        repository("pack-refs", "--all")
        repository("branch", "loose-again")
    with Clone.discover(repository.folder) as clone:
        snapshot = clone.view.refs.snapshot()
        assert read_refs(clone) == expected_refs(repository)
        assert list(snapshot.refs) == sorted(snapshot.refs)
        assert len(snapshot.refs) == 6 + packed
        assert (snapshot.head, snapshot.head_id) == (b"refs/heads/main", repository("rev-parse", "HEAD"))


def test_the_generation_changes_when_a_ref_does(repository):
    with Clone.discover(repository.folder) as clone:
        first = clone.view.refs.snapshot().generation
        assert clone.view.refs.snapshot().generation == first
        repository("branch", "another")
        second = clone.view.refs.snapshot().generation
        repository("checkout", "-q", "another")
        third = clone.view.refs.snapshot().generation
        assert len({first, second, third}) == 3


def test_a_detached_head_is_read(repository):
    repository("checkout", "-q", "--detach", "HEAD~1")
    with Clone.discover(repository.folder) as clone:
        snapshot = clone.view.refs.snapshot()
        assert (snapshot.head, snapshot.head_id) == (DETACHED, repository("rev-parse", "HEAD"))
        assert read_refs(clone) == expected_refs(repository)
        assert resolve_commit(clone.view, "HEAD") == repository("rev-parse", "HEAD")


def test_an_unborn_branch_has_no_commit(tmp_path, git_client):
    git_client(tmp_path)("init", "-q", "-b", "trunk")
    with Clone.discover(tmp_path) as clone:
        snapshot = clone.view.refs.snapshot()
        assert (snapshot.head, snapshot.head_id, snapshot.refs) == (b"refs/heads/trunk", None, {})
        with pytest.raises(RefMissing, match="no commit yet"):
            resolve_commit(clone.view, "HEAD")


def test_refs_without_a_namespace_and_broken_refs_do_not_hide_the_others(repository):
    (repository.folder / "src" / "file.txt").write_text("changed\n")
    repository("stash", "-q")
    expected = expected_refs(repository)
    broken = repository.folder / ".git" / "refs" / "heads" / "broken"
    broken.write_text("5" * 40 + "\n")
    with Clone.discover(repository.folder) as clone:
        found = read_refs(clone)
        assert found.pop(b"refs/heads/broken") == ("5" * 40, None)
        assert expected.pop(b"refs/stash")
        assert found == expected


def test_a_ref_name_that_is_not_utf_8_is_kept(repository):
    name = b"refs/heads/caf\xe9"
    repository("update-ref", "--stdin", "-z", stdin=b"create " + name + b"\0" + b"HEAD\0")
    with Clone.discover(repository.folder) as clone:
        assert RefName(name) in clone.view.refs.snapshot().refs


def test_a_linked_worktree_has_its_own_head_and_shares_the_rest(repository, tmp_path):
    repository("worktree", "add", "-q", str(tmp_path / "linked"), "feature/one")
    with Clone.discover(tmp_path / "linked" / "src") as clone:
        assert clone.git_dir == repository.folder / ".git" / "worktrees" / "linked"
        assert clone.common_dir == repository.folder / ".git"
        assert clone.top_level == tmp_path / "linked"
        assert clone.cache == repository.folder / ".git" / "imprint" / "cache"
        assert clone.view.refs.snapshot().head == b"refs/heads/feature/one"
        head = resolve_commit(clone.view, "HEAD")
        assert head == repository("rev-parse", "feature/one")
        assert read_file(clone.view, head, b"src/file.txt") == b"revision 1\n"


def test_a_bare_repository_and_a_worktree_linked_to_it_are_read(repository, tmp_path, git_client):
    repository("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    git_client(tmp_path / "bare.git")("worktree", "add", "-q", str(tmp_path / "linked"), "main")
    head = repository("rev-parse", "HEAD")
    with Clone.discover(tmp_path / "bare.git") as bare:
        assert (bare.top_level, bare.view.name) == (None, "bare")
        assert read_file(bare.view, resolve_commit(bare.view, "main"), b"src/file.txt") == b"revision 2\n"
    with Clone.discover(tmp_path / "linked") as linked:
        assert linked.common_dir == tmp_path / "bare.git"
        assert linked.top_level == tmp_path / "linked"
        assert resolve_commit(linked.view, "HEAD") == head


def test_a_submodule_is_a_clone_of_its_own(repository, tmp_path, git_client):
    outer = tmp_path / "outer"
    outer.mkdir()
    git = git_client(outer)
    git("init", "-q")
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository.folder), "inner")
    with Clone.discover(outer / "inner" / "src") as clone:
        assert clone.git_dir == outer / ".git" / "modules" / "inner"
        assert clone.top_level == outer / "inner"
        assert resolve_commit(clone.view, "HEAD") == repository("rev-parse", "HEAD")


def test_where_the_process_stands_does_not_change_what_git_is_asked(
    repository, tmp_path, git_client, monkeypatch
):
    """A submodule's settings name its work tree: git would take paths as relative to a folder within it."""
    outer = tmp_path / "outer"
    outer.mkdir()
    git = git_client(outer)
    git("init", "-q")
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository.folder), "inner")
    expected = repository("blame", "--porcelain", "HEAD", "--", "src/file.txt")
    (outer / "inner" / ".gitattributes").write_text("* working-tree-encoding=UTF-16\n")
    for place in (outer / "inner", outer / "inner" / "src", tmp_path):
        monkeypatch.chdir(place)
        for start in (outer / "inner", outer / "inner" / "src"):
            with Clone.discover(start) as clone:
                blamed = clone.view.plumbing.run("blame", "--porcelain", "HEAD", "--", "src/file.txt")
                assert blamed.decode().rstrip("\n") == expected


def test_a_relative_path_finds_the_clone(repository, monkeypatch):
    monkeypatch.chdir(repository.folder / "src")
    with Clone.discover(Path()) as clone:
        assert resolve_commit(clone.view, "HEAD") == repository("rev-parse", "HEAD")
    plumbing = Plumbing(Path("../.git"))
    assert plumbing.run("rev-parse", "HEAD").decode().strip() == repository("rev-parse", "HEAD")


def test_a_git_file_that_leads_nowhere_is_told(tmp_path):
    (tmp_path / ".git").write_text("gitdir: ../gone\n")
    with pytest.raises(Missing, match="which is no Git folder"):
        Clone.discover(tmp_path)


def test_a_clone_that_borrows_objects_reads_them_through_several_steps(repository, tmp_path, git_client):
    repository("clone", "-q", "--shared", ".", str(tmp_path / "first"))
    git_client(tmp_path)("clone", "-q", "--shared", "first", "second")
    with Clone.discover(tmp_path / "second") as clone:
        head = resolve_commit(clone.view, "HEAD")
        assert read_file(clone.view, head, b"src/file.txt") == b"revision 2\n"
    relative = tmp_path / "second" / ".git" / "objects" / "info" / "alternates"
    relative.write_text("# a comment\n\n../../../first/.git/objects\n")
    with Clone.discover(tmp_path / "second") as clone:
        assert read_file(clone.view, head, b"src/file.txt") == b"revision 2\n"


def test_a_shallow_clone_is_read_as_far_as_it_goes(repository, tmp_path):
    repository("clone", "-q", "--depth=1", repository.folder.as_uri(), str(tmp_path / "shallow"))
    with Clone.discover(tmp_path / "shallow") as clone:
        head = clone.view.objects.read_commit(resolve_commit(clone.view, "HEAD"))
        assert [path for path, _ in iter_files(clone.view.objects, head.tree)] == [b"src/file.txt"]
        with pytest.raises(ObjectMissing):
            clone.view.objects.read_commit(head.parents[0])


def test_a_blob_that_a_partial_clone_lacks_is_missing_and_is_not_fetched(repository, tmp_path, git_client):
    """The remote is an address that somebody listens on: nobody must knock."""
    repository("config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    repository("clone", "-q", "--filter=blob:none", "--no-checkout", repository.folder.as_uri(), str(partial))
    blob = ObjectId.parse(repository("rev-parse", "HEAD~1:src/file.txt"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        git_client(partial)("remote", "set-url", "origin", f"git://127.0.0.1:{port}/x")
        with Clone.discover(partial) as clone:
            before_head = resolve_commit(clone.view, "light")
            assert clone.view.objects.find_kind(blob) is None
            with pytest.raises(ObjectMissing, match=blob):
                read_file(clone.view, before_head, b"src/file.txt")
            read_refs(clone)
        listener.settimeout(0.05)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_sha_256_clone_is_read(tmp_path, git_client):
    git = git_client(tmp_path)
    git("init", "-q", "--object-format=sha256", "-b", "main")
    git.commit_file("file", "text\n")
    git("tag", "-a", "v1", "-m", "annotated")
    git("gc", "-q")
    git.commit_file("other", "more\n")
    with Clone.discover(tmp_path) as clone:
        assert clone.view.objects.algorithm is HashAlgorithm.SHA256
        head = resolve_commit(clone.view, "HEAD")
        assert read_file(clone.view, head, b"file") == b"text\n"
        assert read_refs(clone) == expected_refs(git)


def test_imprint_writes_only_into_its_own_folder(repository):
    before = set(repository.folder.rglob("*"))
    with Clone.discover(repository.folder) as clone:
        resolve_commit(clone.view, "v1-again")
    own = repository.folder / ".git" / "imprint"
    assert set(repository.folder.rglob("*")) - before == {own, *own.rglob("*")}
    assert {path.relative_to(own).as_posix() for path in own.rglob("*")} == {
        "ground", "ground/format", "cache", "cache/format"
    }  # fmt: skip
    repository("fsck", "--strict")


def test_a_cache_of_another_version_is_begun_again_and_a_ground_is_refused(repository):
    with Clone.discover(repository.folder) as clone:
        (clone.cache / "stale").touch()
        (clone.ground / "kept").touch()
        (clone.cache / "format").write_text("999\n")
    with Clone.discover(repository.folder) as clone:
        assert names_in(clone.cache) == ["format"]
        assert names_in(clone.ground) == ["format", "kept"]
        assert names_in(clone.cache.parent) == ["cache", "ground"]
        (clone.ground / "format").write_text("999\n")
    with pytest.raises(DataFolderMismatch, match="format '999'"):
        Clone.discover(repository.folder)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_clone_that_cannot_be_written_says_what_and_where(repository):
    (repository.folder / ".git" / "imprint").write_text("in the way\n")
    with pytest.raises(StorageFailed, match=r"\.git/imprint") as raised:
        Clone.discover(repository.folder)
    assert "write there" in raised.value.hint


def test_hooks_and_settings_of_the_clone_do_not_run(repository, tmp_path):
    """A settings file that would run a program whenever git looks at anything."""
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "core.alternateRefsCommand", "core.sshCommand"):
        repository("config", key, str(trap))
    with Clone.discover(repository.folder) as clone:
        resolve_commit(clone.view, "HEAD")
        resolve_commit(clone.view, repository("rev-parse", "HEAD")[:10])
    assert not (tmp_path / "sprung").exists()

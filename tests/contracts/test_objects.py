"""The promises of `imprint.store.objects.ports.Objects`, on every implementation, with git as the oracle."""

import dataclasses
import subprocess
import threading
from pathlib import Path

import pytest

from imprint.store.errors import ObjectMissing
from imprint.store.objects.git import GitObjects
from imprint.store.objects.memory import MemoryObjects
from imprint.store.objects.ports import ObjectKind
from imprint.store.objects.recent import RecentObjects
from imprint.store.types import HashAlgorithm, ObjectId

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0130",
    "GIT_COMMITTER_NAME": "Cora",
    "GIT_COMMITTER_EMAIL": "cora@example.org",
    "GIT_COMMITTER_DATE": "1700000060 -0330",
}


def git(folder, *arguments, stdin=b""):
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=stdin, capture_output=True, env=ENVIRONMENT, check=True
    )
    return done.stdout


def write_object(folder, kind, content):
    return ObjectId.parse(
        git(folder, "hash-object", "-w", "--literally", "-t", kind, "--stdin", stdin=content).strip()
    )


@dataclasses.dataclass
class Sample:
    """A repository that real git made: a little of everything."""

    folder: Path
    algorithm: HashAlgorithm
    ids: dict[str, ObjectId]

    @property
    def object_dir(self):
        return self.folder / ".git" / "objects"

    def raw(self, object_id):
        kind = git(self.folder, "cat-file", "-t", object_id).decode().strip()
        return ObjectKind(kind), git(self.folder, "cat-file", kind, object_id)

    def all_ids(self):
        out = git(self.folder, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
        return [ObjectId.parse(line) for line in out.split()]


def make_sample(folder, algorithm):
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main", f"--object-format={algorithm.value}")
    (folder / "src").mkdir()
    text = "".join(f"line {number}\n" for number in range(2000))
    for revision in range(8):  # near-identical versions, so that packing makes chains of deltas
        (folder / "src" / "long.txt").write_text(text.replace("line 7\n", f"line {revision} of many\n"))
        (folder / "empty").write_bytes(b"")
        (folder / "binary").write_bytes(bytes(range(256)) * 4)
        (folder / "run.sh").write_text("#!/bin/sh\n")
        (folder / "run.sh").chmod(0o755)
        if not revision:
            (folder / "link").symlink_to("run.sh")
            (folder / b"caf\xe9.txt".decode("utf-8", "surrogateescape")).write_text("not UTF-8\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", f"revision {revision}\n\nBody of {revision}.")
    submodule = ObjectId.parse(git(folder, "rev-parse", "HEAD").strip())
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{submodule},module")
    git(folder, "commit", "-q", "-m", "a submodule")
    git(folder, "tag", "-a", "v1", "-m", "the first tag")
    git(folder, "tag", "-a", "v1-again", "v1", "-m", "a tag of a tag")
    names = {"commit": "HEAD", "parent": "HEAD~1", "tree": "HEAD^{tree}", "tag": "v1", "tag2": "v1-again"}
    names |= {"blob": "HEAD:src/long.txt", "old_blob": "HEAD~5:src/long.txt", "empty": "HEAD:empty"}
    ids = {key: ObjectId.parse(git(folder, "rev-parse", name).strip()) for key, name in names.items()}
    return Sample(folder, algorithm, ids)


@pytest.fixture(scope="module", params=list(HashAlgorithm), ids=lambda algorithm: algorithm.value)
def sample(request, tmp_path_factory):
    return make_sample(tmp_path_factory.mktemp("sample") / "repository", request.param)


def in_memory(sample, folder):
    objects = MemoryObjects(sample.algorithm)
    for object_id in sample.all_ids():
        assert objects.add(*sample.raw(object_id)) == object_id
    return objects


def loose(sample, folder):
    return GitObjects(sample.object_dir, sample.algorithm)


def packed(sample, folder):
    git(sample.folder, "clone", "-q", "--mirror", "--no-local", ".", str(folder))
    return GitObjects(folder / "objects", sample.algorithm)


def borrowed(sample, folder):
    git(sample.folder, "clone", "-q", "--bare", "--shared", ".", str(folder))
    return GitObjects(folder / "objects", sample.algorithm)


def fronted(sample, folder):
    recent, behind = RecentObjects(), loose(sample, folder)
    for object_id in sample.all_ids():
        recent.before(behind, "repo_1").read_raw(object_id)
    return recent.before(behind, "repo_1")


@pytest.fixture(params=[in_memory, loose, packed, borrowed, fronted], ids=lambda make: make.__name__)
def objects(request, sample, tmp_path):
    opened = request.param(sample, tmp_path / "copy")
    yield opened
    opened.close()


def test_every_object_reads_as_git_reads_it(objects, sample):
    wanted = sample.all_ids()
    assert {object_id: objects.read_raw(object_id) for object_id in wanted} == {
        object_id: sample.raw(object_id) for object_id in wanted
    }
    assert len(wanted) > 30


def test_the_kind_of_every_object_is_the_one_git_names(objects, sample):
    wanted = sample.all_ids()
    assert {object_id: objects.find_kind(object_id) for object_id in wanted} == {
        object_id: sample.raw(object_id)[0] for object_id in wanted
    }


def test_the_size_of_every_object_is_that_of_its_content(objects, sample):
    wanted = sample.all_ids()
    assert {object_id: objects.find_size(object_id) for object_id in wanted} == {
        object_id: len(sample.raw(object_id)[1]) for object_id in wanted
    }


def test_an_absent_object_has_no_kind_and_cannot_be_read(objects, sample):
    absent = ObjectId.parse("5" * sample.algorithm.hex_length)
    assert objects.find_kind(absent) is None
    assert objects.find_size(absent) is None
    for read in (objects.read_raw, objects.read_blob, objects.read_tree, objects.read_commit):
        with pytest.raises(ObjectMissing, match=absent):
            read(absent)


def test_an_id_of_the_other_algorithm_is_absent(objects, sample):
    other = next(algorithm for algorithm in HashAlgorithm if algorithm is not sample.algorithm)
    assert objects.algorithm is sample.algorithm
    assert objects.find_kind(ObjectId.parse("5" * other.hex_length)) is None


def test_an_object_of_another_kind_is_missing(objects, sample):
    ids = sample.ids
    for read, other in (
        (objects.read_blob, ids["tree"]),
        (objects.read_tree, ids["commit"]),
        (objects.read_commit, ids["tag"]),
        (objects.read_tag, ids["blob"]),
    ):
        with pytest.raises(ObjectMissing):
            read(other)


def test_blobs_have_their_bytes(objects, sample):
    assert objects.read_blob(sample.ids["empty"]) == b""
    assert objects.read_blob(sample.ids["blob"]) == (sample.folder / "src" / "long.txt").read_bytes()
    assert b"line 3 of many" in objects.read_blob(sample.ids["old_blob"])


def test_a_tree_has_the_entries_that_ls_tree_prints(objects, sample):
    listed = git(sample.folder, "ls-tree", "-z", "HEAD").split(b"\0")[:-1]
    expected = []
    for line in listed:
        facts, name = line.split(b"\t", 1)
        mode, _, entry_id = facts.split()
        expected.append((name, int(mode, 8), ObjectId.parse(entry_id)))
    entries = objects.read_tree(sample.ids["tree"])
    assert [(entry.name, entry.mode, entry.id) for entry in entries] == expected
    assert {entry.mode for entry in entries} == {0o100644, 0o100755, 0o120000, 0o40000, 0o160000}
    assert {entry.name for entry in entries if entry.is_tree} == {b"src"}
    assert {entry.name for entry in entries if not entry.is_file} == {b"src", b"link", b"module"}


def test_the_empty_tree_is_there_though_nobody_wrote_it(objects, sample):
    empty = ObjectId.parse(git(sample.folder, "hash-object", "-t", "tree", "--stdin").strip())
    assert empty not in sample.ids.values()
    assert objects.find_kind(empty) is ObjectKind.TREE
    assert objects.read_raw(empty) == (ObjectKind.TREE, b"")
    assert objects.read_tree(empty) == ()


def test_a_commit_has_the_facts_that_git_log_prints(objects, sample):
    commit = objects.read_commit(sample.ids["commit"])
    assert commit.id == sample.ids["commit"]
    assert commit.tree == sample.ids["tree"]
    assert commit.parents == (sample.ids["parent"],)
    assert dataclasses.astuple(commit.author) == ("Ada", "ada@example.org", 1_700_000_000, 90)
    assert dataclasses.astuple(commit.committer) == ("Cora", "cora@example.org", 1_700_000_060, -210)
    assert commit.message == "a submodule\n"
    assert objects.read_commit(sample.ids["parent"]).subject == "revision 7"


def test_a_tag_has_its_target_and_message(objects, sample):
    tag = objects.read_tag(sample.ids["tag"])
    assert (tag.target, tag.target_kind) == (sample.ids["commit"], ObjectKind.COMMIT)
    assert (tag.name, tag.message) == ("v1", "the first tag\n")
    again = objects.read_tag(sample.ids["tag2"])
    assert (again.target, again.target_kind) == (sample.ids["tag"], ObjectKind.TAG)


def test_many_threads_read_the_same_answers(objects, sample):
    wanted = sample.all_ids()
    expected = {object_id: sample.raw(object_id) for object_id in wanted}
    wrong = []

    def read_all(shift):
        order = wanted[shift:] + wanted[:shift]
        wrong.extend(found for found in order if objects.read_raw(found) != expected[found])

    threads = [threading.Thread(target=read_all, args=(shift,)) for shift in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []

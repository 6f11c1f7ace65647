"""Stock git clients against the transport, over HTTP on the loopback."""

import concurrent.futures
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from imprint.store.events import Admission, EventKind
from imprint.store.types import MustNotExist, ObjectId, RefName, RefUpdate

MAIN = "refs/heads/main"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder that the first test fills with a repository, for the others to copy."""
    return tmp_path_factory.mktemp("template") / "work"


def fill(git):
    """A repository with a merge, a branch and tags of both kinds."""
    git("init", "-q", "-b", "main")
    for number in range(12):
        date = f"2026-01-{number + 1:02d}T00:00:00Z"
        git.commit_file("a.txt", f"{number}\n" * 200, committer_date=date, author_date=date)
        if number == 5:
            git("tag", "-a", "v1", "-m", "one")
        if number == 7:
            git("branch", "side")
    git("checkout", "-q", "side")
    for number in range(5):
        git.commit_file(f"side/{number}", str(number), committer_date=f"2026-02-{number + 1:02d}T00:00:00Z")
    git("tag", "light")
    git("checkout", "-q", "main")
    git("merge", "-q", "--no-ff", "-m", "merge", "side")
    git.commit_file("after", "merge", committer_date="2026-03-01T00:00:00Z")
    git("tag", "-a", "v2", "-m", "two")


@pytest.fixture
def history(template, site, tmp_path, git_client):
    """The template, pushed by stock git."""
    if not template.exists():
        template.mkdir()
        fill(git_client(template))
    shutil.copytree(template, tmp_path / "work")
    git = git_client(tmp_path / "work")
    git("remote", "add", "origin", site.url)
    git("push", "-q", "origin", "main", "side", "--tags")
    return git


def test_push_and_clone_give_the_same_repository(history, clone, site) -> None:
    copy = clone("copy")
    assert copy("rev-parse", "HEAD") == history("rev-parse", "HEAD")
    assert copy("for-each-ref", "--format=%(objectname) %(refname)", "refs/tags") == history(
        "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags"
    )
    assert copy("rev-parse", "origin/side") == history("rev-parse", "side")
    copy("fsck", "--full", "--strict")
    site.bench.fsck()


def test_an_empty_repository_can_be_cloned_and_pushed_to(clone, site) -> None:
    copy = clone("copy")
    assert copy("symbolic-ref", "HEAD") == MAIN
    head = copy.commit_file("a", "1")
    copy("push", "-q", "origin", "HEAD")
    assert site.bench.refs == {MAIN: head}


def test_ls_remote_shows_what_sql_holds(history, site, git_client, tmp_path) -> None:
    lines = git_client(tmp_path)("ls-remote", "--symref", site.url).splitlines()
    refs = dict(reversed(line.split("\t")) for line in lines if not line.startswith("ref:"))
    assert lines[0] == f"ref: {MAIN}\tHEAD"
    assert refs.pop("HEAD") == site.bench.refs[MAIN]
    peeled = {name: refs.pop(name) for name in [*refs] if name.endswith("^{}")}
    assert refs == site.bench.refs
    assert peeled["refs/tags/v2^{}"] == history("rev-parse", "v2^{commit}")


def test_hidden_refs_are_nowhere(history, site, git_client, tmp_path) -> None:
    head = ObjectId(history("rev-parse", "HEAD"))
    update = RefUpdate(RefName(b"refs/imprint/secret"), head, MustNotExist())
    bench = site.bench
    bench.hosting.catalogue.admit(
        Admission(bench.repository.record.id, "evt_h", EventKind.PUSH, 0, "x", None, "", (update,))
    )
    git = git_client(tmp_path)
    assert "refs/imprint" not in git("ls-remote", site.url)
    git("init", "-q", "other")
    refused = git_client(tmp_path / "other").run("fetch", site.url, "refs/imprint/secret", check=False)
    assert refused.returncode != 0
    pushed = history.run("push", site.url, "HEAD:refs/imprint/mine", check=False)
    assert b"deny updating a hidden ref" in pushed.stderr


@pytest.mark.parametrize("algorithm", ["consecutive", "skipping"])
def test_a_fetch_negotiates_over_several_rounds(work_tree, clone, site, algorithm) -> None:
    work_tree.commit_file("a", "1")
    work_tree("push", "-q", site.url, "main")
    copy = clone("copy")
    for number in range(70):  # the client has much that the server never heard of
        copy("commit", "-q", "--allow-empty", "-m", str(number))
    copy("update-ref", "-d", "refs/remotes/origin/main")
    head = work_tree.commit_file("a", "2")
    work_tree("push", "-q", site.url, "main")
    site.requests.clear()
    copy("-c", f"fetch.negotiationAlgorithm={algorithm}", "-c", "fetch.unpackLimit=1", "fetch", "-q")
    assert copy("rev-parse", "origin/main") == head
    if algorithm == "consecutive":
        assert site.requests.count("/acme/app.git/git-upload-pack") > 2, "ls-refs, and more than one round"
    packs = sorted((copy.folder / ".git/objects/pack").glob("*.idx"), key=lambda path: path.stat().st_mtime)
    assert len(copy("show-index", stdin=packs[-1].read_bytes()).splitlines()) == 3, "only what is new"
    copy("fsck", "--full")


def test_a_fetch_brings_only_what_is_new(history, clone) -> None:
    copy = clone("copy")
    history.commit_file("new", "new")
    history("push", "-q", "origin", "main")
    copy("-c", "fetch.unpackLimit=1", "fetch", "-q")
    packs = sorted((copy.folder / ".git/objects/pack").glob("*.idx"), key=lambda path: path.stat().st_mtime)
    listed = copy("show-index", stdin=packs[-1].read_bytes()).splitlines()
    assert len(listed) == 3


@pytest.mark.parametrize("depth", [[], ["--depth=4"]])
def test_new_tags_come_along_with_their_commit(history, clone, site, depth) -> None:
    copy = clone("copy", *depth)
    history.commit_file("new", "new")
    tags = ["v3", "of-the-same"]
    for tag in tags:
        history("tag", "-a", tag, "-m", tag)
    history.commit_file("newer", "newer")
    history("push", "-q", "origin", "main", *tags)
    site.requests.clear()
    copy("fetch", "-q")
    assert copy("rev-parse", *tags) == history("rev-parse", *tags)
    posts = site.requests.count("/acme/app.git/git-upload-pack")
    assert posts == 2, "ls-refs and one fetch: include-tag saves the second"


def test_a_shallow_clone_deepens_and_unshallows(history, clone) -> None:
    copy = clone("copy", "--depth=1", "--no-single-branch")
    assert copy("rev-list", "--count", "main") == "1"
    copy("fetch", "-q", "--depth=3")
    assert copy("rev-list", "--count", "main") == "6"
    before = int(copy("rev-list", "--count", "--all"))
    copy("fetch", "-q", "--deepen=2")
    assert int(copy("rev-list", "--count", "--all")) > before
    copy("fsck", "--full")
    copy("fetch", "-q", "--unshallow")
    assert copy("rev-list", "--count", "main") == history("rev-list", "--count", "main")
    assert not (copy.folder / ".git/shallow").exists()
    copy("fsck", "--full")


@pytest.mark.parametrize(
    "option",
    [
        "--depth=1",
        "--depth=2",
        "--depth=4",
        "--depth=100",
        "--shallow-since=2026-01-09",
        "--shallow-exclude=v1",
    ],
)
def test_shallow_clones_equal_those_of_upload_pack(history, clone, git_client, tmp_path, option) -> None:
    """The same commits, and history ending at the same ones, as from git's own server."""
    ours = clone("ours", option, "--no-single-branch")
    git_client(tmp_path)("clone", "-q", option, "--no-single-branch", f"file://{history.folder}", "theirs")
    theirs = git_client(tmp_path / "theirs")
    for git in (ours, theirs):
        git("fsck", "--full")
    assert ours("rev-list", "--all") == theirs("rev-list", "--all")

    def ends(git):
        path = git.folder / ".git/shallow"
        return sorted(path.read_text().split()) if path.exists() else []

    assert ends(ours) == ends(theirs)


def test_a_shallow_clone_fetches_and_pushes(history, clone, site) -> None:
    copy = clone("copy", "--depth=1")
    newer = history.commit_file("b", "b")
    history("push", "-q", "origin", "main")
    copy("pull", "-q", "--rebase")
    assert copy("rev-parse", "HEAD") == newer
    mine = copy.commit_file("c", "c")
    copy("push", "-q", "origin", "HEAD")
    assert site.bench.refs[MAIN] == mine
    site.bench.fsck()


def test_a_shallow_clone_cannot_push_into_a_repository_that_lacks_its_history(
    history, clone, make_bench, serve
) -> None:
    other = serve(make_bench(name="acme/other"))
    copy = clone("copy", "--depth=1")
    refused = copy.run("push", other.url, "HEAD:main", check=False)
    assert refused.returncode != 0
    assert b"shallow update not allowed" in refused.stderr
    assert other.bench.refs == {}


def test_a_blobless_clone_fetches_blobs_when_it_needs_them(history, clone) -> None:
    copy = clone("copy", "--filter=blob:none", "--no-checkout")
    missing = copy("rev-list", "--objects", "--all", "--missing=print").count("\n?")
    assert missing > 10
    copy("checkout", "-q", "main")
    assert copy("show", "HEAD~5:a.txt") == history("show", "HEAD~5:a.txt")
    assert copy("diff", "--stat", "v1", "HEAD") == history("diff", "--stat", "v1", "HEAD")


@pytest.mark.parametrize("specification", ["blob:limit=100", "tree:0", "combine:blob:none+tree:2"])
def test_other_filters_work_too(history, clone, specification) -> None:
    copy = clone("copy", f"--filter={specification}")
    assert (copy.folder / "a.txt").read_text() == (history.folder / "a.txt").read_text()


@pytest.mark.parametrize("name", ["main:sparse", "HEAD:sparse", "refs/heads/main:sparse", "v3:sparse", "id"])
def test_a_sparse_filter_is_resolved_to_a_blob_that_clients_may_see(
    history, site, git_client, tmp_path, name
) -> None:
    history.commit_file("sparse", "/after\n")
    history("tag", "-a", "v3", "-m", "three")
    history("push", "-q", "origin", "main", "v3")
    name = history("rev-parse", "HEAD:sparse") if name == "id" else name
    git_client(tmp_path)("clone", "-q", "--no-checkout", f"--filter=sparse:oid={name}", site.url, "copy")
    copy = git_client(tmp_path / "copy")
    here = copy("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert history("rev-parse", "HEAD:after") in here
    assert history("rev-parse", "HEAD:a.txt") not in here


@pytest.mark.parametrize(
    "name", ["main:none", "none:a.txt", "HEAD", "main:side", "1" * 40, "refs/imprint/x:a"]
)
def test_a_sparse_filter_that_names_no_blob_is_refused(history, site, git_client, tmp_path, name) -> None:
    refused = git_client(tmp_path).run("clone", f"--filter=sparse:oid={name}", site.url, "copy", check=False)
    assert refused.returncode != 0


def test_an_object_that_no_ref_reaches_is_not_given(history, clone, site, git_client, tmp_path) -> None:
    """It was admitted and lies on disk, and is on no branch any more."""
    history("checkout", "-q", "-b", "gone")
    lost = history.commit_file("secret", "password")
    blob = history("rev-parse", "HEAD:secret")
    history("push", "-q", "origin", "gone")
    history("push", "-q", "origin", ":gone")
    copy = clone("copy")
    for wanted in (lost, blob, "1" * 40):
        refused = copy.run("fetch", "origin", wanted, check=False)
        assert refused.returncode != 0
        assert f"not our ref {wanted}".encode() in refused.stderr
    inner = history("rev-parse", "main~3")
    copy("fetch", "-q", "origin", inner)


def test_a_fetch_of_one_branch_uses_the_ref_as_it_is_now(history, clone) -> None:
    copy = clone("copy", "--single-branch", "--branch=main")
    head = history.commit_file("new", "new")
    history("push", "-q", "origin", "main")
    copy("fetch", "-q", "origin", "main")
    assert copy("rev-parse", "FETCH_HEAD") == head


def test_force_delete_and_rename_work_as_with_any_server(history, site) -> None:
    history("reset", "-q", "--hard", "HEAD~2")
    rewritten = history.commit_file("other", "other")
    assert history.run("push", "origin", "main", check=False).returncode != 0
    history("push", "-q", "--force-with-lease", "origin", "main")
    history("push", "-q", "origin", ":side", "side:kept")
    assert site.bench.refs[MAIN] == rewritten
    assert "refs/heads/side" not in site.bench.refs
    assert "refs/heads/kept" in site.bench.refs


def test_an_atomic_push_with_one_refusal_changes_nothing(history, clone, site) -> None:
    copy = clone("copy")
    history.commit_file("x", "x")
    history("push", "-q", "origin", "main")
    before = site.bench.refs
    copy.commit_file("y", "y")
    refused = copy.run("push", "--atomic", "origin", "+main", "main:refs/imprint/x", "main:new", check=False)
    assert refused.returncode != 0
    assert b"atomic push failure" in refused.stderr
    assert site.bench.refs == before
    partly = copy.run("push", "origin", "main:refs/imprint/x", "main:new", check=False)
    assert partly.returncode != 0
    assert set(site.bench.refs) - set(before) == {"refs/heads/new"}


def test_push_options_arrive(history, site) -> None:
    history.commit_file("x", "x")
    history("push", "-q", "-o", "ci.skip", "-o", "reason=a; b", "origin", "main")
    event = site.bench.hosting.catalogue.list_events(site.bench.repository.record.id)[-1]
    assert event.details["push_options"] == '["ci.skip", "reason=a; b"]'


def test_a_large_push_arrives_in_chunks(site, work_tree) -> None:
    """Above http.postBuffer git first tries its token with an empty request, then streams."""
    head = work_tree.commit_file("big", os.urandom(3_000_000))
    work_tree("push", "-q", site.url, "main")
    assert site.bench.refs == {MAIN: head}
    assert site.requests.count("/acme/app.git/git-receive-pack") == 2


def test_the_client_sees_what_was_admitted_unless_it_asks_for_quiet(site, work_tree) -> None:
    work_tree.commit_file("a", "1")
    told = work_tree.run("push", "--progress", site.url, "main")
    assert b"remote: imprint: admitted as event 2" in told.stderr
    work_tree.commit_file("a", "2")
    assert work_tree.run("push", "-q", site.url, "main").stderr == b""


def test_a_refused_object_is_named_to_the_client(site, work_tree) -> None:
    tree = work_tree("mktree", stdin=b"")
    commit = f"tree {tree}\nauthor A <a@b> 1 +0000\ncommitter no email 1 +0000\n\nx\n".encode()
    bad = work_tree("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=commit)
    refused = work_tree.run("push", site.url, f"{bad}:{MAIN}", check=False)
    assert refused.returncode != 0
    assert b"missingEmail" in refused.stderr
    assert site.bench.refs == {}


def test_racing_clients_are_told_the_truth(sql_bench, serve, tmp_path, git_client) -> None:
    """32 stock clients push their own commit to one branch at once: told = landed, lost = 0."""
    site = serve(sql_bench)
    seed = git_client(tmp_path)
    seed("init", "-q", "-b", "main", "seed")
    seed = git_client(tmp_path / "seed")
    seed.commit_file("a", "0")
    seed("push", "-q", site.url, "main")

    def prepare(number: int) -> Path:
        folder = tmp_path / f"client{number}"
        git_client(tmp_path)("clone", "-q", "--bare", "--shared", str(seed.folder), str(folder))
        git = git_client(folder)
        tree = git("rev-parse", "HEAD^{tree}")
        commit = git("commit-tree", tree, "-p", "HEAD", "-m", f"by {number}")
        git("update-ref", "refs/heads/mine", commit)
        return folder

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(prepare, range(32)))
    clients = [
        subprocess.Popen(
            ["git", "push", site.url, "mine:main", f"mine:refs/heads/c{number}"],
            cwd=folder,
            env=git_client(folder).environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for number, folder in enumerate(folders)
    ]
    said = [client.communicate()[1] for client in clients]
    landed = [
        number
        for number, text in enumerate(said)
        if b"mine -> main\n" in text and b"rejected] mine -> main" not in text
    ]
    commits = {number: git_client(folders[number])("rev-parse", "mine") for number in range(32)}
    assert len(landed) == 1
    refs = sql_bench.refs
    assert refs[MAIN] == commits[landed[0]]
    assert {refs[f"refs/heads/c{number}"] for number in range(32)} == set(commits.values())
    events = sql_bench.hosting.catalogue.list_events(sql_bench.repository.record.id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    sql_bench.fsck()

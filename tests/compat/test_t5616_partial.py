"""Partial clones: the cases of git's t5616 that speak to a server, over HTTP, with data of our own."""

import re

import pytest

pytestmark = pytest.mark.slow

CLIENT = "git's t5616, partial clones"
MAIN = "refs/heads/main"


@pytest.fixture
def work(stock, remote):
    """Four commits with a file each, pushed to its `origin`."""
    work = stock.at("work").begin()
    for number in range(1, 5):
        work.commit(f"file.{number}", f"This is file {number}\n")
    work("remote", "add", "origin", remote.url)
    work("push", "-q", "-u", "origin", "main")
    return work


@pytest.fixture
def partial(stock, work, remote):
    """A clone without blobs and without a checkout."""
    stock("clone", "-q", "--no-checkout", "--filter=blob:none", remote.url, "partial")
    return stock.at("partial")


def change(work, path: str, *contents: str) -> None:
    """Commit some versions of a file, and push."""
    for content in contents:
        work.commit(path, content)
    work("push", "-q", "origin", "main")


def blobs(work, revision: str = "main") -> set[str]:
    """The ids of the files of a commit."""
    return set(work("ls-tree", "-r", "--format=%(objectname)", revision).splitlines())


def test_a_clone_without_blobs_lacks_exactly_those(partial, work) -> None:
    assert partial.missing() == blobs(work)
    assert partial("config", "remote.origin.promisor") == "true"
    assert partial("config", "remote.origin.partialclonefilter") == "blob:none"
    assert partial("config", "core.repositoryformatversion") == "1"
    there = partial("rev-list", "--objects", "--missing=allow-promisor", "HEAD").splitlines()
    assert len(there) == 8, "commits and trees"


def test_what_was_promised_is_written_down(partial, work) -> None:
    head = work("rev-parse", "HEAD")
    (kept,) = (partial.folder / ".git/objects/pack").glob("*.promisor")
    assert {f"{head} HEAD", f"{head} {MAIN}"} <= set(kept.read_text().splitlines())


def test_a_checkout_brings_what_it_needs(partial) -> None:
    partial("checkout", "-q", "main")
    assert partial.missing() == set()
    assert (partial.folder / "file.3").read_text() == "This is file 3\n"


def test_a_fetch_keeps_the_filter_and_diff_and_blame_bring_what_they_need(partial, work) -> None:
    partial("checkout", "-q", "main")
    change(work, "file.1", *("This is file 1\n" + "more\n" * n for n in range(1, 6)))
    partial("fetch", "-q", "origin")
    assert len(partial.missing("main..origin/main")) == 5
    partial("diff", "main..origin/main", "--", "file.1")
    assert len(partial.missing("main..origin/main")) == 4
    assert partial("blame", "origin/main", "--", "file.1") == work("blame", "main", "--", "file.1")
    assert partial.missing("main..origin/main") == set()


def test_a_fetch_without_the_filter_brings_everything_new(partial, work) -> None:
    partial("checkout", "-q", "main")
    change(work, "file.2", "a", "b", "c")
    partial("fetch", "-q", "--no-filter", "origin")
    assert partial.missing("main..origin/main") == set()


def test_missing_objects_can_be_asked_for_all_at_once(partial, work, remote) -> None:
    wanted = partial.missing()
    assert len(wanted) == 4
    partial("fetch", "-q", "--no-tags", "--filter=blob:none", "origin", *wanted)
    assert partial.missing() == set()


@pytest.mark.parametrize("protocol", [0, 2])
def test_a_fetch_anew_applies_another_filter(partial, work, protocol: int) -> None:
    partial.speak(protocol)
    partial("checkout", "-q", "main")
    change(work, "file.4", "a", "x" * 10_000, "y" * 10_000, "z" * 20_000, "w" * 20_000, "f")
    partial("fetch", "-q", "--filter=blob:limit=999", "origin")
    assert len(partial.missing("main..origin/main")) == 4
    partial("fetch", "-q", "--filter=blob:limit=19999", "--refetch", "origin")
    assert len(partial.missing("main..origin/main")) == 2
    partial("fetch", "-q", "--filter=blob:limit=29999", "--refetch", "origin")
    assert partial.missing("main..origin/main") == set()


def test_a_shallow_partial_clone_can_be_fetched_anew(stock, work, remote) -> None:
    stock("clone", "-q", "--no-checkout", "--depth=1", "--filter=blob:none", remote.url, "partial")
    partial = stock.at("partial")
    assert partial.missing() == blobs(work)
    partial("fetch", "-q", "--filter=blob:limit=999", "--refetch", "origin")
    assert partial.missing() == set()
    assert partial.subjects() == ["file.4"]


def test_a_partial_clone_with_a_submodule_passes_the_clients_checks(stock, work, site, remote) -> None:
    inner = site.create()
    part = stock.at("part").begin()
    part.commit("inside")
    part("push", "-q", site.address(inner), "main")
    work("config", "-f", ".gitmodules", "submodule.part.path", "part")
    work("config", "-f", ".gitmodules", "submodule.part.url", site.address(inner, ""))
    work("update-index", "--add", "--cacheinfo", f"160000,{part('rev-parse', 'HEAD')},part")
    work("add", ".gitmodules")
    work("commit", "-q", "-m", "part")
    work("push", "-q", "origin", "main")
    strict = ("-c", "transfer.fsckObjects=1")
    stock(*strict, "clone", "-q", "--no-checkout", "--filter=blob:none", remote.url, "partial")
    partial = stock.at("partial")
    partial("fetch", "-q")
    partial("checkout", "-q", "main")
    assert (partial.folder / ".gitmodules").exists()


def test_a_clone_without_trees_gets_one_and_then_all(stock, work, remote) -> None:
    change(work, "folder/file", "in a folder")
    subtree = work("rev-parse", "HEAD:folder")
    stock("clone", "-q", "--no-checkout", "--filter=tree:0", remote.url, "partial")
    partial = stock.at("partial")
    partial("fsck")
    there = partial("rev-list", "--missing=allow-any", "--objects", "main").split()
    assert len(there) == 5, "commits alone"
    assert "file" in partial("cat-file", "-p", subtree)
    partial("fsck")
    everything = partial("rev-list", "--missing=error", "--objects", "main").splitlines()
    assert sorted(everything) == sorted(work("rev-list", "--objects", "main").splitlines())


@pytest.mark.parametrize(
    ("filters", "kinds"),
    [
        (["blob:none", "tree:1"], {"commit", "tree"}),
        (["combine:blob:none+tree:0"], {"commit"}),
        (["object:type=commit"], {"commit"}),
        (["object:type=tree"], {"tree"}),
        (["tree:2"], {"commit", "tree", "blob"}),
        (["blob:limit=5"], {"commit", "tree"}),
    ],
    ids=lambda value: "+".join(sorted(value)),
)
def test_filters_and_what_they_let_through(stock, work, remote, filters: list[str], kinds: set[str]) -> None:
    change(work, "folder/file", "in a folder")
    options = [f"--filter={each}" for each in filters]
    stock("clone", "-q", "--bare", *options, remote.url, "partial")
    partial = stock.at("partial")
    said = partial("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)")
    assert set(said.split()) - {"commit"} == kinds - {"commit"}
    assert "commit" in said or "commit" not in kinds


def test_blobs_that_refs_point_to_are_sent_whatever_the_filter(stock, work, remote) -> None:
    blob = work("hash-object", "-w", "--stdin", stdin=b"alone")
    work("tag", "blob", blob)
    work("push", "-q", "origin", "blob")
    stock("clone", "-q", "--filter=blob:none", remote.url, "partial")
    partial = stock.at("partial")
    assert "does not point to a valid object" not in partial("fsck")
    assert blob not in partial.missing("blob")


def test_what_is_asked_for_by_id_is_sent_though_it_was_promised(stock, work, remote) -> None:
    stock("clone", "-q", "--bare", "--filter=blob:none", remote.url, "partial")
    partial = stock.at("partial")
    blob = work("rev-parse", "HEAD:file.1")
    assert blob in partial.missing()
    partial("fetch", "-q", "origin", blob)
    assert blob not in partial.missing()


def test_a_sparse_filter_by_path_in_a_commit(stock, work, remote) -> None:
    change(work, "only-one", "/file.1\n")
    stock("clone", "-q", "--bare", "--filter=sparse:oid=main:only-one", remote.url, "partial")
    partial = stock.at("partial")
    assert partial.missing() >= {work("rev-parse", "HEAD:file.2"), work("rev-parse", "HEAD:file.3")}
    assert work("rev-parse", "HEAD:file.1") not in partial.missing()


@pytest.mark.parametrize("name", ["main:no-such-name", "main"])
def test_a_sparse_filter_that_is_none_fails_cleanly(stock, work, remote, name: str) -> None:
    said = stock.refused("clone", "--bare", f"--filter=sparse:oid={name}", remote.url, "partial")
    assert "sparse" in said


@pytest.mark.parametrize("protocol", [0, 2])
def test_a_fetch_of_a_delta_brings_its_base(stock, work, remote, protocol: int) -> None:
    """A thin pack may lean on a tree that was promised and is not there: the client asks for it."""
    for number in range(60):
        (work.folder / f"many{number}").write_text("the same\n")
    work("add", "-A")
    change(work, "first", "1")
    stock.speak(protocol)
    stock("clone", "-q", "--bare", "--filter=tree:0", remote.url, "partial")
    change(work, "many7", "another line\n")
    partial = stock.at("partial")
    partial("fetch", "-q", "origin", "main:main")
    assert partial("rev-parse", "main") == work("rev-parse", "main")
    partial("fsck")


def test_nothing_is_asked_for_that_only_an_old_ref_needs(stock, work, remote) -> None:
    stock("clone", "-q", "--filter=blob:none", remote.url, "partial")
    partial = stock.at("partial")
    old = work("rev-parse", "HEAD")
    for kept in (partial.folder / ".git/objects/pack").iterdir():
        kept.unlink()
    work.commit("bar")
    work("push", "-q", "origin", "main:refs/tags/bar")
    said = partial.traced("fetch", "-q", "--no-tags", "--recurse-submodules=no", "origin", "refs/tags/bar")
    assert f"want {old}" not in said


def test_new_tags_and_branches_come_in_one_pack(stock, work, remote) -> None:
    stock("clone", "-q", "--filter=blob:none", remote.url, "partial")
    partial = stock.at("partial")
    packs = partial.folder / ".git/objects/pack"
    before = len(list(packs.glob("*.pack")))
    for name in ("A", "B", "C"):
        work.commit(name)
        work("branch", name)
        work("tag", f"tag{name}")
    work("push", "-q", "origin", "main", "A", "B", "C", "--tags")
    partial("-c", "maintenance.auto=false", "fetch", "-q", "origin")
    assert len(list(packs.glob("*.pack"))) == before + 1
    partial("fetch", "-q", "--tags", "origin")
    assert len(partial("tag").splitlines()) == 3


def test_one_branch_brings_its_own_tags_only(stock, work, remote) -> None:
    for name in ("A", "B", "C"):
        work.commit(name)
        work("push", "-q", "origin", f"HEAD:refs/heads/{name}", f"HEAD:refs/tags/tag{name}")
    stock("clone", "-q", "--single-branch", "-b", "B", "--filter=blob:none", remote.url, "single")
    assert stock.at("single")("tag").splitlines() == ["tagA", "tagB"]


def test_a_partial_clone_can_be_repacked_and_pushes_go_on(stock, work, remote) -> None:
    stock("clone", "-q", "--filter=blob:none", remote.url, "partial")
    partial = stock.at("partial")
    head = partial.commit("file.1", "theirs")
    partial("push", "-q", "origin", "HEAD")
    partial("gc", "-q", "--prune=now")
    work("pull", "-q", "origin", "main")
    change(work, "file.1", "ours")
    partial("pull", "-q")
    partial("gc", "-q", "--prune=now")
    assert partial("rev-parse", "HEAD^") == head
    partial("fsck")


@pytest.mark.parametrize(
    "wrong", ["blob:limit=many", "tree:-1", "no:such", "combine:", "sparse:path=x", "object:type=none"]
)
def test_a_filter_that_the_server_cannot_read_is_refused(work, remote, wrong: str) -> None:
    lines = ["command=fetch", "", f"want {work('rev-parse', 'HEAD')}", f"filter {wrong}", "done"]
    body = b"".join(f"{len(line) + 4:04x}{line}".encode() if line else b"0001" for line in lines) + b"0000"
    answer = remote.site.api.post(
        f"/{remote.name}.git/git-upload-pack",
        content=body,
        headers={"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"},
    )
    assert answer.status_code == 400 or re.search(rb"ERR |\x03", answer.content)
    assert b"PACK" not in answer.content

"""A repository whose ids are SHA-256, with stock git from both sides."""

import pytest

from imprint.store.limits import Limits
from imprint.store.transport.receive_pack import advertise_receive
from imprint.store.transport.upload_pack import advertise_upload
from imprint.store.types import HashAlgorithm

MAIN = "refs/heads/main"


@pytest.fixture
def site(serve, make_bench):
    return serve(make_bench(algorithm=HashAlgorithm.SHA256))


@pytest.fixture
def work(git_client, tmp_path):
    folder = tmp_path / "work256"
    folder.mkdir()
    git = git_client(folder)
    git("init", "-q", "-b", "main", "--object-format=sha256")
    for number in range(4):
        git.commit_file("a.txt", f"{number}\n" * 100)
    git("tag", "-a", "v1", "-m", "one", "HEAD~1")
    return git


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_push_clone_fetch_and_deepen(site, work, git_client, tmp_path, protocol) -> None:
    version = f"protocol.version={protocol}"
    work("-c", version, "push", "-q", site.url, "main", "v1")
    assert site.bench.refs == {MAIN: work("rev-parse", "main"), "refs/tags/v1": work("rev-parse", "v1")}
    site.bench.fsck()
    git_client(tmp_path)("-c", version, "clone", "-q", "--depth=1", site.url, "copy")
    copy = git_client(tmp_path / "copy")
    assert copy("rev-parse", "--show-object-format") == "sha256"
    newer = work.commit_file("b", "b")
    work("-c", version, "push", "-q", site.url, "main")
    copy("-c", version, "fetch", "-q", "--unshallow", "--tags")
    assert copy("rev-parse", "origin/main", "v1^{}") == f"{newer}\n{work('rev-parse', 'v1^{}')}"
    copy("fsck", "--full", "--strict")


def test_a_blobless_clone_fetches_what_it_lacks(site, work, git_client, tmp_path) -> None:
    work("push", "-q", site.url, "main")
    git_client(tmp_path)("clone", "-q", "--filter=blob:none", "--no-checkout", site.url, "copy")
    copy = git_client(tmp_path / "copy")
    assert copy("show", "HEAD~2:a.txt") == work("show", "HEAD~2:a.txt")


def test_an_empty_repository_says_its_format(site) -> None:
    repository = site.bench.repository
    assert b"object-format=sha256" in advertise_upload(repository, 2)
    for first in (advertise_upload(repository, 0), advertise_receive(repository, Limits())):
        assert b"0" * 64 + b" capabilities^{}" in first
        assert b"object-format=sha256" in first


@pytest.mark.parametrize("verb", ["push", "fetch"])
def test_a_client_of_the_other_format_is_told(site, work, work_tree, verb) -> None:
    work("push", "-q", site.url, "main")
    work_tree.commit_file("a", "1")
    refused = work_tree.run(verb, site.url, "HEAD", check=False)
    assert refused.returncode != 0
    assert b"algorithm" in refused.stderr
    assert site.bench.refs == {MAIN: work("rev-parse", "main")}


def test_over_a_connection_the_end_of_the_pack_is_found(connect, make_bench, work) -> None:
    bench = make_bench(algorithm=HashAlgorithm.SHA256)
    site = connect(bench)
    work("push", "-q", site.url, "main")
    assert bench.refs == {MAIN: work("rev-parse", "main")}

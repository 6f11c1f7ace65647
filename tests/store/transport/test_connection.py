"""Stock git on a connection that stays open both ways, as over SSH; here it is Git's own, on the loopback."""

import io

import pytest

from imprint.store.errors import BadInput
from imprint.store.transport.connection import serve_receive_connection, serve_upload_connection
from imprint.store.transport.pktline import render_frame

MAIN = "refs/heads/main"


@pytest.fixture
def open_site(connect, bench):
    return connect(bench)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_a_push_over_a_connection_lands(open_site, work_tree, protocol) -> None:
    """The client keeps the connection open behind its pack: the end of the pack is found in it."""
    head = work_tree.commit_file("a", "x" * 600_000)
    work_tree("-c", f"protocol.version={protocol}", "push", "-q", open_site.url, "main", "main:other")
    assert open_site.bench.refs == {MAIN: head, "refs/heads/other": head}
    work_tree.commit_file("a", "x" * 600_000 + "y")
    work_tree("push", "-q", open_site.url, "main")
    open_site.bench.fsck()


def test_a_push_that_only_deletes_ends_without_a_pack(open_site, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    work_tree("push", "-q", open_site.url, "main", "main:gone")
    work_tree("push", "-q", open_site.url, ":gone")
    assert open_site.bench.refs == {MAIN: head}


def test_a_push_of_nothing_ends(open_site, work_tree) -> None:
    work_tree.commit_file("a", "1")
    work_tree("push", "-q", open_site.url, "main")
    assert b"Everything up-to-date" in work_tree.run("push", open_site.url, "main").stderr


def test_a_refused_object_is_told(open_site, work_tree) -> None:
    """index-pack ends in the middle of the pack; the client still hears why."""
    blob = work_tree("hash-object", "-w", "--stdin", stdin=b"x")
    content = b"100644 .git\0" + bytes.fromhex(blob)
    tree = work_tree("hash-object", "-w", "-t", "tree", "--stdin", "--literally", stdin=content)
    commit = work_tree("commit-tree", "-m", "x", tree)
    refused = work_tree.run("push", open_site.url, f"{commit}:{MAIN}", check=False)
    assert b"hasDotgit" in refused.stderr
    assert refused.returncode != 0
    assert open_site.bench.refs == {}


def test_a_clone_and_a_fetch_over_one_connection_each(open_site, work_tree, git_client, tmp_path) -> None:
    work_tree.commit_file("a", "1")
    work_tree("push", "-q", open_site.url, "main")
    git_client(tmp_path)("-c", "protocol.version=2", "clone", "-q", open_site.url, "copy")
    newer = work_tree.commit_file("a", "2")
    work_tree("push", "-q", open_site.url, "main")
    copy = git_client(tmp_path / "copy")
    copy("-c", "protocol.version=2", "fetch", "-q")
    assert copy("rev-parse", "origin/main") == newer
    copy("fsck", "--full", "--strict")


def test_what_cannot_be_read_is_told_and_raised(bench) -> None:
    told: list[bytes] = []
    nonsense = io.BytesIO(render_frame("command=nonsense") + b"0000")
    with pytest.raises(BadInput):
        serve_upload_connection(bench.repository, 2, nonsense, told.append, bench.hosting.limits)
    assert b"ERR upload-pack: command" in told[-1]
    with pytest.raises(BadInput):
        serve_receive_connection(
            bench.repository, bench.principal, 0, io.BytesIO(b"0009hello"), told.append, bench.receiver
        )
    assert b"ERR receive-pack: " in told[-1]

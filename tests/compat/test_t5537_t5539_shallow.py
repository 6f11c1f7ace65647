"""Shallow clones: the cases of git's t5537 and t5539 that speak to a server, over HTTP, with data of our own.

A repository of Imprint is never shallow itself, so the cases of fetching from a shallow repository are
turned round: a shallow clone pushes and is fetched from elsewhere.
"""

import http.server
import itertools
import re
import threading
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.slow

CLIENT = "git's t5537 and t5539, shallow clones"
MAIN = "refs/heads/main"
PROTOCOLS = pytest.mark.parametrize("protocol", [0, 2])
NEWEST = ["4", "3", "2", "1"]


@pytest.fixture
def work(stock, remote):
    """Four commits that rewrite one file, pushed to its `origin`."""
    work = stock.at("work").begin()
    for number in range(1, 5):
        work.commit("tracked", str(number), str(number))
    work("remote", "add", "origin", remote.url)
    work("push", "-q", "-u", "origin", "main")
    work("config", "transfer.fsckObjects", "true")
    return work


def end_at(git, remote, depth: int, name: str = "shallow"):
    """A clone of so many commits."""
    git("clone", "-q", f"--depth={depth}", "-c", "transfer.fsckObjects=true", remote.url, name)
    return git.at(name)


@PROTOCOLS
def test_a_clone_of_some_depth(stock, work, remote, protocol: int) -> None:
    shallow = end_at(stock.speak(protocol), remote, 2)
    assert shallow.subjects() == NEWEST[:2]
    shallow("fsck")


@PROTOCOLS
def test_new_commits_keep_the_end_where_it_is(stock, work, remote, protocol: int) -> None:
    shallow = end_at(stock.speak(protocol), remote, 2)
    work.commit("tracked", "5", "5")
    work("push", "-q", "origin", "main")
    shallow("fetch", "-q")
    assert shallow.subjects("origin/main") == ["5", "4", "3"]
    shallow("fsck")


@PROTOCOLS
def test_a_smaller_depth_cuts_off(stock, work, remote, protocol: int) -> None:
    shallow = end_at(stock.speak(protocol), remote, 3)
    for number in (5, 6):
        work.commit("tracked", str(number), str(number))
    work("push", "-q", "origin", "main")
    shallow("fetch", "-q", "--depth=2")
    assert shallow.subjects("origin/main") == ["6", "5"]
    shallow("fsck")


@PROTOCOLS
def test_the_whole_history_can_be_had_later(stock, work, remote, protocol: int) -> None:
    shallow = end_at(stock.speak(protocol), remote, 2)
    shallow("-c", "fetch.writeCommitGraph", "fetch", "-q", "--unshallow")
    assert shallow.subjects("origin/main") == NEWEST
    assert not (shallow.folder / ".git/shallow").exists()
    shallow("fsck")


@PROTOCOLS
def test_what_lies_below_the_end_is_sent_again_when_a_new_commit_needs_it(
    stock, work, remote, protocol: int
) -> None:
    shallow = end_at(stock.speak(protocol), remote, 2)
    old = work("rev-parse", "main~3:tracked")
    assert shallow.run("cat-file", "-e", old).returncode != 0
    work.commit("again", "1", "back")
    work("push", "-q", "origin", "main")
    shallow("fetch", "-q")
    assert shallow.subjects("origin/main") == ["back", "4", "3"]
    assert shallow("cat-file", "blob", old) == "1"
    shallow("fsck")


def test_a_branch_beside_the_end_arrives_in_a_clone_that_is_not_shallow(stock, work, remote) -> None:
    shallow = end_at(stock, remote, 2)
    shallow("checkout", "-q", "--orphan", "beside")
    shallow.commit("tracked", "beside", "beside")
    shallow("push", "-q", "origin", "beside")
    work("fetch", "-q")
    assert work.subjects("origin/beside") == ["beside"]
    work("fsck")


def test_a_shallow_clone_of_a_shallow_clone_pushes(stock, work, remote) -> None:
    shallow = end_at(stock, remote, 2)
    stock("clone", "-q", "--no-local", "shallow", "second")
    second = stock.at("second")
    head = second.commit("tracked", "5", "5")
    second("push", "-q", remote.url, "main")
    assert remote.refs[MAIN] == head
    work("fetch", "-q")
    assert work.subjects("origin/main") == ["5", *NEWEST]
    shallow("fetch", "-q")
    shallow("fsck")


def test_history_that_the_server_lacks_cannot_end_there(stock, work, site) -> None:
    """Pushing what ends at a commit whose parents nobody has."""
    stock("clone", "-q", "--no-local", "--depth=2", f"file://{work.folder}", "shallow")
    empty = site.create()
    said = stock.at("shallow").refused("push", site.address(empty), "main")
    assert "shallow update not allowed" in said
    assert site.refs(empty) == {}


@PROTOCOLS
def test_a_commit_that_ends_history_can_be_fetched_by_name(stock, work, remote, protocol: int) -> None:
    end = work("rev-parse", "main~1")
    shallow = end_at(stock.speak(protocol), remote, 2)
    assert (shallow.folder / ".git/shallow").read_text().split() == [end]
    shallow("fetch", "-q", "--update-shallow", "origin", f"{end}:refs/heads/end")
    assert shallow("rev-parse", "end") == end
    shallow("fsck")


@PROTOCOLS
def test_a_branch_that_went_and_came_back_after_a_repack(stock, work, remote, protocol: int) -> None:
    work("branch", "side", "main~2")
    work("checkout", "-q", "side")
    for name in ("C", "D", "E"):
        work.commit(name)
    work("push", "-q", "origin", "side")
    side = work("rev-parse", "side")
    stock.speak(protocol)
    stock("clone", "-q", "--depth=1", "--no-tags", "--no-single-branch", remote.url, "shallow")
    shallow = stock.at("shallow")
    work("push", "-q", "origin", ":side")
    everything = ("origin", "+refs/heads/*:refs/remotes/origin/*")
    shallow("fetch", "-q", "--prune", "--depth=1", *everything)
    shallow("repack", "-adflq")
    shallow("prune", "--expire=now")
    assert shallow.run("cat-file", "-e", side).returncode != 0
    work("push", "-q", "origin", f"{side}:refs/heads/back")
    shallow("fetch", "-q", "--prune", "--depth=2", *everything)
    assert shallow.subjects("origin/back") == ["E", "D"]
    shallow("fsck")


@PROTOCOLS
def test_deepening_a_whole_clone_cuts_nothing(stock, work, remote, protocol: int) -> None:
    stock.speak(protocol)
    stock("clone", "-q", remote.url, "whole")
    whole = stock.at("whole")
    whole("fetch", "-q", "--deepen=1")
    assert whole("rev-parse", "--is-shallow-repository") == "false"
    assert whole.subjects() == NEWEST


# -- since, exclude, deepen ----------------------------------------------------------------------------


def day(work, revision: str) -> str:
    """A moment before a commit."""
    return f"{int(work('log', '-1', '--format=%ct', revision)) - 60} +0000"


@PROTOCOLS
def test_history_since_a_time_and_then_since_an_earlier_one(stock, work, remote, protocol: int) -> None:
    stock.speak(protocol)
    stock("clone", "-q", f"--shallow-since={day(work, 'main')}", remote.url, "shallow")
    shallow = stock.at("shallow")
    assert shallow.subjects() == ["4"]
    shallow("fetch", "-q", f"--shallow-since={day(work, 'main~1')}", "origin")
    assert shallow.subjects("origin/main") == ["4", "3"]
    shallow("fsck")


@PROTOCOLS
def test_history_without_a_tag_and_then_without_an_earlier_one(stock, work, remote, protocol: int) -> None:
    work("push", "-q", "origin", "main~2:refs/tags/two", "main~3:refs/tags/one")
    stock.speak(protocol)
    stock("clone", "-q", "--shallow-exclude=two", remote.url, "shallow")
    shallow = stock.at("shallow")
    assert shallow.subjects() == ["4", "3"]
    shallow("fetch", "-q", "--shallow-exclude=one", "origin")
    assert shallow.subjects("origin/main") == ["4", "3", "2"]
    shallow("fsck")


@PROTOCOLS
def test_deepening_while_the_branch_grows(stock, work, remote, protocol: int) -> None:
    shallow = end_at(stock.speak(protocol), remote, 1)
    work.commit("tracked", "5", "5")
    work("push", "-q", "origin", "main")
    shallow("fetch", "-q", "--deepen=1")
    assert shallow.subjects("origin/main") == ["5", "4", "3"]
    shallow("fsck")


def test_no_shallow_lines_after_ready(stock, work, remote) -> None:
    """The first sixteen commits that the client names are all in common, and enough: in protocol 0 the
    server says that it is ready, and the client shall not take what follows for another answer."""
    stock.speak(0)
    stock("clone", "-q", remote.url, "clone")
    clone = stock.at("clone")
    tree = work("rev-parse", "HEAD^{tree}")
    roots = {n: work("commit-tree", "-m", f"root {n}", tree) for n in range(15)}
    pushed = [f"{commit}:refs/heads/unrelated{n}" for n, commit in roots.items()]
    work("push", "-q", "origin", *pushed)
    clone("fetch", "-q", "origin")
    head = work.commit("tracked", "new", "new")
    work("push", "-q", "origin", "main")
    clone("checkout", "-q", "--orphan", "mine")
    clone.days = itertools.count(-50)
    clone.commit("tracked", "mine", "mine")
    said = clone.traced("fetch", "-q", "--depth=2", "origin")
    assert "ready" in said
    assert clone("rev-parse", "origin/main") == head
    assert clone.subjects("origin/main") == ["new", "4"]
    clone("fsck")


# -- a server that lies --------------------------------------------------------------------------------


class Liar(http.server.BaseHTTPRequestHandler):
    """Passes requests on, and changes one line of an answer: `shallow X` becomes `unshallow Y`."""

    target = ""
    lie = b""
    told = 0

    def log_message(self, *_: object) -> None:
        """Tests do not chat."""

    def pass_on(self, body: bytes | None) -> None:
        headers = {name: value for name, value in self.headers.items() if name not in {"Host", "Connection"}}
        request = urllib.request.Request(f"{self.target}{self.path}", body, headers)
        try:
            answer = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as refusal:  # the question for a password
            answer = refusal
        with answer:
            said = answer.read()
        if b"shallow-info" in said:
            said, count = re.subn(rb"00..(\x01?)shallow [0-9a-f]{40}\n?", self.distort, said)
            type(self).told += count
        self.send_response(answer.status)
        for name in ("Content-Type", "WWW-Authenticate"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def distort(self, found: re.Match[bytes]) -> bytes:
        """The other line in its packet, in the side band where the true one was."""
        line = found.group(1) + self.lie
        return f"{len(line) + 4:04x}".encode() + line

    def do_GET(self) -> None:
        self.pass_on(None)

    def do_POST(self) -> None:
        self.pass_on(self.rfile.read(int(self.headers["Content-Length"])))


def test_a_wrong_end_of_history_never_gets_into_the_clone(stock, work, remote) -> None:
    """What the client does with its own checks; our answers in between have the form that it expects."""
    Liar.target = remote.site.url
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        authority = urlsplit(remote.site.url).netloc
        url = remote.url.replace(authority, f"127.0.0.1:{server.server_address[1]}")
        fresh = stock.at("fresh").begin().speak(2)
        fresh("fetch", "-q", "--depth=2", remote.url, "main:a")
        Liar.lie = f"unshallow {work('rev-parse', 'main~1')}".encode()
        fresh.refused("fetch", "-q", "--depth=1", url, "main:a")
        assert Liar.told == 1
        fresh("fsck")
    finally:
        server.shutdown()
        server.server_close()

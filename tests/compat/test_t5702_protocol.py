"""Protocol version 2: the cases of git's t5702 that speak to a server, over HTTP, with data of our own."""

import re

import pytest

pytestmark = pytest.mark.slow

CLIENT = "git's t5702, protocol version 2"
MAIN = "refs/heads/main"


@pytest.fixture
def work(stock, remote):
    """A work tree with one commit, pushed to its `origin`."""
    work = stock.at("work").begin()
    work.commit("one")
    work("remote", "add", "origin", remote.url)
    work("push", "-q", "-u", "origin", "main")
    return work


@pytest.fixture
def two(stock):
    """The machine's git, asking for protocol 2 as it does by itself since 2.26."""
    return stock.speak(2)


@pytest.fixture
def clone(two, work, remote):
    """A clone of what `work` has pushed."""
    two("clone", "-q", remote.url, "clone")
    return two.at("clone")


def test_a_listing_speaks_version_2_and_asks_once(two, work, remote) -> None:
    said = two.traced("ls-remote", remote.url)
    assert "Send header: Git-Protocol: version=2" in said
    assert "git< version 2" in said
    assert said.count("Send header: POST") == 1


def test_a_listing_of_tags_hears_of_no_branch(two, work, remote) -> None:
    work("push", "-q", "origin", "main:refs/tags/one", "main:unwanted")
    said = two.traced("ls-remote", "--tags", remote.url)
    assert "> ref-prefix refs/tags/" in said
    assert "< " in said
    assert "refs/tags/one" in said
    assert "refs/heads/" not in said


def test_a_clone_speaks_version_2_in_one_piece(two, work, remote) -> None:
    said = two.traced("clone", "-q", remote.url, "clone")
    assert "git< version 2" in said
    assert "Transfer-Encoding: chunked" not in said.replace("Recv header: Transfer-Encoding", "")
    assert two.at("clone").subjects() == ["one"]


def test_a_fetch_speaks_version_2(work, clone) -> None:
    head = work.commit("two")
    work("push", "-q", "origin", "main")
    assert "git< version 2" in clone.traced("fetch", "-q")
    assert clone("rev-parse", "origin/main") == head


def test_a_pull_speaks_version_2(work, clone) -> None:
    head = work.commit("two")
    work("push", "-q", "origin", "main")
    assert "git< version 2" in clone.traced("pull", "-q")
    assert clone("rev-parse", "HEAD") == head


def test_a_fetch_of_one_branch_hears_of_no_other(work, clone) -> None:
    work("push", "-q", "origin", "main:unwanted")
    head = work.commit("two")
    work("push", "-q", "origin", "main")
    said = clone.traced("fetch", "-q", "origin", "main")
    assert clone("rev-parse", "origin/main") == head
    assert "refs/heads/unwanted" not in said


def test_the_default_refspec_becomes_prefixes(work, clone) -> None:
    said = clone.traced("fetch", "-q", "origin")
    assert "ref-prefix refs/heads/" in said
    assert "ref-prefix refs/tags/" in said


@pytest.mark.parametrize(("option", "lists_refs"), [("--tags", True), ("--no-tags", False)])
def test_a_fetch_by_id_lists_refs_for_tags_only(two, work, remote, option: str, *, lists_refs: bool) -> None:
    fresh = two.at("fresh").begin()
    said = fresh.traced("fetch", "-q", option, remote.url, f"{work('rev-parse', 'HEAD')}:refs/heads/exact")
    assert ("command=ls-refs" in said) == lists_refs
    assert fresh.subjects("exact") == ["one"]


def test_tags_follow_a_fetch_by_id(two, work, remote) -> None:
    work("push", "-q", "origin", "main:refs/tags/mark", "main:unrelated")
    fresh = two.at("fresh").begin()
    fresh("fetch", "-q", remote.url, f"{work('rev-parse', 'HEAD')}:refs/heads/exact")
    assert fresh("tag") == "mark"


def test_names_patterns_and_ids_in_one_fetch(two, work, remote) -> None:
    tree = work("rev-parse", "HEAD^{tree}")
    names = ("exact", "dwim-not", "exact-not", "prefix1", "prefix2", "by-id", "unrelated")
    ids = {name: work("commit-tree", "-m", name, tree) for name in names}
    pushed = [f"{commit}:refs/tags/{name}" for name, commit in ids.items()]
    work("push", "-q", "origin", "main:refs/tags/dwim", *pushed)
    fresh = two.at("fresh").begin()
    asked = ("dwim", "refs/tags/exact", "refs/tags/prefix*:refs/tags/prefix*", ids["by-id"])
    said = fresh.traced("fetch", "-q", remote.url, *asked)
    for prefix in ("dwim", "refs/heads/dwim", "refs/tags/prefix"):
        assert f"fetch> ref-prefix {prefix}" in said
    assert {name for name, commit in ids.items() if fresh.has(commit)} == {
        "exact",
        "prefix1",
        "prefix2",
        "by-id",
    }
    assert fresh.has(work("rev-parse", "HEAD"))


def test_a_tag_comes_in_the_same_pack_as_its_commit(two, work, remote) -> None:
    work("tag", "-a", "heavy", "-m", "heavy")
    work("push", "-q", "origin", "main:refs/tags/wanted", "heavy")
    fresh = two.at("fresh").begin()
    said = fresh.traced("fetch", "-q", remote.url, "wanted:wanted")
    assert "fetch> ref-prefix wanted" in said
    assert "fetch> ref-prefix refs/tags/" in said
    assert "fetch> include-tag" in said
    assert fresh("rev-parse", "refs/tags/heavy") == work("rev-parse", "heavy")
    assert said.count("fetch> command=fetch") == 1


# -- what a server has no commits on -------------------------------------------------------------------


@pytest.mark.parametrize("bare", [[], ["--bare"]], ids=["work tree", "bare"])
def test_an_empty_repository_gives_its_clone_the_name_of_its_branch(two, site, bare: list[str]) -> None:
    name = site.create(default_branch="mine")
    two("-c", "init.defaultBranch=other", "clone", "-q", *bare, site.address(name), "clone")
    assert two.at("clone")("symbolic-ref", "HEAD") == "refs/heads/mine"


@pytest.mark.parametrize("bare", [[], ["--bare"]], ids=["work tree", "bare"])
def test_head_without_a_commit_beside_a_branch_with_some(two, site, work, bare: list[str]) -> None:
    name = site.create(default_branch="mine")
    work("push", "-q", site.address(name), "main:stuff")
    done = two.run("-c", "init.defaultBranch=other", "clone", *bare, site.address(name), "clone")
    assert two.at("clone")("symbolic-ref", "HEAD") == "refs/heads/mine"
    assert ("remote HEAD refers to nonexistent ref" in done.stderr) == (not bare)


# -- options of requests -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ls-remote", "fetch", "clone"])
def test_server_options_are_taken_and_do_no_harm(two, clone, remote, command: str) -> None:
    arguments = {
        "ls-remote": [remote.url],
        "fetch": [remote.url, "main"],
        "clone": ["-q", remote.url, "copy"],
    }
    there = clone if command == "fetch" else two
    said = there.traced(command, "--server-option=hello", "--server-option=world", *arguments[command])
    assert said.count("> server-option=hello") == said.count("> server-option=world") > 0


def test_a_date_without_commits_fails_cleanly(two, work, remote) -> None:
    said = two.refused("clone", "--shallow-since=20991012", remote.url, "clone")
    assert "no commits selected for shallow requests" in said


# -- partial clones ------------------------------------------------------------------------------------


@pytest.fixture
def twice(work):
    """The file `one` of `work` in two versions, both pushed; the ids of the old one and the new one."""
    work.commit("one", "anew")
    work("push", "-q", "origin", "main")
    return work("rev-parse", "HEAD^:one"), work("rev-parse", "HEAD:one")


def test_a_partial_clone_asks_for_an_object_without_listing_refs(two, remote, twice) -> None:
    said = two.traced("clone", "-q", "--filter=blob:none", remote.url, "clone")
    assert "git< version 2" in said
    clone = two.at("clone")
    assert clone.missing() == {twice[0]}
    clone("fsck")
    said = clone.traced("cat-file", "-p", twice[0])
    assert "git< version 2" in said
    assert "command=ls-refs" not in said


def test_a_partial_fetch_by_address(two, remote, twice) -> None:
    fresh = two.at("fresh").begin()
    fresh("fetch", "-q", "--filter=blob:none", remote.url, "main:refs/heads/other")
    assert fresh.missing("other") == set(twice)
    fresh("fsck")


# -- shallow -------------------------------------------------------------------------------------------


def test_what_the_client_lacks_below_its_end_is_sent(two, work, remote) -> None:
    """The negotiation takes more than one request, and each tells where the client's history ends."""
    base = work("rev-parse", "HEAD")
    work.commit("client has")
    work("push", "-q", "origin", "main")
    two("clone", "-q", "--depth=1", remote.url, "clone")
    clone = two.at("clone")
    for number in range(40):
        clone.commit(f"mine/{number}")
    work("checkout", "-q", "-b", "new", base)
    wanted = work.commit("client wants")
    work("push", "-q", "origin", "new")
    said = clone.traced("fetch", "-q", "origin", "new")
    assert clone("rev-parse", "FETCH_HEAD") == wanted
    assert said.count("fetch> command=fetch") > 1
    assert said.count("fetch> shallow ") == said.count("fetch> command=fetch")
    clone("fsck")


def test_two_fetches_of_one_command_from_a_shallow_clone(two, work, remote) -> None:
    for name in ("two", "three"):
        work.commit(name)
    marks = [f"main~{2 - number}:refs/tags/{name}" for number, name in enumerate(("one", "two", "three"))]
    work("push", "-q", "origin", "main", *marks)
    two("clone", "-q", "--shallow-exclude=two", remote.url, "clone")
    clone = two.at("clone")
    work("tag", "-a", "twotag", "-m", "two", "main~1")
    work("push", "-q", "origin", "twotag")
    clone("fetch", "-q", "--shallow-exclude=one", "origin")
    assert clone.subjects() == ["three", "two"]
    assert "twotag" in clone("tag").splitlines()


def test_a_deepening_counts_from_where_history_ends(two, work, remote) -> None:
    for name in ("two", "three"):
        work.commit(name)
    work("push", "-q", "origin", "main")
    two("clone", "-q", "--depth=1", remote.url, "clone")
    clone = two.at("clone")
    assert clone.subjects() == ["three"]
    work.commit("four")
    work("push", "-q", "origin", "main")
    said = clone.traced("fetch", "-q", "--deepen=1", "origin")
    assert "> deepen-relative" in said
    assert clone.subjects("origin/main") == ["four", "three", "two"]


# -- negotiation alone, and pushes ---------------------------------------------------------------------


def test_negotiation_alone_says_what_is_common(work, clone, remote) -> None:
    common = clone("rev-parse", "HEAD")
    mine = clone.commit("mine")
    clone("remote", "set-url", "origin", remote.url)
    asked = ("fetch", "--no-tags", "--negotiate-only", f"--negotiation-tip={mine}", "origin")
    assert clone(*asked).splitlines() == [common]
    assert "> wait-for-done" in clone.traced(*asked)
    assert "negotiate-only requires protocol v2" in clone.refused("-c", "protocol.version=0", *asked)


def test_a_push_that_negotiates_first_sends_less(work, clone, stock, remote) -> None:
    """`push.negotiate`: the client learns of commits that no ref it knows of leads to."""
    work("push", "-q", "origin", "main:side")
    work.commit("two")
    work("push", "-q", "origin", "main:side")
    clone("fetch", "-q", "origin", "side")
    clone("reset", "-q", "--hard", "FETCH_HEAD")
    head = clone.commit("three")
    said = clone.run("-c", "push.negotiate=true", "push", "--progress", "origin", "HEAD:main").stderr
    counted = re.search(r"Writing objects: +100% \((\d+)/", said)
    assert counted
    assert int(counted.group(1)) == 3, said
    assert remote.refs[MAIN] == head


def test_a_push_never_asks_for_version_2(work, remote) -> None:
    head = work.commit("two")
    said = work.speak(2).traced("push", "-q", "origin", "HEAD:client")
    assert "git< version 2" not in said
    assert remote.refs["refs/heads/client"] == head


def test_packfile_uris_that_were_not_offered_are_refused(work, remote) -> None:
    lines = ("command=fetch", "object-format=sha1", "", "packfile-uris https", "done")
    body = b"".join(f"{len(line) + 4:04x}{line}".encode() if line else b"0001" for line in lines) + b"0000"
    answer = remote.site.api.post(
        f"/{remote.name}.git/git-upload-pack",
        content=body,
        headers={"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"},
    )
    assert b"packfile-uris" in answer.content
    assert answer.status_code == 400 or b"ERR " in answer.content


@pytest.mark.parametrize(
    "capability", ["ls-refs=unborn", "fetch=", "server-option", "object-format=sha1", "object-info"]
)
def test_what_is_offered(remote, capability: str) -> None:
    answer = remote.site.api.get(
        f"/{remote.name}.git/info/refs?service=git-upload-pack", headers={"Git-Protocol": "version=2"}
    )
    lines = answer.text.splitlines()
    assert any(line[4:].startswith(capability) for line in lines), lines


@pytest.mark.parametrize("header", ["version=2", "version=1:version=2", "unknown=3:version=2", "version=7"])
def test_the_newest_version_that_both_know_is_spoken(work, remote, header: str) -> None:
    answer = remote.site.api.get(
        f"/{remote.name}.git/info/refs?service=git-upload-pack", headers={"Git-Protocol": header}
    )
    assert answer.status_code == 200
    assert ("version 2" in answer.text) == ("version=2" in header)
    assert (f"{MAIN}\n" in answer.text) == ("version=2" not in header)


def test_every_number_of_haves_ends_in_the_right_pack(work, clone) -> None:
    """As many commits that the server lacks as fit into one request, one fewer, and one more."""
    made = 0
    for total in (15, 16, 17, 32):
        for _ in range(total - made):
            clone("commit", "-q", "--allow-empty", "-m", "mine")
        made = total
        head = work.commit(f"theirs{total}")
        work("push", "-q", "origin", "main")
        clone("fetch", "-q", "origin")
        assert clone("rev-parse", "origin/main") == head
    clone("fsck")

"""Fetching over HTTP: the cases of git's t5551 that speak to a server, with data of our own.

Left out, because they are about the client alone or about what Imprint has no notion of: see docs/compat.md.
"""

import re

import pytest

pytestmark = pytest.mark.slow

CLIENT = "git's t5551, fetch over HTTP"
MAIN = "refs/heads/main"


@pytest.fixture
def work(stock, remote):
    """A work tree with one commit, pushed to its `origin`."""
    work = stock.at("work").begin()
    work.commit("a")
    work("remote", "add", "origin", remote.url)
    work("push", "-q", "-u", "origin", "main")
    return work


def conversation(said: str) -> list[str]:
    """Requests, answers and the headers that Git's protocol speaks of, in a trace."""
    lines = (line.partition("header: ")[2].strip() for line in said.splitlines() if "ader: " in line)
    wanted = r"(GET|POST|HTTP/1.1|Content-Type|Accept|Accept-Encoding|Cache-Control|Git-Protocol)[: ]"
    return [line for line in lines if re.match(wanted, line, re.IGNORECASE)]


def test_a_clone_is_the_conversation_that_git_documents(stock, work, remote) -> None:
    token = remote.site.new_token(remote.name, "read")
    url = remote.site.address(remote.name, "")
    said = stock.traced("-c", f"http.extraHeader=Authorization: Bearer {token}", "clone", "-q", url, "clone")
    lines = [line.lower() for line in conversation(said)]
    path = f"/{remote.name}.git"
    question = [
        "accept: application/x-git-upload-pack-result",
        "content-type: application/x-git-upload-pack-request",
        "git-protocol: version=2",
    ]
    answer = ["cache-control: no-cache, max-age=0, must-revalidate", "http/1.1 200 ok"]
    whole = "\n".join(sorted(set(lines)))
    assert lines[0] == f"get {path}/info/refs?service=git-upload-pack http/1.1"
    assert [line for line in lines if line.startswith("post")] == [
        f"post {path}/git-upload-pack http/1.1",
        f"post {path}/git-upload-pack http/1.1",
    ]
    for line in (*question, *answer, "content-type: application/x-git-upload-pack-advertisement"):
        assert line in whole
    assert "content-type: application/x-git-upload-pack-result" in whole
    assert lines.count(answer[0]) == 3, "no answer may be kept by a cache"
    assert re.search("accept-encoding: .*gzip", whole)


def test_a_pull_brings_what_is_new(stock, work, remote) -> None:
    stock("clone", "-q", remote.url, "clone")
    head = work.commit("b")
    work("push", "-q", "origin", "main")
    clone = stock.at("clone")
    clone("pull", "-q")
    assert clone("rev-parse", "HEAD") == head
    assert (clone.folder / "b").read_text() == "b"


def asker(stock, user: str, secret: str):
    """A program that git asks for a name and a password; it keeps what it was asked."""
    program = stock.folder / "ask"
    answer = f'case "$1" in Username*) echo {user};; *) echo {secret};; esac'
    program.write_text(f'#!/bin/sh\necho "$1" >>"{stock.folder}/asked"\n{answer}\n')
    program.chmod(0o755)
    return str(program)


def asked(stock) -> list[str]:
    """What git has asked since the last question to this."""
    kept = stock.folder / "asked"
    said = kept.read_text().splitlines() if kept.exists() else []
    kept.unlink(missing_ok=True)
    return said


def test_a_clone_asks_for_a_password(stock, work, remote) -> None:
    program = asker(stock, "anybody", remote.site.token)
    stock("clone", "-q", "--bare", remote.site.address(remote.name, ""), "clone", GIT_ASKPASS=program)
    assert [line.split()[0] for line in asked(stock)] == ["Username", "Password"]
    assert stock.at("clone").subjects() == ["a"]


def test_a_good_password_is_kept_and_a_bad_one_forgotten(stock, work, remote) -> None:
    url = remote.site.address(remote.name, "")
    keep = ("-c", f"credential.helper=store --file={stock.folder}/kept")
    good = asker(stock, "git", remote.site.token)
    stock(*keep, "ls-remote", url, GIT_ASKPASS=good)
    assert asked(stock)
    stock(*keep, "ls-remote", url, GIT_ASKPASS=good)
    assert asked(stock) == []
    kept = stock.folder / "kept"
    kept.write_text(kept.read_text().replace(remote.site.token, "bogus"))
    stock.refused(*keep, "ls-remote", url, GIT_ASKPASS=good)
    assert kept.read_text() == ""
    stock(*keep, "ls-remote", url, GIT_ASKPASS=good)
    assert asked(stock)


@pytest.mark.parametrize("variable", ["GIT_TRACE_CURL", "GIT_CURL_VERBOSE"])
def test_a_trace_does_not_hold_the_token(stock, work, remote, variable: str) -> None:
    said = stock.run("ls-remote", remote.url, **{variable: "1"}).stderr
    assert "Authorization: Basic <redacted>" in said
    assert not re.search("Authorization: Basic [0-9a-zA-Z+/]", said)


def test_hidden_refs_do_not_arrive(stock, work, remote) -> None:
    """In place of `transfer.hideRefs`: the names that Imprint hides."""
    assert "hidden ref" in work.refused("push", "origin", "main:refs/imprint/mine")
    stock("clone", "-q", "--mirror", remote.url, "mirror")
    assert stock.at("mirror")("for-each-ref", "--format=%(refname)") == MAIN
    assert "imprint" not in stock("ls-remote", remote.url)


def add_branches(git, folder: str) -> None:
    """Fifteen hundred branches of one commit each."""
    lines = (f"commit refs/heads/{folder}/{n}\ncommitter A <a@b> {n} +0000\n" for n in range(1500))
    git(
        "fast-import",
        "--quiet",
        stdin="".join(f"{line}data <<END\n{folder}\nEND\n" for line in lines).encode(),
    )


@pytest.fixture
def many(stock, work, remote):
    """A thousand and a half branches, none reaching another; the client `work` has them all."""
    add_branches(work, "many")
    work("push", "-q", "origin", "refs/heads/many/*")
    return work


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_a_long_list_of_wants_goes_in_chunks(stock, many, remote, protocol: int) -> None:
    stock.speak(protocol)
    said = stock.traced("-c", "http.postBuffer=65536", "clone", "-q", "--bare", remote.url, "clone")
    assert "Send header: Transfer-Encoding: chunked" in said
    assert len(stock.at("clone")("branch").splitlines()) == 1501


def test_a_fetch_with_thousands_of_refs_in_common(stock, many, remote) -> None:
    stock("clone", "-q", "--mirror", remote.url, "clone")
    clone = stock.at("clone")
    add_branches(many, "more")
    many("push", "-q", "origin", "refs/heads/more/*")
    clone("fetch", "-q")
    assert len(clone("branch").splitlines()) == 3001
    clone("fsck")


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_a_reachable_id_is_given_and_another_is_not(stock, work, remote, protocol: int) -> None:
    stock.speak(protocol)
    old = work("rev-parse", "HEAD")
    work.commit("b")
    work("push", "-q", "origin", "main")
    work("checkout", "-q", "-b", "doomed", old)
    gone = work.commit("c")
    work.commit("d")
    work("push", "-q", "origin", "doomed")
    work("push", "-q", "origin", ":doomed")
    fresh = stock.at("fresh").begin()
    fresh("fetch", "-q", remote.url, old)
    assert fresh("rev-parse", "FETCH_HEAD") == old
    fresh.refused("fetch", "-q", remote.url, gone)
    assert fresh.run("cat-file", "-e", gone).returncode != 0


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_a_fetch_moves_what_follows_the_remote(stock, work, remote, protocol: int) -> None:
    stock.speak(protocol)
    work("push", "-q", "origin", "main:another")
    stock("clone", "-q", remote.url, "clone")
    head = work.commit("b")
    work("push", "-q", "origin", "main")
    clone = stock.at("clone")
    clone("fetch", "-q")
    assert clone("rev-parse", "origin/main") == head


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_a_tip_is_fetched_by_id_without_its_tags(stock, work, remote, protocol: int) -> None:
    stock("clone", "-q", remote.url, "clone")
    head = work.commit("b")
    work("tag", "v1")
    work("push", "-q", "origin", "main", "v1")
    clone = stock.at("clone").speak(protocol)
    clone("fetch", "-q", "--no-tags", "origin", head)
    assert clone("rev-parse", "FETCH_HEAD") == head
    assert clone("tag") == ""


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_tags_of_a_commit_come_along_with_a_shallow_fetch_of_one(stock, work, remote, protocol: int) -> None:
    if protocol < 2 and stock.version < (2, 44):
        pytest.skip("git before 2.44 does not see what its own helper has fetched")
    work("tag", "light")
    work("tag", "-a", "heavy", "-m", "heavy")
    work("push", "-q", "origin", "light", "heavy")
    fresh = stock.at("fresh").begin().speak(protocol)
    fresh("fetch", "-q", "--depth", "1", remote.url, "refs/tags/heavy:refs/tags/heavy")
    assert fresh("tag").splitlines() == ["heavy", "light"]


def test_a_slash_at_the_end_of_the_address_does_no_harm(stock, work, remote) -> None:
    said = stock.traced("clone", "-q", f"{remote.url}/", "clone")
    assert f"{remote.name}.git//" not in said
    assert stock.at("clone").subjects() == ["a"]


def test_a_name_is_resolved_as_told(stock, work, remote) -> None:
    port = remote.site.url.rpartition(":")[2]
    url = remote.url.replace("127.0.0.1", "imprint.invalid")
    stock("-c", f"http.curloptResolve=imprint.invalid:{port}:127.0.0.1", "ls-remote", url)


def test_ls_remote_outside_of_a_repository_with_a_refspec(stock, work, remote) -> None:
    settings = ("-c", f"remote.origin.url={remote.url}", "-c", "remote.origin.fetch=anything")
    assert MAIN in stock(*settings, "ls-remote", "origin")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("HEAD", "no-such"),
        ("objects/info/packs", "no-such"),
    ],
)
def test_files_are_not_given_away(work, remote, path: str, said: str) -> None:
    """The dumb protocol is not spoken: no file of a repository can be asked for."""
    answer = remote.site.api.get(f"/{remote.name}.git/{path}")
    assert answer.status_code == 404
    assert said not in answer.text

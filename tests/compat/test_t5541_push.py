"""Pushing over HTTP: the cases of git's t5541 that speak to a server, with data of our own.

Left out, because they are about the client alone or about what Imprint has no notion of: see docs/compat.md.
"""

import random
import re

import pytest

CLIENT = "git's t5541, push over HTTP"
MAIN = "refs/heads/main"


@pytest.fixture
def work(stock, remote):
    """A work tree with one commit, pushed to its `origin`."""
    work = stock.at("work").begin()
    work.commit("a")
    work("remote", "add", "origin", remote.url)
    work("push", "-q", "-u", "origin", "main")
    return work


def test_a_push_is_one_question_and_one_request(work, remote) -> None:
    head = work.commit("b")
    said = work.traced("push", "-v", "origin", "main")
    assert re.findall(r"Send header: (GET|POST) \S+?(info/refs\S*|git-\S+) HTTP", said) == [
        ("GET", "info/refs?service=git-receive-pack"),
        ("GET", "info/refs?service=git-receive-pack"),
        ("POST", "git-receive-pack"),
    ], "asked once without the password, once with it"
    assert "Expect: 100-continue" not in said
    assert remote.refs[MAIN] == head


def test_a_push_with_a_language_is_taken(work, remote) -> None:
    head = work.commit("b")
    said = work.run("push", "-v", "origin", "main", LANGUAGE="ko_KR.UTF-8", GIT_TRACE_CURL="1").stderr
    assert "Send header: Accept-Language: ko-KR, *;q=0.9" in said
    assert remote.refs[MAIN] == head


def test_a_push_of_nothing_new_is_up_to_date(work) -> None:
    assert "Everything up-to-date" in work.run("push", "origin", "main").stderr


def test_a_branch_is_made_and_deleted(work, remote) -> None:
    work("checkout", "-q", "-b", "topic")
    work.commit("b")
    work("push", "-q", "origin", "topic")
    assert set(remote.refs) == {MAIN, "refs/heads/topic"}
    work("push", "-q", "origin", ":topic")
    assert set(remote.refs) == {MAIN}
    assert work.run("show-ref", "--verify", "refs/remotes/origin/topic").returncode != 0


def test_a_refused_update_is_told_for_its_ref(work, remote) -> None:
    """In place of a hook: names that nobody may write."""
    said = work.refused("push", "origin", "main:refs/imprint/mine", "main:refs/heads/good")
    assert re.search(r"! \[remote rejected\] +main -> refs/imprint/mine \(deny updating a hidden ref\)", said)
    assert re.search(r"\* \[new branch\] +main -> good", said)
    assert set(remote.refs) == {MAIN, "refs/heads/good"}


def test_a_push_that_is_behind_is_refused_and_explained(work, remote, stock) -> None:
    stock("clone", "-q", remote.url, "other")
    other = stock.at("other")
    theirs = other.commit("theirs")
    other("push", "-q", "origin", "HEAD")
    work.commit("mine")
    said = work.refused("push", "-v", "origin", "main")
    assert re.search(r"! \[rejected\] +main -> main \(fetch first\)", said)
    assert "Updates were rejected because" in said
    assert remote.refs[MAIN] == theirs


def test_one_ref_is_forced_while_another_is_refused(work, remote) -> None:
    work("push", "-q", "origin", "main:other")
    before = remote.refs["refs/heads/other"]
    work("commit", "-q", "--amend", "-m", "anew")
    said = work.refused("push", "-v", "origin", "+main", "main:other")
    assert re.search(r"\+ [0-9a-f]+\.\.\.[0-9a-f]+ +main -> main \(forced update\)", said)
    assert re.search(r"! \[rejected\] +main -> other \(non-fast-forward\)", said)
    assert remote.refs == {MAIN: work("rev-parse", "main"), "refs/heads/other": before}


def test_a_push_larger_than_the_buffer_goes_in_chunks(work, remote) -> None:
    head = work.commit("b", random.Random(1).randbytes(80_000).hex())
    said = work.run("-c", "http.postBuffer=4", "push", "-v", "-v", "origin", "main")
    assert "POST git-receive-pack (chunked)" in said.stderr
    assert remote.refs[MAIN] == head


def test_an_atomic_push_makes_no_branch_and_names_what_it_held_back(work, remote) -> None:
    first = work("rev-parse", "main")
    second = work.commit("b")
    work("branch", "beside")
    work("branch", "other")
    work("push", "-q", "origin", "main", "beside", "other")
    work("checkout", "-q", "beside")
    work.commit("c")
    work("checkout", "-q", "main")
    work("reset", "-q", "--hard", first)
    work("branch", "new")
    said = work.refused("push", "--atomic", "origin", "main", "new", "beside")
    assert remote.refs == {MAIN: second, "refs/heads/beside": second, "refs/heads/other": second}
    assert re.search(r"! \[rejected\] +main -> main", said)
    assert re.search(r"! \[rejected\] +new -> new \(atomic push failed\)", said)
    assert re.search(r"! \[rejected\] +beside -> beside \(atomic push failed\)", said)
    assert "other" not in said


def test_an_atomic_push_that_the_server_refuses_changes_nothing(work, remote) -> None:
    """A branch may not be a folder of branches: the client cannot know, the server says so."""
    work("push", "-q", "origin", "main:other/inside")
    before = remote.refs
    work("branch", "other")
    work("branch", "new")
    said = work.refused("push", "--atomic", "origin", "new", "other")
    assert remote.refs == before
    assert re.search(r"! \[remote rejected\] +other -> other", said)
    assert re.search(r"! \[remote rejected\] +new -> new", said)


@pytest.mark.parametrize("what", ["--all", "--mirror"])
def test_everything_can_be_pushed_into_an_empty_repository(stock, remote, what: str) -> None:
    work = stock.at("work").begin()
    head = work.commit("a")
    work("branch", "other")
    work("tag", "v1")
    work("push", "-q", what, remote.url)
    tags = {"refs/tags/v1": head} if what == "--mirror" else {}
    assert remote.refs == {MAIN: head, "refs/heads/other": head, **tags}


@pytest.mark.parametrize(
    ("option", "shows_progress", "shows_status"),
    [("--progress", True, True), ("--no-progress", False, True), ("--quiet", False, False)],
)
def test_progress_is_shown_as_asked(work, option: str, *, shows_progress: bool, shows_status: bool) -> None:
    work.commit("b")
    said = work.run("push", option, "origin", "main").stderr
    assert ("Writing objects" in said) == shows_progress
    assert ("To http" in said) == shows_status
    assert shows_status or said == ""


def test_who_pushed_is_remembered(work, remote) -> None:
    """In place of the reflog: the event names the token's actor, whoever made the commit."""
    head = work.commit("b")
    token = remote.site.new_token(remote.name, "read", "write", actor="grace")
    work("push", "-q", remote.site.address(remote.name, token), "main")
    event = remote.site.last_event(remote.name)
    assert event["actor"] == "grace"
    assert [change["new_sha"] for change in event["changes"]] == [head]


def test_a_password_is_asked_for_when_there_is_none(work, remote, stock) -> None:
    token = remote.site.new_token(remote.name, "read", "write")
    asker = stock.folder / "ask"
    asker.write_text(f'#!/bin/sh\ncase "$1" in Username*) echo git;; *) echo {token};; esac\n')
    asker.chmod(0o755)
    head = work.commit("b")
    work("push", "-q", remote.site.address(remote.name, ""), "main", GIT_ASKPASS=str(asker))
    assert remote.refs[MAIN] == head


def test_a_reader_needs_another_token_to_push(work, remote) -> None:
    """The server's half-open place: whoever may read is told what is missing when it pushes."""
    reader = remote.site.address(remote.name, remote.site.new_token(remote.name, "read"))
    work("fetch", "-q", reader)
    before = remote.refs
    work.commit("b")
    assert "403" in work.refused("push", reader, "main")
    assert remote.refs == before


@pytest.mark.slow
def test_thousands_of_tags_are_pushed_at_once(work, remote) -> None:
    head = work("rev-parse", "main")
    names = [f"refs/tags/a-really-long-name-of-a-tag-{number}" for number in range(2000)]
    work("update-ref", "--stdin", stdin="".join(f"create {name} {head}\n" for name in names).encode())
    work("push", "-q", "--mirror", "origin")
    assert {name for name in remote.refs if name.startswith("refs/tags/")} == set(names)


def test_the_token_shows_in_no_report(work, remote) -> None:
    said = work("push", "--porcelain", "origin", "+main:refs/heads/other")
    assert f"To {remote.site.address(remote.name, '')}" in said
    assert remote.site.token not in said


def test_a_branch_in_other_letters_with_a_lease(work, remote) -> None:
    work("checkout", "-q", "-b", "rama-de-árbol")
    head = work.commit("b")
    work("push", "-q", "--force-with-lease", "origin", "rama-de-árbol")
    assert remote.refs["refs/heads/rama-de-árbol"] == head
    work("push", "-q", "--delete", "--force-with-lease", "origin", "rama-de-árbol")
    assert set(remote.refs) == {MAIN}


def test_refusals_are_in_colour(work) -> None:
    work.commit("b")
    work("push", "-q", "origin", "main")
    colours = [f"color.{what}=always" for what in ("transport", "advice", "push")]
    settings = [part for colour in colours for part in ("-c", colour)]
    said = work.refused(*settings, "push", "origin", "origin/main^:main")
    assert re.search(r"\x1b\[31m ?! \[rejected\]", said)
    assert "\x1b[33mhint: " in said

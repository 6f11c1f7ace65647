"""Atomic pushes and push options: the cases of git's t5543 and t5545, over HTTP, with data of our own."""

import json
import re

import pytest

pytestmark = pytest.mark.slow

CLIENT = "git's t5543 and t5545, atomic pushes and push options"
MAIN = "refs/heads/main"
SECOND = "refs/heads/second"


@pytest.fixture
def work(stock, remote):
    """A work tree with branches `main` and `second` at the same commit, both pushed to `up`."""
    work = stock.at("work").begin()
    work.commit("one")
    work("branch", "second")
    work("remote", "add", "up", remote.url)
    work("push", "-q", remote.url, "main", "second")
    return work


def reports(said: str) -> list[str]:
    """What was said of each ref that was refused."""
    return [re.sub(r"  +", " ", line.strip()) for line in said.splitlines() if line.startswith(" ! ")]


# -- atomic --------------------------------------------------------------------------------------------


def test_one_branch(work, remote) -> None:
    head = work.commit("two")
    work("push", "-q", "--atomic", "up", "main")
    assert remote.refs[MAIN] == head


def test_two_branches(work, remote) -> None:
    main = work.commit("two")
    work("checkout", "-q", "second")
    second = work.commit("three")
    work("push", "-q", "--atomic", "up", "main", "second")
    assert remote.refs == {MAIN: main, SECOND: second}


def test_a_mirror(work, remote) -> None:
    main = work.commit("two")
    work("branch", "-q", "-D", "second")
    work("branch", "third")
    work("push", "-q", "--atomic", "--mirror", remote.url)
    assert remote.refs == {MAIN: main, "refs/heads/third": main}


def test_with_force(work, remote) -> None:
    work("checkout", "-q", "second")
    work.commit("two b")
    work.commit("three b")
    work("push", "-q", "up", "second")
    work("reset", "-q", "--hard", "HEAD^")
    second = work("rev-parse", "HEAD")
    work("checkout", "-q", "main")
    main = work.commit("two a")
    work("push", "-q", "--force", "--atomic", "up", "main", "second")
    assert remote.refs == {MAIN: main, SECOND: second}


@pytest.mark.parametrize("which", ["--all", "--mirror"])
def test_one_branch_that_is_behind_stops_all(work, remote, which: str) -> None:
    work("checkout", "-q", "second")
    work.commit("two")
    work("push", "-q", remote.url, "second")
    before = remote.refs
    work("reset", "-q", "--hard", "HEAD^")
    work.commit("three")
    work("checkout", "-q", "main")
    work.commit("four")
    if which == "--all":
        work.refused("push", "--atomic", which, remote.url)
        assert remote.refs == before
    else:
        work("push", "-q", "--atomic", which, remote.url)
        assert remote.refs == {MAIN: work("rev-parse", "main"), SECOND: work("rev-parse", "second")}


def test_one_tag_that_somebody_else_made_stops_all(work, remote, stock) -> None:
    work("push", "-q", remote.url, "main:refs/tags/mark")
    before = remote.refs
    work.commit("two")
    work("tag", "mark")
    said = work.refused("push", "--tags", "--atomic", "up", "main", "second")
    assert "mark -> mark (already exists)" in said
    assert remote.refs == before


def test_one_ref_that_the_server_refuses_stops_all(work, remote) -> None:
    """In place of a hook: a name that nobody may write."""
    before = remote.refs
    work.commit("two")
    said = work.refused("push", "--atomic", "up", "main", "main:refs/imprint/mine", "main:bar")
    assert reports(said) == [
        "! [remote rejected] main -> main (atomic push failure)",
        "! [remote rejected] main -> refs/imprint/mine (deny updating a hidden ref)",
        "! [remote rejected] main -> bar (atomic push failure)",
    ]
    assert remote.refs == before


def test_what_is_behind_is_told_apart_from_what_was_held_back(work, remote) -> None:
    work.commit("two")
    work("push", "-q", "up", "main")
    before = remote.refs
    work("reset", "-q", "--hard", "HEAD^")
    work("branch", "bar")
    said = work.refused("push", "--atomic", "up", "main", "second", "bar")
    assert reports(said) == [
        "! [rejected] main -> main (non-fast-forward)",
        "! [rejected] bar -> bar (atomic push failed)",
    ]
    assert remote.refs == before


# -- push options --------------------------------------------------------------------------------------


def told(remote) -> list[str]:
    """The options of the last push, as its event keeps them."""
    kept: list[str] = json.loads(remote.site.last_event(remote.name)["details"]["push_options"])
    return kept


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["push", "-o", "asdf"], ["asdf"]),
        (["push", "-o", "asdf", "-o", "more structured text"], ["asdf", "more structured text"]),
        (["-c", "push.pushOption=default", "push"], ["default"]),
        (["-c", "push.pushOption=one", "-c", "push.pushOption=two", "push"], ["one", "two"]),
        (["-c", "push.pushOption=default", "push", "-o", "manual"], ["manual"]),
        (
            ["-c", "push.pushOption=one", "-c", "push.pushOption=", "-c", "push.pushOption=two", "push"],
            ["two"],
        ),
        (["push", "-o", '"embedded quotes"'], ['"embedded quotes"']),
        (["push", "-o", "größe 名前"], ["größe 名前"]),
    ],
    ids=["one", "two", "default", "two defaults", "overridden", "cleared", "quotes", "letters"],
)
def test_options_arrive_as_given(work, remote, arguments: list[str], options: list[str]) -> None:
    head = work.commit("two")
    work(*arguments, "-q", "up", "main")
    assert told(remote) == options
    assert remote.refs[MAIN] == head


def test_an_option_without_a_value_never_leaves_the_client(work, remote) -> None:
    before = remote.refs
    work.commit("two")
    work.refused("-c", "push.pushOption", "push", "up", "main")
    assert remote.refs == before


def test_more_options_than_allowed_are_refused(work, remote) -> None:
    before = remote.refs
    work.commit("two")
    options = [part for number in range(100) for part in ("-o", str(number))]
    assert "413" in work.refused("push", *options, "up", "main")
    assert remote.refs == before


def test_options_reach_the_repositories_of_submodules_too(work, remote, site, stock) -> None:
    inner = site.create()
    part = stock.at("part").begin()
    part.commit("one")
    part("push", "-q", site.address(inner), "main")
    work("submodule", "--quiet", "add", site.address(inner), "part")
    work("commit", "-q", "-m", "part")
    work("push", "-q", "up", "main")
    there = work.at("part")
    there("remote", "rename", "origin", "up")
    head = there.commit("two")
    work("add", "part")
    work("commit", "-q", "-m", "newer part")
    work("push", "-q", "-o", "asdf", "--recurse-submodules=on-demand", "up", "main")
    assert site.refs(inner)[MAIN] == head
    assert told(remote) == ["asdf"]
    assert json.loads(site.last_event(inner)["details"]["push_options"]) == ["asdf"]

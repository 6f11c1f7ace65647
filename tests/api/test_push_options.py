"""Push options that name a session: bound like a session token's work, refused where it is another's."""

import shutil

import pytest

from imprint.store.actors import ActorKind, Verb
from imprint.store.hosting.access import SessionSeed


@pytest.fixture
def place(server):
    """A repository with one commit, a clone of ada's, and the address with her token."""
    name, git = server.pushed({"a.py": "1\n"})
    return name, git, server.git_url(name, server.token(name))


def claims(server, name: str, commit: str) -> list[dict[str, object]]:
    server.settle()
    asked = {"path": "a.py", "line": 1}
    why = server.client(server.admin).get(f"/api/repos/{name}/why", params=asked).json()
    return [claim for claim in why["claims"] if claim.get("commit", commit) == commit]


def push(git, url: str, *options: str):
    given = [part for option in options for part in ("-o", option)]
    return git.run("push", *given, url, "HEAD:refs/heads/main")


def test_a_push_in_a_session_is_bound_to_it(server, place) -> None:
    name, git, url = place
    commit = git.commit({"a.py": "2\n"}, "Two")
    done = push(git, url, "session=s-9", "agent=codex", "model=m-1", "prompt=Make it two.")
    assert done.returncode == 0, done.stderr
    assert b"not bound" not in done.stderr
    best = claims(server, name, commit)[0]
    assert (best["evidence"], best["session"], best["agent"], best["prompt"]) == (
        "bound",
        "s-9",
        "codex",
        "Make it two.",
    )
    events = server.client(server.token(name, verbs=frozenset({Verb.READ}))).get(f"/api/repos/{name}/events")
    assert "Make it two." not in events.text
    data = server.hosting.folder.root
    assert [path for path in data.rglob("*") if path.is_file() and b"Make it two." in path.read_bytes()] == []


@pytest.mark.skipif(not (shutil.which("ssh") and shutil.which("ssh-keygen")), reason="needs OpenSSH's client")
def test_over_ssh_too(server, keys) -> None:
    name = server.repository()
    key = keys.make()
    keys.register(server, key, name)
    git = keys.client(server, key)
    git.commit({"a.py": "1\n"}, "One")
    git.environment |= {"GIT_COMMITTER_NAME": "Eve", "GIT_COMMITTER_EMAIL": "eve@example.com"}
    git.commit({"a.py": "2\n"}, "Two")
    done = push(git, keys.url(server, name), "session=s-10", "ci.skip")
    assert done.returncode == 0, done.stderr
    assert b"1 of 2 commits are not bound to session s-10: committer Eve" in done.stderr
    event = server.client(server.admin).get(f"/api/repos/{name}/events").json()["events"][-1]
    assert event["claim"]["session"] == "s-10"


def test_a_committer_who_is_not_the_actor_is_told(server, place) -> None:
    name, git, url = place
    git("config", "user.name", "Eve")
    git.environment |= {"GIT_COMMITTER_NAME": "Eve", "GIT_COMMITTER_EMAIL": "eve@example.com"}
    commit = git.commit({"a.py": "2\n"}, "Two")
    done = push(git, url, "session=s-9")
    assert done.returncode == 0
    said = [line for line in done.stderr.decode().splitlines() if "not bound" in line]
    assert len(said) == 1
    assert "1 of 1 commits are not bound to session s-9: committer Eve <eve@example.com>" in said[0]
    assert "is not ada, known by address ada@example.com" in said[0]
    assert all(claim["evidence"] != "bound" for claim in claims(server, name, commit))


def test_a_commit_from_before_the_session_is_told(server, place) -> None:
    _, git, url = place
    begin = git("rev-parse", "HEAD")
    git.commit({"a.py": "2\n"}, "Two")
    assert push(git, url).returncode == 0
    git("checkout", "-q", "-b", "old", begin)
    git.commit({"b.py": "2\n"}, "Aside")
    done = git.run("push", "-o", "session=late", url, "HEAD:refs/heads/old")
    assert done.returncode == 0
    assert b"1 of 1 commits are not bound to session late: they do not descend from" in done.stderr


def test_a_session_of_another_actor_is_refused(server, place) -> None:
    name, git, url = place
    server.hosting.issue_token(
        actor="agent-7",
        kind=ActorKind.AGENT,
        repositories=(name,),
        verbs=frozenset({Verb.READ}),
        session=SessionSeed("s-7"),
    )
    before = git("ls-remote", url)
    git.commit({"a.py": "2\n"}, "Two")
    done = push(git, url, "session=s-7")
    assert done.returncode != 0
    assert b"session 's-7' belongs to another actor" in done.stderr
    assert git("ls-remote", url) == before


def test_a_token_with_a_session_names_no_other(server, place) -> None:
    name, git, _ = place
    url = server.git_url(name, server.token(name, session=SessionSeed("own", "codex", "m", "First.")))
    git.commit({"a.py": "2\n"}, "Two")
    done = push(git, url, "session=other")
    assert done.returncode != 0
    assert b"the token belongs to session 'own' and cannot name 'other'" in done.stderr
    done = push(git, url, "session=own", "prompt=Second.")
    assert done.returncode == 0, done.stderr
    event = server.client(server.admin).get(f"/api/repos/{name}/events").json()["events"][-1]
    assert event["claim"]["session"] == "own"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("session=a", "session=b"), b"'session' is given twice"),
        (("session=",), b"'session' is empty"),
        (("agent=codex",), b"push options speak of agent, but of no session"),
        (("session=a\x1bb",), b"session"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(place, options, why) -> None:
    _, git, url = place
    git.commit({"a.py": "2\n"}, "Two")
    done = push(git, url, *options)
    assert done.returncode != 0
    assert why in done.stderr

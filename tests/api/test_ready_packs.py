"""A pack that is ready is given to those who may have it, and to nobody else."""

import subprocess

import pytest

from imprint.store.types import RepositoryName


@pytest.fixture
def pushed(server):
    """A repository with a branch and one more, both asked for once, so that their packs are ready."""
    name, git = server.pushed({"a": "1"})
    git.commit({"b": "2"}, "More")
    git("push", "-q", server.git_url(name, server.token(name)), "HEAD:refs/heads/more")
    for branch in ("main", "more"):
        assert take(server, git, name, server.token(name), branch) == ""
    return name, git


def take(server, git, name: str, token: str, want: str) -> str:
    """Fetch one ref, or commit, into a new clone; what git complained of."""
    folder = git.folder / f"clone-{next(server.numbers)}"
    git("init", "-q", "--bare", str(folder))
    command = ["git", "-C", str(folder), "fetch", "-q", server.git_url(name, token), want]
    done = subprocess.run(command, env=git.environment, capture_output=True, text=True, check=False)
    assert bool(done.returncode) is bool(done.stderr)
    return done.stderr


def test_it_is_not_given_to_a_token_of_another_repository(server, pushed) -> None:
    name, git = pushed
    other = server.repository()
    assert "not found" in take(server, git, name, server.token(other), "main")
    assert take(server, git, name, server.token(name), "main") == ""
    assert "not found" in take(server, git, name, server.token(other), "main")


def test_it_is_not_given_of_a_ref_that_was_hidden_since(server, pushed) -> None:
    name, git = pushed
    tip = git("rev-parse", "HEAD")
    assert take(server, git, name, server.token(name), tip) == ""
    server.hosting.change_settings(RepositoryName.parse(name), {"transfer.hideRefs": "refs/heads/more"}, None)
    assert take(server, git, name, server.token(name), "more")
    assert take(server, git, name, server.token(name), tip)
    assert take(server, git, name, server.token(name), "main") == ""


def test_it_is_not_given_of_a_repository_that_was_destroyed(server, pushed) -> None:
    name, git = pushed
    server.hosting.delete(RepositoryName.parse(name), None, grace_ms=0)
    server.hosting.purge_due()
    assert "not found" in take(server, git, name, server.token("*"), "main")
    server.hosting.create(RepositoryName.parse(name), None)
    assert take(server, git, name, server.token(name), "main")
    assert take(server, git, name, server.token(name), git("rev-parse", "HEAD"))

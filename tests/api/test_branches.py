"""Branches and merges over REST: what a stock client finds afterwards, and refusals with their facts."""

import pytest

from imprint.store.actors import Verb

READ = frozenset({Verb.READ})


@pytest.fixture
def forked(server):
    """A repository whose branches `main` and `topic` went on from one commit; a client; its work tree."""
    name, git = server.pushed({"a.txt": "a\n", "shared.txt": "1\n2\n3\n"})
    git("checkout", "-q", "-b", "topic")
    git.commit({"topic.txt": "topic\n"}, "Topic")
    git("checkout", "-q", "main")
    git.commit({"main.txt": "main\n"}, "Main")
    git("push", "-q", server.git_url(name, server.admin), "main", "topic")
    return name, server.client(server.token(name, actor="agent-9")), git


def test_branches_are_listed_in_pages(forked) -> None:
    name, client, git = forked
    first = client.get(f"/api/repos/{name}/branches", params={"limit": 1}).json()
    assert first == {
        "branches": [{"name": "main", "sha": git("rev-parse", "main"), "is_default": True}],
        "next_cursor": "main",
        "has_more": True,
    }
    rest = client.get(f"/api/repos/{name}/branches", params={"cursor": "main"}).json()
    assert [each["name"] for each in rest["branches"]] == ["topic"]
    assert (rest["next_cursor"], rest["has_more"]) == (None, False)


def test_a_branch_is_made_from_a_ref_or_a_commit_and_deleted(server, forked) -> None:
    name, client, git = forked
    url = f"/api/repos/{name}/branches"
    main, topic = git("rev-parse", "main"), git("rev-parse", "topic")
    made = client.post(url, json={"target_branch": "release/1", "base_ref": "topic"})
    assert made.status_code == 201, made.text
    assert (made.json()["new_sha"], made.json()["event"]["kind"]) == (topic, "push")
    assert client.post(url, json={"target_branch": "b", "base_sha": main}).json()["new_sha"] == main
    assert client.post(url, json={"target_branch": "c"}).json()["new_sha"] == main
    seen = git("ls-remote", "--heads", server.git_url(name, server.admin), "release/1")
    assert seen.split()[0] == topic
    stale = client.delete(f"{url}/release/1", params={"expected_head_sha": main})
    assert (stale.status_code, stale.json()["actual"]) == (409, topic)
    gone = client.delete(f"{url}/release/1", params={"expected_head_sha": topic})
    assert (gone.status_code, gone.json()["old_sha"], gone.json()["new_sha"]) == (200, topic, None)
    assert client.delete(f"{url}/release/1").status_code == 404


def test_a_branch_that_is_there_is_said_to_be_there(forked) -> None:
    name, client, git = forked
    answer = client.post(f"/api/repos/{name}/branches", json={"target_branch": "topic"})
    assert answer.status_code == 409
    problem = answer.json()
    topic = git("rev-parse", "topic")
    assert (problem["code"], problem["actual"]) == ("stale_update", topic)
    assert problem["detail"].startswith(f"branch topic exists already, at {topic}")
    assert "choose another name" in problem["hint"]


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"target_branch": "main"}, 409),
        ({"target_branch": "main/sub"}, 409),
        ({"target_branch": "a..b"}, 400),
        ({"target_branch": "refs/tags/v1"}, 400),
        ({"target_branch": "x", "base_ref": "nowhere"}, 404),
        ({"target_branch": "x", "base_ref": "main", "base_sha": "1" * 40}, 400),
        ({"target_branch": "x", "base_sha": "1" * 40}, 403),
        ({"target_branch": "x", "base_sha": "main"}, 400),
    ],
)
def test_a_branch_that_cannot_be_is_refused(forked, wish, status) -> None:
    name, client, _ = forked
    answer = client.post(f"/api/repos/{name}/branches", json=wish)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"]


def test_a_merge_is_previewed_then_done_and_stock_git_agrees(server, forked) -> None:
    name, client, git = forked
    wish = {"target_branch": "main", "source_branch": "topic"}
    seen = client.post(f"/api/repos/{name}/merges/preview", json=wish).json()
    git("merge", "-q", "--no-edit", "topic")
    tree = git("rev-parse", "HEAD^{tree}")
    assert (seen["status"], seen["tree_sha"], seen["conflict_paths"]) == ("clean", tree, [])
    assert seen["merge_base_sha"] == git("merge-base", "main~1", "topic")

    answer = client.post(
        f"/api/repos/{name}/merges",
        json={**wish, "expected_head_sha": seen["target_sha"], "session": "s-9", "agent": "codex"},
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["status"], made["tree_sha"], made["old_sha"]) == ("merged", tree, seen["target_sha"])
    assert (made["event"]["kind"], made["event"]["claim"]["session"]) == ("merge", "s-9")
    clone = server.work_tree()
    clone("clone", "-q", server.git_url(name, server.admin), "clone")
    assert clone("-C", "clone", "rev-parse", "HEAD") == made["commit_sha"]
    clone("-C", "clone", "fsck", "--full", "--strict")

    again = client.post(f"/api/repos/{name}/merges", json=wish).json()
    assert (again["status"], again["event"], again["new_sha"]) == ("up_to_date", None, made["new_sha"])


def test_a_conflict_is_409_with_its_paths(server, forked) -> None:
    name, client, git = forked
    for branch in ("main", "topic"):
        git("checkout", "-q", branch)
        git.commit({"shared.txt": f"{branch}\n2\n3\n", "söme.txt": branch}, branch)
    git("push", "-q", server.git_url(name, server.admin), "main", "topic")
    wish = {"target_branch": "main", "source_branch": "topic"}
    seen = client.post(f"/api/repos/{name}/merges/preview", json=wish)
    assert (seen.status_code, seen.json()["status"]) == (200, "conflicted")
    answer = client.post(f"/api/repos/{name}/merges", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "merge_conflict")
    assert sorted(answer.json()["conflict_paths"]) == ["shared.txt", "söme.txt"]
    assert sorted(seen.json()["conflict_paths"]) == ["shared.txt", "söme.txt"]


def test_strategies_and_squash_go_through(forked) -> None:
    name, client, _ = forked
    url = f"/api/repos/{name}/merges"
    wish = {"target_branch": "main", "source_branch": "topic"}
    assert client.post(url, json={**wish, "strategy": "ff_only"}).status_code == 409
    author = {"name": "Eve", "email": "eve@example.com"}
    squashed = client.post(
        url, json={**wish, "squash": True, "commit_message": "All", "author": author}
    ).json()
    assert squashed["status"] == "merged"
    back = {"target_branch": "topic", "source_sha": squashed["new_sha"], "strategy": "merge"}
    assert client.post(url, json=back).json()["status"] == "merged"
    ahead = {"target_branch": "main", "source_branch": "topic", "strategy": "ff_prefer"}
    assert client.post(url, json=ahead).json()["status"] == "fast_forward"


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"target_branch": "main"}, 400),
        ({"target_branch": "main", "source_branch": "topic", "source_sha": "1" * 40}, 400),
        ({"target_branch": "main", "source_branch": "none"}, 404),
        ({"target_branch": "none", "source_branch": "topic"}, 404),
        ({"target_branch": "main", "source_sha": "1" * 40}, 404),
        ({"target_branch": "main", "source_branch": "topic", "strategy": "best"}, 422),
        ({"target_branch": "main", "source_branch": "topic", "expected_head_sha": "1" * 40}, 409),
    ],
)
def test_a_merge_that_cannot_be_is_refused(forked, wish, status) -> None:
    name, client, _ = forked
    answer = client.post(f"/api/repos/{name}/merges", json=wish)
    assert answer.status_code == status, answer.text


def test_a_reader_may_look_and_not_merge(server, forked) -> None:
    name, _, _ = forked
    client = server.client(server.token(name, actor="eve", verbs=READ))
    wish = {"target_branch": "main", "source_branch": "topic"}
    assert client.post(f"/api/repos/{name}/merges/preview", json=wish).status_code == 200
    assert client.post(f"/api/repos/{name}/merges", json=wish).status_code == 403
    assert client.post(f"/api/repos/{name}/branches", json={"target_branch": "x"}).status_code == 403
    assert client.delete(f"/api/repos/{name}/branches/topic").status_code == 403

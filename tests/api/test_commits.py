"""Commits over REST: from files to a commit that stock git can clone, bound to its session."""

import base64

import pytest

from imprint.store.actors import Verb
from imprint.store.hosting.access import SessionSeed


@pytest.fixture
def place(server):
    """A repository with one commit, a client that may write to it, and the commit."""
    name, git = server.pushed({"README.md": "# Place\n", "old.txt": "old\n"})
    return name, server.client(server.token(name, actor="agent-5")), git("rev-parse", "HEAD")


def wish(**change: object) -> dict[str, object]:
    return {
        "target_branch": "main",
        "commit_message": "Add a file",
        "files": [{"path": "src/new.py", "content": "print('new')\n"}],
        **change,
    }


def test_a_commit_lands_with_its_session_in_one_event(server, place) -> None:
    name, client, head = place
    answer = client.post(
        f"/api/repos/{name}/commits",
        json=wish(expected_head_sha=head, session="s-1", agent="codex", model="gpt-5", prompt="Add a file."),
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["old_sha"], made["new_sha"], made["target_branch"]) == (head, made["commit_sha"], "main")
    assert (made["event"]["kind"], made["event"]["claim"]["session"]) == ("commit", "s-1")
    assert made["event"]["changes"] == [
        {"ref": "refs/heads/main", "old_sha": head, "new_sha": made["new_sha"]}
    ]

    git = server.work_tree()
    git("clone", "-q", server.git_url(name, server.admin), "clone")
    assert git("-C", "clone", "rev-parse", "HEAD", "HEAD^{tree}").split() == [
        made["commit_sha"],
        made["tree_sha"],
    ]
    assert git("-C", "clone", "show", "HEAD:src/new.py") == "print('new')"
    git("-C", "clone", "fsck", "--full", "--strict")

    server.settle()
    why = client.get(f"/api/repos/{name}/why", params={"path": "src/new.py", "line": 1}).json()
    best = why["claims"][0]
    assert (best["evidence"], best["actor"], best["agent"], best["prompt"]) == (
        "bound",
        "agent-5",
        "codex",
        "Add a file.",
    )


def test_a_prompt_without_a_session_opens_one(place) -> None:
    name, client, _ = place
    made = client.post(f"/api/repos/{name}/commits", json=wish(prompt="Add a file.", agent="codex")).json()
    claim = made["event"]["claim"]
    assert claim["agent"] == "codex"
    sessions = client.get(f"/api/repos/{name}/sessions").json()["sessions"]
    assert [session["id"] for session in sessions] == [claim["session"]]


def test_a_stale_head_is_a_conflict_with_both_values(place) -> None:
    name, client, head = place
    first = client.post(f"/api/repos/{name}/commits", json=wish(expected_head_sha=head)).json()
    again = wish(expected_head_sha=head, files=[{"path": "b", "content": "b"}])
    answer = client.post(f"/api/repos/{name}/commits", json=again)
    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["code"], problem["ref"]) == ("stale_update", "refs/heads/main")
    assert (problem["expected"], problem["actual"]) == (head, first["new_sha"])


def test_without_an_expected_head_the_commit_goes_on_top(place) -> None:
    name, client, _ = place
    first = client.post(f"/api/repos/{name}/commits", json=wish()).json()
    second = client.post(
        f"/api/repos/{name}/commits", json=wish(files=[{"path": "b", "content": "b"}])
    ).json()
    assert second["old_sha"] == first["new_sha"]


@pytest.mark.parametrize("base", ["left out", "v1", "main", "id", None])
def test_a_new_branch_begins_where_it_is_said_and_else_at_head(server, place, base) -> None:
    name, client, first = place
    git = server.work_tree()
    git("clone", "-q", server.git_url(name, server.admin), "clone")
    git("-C", "clone", "push", "-q", "origin", f"{first}:refs/tags/v1")
    head = client.post(f"/api/repos/{name}/commits", json=wish()).json()["new_sha"]
    asked = {} if base == "left out" else {"base_ref": first if base == "id" else base}
    files = [{"path": "born.txt", "content": "born\n"}]
    made = client.post(f"/api/repos/{name}/commits", json=wish(target_branch="born", files=files, **asked))
    assert (made.status_code, made.json()["old_sha"]) == (201, None)
    git("-C", "clone", "fetch", "-q", "origin")
    parent = {"left out": head, "v1": first, "main": head, "id": first, None: None}[base]
    parents = git("-C", "clone", "log", "-1", "--format=%P", "origin/born")
    assert parents == (parent or "")
    assert len(git("-C", "clone", "ls-tree", "origin/born").splitlines()) == (3 if first == parent else 1) + (
        3 if parent == head else 0
    )


def test_a_first_commit_needs_no_start_and_a_start_must_be_there(server) -> None:
    name = server.repository()
    client = server.client(server.token(name))
    lost = client.post(f"/api/repos/{name}/commits", json=wish(base_ref="nowhere"))
    assert (lost.status_code, lost.json()["code"]) == (404, "ref_missing")
    assert client.post(f"/api/repos/{name}/commits", json=wish()).status_code == 201


def test_null_means_that_the_branch_must_not_exist(place) -> None:
    name, client, _ = place
    new = wish(expected_head_sha=None, target_branch="born/here")
    made = client.post(f"/api/repos/{name}/commits", json=new)
    assert (made.status_code, made.json()["old_sha"]) == (201, None)
    new["files"] = [{"path": "b", "content": "b"}]
    assert client.post(f"/api/repos/{name}/commits", json=new).status_code == 409


def test_bytes_modes_deletions_and_odd_paths(server, place) -> None:
    name, client, _ = place
    noise = bytes(range(256))
    files = [
        {"path": "noise.bin", "content": base64.b64encode(noise).decode(), "encoding": "base64"},
        {"path": "run.sh", "content": "#!/bin/sh\n", "mode": "100755"},
        {"path": "link", "content": "run.sh", "mode": "120000"},
        {"path": "old.txt", "action": "delete"},
        {"path": '"caf\\351.txt"', "content": "latin\n"},
    ]
    answer = client.post(f"/api/repos/{name}/commits", json=wish(files=files))
    assert answer.status_code == 201, answer.text
    git = server.work_tree()
    git("clone", "-q", "--bare", server.git_url(name, server.admin), "bare.git")
    listed = git("-C", "bare.git", "ls-tree", "HEAD").splitlines()
    assert [line.split()[0] + " " + line.split("\t")[1] for line in listed] == [
        "100644 README.md",
        '100644 "caf\\351.txt"',
        "120000 link",
        "100644 noise.bin",
        "100755 run.sh",
    ]
    answer = client.get(f"/api/repos/{name}/file", params={"path": '"caf\\351.txt"'}).json()
    assert (answer["path"], answer["content"], answer["encoding"]) == ('"caf\\351.txt"', "latin\n", "utf-8")
    answer = client.get(f"/api/repos/{name}/file", params={"path": "noise.bin"}).json()
    assert (base64.b64decode(answer["content"]), answer["size_bytes"]) == (noise, 256)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"files": []}, 422, "bad_request"),
        ({"files": [{"path": "../up", "content": ""}]}, 400, "bad_path"),
        ({"files": [{"path": ".git/config", "content": ""}]}, 400, "bad_path"),
        ({"files": [{"path": "a", "content": "a"}, {"path": "a", "content": "b"}]}, 400, "bad_path"),
        ({"files": [{"path": '"open', "content": ""}]}, 400, "bad_path"),
        ({"files": [{"path": "a"}]}, 400, "bad_request"),
        ({"files": [{"path": "a", "content": "x", "action": "delete"}]}, 400, "bad_request"),
        ({"files": [{"path": "nothing", "action": "delete"}]}, 404, "path_missing"),
        ({"files": [{"path": "a", "content": "!", "encoding": "base64"}]}, 400, "bad_request"),
        ({"files": [{"path": "a", "content": "é", "encoding": "base64"}]}, 400, "bad_request"),
        ({"files": [{"path": "a", "content": "x", "mode": "160000"}]}, 422, "bad_request"),
        ({"files": [{"path": "README.md", "content": "# Place\n"}]}, 400, "bad_input"),
        ({"target_branch": "a..b"}, 400, "bad_ref_name"),
        ({"target_branch": "refs/tags/v1"}, 400, "bad_ref_name"),
        ({"expected_head_sha": "abc"}, 400, "bad_object_id"),
        ({"commit_message": ""}, 422, "bad_request"),
        ({"message": "misspelt"}, 422, "bad_request"),
    ],
)
def test_a_commit_that_cannot_be_leaves_nothing(server, place, change, status: int, code: str) -> None:
    name, client, head = place
    answer = client.post(f"/api/repos/{name}/commits", json=wish(**change))
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert client.get(f"/api/repos/{name}/refs").json()["head_sha"] == head


def test_a_token_of_a_session_cannot_name_another(server, place) -> None:
    name, _, _ = place
    client = server.client(server.token(name, actor="agent-6", session=SessionSeed("mine")))
    assert client.post(f"/api/repos/{name}/commits", json=wish(session="theirs")).status_code == 409
    made = client.post(f"/api/repos/{name}/commits", json=wish())
    assert made.json()["event"]["claim"]["session"] == "mine"


def test_a_commit_larger_than_other_requests_may_be_is_taken(server, place) -> None:
    name, client, _ = place
    size = server.app.state.services.settings.json_bytes_max + 1
    answer = client.post(
        f"/api/repos/{name}/commits", json=wish(files=[{"path": "big", "content": "x" * size}])
    )
    assert answer.status_code == 201


def test_a_body_that_says_nothing_of_its_type_is_not_read_as_json(server, place) -> None:
    """A form of a foreign page could send such a body; JSON with its type it could not."""
    name, client, _ = place
    answer = client.post(f"/api/repos/{name}/commits", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422


def test_the_verb_write_is_enough_and_needed(server, place) -> None:
    name, _, _ = place
    reader = server.client(server.token(name, verbs=frozenset({Verb.READ})))
    assert reader.post(f"/api/repos/{name}/commits", json=wish()).status_code == 403
    writer = server.client(server.token(name, verbs=frozenset({Verb.WRITE})))
    assert writer.post(f"/api/repos/{name}/commits", json=wish()).status_code == 201

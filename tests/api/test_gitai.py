"""Git AI's notes protocol: what its client sends comes back, and is a git note with all its versions."""

import json
import threading

import pytest

from imprint.store.actors import Verb
from imprint.store.types import RepositoryName

SESSION = "s_c9883b05a2487d"
LINES_OF_LONG_NOTE = 9 * 1024 * 1024


def note(path: str = "a.py", lines: str = "1-2", tool: str = "cursor") -> str:
    metadata = {
        "schema_version": "authorship/3.0.0",
        "prompts": {},
        "sessions": {SESSION: {"agent_id": {"tool": tool, "id": "c-1", "model": "m-1"}}},
    }
    return f"{path}\n  {SESSION}::t_9f8e7d6c5b4a32 {lines}\n---\n{json.dumps(metadata)}"


@pytest.fixture
def place(server):
    """A repository with one commit, and what uploads to it."""
    name, git = server.pushed({"a.py": "1\n2\n"})
    return name, git, git("rev-parse", "HEAD"), Worker(server, name, server.token(name))


class Worker:
    """Git AI's client, as its sources send: `X-API-Key`, JSON, and addresses below a base."""

    def __init__(self, server, name: str, token: str, base: str = "") -> None:
        self.http = server.client(None)
        self.base = base or f"/api/repos/{name}/git-ai"
        self.headers = {"X-API-Key": token}

    def upload(self, *entries: tuple[str, str], end: str = ""):
        body = {"entries": [{"commit_sha": commit, "content": content} for commit, content in entries]}
        return self.http.post(f"{self.base}/worker/notes/upload{end}", json=body, headers=self.headers)

    def read(self, *commits: str):
        return self.http.get(f"{self.base}/worker/notes/?commits={','.join(commits)}", headers=self.headers)


def fetched_notes(server, name: str):
    git = server.work_tree()
    git("fetch", "-q", server.git_url(name, server.admin), "+refs/notes/*:refs/notes/*")
    return git


def test_a_note_comes_back_and_is_what_git_shows(server, place) -> None:
    name, _, commit, worker = place
    answer = worker.upload((commit, note()))
    assert (answer.status_code, answer.json()) == (200, {"success_count": 1, "failure_count": 0})
    read = worker.read(commit, "c" * 40)
    assert (read.status_code, read.json()) == (200, {"notes": {commit: note()}})
    git = fetched_notes(server, name)
    assert git("notes", "--ref=ai", "show", commit) == note()
    assert (
        git("log", "-1", "--format=%an %cn %s", "refs/notes/ai")
        == "ada ada Notes of 1 commits, written by ada"
    )
    git("fsck", "--full", "--strict")


def test_every_version_stays_and_what_is_said_again_makes_none(server, place) -> None:
    name, _, commit, worker = place
    for text in ("one", "two", "two", "three"):
        assert worker.upload((commit, text)).json()["success_count"] == 1
    git = fetched_notes(server, name)
    versions = git("log", "--format=%H", "refs/notes/ai").split()
    assert [git("show", f"{each}:{commit}") for each in versions] == ["three", "two", "one"]


def test_a_note_is_claimed_like_a_pushed_one(server, place) -> None:
    name, _, commit, worker = place
    worker.upload((commit, note(tool="cursor")))
    server.settle()
    why = server.client(server.admin).get(f"/api/repos/{name}/why", params={"path": "a.py", "line": 1}).json()
    assert any(claim["agent"] == "cursor" for claim in why["claims"])


def test_nothing_known_is_404_with_an_empty_map(place) -> None:
    *_, commit, worker = place
    for asked in ((), (commit,), ("abcd",)):
        answer = worker.read(*asked)
        assert (answer.status_code, answer.json()) == (404, {"notes": {}})


def test_the_contract_s_corners(place) -> None:
    *_, commit, worker = place
    assert worker.upload().json() == {"success_count": 0, "failure_count": 0}
    assert worker.upload((commit, ""), end="/").json()["success_count"] == 1
    assert worker.read(commit).json() == {"notes": {commit: ""}}
    assert worker.read(commit.upper()).status_code == 404, "keys are compared exactly"
    bare = worker.http.get(f"{worker.base}/worker/notes", headers=worker.headers)
    assert (bare.status_code, "error" in bare.json()) == (400, True)
    for wrong in (b"not json", b"[]", b'{"entries": 1}', b'{"entries": [{"commit_sha": "ab"}]}'):
        answer = worker.http.post(f"{worker.base}/worker/notes/upload", content=wrong, headers=worker.headers)
        assert (answer.status_code, "error" in answer.json()) == (400, True), wrong
    assert worker.http.get(f"{worker.base}/worker/other", headers=worker.headers).status_code == 404
    nobody = worker.http.get(f"{worker.base}/worker/notes/?commits={commit}")
    assert (nobody.status_code, "error" in nobody.json()) == (401, True)


def test_a_malformed_entry_fails_with_its_place_and_the_rest_is_written(place) -> None:
    *_, commit, worker = place
    answer = worker.upload(("xyz", "a"), (commit, note()), (commit[:12], "b"), ("d" * 40, "no format at all"))
    told = answer.json()
    assert (told["success_count"], told["failure_count"]) == (2, 2)
    assert [(each["entry"], each["stored"]) for each in told["problems"]] == [
        (0, False),
        (2, False),
        (3, True),
    ]
    assert worker.read(commit, "d" * 40).json()["notes"] == {commit: note(), "d" * 40: "no format at all"}


def test_large_notes_and_bodies_are_taken(place) -> None:
    *_, commit, worker = place
    large = "x" * LINES_OF_LONG_NOTE
    assert worker.upload((commit, large)).json()["success_count"] == 1
    assert worker.read(commit).json()["notes"][commit] == large


def test_who_may_not_write_writes_no_notes(server, place) -> None:
    name, _, commit, _ = place
    reader = Worker(server, name, server.token(name, verbs=frozenset({Verb.READ})))
    assert reader.upload((commit, "a")).status_code == 403
    assert reader.read(commit).status_code == 404
    stranger = Worker(server, name, server.token(server.repository()))
    assert stranger.upload((commit, "a")).status_code == 404


def test_hidden_notes_are_neither_written_nor_read(server, place) -> None:
    name, _, commit, worker = place
    worker.upload((commit, "a"))
    server.hosting.change_settings(RepositoryName.parse(name), {"transfer.hideRefs": "refs/notes"}, None)
    assert worker.upload((commit, "b")).status_code == 403
    assert worker.read(commit).status_code == 404


def test_a_token_for_one_repository_needs_no_name_in_the_address(server, place) -> None:
    name, _, commit, _ = place
    worker = Worker(server, name, server.token(name), base="/api/git-ai")
    worker.headers["Authorization"] = "Bearer another-service"
    assert worker.upload((commit, note())).json()["success_count"] == 1
    assert worker.read(commit).json()["notes"] == {commit: note()}
    everywhere = Worker(server, name, server.admin, base="/api/git-ai")
    answer = everywhere.read(commit)
    assert (answer.status_code, "error" in answer.json()) == (400, True)


def test_uploads_and_pushes_of_notes_lose_nothing_of_each_other(server, place) -> None:
    """Many uploaders at once, while stock git pushes notes of its own."""
    name, git, commit, worker = place
    failures: list[object] = []

    def upload(number: int) -> None:
        own = Worker(server, name, worker.headers["X-API-Key"])
        answer = own.upload((f"{number:040x}", f"{number}"), ("e" * 40, f"{number}"))
        if answer.json().get("success_count") != 2:
            failures.append(answer.text)

    def push() -> bool:
        git("fetch", "-q", url, "+refs/notes/*:refs/notes/*")
        git("notes", "--ref=ai", "add", "-f", "-m", "pushed", commit)
        return git.run("push", "-q", url, "refs/notes/ai").returncode == 0

    url = server.git_url(name, server.token(name))
    worker.upload(("f" * 40, "first"))
    threads = [threading.Thread(target=upload, args=(number,)) for number in range(1, 33)]
    for thread in threads:
        thread.start()
    is_pushed = False
    while not is_pushed and any(thread.is_alive() for thread in threads):
        is_pushed = push()
    for thread in threads:
        thread.join()
    assert is_pushed or push()
    assert failures == []
    after = fetched_notes(server, name)
    listed = {line.split()[1] for line in after("notes", "--ref=ai", "list").splitlines()}
    assert listed == {"e" * 40, "f" * 40, commit, *(f"{number:040x}" for number in range(1, 33))}
    for number in (1, 17, 32):
        assert after("notes", "--ref=ai", "show", f"{number:040x}") == f"{number}"
    assert after("notes", "--ref=ai", "show", commit) == "pushed"
    after("fsck", "--full", "--strict")

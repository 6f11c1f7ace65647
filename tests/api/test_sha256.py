"""A repository with SHA-256 ids, from its creation over everything that is asked of code and its origin."""

import pytest

CODE = "def retry():\n    return 1\n"


@pytest.fixture
def place(server):
    """Made over REST, pushed to by stock git; its name, a client, and the commit."""
    admin = server.client(server.admin)
    name = f"wide/repo-{next(server.numbers)}"
    made = admin.post("/api/repos", json={"name": name, "object_format": "sha256"})
    assert made.status_code == 201, made.text
    assert made.json()["object_format"] == "sha256"
    git = server.work_tree()
    git("init", "-q", "-b", "main", "--object-format=sha256", "wide")
    git.folder /= "wide"
    head = git.commit({"app/retry.py": CODE, "README.md": "# Wide\n"}, "Begin")
    git("push", "-q", server.git_url(name, server.token(name)), "HEAD:refs/heads/main")
    return name, server.client(server.token(name, actor="agent-9")), head


def test_every_question_about_code_is_answered(server, place) -> None:
    name, client, head = place
    server.settle()
    assert len(head) == 64

    def ask(noun: str, **parameters: object):
        answer = client.get(f"/api/repos/{name}/{noun}", params=parameters)
        assert answer.status_code == 200, (noun, answer.text)
        return answer.json()

    assert ask("refs")["refs"] == [{"name": "refs/heads/main", "sha": head, "peeled_sha": None}]
    assert ask("search", q="retry")["hits"][0]["path"] == "app/retry.py"
    assert ask("symbols", name="retry")["symbols"]
    assert head in str(ask("blame", path="app/retry.py"))
    assert ask("why", path="app/retry.py", line=1)
    assert ask("audit")
    for page in ("", "/tree/main", f"/blob/{head}/app/retry.py", f"/why/{head}/app/retry.py"):
        assert client.get(f"/{name}{page}").status_code == 200, page


def test_a_commit_by_api_lands_on_top(server, place) -> None:
    name, client, head = place
    made = client.post(
        f"/api/repos/{name}/commits",
        json={
            "target_branch": "main",
            "expected_head_sha": head,
            "commit_message": "Add",
            "files": [{"path": "new.txt", "content": "new\n"}],
            "session": "s-1",
            "agent": "codex",
        },
    )
    assert made.status_code == 201, made.text
    git = server.work_tree()
    git("clone", "-q", server.git_url(name, server.token(name)), "clone")
    assert git("-C", "clone", "rev-parse", "HEAD", "HEAD~1").split() == [made.json()["commit_sha"], head]
    git("-C", "clone", "fsck", "--full", "--strict")
    server.settle()
    why = client.get(f"/api/repos/{name}/why", params={"path": "new.txt", "line": 1}).json()
    assert why["claims"][0]["evidence"] == "bound"


def test_an_object_format_that_is_none_is_refused(server) -> None:
    answer = server.client(server.admin).post("/api/repos", json={"name": "wide/x", "object_format": "md5"})
    assert answer.status_code in {400, 422}

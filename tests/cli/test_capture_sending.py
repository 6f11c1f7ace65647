"""Captured sessions on their way to a real server: found by remotes, unreachable, reached again."""

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from imprint.cli.call import Surroundings
from imprint.cli.main import run

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


class Machine:
    """A clone with an agent that writes lines into it."""

    def __init__(self, git: Any, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.git, self.home, self._capsys = git, home, capsys
        self.file = home / ".claude/projects/p/s-one.jsonl"
        self.file.parent.mkdir(parents=True)
        git.environment |= {"HOME": str(home), "IMPRINT_NO_SWEEP": "1"}

    def work(self, name: str) -> str:
        """The agent writes a file, a person commits it."""
        path = self.git.folder / f"{name}.py"
        text = "".join(f"def {name}_{at}(): return compute_{name}({at})\n" for at in range(3))
        path.write_text(text)
        given = {"file_path": str(path), "content": text}
        use = {"type": "tool_use", "id": f"c-{name}", "name": "Write", "input": given}
        common = {"sessionId": "s-one", "cwd": str(self.git.folder), "timestamp": "2026-01-02T03:04:05.000Z"}
        with self.file.open("a") as file:
            for kind, content in (("user", f"write {name}, key {SECRET}"), ("assistant", [use])):
                message = {"role": kind, "content": content, "id": f"m-{name}", "model": "x"}
                file.write(
                    json.dumps({"type": kind, "uuid": f"{kind}-{name}", "message": message} | common) + "\n"
                )
        self.git.environment.pop("GIT_COMMITTER_DATE", None)
        self.git("add", "-A")
        self.git("commit", "-qm", name)
        return str(self.git("rev-parse", "HEAD"))

    def sweep(self, token: str | None = None, server: str | None = None) -> Any:
        self._capsys.readouterr()
        surroundings = Surroundings(self.git.folder, self.git.environment, server, token)
        assert run(["hooks", "sweep", "--json"], surroundings) == 0
        return json.loads(self._capsys.readouterr().out)


@pytest.fixture
def machine(work_tree, tmp_path: Path, capsys) -> Machine:
    home = tmp_path / "home"
    home.mkdir()
    return Machine(work_tree, home, capsys)


@pytest.fixture
def open_client() -> Iterator[Callable[[Any], httpx.Client]]:
    """Clients of servers, as their administrator."""
    with ExitStack() as stack:

        def connect(server: Any) -> httpx.Client:
            headers = {"Authorization": f"Bearer {server.token}"}
            return stack.enter_context(httpx.Client(base_url=server.url, headers=headers))

        yield connect


def test_sessions_go_to_the_server_that_the_clone_pushes_to(
    machine: Machine, start_server, open_client
) -> None:
    server = start_server()
    client = open_client(server)
    for name in ("acme/app", "acme/two"):
        client.post("/api/repos", json={"name": name}).raise_for_status()
    address = server.url.replace("http://", f"http://x:{server.token}@")
    machine.git("remote", "add", "origin", f"{address}/acme/app.git")
    first = machine.work("first")
    report = machine.sweep()
    assert report["destination"] == f"{server.url}/acme/app"
    assert (report["sent"], report["waiting"], report["problems"]) == (2, 0, [])
    assert not (machine.git.folder / ".git/imprint/ground/sessions.db").exists()
    machine.git("push", "-q", "origin", "main")

    nowhere = socket.create_server(("127.0.0.1", 0))
    port = nowhere.getsockname()[1]
    nowhere.close()
    machine.git("config", "imprint.server", f"http://127.0.0.1:{port}")
    machine.git("config", "imprint.repository", "acme/app")
    second = machine.work("second")
    report = machine.sweep()
    assert (report["sent"], report["waiting"]) == (0, 2)
    assert "not sent yet" in report["problems"][0]
    outbox = machine.git.folder / ".git/imprint/ground/outbox"
    assert all(SECRET not in file.read_text() for file in outbox.iterdir())
    assert {file.stat().st_mode & 0o777 for file in outbox.iterdir()} == {0o600}

    machine.git("config", "--unset", "imprint.server")
    report = machine.sweep()
    assert (report["sent"], report["waiting"]) == (2, 0)
    assert machine.sweep()["sent"] == 0
    kept = client.get("/api/repos/acme/app/sessions/s-one/transcript").text
    assert kept.count("\n") == 4
    assert SECRET not in kept
    commits = client.get("/api/repos/acme/app/sessions/s-one").json()["commits"]
    assert set(commits) == {first, second}

    # The clone moves to a repository that has nothing of the session: it is sent whole.
    machine.git("config", "imprint.repository", "acme/two")
    machine.work("third")
    report = machine.sweep(server.token, server.url)
    assert report["problems"] == []
    assert client.get("/api/repos/acme/two/sessions/s-one").json()["line_count"] == 6


class Stranger(http.server.BaseHTTPRequestHandler):
    """A forge: says that it does not know what is asked for, and remembers what came."""

    seen: list[tuple[str, str, str | None]]

    def answer(self) -> None:
        self.seen.append((self.command, self.path, self.headers.get("Authorization")))
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = answer  # noqa: N815 - the names of the base class

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_nothing_is_sent_to_what_is_not_imprint(machine: Machine) -> None:
    """Not the token either."""
    handler = type("Handler", (Stranger,), {"seen": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        machine.git("remote", "add", "origin", f"http://x:y@127.0.0.1:{server.server_port}/acme/app.git")
        machine.git("remote", "add", "other", "git@example.com:acme/app.git")
        machine.work("first")
        report = machine.sweep()
        machine.work("second")
        machine.sweep()
        server.shutdown()
        thread.join()
    assert (report["destination"], report["sent"], report["waiting"]) == ("", 0, 0)
    assert handler.seen == [("GET", "/openapi.json", None)]
    assert (machine.git.folder / ".git/imprint/ground/sessions.db").exists()

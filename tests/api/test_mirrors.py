"""Mirrors over REST and by a server itself: from another server, and from stock git's own."""

import base64
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from imprint.api.settings import ApiSettings
from imprint.store.types import RepositoryName

SECRET = "correct-horse"


@pytest.fixture(scope="module")
def mirroring(serve_module, tmp_path_factory):
    """A server that may mirror from this machine, and looks often."""
    settings = ApiSettings(mirror_private=True, mirror_poll_seconds=0.05)
    return serve_module(tmp_path_factory.mktemp("mirroring"), settings)


class Backend(BaseHTTPRequestHandler):
    """git-http-backend(1) behind a password; what is asked for below /moved is somewhere else."""

    root = Path()

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        expected = base64.b64encode(f"ada:{SECRET}".encode()).decode()
        if path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.path.replace("/moved", ""))
            self.end_headers()
            return
        if self.headers.get("Authorization") != f"Basic {expected}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        environment = os.environ | {
            "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "ada",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def backend(tmp_path):
    """A bare repository `/a.git` with a branch and a request, behind stock git's HTTP server."""
    handler = type("Handler", (Backend,), {"root": tmp_path})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def make_source(git, folder: Path) -> None:
    git.commit({"a.txt": "1\n"}, "Begin")
    git("push", "-q", "--mirror", str(folder)) if folder.exists() else git(
        "clone", "-q", "--bare", ".", str(folder)
    )


def wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_server_follows_another_and_refuses_pushes(server, mirroring):
    source, git = server.pushed({"a.txt": "1\n"})
    git("push", "-q", server.git_url(source, server.token(source)), "HEAD:refs/pull/7/head")
    client = mirroring.client(mirroring.admin)
    address = f"{server.url}/{source}.git"
    wish = {"name": "acme/copy", "url": address, "secret": f"git:{server.token(source)}", "every": "10s"}
    made = client.post("/api/mirrors", json=wish)
    assert made.status_code == 201, made.text
    assert client.post("/api/mirrors", json=wish).json()["code"] == "mirror_exists"

    def refs() -> dict[str, str]:
        snapshot = mirroring.hosting.get(RepositoryName.parse("acme/copy")).view.refs.snapshot()
        return {name.text: value.id for name, value in snapshot.refs.items()}

    wait_until(lambda: len(refs()) == 2)
    head = git("rev-parse", "HEAD").strip()
    assert refs() == {"refs/heads/main": head, "refs/pull/7/head": head}
    wait_until(lambda: client.get("/api/repos/acme/copy/mirror").json()["synced_at_ms"])
    shown = client.get("/api/repos/acme/copy/mirror")
    assert shown.json()["credential"] == "sealed"
    assert server.token(source) not in shown.text + client.get("/api/mirrors").text
    assert "imprint_mirrors" in client.get("/metrics").text

    git.commit({"a.txt": "2\n"}, "More")
    git("push", "-q", server.git_url(source, server.token(source)), "HEAD:refs/heads/main")
    mirroring.clock.advance(11_000)
    wait_until(lambda: refs()["refs/heads/main"] == git("rev-parse", "HEAD").strip())

    refused = git.run(
        "push", mirroring.git_url("acme/copy", mirroring.token("acme/copy")), "HEAD:refs/heads/x"
    )
    assert refused.returncode
    assert b"is mirrored from" in refused.stderr
    assert client.patch("/api/repos/acme/copy/mirror", json={"paused": True}).json()["paused"]
    assert client.post("/api/repos/acme/copy/mirror/sync").status_code == 200
    assert client.delete("/api/repos/acme/copy/mirror").status_code == 200
    assert client.get("/api/repos/acme/copy/mirror").json()["code"] == "mirror_missing"
    git("push", "-q", mirroring.git_url("acme/copy", mirroring.token("acme/copy")), "HEAD:refs/heads/x")


def test_stock_git_s_http_server_is_mirrored_with_a_password(mirroring, server, backend, tmp_path):
    git = server.work_tree()
    make_source(git, tmp_path / "a.git")
    client = mirroring.client(mirroring.admin)
    wish = {"name": "acme/stock", "url": f"{backend}/a.git", "secret": f"ada:{SECRET}", "every": "24h"}
    assert client.post("/api/mirrors", json=wish).status_code == 201
    wait_until(lambda: client.get("/api/repos/acme/stock/mirror").json()["synced_at_ms"])
    everything = b"".join(
        path.read_bytes() for path in mirroring.folder.rglob("*") if path.is_file() and path.name != "ask"
    )
    assert SECRET.encode() not in everything


@pytest.mark.parametrize(("path", "secret"), [("/a.git", "ada:wrong"), ("/moved/a.git", f"ada:{SECRET}")])
def test_a_wrong_password_and_a_redirect_are_refused(mirroring, server, backend, tmp_path, path, secret):
    make_source(server.work_tree(), tmp_path / "a.git")
    wish = {"name": "acme/refused", "url": backend + path, "secret": secret}
    answer = mirroring.client(mirroring.admin).post("/api/mirrors", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (502, "mirror_failed")
    assert secret.split(":")[1] not in answer.text
    assert mirroring.client(mirroring.admin).get("/api/repos/acme/refused").status_code == 404


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://127.0.0.1:1/a", 400), ("https://127.0.0.1:1/a", 403), ("https://localhost/a", 403),
        ("https://169.254.169.254/a", 403), ("/etc", 400), ("file:///etc", 400), ("ext::sh", 400),
        ("https://u:p@example.com/a", 400),
    ],
)  # fmt: skip
def test_a_server_that_was_not_told_to_reaches_public_places_only(server, url, status):
    answer = server.client(server.admin).post("/api/mirrors", json={"name": "acme/no", "url": url})
    assert answer.status_code == status, answer.text


def test_only_the_store_s_operator_makes_mirrors(server):
    name = server.repository("")
    client = server.client(server.token(name))
    assert client.post("/api/mirrors", json={"name": name, "url": "https://example.com/a"}).status_code == 403
    assert client.get("/api/mirrors").status_code == 403
    assert client.get(f"/api/repos/{name}/mirror").status_code == 403

"""Clients that are slow or vanish, disks that are full or read-only, a database that somebody else holds."""

import http.client
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imprint.api.settings import ApiSettings
from imprint.store.types import RepositoryName

PROGRAM = """
import sys
from pathlib import Path
from imprint.api.server import serve
from imprint.api.settings import ApiSettings
def tell(url):
    print(url, flush=True)
sys.exit(serve(Path(sys.argv[1]), port=0, settings=eval(sys.argv[2]), on_ready=tell))
"""


def until(holds, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(holds())


def is_quiet(git_dir: Path) -> bool:
    """Whether no push has left anything behind."""
    quarantine = git_dir / "imprint" / "quarantine"
    return not quarantine.exists() or list(quarantine.iterdir()) == []


class HalfPush:
    """A push by hand: its request is sent as far as the test wants."""

    def __init__(self, url: str, name: str, token: str, git) -> None:
        tip = git("rev-parse", "HEAD").encode()
        command = b"0" * 40 + b" " + tip + b" refs/heads/main\0report-status"
        packed = subprocess.run(
            ["git", "pack-objects", "--revs", "--stdout", "-q"],
            cwd=git.folder, input=tip, capture_output=True, check=True,
        ).stdout  # fmt: skip
        self.body = b"%04x" % (len(command) + 4) + command + b"0000" + packed
        self.sent = 0
        self.connection = http.client.HTTPConnection(url.partition("://")[2], timeout=30)
        self.connection.putrequest("POST", f"/{name}.git/git-receive-pack")
        self.connection.putheader("Authorization", f"Bearer {token}")
        self.connection.putheader("Content-Type", "application/x-git-receive-pack-request")
        self.connection.putheader("Content-Length", str(len(self.body)))
        self.connection.endheaders()

    def send(self, count: int | None = None) -> None:
        """Send the next bytes; all that are left, where no number is given."""
        end = len(self.body) if count is None else self.sent + count
        self.connection.send(self.body[self.sent : end])
        self.sent = end

    def answer(self) -> bytes:
        return self.connection.getresponse().read()

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def stalling(serve_at, tmp_path):
    """A server without patience, a repository in it, and a work tree with a commit."""
    server = serve_at(tmp_path, ApiSettings(stall_seconds_max=1.0))
    git = server.work_tree()
    git.commit({"noise": os.urandom(300_000)}, "Noise")
    return server, server.repository(), git


def is_free(server) -> bool:
    queue, limiter = server.app.state.services.git_queue, server.app.state.services.git_limiter
    return queue.held == limiter.borrowed_tokens == 0


@pytest.mark.parametrize("bytes_sent", [60, 200, 100_000])
def test_a_client_that_stops_in_the_middle_is_told_and_leaves_nothing(stalling, bytes_sent: int) -> None:
    server, name, git = stalling
    git_dir = server.hosting.get(RepositoryName.parse(name)).git_dir
    push = HalfPush(server.url, name, server.token(name), git)
    push.send(bytes_sent)
    assert b"stood still" in push.answer()
    push.close()
    assert until(lambda: is_quiet(git_dir) and is_free(server))
    git("push", "-q", server.git_url(name, server.token(name)), "HEAD:refs/heads/main")


def test_a_client_that_is_slow_but_goes_on_is_served(stalling) -> None:
    """A byte now and then is enough; others are not kept waiting."""
    server, name, git = stalling
    push = HalfPush(server.url, name, server.token(name), git)
    for _ in range(8):
        push.send(1)
        time.sleep(0.3)
        assert server.client().get("/healthz").status_code == 200
    push.send()
    assert b"ok refs/heads/main" in push.answer()
    push.close()
    assert until(lambda: is_free(server))


@pytest.mark.parametrize("bytes_sent", [60, 100_000, None])
def test_a_client_that_vanishes_leaves_nothing_half_done(stalling, bytes_sent: int | None) -> None:
    """Vanished after its last byte, the push may have happened; then it has wholly."""
    server, name, git = stalling
    repository = server.hosting.get(RepositoryName.parse(name))
    push = HalfPush(server.url, name, server.token(name), git)
    push.send(bytes_sent)
    push.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    push.close()
    assert until(lambda: is_quiet(repository.git_dir) and is_free(server))
    refs = repository.view.refs.snapshot().refs
    if bytes_sent is not None:
        assert refs == {}
    assert all(value.id == git("rev-parse", "HEAD") for value in refs.values())


def test_a_server_that_is_full_tells_git_to_come_again(serve_at, tmp_path) -> None:
    server = serve_at(tmp_path, ApiSettings(git_requests_max=1, git_waiting_max=0, git_wait_seconds_max=7.0))
    name = server.repository()
    git = server.work_tree()
    git.commit({"noise": os.urandom(100_000)}, "Noise")
    other = server.token(name, actor="bob")
    assert git("ls-remote", server.git_url(name, other)) == ""
    push = HalfPush(server.url, name, server.token(name), git)
    push.send(50_000)
    assert until(lambda: server.app.state.services.git_queue.held == 1)
    said = git.refused("push", server.git_url(name, other), "HEAD:refs/heads/other")
    assert "503" in said
    assert "try again in a moment" in said
    assert git("ls-remote", server.git_url(name, other)) == "", "refs that are at hand need no turn"
    answer = server.client(other).get(f"/{name}.git/info/refs?service=git-receive-pack")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    push.send()
    assert b"ok refs/heads/main" in push.answer()
    push.close()
    assert until(lambda: is_free(server))
    assert git("rev-parse", "HEAD") in git("ls-remote", server.git_url(name, other))


# -- servers in processes of their own -----------------------------------------------------------------------


class Served:
    """A server in a process of its own, with a repository `a/b`."""

    def __init__(self, data: Path, settings: str = "None") -> None:
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(data), settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = self.process.stdout.readline().strip()
        assert self.url, self.process.stderr.read()
        self.token = (data / "admin-token").read_text().strip()
        self.git_url = f"http://git:{self.token}@{self.url.partition('://')[2]}/a/b.git"

    def create(self) -> Path:
        """Make the repository; its folder."""
        connection = http.client.HTTPConnection(self.url.partition("://")[2], timeout=30)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request("POST", "/api/repos", b'{"name": "a/b"}', headers)
        assert connection.getresponse().status == 201
        connection.close()
        [folder] = (self.data / "ground" / "repositories").glob("*.git")
        return folder

    def end(self, *, signalled: bool = False) -> int:
        if self.process.poll() is None and not signalled:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture
def serve():
    """Starts such servers, and ends them."""
    started = []

    def start(data: Path, settings: str = "None") -> Served:
        started.append(Served(data, settings))
        return started[-1]

    yield start
    for each in started:
        each.end()


def test_a_push_that_runs_at_the_end_is_finished(serve, work_tree, tmp_path) -> None:
    server = serve(tmp_path / "data")
    server.create()
    tip = work_tree.commit_file("noise", os.urandom(300_000))
    push = HalfPush(server.url, "a/b", server.token, work_tree)
    push.send(100_000)
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    push.send()
    assert b"ok refs/heads/main" in push.answer()
    push.close()
    assert server.end(signalled=True) == 0
    again = serve(tmp_path / "data")
    assert tip in work_tree("ls-remote", again.git_url)


def test_a_push_that_does_not_end_is_cut_off_and_leaves_nothing(serve, work_tree, tmp_path) -> None:
    server = serve(tmp_path / "data", "ApiSettings(drain_seconds=1, stop_seconds=5.0)")
    git_dir = server.create()
    work_tree.commit_file("noise", os.urandom(300_000))
    push = HalfPush(server.url, "a/b", server.token, work_tree)
    push.send(100_000)
    time.sleep(0.3)
    assert server.end() == 0
    push.close()
    assert is_quiet(git_dir)
    assert list((git_dir / "objects" / "pack").iterdir()) == []
    again = serve(tmp_path / "data")
    assert work_tree("ls-remote", again.git_url) == ""
    work_tree("push", "-q", again.git_url, "main")


def test_a_database_that_another_program_holds_only_delays(serve, work_tree, tmp_path) -> None:
    server = serve(tmp_path / "data")
    server.create()
    work_tree.commit_file("a", "a")
    other = sqlite3.connect(tmp_path / "data" / "ground" / "catalogue.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    pushed = threading.Thread(target=work_tree, args=("push", "-q", server.git_url, "main"))
    pushed.start()
    pushed.join(1.5)
    assert pushed.is_alive(), "it cannot have been admitted"
    assert work_tree("ls-remote", server.git_url) == ""
    other.execute("COMMIT")
    other.close()
    pushed.join(30)
    assert "refs/heads/main" in work_tree("ls-remote", server.git_url)


# -- disks ---------------------------------------------------------------------------------------------------


class Disk:
    """A small disk of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.run("mount", "-t", "tmpfs", "-o", "size=88m", "none", folder)

    def run(self, *command: object) -> None:
        subprocess.run([str(word) for word in command], check=True, capture_output=True)

    def fill(self, megabytes_left: int) -> None:
        free = shutil.disk_usage(self.folder).free - megabytes_left * 1024**2
        with (self.folder / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, free)

    def clear(self) -> None:
        (self.folder / "ballast").unlink()

    def close(self) -> None:
        self.run("umount", "-l", self.folder)


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    """A disk; needs the superuser."""
    try:
        made = Disk(tmp_path / "disk")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk of our own cannot be mounted")
    yield made
    made.close()


@pytest.mark.slow
def test_a_full_disk_refuses_pushes_with_a_reason_until_it_has_room(disk, serve, work_tree) -> None:
    """Full in the middle of a pack, and nearly full before it; reads go on, and the service mends itself."""
    server = serve(disk.folder / "data")
    git_dir = server.create()
    first = work_tree.commit_file("a", "a")
    work_tree("push", "-q", server.git_url, "main")
    disk.fill(68)
    work_tree.commit_file("noise", os.urandom(76_000_000))
    refused = work_tree.run("push", server.git_url, "main", check=False)
    assert refused.returncode
    assert b"No space left" in refused.stderr or b"cannot be stored" in refused.stderr
    assert until(lambda: is_quiet(git_dir))
    assert work_tree("ls-remote", server.git_url, "refs/heads/main").split()[0] == first
    disk.clear()
    disk.fill(8)
    work_tree("reset", "-q", "--hard", first)
    second = work_tree.commit_file("b", "b")
    refused = work_tree.run("push", server.git_url, "main", check=False)
    assert refused.returncode
    assert b"bytes are free" in refused.stderr
    assert is_quiet(git_dir)
    disk.clear()
    work_tree("push", "-q", server.git_url, "main")
    assert work_tree("ls-remote", server.git_url, "refs/heads/main").split()[0] == second
    work_tree("-C", git_dir, "fsck", "--strict", "--connectivity-only")


@pytest.mark.slow
def test_a_disk_that_turns_read_only_refuses_pushes_and_serves_reads(
    disk, serve, work_tree, tmp_path
) -> None:
    server = serve(disk.folder / "data")
    git_dir = server.create()
    first = work_tree.commit_file("a", "a")
    work_tree("push", "-q", server.git_url, "main")
    second = work_tree.commit_file("b", "b")
    # The server's open files keep the disk writable for it: bind the folder with repositories read-only.
    repositories = git_dir.parent
    disk.run("mount", "--bind", repositories, repositories)
    try:
        disk.run("mount", "-o", "remount,ro,bind", repositories)
        refused = work_tree.run("push", server.git_url, "main", check=False)
        assert refused.returncode
        assert b"Read-only file system" in refused.stderr
        work_tree("clone", "-q", server.git_url, str(tmp_path / "clone"))
        assert work_tree("ls-remote", server.git_url, "refs/heads/main").split()[0] == first
    finally:
        disk.run("umount", "-l", repositories)
    work_tree("push", "-q", server.git_url, "main")
    assert work_tree("ls-remote", server.git_url, "refs/heads/main").split()[0] == second

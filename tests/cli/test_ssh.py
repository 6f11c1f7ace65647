"""Keys and SSH as people meet them on the command line."""

import io
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not (shutil.which("ssh") and shutil.which("ssh-keygen")), reason="needs OpenSSH's client"
)
MIB = 1024**2


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", path], check=True)
    return path


def fingerprint_of(key: Path) -> str:
    done = subprocess.run(["ssh-keygen", "-l", "-f", key], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def register(imprint, key: Path, data: Path, **options: str):
    words = ["--actor", "ada", "--kind", "human", "--repo", "*", "--can", "admin"]
    return imprint(
        "token", "create", *words, "--ssh-key", f"{key.name}.pub", "--data", str(data), cwd=key.parent
    )


def client(git_client, tmp_path: Path, key: Path, check: str):
    """A git that knows servers by the name `imprint`, wherever they listen."""
    options = [f"StrictHostKeyChecking={check}", f"UserKnownHostsFile={tmp_path / 'known'}"]
    options += ["HostKeyAlias=imprint", "IdentitiesOnly=yes", "IdentityAgent=none", "LogLevel=ERROR"]
    command = " ".join(["ssh", "-F", "none", "-i", str(key), *(f"-o{option}" for option in options)])
    return git_client(tmp_path, {"GIT_SSH_COMMAND": command})


def test_a_newcomer_clones_and_the_server_is_known_again_after_a_restart(
    start_server, imprint, git_client, key, tmp_path
) -> None:
    first = start_server("--ssh-port", "0")
    address = first.wait_for("git over SSH at").rpartition(" ")[2]
    made = register(imprint, key, first.data)
    assert made.code == 0
    assert fingerprint_of(key) in made.stdout
    assert "imprint_" not in made.stdout + made.stderr
    created = imprint("repo", "create", "acme/app", "--data", str(first.data))
    assert f"or from {address}/acme/app.git with an SSH key" in created.stdout
    assert f"{address}/acme/app.git" in imprint("repo", "list", "--data", str(first.data)).stdout
    git = client(git_client, tmp_path, key, "accept-new")
    git("clone", "-q", f"{address}/acme/app.git", "app")
    head = git_client(tmp_path / "app").commit_file("a.txt", "one\n")
    git("-C", "app", "push", "-q", "origin", "HEAD:refs/heads/main")
    assert first.interrupt() == (0, "")

    again = start_server("--ssh-port", "0")
    moved = again.wait_for("git over SSH at").rpartition(" ")[2]
    strict = client(git_client, tmp_path, key, "yes")
    assert strict("ls-remote", f"{moved}/acme/app.git", "refs/heads/main").split()[0] == head


def test_a_key_is_listed_by_its_fingerprint_and_its_token_revoked(imprint, key, tmp_path) -> None:
    data = tmp_path / "data"
    register(imprint, key, data)
    listed = imprint("token", "list", "--data", str(data), "--json").document["tokens"]
    (token,) = [one for one in listed if one["actor"] == "ada"]
    assert token["ssh_fingerprint"] == fingerprint_of(key)
    assert fingerprint_of(key) in imprint("token", "list", "--data", str(data)).stdout
    again = register(imprint, key, data)
    assert again.code == 1
    assert f"imprint token revoke {token['id']}" in again.stderr
    assert imprint("token", "revoke", token["id"], "--data", str(data)).code == 0
    assert register(imprint, key, data).code == 0


def test_a_key_comes_from_standard_input_too(imprint, key, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(key.with_suffix(".pub").read_text()))
    words = ["--actor", "ada", "--kind", "human", "--repo", "*", "--can", "read", "--data", "data"]
    made = imprint("token", "create", *words, "--ssh-key", "-", "--json").document
    assert made["token"] is None
    assert made["ssh_fingerprint"] == fingerprint_of(key)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("id_ed25519", "a private key"),
        ("nowhere.pub", "no key can be read"),
        ("folder", "no key can be read"),
        ("other.pub", "no type of key"),
    ],
)
def test_what_is_no_public_key_is_refused(imprint, key, tmp_path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other.pub").write_text('command="id" ssh-ed25519 AAAA')
    words = ["--actor", "ada", "--kind", "human", "--repo", "*", "--can", "read", "--data", "data"]
    ended = imprint("token", "create", *words, "--ssh-key", name)
    assert ended.code == 2
    assert said in ended.stderr
    assert key.read_text().splitlines()[1] not in ended.stderr


def test_a_port_of_ssh_in_use_is_said_so(imprint, tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = imprint("serve", "--data", "other", "--port", "0", "--ssh-port", port)
    assert ended.code == 1
    assert "choose another --ssh-port" in ended.stderr
    assert not (tmp_path / "other").exists()


class Watch:
    """The most memory of its own that a process had while it was watched, in bytes."""

    def __init__(self, process: int) -> None:
        self._status = Path(f"/proc/{process}/status")
        self.most = self._read()
        self.begun_with = self.most
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            self.most = max(self.most, self._read())

    def _read(self) -> int:
        lines = self._status.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_a_large_push_and_clone_take_little_memory(start_server, imprint, git_client, key, tmp_path) -> None:
    """One of each for warming up, then 50 MB that do not compress."""
    server = start_server("--ssh-port", "0")
    address = server.wait_for("git over SSH at").rpartition(" ")[2]
    register(imprint, key, server.data)
    imprint("repo", "create", "acme/app", "--data", str(server.data))
    git = client(git_client, tmp_path, key, "accept-new")
    git("clone", "-q", f"{address}/acme/app.git", "app")
    work = git_client(tmp_path / "app")
    work.commit_file("small", "1")
    git("-C", "app", "push", "-q", "origin", "HEAD:refs/heads/main")
    git("clone", "-q", f"{address}/acme/app.git", "small")
    for number in range(50):
        (tmp_path / "app" / f"{number}.bin").write_bytes(os.urandom(MIB))
    work.commit_file("large", "1")
    time.sleep(2.0)  # followers settle
    with Watch(server.process.pid) as watch:
        git("-C", "app", "push", "-q", "origin", "HEAD:refs/heads/main")
        git("clone", "-q", f"{address}/acme/app.git", "large")
    assert watch.most - watch.begun_with < 24 * MIB

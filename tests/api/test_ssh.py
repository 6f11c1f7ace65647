"""Git over SSH, with the stock clients of git and OpenSSH."""

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imprint.api.ssh.host_key import host_key_path
from imprint.store.actors import Verb
from imprint.store.hosting.access import SessionSeed
from imprint.store.types import RepositoryName

pytestmark = pytest.mark.skipif(
    not (shutil.which("ssh") and shutil.which("ssh-keygen")), reason="needs OpenSSH's client"
)
READ = frozenset({Verb.READ})


class Keys:
    """Keys of people, made with ssh-keygen, and a git that comes with one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def make(self, kind: str = "ed25519") -> Path:
        self.count += 1
        path = self.folder / f"key-{self.count}"
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "ada", "-f", path], check=True)
        return path

    def ssh(self, key: Path, *more: str) -> str:
        """The command line of an ssh that uses the key, and nothing of this machine's configuration."""
        known = self.folder / "known_hosts"
        options = ["StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={known}", "BatchMode=yes"]
        options += ["IdentitiesOnly=yes", "IdentityAgent=none", "LogLevel=ERROR", "ConnectTimeout=20", *more]
        return " ".join(["ssh", "-F", "none", "-i", str(key), *(f"-o {option}" for option in options)])


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def ada(server, keys):
    """A key that may read and write everything."""
    key = keys.make()
    register(server, key, "*")
    return key


def register(server, key: Path, *repositories: str, **more):
    line = key.with_suffix(".pub").read_text()
    server.token(*repositories, ssh_key=line, **more)
    return server.hosting.catalogue.list_tokens()[-1]


def client(server, keys, key: Path, *more: str, **identity: str):
    git = server.work_tree(**identity)
    git.environment["GIT_SSH_COMMAND"] = keys.ssh(key, *more)
    return git


def url(server, name: str) -> str:
    return f"{server.ssh_url}/{name}.git"


def run_ssh(server, keys, key: Path, *command: str, options: tuple[str, ...] = (), stdin: bytes = b""):
    host, _, port = server.ssh_url.removeprefix("ssh://").rpartition(":")
    words = keys.ssh(key).split()
    return subprocess.run(
        [*words, *options, "-p", port, host, *command],
        capture_output=True,
        input=stdin,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )


def test_a_stock_client_clones_pushes_and_fetches(server, keys, ada) -> None:
    name = server.repository()
    git = client(server, keys, ada)
    first = git.commit({"a.txt": "one\n"}, "Begin")
    git("push", "-q", url(server, name), "HEAD:refs/heads/main")
    other = client(server, keys, ada)
    other("clone", "-q", url(server, name), "clone")
    assert other("-C", "clone", "rev-parse", "HEAD") == first
    second = git.commit({"a.txt": "two\n"}, "Go on")
    git("push", "-q", url(server, name), "HEAD:refs/heads/main")
    other("-C", "clone", "pull", "-q")
    assert other("-C", "clone", "rev-parse", "HEAD") == second

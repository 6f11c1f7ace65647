"""Git over SSH beside OpenSSH's own server with git upload-pack, on one repository, in one run and in turn.

    python bench/ssh.py --repository PATH_TO_A_BARE_REPOSITORY [--rounds 5] [--json FILE]

Needs `ssh`, `ssh-keygen` and `sshd`, which listens on the loopback address with a configuration, keys and
a port of its own. Both serve the same objects to the same client with the same cipher. Times are wall seconds
as the client sees them, medians over the rounds; a ratio is ours over theirs, so below 1 is faster.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from peer import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMPRINT = [sys.executable, "-m", "imprint.cli.main"]
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.com",
}


def run(*words: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program; failure ends the bench with what it said."""
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, env=env or ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr}")
    return done.stdout.strip()


class Client:
    """A stock client with a key of its own."""

    def __init__(self, folder: Path) -> None:
        self.key = folder / "client_key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        options = ["StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={folder / 'known'}"]
        options += ["IdentitiesOnly=yes", "IdentityAgent=none", "LogLevel=ERROR"]
        ssh = " ".join(["ssh -F none -i", str(self.key), *(f"-o{option}" for option in options)])
        self.environment = {**ENVIRONMENT, "GIT_SSH_COMMAND": ssh}

    def git(self, *words: str | Path, cwd: Path | None = None) -> str:
        """Run git."""
        return run("git", *words, cwd=cwd, env=self.environment)


@contextlib.contextmanager
def imprint(folder: Path, client: Client, source: Path) -> Iterator[str]:
    """An Imprint with the repository in it; its URL."""
    data = folder / "data"
    run(*IMPRINT, "import", source, "bench/repository", "--data", data)
    who = ["--actor", "bench", "--kind", "human", "--repo", "*", "--can", "read,write"]
    run(*IMPRINT, "token", "create", *who, "--ssh-key", f"{client.key}.pub", "--data", data)
    server = subprocess.Popen(
        [*IMPRINT, "serve", "--data", str(data), "--port", "0", "--ssh-port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        address = next(line for line in server.stdout if "over SSH at" in line).rpartition(" ")[2].strip()
        next(line for line in server.stdout if "Ctrl-C" in line)
        yield f"{address}/bench/repository.git"
    finally:
        server.terminate()
        server.communicate()


@contextlib.contextmanager
def openssh(folder: Path, client: Client, source: Path) -> Iterator[str]:
    """An sshd that runs git upload-pack and git receive-pack on a copy of the repository; its URL."""
    repository, port = folder / "repository.git", free_port()
    run("git", "clone", "-q", "--bare", "--no-local", source, repository)
    run("git", "-C", repository, "config", "receive.fsckObjects", "true")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key")
    shutil.copy(f"{client.key}.pub", folder / "authorized")
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host_key",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "AcceptEnv": "GIT_PROTOCOL",
        "SetEnv": "SHLVL=2",  # or bash reads the start-up file of whoever runs this
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it shuts itself in before the key is proven
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    server = subprocess.Popen(
        [program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}{repository}"
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int) -> None:
    """Until something listens."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise SystemExit("sshd did not start")


class Side:
    """One of the two servers, with clones of it."""

    def __init__(self, client: Client, url: str, folder: Path) -> None:
        self.client, self.url, self.folder = client, url, folder
        folder.mkdir()
        for name in ("writer", "reader"):
            client.git("clone", "-q", url, folder / name)
        self.branch = client.git("branch", "--show-current", cwd=folder / "writer")

    def list_refs(self) -> None:
        """What a poll costs."""
        self.client.git("ls-remote", self.url)

    def clone(self) -> None:
        """Everything."""
        self.client.git("clone", "-q", "--bare", self.url, self.folder / "clone")

    def push_one(self) -> None:
        """One commit of one file."""
        self.client.git("push", "-q", "origin", "HEAD", cwd=self.folder / "writer")

    def fetch_one(self) -> None:
        """The same one."""
        self.client.git("fetch", "-q", cwd=self.folder / "reader")

    def prepare(self, number: int) -> None:
        """A commit to push; no clone from before."""
        shutil.rmtree(self.folder / "clone", ignore_errors=True)
        (self.folder / "writer" / "bench.txt").write_text(f"{number}\n")
        self.client.git("add", "bench.txt", cwd=self.folder / "writer")
        self.client.git("commit", "-q", "-m", f"Round {number}", cwd=self.folder / "writer")


def timed(action: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(sides: list[Side], rounds: int) -> dict[str, list[float]]:
    """Medians by step, of each side."""
    steps = ("list_refs", "clone", "push_one", "fetch_one")
    times: dict[str, list[list[float]]] = {step: [[] for _ in sides] for step in steps}
    for number in range(rounds):
        for side in sides:
            side.prepare(number)
        for step in steps:
            for place, side in enumerate(sides):
                times[step][place].append(timed(getattr(side, step)))
    return {step: [statistics.median(each) for each in of_sides] for step, of_sides in times.items()}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        client = Client(folder)
        urls = [stack.enter_context(each(folder, client, wishes.repository)) for each in (imprint, openssh)]
        sides = [Side(client, url, folder / f"side-{place}") for place, url in enumerate(urls)]
        medians = measure(sides, wishes.rounds)
    print("| step | Imprint | sshd and git | ratio |\n|---|---:|---:|---:|")
    for step, (ours, theirs) in medians.items():
        print(f"| {step.replace('_', ' ')} | {ours:.3f} s | {theirs:.3f} s | {ours / theirs:.2f} |")
    if wishes.json:
        wishes.json.write_text(json.dumps(medians, indent=2) + "\n")


if __name__ == "__main__":
    main()

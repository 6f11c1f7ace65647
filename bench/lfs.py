"""One large object up and down, beside nginx with plain files, and a client's whole push beside git's own.

    python bench/lfs.py [--mebibytes 200] [--rounds 5]

Peers: nginx takes the same bytes with WebDAV's PUT and serves them as a static file; it neither hashes nor
syncs them. `git push` and `git clone` of the same content without Git LFS, to the same server. Times are wall
seconds as the client sees them, medians over rounds in turn; a ratio is ours over theirs. CPU is what the
two servers took per object, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from peer import cpu_seconds, free_port, wait_for_port
from thread import GIT_ENVIRONMENT, Imprint, git, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 2;
{user}
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
  sendfile on;
  server {{
    listen 127.0.0.1:{port};
    location / {{ root {folder}/files; dav_methods PUT DELETE; }}
  }}
}}
"""


@contextlib.contextmanager
def serve_files(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """A running nginx that takes and serves plain files; its address, and its processes."""
    (folder / "files").mkdir(parents=True)
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port, user=user))
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen(
        [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port)
        workers = subprocess.run(
            ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        yield f"http://127.0.0.1:{port}", [process.pid, *map(int, workers)]
    finally:
        process.terminate()
        process.wait(timeout=20)


def curl(*arguments: str) -> None:
    """A stock HTTP client; a refusal ends the bench."""
    subprocess.run(["curl", "-sSf", "-o", os.devnull, *arguments], check=True)


class Bench:
    """Steps on contents of one size; each prints a row."""

    def __init__(
        self, work: Path, size_bytes: int, rounds: int, ours: Imprint, nginx: tuple[str, list[int]]
    ) -> None:
        self.work, self.size_bytes, self.rounds = work, size_bytes, rounds
        self.ours, (self.files, self.nginx) = ours, nginx
        self.bearer = f"Authorization: Bearer {ours.token}"
        ours.create("bench/objects")

    def in_turn(self, step: str, ours: Callable[[int], object], theirs: Callable[[int], object]) -> None:
        """Run both, ours first in even rounds and last in odd ones, and print the medians."""
        cpu_before = self.read_cpu()
        mine: list[float] = []
        peers: list[float] = []
        sides = [(mine, ours), (peers, theirs)]
        for number in range(self.rounds):
            for times, action in sides if number % 2 == 0 else sides[::-1]:
                times.append(timed(lambda action=action, number=number: action(number)))
        a, b = statistics.median(mine), statistics.median(peers)
        cpu = [(now - then) / self.rounds for now, then in zip(self.read_cpu(), cpu_before, strict=True)]
        print(
            f"| {step} | {a:.2f} s | {b:.2f} s | {a / b:.2f} | {cpu[0]:.2f} s, {cpu[1]:.2f} s |", flush=True
        )

    def read_cpu(self) -> tuple[float, float]:
        """CPU seconds that Imprint and nginx have taken."""
        return cpu_seconds([self.ours.process.pid]), cpu_seconds(self.nginx)

    def transfers(self) -> None:
        """One object with one request, each round another."""
        contents = [self.work / f"content-{number}" for number in range(self.rounds)]
        addresses = []
        for path in contents:
            content = os.urandom(self.size_bytes)
            path.write_bytes(content)
            oid = hashlib.sha256(content).hexdigest()
            addresses.append(f"{self.ours.url}/bench/objects.git/info/lfs/objects/{oid}")
        self.in_turn(
            "upload",
            lambda number: curl("-H", self.bearer, "-T", str(contents[number]), addresses[number]),
            lambda number: curl("-T", str(contents[number]), f"{self.files}/content-{number}"),
        )
        self.in_turn(
            "download",
            lambda number: curl("-H", self.bearer, addresses[number]),
            lambda number: curl(f"{self.files}/content-{number}"),
        )
        for path in contents:
            path.unlink()

    def clients(self) -> None:
        """A commit with one file of that size: pushed and cloned with Git LFS, and without."""
        urls: dict[tuple[str, int], str] = {}
        trees: dict[tuple[str, int], Path] = {}
        for number in range(self.rounds):
            content = os.urandom(self.size_bytes)
            for kind in ("lfs", "git"):
                urls[kind, number] = self.ours.create(f"bench/{kind}-{number}")
                trees[kind, number] = self.make_tree(kind, number, content, urls[kind, number])

        def push(kind: str) -> Callable[[int], object]:
            return lambda number: git("push", "-q", "origin", "main", cwd=trees[kind, number])

        def clone(kind: str) -> Callable[[int], object]:
            return lambda number: git(
                "clone", "-q", urls[kind, number], str(self.work / f"{kind}-{number}-c")
            )

        self.in_turn("git push, with Git LFS beside without", push("lfs"), push("git"))
        self.in_turn("git clone, the same", clone("lfs"), clone("git"))

    def make_tree(self, kind: str, number: int, content: bytes, url: str) -> Path:
        """A work tree with one commit, ready to push."""
        tree = self.work / f"{kind}-{number}"
        git("init", "-q", "-b", "main", str(tree))
        git("remote", "add", "origin", url, cwd=tree)
        if kind == "lfs":
            git("lfs", "install", "--local", cwd=tree)
            git("lfs", "track", "*.bin", cwd=tree)
        (tree / "a.bin").write_bytes(content)
        git("add", "-A", cwd=tree)
        git("commit", "-q", "-m", "a large file", cwd=tree)
        return tree


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--transfers-only", action="store_true", help="leave git's own clients out")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="imprint-bench-lfs-"))
    configuration = work / "gitconfig"
    configuration.write_text('[filter "lfs"]\n\tprocess = git-lfs filter-process\n\trequired = true\n')
    GIT_ENVIRONMENT.update(GIT_CONFIG_GLOBAL=str(configuration), HOME=str(work))
    ours = Imprint(work)
    try:
        with serve_files(work / "nginx") as nginx:
            print(f"| {options.mebibytes} MiB | Imprint | peer | ratio | CPU |\n|---|---:|---:|---:|---:|")
            bench = Bench(work, options.mebibytes * 1024**2, options.rounds, ours, nginx)
            bench.transfers()
            if not options.transfers_only:
                bench.clients()
    finally:
        ours.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()

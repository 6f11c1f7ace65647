"""How long a quiet actor waits for a fetch while a noisy one has many large ones going.

    python bench/fairness.py [--noisy 64] [--rounds 40] [--megabytes 24]

A server with a repository of files that compress badly gets `--noisy` clones at the same time from one actor,
again and again, while another actor asks `git ls-remote` and makes shallow clones of a small repository in
turn. Printed are the medians and 95th percentiles of the quiet actor's requests, alone and beside the noise,
in milliseconds as its client sees them.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

IMPRINT = [sys.executable, "-m", "imprint.cli.main"]
ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    **{
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "bench"), ("EMAIL", "bench@example.com"))
    },
}


def git(*arguments: object) -> str:
    done = subprocess.run(
        ["git", *map(str, arguments)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"git {arguments}: {done.stderr}")
    return done.stdout


class Noise(threading.Thread):
    """One client of the noisy actor: fetches everything, and reads it slowly, until told to stop."""

    def __init__(self, address: tuple[str, int], request: bytes, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._address, self._request, self._over = address, request, over

    def run(self) -> None:
        while not self._over.is_set():
            try:
                with socket.create_connection(self._address, timeout=60) as connection:
                    connection.sendall(self._request)
                    while connection.recv(65536) and not self._over.is_set():
                        time.sleep(0.01)
            except OSError:
                continue


def make_request(name: str, token: str, tip: str) -> bytes:
    want = b"0011command=fetch0001" + b"0032want " + tip.encode() + b"\n" + b"0009done\n" + b"0000"
    return (
        f"POST /{name}.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/x-git-upload-pack-request\r\nGit-Protocol: version=2\r\n"
        f"Connection: close\r\nContent-Length: {len(want)}\r\n\r\n"
    ).encode() + want


def measure(url: str, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of the quiet actor's requests."""
    times: dict[str, list[float]] = {"ls-remote": [], "clone": []}
    for _ in range(rounds):
        for step, arguments in (("ls-remote", [url]), ("clone", ["-q", "--depth=1", "--bare", url, folder])):
            begun = time.perf_counter()
            git(step, *arguments)
            times[step].append((time.perf_counter() - begun) * 1000)
        shutil.rmtree(folder)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noisy", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--megabytes", type=int, default=24)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="imprint-fairness-"))
    server = subprocess.Popen(
        [*IMPRINT, "serve", "--data", folder / "data", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    over = threading.Event()
    try:
        url = server.stdout.readline().rpartition(" at ")[2].strip()
        threading.Thread(target=server.stdout.read, daemon=True).start()
        authority = url.partition("://")[2]
        admin = (folder / "data" / "admin-token").read_text().strip()
        http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {admin}"}, timeout=60)
        tips, tokens = {}, {}
        for name, size in (("a/large", chosen.megabytes * 1024**2), ("a/small", 20_000)):
            http.post("/api/repos", json={"name": name}).raise_for_status()
            asked = {"actor": name[2:], "kind": "human", "repositories": [name], "can": ["read"]}
            tokens[name] = http.post("/api/tokens", json=asked).json()["token"]
            work = folder / name
            git("init", "-q", "-b", "main", work)
            (work / "noise").write_bytes(random.Random(size).randbytes(size))
            git("-C", work, "add", "-A")
            git("-C", work, "commit", "-q", "-m", "Begin")
            git("-C", work, "push", "-q", f"http://x:{admin}@{authority}/{name}.git", "main")
            tips[name] = git("-C", work, "rev-parse", "HEAD").strip()
        quiet = f"http://x:{tokens['a/small']}@{authority}/a/small.git"
        time.sleep(3)  # the followers' turn
        alone = measure(quiet, folder / "clone", chosen.rounds)
        host, port = authority.split(":")
        request = make_request("a/large", tokens["a/large"], tips["a/large"])
        for _ in range(chosen.noisy):
            Noise((host, int(port)), request, over).start()
        time.sleep(3)
        beside = measure(quiet, folder / "clone", chosen.rounds)
        numbers = http.get("/metrics").text
        print("| request | alone p50 | p95 | beside the noise p50 | p95 | p95 ratio |")
        print("|---|---:|---:|---:|---:|---:|")
        for step, values in alone.items():
            a, b = sorted(values), sorted(beside[step])
            at = int(0.95 * (len(a) - 1))
            shown = (a[len(a) // 2], a[at], b[len(b) // 2], b[at])
            print(f"| {step} | " + " | ".join(f"{each:.0f}" for each in shown) + f" | {b[at] / a[at]:.1f} |")
        print(*(line for line in numbers.splitlines() if line.startswith("imprint_git_requests")), sep="\n")
    finally:
        over.set()
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

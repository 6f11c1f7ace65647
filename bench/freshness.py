"""From an acknowledged push to a search that finds it, while the index of a whole history runs.

    .venv/bin/python bench/freshness.py REPOSITORY [--ref HEAD] [--rounds 40] [--files 10]

A real server over loopback gets REPOSITORY's history by a push, and begins to index it. Then, round after
round, ten files change, each with a name never used before; the time runs from the end of `git push` to the
first answer of a search for one of the names that speaks of the new commit and shows the name. Said at the
end: how far the history was at the beginning and the end, since rounds beside a finished one prove little.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
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
    return done.stdout.strip()


def change(work: Path, number: int, files: int) -> str:
    for file in range(files):
        path = work / f"freshness/module_{file}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"def arrived_{number}_{file}(value):\n    return value + {number}\n")
    git("-C", work, "add", "-A")
    git("-C", work, "commit", "-q", "-m", f"round {number}")
    return git("-C", work, "rev-parse", "HEAD")


def wait_for(http: httpx.Client, name: str, tip: str) -> None:
    while True:
        answer = http.get("/api/repos/bench/app/search", params={"q": name})
        if answer.status_code == httpx.codes.CONFLICT:  # nothing is indexed yet
            time.sleep(0.005)
            continue
        answer.raise_for_status()
        told = answer.json()
        if told["commit"] == tip and any(name in json.dumps(hit) for hit in told["hits"]):
            return
        time.sleep(0.005)


def progress(http: httpx.Client) -> object:
    return http.get("/api/repos/bench/app/index").json().get("history")


def measure(http: httpx.Client, url: str, work: Path, rounds: int, files: int) -> list[float]:
    times = []
    for number in range(rounds):
        tip = change(work, number, files)
        git("-C", work, "push", "-q", url, "HEAD:refs/heads/main")
        begun = time.perf_counter()
        wait_for(http, f"arrived_{number}_{files - 1}", tip)
        times.append(time.perf_counter() - begun)
    return sorted(times)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", type=Path)
    parser.add_argument("--ref", default="HEAD")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--files", type=int, default=10)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        server = subprocess.Popen(
            [sys.executable, "-m", "imprint.cli.main", "serve", "--data", folder / "data", "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        try:
            url = server.stdout.readline().rpartition(" at ")[2].strip()
            threading.Thread(target=server.stdout.read, daemon=True).start()
            admin = (folder / "data/admin-token").read_text().strip()
            http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {admin}"}, timeout=120)
            http.post("/api/repos", json={"name": "bench/app"}).raise_for_status()
            target = f"http://x:{admin}@{url.partition('://')[2]}/bench/app.git"
            tip = git("-C", chosen.repository, "rev-parse", f"{chosen.ref}^{{commit}}")
            git("-C", chosen.repository, "push", "-q", target, f"{tip}:refs/heads/main")
            git("clone", "-q", "--shared", "--no-checkout", chosen.repository, folder / "work")
            git("-C", folder / "work", "checkout", "-q", tip)
            before = progress(http)
            times = measure(http, target, folder / "work", chosen.rounds, chosen.files)
            after = progress(http)
        finally:
            server.terminate()
            server.wait()
    found = {
        "rounds": len(times),
        "p50_s": round(times[len(times) // 2], 3),
        "p95_s": round(times[min(len(times) - 1, int(0.95 * len(times)))], 3),
        "max_s": round(times[-1], 3),
        "history_before": before,
        "history_after": after,
    }
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

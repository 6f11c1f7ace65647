"""What hooks cost: `git commit` with and without them in turn, with 500 past sessions on the machine.

    .venv/bin/python bench/capture.py [--sessions 500] [--commits 200] [--json]

A clone of 2,000 files gets a home with so many past transcripts of its own, all of them archived by a sweep
first, and as many notes that wait in the spool. Then commits are made in rounds of four, in changing order:

    plain       no hooks
    empty       a post-commit hook that does nothing: what git itself takes for calling one
    hooks       ours, with the sweep that each starts going on in the background
    notes       ours, the sweep held back: the part that the commit waits for

and with them the hook of an agent's shell tool, which takes a snapshot of the work tree. Times are of the
whole `git commit` process. The bar: `hooks` adds at most 50 ms at p95.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = 2000
IMPRINT = [sys.executable, "-m", "imprint.cli.main"]
WAYS = ("plain", "empty", "hooks", "notes")


class Bench:
    def __init__(self, folder: Path, sessions: int) -> None:
        self.home = folder / "home"
        self.clone = folder / "clone"
        self.environment = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "IMPRINT_"))
            },
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.com",
        }
        self.clone.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        for at in range(FILES):
            path = self.clone / f"src/{at % 40}/file_{at}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"value_{at}_{line} = {line}\n" for line in range(50)))
        self.git("add", "-A")
        self.git("commit", "-qm", "begin")
        self.write_sessions(sessions)
        begun = time.monotonic()
        self.imprint("hooks", "install", "claude-code")
        self.imprint("hooks", "sweep", "--all")
        self.first_sweep = time.monotonic() - begun
        self.hooks = self.clone / ".git/hooks"
        shutil.copytree(self.hooks, self.clone / ".git/ours")
        self.write_notes(sessions)

    def git(self, *arguments: str, **more: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.clone, env=self.environment | more, check=True)

    def imprint(self, *arguments: str) -> None:
        subprocess.run(
            [*IMPRINT, *arguments],
            cwd=self.clone,
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def write_sessions(self, count: int) -> None:
        folder = self.home / ".claude/projects/p"
        folder.mkdir(parents=True)
        for at in range(count):
            common = {"sessionId": f"s-{at}", "cwd": str(self.clone), "version": "2.1.0"}
            lines = []
            for turn in range(20):
                stamp = time.strftime(
                    "%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 86400 + at * 100 + turn)
                )
                text = "".join(f"line_{at}_{turn}_{line} = {line}\n" for line in range(30))
                given = {"file_path": str(self.clone / f"src/{at % 40}/file_{at}.py"), "content": text}
                use = {"type": "tool_use", "id": f"c{at}-{turn}", "name": "Write", "input": given}
                for kind, content in (("user", f"do step {turn}"), ("assistant", [use])):
                    message = {"role": kind, "content": content, "id": f"m{at}-{turn}", "model": "m"}
                    lines.append(
                        {"type": kind, "uuid": f"{kind}{turn}", "timestamp": stamp, "message": message}
                        | common
                    )
            (folder / f"s-{at}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def write_notes(self, count: int) -> None:
        spool = self.clone / ".git/imprint/ground/spool"
        spool.mkdir(exist_ok=True)
        for at in range(count):
            payload = {"session_id": f"s-{at}", "cwd": str(self.clone), "hook_event_name": "Stop"}
            (spool / f"stop.{at:010d}").write_text(f"imprint-note 1 claude-code stop\n{json.dumps(payload)}")

    def choose(self, way: str) -> dict[str, str]:
        shutil.rmtree(self.hooks)
        if way in ("hooks", "notes"):
            shutil.copytree(self.clone / ".git/ours", self.hooks)
        else:
            self.hooks.mkdir()
        if way == "empty":
            (self.hooks / "post-commit").write_text("#!/bin/sh\nexit 0\n")
            (self.hooks / "post-commit").chmod(0o755)
        return {} if way == "hooks" else {"IMPRINT_NO_SWEEP": "1"}

    def commit(self, number: int, way: str) -> float:
        more = self.choose(way)
        (self.clone / f"src/{number % 40}/file_{number % FILES}.py").write_text(f"value = {number}\n")
        self.git("add", "-u", **more)
        begun = time.perf_counter()
        self.git("commit", "-qm", "work", **more)
        return (time.perf_counter() - begun) * 1000

    def shell(self) -> float:
        """The hook before a shell tool: a note with a snapshot."""
        settings = json.loads((self.clone / ".claude/settings.local.json").read_text())
        command = settings["hooks"]["PreToolUse"][0]["hooks"][0]["command"]
        begun = time.perf_counter()
        subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.clone, env=self.environment, input=b"{}", check=True
        )
        return (time.perf_counter() - begun) * 1000


def describe(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    at = min(len(ordered) - 1, int(len(ordered) * 0.95))
    return {"p50_ms": round(statistics.median(ordered), 1), "p95_ms": round(ordered[at], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--commits", type=int, default=200, help="of each way")
    parser.add_argument("--json", action="store_true")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imprint-bench-", ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder), wish.sessions)
        times: dict[str, list[float]] = {way: [] for way in (*WAYS, "shell")}
        chance = random.Random(1)
        numbers = itertools.count(1)
        for _ in range(wish.commits):
            for way in chance.sample(WAYS, len(WAYS)):
                times[way].append(bench.commit(next(numbers), way))
            times["shell"].append(bench.shell())
        (bench.clone / ".git/imprint/ground/off").touch()  # what is still going on ends soon
    found = {way: describe(one) for way, one in times.items()}
    added = {
        name: {
            quantile: round(found[way][quantile] - found["plain"][quantile], 1)
            for quantile in ("p50_ms", "p95_ms")
        }
        for name, way in (("hooks", "hooks"), ("notes", "notes"), ("empty", "empty"))
    }
    pairs = [ours - plain for ours, plain in zip(times["hooks"], times["plain"], strict=True)]
    document = {
        "sessions": wish.sessions,
        "commits": wish.commits,
        "first_sweep_s": round(bench.first_sweep, 1),
        "load": [round(one, 1) for one in os.getloadavg()],
        "times": found,
        "added": added,
        "added_in_pairs": describe(pairs),
    }
    if wish.json:
        print(json.dumps(document, indent=2))
        return
    print(f"{wish.sessions} sessions, {wish.commits} commits of each way, load {document['load'][0]}")
    print(f"installing and the first sweep: {document['first_sweep_s']} s")
    for way, one in found.items():
        more = added.get(way)
        tail = f"   added: p50 {more['p50_ms']:6.1f}  p95 {more['p95_ms']:6.1f}" if more else ""
        print(f"{way:<6} p50 {one['p50_ms']:7.1f} ms  p95 {one['p95_ms']:7.1f} ms{tail}")
    print(
        f"hooks beside plain, commit by commit: p50 {document['added_in_pairs']['p50_ms']} ms, "
        f"p95 {document['added_in_pairs']['p95_ms']} ms"
    )


if __name__ == "__main__":
    main()

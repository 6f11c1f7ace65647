"""The whole thread on one real repository, each step beside git doing its part, in one run and in turn.

    python bench/thread.py --repository PATH_TO_A_BARE_REPOSITORY [--rounds 5] [--json FILE]

Peers: `git http-backend` behind nginx for transport, `git blame` for origins, `git grep` for search. Times
are wall seconds as the client sees them, medians over the rounds; a ratio is ours over theirs, so below 1
is faster.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from peer import HttpBackend, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMPRINT = [sys.executable, "-m", "imprint.cli.main"]
GIT_ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.com",
}


def git(*arguments: str, cwd: Path | None = None) -> str:
    """A stock client; failure ends the bench with what git said."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env=GIT_ENVIRONMENT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


def timed(action: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Row:
    """One line of the table: medians in seconds; `theirs` is None where git has no such step."""

    step: str
    ours: float
    theirs: float | None
    note: str = ""


class Imprint:
    """A running server on a fresh data folder, with its administrator token."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [*IMPRINT, "serve", "--data", str(self.data), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz").status_code == httpx.codes.OK:
                    break
            time.sleep(0.1)
        self.token = (self.data / "admin-token").read_text().strip()
        # The peer asks for no password, so the token goes along at once instead of after a refusal.
        GIT_ENVIRONMENT.update(
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0=f"http.{self.url}/.extraHeader",
            GIT_CONFIG_VALUE_0=f"Authorization: Bearer {self.token}",
        )
        self.client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=600
        )

    def create(self, name: str) -> str:
        """An empty repository; its URL."""
        self.client.post("/api/repos", json={"name": name}).raise_for_status()
        return f"{self.url}/{name}.git"

    def wait_for_index(self, name: str, seconds: float = 1200) -> float:
        """Seconds until the index reports nothing behind."""
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            status = self.client.get(f"/api/repos/{name}/index").raise_for_status().json()
            if status["behind"] == 0 and status["indexed"]:
                return time.perf_counter() - start
            time.sleep(0.05)
        raise SystemExit("the index did not catch up")

    def get(self, address: str, /, **parameters: str | int) -> dict[str, object]:
        """One REST answer."""
        answer = self.client.get(address, params=parameters)
        answer.raise_for_status()
        return dict(answer.json())

    def stop(self) -> None:
        """Ask for a clean stop."""
        self.client.close()
        self.process.terminate()
        self.process.wait(timeout=60)


class Thread:
    """The steps; each adds rows."""

    def __init__(self, source: Path, rounds: int, work: Path, ours: Imprint, theirs: HttpBackend) -> None:
        self.source, self.rounds, self.work = source, rounds, work
        self.ours, self.theirs = ours, theirs
        self.rows: list[Row] = []
        self._count = 0
        self.branch = git("symbolic-ref", "--short", "HEAD", cwd=source)

    def scratch(self) -> Path:
        """A new path that does not exist yet."""
        self._count += 1
        return self.work / f"scratch-{self._count}"

    def in_turn(
        self, step: str, ours: Callable[[int], object], theirs: Callable[[int], object], note: str = ""
    ) -> None:
        """Run both, ours first in even rounds and last in odd ones, and keep the medians."""
        mine, peers = [], []
        for turn in range(self.rounds):
            pair = [(mine, ours), (peers, theirs)]
            for times, action in pair if turn % 2 == 0 else reversed(pair):
                times.append(timed(lambda action=action, turn=turn: action(turn)))  # type: ignore[misc]
        self.rows.append(Row(step, statistics.median(mine), statistics.median(peers), note))
        print(f"{step}: {self.rows[-1].ours:.3f} s, peer {self.rows[-1].theirs:.3f} s", flush=True)

    def push_everything(self) -> None:
        """The default branch with its whole history into a new, empty repository."""
        rounds = range(self.rounds)
        mine = [self.ours.create(f"bench/r{turn}") for turn in rounds]
        peers = [self.theirs.create(f"r{turn}") for turn in rounds]
        refs = [f"refs/heads/{self.branch}"]
        self.in_turn(
            "push the whole history",
            lambda turn: git("push", "-q", mine[turn], *refs, cwd=self.source),
            lambda turn: git("push", "-q", peers[turn], *refs, cwd=self.source),
            "all checks on both sides (`receive.fsckObjects`)",
        )
        for turn in rounds:
            name = f"bench/r{turn}"
            self.ours.client.patch(
                f"/api/repos/{name}", json={"default_branch": self.branch}
            ).raise_for_status()
            git(
                "symbolic-ref",
                "HEAD",
                f"refs/heads/{self.branch}",
                cwd=self.theirs.folder / "repositories" / f"r{turn}.git",
            )
            self.theirs.repack(f"r{turn}")
        self.rows.append(
            Row("index of HEAD, waited for after the pushes", self.ours.wait_for_index("bench/r0"), None)
        )
        for turn in rounds:
            self.ours.wait_for_index(f"bench/r{turn}")
        self.mine, self.peer = mine[0], peers[0]

    def read_over_git(self) -> None:
        """ls-remote and the four sorts of clone, and a fetch of a few commits."""
        self.in_turn(
            "ls-remote", lambda _: git("ls-remote", self.mine), lambda _: git("ls-remote", self.peer)
        )
        for step, options in (
            ("full clone", ["--bare"]),
            ("shallow clone, depth 1", ["--bare", "--depth=1"]),
            ("blobless clone", ["--bare", "--filter=blob:none"]),
        ):

            def clone(url: str, options: list[str] = options) -> None:
                folder = self.scratch()
                git("clone", "-q", *options, url, str(folder))
                shutil.rmtree(folder)

            self.in_turn(step, lambda _, c=clone: c(self.mine), lambda _, c=clone: c(self.peer))  # type: ignore[misc]

    def write_over_git(self) -> None:
        """Push one commit, fetch it elsewhere."""
        pairs = []
        for url in (self.mine, self.peer):
            writer, reader = self.scratch(), self.scratch()
            git("clone", "-q", "--branch", self.branch, url, str(writer))
            git("clone", "-q", "--bare", url, str(reader))
            pairs.append((writer, reader))

        def commit(index: int, turn: int) -> None:
            writer = pairs[index][0]
            (writer / "BENCH.txt").write_text(f"{turn}\n")
            git("add", "BENCH.txt", cwd=writer)
            git("commit", "-qm", f"round {turn}", cwd=writer)

        for turn in range(self.rounds):
            for index in (0, 1):
                commit(index, turn)
                _ = index
        pushes: tuple[list[float], list[float]] = ([], [])
        fetches: tuple[list[float], list[float]] = ([], [])
        for turn in range(self.rounds):
            target = f"HEAD~{self.rounds - 1 - turn}:refs/heads/{self.branch}"
            for index in (0, 1) if turn % 2 == 0 else (1, 0):
                writer, reader = pairs[index]
                pushes[index].append(timed(lambda w=writer, t=target: git("push", "-q", "origin", t, cwd=w)))  # type: ignore[misc]
                fetches[index].append(timed(lambda r=reader: git("fetch", "-q", "origin", cwd=r)))  # type: ignore[misc]
        for step, times in (("push one commit", pushes), ("fetch one commit", fetches)):
            self.rows.append(Row(step, statistics.median(times[0]), statistics.median(times[1])))
        self.rows.append(
            Row("that commit searchable, after the push returned", self.ours.wait_for_index("bench/r0"), None)
        )

    def ask(self, questions: list[str], files: list[str]) -> None:
        """Search, blame and audit."""
        repository, name = git("rev-parse", "--absolute-git-dir", cwd=self.source), "bench/r0"
        tree = self.theirs.folder / "repositories" / "r0.git"
        self.ours.get(f"/api/repos/{name}/search", q=questions[0])
        self.in_turn(
            "search, one question, warm",
            lambda turn: self.ours.get(f"/api/repos/{name}/search", q=questions[turn % len(questions)]),
            lambda turn: git(
                "grep",
                "-I",
                "-n",
                "-i",
                "-e",
                max(questions[turn % len(questions)].split(), key=len),
                self.branch,
                cwd=tree,
            ),
            "peer: `git grep` for the longest word, unranked",
        )
        for path in files:
            self.in_turn(
                f"blame {path}",
                lambda _, path=path: self.ours.get(f"/api/repos/{name}/blame", path=path),  # type: ignore[misc]
                lambda _, path=path: git("blame", "--porcelain", self.branch, "--", path, cwd=tree),  # type: ignore[misc]
            )
        everything = git("ls-tree", "-r", "--name-only", self.branch, cwd=tree).splitlines()
        first = timed(lambda: self.ours.get(f"/api/repos/{name}/audit"))
        again = timed(lambda: self.ours.get(f"/api/repos/{name}/audit"))
        peers = timed(
            lambda: [git("blame", "--porcelain", self.branch, "--", path, cwd=tree) for path in everything]
        )
        self.rows.append(
            Row(
                "audit, first time",
                first,
                peers,
                f"peer: `git blame` of all {len(everything)} files, no classes",
            )
        )
        self.rows.append(Row("audit, again", again, None))
        _ = repository


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="imprint-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def largest_files(source: Path, branch: str, count: int) -> list[str]:
    """The paths of the largest source files of the branch."""
    rows = git("ls-tree", "-r", "-l", branch, cwd=source).splitlines()
    suffixes = (".py", ".c", ".h", ".js", ".ts", ".go", ".rs", ".java", ".rb")
    sized = [(int(row.split()[3]), row.split("\t", 1)[1]) for row in rows if row.split()[1] == "blob"]
    return [path for _, path in sorted(sized, reverse=True) if path.endswith(suffixes)][:count]


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| step | Imprint, s | peer, s | ratio | |", "|---|---:|---:|---:|---|"]
    for row in rows:
        theirs = f"{row.theirs:.3f}" if row.theirs is not None else ""
        ratio = f"{row.ours / row.theirs:.2f}" if row.theirs else ""
        lines.append(f"| {row.step} | {row.ours:.3f} | {theirs} | {ratio} | {row.note} |")
    return "\n".join(lines)


def main() -> None:
    """Run the thread and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repository", type=Path, required=True, help="a bare repository to push")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--question", action="append", help="search question; may be given several times")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    chosen = parser.parse_args()
    with temporary() as work, HttpBackend() as theirs:
        ours = Imprint(work)
        try:
            thread = Thread(chosen.repository, chosen.rounds, work, ours, theirs)
            thread.push_everything()
            thread.read_over_git()
            thread.write_over_git()
            questions = chosen.question or ["where are timers started", "error handling on close"]
            thread.ask(questions, largest_files(chosen.repository, thread.branch, 3))
        finally:
            ours.stop()
    print(table(thread.rows))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(row) for row in thread.rows], indent=1) + "\n")


if __name__ == "__main__":
    main()

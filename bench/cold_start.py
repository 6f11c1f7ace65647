"""A server just started on 1,000 repositories, beside `git http-backend` with the same ones, in turn.

    python bench/cold_start.py [--repositories 1000] [--asked 150] [--works ls-remote,clone,fetch]

All repositories are small and hold the same history, each in files of its own: ours came by pushes and are as
the server leaves them after that, the peer's have one pack with bitmaps and a commit-graph. For each work our
server is started anew; then a random part of the repositories is asked once each, "first", and the same
again. Both sides' files may be in the page cache. Processor time is that of all processes of a side, for one
request; followers stand still. The start is told apart: until the first answer, and until it is idle.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from cgroup import ControlGroup
from peer import HttpBackend
from sides import Ours, Peer, Spent
from thread import git
from transport import Bench, scratch, timed

from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.push import Push, RefCommand
from imprint.store.receive.receiver import Receiver
from imprint.store.types import ObjectId, RepositoryName

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMMITS, FILES = 60, 30
BEHIND = 10
"""How many commits a client that fetches lacks."""
SEED = 7


def make_template(folder: Path) -> Path:
    """A small history, as bare repository: each commit changes two files of thirty."""
    lines = []
    for number in range(COMMITS):
        lines.append(f"commit refs/heads/main\nmark :{number + 1}")
        lines.append(f"committer A <a@example.com> {1_700_000_000 + 60 * number} +0000\ndata 4\nstep")
        for at in range(FILES) if not number else (number % FILES, 7 * number % FILES):
            text = "".join(f"line {line} of {at}, {number if line == at else 0}\n" for line in range(60))
            lines.append(f"M 100644 inline part{at % 4}/file{at}\ndata {len(text)}\n{text}")
        lines.append("")
    git("init", "-q", "--bare", "-b", "main", str(folder))
    subprocess.run(
        ["git", "-C", str(folder), "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"],
        input="\n".join(lines).encode(), check=True,
    )  # fmt: skip
    git("repack", "-adfbq", cwd=folder)
    git("commit-graph", "write", "--reachable", cwd=folder)
    return folder


def fill_ours(data: Path, template: Path, count: int) -> None:
    """Make the repositories, and push the history to each."""
    tip = ObjectId(git("rev-parse", "main", cwd=template))
    pack = next((template / "objects/pack").glob("*.pack")).read_bytes()
    hosting = Hosting.open(DataFolder.create_or_open(data))
    receiver = Receiver(hosting, ScopeJudge())
    for number in range(count):
        repository = hosting.create(RepositoryName("bench", f"r{number}"), None)
        command = RefCommand(b"refs/heads/main", None, tip)
        receipt = receiver.receive(Push(None, (command,), io.BytesIO(pack)), repository)
        if receipt.event is None:
            raise SystemExit(f"a push was refused: {receipt}")
    hosting.close()


def fill_peer(backend: HttpBackend, template: Path, count: int) -> None:
    """Copies of the template."""
    for number in range(count):
        shutil.copytree(template, backend.folder / "repositories" / f"r{number}.git")


def tell_start(ours: Ours) -> None:
    """Start, and say what that took."""
    began, before = time.perf_counter(), ours.group.cpu_seconds()
    with Spent(ours.group) as spent:
        ours.begin()
        while True:
            try:
                urllib.request.urlopen(f"{ours.base}/healthz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.01)
        wall, cpu = time.perf_counter() - began, ours.group.cpu_seconds() - before
        ours.wait_until_idle()
    print(
        f"start: {1000 * wall:.0f} ms and {1000 * cpu:.0f} ms CPU until the first answer,"
        f" {1000 * spent.cpu:.0f} ms CPU until idle, {spent.memory / 2**20:.0f} MiB",
        flush=True,
    )


class Fetches:
    """A client that lacks the last commits, copied for each fetch."""

    def __init__(self, template: Path, folder: Path) -> None:
        self._client = folder / "client.git"
        git("init", "-q", "--bare", str(self._client))
        old = git("rev-parse", f"main~{BEHIND}", cwd=template)
        git("fetch", "-q", str(template), f"{old}:refs/heads/have", cwd=self._client)

    def fetch(self, url: str) -> float:
        """Wall seconds of one fetch."""
        with scratch() as folder:
            shutil.copytree(self._client, folder / "c")
            return timed("fetch", "-q", "--no-tags", url, "main", cwd=folder / "c")


def clone(url: str) -> float:
    """Wall seconds of a clone that is thrown away."""
    with scratch() as folder:
        return timed("clone", "-q", "--bare", url, str(folder / "c"))


def run(
    bench: Bench,
    ours: Ours,
    urls: Sequence[str],
    works: dict[str, Callable[[str], float]],
    counts: tuple[int, int],
) -> None:
    """The rows, with so many of so many repositories."""
    repositories, asked = counts
    numbers = random.Random(SEED)
    for work, act in works.items():
        some = numbers.sample(range(repositories), asked)
        ours.stop()
        tell_start(ours)
        for when in ("first", "again"):
            bench.compare(
                "", f"{work}, {when}", asked, lambda side, at, a=act, s=some: a(f"{urls[side]}/r{s[at]}.git")
            )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repositories", type=int, default=1000)
    parser.add_argument("--asked", type=int, default=150)
    parser.add_argument("--works", default="ls-remote,clone,fetch")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imprint-bench-")))
        groups = [stack.enter_context(ControlGroup()) for _ in range(2)]
        ours = Ours(folder, groups[0])
        stack.callback(ours.stop)
        backend = stack.enter_context(HttpBackend())
        sides = (ours, Peer(backend, groups[1]))
        template = make_template(folder / "template.git")
        began = time.perf_counter()
        fill_ours(ours.data, template, given.repositories)
        fill_peer(backend, template, given.repositories)
        print(f"made in {time.perf_counter() - began:.0f} s", flush=True)
        fetches = Fetches(template, folder)
        works = {"ls-remote": lambda url: timed("ls-remote", url), "clone": clone, "fetch": fetches.fetch}
        picked = {name: works[name] for name in given.works.split(",")}
        bench = Bench(1, frozenset(), *sides)
        run(bench, ours, (f"{ours.base}/bench", backend.url), picked, (given.repositories, given.asked))
    summary = {row.work: round(row.ratio, 2) for row in bench.rows}
    if given.json:
        given.json.write_text(json.dumps(summary) + "\n")
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Blame beside `git blame`: how many lines name the same commit, and how long the answers take.

    python bench/blame.py REPOSITORY [--files N] [--seed N]
    python bench/blame.py --generated [--lines N] [--commits N]

Agreement: text files are sampled at HEAD and asked for at several commits of its first-parent line, older
ones first, so that most answers are computed from those before. Each line is compared with what stock
`git blame` says in the repository itself. A line that differs is asked for again with one influence after
the other shut off; the first that makes git agree is the cause.

Times, in turn for each file: `cold`, with nothing kept; `git`, `git blame --porcelain` in the repository;
`warm`, the same question again; `one more`, at the newest commit that changed the file, when its parent was
asked before. Then, of a copy of the branch and its notes that was imported into a data folder, beside `git`
once more: `answer`, the document of REST made in this process, lines, claims, authors and JSON, asked before;
`REST`, the same from a server on loopback; `REST first`, its first answer for the file; `ten hits`, the
origins of ten passages in ten of the files, as `search --why` finds them, asked before (one for each file).
Milliseconds by the clock, medians and sums over the files. The repository is only read.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import httpx

from imprint.store.history.blame import count_lines, find_file, holds_binary
from imprint.store.history.kept import Lines
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.objects.git import GitObjects
from imprint.store.objects.trees import find_entry, iter_files
from imprint.store.origins.explain import blame_runs
from imprint.store.origins.passages import passage_origins
from imprint.store.origins.render import blame_text
from imprint.store.origins.sources import Origins
from imprint.store.paths import quote_path
from imprint.store.plumbing import Plumbing
from imprint.store.refs.clone import CloneRefs
from imprint.store.types import HashAlgorithm, ObjectId, RepositoryName
from imprint.store.view import RepositoryView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.store.history.blame import LineOrigin

DISTANCES = (400, 100, 25, 5, 0)
"""Commits before HEAD, on its first-parent line, at which files are asked for."""
IMPRINT = [sys.executable, "-m", "imprint.cli.main"]
SECONDS_MAX = 300
"""For followers to be done."""
SHUT_OFF = {
    "replacement": {"GIT_NO_REPLACE_OBJECTS": "1"},
    "graft": {"GIT_GRAFT_FILE": "/dev/null"},
    "configuration": {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"},
}


@dataclass
class Times:
    """Milliseconds of each file, by what was measured."""

    cold: list[float] = field(default_factory=list)
    git: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    one_more: list[float] = field(default_factory=list)
    git_one_more: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    rest_first: list[float] = field(default_factory=list)
    rest: list[float] = field(default_factory=list)
    git_beside: list[float] = field(default_factory=list)
    ten_hits: list[float] = field(default_factory=list)

    def print(self) -> None:
        """One row for each, with its share of git's time."""
        print(f"{'':>14} {'median ms':>10} {'sum ms':>10} {'of git':>8}")
        rows = {
            "git blame": (self.git, self.git),
            "cold": (self.cold, self.git),
            "warm": (self.warm, self.git),
            "one more": (self.one_more, self.git_one_more),
            "git again": (self.git_beside, self.git_beside),
            "answer": (self.answer, self.git_beside),
            "REST first": (self.rest_first, self.git_beside),
            "REST": (self.rest, self.git_beside),
            "ten hits": (self.ten_hits, []),
        }
        for name, (values, beside) in rows.items():
            if values:
                share = f"{sum(values) / sum(beside):>8.3f}" if beside else ""
                print(f"{name:>14} {median(values):>10.2f} {sum(values):>10.1f} {share}")


def open_view(folder: Path) -> RepositoryView:
    plumbing = Plumbing(folder.resolve())
    algorithm = HashAlgorithm(plumbing.run("rev-parse", "--show-object-format").decode().strip())
    objects = GitObjects(folder / "objects", algorithm)
    return RepositoryView("bench", folder.name, objects, CloneRefs(plumbing, objects), plumbing)


def git_blame(
    folder: Path, commit: str, path: bytes, environment: dict[str, str] | None = None
) -> list[tuple[str, int]]:
    command = [b"git", b"-C", os.fsencode(folder), b"blame", b"--porcelain", commit.encode(), b"--", path]
    out = subprocess.run(
        command, capture_output=True, check=True, env=os.environ | (environment or {})
    ).stdout
    found = []
    header: list[bytes] | None = None
    for line in out.split(b"\n")[:-1]:
        if line.startswith(b"\t"):
            assert header is not None
            found.append((header[0].decode(), int(header[1])))
            header = None
        elif header is None:
            header = line.split()
    return found


def pairs(origins: list[LineOrigin]) -> list[tuple[str, int]]:
    return [(origin.commit, origin.original_line) for origin in origins]


def first_parents(view: RepositoryView) -> list[ObjectId]:
    out = view.plumbing.run("rev-list", "--first-parent", "HEAD")
    return [ObjectId(line) for line in out.decode().split()]


def sample_files(view: RepositoryView, head: ObjectId, count: int, chance: random.Random) -> list[bytes]:
    tree = view.objects.read_commit(head).tree
    files = [
        (path, entry.id)
        for path, entry in iter_files(view.objects, tree)
        if entry.mode in {0o100644, 0o100755} and view.objects.find_size(entry.id)
    ]
    chance.shuffle(files)
    return [path for path, blob in files if not holds_binary(view, blob)][:count]


# -- agreement -------------------------------------------------------------------------------------------


def measure_agreement(view: RepositoryView, folder: Path, files: list[bytes], scratch: Path) -> None:
    history = first_parents(view)
    commits = [history[distance] for distance in DISTANCES if distance < len(history)]
    causes: Counter[str] = Counter()
    total = asked = 0
    lines = Lines.open(scratch / "agreement")
    for path in files:
        for commit in commits:
            if find_entry(view.objects, view.objects.read_commit(commit).tree, path) is None:
                continue
            found, expected = pairs(lines.origins(view, commit, path)), git_blame(folder, commit, path)
            asked += 1
            total += len(expected)
            if [name for name, _ in found] != [name for name, _ in expected]:
                causes.update(find_causes(folder, commit, path, found, expected))
    lines.close()
    equal = total - causes.total()
    print(f"agreement: {asked} questions about {len(files)} files at {len(commits)} commits")
    print(f"  lines {total}, same commit {equal} ({100 * equal / max(total, 1):.4f} %)")
    for cause, count in causes.most_common():
        print(f"  differing because of {cause}: {count}")


def find_causes(
    folder: Path, commit: str, path: bytes, found: list[tuple[str, int]], expected: list[tuple[str, int]]
) -> Iterator[str]:
    """For each line that differs, what makes git agree when it is shut off."""
    answers = {cause: git_blame(folder, commit, path, shut) for cause, shut in SHUT_OFF.items()}
    for at, (mine, other) in enumerate(zip(found, expected, strict=True)):
        if mine[0] != other[0]:
            yield next((cause for cause, each in answers.items() if each[at][0] == mine[0]), "nothing known")


# -- times -----------------------------------------------------------------------------------------------


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def measure_times(
    view: RepositoryView, folder: Path, head: ObjectId, files: list[bytes], scratch: Path
) -> None:
    times = Times()
    lines = Lines.open(scratch / "times")
    with lines.isolated(view):
        pass  # the folder is made once per repository
    for path in files:
        command = [b"git", b"-C", os.fsencode(folder), b"blame", b"--porcelain", head.encode(), b"--", path]

        def ask_git(command: list[bytes] = command) -> None:
            subprocess.run(command, capture_output=True, check=True)

        ask_git()  # so that all of them find the pack's pages in memory
        times.cold.append(timed(lambda path=path: lines.origins(view, head, path)))
        times.git.append(timed(ask_git))
        times.warm.append(min(timed(lambda path=path: lines.origins(view, head, path)) for _ in range(3)))
        measure_one_more(view, folder, head, path, scratch, times)
    lines.close()
    with imported(folder, scratch) as (repository, origins, ask):
        measure_answers(repository, origins, ask, files, times, folder)
    times.print()


def measure_one_more(
    view: RepositoryView, folder: Path, head: ObjectId, path: bytes, scratch: Path, times: Times
) -> None:
    """The newest commit that changed the file, when its parent was asked before."""
    out = view.plumbing.run("rev-list", "-1", head, "--", f":(literal,top){os.fsdecode(path)}")
    newest = ObjectId(out.decode().strip())
    parents = view.objects.read_commit(newest).parents
    if not parents or find_entry(view.objects, view.objects.read_commit(parents[0]).tree, path) is None:
        return
    lines = Lines.open(scratch / f"one-more-{len(times.one_more)}")
    lines.origins(view, parents[0], path)
    times.one_more.append(timed(lambda: lines.origins(view, newest, path)))
    command = [b"git", b"-C", os.fsencode(folder), b"blame", b"--porcelain", newest.encode(), b"--", path]
    times.git_one_more.append(timed(lambda: subprocess.run(command, capture_output=True, check=True)))
    lines.close()


# -- whole answers ---------------------------------------------------------------------------------------


@contextmanager
def imported(
    folder: Path, scratch: Path
) -> Iterator[tuple[RepositoryView, Origins, Callable[[bytes], bytes]]]:
    """A copy of a repository's branch in a data folder, what is claimed of it, and how to ask a server."""
    copy, data = scratch / "copy.git", scratch / "data"
    branch = ["+HEAD:refs/heads/main", "+refs/notes/*:refs/notes/*"]
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", copy], check=True)
    subprocess.run(["git", "-C", copy, "fetch", "-q", "--no-tags", folder.resolve(), *branch], check=True)
    wish = ["import", "--allow-missing", "--skip-list-from-report", "--data", data, copy, "bench/copy"]
    subprocess.run([*IMPRINT, *wish], check=True, stdout=subprocess.DEVNULL)
    with subprocess.Popen(
        [*IMPRINT, "serve", "--data", data, "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout
            url = server.stdout.readline().rpartition(" at ")[2].strip()
            threading.Thread(target=server.stdout.read, daemon=True).start()
            headers = {"Authorization": f"Bearer {(data / 'admin-token').read_text().strip()}"}
            with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
                settle(client)
                hosting = Hosting.open(DataFolder.create_or_open(data))
                with Origins.of_hosting(hosting) as origins:
                    view = hosting.get(RepositoryName.parse("bench/copy")).view
                    yield view, origins, partial(ask_server, client)
        finally:
            server.terminate()


def settle(client: httpx.Client) -> None:
    """Wait until every follower is past every event."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        followers = client.get("/readyz").json()["followers"].values()
        if followers and not any(each["behind"] for each in followers):
            return
        time.sleep(0.5)
    raise SystemExit("the followers are not done in time")


def ask_server(client: httpx.Client, path: bytes) -> bytes:
    answer = client.get("/api/repos/bench/copy/blame", params={"path": quote_path(path)})
    answer.raise_for_status()
    return answer.content


def measure_answers(
    view: RepositoryView,
    origins: Origins,
    ask: Callable[[bytes], bytes],
    files: list[bytes],
    times: Times,
    folder: Path,
) -> None:
    """Whole answers beside `git blame`, in turn for each file; the two must be the same."""
    head = first_parents(view)[0]
    passages = []
    for path in files:
        times.rest_first.append(timed(lambda path=path: ask(path)))
        command = [b"git", b"-C", os.fsencode(folder), b"blame", b"--porcelain", head.encode(), b"--", path]

        def answer(path: bytes = path) -> bytes:
            return blame_text(head, path, blame_runs(view, origins, head, path))

        assert answer() == ask(path), path
        times.git_beside.append(
            timed(lambda command=command: subprocess.run(command, capture_output=True, check=True))
        )
        times.answer.append(min(timed(answer) for _ in range(3)))
        times.rest.append(min(timed(lambda path=path: ask(path)) for _ in range(3)))
        count = count_lines(view.objects.read_blob(find_file(view, head, path)))
        middle = max(1, count // 2)
        passages.append((path, middle, min(count, middle + 30)))
    for at in range(len(passages)):
        ten = [passages[(at + each) % len(passages)] for each in range(10)]
        passage_origins(view, origins, head, ten, lambda *_: None)
        times.ten_hits.append(
            timed(lambda ten=ten: passage_origins(view, origins, head, ten, lambda *_: None))
        )


# -- a generated file ------------------------------------------------------------------------------------


def generate(folder: Path, line_count: int, commit_count: int, seed: int) -> None:
    """A repository of one file: each commit changes, inserts and deletes a few lines."""
    chance = random.Random(seed)
    text = [f"line {number} of the first commit" for number in range(line_count)]
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    with subprocess.Popen(
        ["git", "-C", str(folder), "fast-import", "--quiet"], stdin=subprocess.PIPE
    ) as child:
        assert child.stdin
        for commit in range(1, commit_count + 1):
            for at in chance.sample(range(line_count), 4):
                text[at] = f"line {at} changed in {commit}"
            at = chance.randrange(line_count)
            text.insert(at, f"inserted in {commit}")
            del text[chance.randrange(line_count)]
            content = "".join(f"{line}\n" for line in text).encode()
            child.stdin.write(
                f"commit refs/heads/main\ncommitter A <a@b> {1_600_000_000 + commit * 60} +0000\n"
                f"data 1\nx\nM 644 inline file.txt\ndata {len(content)}\n".encode()
            )
            child.stdin.write(content + b"\n")
        child.stdin.close()
    subprocess.run(["git", "-C", str(folder), "repack", "-adq"], check=True)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("repository", type=Path, nargs="?", help="a bare repository")
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--generated", action="store_true", help="a file made for it instead")
    parser.add_argument("--lines", type=int, default=5000)
    parser.add_argument("--commits", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folder = given.repository
        if given.generated:
            folder = scratch / "generated.git"
            generate(folder, given.lines, given.commits, given.seed)
        elif folder is None:
            parser.error("name a repository, or give --generated")
        view = open_view(folder)
        head = first_parents(view)[0]
        files = sample_files(view, head, given.files, random.Random(given.seed))
        measure_agreement(view, folder, files, scratch)
        measure_times(view, folder, head, files, scratch)
        view.objects.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

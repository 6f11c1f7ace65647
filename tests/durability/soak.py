"""The soak: a server under real clients for minutes, always maintained, now and then ended or killed.

    python tests/durability/soak.py --minutes 10 --clients 6 --report soak.json

Clients push (on top, by force, tags, deletions, several refs at once), commit, merge and branch by REST,
clone (whole, shallow, partial with what is fetched later) and fetch, and check what they get. The repository
is repacked, collected and pruned from another process meanwhile. The server is ended with SIGTERM and killed
with SIGKILL by turns. At the end everything that was told is compared with the journal, and the repository is
checked. An operation may fail only while the server is down. The exit status is 1 when a promise was broken.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from clients import Clients, Record, ServerProcess
from oracle import maintain, verify_settled
from serving import LIMITS

from imprint.store.actors import ActorKind, Verb
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.maintenance.prune import prune
from imprint.store.maintenance.work import Work
from imprint.store.provenance.ledger import Ledger
from imprint.store.types import RepositoryName

NAME = RepositoryName("acme", "soak")
MAIN = "refs/heads/main"
SHARED = [f"refs/heads/shared-{number}" for number in range(3)]
SAMPLE_SECONDS = 2.0
DAY_MS = 24 * 3600 * 1000
OPERATIONS = {
    "push on top": 6,
    "push own": 6,
    "force push": 3,
    "atomic push": 3,
    "tag": 2,
    "deletion": 2,
    "API commit": 5,
    "API merge": 3,
    "API branch": 2,
    "clone": 3,
    "shallow clone": 2,
    "partial clone": 2,
    "fetch": 4,
}
"""What clients do, and how often next to each other."""
READING = {
    "clone": (),
    "shallow clone": ("--depth=2",),
    "partial clone": ("--filter=blob:none",),
    "fetch": (),
}
"""Those that only read, with options of git clone."""
OVERTAKEN = ("unknown ref refs/", "not our ref")
"""What git's server says too when a ref goes between the two requests of a fetch: which refs there are, and
what is behind them."""


class Soak:
    """One server, its clients, whoever ends it, whoever maintains its repository, and a clock."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.seconds = options.minutes * 60
        self.count = options.clients
        self.seed = options.seed
        self.restart_seconds = options.restart_seconds
        self.signals = (signal.SIGKILL,) if options.only_kill else (signal.SIGTERM, signal.SIGKILL)
        self.data = folder / "data"
        self.server = ServerProcess(self.data)
        self.record = Record()
        self.ended = threading.Event()
        self.turn = 0
        """Grows when the server goes and when it comes: odd while it is up."""
        self.broken: list[str] = []
        self.restarts: Counter[str] = Counter()
        self.maintained: Counter[str] = Counter()
        self.samples: list[dict[str, float]] = []
        self.clients = self._make_clients()

    def _make_clients(self) -> Clients:
        hosting = Hosting.open(DataFolder.create_or_open(self.data), limits=LIMITS)
        hosting.create(NAME, None)
        _, secret = hosting.issue_token(
            actor="ada",
            kind=ActorKind.HUMAN,
            repositories=[str(NAME)],
            verbs=frozenset({Verb.READ, Verb.WRITE}),
        )
        hosting.close()
        return Clients(self.folder / "clients", [self.server], str(NAME), secret, self.record)

    def run(self) -> None:
        self._start()
        base = self.clients.make_commits(1)[0]
        self.base = base
        assert self.clients.push("first push", dict.fromkeys((MAIN, *SHARED), base))
        self.began = time.monotonic()
        with ThreadPoolExecutor(self.count + 3) as pool:
            tasks = [pool.submit(self._be_client, number) for number in range(self.count)]
            tasks += [pool.submit(work) for work in (self._restart, self._maintain, self._sample)]
            self.ended.wait(self.seconds)
            self.ended.set()
            for task in tasks:
                task.result()
        self._clone("last clone", "--mirror")
        self.server.end()

    # -- the server -------------------------------------------------------------------------------------

    def _start(self) -> None:
        self.server.start()
        self.turn += 1

    def _restart(self) -> None:
        """End and kill the server by turns."""
        while not self.ended.wait(self.restart_seconds):
            how = self.signals[self.restarts.total() % len(self.signals)]
            self.turn += 1
            self.server.end(how)
            self.restarts[how.name] += 1
            self._start()

    def _maintain(self) -> None:
        """Another process on the folder: repacks, collects, and prunes what is older than a day: nothing."""
        hosting = Hosting.open(DataFolder.create_or_open(self.data), limits=LIMITS)
        try:
            while not self.ended.wait(1.0):
                try:
                    maintain(hosting, hosting.get(NAME))
                    report = prune(Work(hosting.get(NAME), hosting), DAY_MS)
                    assert report.event is None, "something young was pruned"
                    self.maintained["rounds"] += 1
                except Exception as failed:  # noqa: BLE001 - reported at the end
                    self._note_broken(f"maintenance: {type(failed).__name__}: {failed}")
        finally:
            hosting.close()

    def _sample(self) -> None:
        while not self.ended.wait(SAMPLE_SECONDS):
            process = self.server.process
            pack_dir = next((self.data / "ground" / "repositories").glob("*.git")) / "objects" / "pack"
            sizes = list_sizes(pack_dir)
            self.samples.append(
                {
                    "seconds": round(time.monotonic() - self.began, 1),
                    "server_mib": read_rss_mib(process.pid if process else 0),
                    "packs_mib": round(sum(sizes) / 2**20, 2),
                    "pack_files": len(sizes),
                }
            )

    # -- clients ----------------------------------------------------------------------------------------

    def _be_client(self, number: int) -> None:
        dice = random.Random(f"{self.seed}/{number}")
        names, weights = list(OPERATIONS), list(OPERATIONS.values())
        own = f"refs/heads/own-{number}"
        state = {"own": None, "tags": []}
        while not self.ended.is_set():
            if self.turn % 2 == 0:
                time.sleep(0.05)  # a few of them run into a server that is down all the same
                continue
            try:
                name = dice.choices(names, weights)[0]
                if name in READING:
                    self._read(name, number)
                elif name in {"push own", "force push"}:
                    self._push_own(name, own, state, force=name == "force push")
                else:
                    self._write(name, dice, state, number)
            except Exception as failed:  # noqa: BLE001 - reported at the end
                self._note_broken(f"client {number}: {type(failed).__name__}: {failed}")

    def _write(self, name: str, dice: random.Random, state: dict, number: int) -> None:
        clients, shared = self.clients, dice.choice(SHARED)
        short = shared.removeprefix("refs/heads/")
        match name:
            case "push on top":
                clients.push_on_top(name, MAIN, 2)
            case "atomic push":
                one, two = clients.make_commits(2, self.base)
                head = clients.remote_head(shared)
                wishes = {f"refs/heads/atomic-{number}": one, shared: two}
                clients.push(name, wishes, "--atomic", "--force", f"--force-with-lease={shared}:{head or ''}")
            case "tag":
                [commit] = clients.make_commits(1, self.base)
                ref = f"refs/tags/t-{commit[:12]}"
                if clients.push(name, {ref: commit}):
                    state["tags"].append(ref)
            case "deletion" if state["tags"]:
                clients.delete(name, state["tags"].pop())
            case "API commit":
                clients.commit(dice.choice(["main", short]))
            case "API merge":
                clients.merge(short, "main")
            case "API branch":
                made = f"made-{number}"
                clients.create_branch(made, self.base)
                clients.delete_branch(made)

    def _read(self, name: str, number: int) -> None:
        if name == "fetch":
            self._fetch(name, number)
        else:
            self._clone(name, *READING[name])

    def _push_own(self, what: str, own: str, state: dict, *, force: bool) -> None:
        """A branch that nobody else moves: what was told is what is seen next."""
        turn = self.turn
        before = state["own"]
        if before is not None and before != "?":
            seen = self.clients.run("ls-remote", self.clients.address(), own)
            if self._was_up(turn) and seen.stdout.split()[:1] != [before]:
                self._note_broken(f"{own} is told to be {before} and seen as {seen.stdout!r} {seen.stderr!r}")
        [commit] = self.clients.make_commits(1, self.base if force or before in (None, "?") else before)
        landed = self.clients.push(what, {own: commit}, "--force")
        state["own"] = commit if landed else "?"
        if not landed and self._was_up(turn):
            self._note_broken(f"{what} of {own} did not land though the server was up")

    def _clone(self, what: str, *options: str) -> None:
        """Clone, and check what came; a partial clone fetches what it lacks for the check-out."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="clone-") as place:
            done = self._try(what, "clone", "-q", *options, self.clients.address(), f"{place}/clone")
            if done is None:
                return
            turn = self.turn
            checked = self.clients.run("-C", f"{place}/clone", "fsck", "--full", "--strict", "--no-dangling")
            if checked.returncode != 0 and self._was_up(turn):
                self._note_broken(f"{what}: fsck says {checked.stderr[-500:]}")

    def _fetch(self, what: str, number: int) -> None:
        """Bring a mirror that was made earlier up to date."""
        mirror = self.folder / f"mirror-{number}"
        if not mirror.exists():
            if self._try(what, "clone", "-q", "--mirror", self.clients.address(), str(mirror)) is None:
                shutil.rmtree(mirror, ignore_errors=True)
            return
        done = self._try(
            what, "-C", str(mirror), "fetch", "-q", "--prune", self.clients.address(), "+refs/*:refs/*"
        )
        if done is not None:
            checked = self.clients.run("-C", str(mirror), "fsck", "--full", "--strict", "--no-dangling")
            if checked.returncode != 0:
                self._note_broken(f"{what}: fsck says {checked.stderr[-500:]}")

    def _try(self, what: str, *arguments: str) -> subprocess.CompletedProcess[str] | None:
        """A git command that must succeed, unless the server was down meanwhile."""
        turn = self.turn
        done = self.clients.run(*arguments)
        if done.returncode == 0:
            self.record.count(f"{what}: done")
            return done
        if any(words in done.stderr for words in OVERTAKEN):
            self.record.count(f"{what}: overtaken by a deletion")
            return None
        was_up = self._was_up(turn)
        self.record.count(f"{what}: {'failed' if was_up else 'cut off by a restart'}")
        if was_up:
            self._note_broken(f"{what}: {done.stderr[-500:]}")
        return None

    def _was_up(self, turn: int) -> bool:
        return turn % 2 == 1 and turn == self.turn

    def _note_broken(self, text: str) -> None:
        self.broken.append(f"{time.monotonic() - self.began:.1f} s: {text}")

    # -- the end ------------------------------------------------------------------------------------------

    def verify(self) -> dict[str, object]:
        """Compare what was told with what is there; figures."""
        hosting = Hosting.open(DataFolder.create_or_open(self.data), limits=LIMITS)
        ledger = Ledger.open(hosting.folder.derived_path)
        try:
            repository = hosting.get(NAME)
            events = verify_settled(hosting, ledger, repository)
            self.record.verify(events)
            packs = len(hosting.catalogue.list_packs(repository.record.id))
        finally:
            ledger.close()
            hosting.close()
        memory = [each["server_mib"] for each in self.samples if each["server_mib"]]
        return {
            "seconds": round(self.seconds),
            "clients": self.count,
            "seed": self.seed,
            "events": len(events),
            "told": len(self.record.landed),
            "nothing_heard": len(self.record.unknown) + self.record.unheard,
            "lost": 0,
            "restarts": dict(self.restarts),
            "maintained": self.maintained["rounds"],
            "live_packs": packs,
            "server_mib_median": sorted(memory)[len(memory) // 2] if memory else None,
            "server_mib_max": max(memory, default=None),
            "counts": dict(sorted(self.record.counts.items())),
            "broken": self.broken,
            "samples": self.samples,
        }


def read_rss_mib(pid: int) -> float:
    """Memory of a process, without that of the git processes that it runs."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmRSS:")), "VmRSS: 0 kB")
    return round(int(line.split()[1]) / 1024, 1)


def list_sizes(folder: Path) -> list[int]:
    """Sizes of the files of a folder in which they come and go."""
    sizes = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sizes


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--restart-seconds", type=float, default=25.0)
    parser.add_argument("--only-kill", action="store_true", help="never end the server in order")
    parser.add_argument("--report", type=Path, help="a JSON file for all figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imprint-soak-", ignore_cleanup_errors=True) as folder:
        soak = Soak(Path(folder), options)
        try:
            soak.run()
            figures = soak.verify()
        except AssertionError as broken:
            sys.stdout.write("\n".join([*soak.broken, f"broken: {broken}", ""]))
            return 1
    if options.report:
        options.report.write_text(json.dumps(figures, indent=1) + "\n")
    for name, value in figures.items():
        if name not in {"samples", "counts", "broken"}:
            sys.stdout.write(f"{name:<20} {value}\n")
    for what, count in figures["counts"].items():
        sys.stdout.write(f"{count:>7} {what}\n")
    sys.stdout.write("\n".join([*soak.broken, f"broken promises: {len(soak.broken)}", ""]))
    return 1 if soak.broken else 0


if __name__ == "__main__":
    sys.exit(main())

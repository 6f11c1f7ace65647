"""The race suite: many real clients change the same refs at the same time; does what they are told happen?

    python tests/durability/race.py --clients 128 --servers 2

Four rounds on one repository: all clients push to one branch; each pushes to a branch of its own; all
push on top of one branch and try again when others were faster; and a mixed round of pushes, atomic pushes,
force-pushes with a lease, tags, deletions, API commits, API merges and branch operations on few refs, while
the repository is maintained without pause. Then everything that was told is compared with the journal, and
the repository is checked. The exit status is 1 when a promise was broken.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clients import Clients, Record, ServerProcess
from oracle import maintain, verify_settled

from imprint.store.actors import ActorKind, Verb
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.provenance.ledger import Ledger
from imprint.store.types import RepositoryName

NAME = RepositoryName("acme", "race")
CLIENTS_PER_REF = 8
"""In the mixed round so many clients change each of the shared refs."""


class Race:
    """The rounds, on servers that share one data folder."""

    def __init__(self, folder: Path, clients: int, servers: int, tries: int) -> None:
        self.count = clients
        self.tries = tries
        refs = max(2, clients // CLIENTS_PER_REF)
        self.shared = [f"refs/heads/shared-{number}" for number in range(refs)]
        data = folder / "data"
        hosting = Hosting.open(DataFolder.create_or_open(data))
        hosting.create(NAME, None)
        _, secret = hosting.issue_token(
            actor="ada",
            kind=ActorKind.HUMAN,
            repositories=[str(NAME)],
            verbs=frozenset({Verb.READ, Verb.WRITE}),
        )
        hosting.close()
        self.data = data
        self.servers = [ServerProcess(data) for _ in range(servers)]
        self.record = Record()
        self.clients = Clients(folder / "clients", self.servers, str(NAME), secret, self.record)
        self.base = self.clients.make_commits(1)[0]

    def all_at_once(self, work: Callable[[int], object]) -> float:
        """Every client does its work, beginning at the same moment; seconds that all of it took."""
        gate = threading.Barrier(self.count)

        def begin(number: int) -> None:
            gate.wait(60)
            work(number)

        started = time.monotonic()
        with ThreadPoolExecutor(self.count) as pool:
            list(pool.map(begin, range(self.count)))
        return time.monotonic() - started

    def run(self) -> list[str]:
        """All rounds; a line on each."""
        for server in self.servers:
            server.start()
        try:
            assert self.clients.push("first push", {"refs/heads/main": self.base})
            return [self.one_branch(), self.own_branches(), self.on_top(), self.mixed()]
        finally:
            for server in self.servers:
                server.end()

    def one_branch(self) -> str:
        """All saw the same head, and one of them may have its way."""
        commits = self.clients.make_commits(self.count, self.base)
        seconds = self.all_at_once(
            lambda number: self.clients.push("one branch", {"refs/heads/main": commits[number]})
        )
        landed = sum(1 for ref, new in self.record.landed if ref == "refs/heads/main" and new in commits)
        assert landed == 1, f"{landed} clients were told that they had moved main away from the same commit"
        return f"one branch: {self.count} clients, told 1, {seconds:.1f} s"

    def own_branches(self) -> str:
        commits = self.clients.make_commits(self.count, self.base)
        seconds = self.all_at_once(
            lambda number: self.clients.push("own branch", {f"refs/heads/own-{number}": commits[number]})
        )
        landed = sum(1 for _, new in self.record.landed if new in commits)
        assert landed == self.count, f"only {landed} of {self.count} branches of their own were taken"
        return f"own branches: {self.count} clients, told {landed}, {seconds:.1f} s"

    def on_top(self) -> str:
        before = self.record.counts["on top: landed"]
        seconds = self.all_at_once(
            lambda _: self.clients.push_on_top("on top", "refs/heads/main", self.tries)
        )
        landed = self.record.counts["on top: landed"] - before
        refused = self.record.counts["on top: refused"]
        return f"on top of main: {self.count} clients, told {landed}, refused {refused}, {seconds:.1f} s"

    def mixed(self) -> str:
        commits = self.clients.make_commits(len(self.shared), self.base)
        assert self.clients.push("shared", dict(zip(self.shared, commits, strict=True)))
        ended = threading.Event()
        maintained = ThreadPoolExecutor(1).submit(maintain_until, self.data, ended)
        seconds = self.all_at_once(self.do_something)
        ended.set()
        times = maintained.result(60)
        return f"mixed: {self.count} clients, maintained {times} times meanwhile, {seconds:.1f} s"

    def do_something(self, number: int) -> None:
        """What a client does in the mixed round: by its number."""
        clients, own = self.clients, f"refs/heads/own-{number}"
        shared = self.shared[number // 3 % len(self.shared)]
        short = shared.removeprefix("refs/heads/")
        match number % 8:
            case 0:
                clients.push_on_top("mixed: on top", "refs/heads/main", self.tries)
            case 1:
                clients.commit("main")
                clients.commit(short)
            case 2:
                one, two = clients.make_commits(2, self.base)
                leases = [
                    f"--force-with-lease={ref}:{clients.remote_head(ref) or ''}" for ref in (own, shared)
                ]
                wishes = {own: one, shared: two, f"refs/tags/t-{number}": one}
                clients.push("mixed: atomic", wishes, "--atomic", *leases)
            case 3:
                clients.merge(f"own-{number}", "main")
            case 4:
                clients.delete_branch(short)
                clients.create_branch(short, self.base)
            case 5:
                head = clients.remote_head(shared)
                [commit] = clients.make_commits(1, self.base)
                clients.push("mixed: lease", {shared: commit}, f"--force-with-lease={shared}:{head or ''}")
            case 6:
                clients.delete("mixed: deletion", own)
                clients.delete("mixed: shared deletion", shared)
            case _:
                clients.merge(short, "main")
                clients.commit(f"own-{number}")

    def verify(self) -> str:
        """Compare what was told with what is there."""
        hosting = Hosting.open(DataFolder.create_or_open(self.data))
        ledger = Ledger.open(hosting.folder.derived_path)
        try:
            events = verify_settled(hosting, ledger, hosting.get(NAME))
            self.record.verify(events)
        finally:
            ledger.close()
            hosting.close()
        updates = sum(len(event.changes) for event in events)
        return (
            f"{len(events)} events with {updates} updates; told {len(self.record.landed)}, "
            f"nothing heard of {len(self.record.unknown)}, lost 0"
        )


def maintain_until(data: Path, ended: threading.Event) -> int:
    """Maintain the repository from another process's view of the folder, again and again."""
    hosting = Hosting.open(DataFolder.create_or_open(data))
    times = 0
    try:
        while not ended.is_set():
            maintain(hosting, hosting.get(NAME))
            times += 1
            ended.wait(0.05)
    finally:
        hosting.close()
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--clients", type=int, default=128)
    parser.add_argument("--servers", type=int, default=1, help="server processes on the same data folder")
    parser.add_argument("--tries", type=int, default=5, help="how often somebody who was overtaken tries")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imprint-race-") as folder:
        race = Race(Path(folder), options.clients, options.servers, options.tries)
        try:
            lines = [*race.run(), race.verify()]
        except AssertionError as broken:
            sys.stdout.write(f"broken: {broken}\n")
            return 1
        finally:
            for what, count in sorted(race.record.counts.items()):
                sys.stdout.write(f"{count:>6} {what}\n")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

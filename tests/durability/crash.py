"""The crash suite: processes die at a chosen point of the store; what is there afterwards?

    python tests/durability/crash.py --runs 1000 --seed 1

First a process that nothing disturbs lists the points: the named steps of the store, every file operation
that the store does in the data folder, every statement that writes, every commit, and every start of git,
each with the operation in which it is reached. Then each seeded run does some operations and dies: at one of
the points, at a random time while three threads work, or together with the git process that it waits for; or
only that git process dies. The folder is opened again, which may be killed too, everything that is promised
is checked, and one push and one round of maintenance more must succeed. `LIVES` runs in a row share a data
folder, so that leftovers meet. The exit status is 1 when a promise was broken, or when time was too short.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from acting import UNKNOWN, Acting, describe, make_folder
from dying import Points, Target, Tell, Told, run_apart
from oracle import verify_settled

LIVES = 8
"""Runs that share a data folder."""
WAYS = ["point"] * 14 + ["time"] * 3 + ["git child", "git child", "both"]
"""How runs die; the share of each."""
THREADS = 3
RECOVERY_KILLED_SHARE = 0.25
TIME_SECONDS_MAX = 1.2
GIT = "start git"
TRIES = 3
"""How often the operation that is to die is begun, where it does not come to the chosen point at once."""


def work_alone(root: Path, seed: str, operations: list[str], target: Target | None):
    """Operations one after the other, then the one that dies; others before it make work for it."""

    def work(tell: Tell) -> None:
        points = Points(root, tell, target)
        points.listen()
        acting = Acting(root, seed, tell, points.reach)
        for connection in acting.ledger._connections:
            points.trace(connection)
        wanted = [*("push", "force push", target.operation) * TRIES] if target else []
        for place, operation in enumerate([*operations, *wanted]):
            points.target = target if place >= len(operations) else None
            points.begin(operation)
            acting.do(operation)
            points.end()
        acting.close()
        tell({"points": points.most})

    return work


def work_together(root: Path, seed: str):
    """Several threads work until the process is killed."""

    def work(tell: Tell) -> None:
        acting = Acting(root, seed, tell, lambda _: None)
        names = sorted(acting.operations)

        def go_on() -> None:
            while True:
                acting.do(acting.random.choice(names))

        for _ in range(THREADS - 1):
            threading.Thread(target=go_on, daemon=True).start()
        go_on()

    return work


def recover(root: Path, seed: str, target: Target | None = None):
    """Open the folder again, bring it to rest, check it; then go on with a push."""

    def work(tell: Tell) -> None:
        points = Points(root, tell, target)
        points.listen()
        points.begin("recovery")
        acting = Acting(root, seed, tell, points.reach)
        events = verify_settled(acting.hosting, acting.ledger, acting.repository)
        points.end()
        tell({"events": [describe(each) for each in events]})
        acting.do("push")
        acting.do("maintain")
        acting.close()
        tell({"points": points.most})

    return work


def verify_history(known: list[dict], told: Told, events: list[dict]) -> int:
    """What was acknowledged is there, what was not is whole or absent; how many updates were acknowledged."""
    assert events[: len(known)] == known, "events of before have changed"
    acknowledged: dict[str, dict] = {}
    in_flight: dict[int, dict | None] = {}
    for record in told.records:
        if "begin" in record:
            in_flight[record["thread"]] = None
        if "wish" in record:
            in_flight[record["thread"]] = record["wish"]
        if "refused" in record:
            in_flight.pop(record["thread"], None)
        if "done" in record:
            in_flight.pop(record["thread"], None)
            if record["done"]:
                acknowledged[record["done"]["id"]] = record["done"]
    for event in events[len(known) :]:
        if event["id"] in acknowledged:
            assert acknowledged.pop(event["id"]) == event, "an acknowledged event has changed"
            continue
        thread = next((each for each, wish in in_flight.items() if is_whole(wish, event["changes"])), None)
        assert thread is not None, f"nobody wished {event}; in flight: {list(in_flight.values())}"
        del in_flight[thread]
    assert not acknowledged, f"acknowledged and lost: {acknowledged}"
    return sum(1 for record in told.records if record.get("done"))


def is_whole(wish: dict | None, changes: dict) -> bool:
    """Whether an event is all of a wish."""
    return (
        wish is not None
        and wish.keys() == changes.keys()
        and all(
            wished in (UNKNOWN, happened)
            for name, values in wish.items()
            for wished, happened in zip(values, changes[name], strict=True)
        )
    )


class Suite:
    """Many runs, and a table of where they died."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.template = folder / "template" / "data"
        self.template.parent.mkdir(parents=True)
        self.points: dict[str, dict[str, int]] = {}
        self.aimed: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        self.ways: Counter[str] = Counter()
        self.first: list[dict] = []
        self.known = self.first
        self.root = self.template
        self.acknowledged = 0

    def prepare(self) -> None:
        """Make the folder that every life begins with, and list the points."""
        told = run_apart(lambda tell: make_folder(self.template, tell))
        told.verify()
        self.first = told.find("events")
        self.begin_life("census")
        told = run_apart(self._take_census)
        told.verify()
        self._merge(told.find("points"))
        told = run_apart(recover(self.root, "census"))
        told.verify()
        self._merge(told.find("points"))

    def _take_census(self, tell: Tell) -> None:
        points = Points(self.root, tell)
        points.listen()
        acting = Acting(self.root, "census", tell, points.reach)
        for connection in acting.ledger._connections:
            points.trace(connection)
        for _ in range(3):
            for operation in acting.operations:
                points.begin(operation)
                acting.do(operation)
                points.end()
        tell({"points": points.most})

    def _merge(self, found: dict[str, dict[str, int]]) -> None:
        for operation, counts in found.items():
            known = self.points.setdefault(operation, {})
            for point, count in counts.items():
                known[point] = max(count, known.get(point, 0))

    def begin_life(self, name: str) -> None:
        if self.root != self.template:
            shutil.rmtree(self.root.parent)
        self.root = self.folder / name / "data"
        shutil.copytree(self.template.parent, self.root.parent)
        self.known = self.first

    def run(self, number: int) -> None:
        """One run: die, recover, check."""
        dice = random.Random(f"{self.seed}/{number}")
        if (number - 1) % LIVES == 0:
            self.begin_life(f"life-{number}")
        told = self._die(dice, f"{self.seed}/{number}")
        if told.find("killed") is None and not told.was_killed:
            told.verify()
        if dice.random() < RECOVERY_KILLED_SHARE:
            point = self._choose_point(dice, "recovery")
            self.aimed[f"recovery: {point.point}"] += 1
            killed = run_apart(recover(self.root, f"{number}a", point))
            killed.verify()
            self._count(killed)
            told.records += [record | {"thread": -1} for record in killed.records if "killed" not in record]
        after = run_apart(recover(self.root, f"{number}b"))
        after.verify()
        events = after.find("events")
        self.acknowledged += verify_history(self.known, told, events)
        assert not after.find("refused"), f"after recovery it does not go on: {after.find('refused')}"
        self.known = [*events, *(record["done"] for record in after.records if record.get("done"))]
        self._count(told)

    def _die(self, dice: random.Random, seed: str) -> Told:
        way = dice.choice(WAYS)
        self.ways[way] += 1
        if way == "time":
            seconds = dice.uniform(0.0, TIME_SECONDS_MAX)
            self.aimed["any: random time"] += 1
            told = run_apart(work_together(self.root, seed), seconds)
            self.killed["any: random time"] += told.was_killed
            return told
        names = sorted(self.points.keys() - {"recovery"})
        before = [dice.choice(names) for _ in range(dice.randrange(3))]
        if way == "point":
            target = self._choose_point(dice, dice.choice(names))
        else:
            target = self._choose_child(dice, way, names)
        self.aimed[f"{target.operation}: {target.point}"] += 1
        return run_apart(work_alone(self.root, seed, before, target))

    def _choose_point(self, dice: random.Random, operation: str) -> Target:
        """Those points first where fewest died, and fewest were to."""
        counts = self.points[operation]
        tried = {
            point: 2 * self.killed[f"{operation}: {point}"] + self.aimed[f"{operation}: {point}"]
            for point in counts
        }
        point = dice.choice([each for each in sorted(counts) if tried[each] == min(tried.values())])
        return Target("point", operation, point, dice.randint(1, counts[point]))

    def _choose_child(self, dice: random.Random, way: str, names: list[str]) -> Target:
        starting = [
            (operation, point, count)
            for operation in names
            for point, count in sorted(self.points[operation].items())
            if point.startswith(GIT)
        ]
        operation, point, count = dice.choice(starting)
        return Target(way, operation, point, dice.randint(1, count), dice.choice([0.0, 0.001, 0.004]))

    def _count(self, told: Told) -> None:
        if where := told.find("killed") or told.find("child killed"):
            self.killed[str(where)] += 1

    def table(self) -> str:
        """Point, runs that aimed at it, runs that died there."""
        lines = [f"{'operation: point':<72} runs died"]
        lines += [
            f"{where:<72} {count:>4} {self.killed[where]:>4}" for where, count in sorted(self.aimed.items())
        ]
        return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=40.0, help="stop after this time, and say so")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="imprint-crash-") as folder:
        suite = Suite(Path(folder), options.seed)
        suite.prepare()
        done, failures = 0, []
        for number in range(1, options.runs + 1):
            if time.monotonic() - started > options.minutes * 60:
                break
            try:
                suite.run(number)
            except AssertionError as broken:
                failures.append(number)
                sys.stdout.write(f"run {number} of seed {options.seed}: {broken}\n")
                sys.stdout.flush()
                suite.begin_life(f"after-{number}")
            done += 1
    places = {where.partition(": ")[2] for where, count in suite.killed.items() if count}
    sys.stdout.write(
        f"{suite.table()}\n"
        f"{done} of {options.runs} runs, seed {options.seed}, {time.monotonic() - started:.0f} s; "
        f"{sum(suite.killed.values())} deaths at {len(suite.killed)} points of operations "
        f"({len(places)} different points); {suite.acknowledged} updates acknowledged; "
        f"broken promises: {len(failures)} {failures}\n"
    )
    return 1 if failures or done < options.runs else 0


if __name__ == "__main__":
    sys.exit(main())

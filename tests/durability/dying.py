"""Processes that end themselves with SIGKILL at a chosen point, and what they could say before."""

import json
import os
import re
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

FILE_EVENTS = frozenset(
    {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree", "subprocess.Popen"}
)
STATEMENTS = re.compile(
    r"\s*(BEGIN IMMEDIATE|COMMIT|(?:INSERT(?: OR \w+)? INTO|DELETE FROM|UPDATE)\s+\w+)", re.IGNORECASE
)
GIT_VERBS = re.compile(r"[a-z]+(?:-[a-z]+)+|fsck|repack|gc|prune")
SECONDS_MAX = 110.0
"""A process that takes longer is hung: it is killed, and its run fails."""

Tell = Callable[[dict[str, object]], None]


@dataclass(frozen=True)
class Target:
    """Where a process dies: at the `occurrence`-th time that `operation` reaches `point`.

    `how` is `point` for the process itself, `git child` for the git process started there, `both` for both.
    """

    how: str
    operation: str
    point: str
    occurrence: int = 1
    after_seconds: float = 0.0


class Points:
    """Hears of every point that a process reaches, and ends it at the chosen one."""

    def __init__(self, root: Path, tell: Tell, target: Target | None = None) -> None:
        self.root = str(root)
        self.tell = tell
        self.target = target
        self.operation = ""
        self.counts: Counter[str] = Counter()
        self.most: dict[str, dict[str, int]] = {}
        self.within = threading.local()

    def listen(self) -> None:
        """Hear of file operations, git processes, statements and commits in this process from now on."""
        sys.addaudithook(self._on_audit)
        event.listen(Engine, "connect", lambda driver, _: driver.set_trace_callback(self._on_statement))

    def trace(self, connection: sqlite3.Connection) -> None:
        """Hear of the statements of a database that is used without SQLAlchemy."""
        connection.set_trace_callback(lambda text: self._on_sql("ledger", text))

    def begin(self, operation: str) -> None:
        self.operation = operation
        self.counts.clear()

    def end(self) -> None:
        most = self.most.setdefault(self.operation, {})
        for point, count in self.counts.items():
            most[point] = max(count, most.get(point, 0))
        self.operation = ""

    def reach(self, point: str) -> None:
        if not self.operation:
            return
        self.counts[point] += 1
        chosen = self.target
        if (
            chosen
            and (chosen.operation, chosen.point) == (self.operation, point)
            and self.counts[point] == chosen.occurrence
        ):
            if chosen.how == "point":
                self._die(f"{chosen.operation}: {chosen.point}")
            threading.Thread(target=self._kill_child, args=(chosen,), daemon=True).start()

    def _die(self, where: str) -> None:
        self.tell({"killed": where})
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(SECONDS_MAX)  # the signal is on its way

    def _kill_child(self, chosen: Target) -> None:
        deadline = time.monotonic() + 1
        while not (children := list_children()) and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(chosen.after_seconds)
        for child in children[-1:]:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                return
            self.tell({"child killed": f"{chosen.operation}: {chosen.point}"})
        if chosen.how == "both":
            self._die(f"{chosen.operation}: {chosen.point}")

    def _on_statement(self, statement: str) -> None:
        self._on_sql("sql", statement)

    def _on_sql(self, where: str, statement: str) -> None:
        if found := STATEMENTS.match(statement):
            self.reach(f"{where} {' '.join(found[1].split())}")

    def _on_audit(self, name: str, arguments: tuple[object, ...]) -> None:
        if name not in FILE_EVENTS or not self.operation or getattr(self.within, "audit", False):
            return
        self.within.audit = True
        try:
            place = self._find_place(name, arguments)
        finally:
            self.within.audit = False
        if place:
            self.reach(place)

    def _find_place(self, name: str, arguments: tuple[object, ...]) -> str:
        """Which function of the store does this to the data folder; empty for anything else."""
        first = arguments[0]
        path = os.fsdecode(first) if isinstance(first, bytes | str | os.PathLike) else ""
        if name == "subprocess.Popen":
            words = [str(word) for word in arguments[1]]
            name = "start git " + next((word for word in words if GIT_VERBS.fullmatch(word)), "")
        elif not path or (path.startswith("/") and not path.startswith(self.root)):
            return ""
        if name == "open" and not is_writing(arguments[2]):
            return ""
        frame = sys._getframe(2)
        while frame:
            module = frame.f_globals.get("__name__", "")
            if module.startswith("imprint.store"):
                return (
                    name
                    if name.startswith("start")
                    else f"{name} {module.removeprefix('imprint.store.')}.{frame.f_code.co_name}"
                )
            frame = frame.f_back
        return ""


def is_writing(flags: object) -> bool:
    """Opened to be written, or, for a folder, to be synced."""
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_DIRECTORY))


def list_children() -> list[int]:
    """Processes that this one started and that still run, in the order of their ids."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found += [int(each) for each in (task / "children").read_text().split()]
        except OSError:
            continue
    return sorted(found)


@dataclass
class Told:
    """What a process said before its end, and how it ended."""

    records: list[dict] = field(default_factory=list)
    status: int = 0

    @property
    def was_killed(self) -> bool:
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    def find(self, key: str) -> object:
        return next((record[key] for record in reversed(self.records) if key in record), None)

    def verify(self) -> None:
        """Raises when the process ended by itself and badly, or had to be ended."""
        assert not self.find("fault"), self.find("fault")
        assert self.was_killed or self.status == 0, f"status {self.status}"


def run_apart(work: Callable[[Tell], None], kill_after: float | None = None) -> Told:
    """Do work in a process of its own, killed after some seconds if wished.

    What it told is read from a pipe, which keeps it when the process dies.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work_and_exit(work, writing)
    os.close(writing)
    started = time.monotonic()
    timer = threading.Timer(kill_after or SECONDS_MAX, os.kill, (child, signal.SIGKILL))
    timer.start()
    with os.fdopen(reading, "rb") as pipe:
        lines = pipe.read().splitlines()
    _, status = os.waitpid(child, 0)
    timer.cancel()
    assert kill_after or time.monotonic() - started < SECONDS_MAX, f"hung; its last words: {lines[-3:]}"
    return Told([json.loads(line) for line in lines], status)


def _work_and_exit(work: Callable[[Tell], None], writing: int) -> None:
    def tell(record: dict[str, object]) -> None:
        os.write(writing, json.dumps({**record, "thread": threading.get_ident()}).encode() + b"\n")

    status = 0
    try:
        work(tell)
    except BaseException:  # noqa: BLE001 - whatever it was, the parent is to see it
        tell({"fault": traceback.format_exc()})
        status = 1
    os._exit(status)

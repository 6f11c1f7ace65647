"""Commits over HTTP by many writers at once: how many a second, and what each costs the server.

    python bench/writers.py [--seconds 5] [--writers 1,4,16,64]

Every writer posts commits of one changed file to `/api/repos/OWNER/NAME/commits`, on a branch of its own,
into a tree of 5,000 files in 50 folders, on one repository or on one of its own; an answer means that the
commit is durable. Processor time is that of all of the server's processes by its control group; followers
stand still, by holding their lock. Writers are threads of another process on the same machine; they write
requests to a socket as they are, and what that costs them is told. Beside it, in the same run: what an fsync
of a file just written takes, and `git commit` with `git push` of one file by one writer, to `git
http-backend` behind nginx; and the least that could be, see `commit_floor.py`. Every row is bounded by
`--seconds`. The last line sums up.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from cgroup import ControlGroup
from peer import free_port, wait_for_port
from sides import Ours
from thread import git
from writes import FILES, FOLDERS, make_tree, measure_fsync, run_git


class Talk:
    """One connection, on which requests are posted as bytes: `http.client` costs a writer twice as much."""

    def __init__(self, port: int, head: bytes) -> None:
        self._head = head
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, body: bytes) -> bytes:
        """The answer, head and body, which has a length."""
        self._socket.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))
        answer = b""
        while True:
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError("the server has closed the connection")
            answer += piece
            head, end, content = answer.partition(b"\r\n\r\n")
            if end:
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
                if len(content) >= int(length):
                    return answer

    def close(self) -> None:
        """End it."""
        self._socket.close()


class Writers:
    """Threads that write until told to end, in a process of their own.

    Attributes:
        cpu: processor seconds of that process, once it has run.
    """

    def __init__(self, port: int, token: str, places: list[tuple[str, str]], seconds: float) -> None:
        self._port = port
        self._token = token
        self._places = places
        self.cpu = 0.0
        self._seconds = seconds
        self._told: multiprocessing.Queue[int | str] = multiprocessing.Queue()
        self._spent: multiprocessing.Queue[float] = multiprocessing.Queue()

    def run(self) -> int:
        """How many commits were answered for."""
        process = multiprocessing.get_context("fork").Process(target=self._run)
        process.start()
        told = [self._told.get(timeout=self._seconds * 4 + 60) for _ in self._places]
        self.cpu = self._spent.get(timeout=60)
        process.join()
        if wrong := [each for each in told if isinstance(each, str)]:
            raise SystemExit(wrong[0])
        return sum(each for each in told if isinstance(each, int))

    def _run(self) -> None:
        until = time.perf_counter() + self._seconds
        threads = [threading.Thread(target=self._write, args=(*each, until)) for each in self._places]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._spent.put(time.process_time())

    def _write(self, repository: str, branch: str, until: float) -> None:
        head = (
            f"POST /api/repos/{repository}/commits HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Authorization: Bearer {self._token}\r\nContent-Type: application/json\r\n"
        )
        talk, done = Talk(self._port, head.encode()), 0
        try:
            while time.perf_counter() < until:
                path = f"d{done % FOLDERS:02}/f{done // FOLDERS % FILES:02}.txt"
                edit = {"path": path, "content": f"{branch} writes {done}\n"}
                wish = {"target_branch": branch, "commit_message": "one file\n", "files": [edit]}
                answer = talk.post(json.dumps(wish).encode())
                if not answer.startswith(b"HTTP/1.1 201 "):
                    self._told.put(repr(answer[:800]))
                    return
                done += 1
        except OSError as failure:
            self._told.put(repr(failure))
            return
        finally:
            talk.close()
        self._told.put(done)


def prepare(ours: Ours, tree: Path, label: str, branches: int) -> str:
    """A repository with the tree on that many branches."""
    refs = [f"HEAD:refs/heads/b{at}" for at in range(branches)]
    git("push", "-q", ours.create(label), *refs, cwd=tree)
    return f"bench/{label}"


def run_row(
    port: int, token: str, names: list[str], row: tuple[int, float], group: ControlGroup
) -> tuple[float, float, float]:
    """Commits a second, and processor milliseconds of the server and of the writer for each."""
    writers, seconds = row
    places = [(names[at % len(names)], f"b{at}") for at in range(writers)]
    spent, began = group.cpu_seconds(), time.perf_counter()
    writing = Writers(port, token, places, seconds)
    done = writing.run()
    rate = done / (time.perf_counter() - began)
    return rate, (group.cpu_seconds() - spent) * 1000 / done, writing.cpu * 1000 / done


def run_floor(folder: Path, row: tuple[int, float]) -> tuple[float, float, float]:
    """The same of the least that could be: see `commit_floor.py`."""
    with ControlGroup() as group:
        port = free_port()
        command = [sys.executable, str(Path(__file__).with_name("commit_floor.py")), str(port)]
        process = subprocess.Popen([*command, str(folder / f"floor{row[0]}.db")])
        try:
            group.take([process.pid])
            wait_for_port(port, 60)
            time.sleep(1)
            return run_row(port, "", ["bare/floor"], row, group)
        finally:
            process.terminate()
            process.wait(30)


def tell(writers: int, where: str, measured: tuple[float, float, float], folder: Path) -> None:
    """Print a row."""
    rate, cost, own = measured
    told = [str(writers), where, f"{rate:.1f}", f"{cost:.1f}", f"{own:.2f}", f"{measure_fsync(folder):.2f}"]
    print(f"| {' | '.join(told)} | {os.getloadavg()[0]:.1f} |", flush=True)


def main() -> None:
    """Run every row and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each row")
    parser.add_argument("--writers", default="1,4,16,64")
    options = parser.parse_args()
    best = 0.0
    with tempfile.TemporaryDirectory(prefix="imprint-bench-writers-") as place, ControlGroup() as group:
        folder = Path(place)
        make_tree(folder / "tree")
        ours = Ours(folder, group)
        ours.start()
        try:
            token = (ours.data / "admin-token").read_text().strip()
            print(
                "| writers | repositories | commits/s | CPU, ms each | writer's | fsync, ms | load |",
                flush=True,
            )
            print("|---:|---|---:|---:|---:|---:|---:|", flush=True)
            for writers in (int(each) for each in options.writers.split(",")):
                row = (writers, options.seconds)
                for where in ("one", "many"):
                    names = [
                        prepare(ours, folder / "tree", f"{where}{writers}x{at}", writers)
                        for at in range(writers if where == "many" else 1)
                    ]
                    ours.wait_until_idle()
                    measured = run_row(ours.port, token, names, row, group)
                    best = max(best, measured[0])
                    tell(writers, where, measured, folder)
                tell(writers, "none: commit_floor.py", run_floor(folder, row), folder)
        finally:
            ours.stop()
        theirs = run_git(folder / "tree", options.seconds)
    print(f"writers: best {best:.1f}/s; git commit + git push {theirs:.2f}/s; {best / theirs:.1f} times")


if __name__ == "__main__":
    main()

"""What the same answers cost where they only have to be sent: the floor below repeated fetches.

    python bench/floor.py REPOSITORY [--rounds 20]

Stock git asks this project's server for refs, a fetch of ten commits, a shallow, a blobless and a full clone;
what goes over the wire is recorded. Then the same requests are answered, in turn, by the server itself,
which has answered them before, by uvicorn with a dictionary of the answers, and by a loop over sockets with
the same dictionary (`replay.py`). Numbers are milliseconds of processor time of all of a server's processes
for one command of git, the median over the rounds.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import pickle
import statistics
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cgroup import ControlGroup
from peer import free_port, wait_for_port
from sides import Ours, Spent
from transport import Clients, clone, prepare_branches, timed, update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEHIND = 10
SERVERS = ("uvicorn", "sockets")


class Recorder(http.server.BaseHTTPRequestHandler):
    """Hands requests on to a server, and keeps what was asked and answered."""

    protocol_version = "HTTP/1.1"
    known: dict[tuple[str, str, bytes], tuple[str, bytes]]
    token: str
    server_port: int

    def do_GET(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kept = ("Content-Type", "Content-Encoding", "Git-Protocol", "Accept")
        headers = {name: self.headers[name] for name in kept if name in self.headers}
        connection = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=60)
        connection.request(
            self.command, self.path, body, {**headers, "Authorization": f"Bearer {self.token}"}
        )
        answer = connection.getresponse()
        content, kind = answer.read(), answer.getheader("Content-Type", "")
        connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise SystemExit(f"{self.path}: {answer.status} {content!r}")
        self.known[self.command, self.path, body] = kind, content
        self.send_response(http.HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def list_commands(clients: Clients) -> dict[str, Callable[[str], object]]:
    """Commands of git by name; each takes the URL of a repository."""

    def one(*options: str) -> Callable[[str], object]:
        return lambda url: clone(url, "--single-branch", "-b", "bench-0", *options)

    return {
        "ls-remote": lambda url: timed("ls-remote", url),
        f"fetch {BEHIND}": lambda url: update(url, clients, 0, BEHIND),
        "shallow": one("--depth=1"),
        "blobless": one("--filter=blob:none"),
        "clone": one(),
    }


@contextmanager
def recording(ours: Ours, known: dict[tuple[str, str, bytes], tuple[str, bytes]]) -> Iterator[int]:
    """A recorder in front of a server; its port."""
    token = (ours.data / "admin-token").read_text().strip()
    handler = type("Bound", (Recorder,), {"known": known, "token": token, "server_port": ours.port})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def replaying(kind: str, file: Path) -> Iterator[tuple[int, ControlGroup]]:
    """A server that knows only what was recorded; its port and processes."""
    port = free_port()
    with ControlGroup() as group:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("replay.py")), kind, str(port), str(file)]
        )
        group.take([process.pid])
        wait_for_port(port, 30)
        try:
            yield port, group
        finally:
            process.terminate()
            process.wait(30)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imprint-bench-")))
        ours = Ours(folder, stack.enter_context(ControlGroup()))
        stack.callback(ours.stop)
        source, line = prepare_branches(given.repository, folder / "source.git")
        path = f"/{ours.add('floor', source).removeprefix(ours.base + '/')}"
        ours.start()
        commands = list_commands(Clients(source, line, folder))
        known: dict[tuple[str, str, bytes], tuple[str, bytes]] = {}
        with recording(ours, known) as port:
            for command in commands.values():
                command(f"http://127.0.0.1:{port}{path}")
        file = folder / "known.pickle"
        file.write_bytes(pickle.dumps(known))
        sides = {"ours": (ours.port, ours.group)}
        sides |= {kind: stack.enter_context(replaying(kind, file)) for kind in SERVERS}
        print(f"{'':10}" + "".join(f"{name:>12}" for name in sides))
        for name, command in commands.items():
            spent: dict[str, list[float]] = {side: [] for side in sides}
            for _ in range(given.rounds):
                for side, (port, group) in sides.items():
                    with Spent(group) as used:
                        command(f"http://127.0.0.1:{port}{path}")
                    spent[side].append(1000 * used.cpu)
            print(
                f"{name:10}" + "".join(f"{statistics.median(each):9.2f} ms" for each in spent.values()),
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Real git clients and REST clients of a running server, and the record of what each of them was told.

Clients share one local repository, in which all their commits are made; they push from it to an address, so
that nothing but objects is shared. Every push moves a ref to a commit of its own, so that an update is known
by its ref and its commit.
"""

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from imprint.store.events import Event

START_SECONDS_MAX = 60.0
GIT_SECONDS_MAX = 120
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
}


class ServerProcess:
    """One server on a data folder; started again at another address after it was ended."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = ""
        self.process: subprocess.Popen[str] | None = None
        self.log = data.with_name("server.log")

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("serving.py")), str(self.data)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()
        assert self.url, f"the server did not start: {self.log.read_text()[-2000:]}"

    def end(self, how: int = signal.SIGTERM) -> None:
        assert self.process
        assert self.process.stdout
        self.process.send_signal(how)
        self.process.wait(START_SECONDS_MAX)
        self.process.stdout.close()

    def address(self, name: str, token: str) -> str:
        return f"http://git:{token}@{self.url.partition('://')[2]}/{name}.git"


@dataclass
class Record:
    """What clients were told: updates by ref and new value. Safe to share between threads."""

    landed: list[tuple[str, str | None]] = field(default_factory=list)
    refused: list[tuple[str, str | None]] = field(default_factory=list)
    unknown: list[tuple[str, str | None]] = field(default_factory=list)
    unheard: int = 0
    """Requests by REST that got no answer; what they would have made is not known."""
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, outcome: str, *updates: tuple[str, str | None]) -> None:
        """`outcome` is `landed`, `refused` or `unknown`: nothing was heard."""
        with self.lock:
            self.counts[f"{what}: {outcome}"] += 1
            getattr(self, outcome).extend(updates)

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def verify(self, events: list[Event]) -> None:
        """Told = landed: each acknowledged update is in the journal once, and no refused one is.

        A deletion has no value of its own: as many happened as were told, or more, where nothing was heard.
        """
        happened = Counter((change.name.text, change.new) for event in events for change in event.changes)
        landed, unknown = Counter(self.landed), Counter(self.unknown)
        for update, count in landed.items():
            most = count + unknown[update]
            assert count <= happened[update] <= most, (
                f"{update} was told {count}, happened {happened[update]}"
            )
        for update in set(self.refused) - landed.keys() - unknown.keys():
            assert happened[update] == 0, f"{update} was refused and happened"
        strange = {
            update for update in happened if update[1] and update not in landed and update not in unknown
        }
        assert len(strange) <= self.unheard, f"happened and told to nobody: {sorted(strange)[:5]}"


class Clients:
    """Many clients of one repository on one or several servers.

    Args:
        folder: for the local repository.
        servers: which of them a client asks is chosen anew each time.
        name: `owner/name`.
        token: of all of them.
        record: what they are told.
    """

    def __init__(
        self, folder: Path, servers: list[ServerProcess], name: str, token: str, record: Record
    ) -> None:
        self.folder = folder
        self.servers = servers
        self.name = name
        self.token = token
        self.record = record
        self.numbers = itertools.count(1)
        folder.mkdir(parents=True)
        self.git("init", "-q", "--bare", "-b", "main", ".")

    # -- local ------------------------------------------------------------------------------------------

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-c", "gc.auto=0", "-c", "maintenance.auto=false", *arguments],
            cwd=self.folder,
            env={**os.environ, **ENVIRONMENT},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=GIT_SECONDS_MAX,
        )

    def git(self, *arguments: str, stdin: str = "") -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"git {arguments[0]}: {done.stderr}"
        return done.stdout.strip()

    def make_commits(self, count: int, parent: str | None = None) -> list[str]:
        """Commits beside each other on one parent, each with a file of its own."""
        lines: list[str] = []
        refs = []
        for _ in range(count):
            number = next(self.numbers)
            refs.append(f"refs/made/{number}")
            lines += [f"commit refs/made/{number}", "committer Ada <ada@example.com> 1767322800 +0000"]
            lines += ["data <<END", f"number {number}", "END"]
            lines += [f"from {parent}"] if parent else []
            lines += [
                f"M 100644 inline dir-{number % 10}/file-{number}",
                "data <<END",
                f"number {number}",
                "END",
                "",
            ]
        self.git("fast-import", "--quiet", stdin="\n".join(lines) + "\n")
        found = dict(
            line.split(" ")
            for line in self.git("for-each-ref", "--format=%(refname) %(objectname)", *refs).splitlines()
        )
        return [found[ref] for ref in refs]

    def address(self) -> str:
        return random.choice(self.servers).address(self.name, self.token)

    def remote_head(self, ref: str) -> str | None:
        """Where a ref is; what it names is fetched, so that commits can be made on it."""
        address = self.address()
        listed = self.run("ls-remote", address, ref)
        if listed.returncode != 0 or not listed.stdout:
            return None
        head = listed.stdout.split()[0]
        fetched = self.run("fetch", "-q", "--no-write-fetch-head", "--no-tags", address, head)
        return head if fetched.returncode == 0 else None

    # -- pushes -----------------------------------------------------------------------------------------

    def push(self, what: str, updates: dict[str, str | None], *options: str) -> bool:
        """Push commits to refs (None deletes); what git says of each is recorded. True when all landed."""
        specs = [f"{new or ''}:{ref}" for ref, new in updates.items()]
        done = self.run("push", "--porcelain", *options, self.address(), *specs)
        told = {}
        for line in done.stdout.splitlines():
            parts = line.split("\t")
            if len(parts) == 3:
                told[parts[1].partition(":")[2]] = parts[0], parts[2]
        landed = True
        for ref, new in updates.items():
            flag, summary = told.get(ref, ("", ""))
            outcome = "landed" if flag and flag in " +-*" else "unknown"
            if flag == "!":
                # Without an answer for a ref, git says that the remote end hung up or reported nothing.
                outcome = "unknown" if "remote failed" in summary or "no report" in summary else "refused"
            if flag == "=":
                outcome = "refused"  # there already: nothing was asked
            if not flag and is_refused_before_work(done.stderr):
                outcome = "refused"
            landed = landed and outcome == "landed"
            self.record.note(what, outcome, (ref, new))
        return landed

    def delete(self, what: str, ref: str) -> bool:
        """Delete a ref where it is now. Without its value git would ask for nothing, and be told ok."""
        head = self.remote_head(ref)
        if head is None:
            self.record.count(f"{what}: no head")
            return False
        return self.push(what, {ref: None}, f"--force-with-lease={ref}:{head}")

    def push_on_top(self, what: str, ref: str, tries: int) -> bool:
        """Push a commit on top of a branch; fetch and try again when others were faster."""
        for _ in range(tries):
            head = self.remote_head(ref)
            if head is None:
                self.record.count(f"{what}: no head")
                continue
            [commit] = self.make_commits(1, head)
            if self.push(what, {ref: commit}):
                return True
        return False

    # -- REST -------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, **options: object) -> httpx.Response | None:
        """One request; None when no answer came."""
        url = f"{random.choice(self.servers).url}/api/repos/{self.name}{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            return httpx.request(method, url, headers=headers, timeout=GIT_SECONDS_MAX, **options)
        except httpx.ConnectError:
            self.record.count(f"{method} {path.split('/')[1]}: no server")
            return None
        except httpx.TransportError:
            with self.record.lock:
                self.record.unheard += method != "GET"
            self.record.count(f"{method} {path.split('/')[1]}: cut off")
            return None

    def write(self, what: str, method: str, path: str, **options: object) -> dict | None:
        """A request that changes refs; its event's changes are recorded. The answer, when it landed."""
        answer = self.ask(method, path, **options)
        if answer is None:
            return None
        if answer.status_code in (200, 201):
            document = answer.json()
            changes = document["event"]["changes"] if document.get("event") else []
            self.record.note(what, "landed", *((each["ref"], each["new_sha"]) for each in changes))
            return document
        self.record.count(f"{what}: {answer.status_code}")
        with self.record.lock:
            self.record.unheard += answer.status_code >= 500
        return None

    def commit(self, branch: str) -> dict | None:
        number = next(self.numbers)
        wish = {
            "target_branch": branch,
            "commit_message": f"number {number}",
            "files": [{"path": f"api/file-{number}", "content": f"number {number}\n"}],
        }
        return self.write("API commit", "POST", "/commits", json=wish)

    def merge(self, source: str, target: str) -> dict | None:
        wish = {
            "target_branch": target,
            "source_branch": source,
            "strategy": random.choice(["merge", "ff_prefer"]),
        }
        return self.write("API merge", "POST", "/merges", json=wish)

    def create_branch(self, name: str, base: str) -> dict | None:
        return self.write(
            "branch create", "POST", "/branches", json={"target_branch": name, "base_sha": base}
        )

    def delete_branch(self, name: str) -> dict | None:
        return self.write("branch delete", "DELETE", f"/branches/{name}")


def is_refused_before_work(stderr: str) -> bool:
    """Whether no server was there when the push asked for the refs.

    A push that was sent and not answered is sent again on a new connection: that this one is refused says
    nothing about the first.
    """
    return "unable to access" in stderr and "RPC failed" not in stderr

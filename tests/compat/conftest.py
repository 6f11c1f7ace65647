"""Clients of every kind against one real server: `imprint serve` in a process of its own, on loopback.

What is counted, and for whom: a test module says in `CLIENT` whose cases it holds; a test that takes the
fixture `git` belongs to that version of git. At the end of a run of this folder the counts are printed as a
table, and written as JSON to the file that COMPAT_JSON names.

Variables:
    GIT_VERSIONS_DIR: a folder that `build_gits.sh` has filled; without it only the machine's git is run.
    LIBGIT2_SOURCE: a clone of libgit2's repository, for its own suite; see `libgit2_online.sh`.
    LIBGIT2_BUILD: a folder to build that in and to find it again; without it a temporary one.
    COMPAT_JSON: a file to write the counts to.
"""

import functools
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

VERSIONS = ("2.20.5", "2.26.3", "2.30.9", "2.34.8", "2.43.7", "2.47.3", "2.55.0")
"""Those of git that the table wants besides the machine's."""

ALONE = {
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
"""Nothing of the machine's configuration reaches a client."""


# -- clients -------------------------------------------------------------------------------------------


class Ended(NamedTuple):
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


class Client:
    """A stock git client of one version in one folder; every commit is a day after the one before."""

    def __init__(self, folder: Path, programs: Path | None = None) -> None:
        self.folder = folder
        self.programs = programs
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        self.environment = {**kept, **ALONE}
        if programs:
            self.environment["PATH"] = f"{programs}:{kept.get('PATH', os.defpath)}"
        self.days = itertools.count(1)

    def at(self, name: str) -> "Client":
        """The same client in a folder below this one."""
        there = Client(self.folder / name, self.programs)
        there.environment = self.environment
        there.days = self.days
        return there

    def speak(self, protocol: int) -> "Client":
        """Ask for this version of Git's protocol from now on, in children too."""
        self.environment = {**self.environment, "GIT_CONFIG_PARAMETERS": f"'protocol.version={protocol}'"}
        return self

    def run(self, *arguments: str, stdin: bytes = b"", **variables: str) -> Ended:
        """Run git, whatever comes of it."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=self.environment | variables,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=90,
        )
        said = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
        return Ended(done.returncode, *said)

    def __call__(self, *arguments: str, stdin: bytes = b"", **variables: str) -> str:
        """Run git, which must succeed; its output without the last newline."""
        done = self.run(*arguments, stdin=stdin, **variables)
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
        return done.stdout.removesuffix("\n")

    def refused(self, *arguments: str, **variables: str) -> str:
        """Run git, which must fail; what it says then."""
        done = self.run(*arguments, **variables)
        assert done.returncode != 0, f"git {' '.join(arguments)} was not refused"
        return done.stdout + done.stderr

    def traced(self, *arguments: str) -> str:
        """Run git, which must succeed; what went over the wire: packets, and headers of requests."""
        trace = self.folder / f"trace-{next(self.days)}"
        self(*arguments, GIT_TRACE_PACKET=str(trace), GIT_TRACE_CURL=str(trace), GIT_TRACE_CURL_NO_DATA="1")
        said = trace.read_text("utf-8", "replace")
        trace.unlink()
        return said

    def commit(self, path: str, content: str = "", message: str = "") -> str:
        """Write a file and commit it; the commit's id."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content or path)
        self("add", "--", path)
        day = f"{1_700_000_000 + 86_400 * next(self.days)} +0000"
        self("commit", "-q", "-m", message or path, GIT_AUTHOR_DATE=day, GIT_COMMITTER_DATE=day)
        return self("rev-parse", "HEAD")

    def begin(self) -> "Client":
        """Make the folder a repository on branch `main`, as every version of git can."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self("init", "-q")
        self("symbolic-ref", "HEAD", "refs/heads/main")
        return self

    def subjects(self, revision: str = "HEAD") -> list[str]:
        """The first lines of the messages of a history, newest first."""
        return self("log", "--format=%s", revision).splitlines()

    def missing(self, revision: str = "HEAD") -> set[str]:
        """What a partial clone has been promised and does not have."""
        listed = self("rev-list", "--objects", "--missing=print", revision).splitlines()
        return {line[1:] for line in listed if line.startswith("?")}

    def has(self, name: str) -> bool:
        """Whether an object is there, without fetching it."""
        return self.run("cat-file", "-e", name, GIT_NO_LAZY_FETCH="1").returncode == 0

    @functools.cached_property
    def version(self) -> tuple[int, ...]:
        """Which git this is."""
        return read_version(self("--version"))


def read_version(said: str) -> tuple[int, ...]:
    """The numbers in what `git --version` says."""
    found = re.search(r"\d+(\.\d+)+", said)
    assert found, said
    return tuple(int(part) for part in found.group().split("."))


def find_gits() -> dict[str, Path | None]:
    """Folders of programs by version; None for the machine's own git."""
    said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
    found: dict[str, Path | None] = {}
    if folder := os.environ.get("GIT_VERSIONS_DIR"):
        for program in Path(folder).resolve().glob("*/bin/git"):
            found[program.parent.parent.name] = program.parent
    found[".".join(map(str, read_version(said)))] = None
    return dict(sorted(found.items(), key=lambda item: read_version(item[0])))


GITS = find_gits()


@pytest.fixture(params=GITS, ids=lambda version: f"git-{version}")
def git(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    """A client in an empty folder, once for every version of git at hand."""
    return Client(tmp_path, GITS[request.param])


@pytest.fixture(params=(0, 1, 2), ids="protocol-{}".format)
def speaking(request: pytest.FixtureRequest, git: Client) -> Client:
    """The client under test, asking for one version of the protocol after the other."""
    return git.speak(request.param)


@pytest.fixture
def stock(tmp_path: Path) -> Client:
    """The machine's git in an empty folder."""
    return Client(tmp_path)


# -- the server ----------------------------------------------------------------------------------------


@dataclass
class Site:
    """A running server, and the way to it for somebody who may do everything."""

    url: str
    token: str
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        self.api = httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def create(self, **options: str) -> str:
        """Make an empty repository; its name."""
        name = f"compat/r{next(self.numbers)}"
        answer = self.api.post("/api/repos", json={"name": name, **options})
        assert answer.status_code == 201, answer.text
        return name

    def new_token(self, name: str, *can: str, actor: str = "ada") -> str:
        """A token for one repository; its secret."""
        wanted = {"actor": actor, "kind": "human", "repositories": [name], "can": can}
        answer = self.api.post("/api/tokens", json=wanted)
        assert answer.status_code == 201, answer.text
        secret: str = answer.json()["token"]
        return secret

    def address(self, name: str, token: str | None = None) -> str:
        """The address of a repository with a token as the password; with "" there is none in it."""
        scheme, _, authority = self.url.partition("://")
        secret = self.token if token is None else token
        return f"{scheme}://{f'git:{secret}@' if secret else ''}{authority}/{name}.git"

    def refs(self, name: str) -> dict[str, str]:
        """What the server says of the refs."""
        return {ref["name"]: ref["sha"] for ref in self.api.get(f"/api/repos/{name}/refs").json()["refs"]}

    def last_event(self, name: str) -> dict[str, Any]:
        """The newest thing that happened to a repository."""
        events = self.api.get(f"/api/repos/{name}/events").json()
        newest: dict[str, Any] = max(events["events"], key=lambda event: event["sequence"])
        return newest


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server of this run; a test makes its own repositories."""
    data = tmp_path_factory.mktemp("served") / "data"
    command = [sys.executable, "-m", "imprint.cli.main", "serve", "--data", str(data), "--port", "0"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("IMPRINT_", "GIT_"))}
    log = (data.parent / "log").open("w+")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=kept | ALONE)
    try:
        assert process.stdout
        line = next((line for line in process.stdout if "serves" in line), "")
        assert line, f"the server did not start: {(data.parent / 'log').read_text()}"
        served = Site(line.split()[-1], (data / "admin-token").read_text().strip())
        yield served
        served.api.close()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        log.close()


@pytest.fixture
def remote(site: Site) -> "Remote":
    """An empty repository on the server."""
    return Remote(site, site.create())


@dataclass
class Remote:
    """One repository on the server."""

    site: Site
    name: str

    @property
    def url(self) -> str:
        return self.site.address(self.name)

    @property
    def refs(self) -> dict[str, str]:
        return self.site.refs(self.name)


def fill(git: Client) -> Client:
    """A small project: a branch that was merged, one that was not, tags of both kinds, folders."""
    git.begin()
    for number in range(1, 9):
        git.commit("README", f"{number}\n" * 50, f"main {number}")
        git.commit(f"src/part{number}/code.py", f"VALUE = {number}\n" * number, f"part {number}")
        if number == 2:
            git("tag", "-a", "v1", "-m", "version 1")
            git("branch", "side")
        if number == 5:
            git("tag", "light")
    git("checkout", "-q", "side")
    for number in range(1, 4):
        git.commit(f"side/{number}", f"{number}", f"side {number}")
    git("branch", "open")
    git("checkout", "-q", "main")
    day = f"{1_700_000_000 + 86_400 * 40} +0000"
    git("merge", "-q", "--no-ff", "-m", "merge side", "side", GIT_AUTHOR_DATE=day, GIT_COMMITTER_DATE=day)
    git.days = itertools.count(41)
    git.commit("after", "after", "last")
    git("tag", "-a", "v2", "-m", "version 2")
    return git


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """The project's work tree, not to be changed."""
    return fill(Client(tmp_path_factory.mktemp("project") / "work"))


@pytest.fixture(scope="session")
def published(site: Site, project: Client) -> Remote:
    """The project on the server, for tests that only read it."""
    there = Remote(site, site.create())
    project("push", "-q", there.url, "main", "side", "open", "v1", "v2", "light")
    return there


@pytest.fixture
def source(remote: Remote, project: Client, tmp_path: Path) -> Client:
    """A work tree of one's own of the project, pushed to the repository `remote`, which is its `origin`."""
    shutil.copytree(project.folder, tmp_path / "source")
    git = Client(tmp_path / "source")
    git.days = itertools.count(50)
    git("remote", "add", "origin", remote.url)
    git("push", "-q", "origin", "main", "side", "open", "v1", "v2", "light")
    return git


# -- counting ------------------------------------------------------------------------------------------


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write on every test of this folder whose case it is."""
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        assert isinstance(item, pytest.Function)
        version = item.callspec.params.get("git") if hasattr(item, "callspec") else None
        client = f"git {version}" if version else item.module.CLIENT
        item.user_properties.append(("client", client))


@dataclass
class Counts:
    """How many cases of one client came out how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)


def count(reporter: Any) -> dict[str, Counts]:
    """The counts by client, from the reports of a run."""
    counted: dict[str, Counts] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        name = "failed" if outcome == "error" else outcome
        for report in reporter.stats.get(outcome, []):
            properties = dict(report.user_properties)
            if "client" not in properties or (outcome == "passed" and report.when != "call"):
                continue
            row = counted.setdefault(properties["client"], Counts())
            for kind, number in properties.get("cases", {name: 1}).items():
                setattr(row, kind, getattr(row, kind) + number)
            if name == "failed":
                row.notes.append(report.nodeid.rpartition("::")[2])
            elif outcome == "skipped" and isinstance(report.longrepr, tuple):
                row.notes.append(report.longrepr[2].removeprefix("Skipped: "))
    return counted


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, and write it where COMPAT_JSON says."""
    counted = count(terminalreporter)
    if not counted:
        return
    order = sorted(counted, key=lambda name: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", name)])
    terminalreporter.section("clients")
    terminalreporter.line(f"{'client':<44} {'passed':>7} {'failed':>7} {'skipped':>7}")
    for name in order:
        row = counted[name]
        terminalreporter.line(f"{name:<44} {row.passed:>7} {row.failed:>7} {row.skipped:>7}")
    absent = [version for version in VERSIONS if version not in GITS]
    if any(name.startswith("git 2") for name in counted) and absent:
        terminalreporter.line(f"not there, see tests/compat/build_gits.sh: git {', '.join(absent)}")
    if path := os.environ.get("COMPAT_JSON"):
        rows = {name: vars(counted[name]) for name in order}
        Path(path).write_text(json.dumps({"clients": rows, "absent": absent}, indent=2) + "\n")

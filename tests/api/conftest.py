"""One real server for the tests of this folder: real store, real uvicorn on loopback, stock git."""

import base64
import dataclasses
import itertools
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from tests.folders import make_data_folder

from imprint.api.app import create_app
from imprint.api.server import Ending, Server, listen, ssh_address_of
from imprint.api.settings import ApiSettings
from imprint.semantic.library import Library
from imprint.store.actors import ActorKind, Token, Verb
from imprint.store.clock import ManualClock
from imprint.store.hosting.access import SessionSeed
from imprint.store.hosting.repositories import Hosting
from imprint.store.origins.sources import Origins
from imprint.store.types import RepositoryName

READ = frozenset({Verb.READ})
WRITE = frozenset({Verb.READ, Verb.WRITE})
ADMIN = frozenset({Verb.ADMIN})

GIT_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
}
ADA = {"name": "Ada", "email": "ada@example.com"}
HOUR_MS = 3_600_000
TLS = ssl.create_default_context()
"""Of all clients: none speaks TLS, and to make one takes longer than a request."""


class Stock:
    """A stock git client: one folder, one identity, one token."""

    def __init__(self, folder: Path, name: str, email: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, **GIT_ENVIRONMENT}
        for role in ("AUTHOR", "COMMITTER"):
            self.environment |= {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": email}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def __call__(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout.decode("utf-8", "replace").strip()

    def refused(self, *arguments: str) -> str:
        """Run a command that must fail; what git says then."""
        done = self.run(*arguments)
        assert done.returncode != 0, f"git {' '.join(arguments)} was not refused"
        return done.stderr.decode("utf-8", "replace")

    def commit(self, files: dict[str, str | bytes], message: str) -> str:
        for path, content in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")


@dataclass
class Served:
    """A running server and everything a test needs to come to it as somebody."""

    url: str
    ssh_url: str
    hosting: Hosting
    origins: Origins
    library: Library
    app: object
    clock: ManualClock
    folder: Path
    admin: str
    process: Server
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    clients: dict[str | None, httpx.Client] = field(default_factory=dict)

    def settle(self) -> None:
        """Wait until every follower is done."""
        self.app.state.services.runner.catch_up(60)

    def repository(self, name: str = "", **options: str) -> str:
        """Make an empty repository of its own for a test; its name."""
        name = name or f"test/repo-{next(self.numbers)}"
        self.hosting.create(RepositoryName.parse(name), None, **options)
        return name

    def token(
        self, *repositories: str, verbs: frozenset[Verb] = WRITE, actor: str = "ada", **more: object
    ) -> str:
        """A new token's secret."""
        kind = ActorKind.AGENT if actor.startswith("agent") else ActorKind.HUMAN
        emails = () if kind is ActorKind.AGENT else (f"{actor}@example.com",)
        return self.hosting.issue_token(
            actor=actor, kind=kind, repositories=repositories, verbs=verbs, emails=emails, **more
        )[1]

    def client(self, token: str | None = None) -> httpx.Client:
        """A client that comes with this token, or with none; closed with the server."""
        if token not in self.clients:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            self.clients[token] = httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=TLS)
        return self.clients[token]

    def git_url(self, name: str, token: str = "") -> str:
        authority = self.url.partition("://")[2]
        return f"http://{'git:' + token + '@' if token else ''}{authority}/{name}.git"

    def work_tree(self, name: str = "Ada", email: str = "ada@example.com") -> Stock:
        """A new, empty clone-to-be of a stock client."""
        folder = self.folder / f"work-{next(self.numbers)}"
        folder.mkdir()
        git = Stock(folder, name, email)
        git("init", "-q", "-b", "main")
        return git

    def pushed(self, files: dict[str, str | bytes], name: str = "") -> tuple[str, Stock]:
        """A new repository with one commit in it, pushed; its name and the client that did it."""
        name = self.repository(name)
        git = self.work_tree()
        git.commit(files, "Begin")
        git("push", "-q", self.git_url(name, self.token(name)), "HEAD:refs/heads/main")
        return name, git


def start(
    folder: Path, settings: ApiSettings, clock: ManualClock
) -> tuple[Hosting, Origins, Library, object, Server, threading.Thread, list[str]]:
    hosting = Hosting.open(make_data_folder(folder / "data"), clock=clock)
    origins = Origins.of_hosting(hosting)
    library = Library.open(hosting.folder.index_path)
    ssh_socket = listen("127.0.0.1", 0)
    settings = dataclasses.replace(settings, ssh_port=ssh_socket.getsockname()[1])
    app = create_app(hosting, origins, library, settings)
    ready = threading.Event()
    addresses: list[str] = []

    def on_ready(address: str) -> None:
        addresses.append(address)
        ready.set()

    server = Server(app, settings, Ending(settings.stop_seconds, str), on_ready)
    http_socket = listen("127.0.0.1", 0)
    server.speak_ssh(ssh_socket, http=http_socket)
    thread = threading.Thread(target=server.run_on, args=(http_socket,), daemon=True)
    thread.start()
    assert ready.wait(30), "the server did not start"
    return hosting, origins, library, app, server, thread, [addresses[0], ssh_address_of(ssh_socket)]


@contextmanager
def serving() -> Iterator[Callable[..., Served]]:
    """Gives what starts servers: `serve(folder, settings)`; all are stopped at the end."""
    started: list[tuple[Served, Server, threading.Thread]] = []

    def serve(folder: Path, settings: ApiSettings | None = None) -> Served:
        clock = ManualClock()
        hosting, origins, library, app, server, thread, urls = start(folder, settings or ApiSettings(), clock)
        path = hosting.ensure_admin_token()
        assert path is not None
        served = Served(
            *urls, hosting, origins, library, app, clock, folder, path.read_text().strip(), server
        )
        started.append((served, server, thread))
        return served

    yield serve
    for served, server, thread in started:
        for client in served.clients.values():
            client.close()
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the server did not stop"
        served.library.close()
        served.origins.close()
        served.hosting.close()


@pytest.fixture
def serve_at() -> Iterator[Callable[..., Served]]:
    """Starts servers that stop with the test: one that idles still looks for events, four times a second."""
    with serving() as serve:
        yield serve


@pytest.fixture(scope="module")
def serve_module() -> Iterator[Callable[..., Served]]:
    """Starts servers for all tests of a module."""
    with serving() as serve:
        yield serve


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server that most tests share. A test that changes something makes its own repository."""
    with serving() as serve:
        yield serve(tmp_path_factory.mktemp("server"))


class Keys:
    """SSH keys of people, made with ssh-keygen, and stock clients that come with one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count(1)

    def make(self, kind: str = "ed25519") -> Path:
        path = self.folder / f"key-{next(self.numbers)}"
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "ada", "-f", path], check=True)
        return path

    def register(self, server: Served, key: Path, *repositories: str, **more: object) -> Token:
        line = key.with_suffix(".pub").read_text()
        server.token(*repositories, ssh_key=line, **more)
        return server.hosting.authenticate_key(base64.b64decode(line.split()[1])).token

    def command(self, key: Path) -> list[str]:
        """An ssh that comes with the key, and with nothing of this machine's configuration."""
        options = ["StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={self.folder / 'known'}"]
        options += ["BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "LogLevel=ERROR"]
        return ["ssh", "-F", "none", "-i", str(key), *(f"-o{option}" for option in options)]

    def client(self, server: Served, key: Path, **identity: str) -> Stock:
        git = server.work_tree(**identity)
        git.environment["GIT_SSH_COMMAND"] = " ".join(self.command(key))
        return git

    @staticmethod
    def url(server: Served, name: str) -> str:
        return f"{server.ssh_url}/{name}.git"

    def ask(
        self, server: Served, key: Path, *command: str, options: tuple[str, ...] = ()
    ) -> subprocess.Popen:
        """Have ssh run something, with its streams open."""
        host, _, port = server.ssh_url.removeprefix("ssh://").rpartition(":")
        return subprocess.Popen(
            [*self.command(key), *options, "-p", port, host, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )

    def run(
        self, server: Served, key: Path, *command: str, options: tuple[str, ...] = (), stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        with self.ask(server, key, *command, options=options) as process:
            out, err = process.communicate(stdin, timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Makes SSH keys and comes with them."""
    return Keys(tmp_path_factory.mktemp("keys"))


RETRY_BEFORE = '''"""Calling a service that may be busy."""

ATTEMPTS = 3


def call(service, request):
    """Call once."""
    return service.send(request)
'''
RETRY_AFTER = '''"""Calling a service that may be busy."""

import time

ATTEMPTS = 3


def call(service, request):
    """Call until it answers: the retry policy."""
    for attempt in range(ATTEMPTS):
        try:
            return service.send(request)
        except TimeoutError:
            time.sleep(2**attempt)
    raise TimeoutError(request)
'''
PROMPT = "Calls fail when the service is busy. Retry them with a growing pause."


@dataclass(frozen=True)
class Sample:
    """A repository with a person's commits, an agent's, and one of unknown origin."""

    name: str
    human: str
    agent: str
    unknown: str


@pytest.fixture(scope="session")
def sample(server: Served) -> Sample:
    """Shared, so that nobody may change it."""
    name = server.repository("acme/app")
    ada = server.work_tree()
    ada("remote", "add", "origin", server.git_url(name, server.token(name, actor="ada")))
    human = ada.commit(
        {"README.md": "# App\n\nA sample.\n", "app/retry.py": RETRY_BEFORE, "app/empty.txt": ""},
        "Call the service",
    )
    ada("push", "-q", "origin", "main")
    server.settle()  # what follows must not replace the tip before the followers have seen it

    seed = SessionSeed("session-1", agent="claude-code", model="opus", prompt=PROMPT)
    agent_token = server.token(name, actor="agent-7", session=seed)
    agent_tree = server.work_tree("agent-7", "agent-7@agents.example.com")
    agent_tree("pull", "-q", server.git_url(name, agent_token), "main")
    agent = agent_tree.commit({"app/retry.py": RETRY_AFTER}, "Retry calls with a growing pause")
    agent_tree("push", "-q", server.git_url(name, agent_token), "HEAD:refs/heads/main")

    ada("pull", "-q", "--rebase", "origin", "main")
    unknown = ada.commit(
        {
            "assets/dot.png": bytes.fromhex(
                "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
                "0000000d49444154789c63f8cfc0f01f00050001ff56c3f7e40000000049454e44ae426082"
            ),
            "assets/page.html": "<script>alert('run')</script>\n",
            'app/<b>bold & "odd".txt': "odd name\n",
        },
        "Add assets <script>alert(1)</script>",
    )
    ada("tag", "v1.0")
    ada("branch", "feature/deep")
    ada("push", "-q", "origin", "main", "v1.0", "feature/deep")
    server.settle()
    return Sample(name, human, agent, unknown)

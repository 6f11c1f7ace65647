"""One repository at our server and in stock git, changed alike, and clones of both that must stay alike."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.api.conftest import GIT_ENVIRONMENT
from tests.store.packing.histories import PATHS, TEXTS, Source, make_source

from imprint.store.maintenance.prune import prune
from imprint.store.maintenance.rounds import maintain
from imprint.store.maintenance.work import Work
from imprint.store.types import RepositoryName

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.conftest import Served

ENVIRONMENT = {**GIT_ENVIRONMENT, "PATH": "/usr/bin:/bin:/usr/local/bin"}
FILTERS = ("blob:none", "blob:limit=500", "tree:0", "blob:none")
SECOND = 1_700_000_000
"""When the first commit of a made history was committed; each later one a minute after."""


def run(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A stock client, which may fail."""
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        input=stdin, capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT,
    )  # fmt: skip


def git(folder: Path, *arguments: str, stdin: str = "") -> str:
    """A stock client, which must not fail."""
    done = run(folder, *arguments, stdin=stdin)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


class Backend(BaseHTTPRequestHandler):
    """git-http-backend(1) with the repositories of a folder."""

    root = ""

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        environment = {
            **os.environ, **ENVIRONMENT, "GIT_PROJECT_ROOT": self.root, "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_USER": "ada",
        }  # fmt: skip
        command = ["git", "http-backend"]
        done = subprocess.run(command, input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve_stock(folder: Path) -> Iterator[str]:
    """Stock git's HTTP server for the repositories of a folder; its URL."""
    handler = type("Handler", (Backend,), {"root": str(folder)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def make_history(folder: Path, chance: random.Random) -> Source:
    """Random commits with merges; refs `c...`, some tagged."""
    history = []
    for number in range(chance.randint(6, 16)):
        below = range(max(0, number - 4), number)
        parents = tuple(chance.sample(below, min(len(below), chance.choice((1, 1, 1, 2, 3)))))
        texts = {path: chance.randrange(len(TEXTS)) for path in chance.sample(PATHS, chance.randint(0, 3))}
        history.append((parents, texts))
    return make_source(folder, history, chance.sample(range(len(history)), 3))


class Twin:
    """The repository on both sides. Its refs are always alike."""

    def __init__(
        self, server: Served, folder: Path, stock_url: str, source: Source, chance: random.Random
    ) -> None:
        self._server, self._source, self._chance = server, source, chance
        self._stock_url = stock_url
        self._name = server.repository()
        self._token = server.token("*")
        self.stock = folder / "stock.git"
        git(folder, "init", "-q", "--bare", "-b", "b0", str(self.stock))
        for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant", "http.receivepack"):
            git(self.stock, "config", key, "true")
        server.hosting.set_head(RepositoryName.parse(self._name), "b0", None)
        self._refs: set[str] = set()
        self._hidden = ""
        self.push("b0", source.commits[len(source.commits) // 3])
        self.push("b1", source.commits[-1])

    @property
    def urls(self) -> tuple[str, str]:
        """Of ours and of stock git's."""
        return self._server.git_url(self._name, self._token), f"{self._stock_url}/stock.git"

    @property
    def refs(self) -> list[str]:
        """Names of branches that are shown: stock git lets clients name others in `--shallow-exclude`."""
        return sorted(each for each in self._refs if self._hidden != f"refs/heads/{each}")

    def push(self, branch: str, commit: str) -> None:
        """Set a branch, whatever it was."""
        for url in self.urls:
            git(self._source.folder, "push", "-q", "--force", url, f"{commit}:refs/heads/{branch}")
        self._refs.add(branch)

    def change(self) -> str:
        """Something happens; what."""
        event = self._chance.choice(
            ("push", "push", "tag", "delete", "maintain", "join", "prune", "hide", "rename")
        )
        getattr(self, f"_{event}")()
        return event

    def _push(self) -> None:
        branch = self._chance.choice(("b0", "b1", "b2", "b3"))
        if self._hidden != f"refs/heads/{branch}":
            self.push(branch, self._chance.choice(self._source.commits))

    def _tag(self) -> None:
        tag, name = self._chance.choice(self._source.tags), f"refs/tags/x{self._chance.randrange(100)}"
        for url in self.urls:
            git(self._source.folder, "push", "-q", "--force", url, f"{tag}:{name}")

    def _delete(self) -> None:
        gone = self._chance.choice(("b2", "b3"))
        if gone in self._refs and self._hidden != f"refs/heads/{gone}":
            self._refs.discard(gone)
            for url in self.urls:
                git(self._source.folder, "push", "-q", url, f":refs/heads/{gone}")

    def _maintain(self) -> None:
        maintain(self._work(), everything=True)

    def _join(self) -> None:
        maintain(self._work())

    def _prune(self) -> None:
        prune(self._work(), 0)
        git(self.stock, "gc", "-q", "--prune=now")

    def _hide(self) -> None:
        # Not tags: stock git sends hidden ones along with what they name, which ours does not.
        pattern = self._chance.choice(("refs/heads/b1", "refs/heads/b2", None))
        self._hidden = pattern or ""
        name = RepositoryName.parse(self._name)
        self._server.hosting.change_settings(name, {"transfer.hideRefs": pattern}, None)
        run(self.stock, "config", "--unset-all", "transfer.hideRefs")
        if pattern:
            git(self.stock, "config", "transfer.hideRefs", pattern)

    def _rename(self) -> None:
        name = RepositoryName.parse(self._name)
        self._name = f"test/renamed-{next(self._server.numbers)}"
        self._server.hosting.rename(name, RepositoryName.parse(self._name), None)

    def _work(self) -> Work:
        return Work(self._server.hosting.get(RepositoryName.parse(self._name)), self._server.hosting)

    def list_objects(self) -> list[str]:
        """All that clients may ask for at this moment."""
        tips = git(self.stock, "ls-remote", self.urls[1]).split()[::2]
        listed = git(self.stock, "rev-list", "--objects", "--stdin", stdin="\n".join(tips))
        return [line.split()[0] for line in listed.splitlines()]


@dataclass
class Clones:
    """A clone of ours and one of stock git's, on which the same is done."""

    twin: Twin
    folder: Path
    chance: random.Random
    done: list[str] = field(default_factory=list)
    is_partial: bool = False

    def clone(self) -> None:
        """Begin, in one of git's ways."""
        chance = self.chance
        options = [
            *chance.choice(([], [], ["--depth=1"], [f"--depth={chance.randint(2, 4)}"], [self._since()])),
            *chance.choice(([], ["--single-branch"], ["--no-tags"], ["--mirror"])),
        ]
        if chance.random() < 0.4:
            options.append(f"--filter={chance.choice(FILTERS)}")
            self.is_partial = True
        version = chance.choice(("0", "2", "2"))
        self.do(
            "-c", f"protocol.version={version}", "clone", "-q", "--no-checkout", *options, "URL", "FOLDER"
        )
        for each in self._folders():
            if each.exists():
                git(each, "config", "protocol.version", version)
                git(each, "config", "gc.auto", "0")

    def fetch(self) -> None:
        """Go on, in one of git's ways."""
        chance = self.chance
        options = chance.choice(
            (
                [], [], [], ["--prune"], ["--tags"], ["--no-tags"], [f"--depth={chance.randint(1, 5)}"],
                [f"--deepen={chance.randint(1, 3)}"], ["--unshallow"], [self._since()], ["--refetch"],
                [f"--shallow-exclude={chance.choice(self.twin.refs)}"],
            )
        )  # fmt: skip
        refs = chance.choice(
            ([], [], ["+refs/*:refs/all/*"], [f"refs/heads/{chance.choice(self.twin.refs)}"])
        )
        by_address = not self.is_partial and chance.random() < 0.3  # git sends no filter then
        self.do("fetch", "-q", *options, "URL" if by_address else "origin", *refs)

    def look(self) -> None:
        """Read objects that a partial clone may lack, so that it fetches them."""
        known = self.twin.list_objects()
        some = self.chance.sample(known, min(3, len(known)))
        self.do("cat-file", "--batch-check", stdin="\n".join(some))

    def compare(self) -> None:
        """Both have the same refs, objects and borders, and are whole."""
        found = []
        for each in self._folders():
            if not each.exists():
                found.append(None)
                continue
            refs = git(each, "for-each-ref", "--format=%(refname) %(objectname)")
            listed = git(each, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
            border = git(each, "rev-parse", "--git-path", "shallow").strip()
            shallow = (each / border).read_text().split() if (each / border).exists() else []
            found.append((refs, listed, sorted(shallow)))
            checked = run(each, "fsck", "--no-dangling", "--no-progress")
            assert checked.returncode == 0, (self.done, checked.stderr)
        assert found[0] == found[1], self.done

    def _since(self) -> str:
        return f"--shallow-since={SECOND + 60 * self.chance.randint(-3, 10)}"

    def _folders(self) -> tuple[Path, Path]:
        return self.folder / "ours", self.folder / "stock"

    def do(self, *arguments: str, stdin: str = "") -> None:
        """A git command for both; `URL` and `FOLDER` stand for those of each."""
        self.done.append(" ".join(arguments))
        outcomes = []
        for folder, url in zip(self._folders(), self.twin.urls, strict=True):
            if arguments[0] == "fetch" or "cat-file" in arguments:
                if not folder.exists():
                    continue
                git(folder, "remote", "set-url", "origin", url)
            where = folder if folder.exists() else self.folder
            words = [{"URL": url, "FOLDER": str(folder)}.get(each, each) for each in arguments]
            outcomes.append(run(where, *words, stdin=stdin))
        codes = {done.returncode for done in outcomes}
        assert len(codes) <= 1, (self.done, [done.stderr for done in outcomes])


def play(server: Served, folder: Path, chance: random.Random, steps: int) -> None:
    """A random history, and what happens to it and to pairs of clones; all is compared after every step."""
    with serve_stock(folder) as stock_url:
        twin = Twin(server, folder, stock_url, make_history(folder / "source.git", chance), chance)
        _go_on(twin, folder, chance, steps)


def _go_on(twin: Twin, folder: Path, chance: random.Random, steps: int) -> None:
    pairs: list[Clones] = []
    happened: list[str] = []
    for number in range(steps):
        if len(pairs) < 2 or chance.random() < 0.2:
            place = folder / f"clones{number}"
            place.mkdir()
            pairs.append(Clones(twin, place, chance, happened))
            pairs[-1].clone()
        elif chance.random() < 0.4:
            happened.append(twin.change())
            continue
        else:
            pair = chance.choice(pairs)
            (pair.look if pair.is_partial and chance.random() < 0.4 else pair.fetch)()
        for pair in pairs[-2:]:
            pair.compare()

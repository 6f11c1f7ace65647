"""Where captured sessions go: to the server that the clone pushes to, else into the clone's own archive.

Invariants:
    1. Nothing is written or sent that was not redacted here.
    2. Nothing is sent to what has not said that it is Imprint; a token goes only to the server it is for.
    3. What is to be sent lies in `ground/outbox` until the server has taken or refused it. Sending twice is
       the same as once.
    4. What a server cannot be given now is readable in the clone meanwhile.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from imprint.cli.client import Client
from imprint.cli.cloned import find_remote_repository
from imprint.cli.errors import CommandError, ServerRefused, ServerUnreachable
from imprint.store.durable import write_durably
from imprint.store.errors import BadRepositoryName, SessionMoved, StoreError
from imprint.store.types import RepositoryName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imprint.cli.call import Surroundings
    from imprint.cli.capture.places import Places, Wishes
    from imprint.cli.gitclient import GitClient

OUTBOX_BYTES_MAX: Final = 512 * 1024**2
"""More than that does not wait for a server: it stays in the clone."""
PIECE_BYTES_MAX: Final = 1024**2
"""Transcripts are sent in pieces of about this size, whole lines each."""
_FINAL: Final = frozenset({400, 409, 410, 413, 422})
"""Statuses by which a server says that asking again is no use."""
_MOVED: Final = "session_moved"
_QUIET: Final = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/false", "SSH_ASKPASS": "/bin/false"}


@dataclass(frozen=True, slots=True)
class Parcel:
    """A piece of a session, or a record of what it has in a commit; redacted.

    Attributes:
        agent: the tool's id.
        session: its id.
        parent: the session that started it; None for none.
        first_line: where `content` begins.
        content: whole lines; empty for a record.
        anchors: ties to code, as pairs of kind and value; none for a piece of a session.
        part: lines that a record speaks of; None for all.
        extra: see `Record.extra`.
    """

    agent: str
    session: str
    parent: str | None = None
    first_line: int = 0
    content: str = ""
    anchors: tuple[tuple[str, str], ...] = ()
    part: tuple[int, int] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def document(self, source: Mapping[str, str]) -> dict[str, Any]:
        """As the server takes it."""
        return {
            "agent": self.agent,
            "id": self.session,
            "parent_id": self.parent,
            "first_line": self.first_line,
            "transcript": self.content,
            "source": dict(source),
            "anchors": [{"kind": kind, "value": value} for kind, value in self.anchors],
            "part": list(self.part) if self.part else None,
            "extra": dict(self.extra),
        }


class Outbox:
    """What waits to be sent, in order.

    Args:
        folder: where it lies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __len__(self) -> int:
        return len(self._list())

    def put(self, document: Mapping[str, Any]) -> bool:
        """Add a document; False where there is no room."""
        content = json.dumps(document).encode()
        files = self._list()
        if sum(file.stat().st_size for file in files) + len(content) > OUTBOX_BYTES_MAX:
            return False
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = int(files[-1].stem) + 1 if files else 1
        write_durably(self._folder / f"{number:012d}.json", content)
        return True

    def items(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Each document with its file, oldest first; what cannot be read is taken away."""
        for file in self._list():
            try:
                yield file, json.loads(file.read_bytes())
            except ValueError:
                file.unlink()

    def _list(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"))


@dataclass(frozen=True, slots=True)
class Destination:
    """A repository on a server of Imprint.

    Attributes:
        server: its address.
        repository: `owner/name` there.
        token: what to present; None to come as nobody.
    """

    server: str
    repository: str
    token: str | None

    def __str__(self) -> str:
        return f"{self.server}/{self.repository}"


def find_destination(
    git: GitClient, folder: Path, wishes: Wishes, surroundings: Surroundings, known: dict[str, bool]
) -> Destination | None:
    """The server that a clone pushes to; None if that is none of Imprint, or not known now.

    Args:
        git: in the clone.
        folder: in the clone.
        wishes: the settings.
        surroundings: of the process.
        known: addresses that were asked before, and whether they are Imprint; what is learnt is put in.
    """
    server = wishes.server or surroundings.server
    if server is not None:
        repository = wishes.repository or find_remote_repository(folder, server)
        token = surroundings.token or _ask_credentials(git, server)
        return Destination(server.rstrip("/"), repository, token) if repository else None
    for url in _list_remotes(git):
        split = _split_remote(url)
        if split is None:
            continue
        base, repository, secret = split
        if base not in known:
            with suppress(ServerUnreachable, CommandError):
                known[base] = _is_imprint(base)
        if known.get(base):
            return Destination(base, repository, surroundings.token or secret or _ask_credentials(git, url))
    return None


def _list_remotes(git: GitClient) -> list[str]:
    """Addresses that the clone pushes to, the one that `git push` takes first."""
    try:
        names = git.run("remote").splitlines()
    except CommandError:
        return []
    first = []
    for name in ("remote.pushDefault", "branch.HEAD.remote"):
        with suppress(CommandError):
            first.append(git.run("config", "--get", name))
    ordered = [one for one in [*first, "origin", *names] if one in names]
    addresses = []
    for name in dict.fromkeys(ordered):
        with suppress(CommandError):
            addresses += git.run("remote", "get-url", "--push", "--all", name).splitlines()
    return addresses


def _split_remote(url: str) -> tuple[str, str, str | None] | None:
    """A remote's server, repository and password; None of what cannot be one of Imprint over HTTP."""
    address = urlsplit(url)
    above, _, name = address.path.rstrip("/").rpartition("/")
    above, _, owner = above.rpartition("/")
    if address.scheme not in ("http", "https") or not address.hostname:
        return None
    try:
        repository = str(RepositoryName.parse(f"{owner}/{name.removesuffix('.git')}"))
    except BadRepositoryName:
        return None
    place = address.netloc.rpartition("@")[2]
    return urlunsplit((address.scheme, place, above, "", "")), repository, address.password


def _is_imprint(base: str) -> bool:
    """Whether an address says that it is Imprint, asked without a token.

    Raises:
        ServerUnreachable: nothing answers there now.
    """
    with Client(base, None) as client:
        try:
            said = client.get("/openapi.json")
        except ServerRefused:
            return False
        except ServerUnreachable as silent:
            if "does not speak" in str(silent):
                return False
            raise
    info = said.get("info")
    return isinstance(info, dict) and info.get("title") == "Imprint"


def _ask_credentials(git: GitClient, url: str) -> str | None:
    """The password that git's helpers have for an address; nobody is asked."""
    address = urlsplit(url)
    lines = [f"protocol={address.scheme}", f"host={address.netloc.rpartition('@')[2]}"]
    lines += [f"username={address.username}"] if address.username else []
    with suppress(CommandError):
        said = git.run("credential", "fill", stdin="\n".join(lines) + "\n\n", more=_QUIET)
        found = dict(line.partition("=")[::2] for line in said.splitlines())
        return found.get("password")
    return None


@dataclass(slots=True)
class Drained:
    """What became of an outbox.

    Attributes:
        sent: documents that the server took.
        refused: what it will never take, and why.
        moved: sessions that the server has otherwise than we thought: they are to be sent whole.
        unreachable: why nothing more could be sent; empty if all was.
    """

    sent: int = 0
    refused: list[str] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)
    unreachable: str = ""


def drain(outbox: Outbox, destination: Destination) -> Drained:
    """Send what waits, in order, until the server cannot be reached."""
    drained = Drained()
    address = f"/api/repos/{destination.repository}/sessions"
    with Client(destination.server, destination.token) as client:
        for file, document in outbox.items():
            try:
                client.post(address, document)
            except ServerRefused as refusal:
                if refusal.code == _MOVED:
                    drained.moved.add(str(document["id"]))
                elif refusal.status in _FINAL:
                    drained.refused.append(f"session {document['id']}: {refusal.message}")
                else:
                    drained.unreachable = refusal.message
                    return drained
            except ServerUnreachable as silent:
                drained.unreachable = silent.message
                return drained
            else:
                drained.sent += 1
            file.unlink()
    return drained


def keep_in_clone(places: Places, documents: list[dict[str, Any]]) -> Drained:
    """Keep documents in the clone's own archive."""
    from imprint.cli.capture.archive import open_archive

    drained = Drained()
    with open_archive(places) as archive:
        for document in documents:
            try:
                archive.keep(document)
            except SessionMoved:
                drained.moved.add(str(document["id"]))
            except StoreError as wrong:
                drained.refused.append(f"session {document['id']}: {wrong.message}")
    return drained

"""Taking over an existing repository with all its refs and notes.

A URL is first mirrored by the user's own git into a temporary folder; a folder is read in place. From there
refs and objects go through the same receive path as every push: in this process for a data folder, by
`git push` for a server.

Invariants:
    1. The source is only read; its hooks do not run.
    2. Objects are taken over whole or not at all: one pack, one commit point. A ref that the store has no
       name for, or that it refuses, does not hold up the others, and is named.
    3. Refs that are about one clone (remote-tracking branches, the stash, a bisection) stay behind.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Final, cast
from urllib.parse import urlsplit

from imprint.cli.errors import CommandError, ImportRefused, NothingFound, ServerRefused
from imprint.cli.gitclient import GitClient, Withheld
from imprint.cli.importing.findings import collect_findings, describe_findings, explain_findings, leave_out
from imprint.store.errors import BadRefName, PlumbingFailed, RepositoryMissing
from imprint.store.plumbing import Plumbing
from imprint.store.types import HashAlgorithm, ObjectId, RefName, RepositoryName

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from imprint.cli.call import Call
    from imprint.cli.client import Client
    from imprint.cli.importing.findings import Allowance
    from imprint.cli.output import Output
    from imprint.store.catalog.ports import RepositoryRecord
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.plumbing import GitProcess
    from imprint.store.receive.push import Receipt

_LEFT_BEHIND: Final = (
    b"refs/remotes/",
    b"refs/bisect/",
    b"refs/worktree/",
    b"refs/rewritten/",
    b"refs/stash",
)
"""Refs that are about one clone, not about the repository (gitrepository-layout(5), git-stash(1))."""
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/:]+:[^:]")
"""A URL, or the short form of ssh that git-clone(1) describes: a colon before the first slash."""
_REFUSED_OBJECT: Final = re.compile(r"object ([0-9a-f]{40,64}): (\w+): ([^;\n]*)")
"""How index-pack reports what git-fsck(1) calls a message id."""
_LACKING: Final = re.compile(
    r"(?:unable to read|[Cc]ould not read|bad object|missing \w+ object)"
    r"(?: tree| blob)?[ ']+([0-9a-f]{40,64})"
)
"""How git says that an object is not there when it packs what is to be taken over."""
_NOT_FOUND: Final = 404
_MIB: Final = 1024**2
_SHOWN_REFS: Final = 5


@dataclass(frozen=True, slots=True)
class Source:
    """A repository to be taken over.

    Attributes:
        folder: where it is on this machine.
        name: what to call it in events: its URL without credentials, or its path.
        head: the branch that HEAD names; None if HEAD names a commit.
        refs: what comes along.
        algorithm: git's object format.
        nameless: names of refs that the store cannot have.
        plumbing: git on it.
    """

    folder: Path
    name: str
    head: RefName | None
    refs: Mapping[RefName, ObjectId]
    nameless: tuple[str, ...]
    plumbing: Plumbing
    algorithm: HashAlgorithm
    kept_back: tuple[RefName, ...] = ()
    """Refs of the source that are not to come along."""

    def without(self, names: Collection[RefName]) -> Source:
        """The source without some of its refs."""
        refs = {name: tip for name, tip in self.refs.items() if name not in names}
        return replace(self, refs=refs, kept_back=tuple(sorted(names)))


@contextmanager
def open_source(place: str, directory: Path, environment: Mapping[str, str]) -> Iterator[Source]:
    """The repository at a URL or path; what was fetched for it is gone at the end.

    Raises:
        NothingFound: there is none.
        ImportRefused: its history is not whole, or git could not fetch it.
    """
    if (directory / place).is_dir():
        yield _read_source(directory / place, str(directory / place), environment)
    elif _URL.match(place):
        with tempfile.TemporaryDirectory(prefix="imprint-import-") as temporary:
            mirror = Path(temporary) / "source.git"
            options = ["--progress"] if sys.stderr.isatty() else ["--quiet"]
            client = GitClient(environment, directory)
            status, _ = client.show("clone", "--mirror", "--template=", *options, "--", place, str(mirror))
            if status:
                raise ImportRefused(
                    f"git could not clone {without_credentials(place)}", hint="what git said is above"
                )
            yield _read_source(mirror, without_credentials(place), environment)
    else:
        raise NothingFound(f"no repository at {place}", hint="give a folder, or a URL that git can clone")


def without_credentials(url: str) -> str:
    """The URL as it may be kept and shown; a user name over HTTP is often a token."""
    address = urlsplit(url)
    if "@" not in address.netloc or (address.scheme == "ssh" and address.password is None):
        return url
    return address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()


def _read_source(folder: Path, name: str, environment: Mapping[str, str]) -> Source:
    plumbing = Plumbing(_find_git_dir(folder, environment))
    if plumbing.run("rev-parse", "--is-shallow-repository").strip() == b"true":
        raise ImportRefused(
            f"{name} is a shallow clone: its history is cut off", hint="'git fetch --unshallow' completes it"
        )
    algorithm = HashAlgorithm(plumbing.run("rev-parse", "--show-object-format").decode().strip())
    refs: dict[RefName, ObjectId] = {}
    nameless: list[str] = []
    for line in plumbing.run("for-each-ref", "--format=%(objectname) %(refname)").splitlines():
        text, _, raw = line.partition(b" ")
        if raw.startswith(_LEFT_BEHIND):
            continue
        try:
            refs[RefName.parse(raw)] = ObjectId.parse(text)
        except BadRefName:
            nameless.append(raw.decode("utf-8", "backslashreplace"))
    return Source(folder, name, _read_head(plumbing), refs, tuple(nameless), plumbing, algorithm)


def _find_git_dir(folder: Path, environment: Mapping[str, str]) -> Path:
    """The Git folder of a repository; by the user's own git, which refuses folders of strangers."""
    client = GitClient(environment, folder)
    try:
        git_dir = Path(client.run("rev-parse", "--absolute-git-dir"))
        is_top = client.run("rev-parse", "--is-inside-git-dir") == "false" and not client.run(
            "rev-parse", "--show-prefix"
        )
    except CommandError as failed:
        raise NothingFound(f"{folder} is not a Git repository", hint=failed.message) from failed
    if not is_top and folder.resolve() != git_dir.resolve():
        raise NothingFound(
            f"{folder} is a folder inside a repository, not a repository",
            hint="name the repository's top folder",
        )
    return git_dir


def _read_head(plumbing: Plumbing) -> RefName | None:
    try:
        head = plumbing.run("symbolic-ref", "--quiet", "HEAD").removesuffix(b"\n")
    except PlumbingFailed:
        return None
    return RefName.parse(head) if head.startswith(b"refs/heads/") else None


# -- into a data folder ------------------------------------------------------------------------------


def import_into_folder(
    source: Source, name: RepositoryName, hosting: Hosting, output: Output, allowance: Allowance
) -> list[str]:
    """Take a repository over in this process; the refs that were refused, with the reasons.

    Raises:
        ImportRefused: git's checks refuse an object, or objects are missing; nothing was kept.
    """
    made: Repository | None = None
    try:
        repository = hosting.get(name)
    except RepositoryMissing:
        branch = source.head.short if source.head else "main"
        repository = made = hosting.create(name, None, default_branch=branch, algorithm=source.algorithm)
    if repository.record.algorithm is not source.algorithm:
        raise ImportRefused(
            f"{source.name} has the object format {source.algorithm.value},"
            f" {name} has {repository.record.algorithm.value}",
            hint="import it under a new name: an object format cannot be changed",
        )
    try:
        if changes := allowance.plan(source.plumbing, source.refs.values(), repository.record.settings):
            repository = hosting.change_settings(name, changes, None)
        receipt = _receive(source, repository, hosting, output)
    except BaseException:
        if made is not None:
            hosting.delete(name, None, grace_ms=0)
            hosting.purge_due()
        raise
    return [
        f"{result.name.decode('utf-8', 'backslashreplace')}: {result.error}"
        for result in receipt.results
        if result.error
    ]


def _receive(source: Source, repository: Repository, hosting: Hosting, output: Output) -> Receipt:
    from imprint.store.events import EventKind
    from imprint.store.receive.policy import ScopeJudge
    from imprint.store.receive.push import Push, RefCommand
    from imprint.store.receive.receiver import Receiver

    known = repository.view.refs.snapshot()
    commands = tuple(
        RefCommand(bytes(ref), value.id if (value := known.refs.get(ref)) else None, target)
        for ref, target in source.refs.items()
    )
    wanted = set(source.refs.values())
    had = wanted & {value.id for value in known.refs.values()}
    push = Push(
        principal=None,
        commands=commands,
        pack=None,
        kind=EventKind.IMPORT,
        head=source.head,
        details={"source": source.name},
    )
    receiver = Receiver(hosting, ScopeJudge())
    if wanted <= had:
        return receiver.receive(push, repository)
    with _pack(source, wanted, had) as process, output.progress("taking over, MiB") as report:
        counted = cast("BinaryIO", _Counted(process.stdout, report))
        receipt = receiver.receive(replace(push, pack=counted), repository)
        status, said = process.finish(check=False)
    if status and receipt.unpack_error is not None:
        raise _explain_lack(source, said) or ImportRefused(
            f"git could not read all of {source.name}: {_last_line(said)}", hint="nothing was kept"
        )
    if receipt.unpack_error is not None:
        raise _explain_refusal(source, repository.record, receipt.unpack_error, output)
    return receipt


@contextmanager
def _pack(source: Source, wanted: set[ObjectId], had: set[ObjectId]) -> Iterator[GitProcess]:
    """Git writing one pack of what is reachable from the wanted objects and not from those already there."""
    with source.plumbing.stream("pack-objects", "--revs", "--stdout", "--delta-base-offset", "-q") as process:
        lines = [*sorted(wanted - had), *(f"^{each}" for each in sorted(had))]
        process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        process.stdin.close()
        yield process


class _Counted:
    """A stream that reports how many MiB were read from it."""

    def __init__(self, stream: IO[bytes], report: Callable[[int, int], None]) -> None:
        self._stream = stream
        self._report = report
        self._bytes = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._bytes += len(piece)
        self._report(self._bytes // _MIB, 0)
        return piece


def _explain_refusal(
    source: Source, target: RepositoryRecord | RepositoryName, said: str, output: Output
) -> ImportRefused:
    """What git's strict checks refuse: all of it, by message id, and what to type to have it all the same."""
    found = _REFUSED_OBJECT.search(said)
    if found is None:
        return ImportRefused(f"{source.name} was refused: {said}", hint="nothing was kept")
    with output.stage("looking for everything that git's checks refuse"):
        found_all = collect_findings(source.plumbing, source.refs.values()) or []
    settings = {} if isinstance(target, RepositoryName) else target.settings
    findings = leave_out(found_all, settings)
    if not findings:
        object_id, message_id, text = found.groups()
        return ImportRefused(
            f"git's checks refuse object {object_id} of {source.name}: {message_id}: {text.strip()}",
            hint=f"nothing was kept; git-fsck(1) explains {message_id}; the object must be rewritten first",
        )
    for line in describe_findings(findings):
        output.note(line)
    message, hint = explain_findings(findings, source.name)
    return ImportRefused(message, hint=hint)


def _explain_lack(source: Source, said: str) -> ImportRefused | None:
    """The refusal of a source in which an object is missing; None if that is not what git said."""
    found = _LACKING.search(said)
    if found is None:
        return None
    return ImportRefused(
        f"git could not read all of {source.name}: it lacks object {found[1]}",
        hint="nothing was kept; 'git fsck' in the source says more; --allow-missing, added to the command, "
        "takes what is whole",
    )


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


# -- into a server -----------------------------------------------------------------------------------


def import_into_server(
    source: Source, name: RepositoryName, client: Client, call: Call, allowance: Allowance
) -> None:
    """Take a repository over by `git push`.

    Raises:
        ImportRefused: git's checks on the server refuse an object, or a ref was refused.
        ServerRefused: the token does not allow it.
    """
    address = f"/api/repos/{name}"
    is_new = _ensure_repository(client, address, name, source)
    try:
        _fill(source, name, client, call, allowance)
    except BaseException:
        if is_new:
            _remove_if_empty(client, address)
        raise


def _fill(source: Source, name: RepositoryName, client: Client, call: Call, allowance: Allowance) -> None:
    address = f"/api/repos/{name}"
    if allowance.message_ids or allowance.reported:
        chosen = client.get(f"{address}/settings")["settings"]
        client.patch(
            f"{address}/settings", {"settings": allowance.plan(source.plumbing, source.refs.values(), chosen)}
        )
    if source.refs:
        _push(source, name, client, call)
    if source.head is not None:
        client.patch(address, {"default_branch": source.head.short})


def _ensure_repository(client: Client, address: str, name: RepositoryName, source: Source) -> bool:
    """Make the repository if it is not there; whether it was made."""
    try:
        client.get(address)
    except ServerRefused as refused:
        if refused.status != _NOT_FOUND:
            raise
        branch = source.head.short if source.head else "main"
        wish = {"name": str(name), "default_branch": branch, "object_format": source.algorithm.value}
        client.post("/api/repos", wish)
        return True
    return False


def _remove_if_empty(client: Client, address: str) -> None:
    """Take a repository away that was made for an import of which nothing came."""
    with suppress(CommandError):  # why nothing came is what is to be said
        if not client.get(f"{address}/refs", limit=1)["refs"]:
            client.delete(address, grace="0s")


def _push(source: Source, name: RepositoryName, client: Client, call: Call) -> None:
    url = f"{client.address}/{name}.git"
    left = [
        f"^{prefix.decode()}*" if prefix.endswith(b"/") else f"^{prefix.decode()}" for prefix in _LEFT_BEHIND
    ]
    git = GitClient(call.surroundings.environment, source.folder).presenting(client.address, client.token)
    words = Withheld(sys.stderr)
    status, said = git.show(
        "-c",
        f"core.hooksPath={os.devnull}",
        "push",
        "--progress" if sys.stderr.isatty() else "--quiet",
        "--no-verify",
        "--no-signed",
        "--recurse-submodules=no",
        url,
        "+refs/*:refs/*",
        *left,
        *(f"^{name}" for name in source.nameless),
        *(f"^{name.text}" for name in source.kept_back),
        stderr=words,
    )
    words.end_progress()
    if status and (found := _REFUSED_OBJECT.search(said)):
        raise _explain_refusal(source, name, found.group(), call.output)
    if status and (lack := _explain_lack(source, said)):
        raise lack
    words.release()
    if not status:
        return
    raise ImportRefused(f"git could not push {source.name} to {url}", hint="what git said is above")


def describe_left(refs: list[str]) -> str:
    """Some of the refs that did not come along, and how many more there are."""
    more = f" and {len(refs) - _SHOWN_REFS} more" if len(refs) > _SHOWN_REFS else ""
    return "; ".join(refs[:_SHOWN_REFS]) + more

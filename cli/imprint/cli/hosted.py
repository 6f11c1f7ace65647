"""A data folder as a place: opened in this process, whether or not a server works on it at the same time.

Whoever may read and write the folder is its operator; what they do is recorded under the actor `operator`.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from imprint.store.types import HashAlgorithm, RepositoryName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from imprint.cli.output import Output
    from imprint.cli.ports import Administration, Document, Reading, RecordedSessions, TokenWish
    from imprint.semantic.library import Library
    from imprint.semantic.lineage.past import Past
    from imprint.semantic.lineage.tracing.steps import KeptSteps
    from imprint.store.actors import Actor, Token, Verb
    from imprint.store.catalog.ports import RepositoryRecord
    from imprint.store.hosting.data import DataFolder
    from imprint.store.hosting.followers import Follower
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.links.judging import Judge
    from imprint.store.links.refusals import Refusals
    from imprint.store.origins.sources import Origins
    from imprint.store.sessions.keeping import Keeper
    from imprint.store.sessions.ports import Archive
    from imprint.store.types import ObjectId

DEFAULT_ADDRESS: Final = "http://127.0.0.1:8470"
"""Where `imprint serve` listens unless told otherwise."""
_LEDGER_SECONDS_MAX: Final = 30.0
"""How long to wait for a server's followers: without their claims an answer would be wrong."""
_INDEX_SECONDS_MAX: Final = 3.0
"""The same for its index, whose answers say how far behind they are."""
_POLL_SECONDS: Final = 0.05


@contextmanager
def open_hosting(folder: Path, key_file: Path | None) -> Iterator[Hosting]:
    """The repositories of a data folder, which is created or upgraded as need be."""
    from imprint.store.hosting.data import DataFolder
    from imprint.store.hosting.repositories import Hosting

    hosting = Hosting.open(DataFolder.create_or_open(folder, key_file))
    try:
        yield hosting
    finally:
        hosting.close()


@contextmanager
def open_administration(folder: Path, key_file: Path | None) -> Iterator[Administration]:
    """The data folder, to administer."""
    with open_hosting(folder, key_file) as hosting:
        yield HostedAdministration(hosting)


@contextmanager
def open_reading(folder: Path, key_file: Path | None, name: str, output: Output) -> Iterator[Reading]:
    """One repository of the data folder, to read."""
    from imprint.cli.reading import LocalReading

    with open_hosting(folder, key_file) as hosting, ExitStack() as stack:
        repository = hosting.get(RepositoryName.parse(name))
        yield LocalReading(repository.view, _HostedPlaces(hosting, repository, stack, output), output)


def read_address(data: DataFolder) -> str:
    """Where the data folder was last served; where it would be, if it never was."""
    try:
        return _address_file(data).read_text("ascii").strip() or DEFAULT_ADDRESS
    except (FileNotFoundError, UnicodeDecodeError):
        return DEFAULT_ADDRESS


def write_address(data: DataFolder, address: str) -> None:
    """Remember where the data folder is served."""
    _address_file(data).write_text(f"{address}\n", "ascii")


def read_ssh_address(data: DataFolder) -> str | None:
    """Where the data folder was last served over SSH; None if it was not."""
    try:
        return _ssh_address_file(data).read_text("ascii").strip() or None
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def write_ssh_address(data: DataFolder, address: str | None) -> None:
    """Remember where the data folder is served over SSH, or that it is not."""
    _ssh_address_file(data).write_text(f"{address or ''}\n", "ascii")


def _address_file(data: DataFolder) -> Path:
    return data.derived_path.with_name("address")


def _ssh_address_file(data: DataFolder) -> Path:
    return data.derived_path.with_name("ssh-address")


class HostedAdministration:
    """The `Administration` of a data folder."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._address = read_address(hosting.folder)
        self._ssh_address = read_ssh_address(hosting.folder)

    def create_repository(self, name: str, default_branch: str, object_format: str = "sha1") -> Document:
        """Make an empty repository."""
        made = self._hosting.create(
            RepositoryName.parse(name),
            None,
            default_branch=default_branch,
            algorithm=HashAlgorithm(object_format),
        )
        return self._describe(made)

    def list_repositories(self, *, deleted: bool = False) -> list[Document]:
        """All repositories, or the deleted ones."""
        if deleted:
            return [self._describe_record(record) for record in self._hosting.list_deleted()]
        return [self._describe(repository) for repository in self._hosting.list()]

    def rename_repository(self, name: str, new_name: str) -> Document:
        """Give a repository another name."""
        return self._describe(
            self._hosting.rename(RepositoryName.parse(name), RepositoryName.parse(new_name), None)
        )

    def set_head(self, name: str, branch: str) -> Document:
        """Make a branch the default branch."""
        return self._describe(self._hosting.set_head(RepositoryName.parse(name), branch, None))

    def change_settings(self, name: str, changes: Mapping[str, str | None]) -> Document:
        """Choose settings of a repository."""
        from imprint.store.hosting.settings import describe_settings

        changed = self._hosting.change_settings(RepositoryName.parse(name), changes, None)
        return describe_settings(changed.record)

    def delete_repository(self, name: str, grace: str) -> Document:
        """Hide a repository now and destroy it after the grace period."""
        from imprint.store.durations import parse_duration_ms
        from imprint.store.errors import BadExpiry

        grace_ms = parse_duration_ms(grace)
        if grace_ms is None:
            raise BadExpiry(grace)
        gone = self._hosting.delete(RepositoryName.parse(name), None, grace_ms=grace_ms)
        return self._describe_record(gone)

    def restore_repository(self, name: str) -> Document:
        """Take a deletion back."""
        return self._describe(self._hosting.restore(RepositoryName.parse(name), None))

    def create_token(self, wish: TokenWish) -> Document:
        """Make a token."""
        from imprint.store.actors import ActorKind
        from imprint.store.durations import parse_duration_ms
        from imprint.store.hosting.repositories import SessionSeed

        session = None
        if wish.session is not None:
            session = SessionSeed(wish.session, wish.agent, wish.model, wish.prompt)
        token, secret = self._hosting.issue_token(
            actor=wish.actor,
            kind=ActorKind(wish.kind),
            repositories=wish.repositories,
            verbs=_parse_verbs(wish.verbs),
            session=session,
            expires_in_ms=parse_duration_ms(wish.expires) if wish.expires is not None else None,
            emails=wish.emails,
            ssh_key=wish.ssh_key,
        )
        return describe_token(token) | {"token": secret or None}

    def list_tokens(self) -> list[Document]:
        """All tokens."""
        return [describe_token(token) for token in self._hosting.catalogue.list_tokens()]

    def revoke_token(self, token_id: str) -> Document:
        """Withdraw a token."""
        hosting = self._hosting
        return describe_token(hosting.catalogue.revoke_token(token_id, hosting.clock.now_ms()))

    def list_actors(self) -> list[Document]:
        """Everybody who can act."""
        return [describe_actor(actor) for actor in self._hosting.catalogue.list_actors()]

    def _describe(self, repository: Repository) -> Document:
        return self._describe_record(repository.record)

    def _describe_record(self, record: RepositoryRecord) -> Document:
        return describe_repository(record, self._address, self._ssh_address)


def _parse_verbs(names: tuple[str, ...]) -> frozenset[Verb]:
    from imprint.cli.errors import UsageProblem
    from imprint.store.actors import Verb

    try:
        verbs = frozenset(Verb(name) for name in names)
    except ValueError as unknown:
        raise UsageProblem(f"{unknown}", hint="--can takes read, write and admin") from unknown
    if not verbs:
        raise UsageProblem("--can names nothing", hint="--can takes read, write and admin")
    return verbs


def describe_repository(record: RepositoryRecord, address: str, ssh_address: str | None) -> Document:
    """A repository, as the REST interface describes it."""
    return {
        "id": record.id,
        "name": str(record.name),
        "git_url": f"{address}/{record.name}.git",
        "ssh_url": f"{ssh_address}/{record.name}.git" if ssh_address else None,
        "default_branch": record.head.short,
        "object_format": record.algorithm.value,
        "generation": record.generation,
        "created_at_ms": record.created_at_ms,
        "purge_after_ms": record.purge_after_ms,
    }


def describe_token(token: Token) -> Document:
    """A token without its secret, as the REST interface describes it."""
    return {
        "id": token.id,
        "actor": token.actor,
        "repositories": list(token.repositories),
        "can": sorted(verb.value for verb in token.verbs),
        "session": token.session,
        "ssh_fingerprint": token.ssh_fingerprint,
        "created_at_ms": token.created_at_ms,
        "expires_at_ms": token.expires_at_ms,
        "revoked_at_ms": token.revoked_at_ms,
    }


def describe_actor(actor: Actor) -> Document:
    """An actor, as the REST interface describes them."""
    return {"name": actor.name, "kind": actor.kind.value, "emails": list(actor.emails)}


@contextmanager
def _leading(data: DataFolder) -> Iterator[bool]:
    """Whether this process may do the work of followers until the end of the block; not where a server does.

    The lock is that of `imprint.store.hosting.followers`.
    """
    lock = data.derived_path.with_name("followers.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_leading = True
        except BlockingIOError:
            is_leading = False
        yield is_leading
    finally:
        os.close(descriptor)


def _wait_for(condition: Callable[[], bool], seconds_max: float) -> bool:
    """Whether the condition came true within the time."""
    deadline = time.monotonic() + seconds_max
    while not (is_true := condition()) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return is_true


class _HostedPlaces:
    """The `Places` of a repository in a data folder, kept up to date by followers."""

    def __init__(self, hosting: Hosting, repository: Repository, stack: ExitStack, output: Output) -> None:
        self._output = output
        self._hosting = hosting
        self._repository = repository
        self._stack = stack

    def origins(self, _commit: ObjectId) -> Origins:
        """The data folder's claims, with those of the repository's newest events."""
        from imprint.store.hosting.followers import never
        from imprint.store.origins.sources import Origins

        origins = self._stack.enter_context(Origins.of_hosting(self._hosting))
        followers = origins.list_followers(self._hosting, never)
        with _leading(self._hosting.folder) as may_follow:
            if may_follow:
                for follower in followers:
                    self._follow(follower)
            elif not _wait_for(lambda: all(map(self._is_past_every_event, followers)), _LEDGER_SECONDS_MAX):
                self._output.note("the server has not read the newest pushes yet; the answer may lack them")
        return origins

    def library(self) -> Library:
        """The data folder's index, as it is."""
        from imprint.semantic.embedding.choice import open_encoder
        from imprint.semantic.library import Library

        library = Library.open(self._hosting.folder.index_path, encoder=open_encoder(None))
        self._stack.callback(library.close)
        return library

    def indexed(self, ref: str) -> Library:
        """The data folder's index, with the commit in it, or `behind` where a server has not come to it."""
        from imprint.cli.reading import index_now
        from imprint.store.view import resolve_commit

        view = self._repository.view
        commit, library = resolve_commit(view, ref), self.library()
        with _leading(self._hosting.folder) as may_follow:
            if may_follow:
                index_now(library, view, ref, self._output)
            else:
                _wait_for(lambda: library.status(view, commit).indexed == commit, _INDEX_SECONDS_MAX)
        return library

    def past(self) -> Past:
        """What the repository's commits did, with the newest unless a server is busy with them."""
        from imprint.semantic.lineage.changes import ChangeLog

        changes, view = ChangeLog.open(self._hosting.folder.changes_path), self._repository.view
        with _leading(self._hosting.folder) as may_follow, self._output.progress("reading history") as report:
            if may_follow:
                changes.ensure(view, progress=report)
        return changes.seen(view)

    def steps(self) -> KeptSteps:
        """Kept beside the change log."""
        from imprint.semantic.lineage.tracing.steps import KeptSteps

        steps = KeptSteps.open(self._hosting.folder.changes_path)
        self._stack.callback(steps.close)
        return steps

    def _follow(self, follower: Follower) -> None:
        from imprint.store.hosting.followers import EVENTS_PER_STEP

        repository = self._repository
        while events := self._hosting.catalogue.list_events(
            repository.record.id, after=follower.position(repository.record.id), limit=EVENTS_PER_STEP
        ):
            follower.follow(repository, events)

    def _is_past_every_event(self, follower: Follower) -> bool:
        record = self._repository.record
        return follower.position(record.id) >= record.generation

    def note_changes(self, _path: bytes, _commit: ObjectId) -> None:
        """There is no work tree whose content could be another."""

    def prompt(self, session: str, address: str) -> str | None:
        """The text of a prompt, unless it was erased."""
        return self._hosting.keeper.read_prompt(self._repository.record.id, session, address)

    def archive(self) -> Archive:
        """The data folder's archive."""
        return self._hosting.archive

    def keeper(self) -> Keeper:
        """The data folder's archive."""
        return self._hosting.keeper

    def judge(self, refusals: Refusals) -> Judge:
        """The operator's word, kept with an event."""
        from imprint.store.links.judging import Judge

        return Judge(refusals, self._hosting.clock, self._hosting.announce)

    def people(self) -> frozenset[str]:
        """Names of the actors that are persons."""
        from imprint.store.actors import ActorKind

        actors = self._hosting.catalogue.list_actors()
        return frozenset(actor.name for actor in actors if actor.kind is ActorKind.HUMAN)

    def recorded(self) -> RecordedSessions:
        """The sessions of the repository."""
        from imprint.cli.sessions.local import LocalSessions
        from imprint.store.hosting.sessions import erase_session

        repository_id, catalogue = self._repository.record.id, self._hosting.catalogue

        def erase(session_id: str) -> list[str]:
            return erase_session(self._hosting, repository_id, session_id, None)

        return LocalSessions(repository_id, self._hosting.keeper, catalogue, erase)

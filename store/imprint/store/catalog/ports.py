"""The catalogue: the one place that decides what the store holds.

Every promise below is tested on every implementation by `tests/contracts/test_catalogue.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from imprint.store.actors import Actor, ActorKind, Session, Token, Turn
    from imprint.store.events import Admission, Event, EventKind, PackReplacement
    from imprint.store.types import HashAlgorithm, ObjectId, RefName, RefValue, RepositoryName


@dataclass(frozen=True, slots=True)
class RepositoryRecord:
    """A repository as the catalogue knows it.

    Attributes:
        id: never changes, never reused; names the folder on disk.
        name: may change.
        algorithm: Git's object format.
        head: the ref that HEAD names; it need not exist yet.
        generation: sequence of the newest event.
        created_at_ms: when it was created.
        purge_after_ms: set while deleted: from then on its data may be destroyed.
        settings: what was chosen for it, by the names that git-config(1) has for it.
    """

    id: str
    name: RepositoryName
    algorithm: HashAlgorithm
    head: RefName
    generation: int
    created_at_ms: int
    purge_after_ms: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class RefSnapshot:
    """All refs of one generation, sorted by name in byte order."""

    generation: int
    head: RefName
    refs: dict[RefName, RefValue]

    @property
    def head_id(self) -> ObjectId | None:
        """What HEAD resolves to; None while its branch is unborn."""
        value = self.refs.get(self.head)
        return value.id if value else None


class Catalogue(Protocol):
    """Repositories, refs, events, packs, actors, tokens, sessions. Safe to share between threads.

    Durability: when a writing method returns, the change survives a crash of the machine. When it raises,
    nothing changed. Readers see whole transactions only. Any method may raise `StorageFailed`.
    """

    # -- repositories -------------------------------------------------------------------------------

    def create_repository(self, record: RepositoryRecord, admission: Admission) -> Event:
        """Add a repository (`record.generation` is 0) and its first event, in one transaction.

        Raises:
            RepositoryExists: the name is taken, in any letter case, also by a deleted, not yet purged one.
            Conflict: the id is taken.
        """
        ...

    def find_repository(self, name: RepositoryName) -> RepositoryRecord | None:
        """The live repository of this name in any letter case; None if absent or deleted."""
        ...

    def get_repository(self, repository_id: str) -> RepositoryRecord:
        """The repository of this id, also when deleted.

        Raises:
            RepositoryMissing: none, or purged.
        """
        ...

    def list_repositories(self, *, deleted: bool = False) -> list[RepositoryRecord]:
        """Live repositories, or deleted ones that are not purged, ordered by name."""
        ...

    def rename_repository(self, name: RepositoryName, admission: Admission) -> Event:
        """Give the repository of `admission.repository_id` a new name.

        Raises:
            RepositoryExists: the new name is taken.
            RepositoryMissing: no live repository of this id.
        """
        ...

    def delete_repository(self, purge_after_ms: int, admission: Admission) -> Event:
        """Hide the repository; its name stays taken and its data stays until it is purged.

        Raises:
            RepositoryMissing: no live repository of this id.
        """
        ...

    def restore_repository(self, admission: Admission) -> Event:
        """Take back a deletion.

        Raises:
            RepositoryMissing: no deleted repository of this id.
        """
        ...

    def purge_repository(self, repository_id: str, now_ms: int) -> bool:
        """Forget a deleted repository for good, with all its rows, also those in scopes of tokens.

        False, and nothing done, if its grace period still runs, it was not deleted, or it is gone already.
        """
        ...

    # -- refs and the commit point --------------------------------------------------------------------

    def read_refs(self, repository_id: str, *, since: RefSnapshot | None = None) -> RefSnapshot:
        """HEAD and every ref, all of one generation; also of a deleted repository.

        Args:
            repository_id: which.
            since: an earlier answer for the same repository, which makes this one cheaper and not different.

        Raises:
            RepositoryMissing: no repository of this id.
        """
        ...

    def admit(self, admission: Admission) -> Event:
        """The commit point: all of the admission, or nothing of it.

        In one transaction: the generation grows by one; every update's expectation is checked against the
        ref as it is now and the ref is written; no ref may be a folder of another (`a` beside `a/b`); names
        that differ in letter case are different, as in Git; the pack is recorded; packs are replaced; HEAD
        is moved; settings are changed; the event is added.
        Concurrent calls for one repository are ordered; each sees what the ones before it did. A change
        that leaves a ref as it was is allowed and recorded.

        Expectations are about the refs before the admission, names about the refs after it: one admission
        may delete `a` and create `a/b`. A pack that is known already stays as it was recorded first; one
        that was retired is live again.

        Raises:
            BadInput: a ref is named twice.
            StaleUpdate: an expectation does not hold, for the first update in order that fails.
            Conflict: a ref would be the folder of another or fold to it, the event id was used before, or a
                pack to be retired is not live.
            RepositoryMissing: no live repository of this id.
        """
        ...

    def admit_all(self, admissions: Sequence[Admission]) -> list[Event]:
        """Several admissions to one repository in one transaction, in order: all of them, or none.

        Each meets the repository as those before it leave it. What many wait for costs one sync of the disk.

        Raises:
            BadInput: they are for more than one repository; or as `admit`.
            StaleUpdate, Conflict, RepositoryMissing: as `admit`, for the first that fails; nothing happened.
        """
        ...

    def list_events(self, repository_id: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Events with a sequence above `after`, in order, at most `limit`; also of deleted repositories."""
        ...

    def has_event(self, repository_id: str, kind: EventKind, *, after: int) -> bool:
        """Whether there is an event of a kind with a sequence above `after`; also of deleted repositories."""
        ...

    def list_packs(self, repository_id: str) -> frozenset[str]:
        """Names of the live packs: every one admitted or added, less those that were retired since."""
        ...

    def replace_packs(self, repository_id: str, replacement: PackReplacement, at_ms: int) -> None:
        """Let packs take the place of others that hold the same objects: in one transaction, without event.

        An added pack that was retired is live again; one that is live stays as it is.

        Raises:
            Conflict: a pack to be retired is not live, or is added too.
            RepositoryMissing: no repository of this id.
        """
        ...

    def list_retired_packs(self, repository_id: str) -> dict[str, int]:
        """The retired packs, whose files may go once nobody reads them: when each was retired, by name."""
        ...

    def forget_packs(self, repository_id: str, names: Collection[str]) -> frozenset[str]:
        """Forget retired packs; the names of those that are forgotten now: a live one is left as it is."""
        ...

    # -- actors, tokens, sessions ---------------------------------------------------------------------

    def ensure_actor(self, name: str, kind: ActorKind, emails: Sequence[str] = ()) -> Actor:
        """The actor of this name, in any letter case: made if absent, with `emails` added (folded).

        Raises:
            ActorConflict: the actor exists with another kind.
        """
        ...

    def find_actor(self, name: str) -> Actor | None:
        """The actor of this name in any letter case."""
        ...

    def list_actors(self) -> list[Actor]:
        """All actors, ordered by name."""
        ...

    def add_token(self, token: Token) -> None:
        """Keep a token.

        Its scope is kept by repository, not by name: it follows a rename, and is no right to another
        repository that takes the name later. Tokens are given back with the names of that moment, sorted,
        and with their actor's name as it was first written.

        Raises:
            Missing: no actor of this name.
            RepositoryMissing: the scope names no live repository.
            Conflict: the id or the hash is not new.
        """
        ...

    def find_token(self, secret_hash: str) -> Token | None:
        """The token whose secret has this hash, also when expired or revoked."""
        ...

    def list_tokens(self) -> list[Token]:
        """All tokens, oldest first, expired and revoked ones too."""
        ...

    def revoke_token(self, token_id: str, at_ms: int) -> Token:
        """Withdraw a token, at once for every process. Revoking twice keeps the first time.

        Raises:
            TokenMissing: no token of this id.
        """
        ...

    def open_session(self, session: Session) -> Session:
        """The session of this id in its repository: made if absent, else with agent and model filled in.

        A given agent or model replaces the kept one; a kept `base` and `opened_at_ms` never change.

        Raises:
            SessionConflict: the session belongs to another actor.
            RepositoryMissing: no repository of this id.
        """
        ...

    def find_session(self, repository_id: str, session_id: str) -> Session | None:
        """The session, if it was opened here."""
        ...

    def list_sessions(self, repository_id: str) -> list[Session]:
        """Sessions of the repository, oldest first."""
        ...

    def add_turn(
        self, repository_id: str, session_id: str, prompt: str, model: str | None, at_ms: int
    ) -> Turn:
        """Append a turn; numbers count from 1 without gaps. A given model becomes the session's.

        Raises:
            SessionMissing: no such session.
        """
        ...

    def list_turns(self, repository_id: str, session_id: str) -> list[Turn]:
        """Turns of the session in order; none if there is no such session."""
        ...

    def close(self) -> None:
        """Release files and connections; the catalogue is not used again."""
        ...

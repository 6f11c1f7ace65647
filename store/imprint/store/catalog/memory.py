"""A catalogue in memory: for tests, and the plainest statement of what a catalogue does.

Invariants:
    1. Every call runs alone, behind one lock; what it returns shares nothing that can change.
    2. A call that raises has changed nothing: everything is checked before anything is written, or put back.

Nothing survives the process; a crash loses all of it.
"""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imprint.store.actors import ALL_REPOSITORIES, Actor, Turn
from imprint.store.catalog.ports import Catalogue, RefSnapshot
from imprint.store.catalog.rules import (
    make_event,
    plan_changes,
    verify_format,
    verify_names,
    verify_replacement,
    verify_together,
)
from imprint.store.errors import (
    ActorConflict,
    Conflict,
    Missing,
    RepositoryExists,
    RepositoryMissing,
    SessionConflict,
    SessionMissing,
    StoreError,
    TokenMissing,
)
from imprint.store.types import RefValue

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from imprint.store.actors import ActorKind, Session, Token
    from imprint.store.catalog.ports import RepositoryRecord
    from imprint.store.events import Admission, Event, EventKind, PackReplacement
    from imprint.store.types import RefChange, RefName, RepositoryName


@dataclass(slots=True)
class _Repository:
    record: RepositoryRecord
    refs: dict[RefName, RefValue] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    packs: set[str] = field(default_factory=set)
    retired: dict[str, int] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    turns: dict[str, list[Turn]] = field(default_factory=dict)


@dataclass(slots=True)
class _Token:
    token: Token
    repository_ids: list[str]


class MemoryCatalogue(Catalogue):
    """A `Catalogue` that lives as long as the object."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._repositories: dict[str, _Repository] = {}
        self._actors: dict[str, Actor] = {}
        self._tokens: dict[str, _Token] = {}
        self._event_ids: set[str] = set()

    # -- repositories -------------------------------------------------------------------------------

    def create_repository(self, record: RepositoryRecord, admission: Admission) -> Event:
        """See `Catalogue.create_repository`."""
        with self._lock:
            self._verify_free(record.name, except_id=None)
            if record.id in self._repositories or record.generation != 0:
                raise Conflict(f"repository {record.id} is not new")
            repository = _Repository(record)
            event = self._admit(repository, admission)
            self._repositories[record.id] = repository
            return event

    def find_repository(self, name: RepositoryName) -> RepositoryRecord | None:
        """See `Catalogue.find_repository`."""
        return next((record for record in self.list_repositories() if record.name.key == name.key), None)

    def get_repository(self, repository_id: str) -> RepositoryRecord:
        """See `Catalogue.get_repository`."""
        with self._lock:
            return self._get(repository_id).record

    def list_repositories(self, *, deleted: bool = False) -> list[RepositoryRecord]:
        """See `Catalogue.list_repositories`."""
        with self._lock:
            records = [repository.record for repository in self._repositories.values()]
        found = [record for record in records if (record.purge_after_ms is not None) is deleted]
        return sorted(found, key=lambda record: record.name.key)

    def rename_repository(self, name: RepositoryName, admission: Admission) -> Event:
        """See `Catalogue.rename_repository`."""
        with self._lock:
            repository = self._get_live(admission.repository_id)
            self._verify_free(name, except_id=admission.repository_id)
            event = self._admit(repository, admission)
            repository.record = replace(repository.record, name=name)
            return event

    def delete_repository(self, purge_after_ms: int, admission: Admission) -> Event:
        """See `Catalogue.delete_repository`."""
        with self._lock:
            repository = self._get_live(admission.repository_id)
            event = self._admit(repository, admission)
            repository.record = replace(repository.record, purge_after_ms=purge_after_ms)
            return event

    def restore_repository(self, admission: Admission) -> Event:
        """See `Catalogue.restore_repository`."""
        with self._lock:
            repository = self._get(admission.repository_id)
            if repository.record.purge_after_ms is None:
                raise RepositoryMissing(admission.repository_id)
            event = self._admit(repository, admission)
            repository.record = replace(repository.record, purge_after_ms=None)
            return event

    def purge_repository(self, repository_id: str, now_ms: int) -> bool:
        """See `Catalogue.purge_repository`."""
        with self._lock:
            repository = self._repositories.get(repository_id)
            purge_after_ms = repository.record.purge_after_ms if repository else None
            if purge_after_ms is None or now_ms < purge_after_ms:
                return False
            del self._repositories[repository_id]
            for kept in self._tokens.values():
                if repository_id in kept.repository_ids:
                    kept.repository_ids.remove(repository_id)
            return True

    # -- refs and the commit point --------------------------------------------------------------------

    def read_refs(self, repository_id: str, *, since: RefSnapshot | None = None) -> RefSnapshot:
        """See `Catalogue.read_refs`; there is nothing to gain from `since` here."""
        del since
        with self._lock:
            repository = self._get(repository_id)
            refs = dict(sorted(repository.refs.items()))
            return RefSnapshot(repository.record.generation, repository.record.head, refs)

    def admit(self, admission: Admission) -> Event:
        """See `Catalogue.admit`."""
        with self._lock:
            return self._admit(self._get_live(admission.repository_id), admission)

    def admit_all(self, admissions: Sequence[Admission]) -> list[Event]:
        """See `Catalogue.admit_all`."""
        verify_together(admissions)
        if not admissions:
            return []
        with self._lock:
            repository = self._get_live(admissions[0].repository_id)
            before, ids_before = copy.deepcopy(repository), set(self._event_ids)
            try:
                return [self._admit(repository, each) for each in admissions]
            except StoreError:
                self._repositories[before.record.id], self._event_ids = before, ids_before
                raise

    def list_events(self, repository_id: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """See `Catalogue.list_events`."""
        with self._lock:
            repository = self._repositories.get(repository_id)
            return repository.events[max(after, 0) :][:limit] if repository else []

    def has_event(self, repository_id: str, kind: EventKind, *, after: int) -> bool:
        """See `Catalogue.has_event`."""
        with self._lock:
            repository = self._repositories.get(repository_id)
            events = repository.events[max(after, 0) :] if repository else []
            return any(event.kind is kind for event in events)

    def list_packs(self, repository_id: str) -> frozenset[str]:
        """See `Catalogue.list_packs`."""
        with self._lock:
            repository = self._repositories.get(repository_id)
            return frozenset(repository.packs) if repository else frozenset()

    def replace_packs(self, repository_id: str, replacement: PackReplacement, at_ms: int) -> None:
        """See `Catalogue.replace_packs`."""
        with self._lock:
            verify_replacement(replacement)
            repository = self._get(repository_id)
            _verify_live(repository, replacement)
            _replace_packs(repository, replacement, at_ms)

    def list_retired_packs(self, repository_id: str) -> dict[str, int]:
        """See `Catalogue.list_retired_packs`."""
        with self._lock:
            repository = self._repositories.get(repository_id)
            return dict(repository.retired) if repository else {}

    def forget_packs(self, repository_id: str, names: Collection[str]) -> frozenset[str]:
        """See `Catalogue.forget_packs`."""
        with self._lock:
            repository = self._repositories.get(repository_id)
            known = frozenset(names) & repository.retired.keys() if repository else frozenset()
            for name in known:
                del self._repositories[repository_id].retired[name]
            return known

    # -- actors, tokens, sessions ---------------------------------------------------------------------

    def ensure_actor(self, name: str, kind: ActorKind, emails: Sequence[str] = ()) -> Actor:
        """See `Catalogue.ensure_actor`."""
        with self._lock:
            kept = self._actors.get(name.casefold(), Actor(name, kind))
            if kept.kind is not kind:
                raise ActorConflict(f"{kept.name!r} is already known as {kept.kind.value}")
            merged = sorted({*kept.emails, *(email.casefold() for email in emails)})
            self._actors[name.casefold()] = replace(kept, emails=tuple(merged))
            return self._actors[name.casefold()]

    def find_actor(self, name: str) -> Actor | None:
        """See `Catalogue.find_actor`."""
        with self._lock:
            return self._actors.get(name.casefold())

    def list_actors(self) -> list[Actor]:
        """See `Catalogue.list_actors`."""
        with self._lock:
            return sorted(self._actors.values(), key=lambda actor: actor.name.casefold())

    def add_token(self, token: Token) -> None:
        """See `Catalogue.add_token`."""
        with self._lock:
            actor = self._actors.get(token.actor.casefold())
            if actor is None:
                raise Missing(f"no actor {token.actor!r}")
            if token.id in self._tokens or self.find_token(token.secret_hash):
                raise Conflict(f"token {token.id} is not new")
            named = [key for key in token.repositories if key != ALL_REPOSITORIES]
            self._tokens[token.id] = _Token(
                replace(token, actor=actor.name), [self._id_by_key(key) for key in named]
            )

    def find_token(self, secret_hash: str) -> Token | None:
        """See `Catalogue.find_token`."""
        return next((token for token in self.list_tokens() if token.secret_hash == secret_hash), None)

    def list_tokens(self) -> list[Token]:
        """See `Catalogue.list_tokens`."""
        with self._lock:
            tokens = [self._present(kept) for kept in self._tokens.values()]
        return sorted(tokens, key=lambda token: (token.created_at_ms, token.id))

    def revoke_token(self, token_id: str, at_ms: int) -> Token:
        """See `Catalogue.revoke_token`."""
        with self._lock:
            kept = self._tokens.get(token_id)
            if kept is None:
                raise TokenMissing(f"no token {token_id!r}", hint="'imprint token list' shows their ids")
            if kept.token.revoked_at_ms is None:
                kept.token = replace(kept.token, revoked_at_ms=at_ms)
            return self._present(kept)

    def open_session(self, session: Session) -> Session:
        """See `Catalogue.open_session`."""
        with self._lock:
            sessions = self._get(session.repository_id).sessions
            kept = sessions.get(session.id, session)
            if kept.actor.casefold() != session.actor.casefold():
                raise SessionConflict(f"session {session.id!r} belongs to another actor")
            sessions[session.id] = replace(
                kept, agent=session.agent or kept.agent, model=session.model or kept.model
            )
            return sessions[session.id]

    def find_session(self, repository_id: str, session_id: str) -> Session | None:
        """See `Catalogue.find_session`."""
        with self._lock:
            repository = self._repositories.get(repository_id)
            return repository.sessions.get(session_id) if repository else None

    def list_sessions(self, repository_id: str) -> list[Session]:
        """See `Catalogue.list_sessions`."""
        with self._lock:
            repository = self._repositories.get(repository_id)
            sessions = list(repository.sessions.values()) if repository else []
        return sorted(sessions, key=lambda session: (session.opened_at_ms, session.id))

    def add_turn(
        self, repository_id: str, session_id: str, prompt: str, model: str | None, at_ms: int
    ) -> Turn:
        """See `Catalogue.add_turn`."""
        with self._lock:
            repository = self._repositories.get(repository_id)
            session = repository.sessions.get(session_id) if repository else None
            if repository is None or session is None:
                raise SessionMissing(f"no session {session_id!r} here")
            turns = repository.turns.setdefault(session_id, [])
            turns.append(Turn(len(turns) + 1, at_ms, prompt, model))
            repository.sessions[session_id] = replace(session, model=model or session.model)
            return turns[-1]

    def list_turns(self, repository_id: str, session_id: str) -> list[Turn]:
        """See `Catalogue.list_turns`."""
        with self._lock:
            repository = self._repositories.get(repository_id)
            return list(repository.turns.get(session_id, ())) if repository else []

    def close(self) -> None:
        """See `Catalogue.close`."""

    # -- within the lock ------------------------------------------------------------------------------

    def _get(self, repository_id: str) -> _Repository:
        if repository := self._repositories.get(repository_id):
            return repository
        raise RepositoryMissing(repository_id)

    def _get_live(self, repository_id: str) -> _Repository:
        repository = self._get(repository_id)
        if repository.record.purge_after_ms is not None:
            raise RepositoryMissing(repository_id)
        return repository

    def _verify_free(self, name: RepositoryName, except_id: str | None) -> None:
        for repository in self._repositories.values():
            if repository.record.name.key == name.key and repository.record.id != except_id:
                raise RepositoryExists(f"the name {name} is taken")

    def _admit(self, repository: _Repository, admission: Admission) -> Event:
        verify_format(admission.updates, repository.record.algorithm)
        now = {name: value.id for name, value in repository.refs.items()}
        changes = plan_changes(admission.updates, now)
        created = [change.name for change in changes if change.new and not change.old]
        gone = {change.name for change in changes if not change.new}
        verify_names(created, [name for name in repository.refs if name not in gone])
        if admission.event_id in self._event_ids:
            raise Conflict(f"event {admission.event_id} is not new")
        if admission.replacement:
            verify_replacement(admission.replacement)
            _verify_live(repository, admission.replacement)

        self._write_refs(repository, admission, changes)
        _write_packs(repository, admission)
        kept = {**repository.record.settings, **admission.settings}
        settings = {key: value for key, value in kept.items() if value is not None}
        sequence = repository.record.generation + 1
        repository.record = replace(
            repository.record,
            generation=sequence,
            head=admission.head or repository.record.head,
            settings=settings,
        )
        repository.events.append(make_event(admission, sequence, changes))
        self._event_ids.add(admission.event_id)
        return repository.events[-1]

    def _write_refs(
        self, repository: _Repository, admission: Admission, changes: tuple[RefChange, ...]
    ) -> None:
        for update, change in zip(admission.updates, changes, strict=True):
            if change.new:
                repository.refs[update.name] = RefValue(change.new, update.peeled)
            else:
                repository.refs.pop(update.name, None)

    def _id_by_key(self, key: str) -> str:
        for repository in self._repositories.values():
            if repository.record.name.key == key and repository.record.purge_after_ms is None:
                return repository.record.id
        raise RepositoryMissing(key)

    def _present(self, kept: _Token) -> Token:
        """The token with its repositories by the names they have now."""
        keys = sorted(self._repositories[each].record.name.key for each in kept.repository_ids)
        everywhere = (ALL_REPOSITORIES,) if ALL_REPOSITORIES in kept.token.repositories else ()
        return replace(kept.token, repositories=(*everywhere, *keys))


def _verify_live(repository: _Repository, replacement: PackReplacement) -> None:
    for name in sorted(replacement.retired - repository.packs):
        raise Conflict(f"pack {name} is not live")


def _write_packs(repository: _Repository, admission: Admission) -> None:
    if admission.pack:
        _revive(repository, admission.pack.name)
    if admission.replacement:
        _replace_packs(repository, admission.replacement, admission.at_ms)


def _replace_packs(repository: _Repository, replacement: PackReplacement, at_ms: int) -> None:
    for name in replacement.retired:
        repository.packs.remove(name)
        repository.retired[name] = at_ms
    for pack in replacement.added:
        _revive(repository, pack.name)


def _revive(repository: _Repository, name: str) -> None:
    repository.retired.pop(name, None)
    repository.packs.add(name)

"""All repositories of one data folder: made, found, renamed, deleted, destroyed; and who may use them.

Invariants:
    1. Whether a repository exists is the catalogue's word alone. Its folder is whole before its row is
       written, and destroyed after its row is gone.
    2. A folder that is being made or destroyed has a marker beside it. A marker whose process died is
       settled by the catalogue: row, then the folder stays; no row, then it goes. No folder without a marker
       is ever destroyed: rows may be missing because an older catalogue was restored.
    3. A token's secret is in the answer of `issue_token` and nowhere else; the administrator's first one is
       also in a file that only the owner may read.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

from imprint.store.actors import ALL_REPOSITORIES, ActorKind, Principal, Token, Verb
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.clock import RandomIds, SystemClock
from imprint.store.errors import BadInput, RepositoryMissing
from imprint.store.events import Admission, EventKind, SessionClaim
from imprint.store.hosting.access import Access, Grant, SessionSeed, verify_grant
from imprint.store.hosting.bare import RepositoryFolders, branch_ref
from imprint.store.hosting.keys import SshKey
from imprint.store.hosting.passes import Passes
from imprint.store.hosting.sessions import list_roots, open_keeper
from imprint.store.hosting.settings import plan_change
from imprint.store.lfs.custody import Custody
from imprint.store.lfs.files import FileLargeObjects
from imprint.store.lfs.memory import MemoryRegister
from imprint.store.lfs.sql import SqlRegister
from imprint.store.limits import Limits
from imprint.store.mirror.ports import MemoryMirrors
from imprint.store.mirror.sql import SqlMirrors
from imprint.store.objects.git import GitObjects
from imprint.store.packing.cache import ReadyPacks
from imprint.store.packing.serving import Serving, Servings
from imprint.store.plumbing import ChildBounds, Children, Plumbing
from imprint.store.refs.catalogued import CataloguedRefs
from imprint.store.sessions.memory import MemoryArchive
from imprint.store.sessions.sql import SqlArchive
from imprint.store.transcripts.files import FileTranscripts
from imprint.store.transcripts.ports import transcript_key
from imprint.store.types import HashAlgorithm, RepositoryName
from imprint.store.view import RepositoryView
from imprint.store.waiting.lock import FileLock

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imprint.store.catalog.ports import Catalogue
    from imprint.store.clock import Clock, Ids
    from imprint.store.events import Event
    from imprint.store.hosting.data import DataFolder
    from imprint.store.lfs.ports import Register
    from imprint.store.mirror.ports import Mirrors
    from imprint.store.sessions.keeping import Keeper
    from imprint.store.sessions.ports import Archive
    from imprint.store.transcripts.ports import Transcripts

__all__ = [
    "ADMINISTRATOR",
    "OPERATOR",
    "Hosting",
    "Repository",
    "SessionSeed",
    "branch_ref",
]

OPERATOR: Final = "operator"
"""The actor of what is done at the data folder, without a token."""
ADMINISTRATOR: Final = "admin"
"""The actor of the token that the first start makes."""
DELETION_GRACE_MS: Final = 7 * 24 * 3600 * 1000

_log = logging.getLogger("imprint.store")


@dataclass(frozen=True, slots=True)
class Repository:
    """A hosted repository as it was when asked for.

    Attributes:
        record: its name, HEAD and generation at that moment.
        git_dir: the bare repository.
        view: what readers need; its refs are always the newest.
        serving: what its fetches share.
    """

    record: RepositoryRecord
    git_dir: Path
    view: RepositoryView
    serving: Serving


class Hosting:
    """The repositories, actors, tokens and sessions of one data folder. Safe to share between threads.

    Attributes:
        folder, catalogue, transcripts, clock, ids, limits: what it works with.
        children: what the git processes on its repositories took.
        lfs: large objects and locks; their register is in memory where none is given.
        archive: agents' sessions and records of provenance; in memory where none is given.
        mirrors: which repositories are kept in step with others; in memory where none are given.
        passes: credentials made from tokens, for one repository and a short time.
        servings: what fetches share.
    """

    def __init__(  # noqa: PLR0913 - each is a part of the store
        self,
        folder: DataFolder,
        catalogue: Catalogue,
        transcripts: Transcripts,
        clock: Clock,
        ids: Ids,
        limits: Limits | None = None,
        *,
        register: Register | None = None,
        archive: Archive | None = None,
        mirrors: Mirrors | None = None,
    ) -> None:
        self.folder = folder
        self.catalogue = catalogue
        self.transcripts = transcripts
        self.clock = clock
        self.ids = ids
        self.limits = limits or Limits()
        self.children = Children()
        seconds_max, memory_max = self.limits.plumbing_seconds_max, self.limits.plumbing_memory_bytes_max
        self._child_bounds = ChildBounds(seconds_max, memory_max)
        self.lfs = Custody(
            FileLargeObjects(folder.lfs_path, self.limits.quarantine_bytes_free_min),
            register or MemoryRegister(self._is_known),
            clock,
            ids,
            self.limits,
        )
        self.archive = archive or MemoryArchive(self._is_known)
        self.mirrors = mirrors or MemoryMirrors(self._is_known)
        self._folders = RepositoryFolders(folder.repositories_path, self._is_known, self._forget)
        self._access = Access(self, self.limits)
        self.passes = Passes(folder.master_key, catalogue, clock, self._access.admit)
        ready = ReadyPacks(self.limits.ready_packs_bytes_max)
        self.servings = Servings(ready, self.limits.pack_tables_bytes_max)
        self._views: dict[str, RepositoryView] = {}
        self._views_lock = threading.Lock()

    @classmethod
    def open(
        cls,
        folder: DataFolder,
        clock: Clock | None = None,
        ids: Ids | None = None,
        limits: Limits | None = None,
    ) -> Self:
        """Everything of an open data folder, on the machine's clock and randomness if not given others."""
        clock = clock or SystemClock()
        database = folder.open_database()
        catalogue = SqlCatalogue.open(database)
        transcripts = FileTranscripts(folder.transcripts_path, folder.master_key)
        register, archive = SqlRegister(database), SqlArchive(database)
        ids = ids or RandomIds(clock)
        return cls(
            folder, catalogue, transcripts, clock, ids, limits,
            register=register, archive=archive, mirrors=SqlMirrors(database, catalogue.kept),
        )  # fmt: skip

    @cached_property
    def keeper(self) -> Keeper:
        """What takes sessions into the archive, made at first use; `BadInput` if rules are faulty."""
        root, archive = self.folder.root, self.archive
        return open_keeper(root, archive, self.transcripts, self.catalogue, self.clock, self.limits)

    # -- repositories -------------------------------------------------------------------------------

    def create(
        self,
        name: RepositoryName,
        by: Principal | None,
        *,
        default_branch: str = "main",
        algorithm: HashAlgorithm = HashAlgorithm.SHA1,
    ) -> Repository:
        """Make an empty repository.

        Args:
            name: where.
            by: who asks; None for the operator at the data folder.
            default_branch: the branch, yet unborn, that HEAD names.
            algorithm: its object format, for good.

        Raises:
            RepositoryExists: the name is taken.
            BadRefName: the branch cannot be one.
        """
        record = RepositoryRecord(
            id=self.ids.new_id("repo"),
            name=name,
            algorithm=algorithm,
            head=branch_ref(default_branch),
            generation=0,
            created_at_ms=self.clock.now_ms(),
        )
        admission = self._admission(record.id, EventKind.CREATED, by, {"name": str(name)})
        with self._folders.unsettled(record.id):
            self._folders.make(record)
            self.catalogue.create_repository(record, replace(admission, head=record.head))
        _log.info("repository %s created", record.id)
        return self.get_by_id(record.id)

    def get(self, name: RepositoryName) -> Repository:
        """The live repository of this name.

        Raises:
            RepositoryMissing: there is none.
        """
        record = self.catalogue.find_repository(name)
        if record is None:
            raise RepositoryMissing(str(name))
        return self._repository(record)

    def get_by_id(self, repository_id: str) -> Repository:
        """The live repository of this id.

        Raises:
            RepositoryMissing: there is none, or it is deleted.
        """
        record = self.catalogue.get_repository(repository_id)
        if record.purge_after_ms is not None:
            raise RepositoryMissing(repository_id)
        return self._repository(record)

    def list(self) -> builtins.list[Repository]:
        """All live repositories by name."""
        return [self._repository(record) for record in self.catalogue.list_repositories()]

    def list_deleted(self) -> builtins.list[RepositoryRecord]:
        """Deleted repositories that can still be restored, by name."""
        return self.catalogue.list_repositories(deleted=True)

    def rename(self, name: RepositoryName, new: RepositoryName, by: Principal | None) -> Repository:
        """Give a repository another name. Tokens follow it; the old name is free at once.

        Raises:
            RepositoryMissing, RepositoryExists: as they say.
        """
        record = self.get(name).record
        details = {"old": str(record.name), "new": str(new)}
        self.catalogue.rename_repository(new, self._admission(record.id, EventKind.RENAMED, by, details))
        return self.get_by_id(record.id)

    def delete(
        self, name: RepositoryName, by: Principal | None, *, grace_ms: int = DELETION_GRACE_MS
    ) -> RepositoryRecord:
        """Hide a repository; after the grace period `purge_due` destroys it.

        Raises:
            RepositoryMissing: there is none.
            BadInput: the grace period is negative.
        """
        if grace_ms < 0:
            raise BadInput("a grace period cannot be negative")
        record = self.get(name).record
        purge_after_ms = self.clock.now_ms() + grace_ms
        details = {"name": str(record.name), "purge_after_ms": str(purge_after_ms)}
        event = self.catalogue.delete_repository(
            purge_after_ms, self._admission(record.id, EventKind.DELETED, by, details)
        )
        # not read again: without a grace period another process may have destroyed it by now
        return replace(record, generation=event.sequence, purge_after_ms=purge_after_ms)

    def restore(self, name: RepositoryName, by: Principal | None) -> Repository:
        """Take back a deletion within its grace period.

        Raises:
            RepositoryMissing: no deleted repository of this name.
        """
        for record in self.list_deleted():
            if record.name.key == name.key:
                details = {"name": str(record.name)}
                self.catalogue.restore_repository(self._admission(record.id, EventKind.RESTORED, by, details))
                return self.get_by_id(record.id)
        raise RepositoryMissing(str(name))

    def set_head(self, name: RepositoryName, branch: str, by: Principal | None) -> Repository:
        """Make a branch the default: what HEAD names. It need not exist yet.

        Raises:
            RepositoryMissing: there is no such repository.
            BadRefName: the branch cannot be one.
        """
        record = self.get(name).record
        head = branch_ref(branch)
        admission = self._admission(record.id, EventKind.HEAD, by, {"old": record.head.text})
        self.catalogue.admit(replace(admission, head=head))
        return self.get_by_id(record.id)

    def change_settings(
        self, name: RepositoryName, changes: Mapping[str, str | None], by: Principal | None
    ) -> Repository:
        """Choose settings, or take choices back with None; see `imprint.store.hosting.settings`.

        Raises:
            RepositoryMissing: there is no such repository.
            BadInput: a setting is unknown, or a value is not one that it takes.
            LimitExceeded: a value is too long.
        """
        record = self.get(name).record
        changed, details = plan_change(record, changes, self.limits.setting_bytes_max)
        if changed:
            admission = self._admission(record.id, EventKind.SETTINGS, by, details)
            self.catalogue.admit(replace(admission, settings=changed))
        return self.get_by_id(record.id)

    def purge_due(self) -> int:
        """Destroy deleted repositories whose grace is over, and what a crash left; how many went."""
        due = [record.id for record in self.list_deleted() if self._is_due(record)]
        purged = sum(self._purge(repository_id) for repository_id in due)
        self._folders.settle_leftovers()
        if purged:
            _log.info("%d repositories purged", purged)
        return purged

    def _is_due(self, record: RepositoryRecord) -> bool:
        return record.purge_after_ms is not None and record.purge_after_ms <= self.clock.now_ms()

    def _purge(self, repository_id: str) -> bool:
        sessions = list_roots(self.catalogue, self.archive, repository_id)
        with self._folders.unsettled(repository_id, sessions):
            purged = self.catalogue.purge_repository(repository_id, self.clock.now_ms())
        with self._views_lock:
            self._views.pop(repository_id, None)
        self.servings.forget(repository_id)
        return purged

    def _is_known(self, repository_id: str) -> bool:
        try:
            self.catalogue.get_repository(repository_id)
        except RepositoryMissing:
            return False
        return True

    def _forget(self, repository_id: str, sessions: Sequence[str]) -> None:
        self.lfs.objects.destroy(repository_id)
        for session_id in sessions:
            self.transcripts.erase(transcript_key(repository_id, session_id))

    def _repository(self, record: RepositoryRecord) -> Repository:
        with self._views_lock:
            view = self._views.get(record.id)
            if view is None or view.name != str(record.name):
                view = replace(view, name=str(record.name)) if view else self._make_view(record)
                self._views[record.id] = view
        git_dir = view.plumbing.git_dir
        return Repository(record, git_dir, view, self.servings.of(record.id, git_dir, record.algorithm))

    def _make_view(self, record: RepositoryRecord) -> RepositoryView:
        plumbing = Plumbing(self._folders.path(record.id), bounds=self._child_bounds, children=self.children)
        objects = GitObjects(plumbing.git_dir / "objects", record.algorithm)
        refs = CataloguedRefs(self.catalogue, record.id)
        return RepositoryView(record.id, str(record.name), objects, refs, plumbing)

    def _admission(
        self, repository_id: str, kind: EventKind, by: Principal | None, details: dict[str, str]
    ) -> Admission:
        return Admission(
            repository_id=repository_id,
            event_id=self.ids.new_id("evt"),
            kind=kind,
            at_ms=self.clock.now_ms(),
            actor=by.actor.name if by else OPERATOR,
            token_id=by.token.id if by else None,
            verdict="allowed: token scope" if by else "allowed: operator",
            details=details,
        )

    def announce(
        self, repository_id: str, kind: EventKind, by: Principal | None, details: dict[str, str]
    ) -> Event:
        """Admit an event that changes no ref, such as that sessions were kept, so that followers wake."""
        return self.catalogue.admit(self._admission(repository_id, kind, by, details))

    # -- tokens and sessions --------------------------------------------------------------------------

    def issue_token(  # noqa: PLR0913 - each is a fact of the token
        self,
        *,
        actor: str,
        kind: ActorKind,
        repositories: Sequence[str],
        verbs: frozenset[Verb],
        session: SessionSeed | None = None,
        expires_in_ms: int | None = None,
        emails: Sequence[str] = (),
        ssh_key: str | None = None,
    ) -> tuple[Token, str]:
        """Make a token and return it with its secret, which is kept nowhere.

        Args:
            actor: who will act with it; made if unknown.
            kind: what the actor is.
            repositories: `owner/name` of each, or `*` for all, present and future.
            verbs: what it may be used for.
            session: opened in the one repository named; what is delivered with the token belongs to it.
            expires_in_ms: from now; None for never.
            emails: addresses by which the actor's commits are known.
            ssh_key: the line of a public key that is to be the credential; the secret is empty then.

        Raises:
            RepositoryMissing: a named repository is not there.
            ActorConflict, SessionConflict: the actor is of another kind, the session of another actor.
            Conflict: the key has a token that is good.
            BadInput: a name is unusable, no verb or repository is named, a session has not exactly one, or
                the key is not one that is taken.
            BadExpiry: it would expire at once.
        """
        keys = [self._scope_key(text) for text in repositories]
        grant = Grant(actor, kind, tuple(keys), verbs, expires_in_ms, tuple(emails))
        verify_grant(grant, session)
        key = SshKey.parse(ssh_key) if ssh_key is not None else None
        if key is not None:
            self._access.next_key_hash(key)
        kept = self.catalogue.ensure_actor(actor, kind, emails)
        if session:
            self.open_session(self.get(RepositoryName.parse(repositories[0])), kept.name, session)
        return self._access.issue(grant, session.id if session else None, key)

    def authenticate(self, secret: str) -> Principal:
        """Whoever holds this secret.

        Raises:
            Unauthenticated: it is no token's.
            TokenExpired, TokenRevoked: it was one's.
        """
        return self._access.authenticate(secret)

    def authenticate_key(self, blob: bytes) -> Principal:
        """Whose an SSH key is, given as SSH sends it. That the caller holds its private part is not checked.

        Raises:
            Unauthenticated: it is no token's.
            TokenExpired, TokenRevoked: it was one's.
        """
        return self._access.authenticate_key(blob)

    def ensure_admin_token(self) -> Path | None:
        """At the first start, make the administrator and a token for everything, and leave it in a file.

        Returns:
            The file with the secret when it was made just now; None when there is a token already.
        """
        with FileLock(self.folder.root / "ground" / "admin.lock").hold():
            path = self.folder.admin_token_path
            return path if self._access.make_administrator(ADMINISTRATOR, path) else None

    def open_session(self, repository: Repository, actor: str, seed: SessionSeed) -> SessionClaim:
        """Open or continue a session, record its prompt as a turn, and return what it says now.

        The prompt of the turn before, given again, is the same turn.

        Raises:
            SessionConflict: the session belongs to another actor.
            LimitExceeded: the prompt is too long.
            BadInput: the id, the agent or the model is unusable as a name.
        """
        base = repository.view.refs.snapshot().head_id
        return self._access.open_session(repository.record.id, actor, seed, base)

    def session_claim(self, repository: Repository, session_id: str) -> SessionClaim:
        """What a session says of work that is delivered in it now.

        Raises:
            SessionMissing: it was never opened in the repository.
        """
        return self._access.session_claim(repository.record.id, session_id)

    def close(self) -> None:
        """Release every file and the data folder."""
        with self._views_lock:
            for view in self._views.values():
                view.objects.close()
            self._views.clear()
        self.lfs.close()
        self.catalogue.close()
        self.folder.close()

    def _scope_key(self, text: str) -> str:
        if text == ALL_REPOSITORIES:
            return text
        return self.get(RepositoryName.parse(text)).record.name.key

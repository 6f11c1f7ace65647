"""What every route works with: the opened store, its origins and library, and who asks for what.

Invariants:
    1. A repository that the token may not see is answered exactly like one that does not exist.
    2. A route gets a repository only through `Access`, which is made after the token's scope was checked.
    3. What a route tells of refs and commits, it reads from `Access.view`: a hidden ref is answered exactly
       like one that does not exist, except to those who administer the repository.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from imprint.store.actors import Principal, Verb
from imprint.store.errors import Denied, RepositoryMissing
from imprint.store.refs.hidden import HiddenRefs
from imprint.store.refs.shown import show_event
from imprint.store.types import RepositoryName
from imprint.store.view import show_view

if TYPE_CHECKING:
    from anyio import CapacityLimiter
    from starlette.requests import HTTPConnection

    from imprint.api.running.fair import FairQueue
    from imprint.api.settings import ApiSettings
    from imprint.semantic.library import Library
    from imprint.semantic.lineage.changes import ChangeLog
    from imprint.semantic.lineage.tracing.steps import KeptSteps
    from imprint.store.catalog.ports import RepositoryRecord
    from imprint.store.events import Event
    from imprint.store.hosting.followers import FollowerRunner
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.origins.explain import Explanation
    from imprint.store.origins.sources import Origins
    from imprint.store.receive.receiver import Receiver
    from imprint.store.view import RepositoryView

NOT_SHOWN: Final = "not shown to this token, which lacks the verb 'transcripts', as it is another actor's"
"""What is said in place of a prompt."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one running server.

    Attributes:
        hosting: repositories, tokens, sessions.
        origins: deliveries, and claims of every source.
        library: the semantic index.
        changes: what each commit of the histories did.
        steps: where steps of symbols' histories are kept.
        receiver: takes in pushes and commits.
        runner: keeps the followers going.
        settings: what the operator chose.
        git_queue: who may begin git work, in turn; HTTP and SSH share it.
        git_limiter: the threads of git work that may run, apart from those of REST; enough for every slot.
        notes_queue: whose upload of notes is taken next, so that few are in memory at the same time.
        sessions_queue: the same of deliveries of sessions.
        gate_limiter: bounds the threads that check tokens, so that nobody waits outside for others' work.
    """

    hosting: Hosting
    origins: Origins
    library: Library
    changes: ChangeLog
    steps: KeptSteps
    receiver: Receiver
    runner: FollowerRunner
    settings: ApiSettings
    git_queue: FairQueue
    git_limiter: CapacityLimiter
    gate_limiter: CapacityLimiter
    notes_queue: FairQueue
    sessions_queue: FairQueue


@dataclass(frozen=True, slots=True)
class Access:
    """A repository, and somebody whose token allows what the route does with it.

    Attributes:
        services: the parts of the server.
        principal: who asks.
        repository: to write to, whole.
        hidden: the refs that the principal does not see: none for its administrators.
        view: to read from: without what is hidden.
    """

    services: Services
    principal: Principal
    repository: Repository
    hidden: HiddenRefs
    view: RepositoryView

    @property
    def name(self) -> str:
        """`owner/name` as the catalogue spells it."""
        return str(self.repository.record.name)

    def list_events(self, after: int, limit: int) -> list[Event]:
        """What happened after a sequence, as the principal may know it."""
        catalogue = self.services.hosting.catalogue
        events = catalogue.list_events(self.repository.record.id, after=after, limit=limit)
        return [show_event(event, self.hidden) for event in events] if self.hidden.patterns else events

    def may_read_words(self, session_id: str) -> bool:
        """Whether the principal may read the prompts and the transcript of a session: the one check for all.

        Its own it may always; those of others with the verb `transcripts`.
        """
        if self.principal.may(Verb.TRANSCRIPTS, self.repository.record.name):
            return True
        hosting, repository_id = self.services.hosting, self.repository.record.id
        archived = hosting.archive.find_session(repository_id, session_id)
        if archived is not None:
            return archived.actor == self.principal.actor.name
        opened = hosting.catalogue.find_session(repository_id, session_id)
        return opened is not None and opened.actor == self.principal.actor.name

    def read_prompt(self, session: str, address: str) -> str | None:
        """The text of a prompt of this repository; None when it is not shown, was erased or is not there."""
        if not self.may_read_words(session):
            return None
        return self.services.hosting.keeper.read_prompt(self.repository.record.id, session, address)

    def tell_prompt(self, session: str, address: str) -> str | None:
        """The same for people: the words `NOT_SHOWN` in place of a prompt that is not shown."""
        return self.read_prompt(session, address) if self.may_read_words(session) else NOT_SHOWN

    def say_hidden(self, found: Explanation) -> Explanation:
        """An explanation that says where a prompt is there and not shown to the principal."""
        hidden = any(
            claim.session and claim.prompt is None and not self.may_read_words(claim.session)
            for claim in found.claims
        )
        told = [text for text in found.missing if not text.startswith("the prompt: it was recorded")]
        if not hidden or len(told) == len(found.missing):
            return found
        return replace(found, missing=(*told, f"the prompt: it is {NOT_SHOWN}"))


def get_services(connection: HTTPConnection) -> Services:
    """The services of the application that the request came to."""
    return cast("Services", connection.app.state.services)


def get_principal(connection: HTTPConnection) -> Principal:
    """Who the gate let in."""
    return cast("Principal", connection.state.principal)


def list_readable(connection: HTTPConnection) -> list[RepositoryRecord]:
    """The repositories that the token may read."""
    principal = get_principal(connection)
    records = get_services(connection).hosting.catalogue.list_repositories()
    return [record for record in records if principal.may(Verb.READ, record.name)]


def open_access(connection: HTTPConnection, owner: str, repo: str, verb: Verb) -> Access:
    """Check the token's scope, then open the repository.

    Raises:
        RepositoryMissing: there is none, or the token may not see it.
        Denied: the token may see it, but not do this.
    """
    services, principal = get_services(connection), get_principal(connection)
    name = RepositoryName.parse(f"{owner}/{repo}")
    require(principal, verb, name)
    repository = services.hosting.get(name)
    is_administrator = principal.may(Verb.ADMIN, repository.record.name)
    hidden = HiddenRefs() if is_administrator else HiddenRefs.of(repository.record)
    return Access(services, principal, repository, hidden, show_view(repository.view, hidden))


def require(principal: Principal, verb: Verb, name: RepositoryName) -> None:
    """Check a token's scope on a repository, which need not exist.

    Raises:
        RepositoryMissing: the token may not even read there.
        Denied: it may read, but not this.
    """
    if not principal.may(Verb.READ, name):
        raise RepositoryMissing(str(name))
    if not principal.may(verb, name):
        raise Denied(
            f"this token may not {verb.value} {name}", hint=f"use a token with the verb {verb.value!r}"
        )


def require_operator(principal: Principal) -> None:
    """Check that a token administers the whole store.

    Raises:
        Denied: it does not.
    """
    if not principal.may(Verb.ADMIN, None):
        raise Denied(
            "only a token that administers all repositories may do this",
            hint="the first start of the server wrote one into a file",
        )


def server_address(connection: HTTPConnection) -> str:
    """The server's address without a slash at the end: as the operator said, else as the request says."""
    return get_services(connection).settings.public_url or str(connection.base_url).rstrip("/")


def ssh_address(connection: HTTPConnection) -> str | None:
    """The address of SSH, likewise; None where it is not spoken."""
    settings = get_services(connection).settings
    if settings.ssh_url or not settings.ssh_port:
        return settings.ssh_url or None
    host = connection.base_url.hostname or ""
    return f"ssh://git@{f'[{host}]' if ':' in host else host}:{settings.ssh_port}"

"""What goes over the wire as JSON: the requests that are read, and the answers that no lower layer renders.

Pydantic stops here. A request with a field that nobody knows is refused, so that a misspelt one is not
ignored. Times are milliseconds since the Unix epoch, in fields that end in `_ms`; ids are Git's in full;
paths are text as `imprint.store.paths.quote_path` writes it.
"""

import enum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from imprint.store.actors import Actor, ActorKind, Token, Verb
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.events import Event, EventKind, SessionClaim
from imprint.store.types import HashAlgorithm

_SHORT = 200
_Name = Annotated[str, Field(min_length=1, max_length=_SHORT)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Problem(_Told):
    """A refusal, as RFC 9457 has it; `code` is stable, other members carry the facts of the code."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str | None = None


# -- repositories ---------------------------------------------------------------------------------------


class NewRepository(_Asked):
    """A repository to be made."""

    name: Annotated[str, Field(description="`owner/name`", examples=["acme/app"])]
    default_branch: Annotated[_Name, Field(description="the branch HEAD names; it may be unborn")] = "main"
    object_format: Annotated[HashAlgorithm, Field(description="git's object format, for good")] = (
        HashAlgorithm.SHA1
    )


class RepositoryChange(_Asked):
    """A change of a repository: what is left out stays."""

    name: Annotated[str | None, Field(description="the new `owner/name`")] = None
    default_branch: Annotated[_Name | None, Field(description="the new default branch")] = None


class RepositoryAnswer(_Told):
    """A repository."""

    id: str
    name: str
    git_url: str
    ssh_url: Annotated[str | None, Field(description="null where SSH is not spoken")] = None
    default_branch: str
    object_format: str
    generation: int
    created_at_ms: int
    purge_after_ms: int | None = None

    @classmethod
    def of(cls, record: RepositoryRecord, server: str, ssh: str | None) -> Self:
        """The answer about a repository of the server at the address `server`, and at `ssh` over SSH."""
        return cls(
            id=record.id,
            name=str(record.name),
            git_url=f"{server}/{record.name}.git",
            ssh_url=f"{ssh}/{record.name}.git" if ssh else None,
            default_branch=record.head.short,
            object_format=record.algorithm.value,
            generation=record.generation,
            created_at_ms=record.created_at_ms,
            purge_after_ms=record.purge_after_ms,
        )


class RepositoryPage(_Told):
    """Some repositories, by name; `next_cursor` goes into the next request."""

    repos: list[RepositoryAnswer]
    next_cursor: str | None
    has_more: bool


class SettingsChange(_Asked):
    """Settings to be chosen; what is left out stays."""

    settings: Annotated[
        dict[str, str | None],
        Field(max_length=_SHORT, description="values by git's names; null goes back to the default"),
    ]


class SettingsAnswer(_Told):
    """The settings of a repository, by git's names: those chosen, and what each is otherwise."""

    name: str
    settings: dict[str, str]
    defaults: dict[str, str]


class RefAnswer(_Told):
    """A ref; `peeled_sha` is what an annotated tag finally points at."""

    name: str
    sha: str
    peeled_sha: str | None


class RefsAnswer(_Told):
    """HEAD and every ref, all of one generation."""

    generation: int
    head: str
    head_sha: str | None
    refs: list[RefAnswer]


# -- tokens, actors, sessions ---------------------------------------------------------------------------


class NewSession(_Asked):
    """The session that everything delivered with the token will belong to."""

    id: _Name
    agent: _Name | None = None
    model: _Name | None = None
    prompt: str | None = None


class NewToken(_Asked):
    """A token to be made, and its actor where it is new."""

    actor: _Name
    kind: ActorKind
    repositories: Annotated[list[str], Field(min_length=1, description="`owner/name` each, or `*` for all")]
    can: Annotated[frozenset[Verb], Field(min_length=1)]
    session: NewSession | None = None
    expires: Annotated[str | None, Field(description="30m, 24h, 7d or never", examples=["24h"])] = None
    emails: Annotated[list[str], Field(description="addresses by which the actor's commits are known")] = []
    ssh_key: Annotated[
        str | None,
        Field(description="the line of a public key, which is the credential then: there is no secret"),
    ] = None


class TokenAnswer(_Told):
    """A token without its secret."""

    id: str
    actor: str
    repositories: list[str]
    can: list[Verb]
    session: str | None
    ssh_fingerprint: Annotated[
        str | None, Field(description="of the SSH key that is the credential; null where it is a secret")
    ] = None
    created_at_ms: int
    expires_at_ms: int | None
    revoked_at_ms: int | None

    @classmethod
    def of(cls, token: Token) -> Self:
        """The answer about a token."""
        return cls(**_describe_token(token))


class TokenMade(TokenAnswer):
    """A new token: the only answer that ever holds its secret."""

    token: Annotated[str | None, Field(description="the secret; null where an SSH key is the credential")]

    @classmethod
    def with_secret(cls, token: Token, secret: str) -> Self:
        """The answer about a token that was made just now."""
        return cls(**_describe_token(token), token=secret or None)


def _describe_token(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "actor": token.actor,
        "repositories": list(token.repositories),
        "can": sorted(token.verbs, key=lambda verb: verb.value),
        "session": token.session,
        "ssh_fingerprint": token.ssh_fingerprint,
        "created_at_ms": token.created_at_ms,
        "expires_at_ms": token.expires_at_ms,
        "revoked_at_ms": token.revoked_at_ms,
    }


class TokensAnswer(_Told):
    """All tokens, oldest first."""

    tokens: list[TokenAnswer]


class ActorAnswer(_Told):
    """Somebody who can act."""

    name: str
    kind: ActorKind
    emails: list[str]

    @classmethod
    def of(cls, actor: Actor) -> Self:
        """The answer about an actor."""
        return cls(name=actor.name, kind=actor.kind, emails=list(actor.emails))


class ActorsAnswer(_Told):
    """All actors, by name."""

    actors: list[ActorAnswer]


# -- events ---------------------------------------------------------------------------------------------


class ChangeAnswer(_Told):
    """What happened to one ref; null stands for "absent"."""

    ref: str
    old_sha: str | None
    new_sha: str | None


class SessionClaimAnswer(_Told):
    """What the deliverer's session says of the work."""

    session: str
    agent: str | None
    model: str | None
    base_sha: str | None

    @classmethod
    def of(cls, claim: SessionClaim) -> Self:
        """The answer about an event's own claim."""
        return cls(session=claim.session, agent=claim.agent, model=claim.model, base_sha=claim.base)


class EventAnswer(_Told):
    """One thing that happened to the repository; `sequence` counts without gaps."""

    id: str
    sequence: int
    kind: EventKind
    at_ms: int
    actor: str
    token_id: str | None
    verdict: str
    changes: list[ChangeAnswer]
    head: str | None
    claim: SessionClaimAnswer | None
    details: dict[str, str]

    @classmethod
    def of(cls, event: Event) -> Self:
        """The answer about an event."""
        return cls(
            id=event.id,
            sequence=event.sequence,
            kind=event.kind,
            at_ms=event.at_ms,
            actor=event.actor,
            token_id=event.token_id,
            verdict=event.verdict,
            changes=[ChangeAnswer(ref=c.name.text, old_sha=c.old, new_sha=c.new) for c in event.changes],
            head=event.head.text if event.head else None,
            claim=SessionClaimAnswer.of(event.claim) if event.claim else None,
            details=dict(event.details),
        )


class EventPage(_Told):
    """Some events in order; `next_cursor` is the `after` of the next request."""

    events: list[EventAnswer]
    next_cursor: int
    has_more: bool


# -- commits --------------------------------------------------------------------------------------------


class FileAction(enum.Enum):
    """What happens to a file."""

    UPSERT = "upsert"
    DELETE = "delete"


class FileEdit(_Asked):
    """One file of a commit."""

    path: Annotated[str, Field(description="in double quotes with C escapes where it is not UTF-8")]
    content: Annotated[str | None, Field(description="the whole new content; none for a deletion")] = None
    encoding: Literal["utf-8", "base64"] = "utf-8"
    action: FileAction = FileAction.UPSERT
    mode: Annotated[
        Literal["100644", "100755", "120000"] | None, Field(description="Git's file mode; left out: as it is")
    ] = None


class Author(_Asked):
    """Who wrote the commit, where it is not the token's actor."""

    name: _Name
    email: _Name


class NewCommit(_Asked):
    """A commit to be made from files, without a clone."""

    target_branch: Annotated[
        _Name, Field(description="made if it is not there, from base_ref", examples=["main"])
    ]
    base_ref: Annotated[
        _Name | None,
        Field(
            description="where a new branch begins: a branch, a tag or a commit; left out: HEAD, if it has a "
            "commit; null: nowhere, with a history of its own; of no effect where the branch is there"
        ),
    ] = None
    commit_message: Annotated[str, Field(min_length=1)]
    files: Annotated[list[FileEdit], Field(min_length=1)]
    expected_head_sha: Annotated[
        str | None,
        Field(description="the branch must be exactly there; null: it must not exist; left out: anywhere"),
    ] = None
    author: Author | None = None
    session: Annotated[_Name | None, Field(description="id of the session that the work belongs to")] = None
    agent: _Name | None = None
    model: _Name | None = None
    prompt: Annotated[str | None, Field(description="what the agent was asked; kept apart from the code")] = (
        None
    )


class CommitAnswer(_Told):
    """A commit that landed."""

    commit_sha: str
    tree_sha: str
    target_branch: str
    old_sha: str | None
    new_sha: str
    event: EventAnswer


# -- files ----------------------------------------------------------------------------------------------


class FileEntry(_Told):
    """One entry of a folder."""

    path: str
    kind: Literal["file", "folder", "link", "submodule"]
    mode: str
    sha: str


class FilesAnswer(_Told):
    """A folder of a commit's tree, in Git's order."""

    commit: str
    path: str
    entries: list[FileEntry]


class FileAnswer(_Told):
    """A file of a commit's tree."""

    commit: str
    path: str
    mode: str
    sha: str
    size_bytes: int
    encoding: Literal["utf-8", "base64"]
    content: str


# -- health ---------------------------------------------------------------------------------------------


class HealthAnswer(_Told):
    """The process answers."""

    status: Literal["ok"] = "ok"


class FollowerAnswer(_Told):
    """How one follower is, over all repositories; `behind` counts events that it has not taken in yet."""

    state: Literal["ok", "failing"]
    behind: int


class ReadyAnswer(_Told):
    """Whether the server can do its work, and how its followers are."""

    ready: bool
    catalogue: bool
    followers: dict[str, FollowerAnswer]

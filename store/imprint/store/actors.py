"""Who acts, and what a token lets them do.

Invariants:
    1. A token's secret is shown once, when made; the store keeps only its SHA-256. A token whose
       credential is an SSH key has no secret.
    2. A token names exactly one actor; whoever presents it acts as that actor.
    3. A token with a session binds what it delivers to that session; the client cannot name another.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imprint.store.types import RepositoryName

TOKEN_PREFIX: Final = "imprint_"  # noqa: S105 - a prefix for secret scanners, not a secret
"""Begins every secret, so that scanners find leaked ones."""

KEY_PREFIX: Final = "ssh:"
"""Begins what is kept of an SSH key in the place of a secret's hash, which is hexadecimal."""

ALL_REPOSITORIES: Final = "*"
"""In `Token.repositories`: every repository, present and future."""


class ActorKind(enum.Enum):
    """What an actor is."""

    AGENT = "agent"
    HUMAN = "human"
    SERVICE = "service"


class Verb(enum.Enum):
    """What a token may be used for. `ADMIN` includes everything; `WRITE` and `TRANSCRIPTS` include `READ`."""

    READ = "read"
    WRITE = "write"
    TRANSCRIPTS = "transcripts"
    """Read the prompts and transcripts of others, besides code; one's own are always readable."""
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, agent or service that acts.

    Attributes:
        name: unique in the store, case-insensitively.
        kind: what it is.
        emails: addresses by which its commits are known, lower case.
    """

    name: str
    kind: ActorKind
    emails: tuple[str, ...] = ()

    def is_identity(self, name: str, email: str) -> bool:
        """Whether a Git identity names this actor: by address, or by name where it has no addresses."""
        if email.casefold() in self.emails:
            return True
        folded = self.name.casefold()
        return not self.emails and folded in {
            name.casefold(),
            email.casefold(),
            email.casefold().partition("@")[0],
        }


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the store keeps it: everything but the secret.

    Attributes:
        id: how people refer to it; no secret.
        secret_hash: SHA-256 of the secret, hexadecimal; of an SSH key, see `imprint.store.hosting.keys`.
        actor: the name of the actor.
        repositories: `owner/name` keys, or `*` for all.
        verbs: what it may be used for.
        session: the session that everything delivered with it belongs to.
        created_at_ms, expires_at_ms, revoked_at_ms: times; None for never.
    """

    id: str
    secret_hash: str
    actor: str
    repositories: tuple[str, ...]
    verbs: frozenset[Verb]
    created_at_ms: int
    session: str | None = None
    expires_at_ms: int | None = None
    revoked_at_ms: int | None = None

    @property
    def ssh_fingerprint(self) -> str | None:
        """The fingerprint of the SSH key that is the credential; None where it is a secret."""
        if not self.secret_hash.startswith(KEY_PREFIX):
            return None
        return self.secret_hash.removeprefix(KEY_PREFIX).partition("#")[0]

    def may(self, verb: Verb, repository: RepositoryName | None) -> bool:
        """Whether the scope allows the verb; with no repository, on the store as a whole."""
        if Verb.ADMIN not in self.verbs and verb not in self.verbs:
            implied = verb is Verb.READ and bool({Verb.WRITE, Verb.TRANSCRIPTS} & self.verbs)
            if not implied:
                return False
        if ALL_REPOSITORIES in self.repositories:
            return True
        return repository is not None and repository.key in self.repositories


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who proved who they are: the actor, and the token they used."""

    actor: Actor
    token: Token

    def may(self, verb: Verb, repository: RepositoryName | None) -> bool:
        """Whether the token's scope allows the verb."""
        return self.token.may(verb, repository)


def hash_secret(secret: str) -> str:
    """SHA-256 of a token's secret, hexadecimal. The secret has 238 random bits, so no salt is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class Turn:
    """One prompt of a session.

    Attributes:
        number: counts from 1 within the session.
        at_ms: when it was received.
        prompt: address of the prompt's text among the transcripts.
        model: the model it was given to, None if not said.
    """

    number: int
    at_ms: int
    prompt: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch of work by one actor in one repository.

    Attributes:
        id: chosen by whoever opened it; unique in the repository.
        repository_id: where.
        actor: the name of the actor it belongs to.
        agent: the tool that does the work, such as `claude-code`; None if not said.
        model: the model last named; None if not said.
        base: the default branch's commit when the session opened; None in an empty repository.
        opened_at_ms: when.
    """

    id: str
    repository_id: str
    actor: str
    opened_at_ms: int
    agent: str | None = None
    model: str | None = None
    base: str | None = None

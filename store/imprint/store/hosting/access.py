"""Who may act and in which session: tokens and sessions, as the catalogue keeps them.

Invariants:
    1. A secret is in the answer to whoever asked for the token, and kept only as its SHA-256.
    2. At most one token of an SSH key is good at any time: the one that the key was given last.
    3. Names that people gave are printable: they are shown in terminals and pages.
    4. A prompt is redacted before it is written, and written before the catalogue has its turn.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from imprint.store.actors import (
    ALL_REPOSITORIES,
    TOKEN_PREFIX,
    ActorKind,
    Principal,
    Session,
    Token,
    Verb,
    hash_secret,
)
from imprint.store.durable import write_durably
from imprint.store.errors import (
    BadExpiry,
    BadInput,
    Conflict,
    LimitExceeded,
    SessionMissing,
    TokenExpired,
    TokenRevoked,
    Unauthenticated,
)
from imprint.store.events import SessionClaim
from imprint.store.hosting.keys import SshKey, fingerprint_of, hash_key
from imprint.store.hosting.sessions import settle_key

if TYPE_CHECKING:
    from pathlib import Path

    from imprint.store.catalog.ports import Catalogue
    from imprint.store.clock import Clock, Ids
    from imprint.store.limits import Limits
    from imprint.store.sessions.keeping import Keeper
    from imprint.store.sessions.ports import Archive
    from imprint.store.transcripts.ports import Transcripts

NAME_LENGTH_MAX: Final = 200
"""Characters in the name of an actor, an agent, a model, or the id of a session."""
_SECRET_LENGTH_MAX: Final = 200
"""Characters of a secret that are looked at: more than any secret has."""


@dataclass(frozen=True, slots=True)
class SessionSeed:
    """What somebody says of a session when opening or continuing it.

    Attributes:
        id: chosen by the caller; unique in the repository.
        agent: the tool; None if not said.
        model: None if not said.
        prompt: the text that started this turn; None if not given.
    """

    id: str
    agent: str | None = None
    model: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is to allow, and to whom.

    Attributes:
        actor: who will act with it.
        kind: what the actor is.
        repositories: keys of repositories, or `*`.
        verbs: what it may be used for.
        expires_in_ms: from now; None for never.
        emails: addresses by which the actor's commits are known.
    """

    actor: str
    kind: ActorKind
    repositories: tuple[str, ...]
    verbs: frozenset[Verb]
    expires_in_ms: int | None = None
    emails: tuple[str, ...] = ()


def verify_grant(grant: Grant, session: SessionSeed | None) -> None:
    """Check what was asked for, before anything of it is written.

    Raises:
        BadInput: a name is unusable, no verb or repository is named, or a session has not exactly one.
        BadExpiry: it would expire at once.
    """
    _verify_name("an actor", grant.actor)
    if not grant.repositories or not grant.verbs:
        raise BadInput("a token needs at least one repository and one verb", hint="'*' means every one")
    if grant.expires_in_ms is not None and grant.expires_in_ms <= 0:
        raise BadExpiry(f"{grant.expires_in_ms} ms")
    if session is None:
        return
    if len(grant.repositories) != 1 or ALL_REPOSITORIES in grant.repositories:
        raise BadInput("a session belongs to one repository", hint="name exactly one repository")
    verify_seed(session)


def verify_seed(seed: SessionSeed) -> None:
    """Check the names in a seed.

    Raises:
        BadInput: one is unusable.
    """
    _verify_name("a session", seed.id)
    for what, name in (("an agent", seed.agent), ("a model", seed.model)):
        if name is not None:
            _verify_name(what, name)


class Parts(Protocol):
    """What tokens and sessions need of the store."""

    catalogue: Catalogue
    archive: Archive
    transcripts: Transcripts
    clock: Clock
    ids: Ids

    @property
    def keeper(self) -> Keeper:
        """What redacts prompts; asked for only when there is one."""
        ...


class Access:
    """Tokens and sessions of one catalogue."""

    def __init__(self, parts: Parts, limits: Limits) -> None:
        self._parts = parts
        self._catalogue = parts.catalogue
        self._clock = parts.clock
        self._ids = parts.ids
        self._limits = limits

    def issue(self, grant: Grant, session_id: str | None, ssh_key: SshKey | None) -> tuple[Token, str]:
        """Keep a new token; it and its secret. The actor exists, and the session is open.

        With a key, the secret is empty: the key is the credential.
        """
        token, secret = self.make_token(grant, session_id)
        if ssh_key is not None:
            token, secret = replace(token, secret_hash=self.next_key_hash(ssh_key)), ""
        self._catalogue.add_token(token)
        return token, secret

    def next_key_hash(self, ssh_key: SshKey) -> str:
        """What is to be kept of a key that gets a token now.

        Raises:
            Conflict: the key has a token that is good.
        """
        count, newest = self._newest_token(ssh_key.fingerprint)
        if newest is not None and newest.revoked_at_ms is None and not self._has_expired(newest):
            raise Conflict(
                f"the key {ssh_key.fingerprint} is that of token {newest.id} of {newest.actor}",
                hint=f"use another key, or 'imprint token revoke {newest.id}' first",
            )
        return hash_key(ssh_key.fingerprint, count + 1)

    def make_token(self, grant: Grant, session_id: str | None) -> tuple[Token, str]:
        """A token and its secret, not kept yet."""
        secret = TOKEN_PREFIX + self._ids.new_secret()
        now_ms = self._clock.now_ms()
        token = Token(
            id=self._ids.new_id("tok"),
            secret_hash=hash_secret(secret),
            actor=grant.actor,
            repositories=tuple(sorted(set(grant.repositories))),
            verbs=grant.verbs,
            created_at_ms=now_ms,
            session=session_id,
            expires_at_ms=None if grant.expires_in_ms is None else now_ms + grant.expires_in_ms,
        )
        return token, secret

    def make_administrator(self, name: str, path: Path) -> bool:
        """Make an administrator with a token for everything, its secret left in a file, if there is none.

        Returns:
            Whether one was made; False when the actor has a token already.
        """
        if any(token.actor == name for token in self._catalogue.list_tokens()):
            return False
        grant = Grant(name, ActorKind.HUMAN, (ALL_REPOSITORIES,), frozenset({Verb.ADMIN}))
        self._catalogue.ensure_actor(grant.actor, grant.kind)
        token, secret = self.make_token(grant, None)
        # The file first: after a crash between the two, the next start makes another token.
        write_durably(path, f"{secret}\n".encode())
        self._catalogue.add_token(token)
        return True

    def authenticate(self, secret: str) -> Principal:
        """Whoever holds this secret; errors as in `Hosting.authenticate`.

        The secret's hash is looked up: the time that takes says nothing about the secrets that exist.
        """
        secret_hash = hash_secret(secret[:_SECRET_LENGTH_MAX])
        token = self._catalogue.find_token(secret_hash)
        if token is None or not hmac.compare_digest(token.secret_hash, secret_hash):
            raise Unauthenticated("no such token", hint="'imprint token create' makes one")
        return self._admit(token)

    def admit(self, secret_hash: str) -> Principal:
        """Whose token's credential is kept as this; errors as in `Hosting.authenticate`."""
        token = self._catalogue.find_token(secret_hash)
        if token is None:
            raise Unauthenticated("no such token", hint="'imprint token create' makes one")
        return self._admit(token)

    def authenticate_key(self, blob: bytes) -> Principal:
        """Whoever holds the private part of this key; errors as in `Hosting.authenticate_key`."""
        fingerprint = fingerprint_of(blob)
        _, token = self._newest_token(fingerprint)
        if token is None:
            raise Unauthenticated(
                f"nobody's key is {fingerprint}", hint="'imprint token create --ssh-key' registers one"
            )
        return self._admit(token)

    def _admit(self, token: Token) -> Principal:
        """Whoever came with the token's credential."""
        actor = self._catalogue.find_actor(token.actor)
        if actor is None:
            raise Unauthenticated("no such token", hint="'imprint token create' makes one")
        if token.revoked_at_ms is not None:
            raise TokenRevoked(f"token {token.id} was revoked", hint="ask for a new one")
        if self._has_expired(token):
            raise TokenExpired(f"token {token.id} has expired", hint="ask for a new one")
        return Principal(actor, token)

    def _has_expired(self, token: Token) -> bool:
        return token.expires_at_ms is not None and token.expires_at_ms <= self._clock.now_ms()

    def _newest_token(self, fingerprint: str) -> tuple[int, Token | None]:
        """How many tokens a key was given one after the other, and the newest of them.

        Their numbers have no gaps: steps double up to a number that is not there, then halve.
        """
        count, step, is_growing = 0, 1, True
        newest: Token | None = None
        while step:
            found = self._catalogue.find_token(hash_key(fingerprint, count + step))
            if found is None:
                is_growing = False
            else:
                count, newest = count + step, found
            step = step * 2 if is_growing else step // 2
        return count, newest

    def open_session(
        self, repository_id: str, actor: str, seed: SessionSeed, base: str | None
    ) -> SessionClaim:
        """Open or continue a session at a commit; errors as in `Hosting.open_session`."""
        verify_seed(seed)
        size = len(seed.prompt.encode("utf-8", "replace")) if seed.prompt is not None else 0
        if size > self._limits.prompt_bytes_max:
            raise LimitExceeded(f"the prompt has {size} bytes", limit="prompt_bytes_max")
        key_id = settle_key(self._parts.archive, repository_id, seed.id, actor)
        session = Session(
            id=seed.id,
            repository_id=repository_id,
            actor=actor,
            opened_at_ms=self._clock.now_ms(),
            agent=seed.agent,
            model=seed.model,
            base=base,
        )
        kept = self._catalogue.open_session(session)
        if seed.prompt is None:
            return self.session_claim(repository_id, seed.id)
        # The turn just kept, not the newest: others may add turns to the session at this moment.
        prompt = self._add_turn(session, key_id, seed.prompt)
        return SessionClaim(kept.id, kept.agent, kept.model, prompt, kept.base)

    def session_claim(self, repository_id: str, session_id: str) -> SessionClaim:
        """What a session says of work that is delivered in it now; `SessionMissing` if never opened."""
        session = self._catalogue.find_session(repository_id, session_id)
        if session is None:
            raise SessionMissing(f"no session {session_id!r} in this repository")
        turns = self._catalogue.list_turns(repository_id, session_id)
        return SessionClaim(
            session=session.id,
            agent=session.agent,
            model=session.model,
            prompt=turns[-1].prompt if turns else None,
            base=session.base,
        )

    def _add_turn(self, session: Session, key_id: str, prompt: str) -> str:
        """Keep the prompt, redacted, as the newest turn, if it is not that already; its address."""
        text = self._parts.keeper.redact_prompt(prompt)
        address = self._parts.transcripts.write(key_id, text)
        turns = self._catalogue.list_turns(session.repository_id, session.id)
        if turns and turns[-1].prompt == address and session.model in {None, turns[-1].model}:
            return address
        self._catalogue.add_turn(
            session.repository_id, session.id, address, session.model, session.opened_at_ms
        )
        return address


def _verify_name(what: str, name: str) -> None:
    """Names are shown in terminals and pages, and kept as UTF-8 text."""
    if not name.strip() or len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise BadInput(
            f"{name[:80]!r} cannot name {what}",
            hint=f"use 1 to {NAME_LENGTH_MAX} printable characters",
        )

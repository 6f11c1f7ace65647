"""Statements about actors, tokens and sessions, each on a transaction that the caller has begun.

Texts are put in order here, by code point: each database has its own idea of the alphabet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BindParameter, bindparam, func, insert, select, update

from imprint.store.actors import ALL_REPOSITORIES, Actor, ActorKind, Session, Token, Turn, Verb
from imprint.store.catalog import schema
from imprint.store.errors import (
    ActorConflict,
    Conflict,
    Missing,
    RepositoryMissing,
    SessionConflict,
    SessionMissing,
    TokenMissing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

# -- actors ---------------------------------------------------------------------------------------------

# Every request authenticates: its statements are built once.
_KEY: Final[BindParameter[str]] = bindparam("wanted")
_ACTORS: Final = select(schema.actor)
_ACTOR: Final = _ACTORS.where(schema.actor.c.key == _KEY)
_EMAILS: Final = select(schema.actor_email)
_EMAILS_OF: Final = _EMAILS.where(schema.actor_email.c.actor_key == _KEY)
_TOKENS: Final = select(schema.token, schema.actor.c.name.label("actor")).join(
    schema.actor, schema.actor.c.key == schema.token.c.actor_key
)
_TOKEN: Final = _TOKENS.where(schema.token.c.id == _KEY)
_TOKEN_BY_HASH: Final = _TOKENS.where(schema.token.c.secret_hash == _KEY)
_SCOPES: Final = select(schema.token_repository.c.token_id, schema.repository.c.name_key).join(
    schema.repository, schema.repository.c.id == schema.token_repository.c.repository_id
)
_SCOPE: Final = _SCOPES.where(schema.token_repository.c.token_id == _KEY)


def read_actors(connection: Connection, key: str | None = None) -> list[Actor]:
    """The actor with this folded name, or all of them by name."""
    emails_by_key: dict[str, list[str]] = {}
    if key is None:
        actors, emails = connection.execute(_ACTORS).all(), connection.execute(_EMAILS)
    else:
        wanted = {"wanted": key}
        actors, emails = connection.execute(_ACTOR, wanted).all(), connection.execute(_EMAILS_OF, wanted)
    for row in emails:
        emails_by_key.setdefault(row.actor_key, []).append(row.email)
    return [
        Actor(row.name, ActorKind(row.kind), tuple(sorted(emails_by_key.get(row.key, ()))))
        for row in sorted(actors, key=lambda row: str(row.key))
    ]


def write_actor(connection: Connection, name: str, kind: ActorKind, emails: Sequence[str]) -> Actor:
    """Make the actor or check its kind, and add addresses."""
    key = name.casefold()
    kept = next(iter(read_actors(connection, key)), None)
    if kept is None:
        connection.execute(insert(schema.actor).values(key=key, name=name, kind=kind.value))
        kept = Actor(name, kind)
    if kept.kind is not kind:
        raise ActorConflict(f"{kept.name!r} is already known as {kept.kind.value}")
    new = sorted({email.casefold() for email in emails} - set(kept.emails))
    if new:
        connection.execute(insert(schema.actor_email), [{"actor_key": key, "email": email} for email in new])
    return replace(kept, emails=tuple(sorted({*kept.emails, *new})))


# -- tokens ---------------------------------------------------------------------------------------------


def write_token(connection: Connection, token: Token) -> None:
    """Add a token and its scope."""
    if not read_actors(connection, token.actor.casefold()):
        raise Missing(f"no actor {token.actor!r}")
    known = (schema.token.c.id == token.id) | (schema.token.c.secret_hash == token.secret_hash)
    if connection.execute(select(schema.token.c.id).where(known)).first():
        raise Conflict(f"token {token.id} is not new")
    named = [key for key in token.repositories if key != ALL_REPOSITORIES]
    repository_ids = {_live_id_by_key(connection, key) for key in named}
    connection.execute(
        insert(schema.token).values(
            id=token.id,
            secret_hash=token.secret_hash,
            actor_key=token.actor.casefold(),
            everywhere=ALL_REPOSITORIES in token.repositories,
            verbs=",".join(sorted(verb.value for verb in token.verbs)),
            session=token.session,
            created_at_ms=token.created_at_ms,
            expires_at_ms=token.expires_at_ms,
            revoked_at_ms=token.revoked_at_ms,
        )
    )
    if repository_ids:
        rows = [{"token_id": token.id, "repository_id": each} for each in sorted(repository_ids)]
        connection.execute(insert(schema.token_repository), rows)


def _live_id_by_key(connection: Connection, key: str) -> str:
    live = select(schema.repository.c.id).where(
        schema.repository.c.name_key == key, schema.repository.c.purge_after_ms.is_(None)
    )
    found = connection.execute(live).scalar()
    if found is None:
        raise RepositoryMissing(key)
    return str(found)


def read_tokens(connection: Connection) -> list[Token]:
    """All tokens, oldest first."""
    keys_by_token: dict[str, list[str]] = {}
    for row in connection.execute(_SCOPES):
        keys_by_token.setdefault(row.token_id, []).append(row.name_key)
    tokens = [_token(row, keys_by_token.get(row.id, [])) for row in connection.execute(_TOKENS)]
    return sorted(tokens, key=lambda token: (token.created_at_ms, token.id))


def find_token(
    connection: Connection, *, token_id: str | None = None, secret_hash: str | None = None
) -> Token | None:
    """The token with this id, or with this hash."""
    if token_id is not None:
        row = connection.execute(_TOKEN, {"wanted": token_id}).first()
    else:
        row = connection.execute(_TOKEN_BY_HASH, {"wanted": secret_hash}).first()
    if row is None:
        return None
    return _token(row, [scope.name_key for scope in connection.execute(_SCOPE, {"wanted": row.id})])


def _token(row: Row[Any], keys: list[str]) -> Token:
    everywhere = (ALL_REPOSITORIES,) if row.everywhere else ()
    return Token(
        id=row.id,
        secret_hash=row.secret_hash,
        actor=row.actor,
        repositories=(*everywhere, *sorted(keys)),
        verbs=frozenset(Verb(verb) for verb in row.verbs.split(",") if verb),
        created_at_ms=row.created_at_ms,
        session=row.session,
        expires_at_ms=row.expires_at_ms,
        revoked_at_ms=row.revoked_at_ms,
    )


def write_revocation(connection: Connection, token_id: str, at_ms: int) -> Token:
    """Withdraw a token; a first time stays."""
    connection.execute(
        update(schema.token)
        .where(schema.token.c.id == token_id, schema.token.c.revoked_at_ms.is_(None))
        .values(revoked_at_ms=at_ms)
    )
    token = find_token(connection, token_id=token_id)
    if token is None:
        raise TokenMissing(f"no token {token_id!r}", hint="'imprint token list' shows their ids")
    return token


# -- sessions -------------------------------------------------------------------------------------------


def read_sessions(connection: Connection, repository_id: str, session_id: str | None = None) -> list[Session]:
    """The session with this id, or all of the repository, oldest first."""
    sessions = select(schema.session).where(schema.session.c.repository_id == repository_id)
    if session_id is not None:
        sessions = sessions.where(schema.session.c.id == session_id)
    found = [
        Session(
            id=row.id,
            repository_id=row.repository_id,
            actor=row.actor,
            opened_at_ms=row.opened_at_ms,
            agent=row.agent,
            model=row.model,
            base=row.base,
        )
        for row in connection.execute(sessions)
    ]
    return sorted(found, key=lambda session: (session.opened_at_ms, session.id))


def write_session(connection: Connection, session: Session) -> Session:
    """Open the session, or fill in the agent and the model of one that is there."""
    known = select(schema.repository.c.id).where(schema.repository.c.id == session.repository_id)
    if connection.execute(known).first() is None:
        raise RepositoryMissing(session.repository_id)
    for kept in read_sessions(connection, session.repository_id, session.id):
        if kept.actor.casefold() != session.actor.casefold():
            raise SessionConflict(f"session {session.id!r} belongs to another actor")
        filled = replace(kept, agent=session.agent or kept.agent, model=session.model or kept.model)
        if filled != kept:
            _update_session(connection, filled)
        return filled
    connection.execute(
        insert(schema.session).values(
            repository_id=session.repository_id,
            id=session.id,
            actor=session.actor,
            agent=session.agent,
            model=session.model,
            base=session.base,
            opened_at_ms=session.opened_at_ms,
        )
    )
    return session


def _update_session(connection: Connection, session: Session) -> None:
    connection.execute(
        update(schema.session)
        .where(schema.session.c.repository_id == session.repository_id, schema.session.c.id == session.id)
        .values(agent=session.agent, model=session.model)
    )


def write_turn(connection: Connection, repository_id: str, session_id: str, turn: Turn) -> Turn:
    """Append the turn under the next number of its session."""
    sessions = read_sessions(connection, repository_id, session_id)
    if not sessions:
        raise SessionMissing(f"no session {session_id!r} here")
    if turn.model:
        _update_session(connection, replace(sessions[0], model=turn.model))
    last = select(func.max(schema.turn.c.number)).where(
        schema.turn.c.repository_id == repository_id, schema.turn.c.session_id == session_id
    )
    numbered = replace(turn, number=(connection.execute(last).scalar() or 0) + 1)
    connection.execute(
        insert(schema.turn).values(
            repository_id=repository_id,
            session_id=session_id,
            number=numbered.number,
            at_ms=numbered.at_ms,
            prompt=numbered.prompt,
            model=numbered.model,
        )
    )
    return numbered


def read_turns(connection: Connection, repository_id: str, session_id: str) -> list[Turn]:
    """The session's turns in order."""
    turns = (
        select(schema.turn)
        .where(schema.turn.c.repository_id == repository_id, schema.turn.c.session_id == session_id)
        .order_by(schema.turn.c.number)
    )
    return [Turn(row.number, row.at_ms, row.prompt, row.model) for row in connection.execute(turns)]

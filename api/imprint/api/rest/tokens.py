"""Tokens and the actors that they name. Only for those who administer the whole store."""

from typing import Final

from fastapi import APIRouter, Request

from imprint.api.rest.access import Operator
from imprint.api.services import get_services
from imprint.api.wire import (
    ActorAnswer,
    ActorsAnswer,
    NewSession,
    NewToken,
    TokenAnswer,
    TokenMade,
    TokensAnswer,
)
from imprint.store.durations import parse_duration_ms
from imprint.store.hosting.access import SessionSeed

router: Final = APIRouter(prefix="/api", tags=["tokens"])


@router.post("/tokens", status_code=201)
def create_token(request: Request, wish: NewToken, operator: Operator) -> TokenMade:
    """Make a token, and its actor where it is new. Its secret, if it has one, is in this answer only."""
    del operator
    token, secret = get_services(request).hosting.issue_token(
        actor=wish.actor,
        kind=wish.kind,
        repositories=wish.repositories,
        verbs=wish.can,
        session=_seed(wish.session),
        expires_in_ms=parse_duration_ms(wish.expires) if wish.expires is not None else None,
        emails=wish.emails,
        ssh_key=wish.ssh_key,
    )
    return TokenMade.with_secret(token, secret)


def _seed(session: NewSession | None) -> SessionSeed | None:
    if session is None:
        return None
    return SessionSeed(id=session.id, agent=session.agent, model=session.model, prompt=session.prompt)


@router.get("/tokens")
def list_tokens(request: Request, operator: Operator) -> TokensAnswer:
    """All tokens without their secrets, oldest first, expired and revoked ones too."""
    del operator
    tokens = get_services(request).hosting.catalogue.list_tokens()
    return TokensAnswer(tokens=[TokenAnswer.of(token) for token in tokens])


@router.delete("/tokens/{token_id}")
def revoke_token(request: Request, token_id: str, operator: Operator) -> TokenAnswer:
    """Withdraw a token: the next request with it is refused."""
    del operator
    hosting = get_services(request).hosting
    return TokenAnswer.of(hosting.catalogue.revoke_token(token_id, hosting.clock.now_ms()))


@router.get("/actors")
def list_actors(request: Request, operator: Operator) -> ActorsAnswer:
    """Everybody who can act, by name."""
    del operator
    actors = get_services(request).hosting.catalogue.list_actors()
    return ActorsAnswer(actors=[ActorAnswer.of(actor) for actor in actors])

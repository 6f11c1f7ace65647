"""Mirrors: made, shown, synced, paused and ended. To make one takes a token for the whole store.

Over REST a mirror comes over https or ssh, from a public address unless the server's operator allows others
(`ApiSettings.mirror_private`), and its secret is in the request; files and helpers are for the command line.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from imprint.api.rest.access import Administrator, Operator
from imprint.api.services import get_services
from imprint.store.durations import parse_duration_ms
from imprint.store.mirror.model import describe
from imprint.store.types import RepositoryName
from imprint.store.upstream.control import (
    MirrorWish,
    add_mirror,
    describe_mirrors,
    find_mirror,
    pause_mirror,
    remove_mirror,
)
from imprint.store.upstream.sync import sync

router: Final = APIRouter(prefix="/api", tags=["mirrors"])


class NewMirror(BaseModel):
    """A mirror to be made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(description="`owner/name`; made if it is not there")]
    url: Annotated[str, Field(max_length=2000, description="https, ssh or user@host:path, without a secret")]
    refs: Annotated[list[str], Field(description="patterns of refs; none for the usual ones")] = []
    every: Annotated[str, Field(description="from one round to the next", examples=["5m"])] = "5m"
    secret: Annotated[
        str | None, Field(description="USER:SECRET or a token; kept encrypted, in no answer")
    ] = None


class PausedMirror(BaseModel):
    """Whether a mirror is paused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    paused: bool


@router.get("/mirrors")
def list_mirrors(request: Request, operator: Operator) -> dict[str, Any]:
    """All mirrors by name, with their lag and last error."""
    del operator
    return {"mirrors": describe_mirrors(get_services(request).hosting)}


@router.post("/mirrors", status_code=201)
def create_mirror(request: Request, wish: NewMirror, operator: Operator) -> dict[str, Any]:
    """Make a repository a mirror; its first round is due at once."""
    services = get_services(request)
    made = add_mirror(
        services.hosting,
        RepositoryName.parse(wish.name),
        MirrorWish(
            url=wish.url,
            patterns=tuple(wish.refs),
            every_ms=parse_duration_ms(wish.every) or 0,
            secret=wish.secret,
            may_be_private=services.settings.mirror_private and not wish.url.startswith("/"),
        ),
        operator,
    )
    return describe(made, wish.name, services.hosting.clock.now_ms())


@router.get("/repos/{owner}/{repo}/mirror")
def show_mirror(access: Administrator) -> dict[str, Any]:
    """The repository's mirror."""
    hosting = access.services.hosting
    return describe(find_mirror(hosting, access.repository), access.name, hosting.clock.now_ms())


@router.patch("/repos/{owner}/{repo}/mirror")
def change_mirror(access: Administrator, wish: PausedMirror) -> dict[str, Any]:
    """Pause the mirror, or let it go on."""
    hosting = access.services.hosting
    changed = pause_mirror(hosting, access.repository, is_paused=wish.paused)
    return describe(changed, access.name, hosting.clock.now_ms())


@router.post("/repos/{owner}/{repo}/mirror/sync")
def sync_mirror(access: Administrator) -> dict[str, Any]:
    """Do a round now; the answer comes when it is done."""
    services = access.services
    find_mirror(services.hosting, access.repository)
    sync(services.hosting, services.receiver, access.repository.record.id, services.runner.is_stopping)
    return show_mirror(access)


@router.delete("/repos/{owner}/{repo}/mirror")
def delete_mirror(access: Administrator) -> dict[str, Any]:
    """End the mirror: what came stays, and may be pushed to."""
    document = show_mirror(access)
    remove_mirror(access.services.hosting, access.repository, access.principal)
    return document

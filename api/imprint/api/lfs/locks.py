"""Locks on paths: taken, listed, checked before a push by the client, given back.

A lock is on a path of a repository, on all its branches, as the specification asks of servers today: the ref
that clients send with it is kept, and no answer depends on it.

Invariants:
    1. Whoever may write may lock what nobody has locked, and unlock what they locked themselves.
    2. To unlock by force what is another's needs the verb `admin`.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BeforeValidator
from starlette.responses import Response

from imprint.api.lfs.documents import (
    LOCKS_DEFAULT,
    SAYS_LFS,
    LfsAnswer,
    LocksWish,
    LockWish,
    UnlockWish,
    render_lock,
)
from imprint.api.rest.access import Reader, Writer
from imprint.api.services import Access
from imprint.store.actors import Verb
from imprint.store.lfs.ports import Lock, LockQuery

router: Final = APIRouter(prefix="/{owner}/{repo}/info/lfs/locks", tags=["lfs"])

_Text = Annotated[str | None, Query(max_length=4096)]
_Number = Annotated[int | None, BeforeValidator(lambda text: text or None)]
"""Clients may send a parameter without a value."""


@router.post("", dependencies=[SAYS_LFS], summary="Lock a path")
def create_lock(access: Writer, wish: LockWish) -> Response:
    """Status 201 with the lock; 409 with the lock that was there before."""
    lock, is_new = access.services.hosting.lfs.lock(
        access.repository.record.id,
        wish.path,
        access.principal.actor.name,
        wish.ref.name if wish.ref else None,
    )
    if is_new:
        return LfsAnswer({"lock": render_lock(lock)}, 201)
    return LfsAnswer({"lock": render_lock(lock), "message": f"{lock.path} is locked by {lock.actor}"}, 409)


@router.get("", summary="List locks")
def list_locks(
    access: Reader,
    path: _Text = None,
    id: _Text = None,  # noqa: A002 - the specification's name
    cursor: _Text = None,
    limit: _Number = None,
    refspec: _Text = None,
) -> Response:
    """The locks of the repository, page by page."""
    del refspec
    query = LockQuery(path or None, id or None, cursor or "", _read_limit(limit, access))
    locks, next_cursor = _list(access, query)
    return LfsAnswer({"locks": [render_lock(lock) for lock in locks], **next_cursor})


@router.post("/verify", dependencies=[SAYS_LFS], summary="List locks before a push")
def verify_locks(access: Writer, wish: LocksWish) -> Response:
    """The locks of the repository, page by page: the caller's own, and those of others."""
    query = LockQuery(after=wish.cursor or "", limit=_read_limit(wish.limit, access))
    locks, next_cursor = _list(access, query)
    own = access.principal.actor.name.casefold()
    sides: dict[str, list[dict[str, object]]] = {"ours": [], "theirs": []}
    for lock in locks:
        sides["ours" if lock.actor.casefold() == own else "theirs"].append(render_lock(lock))
    return LfsAnswer({**sides, **next_cursor})


@router.post("/{lock_id}/unlock", dependencies=[SAYS_LFS], summary="Unlock a path")
def unlock(access: Writer, lock_id: str, wish: UnlockWish) -> Response:
    """Give a lock back; by force, also another's."""
    by_force = wish.force and access.principal.may(Verb.ADMIN, access.repository.record.name)
    actor = None if by_force else access.principal.actor.name
    lock = access.services.hosting.lfs.register.remove_lock(access.repository.record.id, lock_id, actor)
    return LfsAnswer({"lock": render_lock(lock)})


def _read_limit(asked: int | None, access: Access) -> int:
    return min(max(1, asked or LOCKS_DEFAULT), access.services.settings.page_limit_max)


def _list(access: Access, query: LockQuery) -> tuple[list[Lock], dict[str, str]]:
    locks, after = access.services.hosting.lfs.list_locks(access.repository.record.id, query)
    return locks, {"next_cursor": after} if after is not None else {}

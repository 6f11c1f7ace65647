"""Where large objects are to be sent or fetched, object by object, and whether they have arrived.

Invariants:
    1. An object that the repository has is never asked for again; one that it lacks is never promised.
    2. An address holds no credential: the client comes to it with its own. One that came with a pass, which
       its user does not know, is told to use the same again.
    3. What is wrong with one object is said of that object, and stops no other.
"""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from imprint.api.errors import status_of
from imprint.api.lfs.documents import SAYS_LFS, BatchWish, LfsAnswer, ObjectWish
from imprint.api.rest.access import Reader
from imprint.api.services import Access, require, server_address
from imprint.store.actors import Verb
from imprint.store.errors import (
    BadInput,
    BadLargeObject,
    Conflict,
    LargeObjectMissing,
    LimitExceeded,
    StoreError,
)
from imprint.store.hosting.passes import is_pass
from imprint.store.lfs.pointer import LargeObjectId, Pointer
from imprint.store.lfs.ports import LargeObject

router: Final = APIRouter(prefix="/{owner}/{repo}/info/lfs/objects", tags=["lfs"])

EXPIRES_SECONDS_MAX: Final = 24 * 3600
"""What clients are told at most; the address itself is good for as long as their token."""
_UNPROCESSABLE: Final = 422


@router.post("/batch", dependencies=[SAYS_LFS], summary="Say where large objects go, or come from")
def batch(request: Request, access: Reader, wish: BatchWish) -> Response:
    """For each object: where to send it, where to get it, that it is here already, or what is wrong."""
    verify_wish(wish, access)
    answers = Answers(request, access, wish)
    rendered = [answers.render(each) for each in wish.objects]
    return LfsAnswer({"transfer": "basic", "objects": rendered, "hash_algo": "sha256"})


@router.post("/verify", dependencies=[SAYS_LFS], summary="Say whether a large object has arrived")
def verify(access: Reader, wish: ObjectWish) -> Response:
    """Status 200 when the object is here, in the length that the client says."""
    access.services.hosting.lfs.get(access.repository.record.id, wish.read())
    return LfsAnswer({})


def verify_wish(wish: BatchWish, access: Access) -> None:
    """Check what concerns all objects.

    Raises:
        Denied: the token may not send objects.
        LimitExceeded: they are too many for one request.
        Conflict: their ids are of another hash.
        BadInput: the client cannot do the one transfer that is served here.
    """
    if wish.operation == "upload":
        require(access.principal, Verb.WRITE, access.repository.record.name)
    count_max = access.services.hosting.limits.lfs_batch_objects_max
    if len(wish.objects) > count_max:
        raise LimitExceeded(f"more than {count_max} objects in one request", limit="lfs_batch_objects_max")
    if wish.hash_algo != "sha256":
        raise Conflict(f"large objects are named by sha256 here, not by {wish.hash_algo[:40]!r}")
    if wish.transfers and "basic" not in wish.transfers:
        raise BadInput("only the transfer 'basic' is served here", hint="unset lfs.standalonetransferagent")


class Answers:
    """What is said of each object of a batch."""

    def __init__(self, request: Request, access: Access, wish: BatchWish) -> None:
        self._access = access
        self._is_upload = wish.operation == "upload"
        self._address = f"{server_address(request)}/{access.name}.git/info/lfs/objects"
        self._action = make_action(request, access)
        self._here = access.services.hosting.lfs.find(access.repository.record.id, _list_ids(wish))

    def render(self, wish: ObjectWish) -> dict[str, object]:
        """The object with its actions, or with what is wrong about it."""
        said: dict[str, object] = {"oid": wish.oid, "size": wish.size}
        try:
            actions = self._find_actions(wish.read())
        except StoreError as refused:
            code = _UNPROCESSABLE if isinstance(refused, LimitExceeded) else status_of(refused)
            return {**said, "error": {"code": code, "message": refused.message}}
        return {**said, "authenticated": "header" in self._action, "actions": actions} if actions else said

    def _find_actions(self, pointer: Pointer) -> dict[str, object]:
        large = self._here.get(pointer.oid)
        _verify_agreed(pointer, large)
        at = f"{self._address}/{pointer.oid}"
        if not self._is_upload:
            if large is None:
                raise LargeObjectMissing(pointer.oid)
            return {"download": {"href": at, **self._action}}
        if large is not None:
            return {}
        self._access.services.hosting.lfs.verify_size(pointer.size_bytes)
        verify_at = f"{self._address}/verify"
        return {"upload": {"href": at, **self._action}, "verify": {"href": verify_at, **self._action}}


def make_action(request: Request, access: Access) -> dict[str, object]:
    """What holds for every address: how long it is good, and with which header a pass goes along."""
    action: dict[str, object] = {"expires_in": expires_in(access)}
    authorization = request.headers.get("authorization", "")
    if is_pass(authorization.removeprefix("Bearer ")):
        action["header"] = {"Authorization": authorization}
    return action


def expires_in(access: Access) -> int:
    """For how many seconds the client's token is good, as far as we say."""
    expires_at_ms = access.principal.token.expires_at_ms
    if expires_at_ms is None:
        return EXPIRES_SECONDS_MAX
    left_ms = expires_at_ms - access.services.hosting.clock.now_ms()
    return max(1, min(EXPIRES_SECONDS_MAX, left_ms // 1000))


def _verify_agreed(pointer: Pointer, large: LargeObject | None) -> None:
    if large is not None and large.size_bytes != pointer.size_bytes:
        raise BadLargeObject(f"{large.oid} has {large.size_bytes} bytes, not {pointer.size_bytes}")


def _list_ids(wish: BatchWish) -> list[LargeObjectId]:
    """The ids that are ones."""
    ids = []
    for each in wish.objects:
        try:
            ids.append(LargeObjectId.parse(each.oid))
        except BadLargeObject:
            continue
    return ids

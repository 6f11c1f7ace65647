"""What Git LFS clients send and are sent as JSON. Fields that nobody here knows are ignored: clients differ.

Source: docs/api of git-lfs/git-lfs, the pages on the batch interface, basic transfers and locking.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from imprint.api.errors import WrongMediaType
from imprint.api.refusal import LFS_MEDIA_TYPE
from imprint.store.errors import BadLargeObject
from imprint.store.lfs.pointer import LargeObjectId, Pointer
from imprint.store.lfs.ports import Lock

LOCKS_DEFAULT: Final = 100
"""Locks in a page, where the client asks for no number."""
_Cursor = Annotated[str, Field(max_length=200)]


class LfsAnswer(JSONResponse):
    """An answer in the content type of Git LFS. What it says is true only now."""

    media_type = LFS_MEDIA_TYPE

    def __init__(self, content: dict[str, Any], status_code: int = 200) -> None:
        super().__init__(content, status_code, {"Cache-Control": "no-store"})


class _Asked(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class RefWish(_Asked):
    """The ref at which a client is."""

    name: Annotated[str, Field(max_length=1024)]


class ObjectWish(_Asked):
    """An object that a client wants to send, to get, or to be sure of."""

    oid: Annotated[str, Field(max_length=200)]
    size: int

    def read(self) -> Pointer:
        """The object that is meant; `BadLargeObject` where the id is none, or the size is none."""
        if self.size < 0:
            raise BadLargeObject(f"an object cannot have {self.size} bytes")
        return Pointer(LargeObjectId.parse(self.oid), self.size)


class BatchWish(_Asked):
    """The objects of one operation. The ref is taken and not looked at: scope here is by repository."""

    operation: Literal["download", "upload"]
    objects: list[ObjectWish]
    transfers: list[str] = ["basic"]
    ref: RefWish | None = None
    hash_algo: str = "sha256"


class LockWish(_Asked):
    """A path to be locked."""

    path: str
    ref: RefWish | None = None


class LocksWish(_Asked):
    """A page of the locks that matter to a push. They hold on every branch, so the ref is not looked at."""

    cursor: _Cursor | None = None
    limit: int | None = None
    ref: RefWish | None = None


class UnlockWish(_Asked):
    """How a lock is to be given back."""

    force: bool | None = None
    ref: RefWish | None = None


def render_lock(lock: Lock) -> dict[str, object]:
    """A lock, as clients read it."""
    locked_at = datetime.fromtimestamp(lock.locked_at_ms // 1000, UTC)
    return {
        "id": lock.id,
        "path": lock.path,
        "locked_at": locked_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "owner": {"name": lock.actor},
    }


def verify_media_type(request: Request) -> None:
    """Check that a body is said to be what Git LFS sends.

    Raises:
        WrongMediaType: it is said to be something else.
    """
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said != LFS_MEDIA_TYPE:
        raise WrongMediaType(f"the content type must be {LFS_MEDIA_TYPE}")


SAYS_LFS: Final = Depends(verify_media_type)

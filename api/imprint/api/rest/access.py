"""What a route asks of the token, as types of its parameters: `Reader`, `Writer`, `Administrator`, ..."""

from typing import Annotated, Any, Final

from fastapi import Depends, Path, Query, Request, Response, Security
from fastapi.security import HTTPBasic, HTTPBearer

from imprint.api.services import Access, get_principal, open_access, require_operator
from imprint.api.wire import Problem
from imprint.store.actors import Principal, Verb
from imprint.store.paths import unquote_path

Owner = Annotated[str, Path(description="the part of the repository's name before the slash")]
Repo = Annotated[str, Path(description="the part of the repository's name after the slash")]
Ref = Annotated[
    str, Query(max_length=2000, description="HEAD, a branch, a tag, a full ref name or a commit id")
]
Limit = Annotated[int, Query(ge=1, le=1000, description="items at most")]

CREDENTIALS: Final = [
    Security(HTTPBearer(description="the token", auto_error=False)),
    Security(HTTPBasic(description="the token is the password", auto_error=False)),
]
"""For the OpenAPI document only: the gate has checked the token before a route is looked up."""


NOT_KEPT: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Answers may hold secrets, and are true only now."""


async def keep_out_of_caches(response: Response) -> None:
    """Say so of an answer."""
    response.headers.update(NOT_KEPT)


UNCACHED: Final = Depends(keep_out_of_caches)
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"model": Problem, "description": "no token, or one that is unknown, expired or revoked"},
    403: {"model": Problem, "description": "the token may see the repository, but not do this"},
    404: {"model": Problem, "description": "nothing here that the token may see"},
    422: {"model": Problem, "description": "a field is missing, unknown or malformed"},
}
"""What every route may answer instead."""


def may_read(request: Request, owner: Owner, repo: Repo) -> Access:
    """A repository to read."""
    return open_access(request, owner, repo, Verb.READ)


def may_write(request: Request, owner: Owner, repo: Repo) -> Access:
    """A repository to deliver to."""
    return open_access(request, owner, repo, Verb.WRITE)


def may_administer(request: Request, owner: Owner, repo: Repo) -> Access:
    """A repository to administer."""
    return open_access(request, owner, repo, Verb.ADMIN)


def may_ask(request: Request) -> Principal:
    """Anybody with a valid token."""
    return get_principal(request)


def may_operate(request: Request) -> Principal:
    """Somebody who administers the whole store."""
    principal = get_principal(request)
    require_operator(principal)
    return principal


def read_path(
    path: Annotated[
        str,
        Query(
            max_length=20_000, description="from the root of the tree; in double quotes if it is not UTF-8"
        ),
    ],
) -> bytes:
    """A path of the tree, as Git's bytes."""
    return unquote_path(path)


Reader = Annotated[Access, Depends(may_read)]
Writer = Annotated[Access, Depends(may_write)]
Administrator = Annotated[Access, Depends(may_administer)]
Operator = Annotated[Principal, Depends(may_operate)]
Somebody = Annotated[Principal, Depends(may_ask)]
TreePath = Annotated[bytes, Depends(read_path)]

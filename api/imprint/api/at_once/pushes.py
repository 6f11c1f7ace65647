"""The two requests of a push, brought to their routes without asking every other route first.

Invariant: the functions of the routes answer, and refusals are rendered by `imprint.api.refusal`, as on the
long way. Only the search for the route is spared, half of what telling the refs of a small repository costs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from imprint.api.git_http import info_refs, receive_pack
from imprint.api.refusal import refuse
from imprint.store.errors import StoreError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

SERVICE: Final = "git-receive-pack"
_QUERY: Final = b"service=git-receive-pack"


def is_push(request: Request, what: str) -> bool:
    """Whether a request is one of the two, spelled as git does it; others take the long way."""
    if what == SERVICE:
        return request.method == "POST"
    return what == "info/refs" and request.method == "GET" and request.scope["query_string"] == _QUERY


async def answer_push(request: Request, owner: str, repo: str, what: str) -> Response:
    """What the route says, or why it refuses."""
    try:
        if what == SERVICE:
            return await to_thread.run_sync(receive_pack, request, owner, repo)
        return await info_refs(request, owner, repo, SERVICE)
    except StoreError as error:
        return await to_thread.run_sync(partial(refuse, request, error))

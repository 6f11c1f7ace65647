"""`/mcp`: the protocol over streamable HTTP, behind the same gate as everything else.

Invariants:
    1. Each request carries its own token; no state is kept between two, so that any process may answer.
    2. A repository that the token may not see is answered exactly like one that does not exist.
    3. Only POST is served: without state there is no stream that the server could begin.
    4. A page of another site reaches nothing: the gate refuses a foreign `Origin`; the token is no cookie.

The SDK is imported when the first request comes: that takes a quarter of a server's start, and many servers
are never asked.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from anyio import TASK_STATUS_IGNORED, Lock, create_task_group, sleep_forever, to_thread

from imprint.api.asking.standpoints import name_readable, search_everywhere, standpoint_of
from imprint.api.services import open_access
from imprint.semantic.asking.table import ask
from imprint.store.actors import Verb
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from anyio.abc import TaskGroup, TaskStatus
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

PATH: Final = "/mcp"
BODY_BYTES_MAX: Final = 1024 * 1024


class ServedTools:
    """The protocol's server as an ASGI application; `run` it while the application lives."""

    def __init__(self) -> None:
        self._manager: StreamableHTTPSessionManager | None = None
        self._tasks: TaskGroup | None = None
        self._making = Lock()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Answer requests until the block ends."""
        async with create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        async with self._making:
            if self._manager is None:
                assert self._tasks is not None, "requests come while the application lives"  # noqa: S101
                self._manager = await self._tasks.start(_host)
        await self._manager.handle_request(scope, receive, send)


async def _host(*, task_status: TaskStatus[StreamableHTTPSessionManager] = TASK_STATUS_IGNORED) -> None:
    """Run a manager, which has to begin and end in one task; tell it when it runs."""
    manager = await to_thread.run_sync(_make_manager)
    async with manager.run():
        task_status.started(manager)
        await sleep_forever()


def _make_manager() -> StreamableHTTPSessionManager:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from imprint.api.mcp.tools import make_server

    server = make_server(_ask, _list_repositories, version("imprint"))
    return StreamableHTTPSessionManager(
        server, json_response=True, stateless=True, max_request_body_size=BODY_BYTES_MAX
    )


def _ask(context: Any, repo: str | None, question: str, given: Mapping[str, Any]) -> dict[str, Any]:
    request: Request = context.request
    if repo is None:
        return search_everywhere(request, given)
    owner, slash, name = repo.partition("/")
    if not slash or not owner or not name:
        raise BadInput(f"{repo!r} names no repository", hint="give it as owner/name")
    return ask(standpoint_of(open_access(request, owner, name, Verb.READ)), question, given)


def _list_repositories(context: Any) -> list[str]:
    return name_readable(context.request)

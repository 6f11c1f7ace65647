"""The composition root: the one place where the parts of a server meet.

Invariants:
    1. Followers run exactly while the application does; a request never waits for them.
    2. Every route is behind the gate of `imprint.api.auth`.
"""

from __future__ import annotations

import logging
import threading
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from anyio import CapacityLimiter, create_task_group, to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from imprint.api import git_http
from imprint.api.asking import routes
from imprint.api.at_once.commits import CommitsAtOnce
from imprint.api.at_once.front import AtOnce
from imprint.api.auth import Gate
from imprint.api.exports import history as exports
from imprint.api.gitai import notes as gitai
from imprint.api.housekeeping import keep_house
from imprint.api.lfs import batch, locks, transfer
from imprint.api.links import routes as links
from imprint.api.mcp.served import PATH as MCP_PATH
from imprint.api.mcp.served import ServedTools
from imprint.api.mirrors import routes as mirrors
from imprint.api.mirrors.keeping import keep_mirrors
from imprint.api.refusal import refuse, refuse_invalid, refuse_plainly
from imprint.api.rest import (
    branches,
    commits,
    files,
    health,
    metrics,
    provenance,
    repos,
    search,
    tokens,
)
from imprint.api.rest.access import CREDENTIALS, REFUSALS, UNCACHED
from imprint.api.running.fair import FairQueue
from imprint.api.running.proxy import TrustedProxies, parse_proxies
from imprint.api.services import Services
from imprint.api.sessions import pages as session_pages
from imprint.api.sessions import routes as sessions
from imprint.api.settings import ApiSettings
from imprint.api.web import manual, views
from imprint.api.web.front import CommitCounts
from imprint.api.web.origins import BlameShelf
from imprint.api.web.pages import make_environment
from imprint.semantic.follow import HistoryFollower, IndexFollower
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.lineage.follow import ChangeFollower
from imprint.semantic.lineage.tracing.steps import KeptSteps
from imprint.store.errors import StoreError
from imprint.store.hosting.followers import Follower, FollowerRunner
from imprint.store.maintenance.rounds import MaintenanceFollower
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.receiver import Receiver
from imprint.store.refs.export import RefExport
from imprint.store.upstream.judge import MirrorJudge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from imprint.semantic.library import Library
    from imprint.store.hosting.repositories import Hosting
    from imprint.store.origins.sources import Origins

_LOGGER: Final = logging.getLogger("imprint.api")
_SILENT: Final[Any] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""The framework's telemetry would record what requests hold."""


def create_app(
    hosting: Hosting, origins: Origins, library: Library, settings: ApiSettings | None = None
) -> FastAPI:
    """The application over an opened store. Closing hosting, origins and library stays with the caller.

    Args:
        hosting: repositories, tokens and sessions.
        origins: claims and deliveries, which followers fill.
        library: the semantic index, which a follower fills.
        settings: what the operator chose; None for the defaults.
    """
    settings = settings or ApiSettings()
    app = FastAPI(
        title="Imprint",
        summary="A Git server that remembers who wrote every line, and why",
        version=version("imprint"),
        docs_url=None,
        redoc_url=None,
        lifespan=_follow_while_serving,
        telemetry=_SILENT,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.services = _open_services(hosting, origins, library, settings)
    app.state.templates = make_environment()
    app.state.commit_counts = CommitCounts()
    app.state.readiness = health.Readiness()
    app.state.blame_shelf = BlameShelf()
    app.state.tools = ServedTools()
    app.add_middleware(CommitsAtOnce)
    app.add_middleware(AtOnce)
    app.add_middleware(Gate)
    if trusted := parse_proxies(settings.trusted_proxies):
        app.add_middleware(TrustedProxies, trusted=trusted)
    _add_routes(app)
    _add_refusals(app)
    return app


def _open_services(hosting: Hosting, origins: Origins, library: Library, settings: ApiSettings) -> Services:
    stopping = threading.Event()
    changes = ChangeLog.open(hosting.folder.changes_path)
    followers: list[Follower] = [
        RefExport(hosting),
        *origins.list_followers(hosting, stopping.is_set),
        IndexFollower(library, stopping.is_set),
        HistoryFollower(library, stopping.is_set),
        ChangeFollower(changes, stopping.is_set),
        MaintenanceFollower(hosting, stopping.is_set),
    ]
    runner = FollowerRunner(hosting, followers, settings.poll_seconds, stopping)
    return Services(
        hosting=hosting,
        origins=origins,
        library=library,
        changes=changes,
        steps=KeptSteps.open(hosting.folder.changes_path),
        receiver=Receiver(hosting, MirrorJudge(hosting, ScopeJudge()), runner.wake),
        runner=runner,
        settings=settings,
        git_queue=FairQueue(
            settings.git_requests_max,
            max(1, int(settings.git_requests_max * settings.git_share_max)),
            settings.git_waiting_max,
            settings.git_wait_seconds_max,
        ),
        git_limiter=CapacityLimiter(settings.git_requests_max),
        gate_limiter=CapacityLimiter(settings.rest_threads),
        notes_queue=_share_halves(settings.notes_uploads_max, settings),
        sessions_queue=_share_halves(settings.sessions_at_once_max, settings),
    )


def _share_halves(slots: int, settings: ApiSettings) -> FairQueue:
    """A queue for what is delivered in one piece: no actor has more than half of the slots."""
    return FairQueue(
        slots, max(1, slots // 2), settings.sessions_waiting_max, settings.sessions_wait_seconds_max
    )


@asynccontextmanager
async def _follow_while_serving(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    to_thread.current_default_thread_limiter().total_tokens = services.settings.rest_threads
    await to_thread.run_sync(services.runner.start)
    try:
        async with app.state.tools.run(), create_task_group() as by_itself:
            by_itself.start_soon(keep_house, services)
            by_itself.start_soon(keep_mirrors, services)
            yield
            by_itself.cancel_scope.cancel()
    finally:
        if not await to_thread.run_sync(services.runner.stop, services.settings.stop_seconds):
            _LOGGER.warning("followers were cut off; they resume where they were")


def _add_routes(app: FastAPI) -> None:
    app.include_router(health.router)
    app.include_router(metrics.router, dependencies=[*CREDENTIALS, UNCACHED], responses=REFUSALS)
    app.include_router(manual.router)
    told = (repos, branches, commits, tokens, search, provenance, exports, files, gitai, sessions, mirrors)
    for rest in (*told, links, routes):
        app.include_router(rest.router, dependencies=[*CREDENTIALS, UNCACHED], responses=REFUSALS)
    for served in (git_http, batch, transfer, locks):
        app.include_router(served.router, dependencies=CREDENTIALS)
    app.include_router(routes.everywhere, dependencies=[*CREDENTIALS, UNCACHED], responses=REFUSALS)
    app.router.routes.append(Route(MCP_PATH, app.state.tools, methods=["POST"]))
    app.include_router(session_pages.router)
    app.include_router(views.router)


def _add_refusals(app: FastAPI) -> None:
    app.add_exception_handler(StoreError, _on_store_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)


def _on_store_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreError)  # noqa: S101 - registered for this class
    return refuse(request, error)


def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    return refuse_invalid(request, error.errors())


def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    return refuse_plainly(request, error.status_code, error.headers)


def _on_bug(request: Request, error: Exception) -> Response:
    del error  # the server logs it, with its traceback
    return refuse_plainly(request, 500)

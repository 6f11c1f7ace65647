"""What a server does by itself from its start on: destroy what is due, remove what crashes left.

Invariants:
    1. A request never waits for it; a repository that fails is logged and stops nothing.
    2. It ends with the server, between two repositories.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from imprint.store.errors import RepositoryMissing, StoreError
from imprint.store.hosting.followers import Stopped
from imprint.store.maintenance.rounds import clean_up
from imprint.store.maintenance.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.api.services import Services
    from imprint.store.hosting.repositories import Hosting

_LOGGER: Final = logging.getLogger("imprint.api")


async def keep_house(services: Services) -> None:
    """Do a round now and after every `ApiSettings.housekeeping_seconds`, until cancelled."""
    hosting = services.hosting
    while True:
        await _attempt("purging", hosting.purge_due)
        await _attempt("large objects", hosting.lfs.objects.sweep)
        for repository_id in await to_thread.run_sync(partial(_list_ids, hosting)):
            await _attempt(
                repository_id, partial(_collect, hosting, repository_id, services.runner.is_stopping)
            )
        await anyio.sleep(services.settings.housekeeping_seconds)


def _list_ids(hosting: Hosting) -> list[str]:
    try:
        live = [record.id for record in hosting.catalogue.list_repositories()]
    except StoreError as failed:
        _LOGGER.warning("housekeeping failed at=listing code=%s", failed.code)
        return []
    hosting.servings.keep_only(live)
    return live


def _collect(hosting: Hosting, repository_id: str, stopping: Callable[[], bool]) -> None:
    try:
        clean_up(Work(hosting.get_by_id(repository_id), hosting, stopping))
    except RepositoryMissing:
        return  # deleted meanwhile
    except Stopped:
        return  # the rest is for the next start


async def _attempt(what: str, work: Callable[[], object]) -> None:
    try:
        await to_thread.run_sync(work)
    except StoreError as failed:
        _LOGGER.warning("housekeeping failed at=%s code=%s", what, failed.code)
    except OSError as failed:
        _LOGGER.warning("housekeeping failed at=%s errno=%s", what, failed.errno)

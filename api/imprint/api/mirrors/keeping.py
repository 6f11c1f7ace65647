"""The rounds of mirrors while a server runs.

Invariants:
    1. A request never waits for a round; rounds take turns, in one thread of this process.
    2. Of several processes on one data folder each mirror's round is done by one.
    3. It ends with the server, between two steps of a round; the next start goes on.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from imprint.store.errors import StoreError
from imprint.store.upstream.schedule import sync_due

if TYPE_CHECKING:
    from imprint.api.services import Services

_LOGGER: Final = logging.getLogger("imprint.api")


async def keep_mirrors(services: Services) -> None:
    """Look for mirrors that are due every `ApiSettings.mirror_poll_seconds`, until cancelled."""
    limiter = anyio.CapacityLimiter(1)
    rounds = partial(sync_due, services.hosting, services.receiver, services.runner.is_stopping)
    while True:
        await anyio.sleep(services.settings.mirror_poll_seconds)
        try:
            await to_thread.run_sync(rounds, limiter=limiter)
        except StoreError as failed:
            _LOGGER.warning("mirrors failed code=%s", failed.code)
        except OSError as failed:
            _LOGGER.warning("mirrors failed errno=%s", failed.errno)

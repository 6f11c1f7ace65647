"""Whether the server lives, and whether it can work. Open to everybody, so no answer names a repository.

Invariants:
    1. However many ask, the state of the followers is looked up at most once in `KEPT_SECONDS`.
"""

import logging
import threading
import time
from typing import Final

from fastapi import APIRouter, Request, Response

from imprint.api.services import Services, get_services
from imprint.api.wire import FollowerAnswer, HealthAnswer, ReadyAnswer
from imprint.store.errors import StoreFailure

KEPT_SECONDS: Final = 1.0
_LOGGER: Final = logging.getLogger("imprint.api")
router: Final = APIRouter(tags=["server"])


@router.get("/healthz")
async def healthz() -> HealthAnswer:
    """Say that the process answers."""
    return HealthAnswer()


@router.get("/readyz", responses={503: {"model": ReadyAnswer}})
def readyz(request: Request, response: Response) -> ReadyAnswer:
    """Say whether the catalogue can be read, and how the followers are; status 503 if it cannot."""
    readiness: Readiness = request.app.state.readiness
    answer = readiness.read(get_services(request))
    response.status_code = 200 if answer.ready else 503
    return answer


class Readiness:
    """The last answer, for as long as it is new enough. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answer: ReadyAnswer | None = None
        self._read_at = 0.0

    def read(self, services: Services) -> ReadyAnswer:
        """The state of the server, at most `KEPT_SECONDS` old."""
        with self._lock:
            if self._answer is None or time.monotonic() - self._read_at >= KEPT_SECONDS:
                self._answer = _look(services)
                self._read_at = time.monotonic()
            return self._answer


def _look(services: Services) -> ReadyAnswer:
    followers: dict[str, FollowerAnswer] = {}
    try:
        for status in services.runner.status():
            known = followers.get(status.name, FollowerAnswer(state="ok", behind=0))
            followers[status.name] = FollowerAnswer(
                state="failing" if status.error else known.state,
                behind=known.behind + status.generation - status.position,
            )
    except StoreFailure as failed:
        _LOGGER.warning("catalogue cannot be read code=%s", failed.code)
        return ReadyAnswer(ready=False, catalogue=False, followers={})
    return ReadyAnswer(ready=True, catalogue=True, followers=followers)

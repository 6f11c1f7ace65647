"""Whether the server lives, and whether it can work. Open to everybody, so no answer names a repository."""

import logging
from typing import Final, Literal

from fastapi import APIRouter, Request, Response

from imprint.api.services import get_services
from imprint.api.wire import HealthAnswer, ReadyAnswer
from imprint.store.errors import StoreFailure

_LOGGER: Final = logging.getLogger("imprint.api")
router: Final = APIRouter(tags=["server"])


@router.get("/healthz")
async def healthz() -> HealthAnswer:
    """Say that the process answers."""
    return HealthAnswer()


@router.get("/readyz", responses={503: {"model": ReadyAnswer}})
def readyz(request: Request, response: Response) -> ReadyAnswer:
    """Say whether the catalogue can be read, and which followers are failing; status 503 if it cannot."""
    services = get_services(request)
    try:
        services.hosting.catalogue.list_repositories()
        is_readable = True
    except StoreFailure as failed:
        _LOGGER.warning("catalogue cannot be read code=%s", failed.code)
        is_readable = False
    followers: dict[str, Literal["ok", "failing"]] = {}
    for status in services.runner.status():
        if status.error or followers.get(status.name) == "failing":
            followers[status.name] = "failing"
        else:
            followers[status.name] = "ok"
    response.status_code = 200 if is_readable else 503
    return ReadyAnswer(ready=is_readable, catalogue=is_readable, followers=followers)

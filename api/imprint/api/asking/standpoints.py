"""From a token's access to a repository to what its questions may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.asking.model import Standpoint

if TYPE_CHECKING:
    from imprint.api.services import Access


def standpoint_of(access: Access) -> Standpoint:
    """What questions of one request read: the caller's view, its past, and the prompts it may see."""
    services = access.services
    return Standpoint(
        view=access.view,
        library=services.library,
        past=lambda: services.changes.seen(access.view),
        origins=lambda _commit: services.origins,
        prompts=access.read_prompt,
        steps=services.steps,
        tell=access.say_hidden,
    )

"""From a token's access to repositories to what its questions may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.api.services import get_services, list_readable, open_access
from imprint.semantic.asking.across import search_across
from imprint.semantic.asking.model import Standpoint
from imprint.store.actors import Verb
from imprint.store.errors import RepositoryMissing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from starlette.requests import HTTPConnection

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


def name_readable(connection: HTTPConnection) -> list[str]:
    """The names of the repositories that the token may read, in order."""
    return sorted(str(record.name) for record in list_readable(connection))


def search_everywhere(connection: HTTPConnection, given: Mapping[str, Any]) -> dict[str, Any]:
    """A search in every repository that the token may read.

    Raises:
        BadInput: a parameter is wrong.
    """
    services = get_services(connection)
    places = []
    for name in name_readable(connection):
        owner, _, repo = name.partition("/")
        try:
            places.append(standpoint_of(open_access(connection, owner, repo, Verb.READ)))
        except RepositoryMissing:
            continue  # deleted meanwhile
    return search_across(services.library, places, given)

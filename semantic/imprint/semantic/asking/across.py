"""A search over every repository that a caller may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.across import search_many
from imprint.semantic.asking.code import SEARCH, background_of, read_query
from imprint.semantic.search.render import hit_json
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from imprint.semantic.asking.model import Json, Standpoint
    from imprint.semantic.library import Library
    from imprint.semantic.search.background import Background
    from imprint.store.view import RepositoryView


def search_across(library: Library, places: Sequence[Standpoint], given: Mapping[str, Any]) -> Json:
    """The best hits in many repositories; parameters as a search has them, without `why`.

    A repository in which `ref` names nothing is passed over.

    Raises:
        BadInput: a parameter is wrong, or `why` was asked for.
    """
    asked = SEARCH.read_values(given)
    if asked["why"]:
        raise BadInput("origins are told of one repository", hint="name the repository, or leave 'why' out")
    by_id = {place.view.id: place for place in places}

    def background(view: RepositoryView) -> Background:
        return background_of(by_id[view.id], asked["ref"])

    answer = search_many(
        library,
        [place.view for place in places],
        read_query(asked),
        ref=asked["ref"],
        background=background,
    )
    return {
        "repositories": [
            {"repo": each.repo, "commit": each.commit, "behind": each.behind} for each in answer.searched
        ],
        "complete": answer.is_complete,
        "mode": answer.mode,
        "notes": list(answer.notes),
        "hits": [hit_json(hit) for hit in answer.hits],
    }

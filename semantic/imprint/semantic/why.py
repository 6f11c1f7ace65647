"""Why definitions are there and where hits come from: the index's places, the store's origins.

Invariants:
    1. Lines are explained at the commit that the index spoke of, never at another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.search.render import answer_json
from imprint.store.origins.explain import LINES_MAX, why_lines
from imprint.store.origins.passages import add_origins, passage_origins
from imprint.store.origins.render import explanations_json

if TYPE_CHECKING:
    from imprint.semantic.library import Library
    from imprint.semantic.search.answer import Answer
    from imprint.store.origins.explain import PromptReader
    from imprint.store.origins.sources import Origins
    from imprint.store.view import RepositoryView

    Json = dict[str, object]

PLACES_MAX: Final = 10
"""Definitions of one name that are explained."""


def why_symbol(
    library: Library, view: RepositoryView, known: Origins, name: str, ref: str, prompts: PromptReader
) -> Json:
    """Why each definition of a name is there, as JSON; `places` is empty where none is indexed."""
    status = library.status(view, ref)
    commit = status.indexed
    places: list[Json] = []
    if commit is None:
        return {"commit": None, "behind": status.behind, "symbol": name, "places": places}
    for hit in library.symbols(view, name, ref=ref)[:PLACES_MAX]:
        lines = (hit.start_line, min(hit.end_line, hit.start_line + LINES_MAX - 1))
        parts = why_lines(view, known, commit, hit.path, lines, prompts)
        found = explanations_json(commit, hit.path, lines, parts)
        places.append(found | {"kind": hit.kind, "name": hit.name, "container": hit.container})
    return {"commit": commit, "behind": status.behind, "symbol": name, "places": places}


def answer_with_origins(answer: Answer, view: RepositoryView, known: Origins, prompts: PromptReader) -> Json:
    """A search's answer as JSON, each hit with its `origin`."""
    told = answer_json(answer)
    if answer.commit is None:
        return told
    places = [(hit.path, hit.start_line, hit.end_line) for hit in answer.hits]
    return add_origins(told, passage_origins(view, known, answer.commit, places, prompts))

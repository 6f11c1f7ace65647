"""Search and symbols at the head of a ref, and how far the index has come."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query

from imprint.api.rest.access import Reader, Ref
from imprint.api.rest.documents import IndexDocument, ReferencesDocument, SearchDocument, SymbolsDocument
from imprint.semantic.search.answer import IndexStatus
from imprint.semantic.search.query import LIMIT_MAX
from imprint.semantic.search.query import Query as SearchQuery
from imprint.semantic.search.render import answer_json, references_json, status_json, symbols_json
from imprint.semantic.why import answer_with_origins
from imprint.store.paths import unquote_path

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}", tags=["search"])
Name = Annotated[str, Query(min_length=1, max_length=1000, description="a name, or `Container.name`")]


def read_search(
    q: Annotated[str, Query(min_length=1, max_length=10_000, description="words or identifiers")],
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="hits at most")] = 10,
    path: Annotated[str, Query(max_length=20_000, description="only below this path")] = "",
    language: Annotated[str | None, Query(max_length=40, description="only in this language")] = None,
) -> SearchQuery:
    """What is looked for."""
    return SearchQuery(text=q, limit=limit, path_prefix=unquote_path(path), language=language)


@router.get("/search", responses={200: {"model": SearchDocument}})
def search(
    access: Reader,
    query: Annotated[SearchQuery, Depends(read_search)],
    ref: Ref = "HEAD",
    *,
    why: Annotated[bool, Query(description="say of each hit where most of its lines come from")] = False,
) -> dict[str, Any]:
    """The places that answer a question best, and how many commits are not yet searched."""
    answer = access.services.library.search(access.view, query, ref=ref)
    if why:
        return answer_with_origins(answer, access.view, access.services.origins, access.read_prompt)
    return answer_json(answer)


@router.get("/symbols", responses={200: {"model": SymbolsDocument}})
def symbols(access: Reader, name: Name, ref: Ref = "HEAD") -> dict[str, Any]:
    """Where a name is defined."""
    library, view = access.services.library, access.view
    hits = library.symbols(view, name, ref=ref)
    return {**_standing(library.status(view, ref)), "symbols": symbols_json(hits)}


@router.get("/references", responses={200: {"model": ReferencesDocument}})
def references(access: Reader, name: Name, ref: Ref = "HEAD") -> dict[str, Any]:
    """Where a name is used."""
    library, view = access.services.library, access.view
    hits = library.references(view, name, ref=ref)
    return {**_standing(library.status(view, ref)), "references": references_json(hits)}


@router.get("/index", responses={200: {"model": IndexDocument}})
def index_status(access: Reader, ref: Ref = "HEAD") -> dict[str, Any]:
    """How far the index has come on a ref, and what it skipped."""
    return status_json(access.services.library.status(access.view, ref=ref))


def _standing(status: IndexStatus) -> dict[str, Any]:
    """Which commit was asked, and how far it is behind: the same two members that a search has."""
    return {"commit": status.indexed, "behind": status.behind}

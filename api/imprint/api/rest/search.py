"""Symbols at the head of a ref, and how far the index has come."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from imprint.api.rest.access import Reader, Ref
from imprint.api.rest.documents import IndexDocument, SymbolsDocument
from imprint.semantic.search.answer import IndexStatus
from imprint.semantic.search.render import status_json, symbols_json

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}", tags=["search"])
Name = Annotated[str, Query(min_length=1, max_length=1000, description="a name, or `Container.name`")]


@router.get("/symbols", responses={200: {"model": SymbolsDocument}})
def symbols(access: Reader, name: Name, ref: Ref = "HEAD") -> dict[str, Any]:
    """Where a name is defined."""
    library, view = access.services.library, access.view
    library.verify_begun(view, ref)
    hits = library.symbols(view, name, ref=ref)
    return {**_standing(library.status(view, ref)), "symbols": symbols_json(hits)}


@router.get("/index", responses={200: {"model": IndexDocument}})
def index_status(access: Reader, ref: Ref = "HEAD") -> dict[str, Any]:
    """How far the index has come on a ref, and what it skipped."""
    library, view = access.services.library, access.view
    return status_json(library.status(view, ref), library.count_waiting(view, ref))


def _standing(status: IndexStatus) -> dict[str, Any]:
    """Which commit was asked, and how far it is behind: the same two members that a search has."""
    return {"commit": status.indexed, "behind": status.behind}

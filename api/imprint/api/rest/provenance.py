"""Where lines come from: blame, why, audit. What claims origins answers; what it does not know is said."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from imprint.api.rest.access import Reader, Ref, TreePath
from imprint.api.rest.documents import AuditDocument, BlameDocument, WhyDocument
from imprint.store.origins.audit import audit
from imprint.store.origins.explain import blame, why
from imprint.store.origins.render import blame_json, explanation_json
from imprint.store.view import resolve_commit

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}", tags=["provenance"])
Line = Annotated[int, Query(ge=1, description="counts from 1")]


@router.get("/blame", responses={200: {"model": BlameDocument}})
def blame_file(access: Reader, path: TreePath, ref: Ref = "HEAD") -> dict[str, Any]:
    """Every line of a file with the commit that it comes from and the best claim about it."""
    view = access.view
    commit = resolve_commit(view, ref)
    return blame_json(commit, path, blame(view, access.services.origins, commit, path))


@router.get("/why", responses={200: {"model": WhyDocument}})
def why_line(access: Reader, path: TreePath, line: Line, ref: Ref = "HEAD") -> dict[str, Any]:
    """Why a line is there: every claim about it, best first, with the prompt, and what is not known."""
    view = access.view
    commit = resolve_commit(view, ref)
    return explanation_json(why(view, access.services.origins, commit, path, line, access.read_prompt))


@router.get("/audit", responses={200: {"model": AuditDocument}})
def audit_commit(access: Reader, ref: Ref = "HEAD") -> dict[str, Any]:
    """How much is known: every commit and every text line in exactly one class of evidence."""
    view = access.view
    return audit(view, access.services.origins, resolve_commit(view, ref)).to_json()

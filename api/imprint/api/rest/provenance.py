"""Where lines come from: blame, why, audit. What claims origins answers; what it does not know is said."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query

from imprint.api.rest.access import Reader, Ref, TreePath
from imprint.api.rest.documents import (
    AuditDocument,
    BlameDocument,
    WhyDocument,
    WhyLinesDocument,
    WhySymbolDocument,
)
from imprint.semantic.why import why_symbol
from imprint.store.errors import BadInput
from imprint.store.origins.audit import audit
from imprint.store.origins.explain import blame, why, why_lines
from imprint.store.origins.render import blame_json, explanation_json, explanations_json
from imprint.store.paths import unquote_path
from imprint.store.view import resolve_commit

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}", tags=["provenance"])
_Line = Annotated[int | None, Query(ge=1, description="counts from 1")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What `why` is asked about: one line, the lines `lines` of `path`, or a symbol."""

    path: bytes = b""
    line: int | None = None
    lines: tuple[int, int] = (1, 1)
    symbol: str | None = None


def read_asked(
    path: Annotated[
        str | None,
        Query(
            max_length=20_000, description="from the root of the tree; in double quotes if it is not UTF-8"
        ),
    ] = None,
    line: _Line = None,
    start: _Line = None,
    end: _Line = None,
    symbol: Annotated[
        str | None, Query(min_length=1, max_length=1000, description="a name, or `Container.name`")
    ] = None,
) -> Asked:
    """Which of the three ways to ask was taken.

    Raises:
        BadInput: none of them, or more than one.
    """
    ways = [symbol is not None, line is not None, start is not None]
    if sum(ways) != 1 or (path is None) is not (symbol is not None) or (end is not None and start is None):
        raise BadInput(
            "why needs one of: path and line; path, start and end; symbol",
            hint="for example ?path=src/app.py&line=12",
        )
    if symbol is not None:
        return Asked(symbol=symbol)
    name = unquote_path(path or "")
    return Asked(name, line) if line is not None else Asked(name, lines=(start or 1, end or start or 1))


@router.get("/blame", responses={200: {"model": BlameDocument}})
def blame_file(access: Reader, path: TreePath, ref: Ref = "HEAD") -> dict[str, Any]:
    """Every line of a file with the commit that it comes from and the best claim about it."""
    view = access.view
    commit = resolve_commit(view, ref)
    return blame_json(commit, path, blame(view, access.services.origins, commit, path))


@router.get("/why", responses={200: {"model": WhyDocument | WhyLinesDocument | WhySymbolDocument}})
def why_lines_or_symbol(
    access: Reader,
    asked: Annotated[Asked, Depends(read_asked)],
    ref: Ref = "HEAD",
) -> dict[str, Any]:
    """Why a line is there: every claim about it, best first, with the prompt, and what is not known.

    Ask for `path` and `line`; for `path`, `start` and `end`; or for `symbol`, a name that the index knows.
    """
    view, known = access.view, access.services.origins
    if asked.symbol is not None:
        library = access.services.library
        return why_symbol(library, view, known, asked.symbol, ref, access.read_prompt)
    commit = resolve_commit(view, ref)
    if asked.line is not None:
        found = why(view, known, commit, asked.path, asked.line, access.read_prompt)
        return explanation_json(access.say_hidden(found))
    parts = why_lines(view, known, commit, asked.path, asked.lines, access.read_prompt)
    return explanations_json(commit, asked.path, asked.lines, list(map(access.say_hidden, parts)))


@router.get("/audit", responses={200: {"model": AuditDocument}})
def audit_commit(access: Reader, ref: Ref = "HEAD") -> dict[str, Any]:
    """How much is known: every commit and every text line in exactly one class of evidence."""
    view = access.view
    return audit(view, access.services.origins, resolve_commit(view, ref)).to_json()

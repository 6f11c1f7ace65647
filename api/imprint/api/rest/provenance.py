"""Where lines come from: blame, why, audit. What claims origins answers; what it does not know is said."""

from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse

from imprint.api.rest.access import Reader, Ref, TreePath
from imprint.api.rest.documents import (
    AuditDocument,
    BlameDocument,
    WhyDocument,
    WhyLinesDocument,
    WhySymbolDocument,
)
from imprint.semantic.auditing import locating_symbols
from imprint.semantic.why import why_symbol
from imprint.store.errors import BadInput
from imprint.store.origins.audit import Scope, audit
from imprint.store.origins.explain import blame_runs, why, why_lines
from imprint.store.origins.render import blame_text, explanation_json, explanations_json
from imprint.store.origins.report import Cover, render_report
from imprint.store.paths import unquote_path
from imprint.store.view import resolve_commit

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}", tags=["provenance"])
_REPORT_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
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


@router.get("/blame", response_model=None, responses={200: {"model": BlameDocument}})
def blame_file(access: Reader, path: TreePath, ref: Ref = "HEAD") -> Response:
    """Every line of a file with the commit that it comes from and the best claim about it."""
    view = access.view
    commit = resolve_commit(view, ref)
    runs = blame_runs(view, access.services.origins, commit, path)
    return Response(blame_text(commit, path, runs), media_type="application/json")


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


def read_scope(
    since: Annotated[
        str | None, Query(max_length=64, description="only commits authored then or later: `2026-01-31`")
    ] = None,
    until: Annotated[
        str | None, Query(max_length=64, description="only commits authored before; a date includes that day")
    ] = None,
    path: Annotated[
        str | None, Query(max_length=20_000, description="only this file, or files in this folder")
    ] = None,
) -> Scope:
    """What of a history is audited.

    Raises:
        BadInput: a date is none, or the range is empty.
    """
    return Scope.read(since, until, path)


@router.get(
    "/audit",
    response_model=None,
    responses={200: {"model": AuditDocument, "content": {"text/html": {"schema": {"type": "string"}}}}},
)
def audit_commit(
    access: Reader,
    scope: Annotated[Scope, Depends(read_scope)],
    ref: Ref = "HEAD",
    *,
    symbols: Annotated[bool, Query(description="count lines by symbol too; needs `path`")] = False,
    form: Annotated[
        Literal["json", "html"], Query(alias="format", description="`html` is one page to hand on")
    ] = "json",
) -> dict[str, Any] | Response:
    """How much is known: every commit and line in exactly one class of evidence; and what does not fit.

    Costs are of all sessions in the repository's archive, of the dates asked for.
    """
    if symbols and not scope.path:
        raise BadInput("to count symbols, name a file or folder", hint="for example ?symbols=true&path=src")
    view, services = access.view, access.services
    commit = resolve_commit(view, ref)
    archive = services.hosting.archive
    locating = locating_symbols(view, commit) if symbols else nullcontext()
    with locating as locate:
        coverage = audit(view, services.origins, commit, scope=scope, archive=archive, locate=locate)
    if form == "json":
        return coverage.to_json()
    cover = Cover(view.name, ref, services.hosting.clock.now_ms(), f"Imprint {version('imprint')}")
    return HTMLResponse(render_report(coverage, cover), headers=_REPORT_HEADERS)

"""The routes: `GET /api/repos/{owner}/{repo}/QUESTION`, with the question's parameters in the query.

Invariant: a route has exactly the parameters of its question; `why` is answered by a route of its own, which
asks for lines in its own way.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from imprint.api.asking.documents import DOCUMENTS, SearchAcrossDocument
from imprint.api.asking.standpoints import search_everywhere, standpoint_of
from imprint.api.rest.access import Reader
from imprint.semantic.asking.model import AT, Kind
from imprint.semantic.asking.table import QUESTIONS, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.api.services import Access
    from imprint.semantic.asking.model import Parameter, Question

_TYPES: Final = {Kind.TEXT: str, Kind.NUMBER: int, Kind.YES: bool}
ELSEWHERE: Final = frozenset({"why"})


def _make_router() -> APIRouter:
    router = APIRouter(prefix="/api/repos/{owner}/{repo}", tags=["code"])
    for name, question in QUESTIONS.items():
        if name not in ELSEWHERE:
            router.add_api_route(
                f"/{name}",
                _make_route(question),
                methods=["GET"],
                name=f"ask_{name}",
                summary=question.about.rstrip("."),
                description=f"{question.about} {question.advice}",
                response_model=None,
                responses={200: {"model": DOCUMENTS[name]}},
            )
    return router


def _make_search_route() -> Callable[..., dict[str, Any]]:
    def answer(request: Request, **given: Any) -> dict[str, Any]:
        return search_everywhere(request, given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    first = inspect.Parameter("request", keyword, annotation=Request)
    asked = [each for each in (*QUESTIONS["search"].parameters, AT) if each.name != "why"]
    answer.__signature__ = inspect.Signature([first, *map(_make_parameter, asked)])  # type: ignore[attr-defined]
    return answer


def _make_route(question: Question) -> Callable[..., dict[str, Any]]:
    def answer(access: Access, **given: Any) -> dict[str, Any]:
        return ask(standpoint_of(access), question.name, given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("access", keyword, annotation=Reader)]
    parameters += [_make_parameter(each) for each in (*question.parameters, AT)]
    answer.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # FastAPI reads it
    return answer


def _make_parameter(parameter: Parameter) -> inspect.Parameter:
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if parameter.required else parameter.default,
        annotation=_annotate(parameter),
    )


def _annotate(parameter: Parameter) -> Any:
    kind: Any = _TYPES[parameter.kind]
    if not parameter.required and parameter.default is None:
        kind = kind | None
    about = parameter.about + (f": {', '.join(parameter.choices)}" if parameter.choices else "")
    if parameter.kind is Kind.NUMBER:
        return Annotated[kind, Query(ge=parameter.least, le=parameter.most, description=about)]
    if parameter.kind is Kind.TEXT:
        least = 1 if parameter.required else None
        return Annotated[kind, Query(min_length=least, max_length=parameter.most, description=about)]
    return Annotated[kind, Query(description=about)]


router: Final = _make_router()
everywhere: Final = APIRouter(prefix="/api", tags=["code"])
everywhere.add_api_route(
    "/search",
    _make_search_route(),
    methods=["GET"],
    name="search_everywhere",
    summary="The passages that answer a question best, in every repository that the token may read",
    description="A search as of one repository, without origins; `repositories` says what was searched.",
    response_model=None,
    responses={200: {"model": SearchAcrossDocument}},
)

"""The manual of the REST interface at `/docs`: made from the OpenAPI document, with no script and no network.

Also the style sheet, the only file that pages load.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from imprint.api.web.pages import render_page

router: Final = APIRouter(include_in_schema=False)
_TAGS: Final = ("repositories", "commits", "files", "search", "provenance", "tokens", "git", "server")
"""The order of the manual: what one does first comes first."""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, a member of a body, or one of an answer."""

    name: str
    kind: str
    where: str
    is_required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one address."""

    id: str
    verb: str
    path: str
    title: str
    text: str
    takes: tuple[Field, ...]
    gives: tuple[Field, ...]
    status: str


@router.get("/docs")
def manual(request: Request) -> Response:
    """The manual as a page."""
    schema = request.app.openapi()
    sections = sort_operations(schema)
    return render_page(request, "manual.html", info=schema["info"], sections=sections)


@router.get("/static/imprint.css")
def style_sheet() -> Response:
    """The style sheet."""
    css = files("imprint.api.web").joinpath("static/imprint.css").read_bytes()
    headers = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(css, media_type="text/css", headers=headers)


def sort_operations(schema: dict[str, Any]) -> list[tuple[str, list[Operation]]]:
    """The operations of an OpenAPI document, by tag."""
    by_tag: dict[str, list[Operation]] = defaultdict(list)
    for path, verbs in schema["paths"].items():
        for verb, operation in verbs.items():
            by_tag[operation.get("tags", ["server"])[0]].append(_read(schema, path, verb, operation))
    unknown = sorted(set(by_tag) - set(_TAGS))
    return [(tag, by_tag[tag]) for tag in (*_TAGS, *unknown) if tag in by_tag]


def _read(schema: dict[str, Any], path: str, verb: str, operation: dict[str, Any]) -> Operation:
    parameters = [
        Field(
            p["name"], _kind(schema, p["schema"]), p["in"], p.get("required", False), p.get("description", "")
        )
        for p in operation.get("parameters", [])
    ]
    status = min(operation["responses"])
    return Operation(
        id=operation["operationId"],
        verb=verb,
        path=path,
        title=operation.get("summary", ""),
        text=operation.get("description", ""),
        takes=(*parameters, *_members(schema, operation.get("requestBody", {}), "body")),
        gives=tuple(_members(schema, operation["responses"][status], "answer")),
        status=status,
    )


def _members(schema: dict[str, Any], holder: dict[str, Any], where: str) -> list[Field]:
    body = holder.get("content", {}).get("application/json", {}).get("schema", {})
    return list(_iter_members(schema, body, "", where))


def _iter_members(schema: dict[str, Any], shape: dict[str, Any], prefix: str, where: str) -> Iterator[Field]:
    """The members of an object, each followed by its own: `files`, then `files[].path`."""
    for option in (shape, *shape.get("anyOf", ())):
        if option.get("type") == "array":
            yield from _iter_members(schema, option.get("items", {}), f"{prefix}[]", where)
        if "$ref" not in option:
            continue
        model = schema["components"]["schemas"][option["$ref"].rsplit("/", 1)[-1]]
        required = model.get("required", [])
        for name, member in model.get("properties", {}).items():
            path = f"{prefix}.{name}".lstrip(".")
            yield Field(path, _kind(schema, member), where, name in required, member.get("description", ""))
            yield from _iter_members(schema, member, path, where)


def _kind(schema: dict[str, Any], shape: dict[str, Any]) -> str:
    if "$ref" in shape:
        return _kind(schema, schema["components"]["schemas"][shape["$ref"].rsplit("/", 1)[-1]])
    if "enum" in shape:
        return " | ".join(str(value) for value in shape["enum"])
    if "anyOf" in shape:
        return " | ".join(dict.fromkeys(_kind(schema, option) for option in shape["anyOf"]))
    if shape.get("type") == "array":
        return f"list of {_kind(schema, shape.get('items', {}))}"
    return str(shape.get("const") or shape.get("type") or "any")

"""HTTP routes that a file declares, by decorators, annotations, attributes and calls.

A route is an entity besides its handler, named as a request is written: `GET /users/{id}`; `ANY` stands for
every method. A path begins with a slash and ends without, and is completed by the paths that the same file
puts before it: of the class around it, of the router that it is given to, of the group that it is in. What
another file puts before it (where a router is mounted) is not known here.

Captures of the query, beside those for its own predicates:
    @handler       a definition that answers; the route has its span
    @registration  a call that names or holds what answers; the route has its span, and what happens in it
    @verb          a name that tells the method (`get`, `GetMapping`, `MapPost`)
    @get           the same name, where it means GET unless methods are listed
    @options       a region that may list methods (`methods=["GET"]`), and does so for more than one
    @chosen        a region in which each call named like a method is one (`get(show).post(save)`)
    @path          the path; without it the route has the path of what is around it
    @receiver      the name of what the route is given to
    @base          a path that stands before others: of routes in @within, of routes given to @holder

Invariants:
1. Nothing here recurses, and the work is that of the query, times at most `BASES_MAX` for each route.
2. A place gives each route once: of two patterns for one handler and verb, the earlier counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tree_sitter import QueryCursor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node, Query

ANY = "ANY"

# RFC 9110, section 9, and PATCH of RFC 5789.
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE")
_METHOD_OF = {method.lower(): method for method in _METHODS} | {"del": "DELETE", "root": "GET"}
_AROUND_VERB = re.compile(r"^(?:http|map)|(?:mapping|func|context)$")
_LISTED = re.compile(
    r"\b(?:methods?|verbs?|via)\b\"?'?\s*(?:=>|[=:(])\s*[\[({]*([^\])}=]{0,200})", re.IGNORECASE
)
_WORD = re.compile(r"\b(?:" + "|".join(_METHODS) + r")\b", re.IGNORECASE)
_CHOSEN = re.compile(r"\b(get|post|put|delete|patch|head|options|trace|any)(?:_service)?\s*\(")
# Go's mux takes the method before the path (net/http, since 1.22).
_METHOD_IN_PATH = re.compile(r"^(" + "|".join(_METHODS) + r")\s+(?=\S)")
_STRING_PREFIX = re.compile(r"^[\w@$#]{0,3}(?=[\"'`])")
_PATH_BYTES_MAX = 200
# Real files have a handful.
BASES_MAX = 100
_REGION_BYTES_MAX = 2000


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, as declared at one place.

    Attributes:
        name: method and path.
        start: where the declaration begins, in bytes.
        end: where it ends.
        name_at: where its path, or else its method, is written.
        holds: whether what happens in the span belongs to the route, there being no handler with a name.
    """

    name: str
    start: int
    end: int
    name_at: int
    holds: bool


@dataclass(frozen=True, slots=True)
class _Base:
    """A path that stands before the paths of a region, or of what is given to a name."""

    path: str
    start: int
    end: int
    holder: str


def find_routes(query: Query, root: Node) -> list[Route]:
    """Give the routes that a tree declares, in no order."""
    bases: list[_Base] = []
    matches: list[tuple[int, dict[str, list[Node]]]] = []
    for pattern, captures in QueryCursor(query).matches(root):
        if "base" in captures:
            if len(bases) < BASES_MAX:
                bases.append(_base(captures))
        else:
            matches.append((pattern, captures))
    matches.sort(key=lambda match: match[0])
    bases.sort(key=lambda base: base.start)
    seen: set[tuple[str, int]] = set()
    routes: list[Route] = []
    for _, captures in matches:
        node = (captures.get("handler") or captures["registration"])[0]
        claims = {("path", place.start_byte) for place in captures.get("path", ())}
        if "handler" in captures:
            claims |= {("verb", place.start_byte) for place in captures.get("verb", ())}
        if not claims & seen or _is_next_path(captures, seen):
            routes.extend(_routes(captures, node, bases))
        seen |= claims
    return routes


def _is_next_path(captures: dict[str, list[Node]], seen: set[tuple[str, int]]) -> bool:
    """Tell whether a match gives one more path of an annotation that lists several."""
    paths = captures.get("path", ())
    return bool(paths) and all(("path", place.start_byte) not in seen for place in paths)


def _routes(captures: dict[str, list[Node]], node: Node, bases: list[_Base]) -> Iterator[Route]:
    receiver = _text(captures["receiver"][0]) if "receiver" in captures else ""
    before = [
        base.path
        for base in bases
        if (base.holder == receiver if base.holder else base.start <= node.start_byte < base.end)
    ]
    for place in captures.get("path") or captures["verb"]:
        path = _unquoted(place) if "path" in captures else ""
        told = _METHOD_IN_PATH.match(path)
        methods = [told.group(1)] if told else _methods(captures)
        written = _join([*before, path[told.end() :] if told else path])
        for method in methods:
            holds = "handler" not in captures
            yield Route(f"{method} {written}", node.start_byte, node.end_byte, place.start_byte, holds)


def _base(captures: dict[str, list[Node]]) -> _Base:
    within = captures.get("within")
    holder = captures.get("holder")
    return _Base(
        _unquoted(captures["base"][0]),
        within[0].start_byte if within else 0,
        within[0].end_byte if within else 0,
        _text(holder[0]) if holder else "",
    )


def _methods(captures: dict[str, list[Node]]) -> list[str]:
    """Tell the methods of a declaration, in the order in which it names them."""
    if "chosen" in captures:
        chosen = _CHOSEN.findall(_text(captures["chosen"][0]))
        return list(dict.fromkeys(word.upper() for word in chosen)) or [ANY]
    verb = _AROUND_VERB.sub("", _text(captures["verb"][0]).lower()) if "verb" in captures else ""
    if verb in _METHOD_OF:
        return [_METHOD_OF[verb]]
    listed = _LISTED.search(_text(captures["options"][0])) if "options" in captures else None
    words = _WORD.findall(listed.group(1)) if listed else []
    return list(dict.fromkeys(word.upper() for word in words)) or (["GET"] if "get" in captures else [ANY])


def _join(parts: list[str]) -> str:
    return "/" + "/".join(bare for part in parts if (bare := part.strip("^$/")))


def _text(node: Node) -> str:
    return (node.text or b"")[:_REGION_BYTES_MAX].decode("utf-8", "replace")


def _unquoted(node: Node) -> str:
    """Give a string as written, without its quotes and what stands before them (`r"..."`, `$"..."`)."""
    text = " ".join(_text(node)[:_PATH_BYTES_MAX].split())
    text = text.removeprefix(":") if node.type == "simple_symbol" else text
    return _STRING_PREFIX.sub("", text).strip("\"'`#")

"""Questions about definitions and uses at one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.asking.documents import definition_json, edge_json, place_json
from imprint.semantic.asking.model import Kind, Parameter, Question
from imprint.semantic.graph.positions import find_definitions_at
from imprint.semantic.graph.questions import find_callees, find_callers, find_definitions, find_references
from imprint.semantic.overview.impact import DISTANCE, LIMIT, find_impact
from imprint.semantic.overview.map import TOKENS_DEFAULT, TOKENS_MAX, draw_map
from imprint.semantic.overview.outline import read_outline
from imprint.semantic.search.render import symbols_json
from imprint.semantic.symbols import find_symbols
from imprint.store.errors import BadInput
from imprint.store.paths import quote_path, unquote_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from imprint.semantic.asking.model import Json, Standpoint
    from imprint.semantic.graph.model import Edges
    from imprint.semantic.snapshot import Snapshot

NAME: Final = Parameter(
    "name", "a name such as parse_header, or Session.get", required=True, most=1_000, is_argument=True
)
LIMIT_OF_EDGES: Final = Parameter("limit", "answers at most", Kind.NUMBER, default=LIMIT, least=1, most=1_000)
_DEFINITIONS_MAX: Final = 200
"""Definitions that one answer lists; docs/limits.md."""


def standing(snapshot: Snapshot | None) -> Json:
    """Which commit an answer is about, and how many commits that is behind."""
    if snapshot is None:
        return {"commit": None, "behind": 0}
    return {"commit": snapshot.commit, "behind": snapshot.behind}


def _symbol(here: Standpoint, asked: Mapping[str, Any]) -> Json:
    snapshot = here.library.snapshot(here.view, asked["ref"])
    found = find_symbols(snapshot, asked["name"])
    shown = found[: asked["limit"]]
    return standing(snapshot) | {"left_out": len(found) - len(shown), "symbols": symbols_json(shown)}


def _edges(
    find: Callable[[Snapshot, str], Edges], member: str
) -> Callable[[Standpoint, Mapping[str, Any]], Json]:
    def answer(here: Standpoint, asked: Mapping[str, Any]) -> Json:
        snapshot = here.library.snapshot(here.view, asked["ref"])
        if snapshot is None:
            return standing(None) | {"name": asked["name"], "resolved": 0, "considered": 0, member: []}
        found = find(snapshot, asked["name"])
        shown = found.edges[: asked["limit"]]
        return standing(snapshot) | {
            "name": asked["name"],
            "resolved": found.resolved,
            "considered": found.considered,
            "left_out": len(found.edges) - len(shown),
            "files_passed_over": found.passed_over,
            member: [edge_json(edge) for edge in shown],
        }

    return answer


def _definition(here: Standpoint, asked: Mapping[str, Any]) -> Json:
    if not asked["name"] and not (asked["path"] and asked["line"]):
        raise BadInput("nothing was named", hint="give a name, or a path with a line and, better, a column")
    snapshot = here.library.snapshot(here.view, asked["ref"])
    if snapshot is None:
        return standing(None) | {"definitions": [], "missing": []}
    if not asked["line"]:
        path = unquote_path(asked["path"] or "")
        found = [each for each in find_definitions(snapshot, asked["name"]) if path in {b"", each.path}]
        shown = [definition_json(each) for each in found[:_DEFINITIONS_MAX]]
        left_out = len(found) - len(shown)
        missing = [f"{left_out} more definitions: name a path"] if left_out else []
        return standing(snapshot) | {"definitions": shown, "missing": missing}
    column = asked["column"] - 1 if asked["column"] else None
    edges = find_definitions_at(snapshot, unquote_path(asked["path"] or ""), asked["line"], column).edges
    if asked["name"]:
        edges = tuple(edge for edge in edges if edge.use.name == asked["name"])
    targets = dict.fromkeys(edge.target for edge in edges if edge.target is not None)
    missing = [f"{edge.use.name}: {edge.missing}" for edge in edges if edge.missing]
    return standing(snapshot) | {
        "definitions": [definition_json(each) for each in targets],
        "missing": missing,
    }


def _outline(here: Standpoint, asked: Mapping[str, Any]) -> Json:
    snapshot = here.library.snapshot(here.view, asked["ref"])
    if snapshot is None:
        return standing(None) | {"path": asked["path"], "language": "", "skipped": None, "entities": []}
    found = read_outline(snapshot, unquote_path(asked["path"]))
    return standing(snapshot) | {
        "path": quote_path(found.path),
        "language": found.language,
        "skipped": found.skipped,
        "entities": [
            {
                "depth": depth,
                "kind": entity.kind.value,
                "name": entity.name,
                "container": entity.container,
                "start_line": entity.start_line,
                "end_line": entity.end_line,
                "line": entity.line,
                "signature": entity.signature,
                "doc": entity.doc,
            }
            for depth, entity in found.entities
        ],
    }


def _map(here: Standpoint, asked: Mapping[str, Any]) -> Json:
    snapshot = here.library.snapshot(here.view, asked["ref"])
    if snapshot is None:
        return standing(None) | {"text": "", "tokens": 0, "files_in_all": 0, "left_out": 0, "files": []}
    drawn = draw_map(snapshot, asked["tokens"], asked["focus"] or "")
    return standing(snapshot) | {
        "text": drawn.text,
        "tokens": drawn.tokens,
        "files_in_all": drawn.files_in_all,
        "left_out": drawn.left_out,
        "files": [
            {
                "path": quote_path(file.path),
                "definitions": [
                    {"line": each.line, "kind": each.kind.value, "name": each.qualified_name}
                    for each in file.entities
                ],
            }
            for file in drawn.files
        ],
    }


def _impact(here: Standpoint, asked: Mapping[str, Any]) -> Json:
    snapshot = here.library.snapshot(here.view, asked["ref"])
    members = ("definitions", "callers", "subtypes", "together", "tests")
    if snapshot is None:
        return (
            standing(None)
            | {"name": asked["name"], "resolved": 0, "considered": 0, "is_whole": True}
            | {member: [] for member in members}
        )
    distance, limit = asked["distance"], asked["limit"]
    found = find_impact(snapshot, here.past(), asked["name"], distance=distance, limit=limit)
    return standing(snapshot) | {
        "name": asked["name"],
        "resolved": found.resolved,
        "considered": found.considered,
        "is_whole": found.is_whole,
        "definitions": [definition_json(each) for each in found.definitions[:_DEFINITIONS_MAX]],
        "callers": [
            place_json(each.definition)
            | {
                "distance": each.distance,
                "confidence": round(each.edge.confidence, 2),
                "reason": each.edge.reason.value if each.edge.reason else "",
                "at": f"{quote_path(each.edge.use.path)}:{each.edge.use.line}",
            }
            for each in found.callers
        ],
        "subtypes": [edge_json(edge) for edge in found.subtypes],
        "together": [
            {"path": quote_path(each.path), "times": each.times, "share": round(each.share, 3)}
            for each in found.together
        ],
        "tests": [
            {"path": quote_path(each.path), "line": each.line, "name": each.name, "reason": each.reason}
            for each in found.tests
        ],
    }


SYMBOL: Final = Question(
    "symbol",
    "Every definition of a name: file, lines, kind and signature.",
    "Ask when you know a name, in whatever letter case; `definition` tells which one a use means.",
    (NAME, LIMIT_OF_EDGES),
    _symbol,
    "symbols",
)
DEFINITION: Final = Question(
    "definition",
    "Where a name is defined, or what stands at a place of a file leads to.",
    "Ask before you read whole files. With a path, line and column, locals and parameters are found too.",
    (
        Parameter("name", "a name such as parse_header, or Session.get", most=1_000, is_argument=True),
        Parameter("path", "the file in which the name is used", most=20_000),
        Parameter("line", "the line in it, from 1", Kind.NUMBER, least=1, most=10_000_000),
        Parameter("column", "the column in it, in bytes from 1", Kind.NUMBER, least=1, most=10_000_000),
    ),
    _definition,
    "definitions",
)
REFERENCES: Final = Question(
    "references",
    "Where a name is called, imported, inherited from or used as a type, and what each use reaches.",
    "Ask before you rename or remove something. Uses that could not be resolved are listed with the reason. "
    "What is only read or passed on, as constants are, is no use: an exact search finds every place.",
    (NAME, LIMIT_OF_EDGES),
    _edges(find_references, "references"),
    "references",
)
CALLERS: Final = Question(
    "callers",
    "What calls a function, method or type.",
    "Each call has a confidence and the reason for it; calls from outside of every function count too.",
    (NAME, LIMIT_OF_EDGES),
    _edges(find_callers, "callers"),
    "callers",
)
CALLEES: Final = Question(
    "callees",
    "What a function, method or type calls.",
    "Calls that lead out of the repository are listed with that reason.",
    (NAME, LIMIT_OF_EDGES),
    _edges(find_callees, "callees"),
    "callees",
)
OUTLINE: Final = Question(
    "outline",
    "What a file defines, nested as it stands there.",
    "Ask instead of reading a long file; then read only the lines that you need.",
    (Parameter("path", "a file, from the root of the tree", required=True, most=20_000, is_argument=True),),
    _outline,
    "entities",
)
MAP: Final = Question(
    "map",
    "The most important files and definitions, within a number of tokens.",
    "Ask first in a repository that is new to you; `focus` narrows it to a folder or to words of paths.",
    (
        Parameter(
            "tokens", "what the text may take, at four characters a token", Kind.NUMBER,
            default=TOKENS_DEFAULT, least=50, most=TOKENS_MAX,
        ),
        Parameter("focus", "a folder or file, or words of paths", most=1_000),
    ),
    _map,
)  # fmt: skip
IMPACT: Final = Question(
    "impact",
    "What a change of a symbol can reach: callers, subtypes, files that change with it, tests.",
    "Ask before you change a signature, and to choose the tests to run.",
    (
        NAME,
        Parameter("distance", "calls apart at most", Kind.NUMBER, default=DISTANCE, least=1, most=5),
        Parameter("limit", "callers at most", Kind.NUMBER, default=LIMIT, least=1, most=500),
    ),
    _impact,
)

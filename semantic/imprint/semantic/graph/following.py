"""Edges that only the flow of values shows: calls of what was passed, returned, stored or decorated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.model import Definition, Edge, Edges, Reason, Use
from imprint.semantic.graph.pages import Found

if TYPE_CHECKING:
    from imprint.semantic.graph.flows import Called, Flows
    from imprint.semantic.graph.ladder import Resolver

# Of definitions in more files, only those in the first are followed.
FILES_MAX: Final = 4
CONFIDENCE: Final = 0.8


def definition_of(resolver: Resolver, found: Found) -> Definition:
    """An entity in a file as a definition."""
    entity = found.entity
    return Definition(
        resolver.snapshot.paths[found.file],
        entity.start_line,
        entity.end_line,
        entity.line,
        entity.kind.value,
        entity.name,
        entity.container,
        entity.signature,
        entity.doc,
    )


def flowing_to(resolver: Resolver, flows: Flows, targets: list[Found]) -> list[Edge]:
    """Calls in the files of the definitions that run one of them."""
    wanted = {(each.file, each.entity.qualified_name): each for each in targets}
    files = list(dict.fromkeys(each.file for each in targets))[:FILES_MAX]
    return [
        _edge(resolver, file, called, wanted[called.file, called.path])
        for file in files
        for called in flows.calls(file)
        if (called.file, called.path) in wanted
    ]


def flowing_from(resolver: Resolver, flows: Flows, callers: list[Found]) -> list[Edge]:
    """What the calls of definitions run."""
    return [
        edge
        for caller in callers[:FILES_MAX]
        for edge in _flowing_from(resolver, flows, caller.file, caller.entity.qualified_name)
    ]


def flowing_from_module(resolver: Resolver, flows: Flows, file: int) -> list[Edge]:
    """What the calls outside of every definition of a file run."""
    return _flowing_from(resolver, flows, file, "")


def _flowing_from(resolver: Resolver, flows: Flows, file: int, container: str) -> list[Edge]:
    return [
        _edge(resolver, file, called, Found(called.file, entity))
        for called in flows.calls(file)
        if _named_container(called.container) == container
        for entity in resolver.page(called.file).by_path.get(called.path, ())[:1]
    ]


def with_flow(edges: Edges, flowing: list[Edge]) -> Edges:
    """Add what flows to where the ladder found nothing; where it found something, the ladder is right."""
    known = {_place(edge) for edge in edges.edges if edge.target is not None}
    added = {
        (*_place(edge), edge.target.qualified_name, edge.target.path): edge
        for edge in flowing
        if edge.target is not None and _place(edge) not in known
    }
    if not added:
        return edges
    placed = {_place(edge) for edge in added.values()}
    resolved = [edge for edge in edges.edges if edge.target is not None]
    missing = [edge for edge in edges.edges if edge.target is None and _place(edge) not in placed]
    every = sorted(
        (*resolved, *added.values()), key=lambda edge: (-edge.confidence, edge.use.path, edge.use.line)
    )
    count = edges.resolved + len(placed)
    return Edges((*every, *missing), count, count + len(missing), edges.passed_over)


def _place(edge: Edge) -> tuple[bytes, int, str]:
    return edge.use.path, edge.use.line, edge.use.name


def _named_container(path: str) -> str:
    """The innermost container that has a name: functions without one belong to what is around them."""
    return path.partition(".<")[0] if not path.startswith("<") else ""


def _edge(resolver: Resolver, file: int, called: Called, target: Found) -> Edge:
    name = called.name or target.entity.name
    use = Use(resolver.snapshot.paths[file], called.line, "call", name, _named_container(called.container))
    return Edge(use, definition_of(resolver, target), CONFIDENCE, Reason.FLOW)

"""The definition of the name at a place in a file: locals and parameters too, which are no entities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.following import definition_of
from imprint.semantic.graph.lookups import CONFIDENCE
from imprint.semantic.graph.model import Definition, Edge, Edges, Reason, Use
from imprint.semantic.graph.resolvers import asking
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from imprint.semantic.graph.ladder import Resolver
    from imprint.semantic.graph.pages import Page
    from imprint.semantic.graph.resolvers import Desk
    from imprint.semantic.snapshot import Snapshot

_NAME: Final = re.compile(rb"[\w$\x80-\xff]+")
_SIGNATURE_CHARS_MAX: Final = 300


def find_definitions_at(snapshot: Snapshot, path: bytes, line: int, column: int | None = None) -> Edges:
    """What defines the name at a place: every declaration that it goes through, the nearest first.

    In Python, JavaScript and TypeScript values are followed through assignments, imports and calls; elsewhere
    the ladder answers for uses, and what is assigned in the same definition for locals.

    Args:
        snapshot: the commit.
        path: a file of it.
        line: from 1.
        column: bytes from 0; None for every use on the line.

    Raises:
        BadInput: there is no such file, or it has no such line.
    """
    file = snapshot.find_file(path)
    if file is None:
        raise BadInput("there is no such file at this commit", hint="give a path as the commit has it")
    lines = snapshot.read(file).split(b"\n")
    if not 1 <= line <= len(lines):
        raise BadInput(f"the file has {len(lines)} lines", hint="lines count from 1")
    written = lines[line - 1]
    edges: list[Edge] = []
    with asking(snapshot) as desk:
        for match in _NAME.finditer(written):
            if column is None or match.start() <= column < match.end():
                edges += _at(desk, file, line, match.start(), match.group().decode("utf-8", "replace"))
    kept = list(dict.fromkeys(edges))
    found = sum(edge.target is not None for edge in kept)
    return Edges(tuple(kept), found, len(kept))


def _at(desk: Desk, file: int, line: int, column: int, name: str) -> list[Edge]:
    resolver, page = desk.resolver, desk.resolver.page(file)
    snapshot = resolver.snapshot
    container = _around(page, line)
    use = Use(snapshot.paths[page.file], line, "use", name, container)
    followed = desk.flows.definitions_at(page.file, line, column)
    if followed:
        return [
            Edge(use, _declared(resolver, there, at, kind, name), CONFIDENCE[reason], reason)
            for there, at, kind in sorted(followed, key=lambda each: each[0] != page.file)
            for reason in [Reason.SAME_FILE if there == page.file else Reason.IMPORT]
        ]
    for reference in page.facts.references:
        if reference.line != line or reference.name != name:
            continue
        here = Use(use.path, line, reference.kind.value, name, reference.container, reference.qualifier)
        found = resolver.resolve(page, reference)
        if not found.targets:
            return _locals(resolver, page, here) or [Edge(here, None, 0.0, None, found.missing)]
        return [
            Edge(here, definition_of(resolver, target), found.confidence, found.reason)
            for target in found.targets
        ]
    return _locals(resolver, page, use)


def _locals(resolver: Resolver, page: Page, use: Use) -> list[Edge]:
    """What binds a name in the definition around its use, or is the definition of that name."""
    lines = [
        binding.line
        for binding in page.bindings.get(use.name, ())
        if use.container == binding.container or use.container.startswith(f"{binding.container}.")
    ]
    lines += [entity.line for entity in page.by_name.get(use.name, ()) if entity.line == use.line]
    return [
        Edge(use, _declared(resolver, page.file, line, "variable", use.name), 0.8, Reason.SAME_FILE)
        for line in dict.fromkeys(lines)
    ]


def _around(page: Page, line: int) -> str:
    """The qualified name of the innermost function, method or type around a line."""
    inner = [
        entity
        for entity in page.facts.entities[1:]
        if entity.start_line <= line <= entity.end_line and entity.end_line > entity.start_line
    ]
    return max(inner, key=lambda entity: entity.start_line).qualified_name if inner else ""


def _declared(resolver: Resolver, file: int, line: int, kind: str, name: str) -> Definition:
    """The entity that is declared on a line, or else the line as the definition of a local name."""
    page = resolver.page(file)
    path = resolver.snapshot.paths[file]
    if kind == "module":
        base = path.rpartition(b"/")[2].partition(b".")[0].decode("utf-8", "replace")
        return Definition(path, line, line, line, "module", base, "", "")
    on_line = [entity for entity in page.facts.entities[1:] if entity.line == line]
    for entity in [*(each for each in on_line if each.name == name), *on_line]:
        if kind in {"function", "class", "type", "enum", "member", "field"} or entity.name == name:
            return Definition(
                path, entity.start_line, entity.end_line, line, entity.kind.value, entity.name,
                entity.container, entity.signature, entity.doc,
            )  # fmt: skip
    text = resolver.snapshot.read(file).split(b"\n")[line - 1].decode("utf-8", "replace").strip()
    return Definition(path, line, line, line, kind, name, _around(page, line), text[:_SIGNATURE_CHARS_MAX])

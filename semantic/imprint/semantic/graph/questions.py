"""Questions about definitions and uses at one commit.

Invariants:
1. A pure function of a snapshot: nothing is kept but what can be worked out again.
2. Every answer counts: `resolved` of `considered` uses reach a definition; those that may reach the one asked
   for and are not resolved are given too, last, with why.
3. A caller is the definition around the call; calls in a module's body have the empty container.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.following import (
    definition_of,
    flowing_from,
    flowing_from_module,
    flowing_to,
    with_flow,
)
from imprint.semantic.graph.model import Edge, Edges, Reach, Reached, Use
from imprint.semantic.graph.pages import CALLABLE_KINDS, TYPE_KINDS, Found
from imprint.semantic.graph.resolvers import asking
from imprint.semantic.naming import read_name, read_place
from imprint.semantic.parse.model import EntityKind, ReferenceKind

if TYPE_CHECKING:
    from imprint.semantic.graph.ladder import Resolver
    from imprint.semantic.graph.lookups import Resolution
    from imprint.semantic.graph.model import Definition
    from imprint.semantic.graph.pages import Page
    from imprint.semantic.parse.model import Reference
    from imprint.semantic.snapshot import Snapshot

_CONSTRUCTORS: Final = frozenset({"__init__", "constructor", "initialize", "__construct", "init", "new"})

_WITHOUT_CODE: Final = frozenset({EntityKind.DECLARATION, EntityKind.VARIABLE, EntityKind.FIELD})

# Definitions that `find_reachable` gives at most, and how far it goes.
REACHED_MAX: Final = 500
DISTANCE_MAX: Final = 8
# How often a name may be given on under another name.
_REEXPORTS_MAX: Final = 4
# Of a name that more files use, the first are looked at, and the answer says how many are passed over.
FILES_MAX: Final = 2000
# Files that one question about what is reachable looks at, counted as often as they are.
LOOKS_MAX: Final = 10_000


def find_definitions(snapshot: Snapshot, name: str) -> list[Definition]:
    """Definitions of a name, which may be qualified (`Session.get`): those in its very letters first.

    Raises:
        BadInput: no name was given.
    """
    with asking(snapshot) as desk:
        return [definition_of(desk.resolver, found) for found in _named(desk.resolver, name)]


def find_references(snapshot: Snapshot, name: str) -> Edges:
    """Every use of a name in exactly its letters, with the definition that it reaches where that is known.

    A qualified name, or FILE:NAME, gives the uses that reach one of its definitions, and those that may.

    Raises:
        BadInput: no name was given.
    """
    with asking(snapshot) as desk:
        file, alone = read_place(snapshot, name)
        only_named = file is None and not read_name(alone)[0]
        return _uses(desk.resolver, name, frozenset(ReferenceKind), only_named=only_named)


def find_callers(snapshot: Snapshot, name: str) -> Edges:
    """Calls that reach a definition of a name, and those that may.

    Raises:
        BadInput: no name was given.
    """
    with asking(snapshot) as desk:
        found = _uses(desk.resolver, name, frozenset({ReferenceKind.CALL}), only_named=False)
        return with_flow(found, flowing_to(desk.resolver, desk.flows, _named(desk.resolver, name)))


def find_callees(snapshot: Snapshot, name: str) -> Edges:
    """What the definitions of a name call, in order of position.

    Raises:
        BadInput: no name was given.
    """
    with asking(snapshot) as desk:
        resolver, callers = desk.resolver, _named(desk.resolver, name)
        edges = [
            edge
            for found in callers
            if found.entity.kind not in _WITHOUT_CODE
            for edge in callees_in(resolver, resolver.page(found.file), found.entity.qualified_name)
        ]
        return with_flow(_edges(edges, []), flowing_from(resolver, desk.flows, callers))


def find_module_callees(snapshot: Snapshot, path: bytes) -> Edges:
    """What a file's code outside of every definition calls."""
    file = snapshot.find_file(path)
    if file is None:
        return Edges((), 0, 0)
    with asking(snapshot) as desk:
        edges = callees_in(desk.resolver, desk.resolver.page(file), "")
        return with_flow(_edges(edges, []), flowing_from_module(desk.resolver, desk.flows, file))


def find_reachable(
    snapshot: Snapshot, name: str, *, distance: int = 3, limit: int = REACHED_MAX, back: bool = True
) -> Reach:
    """Definitions from which a name is reached by calls (`back`), or which it reaches, the nearest first.

    Args:
        snapshot: the commit.
        name: a name, which may be qualified.
        distance: how many calls apart at most; never more than `DISTANCE_MAX`.
        limit: how many definitions at most; never more than `REACHED_MAX`.
        back: towards callers; otherwise towards what is called.

    Raises:
        BadInput: no name was given.
    """
    with asking(snapshot) as desk:
        near = min(distance, DISTANCE_MAX)
        return _spread(desk.resolver, name, near, min(limit, REACHED_MAX), back=back)


def _spread(resolver: Resolver, name: str, distance: int, limit: int, *, back: bool) -> Reach:
    reached: list[Reached] = []
    border = _named(resolver, name)
    seen = {(each.file, each.entity.qualified_name) for each in border}
    looks = 0
    is_whole = True
    for apart in range(1, distance + 1):
        following: list[Found] = []
        for each in border:
            if looks >= LOOKS_MAX or len(reached) >= limit:
                return Reach(tuple(reached), is_whole=False)
            looks += _count_looks(resolver, each) if back else 1
            for edge, found in _steps(resolver, each, back=back):
                key = (found.file, found.entity.qualified_name)
                if key in seen:
                    continue
                if len(reached) >= limit:
                    is_whole = False
                    break
                seen.add(key)
                following.append(found)
                reached.append(Reached(definition_of(resolver, found), apart, edge))
        border = following
    return Reach(tuple(reached), is_whole)


def _count_looks(resolver: Resolver, found: Found) -> int:
    """About how many files are looked at for uses of a definition."""
    return 1 + min(len(resolver.snapshot.find_using(found.entity.name)), FILES_MAX)


def _count_passed_over(resolver: Resolver, targets: list[Found]) -> int:
    """How many files that use the name of a definition are not looked at."""
    using = {
        file for name in {each.entity.name for each in targets} for file in resolver.snapshot.find_using(name)
    }
    return max(0, len(using) - FILES_MAX)


def _steps(resolver: Resolver, found: Found, *, back: bool) -> list[tuple[Edge, Found]]:
    if not back:
        page = resolver.page(found.file)
        return [
            (_edge(resolver, page, use, resolution, target), target)
            for use, resolution in _calls_in(resolver, page, found.entity.qualified_name)
            for target in resolution.targets
        ]
    steps = []
    for page, use, resolution, target in _reaching(resolver, [found], frozenset({ReferenceKind.CALL}))[0]:
        around = page.by_path.get(use.container) or page.facts.entities[:1]
        steps += [
            (_edge(resolver, page, use, resolution, target), Found(page.file, each)) for each in around[:1]
        ]
    return steps


# --- uses


def _uses(resolver: Resolver, name: str, kinds: frozenset[ReferenceKind], *, only_named: bool) -> Edges:
    targets = _named(resolver, name)
    asked = read_name(read_place(resolver.snapshot, name)[1])[1]
    reaching, unresolved, elsewhere = _reaching(resolver, targets, kinds, asked)
    edges = [_edge(resolver, page, use, found, target) for page, use, found, target in reaching]
    rest = [_edge(resolver, page, use, found, None) for page, use, found in unresolved]
    if only_named:
        edges += [_edge(resolver, page, use, found, target) for page, use, found, target in elsewhere]
    return replace(_edges(edges, rest), passed_over=_count_passed_over(resolver, targets))


_Reaching = list[tuple["Page", "Reference", "Resolution", Found]]
_Unresolved = list[tuple["Page", "Reference", "Resolution"]]


def _reaching(
    resolver: Resolver, targets: list[Found], kinds: frozenset[ReferenceKind], asked: str = ""
) -> tuple[_Reaching, _Unresolved, _Reaching]:
    """Uses that reach one of the targets; those that may; those that reach something else."""
    wanted = {(each.file, each.entity.qualified_name, each.entity.line) for each in targets}
    constructed = {
        (each.file, each.entity.container): each for each in targets if each.entity.name in _CONSTRUCTORS
    }
    names = {each.entity.name for each in targets} | ({asked} if asked else set())
    names |= {path.rpartition(".")[2] for _, path in constructed if path}
    families = {resolver.page(each.file).family for each in targets}
    reaching: _Reaching = []
    unresolved: _Unresolved = []
    elsewhere: _Reaching = []
    names, files = _with_aliases(resolver, names)
    for page in map(resolver.page, files[:FILES_MAX]):
        if families and page.family not in families:
            continue
        local = names | _aliases(page, names)
        for use in page.facts.references:
            if use.name not in local or use.kind not in kinds:
                continue
            found = resolver.reach(page, use)
            hits = [
                constructed.get((target.file, target.entity.qualified_name), target)
                for target in found.targets
                if (target.file, target.entity.qualified_name, target.entity.line) in wanted
                or (target.file, target.entity.qualified_name) in constructed
            ]
            if hits:
                reaching.extend((page, use, found, target) for target in hits)
            elif not found.targets and _may_reach(found):
                unresolved.append((page, use, found))
            elif found.targets and use.name in names:
                elsewhere.append((page, use, found, found.targets[0]))
    return reaching, unresolved, elsewhere


def _with_aliases(resolver: Resolver, names: set[str]) -> tuple[set[str], list[int]]:
    """The names and those under which files give them on, and the files that use any of them."""
    known, border = set(names), set(names)
    files: set[int] = set()
    for _ in range(_REEXPORTS_MAX):
        using = {file for name in border for file in resolver.snapshot.find_using(name)} - files
        found = sorted(using)[: FILES_MAX + 1 - len(files)]
        files.update(found)
        taken = [each for file in found for each in resolver.page(file).facts.imports]
        border = {each.alias for each in taken if each.alias and each.name in known} - known
        known |= border
        if not border or len(files) > FILES_MAX:
            break
    return known, sorted(files)


def _aliases(page: Page, names: set[str]) -> set[str]:
    """Other names under which a file knows the names."""
    taken = {each.alias for each in page.facts.imports if each.name in names and each.alias}
    return taken | {
        each.target
        for each in page.facts.bindings
        if each.kind == "name" and each.value in names and "." not in each.target
    }


def _may_reach(found: Resolution) -> bool:
    return not found.missing.startswith("external: ")


def callees_in(resolver: Resolver, page: Page, container: str) -> list[Edge]:
    """What the code directly in a container calls."""
    return [
        _edge(resolver, page, use, found, target)
        for use, found in _calls_in(resolver, page, container)
        for target in (found.targets or (None,))
    ]


def _calls_in(resolver: Resolver, page: Page, container: str) -> list[tuple[Reference, Resolution]]:
    return [
        (use, resolver.reach(page, use))
        for use in page.facts.references
        if use.container == container and use.kind is ReferenceKind.CALL
    ]


# --- what is asked and answered


def _named(resolver: Resolver, asked: str) -> list[Found]:
    """Entities of a name, or of FILE:NAME; those in its very letters, or else in any."""
    only, asked = read_place(resolver.snapshot, asked)
    qualifier, name = read_name(asked)
    found: list[Found] = []
    for file in resolver.snapshot.find_defining(name):
        if only not in {None, file}:
            continue
        page = resolver.page(file)
        for entity in page.facts.entities:
            if entity.name.casefold() != name.casefold():
                continue
            if qualifier and not f".{entity.container}".casefold().endswith(f".{qualifier}".casefold()):
                continue
            found.append(Found(file, entity))
    exact = [each for each in found if each.entity.name == name]
    return sorted(exact or found, key=lambda each: (_weight(each), each.file, each.entity.start_line))


def _weight(found: Found) -> int:
    kind = found.entity.kind
    return 0 if kind in TYPE_KINDS | CALLABLE_KINDS else 2 if kind is EntityKind.DECLARATION else 1


def _edge(resolver: Resolver, page: Page, use: Reference, found: Resolution, target: Found | None) -> Edge:
    path = resolver.snapshot.paths[page.file]
    here = Use(path, use.line, use.kind.value, use.name, use.container, use.qualifier)
    if target is None:
        return Edge(here, None, 0.0, None, found.missing)
    return Edge(here, definition_of(resolver, target), found.confidence, found.reason)


def _edges(resolved: list[Edge], rest: list[Edge]) -> Edges:
    edges = [edge for edge in resolved if edge.target is not None]
    missing = [*(edge for edge in resolved if edge.target is None), *rest]
    uses = {(edge.use.path, edge.use.line, edge.use.name, edge.use.qualifier) for edge in edges}
    edges.sort(key=lambda edge: (-edge.confidence, edge.use.path, edge.use.line))
    missing.sort(key=lambda edge: (edge.use.path, edge.use.line))
    return Edges((*edges, *missing), len(uses), len(uses) + len(missing))

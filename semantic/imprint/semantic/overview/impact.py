"""What a change of a symbol can reach: callers, what inherits from it, what changes with it, tests.

Invariant: each place says why it is here and how sure that is; what was not resolved is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.questions import find_definitions, find_reachable, find_references
from imprint.semantic.lineage.cochange import changed_together
from imprint.semantic.parse.model import EntityKind
from imprint.semantic.search.signals.roles import is_test

if TYPE_CHECKING:
    from imprint.semantic.graph.model import Definition, Edge, Edges, Reached
    from imprint.semantic.lineage.cochange import Together
    from imprint.semantic.lineage.past import Past
    from imprint.semantic.snapshot import Snapshot

DISTANCE: Final = 3
LIMIT: Final = 100
_TOGETHER_MAX: Final = 10
_OWN_PATHS_MAX: Final = 64
"""Of a name that more files define, the first are looked at for what changes with them; docs/limits.md."""


@dataclass(frozen=True, slots=True)
class AffectedTest:
    """A test that a change may break, and why it is thought so."""

    path: bytes
    line: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Impact:
    """What a change can reach.

    Attributes:
        definitions: what was asked about.
        callers: who reaches it by calls, the nearest first.
        subtypes: what inherits from it.
        together: files that changed with its files, most often first; empty without a past.
        tests: tests among the callers, and test files that changed together with it.
        resolved: of `considered` uses of the name, how many are known to reach it or something else.
        considered: uses of the name.
        is_whole: whether nothing was left out for a bound: on callers, on files that use the name, on
            definitions whose files' changes were compared.
    """

    definitions: tuple[Definition, ...]
    callers: tuple[Reached, ...]
    subtypes: tuple[Edge, ...]
    together: tuple[Together, ...]
    tests: tuple[AffectedTest, ...]
    resolved: int
    considered: int
    is_whole: bool


def find_impact(
    snapshot: Snapshot, past: Past | None, name: str, *, distance: int = DISTANCE, limit: int = LIMIT
) -> Impact:
    """What a change of a name's definitions can reach.

    Args:
        snapshot: the commit.
        past: the repository's past, limited to what may be shown; None where there is none.
        name: a name, which may be qualified.
        distance: how many calls apart at most.
        limit: callers at most.

    Raises:
        BadInput: no name was given.
    """
    definitions = tuple(find_definitions(snapshot, name))
    reach = find_reachable(snapshot, name, distance=distance, limit=limit)
    callers = reach.reached
    uses = find_references(snapshot, name)
    subtypes = tuple(edge for edge in uses.edges if edge.use.kind == "inherit" and edge.target is not None)
    together = _find_together(past, snapshot, definitions)
    tests = _find_tests(callers, together, uses)
    is_whole = reach.is_whole and not uses.passed_over and len(definitions) <= _OWN_PATHS_MAX
    return Impact(definitions, callers, subtypes, together, tests, uses.resolved, uses.considered, is_whole)


def _find_together(
    past: Past | None, snapshot: Snapshot, definitions: tuple[Definition, ...]
) -> tuple[Together, ...]:
    if past is None or not definitions:
        return ()
    number = past.find(snapshot.commit)
    found: dict[bytes, Together] = {}
    own = {definition.path for definition in definitions}
    for path in sorted(own)[:_OWN_PATHS_MAX]:
        for each in changed_together(past, path, number):
            known = found.get(each.path)
            if each.path not in own and (known is None or known.times < each.times):
                found[each.path] = each
    here = [each for each in found.values() if snapshot.find_file(each.path) is not None]
    return tuple(sorted(here, key=lambda each: (-each.times, each.path))[:_TOGETHER_MAX])


def _find_tests(
    callers: tuple[Reached, ...], together: tuple[Together, ...], uses: Edges
) -> tuple[AffectedTest, ...]:
    found: dict[tuple[bytes, str], AffectedTest] = {}
    for each in callers:
        caller = each.definition
        path = caller.path.decode("utf-8", "replace")
        if caller.kind == EntityKind.TEST.value or is_test(path):
            reason = "calls it" if each.distance == 1 else f"reaches it over {each.distance} calls"
            test = AffectedTest(caller.path, caller.line, caller.qualified_name, reason)
            found.setdefault((test.path, test.name), test)
    named = {path for path, _ in found}
    for edge in uses.edges:
        use = edge.use
        if use.path not in named and is_test(use.path.decode("utf-8", "replace")):
            found.setdefault((use.path, ""), AffectedTest(use.path, use.line, use.container, "names it"))
    named = {path for path, _ in found}
    for other in together:
        if other.path not in named and is_test(other.path.decode("utf-8", "replace")):
            reason = f"changed together with it {other.times} times"
            found[other.path, ""] = AffectedTest(other.path, 1, "", reason)
    return tuple(found.values())

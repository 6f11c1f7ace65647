"""One function in several clauses: equations of Haskell with their signature, heads of Elixir.

Invariants:
1. Two definitions are one only if they have one name and nothing but white space and comments is between
   them: what is in between is never hidden in somebody else's span.
2. The work is linear in the number of definitions and in the size of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from imprint.semantic.parse.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Iterable

_JOINED = frozenset({EntityKind.DECLARATION, EntityKind.FUNCTION, EntityKind.METHOD, EntityKind.MACRO})


class Clause(Protocol):
    """What joining must know of a definition; `again` gets the places where its later clauses are named."""

    kind: EntityKind | None
    name: str
    parents: tuple[str, ...]
    start: int
    end: int
    name_at: int
    again: list[int]


ClauseT = TypeVar("ClauseT", bound=Clause)


def join_clauses(found: Iterable[ClauseT], uncommented: bytes) -> list[ClauseT]:
    """Give the definitions with each run of clauses as its first; `uncommented` has comments blanked out.

    A run that begins with a declaration is what it declares; its signature stays the declaration's.
    """
    joined: list[ClauseT] = []
    latest: dict[tuple[str, tuple[str, ...]], ClauseT] = {}
    for item in sorted(found, key=lambda each: (each.start, -each.end)):
        if item.kind not in _JOINED:
            joined.append(item)
            continue
        earlier = latest.get((item.name, item.parents))
        if (
            earlier is not None
            and earlier.end <= item.start
            and not uncommented[earlier.end : item.start].strip()
            and (earlier.kind is item.kind or EntityKind.DECLARATION in {earlier.kind, item.kind})
        ):
            earlier.end = item.end
            earlier.again.append(item.name_at)
            if earlier.kind is EntityKind.DECLARATION:
                earlier.kind = item.kind
            continue
        latest[item.name, item.parents] = item
        joined.append(item)
    return joined

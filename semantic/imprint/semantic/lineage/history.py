"""The history of a symbol: the commits that made it what it is, back through renames of file and symbol."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imprint.semantic.lineage.tracing.walk import History, trace_definition
from imprint.semantic.naming import SEPARATORS, read_place
from imprint.store.errors import Missing

if TYPE_CHECKING:
    from imprint.semantic.lineage.past import Past
    from imprint.semantic.lineage.tracing.contents import Contents
    from imprint.semantic.lineage.tracing.steps import KeptSteps
    from imprint.semantic.parse.model import Entity
    from imprint.semantic.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which symbol is meant.

    Attributes:
        name: its name, perhaps qualified, or FILE:NAME; may be left out where a line is given.
        path: only in this file; empty for any.
        line: only what stands around this line of `path`, the innermost first; 0 for any.
    """

    name: str = ""
    path: bytes = b""
    line: int = 0


def symbol_history(
    snapshot: Snapshot,
    past: Past,
    contents: Contents,
    wanted: Wanted,
    steps: KeptSteps | None = None,
) -> History:
    """The history of a symbol that a commit has: of the likeliest where several fit, and which these are.

    Args:
        snapshot: the commit.
        past: the repository's past, limited to what may be shown.
        contents: the repository's contents.
        wanted: the symbol.
        steps: where steps are kept.

    Raises:
        Missing: nothing fits.
    """
    found = find_definitions(snapshot, wanted)
    if not found:
        asked = wanted.name or f"line {wanted.line}"
        raise Missing(
            f"nothing is defined at {asked!r} there",
            hint="name a symbol, or a path and a line of it; a search finds parts of names, and what is gone",
        )
    file, entity = found[0]
    others = tuple((snapshot.paths[other], rival) for other, rival in found[1:])
    number = past.find(snapshot.commit)
    if number is None:
        return History((), ("the commit is not in the change log",), others)
    place = snapshot.paths[file], snapshot.blob(file)
    history = trace_definition(past, contents, number, place, entity, steps)
    return replace(history, others=others)


def find_definitions(snapshot: Snapshot, wanted: Wanted) -> list[tuple[int, Entity]]:
    """The files and definitions that a question can mean, the likeliest first."""
    name, path, line = wanted.name, wanted.path, wanted.line
    file = snapshot.find_file(path) if path else None
    if not path:
        file, name = read_place(snapshot, name)
    # Routes and titles of tests are names with spaces, and have no parts.
    parts = SEPARATORS.split(name) if len(name.split()) < 2 else [name.strip()]  # noqa: PLR2004
    last, dotted = parts[-1], ".".join(part for part in parts if part)
    if path and file is None:
        return []
    files = [file] if file is not None else snapshot.find_defining(last) if last else []
    found = [
        (each, entity)
        for each in files
        for entity in snapshot.facts(each).entities
        if entity.name
        and (not line or entity.start_line <= line <= entity.end_line)
        and _fits(entity, dotted)
    ]
    found.sort(
        key=lambda pair: (
            pair[1].kind.value == "declaration",
            pair[1].qualified_name != dotted,
            pair[1].end_line - pair[1].start_line if line else 0,
            pair[1].kind.value == "route",  # its handler has the same lines, and the code
            snapshot.paths[pair[0]],
            pair[1].start_line,
        )
    )
    return found


def _fits(entity: Entity, dotted: str) -> bool:
    return not dotted or entity.qualified_name == dotted or entity.qualified_name.endswith(f".{dotted}")

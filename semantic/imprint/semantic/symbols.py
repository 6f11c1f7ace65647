"""Definitions and uses of a name at a commit, from the facts of the files that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.naming import read_name, read_place
from imprint.semantic.parse.model import EntityKind
from imprint.semantic.search.answer import ReferenceHit, SymbolHit

if TYPE_CHECKING:
    from imprint.semantic.parse.model import Entity
    from imprint.semantic.snapshot import Snapshot


def find_symbols(snapshot: Snapshot | None, asked: str) -> list[SymbolHit]:
    """Definitions of a name, which may be qualified (`Session.get`, `http::Client`, `src/http.py:Client`).

    Those in exactly the asked letters come first, then those in other letter case; within each by path and
    line. None where nothing is indexed.

    Raises:
        BadInput: no name was asked for.
    """
    file_asked, asked = read_place(snapshot, asked) if snapshot is not None else (None, asked)
    qualifier, name = read_name(asked)
    if snapshot is None:
        return []
    hits = [
        _hit(snapshot.paths[file], entity)
        for file in snapshot.find_defining(name)
        if file_asked in {None, file}
        for entity in snapshot.facts(file).entities
        if _is_named(entity, name) and _is_in(entity.container, qualifier)
    ]
    hits.sort(
        key=lambda hit: (hit.name != name, not hit.container.endswith(qualifier), hit.path, hit.start_line)
    )
    return hits


def _hit(path: bytes, entity: Entity) -> SymbolHit:
    return SymbolHit(
        path,
        entity.start_line,
        entity.end_line,
        entity.kind.value,
        entity.name,
        entity.container,
        entity.signature,
    )


def _is_named(entity: Entity, name: str) -> bool:
    return entity.kind is not EntityKind.MODULE and entity.name.casefold() == name.casefold()


def _is_in(container: str, qualifier: str) -> bool:
    return not qualifier or f".{container}".casefold().endswith(f".{qualifier}".casefold())


def find_references(snapshot: Snapshot | None, asked: str) -> list[ReferenceHit]:
    """Uses of a name in exactly the asked letters, by path and line; a qualifier is left out.

    Raises:
        BadInput: no name was asked for.
    """
    _, name = read_name(asked)
    if snapshot is None:
        return []
    hits = [
        ReferenceHit(snapshot.paths[file], use.line, use.kind.value, use.container, use.name)
        for file in snapshot.find_using(name)
        for use in snapshot.facts(file).references
        if use.name == name
    ]
    return sorted(hits, key=lambda hit: (hit.path, hit.line, hit.kind, hit.container))

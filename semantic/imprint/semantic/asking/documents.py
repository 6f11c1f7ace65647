"""Definitions, uses and changes as JSON. Paths are text as `imprint.store.paths.quote_path` writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from imprint.semantic.asking.model import Json
    from imprint.semantic.graph.model import Definition, Edge
    from imprint.semantic.lineage.model import EntityDelta, SymbolChange


def definition_json(found: Definition) -> Json:
    """A definition."""
    return {
        "path": quote_path(found.path),
        "start_line": found.start_line,
        "end_line": found.end_line,
        "line": found.line,
        "kind": found.kind,
        "name": found.name,
        "container": found.container,
        "signature": found.signature,
        "doc": found.doc,
    }


def place_json(found: Definition) -> Json:
    """A definition in short: where it is and how it is called."""
    return {
        "path": quote_path(found.path),
        "line": found.line,
        "kind": found.kind,
        "name": found.qualified_name,
    }


def edge_json(edge: Edge) -> Json:
    """A use and what it reaches: `target` is null where that is not known, and `missing` says why."""
    use = edge.use
    told: Json = {
        "path": quote_path(use.path),
        "line": use.line,
        "kind": use.kind,
        "container": use.container,
        "name": use.name,
        "qualifier": use.qualifier,
        "target": place_json(edge.target) if edge.target else None,
        "confidence": round(edge.confidence, 2),
    }
    if edge.reason is not None:
        told["reason"] = edge.reason.value
    if edge.missing:
        told["missing"] = edge.missing
    return told


def change_json(change: SymbolChange) -> Json:
    """A commit of a symbol's history."""
    return {
        "commit": change.commit,
        "time": change.time,
        "author": change.author,
        "subject": change.subject,
        "kinds": [kind.value for kind in change.kinds],
        "path": quote_path(change.path),
        "name": change.name,
        "start_line": change.start_line,
        "end_line": change.end_line,
    }


def delta_json(delta: EntityDelta) -> Json:
    """What became of a definition between two commits; `old` is null for a new one."""
    return {
        "kinds": [kind.value for kind in delta.kinds],
        "kind": delta.kind,
        "path": quote_path(delta.path),
        "name": delta.name,
        "start_line": delta.start_line,
        "end_line": delta.end_line,
        "old": {
            "path": quote_path(delta.old_path),
            "name": delta.old_name,
            "start_line": delta.old_start_line,
            "end_line": delta.old_end_line,
        }
        if delta.old_name or delta.old_path
        else None,
    }

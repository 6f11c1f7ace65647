"""Questions about the past: a symbol's history, what two commits differ in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.asking.documents import change_json, delta_json
from imprint.semantic.asking.model import Kind, Parameter, Question
from imprint.semantic.asking.structure import standing
from imprint.semantic.lineage.compare import compare
from imprint.semantic.lineage.history import Wanted, symbol_history
from imprint.semantic.lineage.model import ChangeKind
from imprint.semantic.lineage.tracing.contents import Contents
from imprint.store.errors import BadInput
from imprint.store.origins.passages import commit_origins
from imprint.store.paths import quote_path, unquote_path
from imprint.store.view import resolve_commit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from imprint.semantic.asking.model import Json, Standpoint
    from imprint.store.types import ObjectId

DELTAS_DEFAULT: Final = 200
"""Definitions that one comparison lists unless more are asked for."""
_CHANGES_DEFAULT: Final = 50


def _history(here: Standpoint, asked: Mapping[str, Any]) -> Json:
    if not asked["name"] and not (asked["path"] and asked["line"]):
        raise BadInput("no symbol was named", hint="give a name, or a path and a line")
    snapshot = here.library.snapshot(here.view, asked["ref"])
    if snapshot is None:
        return standing(None) | {"complete": False, "missing": [], "left_out": 0, "changes": [], "others": []}
    wanted = Wanted(asked["name"] or "", unquote_path(asked["path"] or ""), asked["line"] or 0)
    contents = _open_contents(here)
    found = symbol_history(snapshot, here.past(), contents, wanted, here.steps)
    changes = found.changes[: asked["limit"]]
    told = [change_json(change) for change in changes]
    if asked["why"]:
        _add_origins(here, snapshot.commit, told)
    return standing(snapshot) | {
        "complete": not found.missing and len(changes) == len(found.changes),
        "missing": list(found.missing),
        "left_out": len(found.changes) - len(changes),
        "changes": told,
        "others": [
            {
                "path": quote_path(path),
                "line": entity.line,
                "kind": entity.kind.value,
                "name": entity.qualified_name,
            }
            for path, entity in found.others[:20]
        ],
    }


def _open_contents(here: Standpoint) -> Contents:
    """The repository's contents, with what is indexed of them."""
    return Contents(here.view, here.library.extract_definitions, here.library.contents())


def _add_origins(here: Standpoint, commit: ObjectId, changes: list[Json]) -> None:
    """Say of each change whose it was, and from which prompt, as far as the caller may know."""
    known = here.origins(commit)
    commits = [change["commit"] for change in changes]
    told = commit_origins(here.view, known, commits, here.prompts)
    for change in changes:
        change["origin"] = told.get(change["commit"])


def _diff(here: Standpoint, asked: Mapping[str, Any]) -> Json:
    old, new = (resolve_commit(here.view, asked[name]) for name in ("base", "ref"))
    found = compare(here.view, old, new, _open_contents(here))
    deltas = found.deltas
    if asked["path"]:
        prefix = unquote_path(asked["path"]).rstrip(b"/")
        below = (prefix, prefix + b"/")
        deltas = tuple(
            each
            for each in deltas
            if any(path == below[0] or path.startswith(below[1]) for path in (each.path, each.old_path))
        )
    shown = deltas[: asked["limit"]]
    counts = {kind.value: sum(kind in each.kinds for each in deltas) for kind in ChangeKind}
    return {
        "commit": new,
        "behind": 0,
        "base": old,
        "files": found.files,
        "complete": not found.left_out and len(shown) == len(deltas),
        "left_out": len(deltas) - len(shown),
        "files_left_out": found.left_out,
        "counts": {kind: count for kind, count in counts.items() if count},
        "deltas": [delta_json(delta) for delta in shown],
    }


HISTORY: Final = Question(
    "history",
    "The commits that introduced, changed, renamed, moved or removed a symbol.",
    "Ask before you change code that looks odd: with `why`, each commit carries who or what made it and from "
    "which prompt.",
    (
        Parameter("name", "a name, or Container.name", most=1_000, is_argument=True),
        Parameter("path", "only in this file", most=20_000),
        Parameter("line", "what stands around this line of the file", Kind.NUMBER, least=1, most=10_000_000),
        Parameter(
            "limit", "commits at most, newest first", Kind.NUMBER,
            default=_CHANGES_DEFAULT, least=1, most=1_000,
        ),
        Parameter("why", "say of each commit where it comes from", Kind.YES, default=False),
    ),
    _history,
    "changes",
)  # fmt: skip
DIFF: Final = Question(
    "diff",
    "What two commits differ in, definition by definition: added, removed, moved, renamed, changed.",
    "Ask to review a branch: formatting and comments do not count as a change of a body.",
    (
        Parameter("base", "the older branch, tag or commit", required=True, most=1_000, is_argument=True),
        Parameter("path", "only below this path", most=20_000),
        Parameter("limit", "definitions at most", Kind.NUMBER, default=DELTAS_DEFAULT, least=1, most=5_000),
    ),
    _diff,
    "deltas",
)

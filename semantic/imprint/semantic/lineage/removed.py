"""What is gone: when content left the history's tips, by which commit, and symbols that are no more.

Invariants:
    1. Content that a tip still has is not gone, whatever commits took it out of other paths.
    2. What took content away is a commit's own change, never a merge that repeats one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.semantic.lineage.log.segment import MERGED
from imprint.semantic.lineage.model import Removal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.semantic.lineage.past import Past, PathTouch
    from imprint.semantic.lineage.tracing.contents import Contents
    from imprint.semantic.parse.model import Entity
    from imprint.store.types import ObjectId

CONTENTS_MAX: Final = 200
"""Contents that one question about a removed symbol reads; docs/limits.md."""


def find_removals(
    past: Past, blobs: Iterable[ObjectId], present: frozenset[ObjectId] | set[ObjectId] = frozenset()
) -> dict[ObjectId, Removal]:
    """For each content that is gone: the newest commit that took it away, and from which path.

    Args:
        past: the repository's past, limited to what may be shown.
        blobs: the contents.
        present: contents that the tips have; they are left out, as is what no commit took away.
    """
    found = {}
    for blob in blobs:
        if blob in present:
            continue
        ends = [touch for touch in past.touches_of_content(blob, taken_away=True) if _ends(touch, blob)]
        if ends:
            end = max(ends, key=lambda touch: touch.number)
            found[blob] = Removal(
                end.old_path, past.commit(end.number), past.time(end.number), past.subject(end.number)
            )
    return found


def _ends(touch: PathTouch, blob: ObjectId) -> bool:
    return touch.kind != MERGED and touch.new != blob


@dataclass(frozen=True, slots=True)
class RemovedSymbol:
    """A definition that is no more: the last content that had it, where in it, and what took it away."""

    entity: Entity
    blob: ObjectId
    removal: Removal


def find_removed_symbols(
    past: Past, name: str, candidates: Iterable[tuple[bytes, ObjectId]], contents: Contents
) -> list[RemovedSymbol]:
    """Definitions of a name that a commit took away, newest first, one for each path and qualified name.

    Args:
        past: the repository's past, limited to what may be shown.
        name: the name, perhaps qualified.
        candidates: contents to look into, with a path of each; `CONTENTS_MAX` of them are read.
        contents: the repository's contents.
    """
    found: dict[tuple[bytes, str], tuple[int, RemovedSymbol]] = {}
    looked_at = list(candidates)[:CONTENTS_MAX]
    contents.prepare(blob for _, blob in looked_at)
    for path, blob in looked_at:
        for entity in _defined(contents.entities(path, blob), name):
            for end in past.touches_of_content(blob, taken_away=True):
                if not _ends(end, blob) or _still_has(end, entity, contents):
                    continue
                number = end.number
                removal = Removal(end.old_path, past.commit(number), past.time(number), past.subject(number))
                key = end.old_path, entity.qualified_name
                if key not in found or found[key][0] < number:
                    found[key] = number, RemovedSymbol(entity, blob, removal)
    return [symbol for _, symbol in sorted(found.values(), key=lambda each: -each[0])]


def _defined(entities: Iterable[Entity], name: str) -> list[Entity]:
    return [
        entity
        for entity in entities
        if entity.name and (entity.qualified_name == name or entity.qualified_name.endswith(f".{name}"))
    ]


def _still_has(end: PathTouch, entity: Entity, contents: Contents) -> bool:
    """Whether the content that came instead defines the same."""
    if end.new is None or entity.name.encode() not in contents.read(end.new):
        return False
    return any(
        other.qualified_name == entity.qualified_name for other in contents.entities(end.path, end.new)
    )

"""What the other files of a commit lost, and what older contents of a file had.

Invariant: what is left out cannot be an answer. A definition of whose name there is one on both sides stayed;
an older content that by the index does not define a name had nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.lineage.tracing.identity import define, find_gone, list_doubtful

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from imprint.semantic.lineage.past import PathTouch
    from imprint.semantic.lineage.tracing.contents import Contents
    from imprint.semantic.lineage.tracing.identity import Defined
    from imprint.semantic.parse.model import Entity
    from imprint.store.types import ObjectId


def list_lost(
    contents: Contents, others: Sequence[PathTouch], name: bytes
) -> list[tuple[Defined, PathTouch]]:
    """The definitions that files lost; of files that stayed, only where the older text has a name.

    Args:
        contents: the repository's contents.
        others: what one commit did to files.
        name: the name.
    """
    contents.prepare([other.old for other in others if other.old])
    named = [other for other in others if other.old and (not other.new or name in contents.read(other.old))]
    if contents.known is not None:
        contents.known.prepare(
            (path, blob)
            for other in named
            for path, blob in ((other.old_path, other.old), (other.path, other.new))
            if blob
        )
    lost: list[tuple[Defined, PathTouch]] = []
    for other in named:
        if other.old is None:
            continue
        old = contents.entities(other.old_path, other.old)
        new = contents.entities(other.path, other.new) if other.new else ()
        doubtful = list_doubtful(old, new)
        before = _define(contents, other.old_path, other.old, old, doubtful)
        left = _define(contents, other.path, other.new, new, doubtful) if other.new else []
        lost.extend((each, other) for each in find_gone(before, left))
    return lost


def may_define(contents: Contents, earlier: Sequence[PathTouch], name: str) -> bool:
    """Whether an older content of some touches defines a name; where one is not indexed, it may."""
    known = contents.known
    if known is None:
        return True
    older = [(each.old_path, each.old) for each in earlier if each.old]
    known.prepare(older)
    return any(named is None or named for named in (known.named(path, blob, name) for path, blob in older))


def _define(
    contents: Contents, path: bytes, blob: ObjectId, entities: Iterable[Entity], names: Collection[str]
) -> list[Defined]:
    """Those definitions of a content that have one of some names."""
    some = [each for each in entities if each.name in names]
    return define(path, contents.lines(blob), some) if some else []

"""What a file defines, nested as it stands there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imprint.semantic.parse.model import EntityKind
from imprint.store.errors import PathMissing
from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from imprint.semantic.parse.model import Entity
    from imprint.semantic.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Outline:
    """A file's definitions in order of position.

    Attributes:
        path: the file.
        language: its language.
        skipped: why nothing was extracted from it; None if something was.
        entities: each with how many others it stands in.
    """

    path: bytes
    language: str
    skipped: str | None
    entities: tuple[tuple[int, Entity], ...]


def read_outline(snapshot: Snapshot, path: bytes) -> Outline:
    """The outline of a file.

    Raises:
        PathMissing: the commit has no regular file of this path.
    """
    file = snapshot.find_file(path)
    if file is None:
        raise PathMissing(
            f"no file {quote_path(path)} at {snapshot.commit}", hint="a path counts from the root of the tree"
        )
    facts = snapshot.facts(file)
    nested = []
    around: list[Entity] = []
    for entity in facts.entities:
        if entity.kind is EntityKind.MODULE:
            continue
        while around and around[-1].end_line < entity.start_line:
            around.pop()
        while around and not _holds(around[-1], entity):
            around.pop()
        nested.append((len(around), entity))
        around.append(entity)
    return Outline(path, facts.language, snapshot.skipped(file), tuple(nested))


def _holds(outer: Entity, inner: Entity) -> bool:
    if outer.end_line < inner.end_line:
        return False
    return inner.container == outer.qualified_name or inner.container.startswith(f"{outer.qualified_name}.")

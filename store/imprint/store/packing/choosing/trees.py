"""What a tree has that others have not.

Trees are compared by whole lines, and only the few that differ are taken apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imprint.store.packing.choosing.contents import Contents

TREE_MODE: Final = b"40000"
LINK_MODE: Final = b"160000"
"""Of a line that names a commit of another repository, which is not here."""


class Line(NamedTuple):
    """A line of a tree."""

    mode: bytes
    name: bytes
    raw_id: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """How a tree differs from others.

    Attributes:
        new: its lines that none of the others has.
        replaced: lines of the others that it has not.
    """

    new: frozenset[bytes]
    replaced: list[bytes] = field(default_factory=list)

    def read_replaced(self) -> dict[bytes, list[Line]]:
        """What was replaced, by name."""
        found: dict[bytes, list[Line]] = {}
        for line in read_lines(self.replaced):
            found.setdefault(line.name, []).append(line)
        return found


def compare_trees(contents: Contents, tree: bytes, others: Iterable[bytes]) -> Difference:
    """Compare a tree with others, each by its raw id.

    Raises:
        Absent: one of them is not in the stock, or no tree.
    """
    new = lines = contents.read_tree(tree)
    replaced: list[bytes] = []
    for other in others:
        old = contents.read_tree(other)
        new -= old
        replaced += old - lines
    return Difference(new, replaced)


def read_lines(lines: Iterable[bytes]) -> Iterator[Line]:
    """What lines say."""
    for line in lines:
        head, _, raw_id = line.partition(b"\0")
        mode, _, name = head.partition(b" ")
        yield Line(mode, name, raw_id)


def pick_trees(lines: Iterable[Line]) -> tuple[bytes, ...]:
    """The raw ids of those that are trees."""
    return tuple(line.raw_id for line in lines if line.mode == TREE_MODE)

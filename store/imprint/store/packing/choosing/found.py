"""What was found about commits: which of them a client lacks, and what each brings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

_OWN_BYTES: Final = 500
_COMMIT_BYTES: Final = 500
"""What a new commit takes in what a walk found."""
_ID_BYTES: Final = 64
"""What an id takes with its place in a tuple."""
_PAIR_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Brought:
    """What a commit has that its parents have not at the same paths; objects by raw id.

    Attributes:
        trees: that the commit brings.
        blobs: likewise; those of other repositories, which its tree may name, are not among them.
        likes: pairs of an object that it brings and the one that was at the same path, of the same mode.
        replaced: what the trees of its parents have where its own has something else, or nothing.
    """

    trees: tuple[bytes, ...]
    blobs: tuple[bytes, ...]
    likes: tuple[tuple[bytes, bytes], ...]
    replaced: tuple[bytes, ...]

    def count_bytes(self) -> int:
        """How much memory it takes, about."""
        ids = len(self.trees) + len(self.blobs) + len(self.replaced)
        return _OWN_BYTES + _ID_BYTES * ids + _PAIR_BYTES * len(self.likes)


@dataclass(slots=True)
class Walked:
    """What a walk found.

    Attributes:
        new: commits that the client lacks, each behind its parents.
        trees: the raw id of the tree of every commit that is new, or a parent of one.
        parents: of every new commit, less those that are cut off.
    """

    new: list[bytes] = field(default_factory=list)
    trees: dict[bytes, bytes] = field(default_factory=dict)
    parents: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)

    def count_bytes(self) -> int:
        """How much memory it takes, about."""
        return _OWN_BYTES + _COMMIT_BYTES * len(self.new)

"""What was found about commits: which of them a client lacks, and what each brings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from imprint.store.packing.files.multi import MultiIndex

    Words = npt.NDArray[np.uint64]

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


@dataclass(frozen=True, slots=True)
class Apart:
    """What is to be sent, and what need not be, as bits by the numbers of one multi-pack-index.

    Attributes:
        words: bits of the objects that are to be sent,
        others: and the raw ids of those that no bit stands for.
        had_words: bits of what the haves reach,
        had_others: and raw ids likewise.
        is_joined: whether the wants reach one of the haves.
    """

    words: Words
    others: tuple[bytes, ...]
    had_words: Words
    had_others: frozenset[bytes]
    is_joined: bool

    def has(self, index: MultiIndex, raw_id: bytes) -> bool:
        """Whether the haves reach an object."""
        at = index.ids.find(raw_id)
        return _is_set(self.had_words, int(index.numbers[at])) if at >= 0 else raw_id in self.had_others

    def sends(self, index: MultiIndex, raw_id: bytes) -> bool:
        """Whether an object is to be sent."""
        at = index.ids.find(raw_id)
        return _is_set(self.words, int(index.numbers[at])) if at >= 0 else raw_id in self.others

    def count_bytes(self) -> int:
        """How much memory it takes, about."""
        ids = len(self.others) + len(self.had_others)
        return _OWN_BYTES + self.words.nbytes + self.had_words.nbytes + _ID_BYTES * ids


def _is_set(words: Words, bit: int) -> bool:
    return bool(int(words[bit >> 6]) >> (bit & 63) & 1)

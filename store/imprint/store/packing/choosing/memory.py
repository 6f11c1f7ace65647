"""What making one pack taught, for the next: neighbours in history need the same.

All of it is known by ids of objects, whatever repository it was found in: what a commit brings, what a tag
names, and how an object is a delta of another, never changes. It is only looked for where that object is
about to be sent.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from imprint.store.packing.weighed import Weighed

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt

    from imprint.store.packing.choosing.found import Apart, Brought, Walked

    Integers = npt.NDArray[np.int64]

_ENTRIES_SHARE: Final = 0.68
_BROUGHT_SHARE: Final = 0.18
_TAGS_SHARE: Final = 0.03
_WALKS_SHARE: Final = 0.04
_APARTS_SHARE: Final = 0.04
_BITS_SHARE: Final = 0.03
_TAG_BYTES: Final = 250
_OWN_BYTES: Final = 250
"""What an entry takes beside its bytes."""


class PackMemory:
    """What is remembered of packs that were made. Safe to share between threads.

    Args:
        bytes_max: of memory; 0 remembers nothing.
    """

    def __init__(self, bytes_max: int) -> None:
        self._entries: Weighed[tuple[int, bytes]] = Weighed(int(_ENTRIES_SHARE * bytes_max))
        self._brought: Weighed[Brought] = Weighed(int(_BROUGHT_SHARE * bytes_max))
        self._tags: Weighed[bytes] = Weighed(int(_TAGS_SHARE * bytes_max))
        self._walks: Weighed[Walked] = Weighed(int(_WALKS_SHARE * bytes_max))
        self._aparts: Weighed[Apart] = Weighed(int(_APARTS_SHARE * bytes_max))
        self._bits: Weighed[Integers] = Weighed(int(_BITS_SHARE * bytes_max))

    @property
    def size_bytes(self) -> int:
        """Memory that is taken."""
        kept = (self._entries, self._brought, self._tags, self._walks, self._aparts, self._bits)
        return sum(each.size_bytes for each in kept)

    def find_entry(self, raw_id: bytes, base: bytes = b"") -> tuple[int, bytes] | None:
        """The type number and entry of an object, whole or as a delta of `base`; None if it is not here."""
        return self._entries.find(raw_id + base)

    def keep_entry(self, raw_id: bytes, kind: int, entry: bytes, base: bytes = b"") -> None:
        """Keep an entry for a while."""
        self._entries.keep(raw_id + base, (kind, entry), len(entry) + _OWN_BYTES)

    def find_brought(self, commit: bytes) -> Brought | None:
        """What a commit brings that its parents have not; None if it is not here."""
        return self._brought.find(commit)

    def keep_brought(self, commit: bytes, brought: Brought) -> None:
        """Keep it for a while."""
        self._brought.keep(commit, brought, brought.count_bytes())

    def find_tag(self, tag: bytes) -> bytes | None:
        """What an annotated tag names; None if it is not here."""
        return self._tags.find(tag)

    def keep_tag(self, tag: bytes, target: bytes) -> None:
        """Keep it for a while."""
        self._tags.keep(tag, target, _TAG_BYTES)

    def find_walk(self, key: bytes) -> Walked | None:
        """Which commits a client lacks, by what `name_walk` says; None if it is not here."""
        return self._walks.find(key)

    def keep_walk(self, key: bytes, walked: Walked) -> None:
        """Keep it for a while: what a client is told of its haves, and its pack, need the same."""
        self._walks.keep(key, walked, walked.count_bytes())

    def find_apart(self, key: bytes) -> Apart | None:
        """What wants reach and haves do not, by what `name_walk` says; None if it is not here."""
        return self._aparts.find(key)

    def keep_apart(self, key: bytes, apart: Apart) -> None:
        """Keep it for a while, as a walk."""
        self._aparts.keep(key, apart, apart.count_bytes())

    def find_bits(self, key: bytes) -> Integers | None:
        """Which bits stand for what a commit brings; None if it is not here.

        Args:
            key: the checksum of the multi-pack-index, and the commit's raw id.
        """
        return self._bits.find(key)

    def keep_bits(self, key: bytes, bits: Integers) -> None:
        """Keep them for a while."""
        self._bits.keep(key, bits, bits.nbytes + _OWN_BYTES)

    def let_go(self) -> None:
        """Drop all of it."""
        self._entries.let_go()
        self._brought.let_go()
        self._tags.let_go()
        self._walks.let_go()
        self._aparts.let_go()
        self._bits.let_go()


def name_walk(wants: Iterable[bytes], haves: Iterable[bytes], cut: Iterable[bytes]) -> bytes:
    """What a walk depends on, as one key."""
    digest = hashlib.blake2b(digest_size=20)
    for raw_ids in (wants, haves, cut):
        digest.update(b"".join(sorted(raw_ids)) + b"|")
    return digest.digest()

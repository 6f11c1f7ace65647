"""What each object of a pack that git has checked is, without asking git once more.

Invariant: it says what git says of the same pack, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from imprint.store.objects.ports import ObjectKind
from imprint.store.packing.files.listing import LISTED_MAX, Listing
from imprint.store.packing.files.mapped import BadFile
from imprint.store.packing.files.pack import BLOB, COMMIT, TAG, TREE
from imprint.store.types import HashAlgorithm, ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KINDS: Final = {
    COMMIT: ObjectKind.COMMIT,
    TREE: ObjectKind.TREE,
    BLOB: ObjectKind.BLOB,
    TAG: ObjectKind.TAG,
}


class PackKinds(Mapping[ObjectId, ObjectKind]):
    """The kind of every object of one pack, by id. Made by `list_kinds`.

    Args:
        listing: of the pack.
        algorithm: how its ids are made.
    """

    def __init__(self, listing: Listing, algorithm: HashAlgorithm) -> None:
        self._listing = listing
        self._algorithm = algorithm

    def __getitem__(self, object_id: ObjectId) -> ObjectKind:
        """What an object is; `KeyError` for one that is not in the pack."""
        found = None
        if len(object_id) == self._algorithm.hex_length:
            found = self._listing.find_kind(bytes.fromhex(object_id))
        if found is None:
            raise KeyError(object_id)
        return _KINDS[found]

    def __iter__(self) -> Iterator[ObjectId]:
        return (ObjectId(raw_id.hex()) for raw_id in self._listing.list_ids())

    def __len__(self) -> int:
        return len(self._listing)

    @property
    def largest_bytes(self) -> int:
        """The length of the longest object, inflated."""
        return int(self._listing.sizes.max(initial=0))

    def list_blobs(self, sizes: range, count_max: int) -> tuple[ObjectId, ...]:
        """Blobs that have one of the lengths, so many at most."""
        return tuple(ObjectId(raw_id.hex()) for raw_id in self._listing.list_blobs(sizes, count_max))

    def list_absent(self, lines: bytes) -> list[ObjectId]:
        """Those of the ids, one a line, that are not in the pack."""
        raw, width = bytes.fromhex(lines.decode("ascii")), self._algorithm.hex_length // 2
        raw_ids = [raw[at : at + width] for at in range(0, len(raw), width)]
        return [ObjectId(each.hex()) for each in self._listing.list_absent(raw_ids)]


def list_kinds(stem: Path, count: int, algorithm: HashAlgorithm) -> PackKinds | None:
    """What a pack's objects are; None where git is to be asked.

    Args:
        stem: the path of a pack that index-pack has checked, without `.pack`.
        count: how many objects it has.
        algorithm: how its ids are made.
    """
    if count > LISTED_MAX:
        return None
    try:
        return PackKinds(Listing(stem, algorithm.hex_length // 2), algorithm)
    except (OSError, BadFile):
        return None


def list_absent(held: Mapping[ObjectId, ObjectKind], lines: bytes) -> list[ObjectId]:
    """Those of the ids, one a line, that are not among the objects held."""
    if isinstance(held, PackKinds):
        return held.list_absent(lines)
    ids = map(ObjectId, lines.decode("ascii").split())
    return [each for each in ids if each not in held]

"""The listing of a tree from that of another, by the files in which they differ.

Invariants:
    1. What is derived equals what `Listing.build` gives, array for array.
    2. Only a listing whose every file was told by its own row is derived from: what another row told, or none
       did, may be told better by now.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from imprint.semantic.index.flavours import flavour
from imprint.semantic.index.ports import BlobKey
from imprint.semantic.index.postings import COUNT_MAX, Postings, StringTable
from imprint.semantic.search.listing import NOT_HERE, Listing, known_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.index.ports import BlobRow
    from imprint.store.objects.difference import FileChange


def keys_of(changes: Sequence[FileChange], *, new: bool) -> set[BlobKey]:
    """The keys of what changed files hold now, or held before."""
    held = ((change.path, change.new if new else change.old) for change in changes)
    return {BlobKey(blob, flavour(path)) for path, blob in held if blob}


def derive(base: Listing, changes: Sequence[FileChange], rows: Mapping[BlobKey, BlobRow]) -> Listing | None:
    """The listing of the tree that differs from another by these files, in path order.

    `rows` are those of all keys before and after. None where a row or a file of the other is missing, or
    where nothing would be left.
    """
    if not rows.keys() >= keys_of(changes, new=True) | keys_of(changes, new=False):
        return None
    places = find_places(base, (change.path for change in changes))
    for change, place in zip(changes, places, strict=True):
        there = place < len(base) and base.decoded_paths[place] == change.path
        if there != (change.old is not None) or (there and base.blob(place) != change.old):
            return None
    edit = _Edit(len(base), changes, places)
    if not edit.length:
        return None
    ids = [rows[BlobKey(change.new, flavour(change.path))].id for change in changes if change.new]
    raw = [bytes.fromhex(change.new) for change in changes if change.new]
    blobs = edit.put(base.blobs.reshape(len(base), -1), np.frombuffer(b"".join(raw), np.uint8))
    same_paths = not len(edit.gone) and not len(edit.added)
    paths = base.decoded_paths if same_paths else edit.edit_paths(base.decoded_paths)
    derived = Listing(
        paths=base.paths if same_paths else StringTable.build(paths),
        row_ids=edit.put(base.row_ids, np.array(ids, np.int64)),
        blobs=blobs.reshape(-1),
        words=base.words if same_paths else _edit_words(base.words, edit),
        skipped=_count_skipped(base.skipped, changes, rows),
    )
    derived.take_paths(paths, base if same_paths else None)
    return derived


def find_places(listing: Listing, paths: Iterable[bytes]) -> list[int]:
    """The number of each path in a listing; where it would be in it, if it is not."""
    return [bisect_left(listing.decoded_paths, path) for path in paths]


class _Edit:
    """What happens to the files of a listing, by number.

    Attributes:
        gone: numbers before of files that go.
        added: numbers before which files come, before; ascending, as their paths do.
        new_paths: the paths that come.
        length: how many files there are after.
    """

    def __init__(self, length: int, changes: Sequence[FileChange], places: Sequence[int]) -> None:
        pairs = list(zip(changes, places, strict=True))
        self.gone = np.array([place for change, place in pairs if not change.new], np.int64)
        self.added = np.array([place for change, place in pairs if not change.old], np.int64)
        self.new_paths = [change.path for change in changes if not change.old]
        self.length = length + len(self.added) - len(self.gone)
        self._before = length
        self._held = np.array([place for change, place in pairs if change.new], np.int64)
        self._is_added = np.array([not change.old for change in changes if change.new], bool)

    def put(self, column: Array, held: Array) -> Array:
        """A column after: `held` has the values of all changed files that are there after, in order."""
        held = held.reshape(-1, *column.shape[1:]).astype(column.dtype)
        changed = column.copy()
        changed[self._held[~self._is_added]] = held[~self._is_added]
        return self.move(changed, held[self._is_added])

    def move(self, column: Array, coming: Array) -> Array:
        """A column after, where no file that stays has another value."""
        if len(self.gone):
            column = np.delete(column, self.gone, 0)
        if len(self.added):
            column = np.insert(column, self.added - np.searchsorted(self.gone, self.added), coming, 0)
        return column

    def edit_paths(self, paths: Sequence[bytes]) -> list[bytes]:
        """The paths after."""
        edited: list[bytes] = []
        done = 0
        steps = [(place, 0, path) for place, path in zip(self.added.tolist(), self.new_paths, strict=True)]
        for place, goes, path in sorted(steps + [(place, 1, b"") for place in self.gone.tolist()]):
            edited += paths[done:place]
            edited += [] if goes else [path]
            done = place + goes
        return edited + list(paths[done:])

    def new_numbers(self) -> tuple[Array, Array]:
        """Of each file before its number after, -1 if it goes; and the numbers of those that come."""
        moved = self.move(np.arange(self._before), np.full(len(self.added), -1))
        numbers = np.full(self._before, -1, np.int64)
        there = np.flatnonzero(moved >= 0)
        numbers[moved[there]] = there
        return numbers, np.flatnonzero(moved < 0)


def _edit_words(words: Postings, edit: _Edit) -> Postings:
    """The postings with what goes taken out and what comes put in, each string's items still ascending."""
    numbers, coming = edit.new_numbers()
    items = numbers[words.items]
    stays = items >= 0
    of = np.repeat(np.arange(len(words.strings)), np.diff(words.starts))[stays]
    items, counts = items[stays], words.counts[stays]
    new = [
        (word.encode("utf-8", "replace"), number, min(count, COUNT_MAX))
        for number, path in zip(coming.tolist(), edit.new_paths, strict=True)
        for word, count in Counter(known_terms(path)).items()
    ]
    old_strings = words.strings.decode()
    used = np.bincount(of, minlength=len(old_strings)) > 0
    strings = sorted(
        {string for string, is_used in zip(old_strings, used.tolist(), strict=True) if is_used}.union(
            string for string, _, _ in new
        )
    )
    places = {string: place for place, string in enumerate(strings)}
    of = np.array([places.get(string, -1) for string in old_strings], np.int64)[of]
    new.sort(key=lambda one: (places[one[0]], one[1]))
    new_of = np.array([places[string] for string, _, _ in new], np.int64)
    new_items = np.array([number for _, number, _ in new], np.int64)
    at = np.searchsorted(of * edit.length + items, new_of * edit.length + new_items)
    starts = np.zeros(len(strings) + 1, np.int64)
    np.cumsum(np.bincount(np.concatenate([of, new_of]), minlength=len(strings)), out=starts[1:])
    return Postings(
        StringTable.build(strings),
        starts,
        np.insert(items, at, new_items).astype(np.uint32),
        np.insert(counts, at, [count for _, _, count in new]).astype(np.uint16),
    )


def _count_skipped(
    before: Mapping[str, int], changes: Sequence[FileChange], rows: Mapping[BlobKey, BlobRow]
) -> dict[str, int]:
    counts = Counter(before)
    for change in changes:
        for blob, worth in ((change.old, -1), (change.new, 1)):
            if blob and (reason := rows[BlobKey(blob, flavour(change.path))].skipped):
                counts[reason] += worth
    return {reason: count for reason, count in sorted(counts.items()) if count}


def can_be_base(listing: Listing) -> bool:
    """Whether another listing may be derived from this one; see invariant 2."""
    return listing.is_own and len(listing) > 0 and NOT_HERE not in listing.skipped

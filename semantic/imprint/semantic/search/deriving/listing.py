"""The listing of a tree from that of another, by the files in which they differ.

Invariants:
    1. What is derived equals what `Listing.build` gives, array for array.
    2. A file that another flavour's row told is looked up anew, whether it changed or not: it may have a row
       of its own by now. A listing with a file that no row told is not derived from.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imprint.semantic.index.flavours import flavour
from imprint.semantic.index.ports import BlobKey
from imprint.semantic.index.postings import COUNT_MAX, Postings, StringTable
from imprint.semantic.search.listing import NOT_HERE, Listing, known_terms
from imprint.store.objects.difference import FileChange
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.index.ports import BlobRow


def keys_of(changes: Sequence[FileChange], *, new: bool) -> set[BlobKey]:
    """The keys of what changed files hold now, or held before."""
    held = ((change.path, change.new if new else change.old) for change in changes)
    return {BlobKey(blob, flavour(path)) for path, blob in held if blob}


def list_again(base: Listing, changes: Sequence[FileChange]) -> Sequence[FileChange]:
    """The changes with every other file that was borrowed, as one whose content stays; in path order."""
    if not len(base.borrowed):
        return changes
    changed = {change.path for change in changes}
    raw = base.raw_blobs[base.borrowed]
    text, width = raw.tobytes().hex(), 2 * raw.shape[1]
    blobs = [ObjectId(text[begin : begin + width]) for begin in range(0, len(text), width)]
    paths = map(base.decoded_paths.__getitem__, base.borrowed.tolist())
    again = [
        FileChange(path, blob, blob) for path, blob in zip(paths, blobs, strict=True) if path not in changed
    ]
    return sorted([*changes, *again], key=lambda change: change.path)


class Told(NamedTuple):
    """What tells of files that change.

    Attributes:
        rows: the rows of their keys, before and after.
        kin: of keys that have none, a row of the same content.
        reasons: by the id of each row that told before, why nothing was extracted.
    """

    rows: Mapping[BlobKey, BlobRow]
    kin: Mapping[BlobKey, BlobRow]
    reasons: Mapping[int, str | None]

    def find(self, key: BlobKey) -> BlobRow | None:
        """The row that tells of a key."""
        return self.rows.get(key) or self.kin.get(key)


def derive(base: Listing, changes: Sequence[FileChange], told: Told) -> Listing | None:
    """The listing of the tree that differs from another by these files, `list_again` said.

    None where a row or a file of the other is missing, or where nothing would be left.
    """
    places = find_places(base, (change.path for change in changes))
    if not _are_there(base, changes, places):
        return None
    edit = _Edit(len(base), changes, places)
    keys = [BlobKey(change.new, flavour(change.path)) for change in changes if change.new]
    rows = [row for row in map(told.find, keys) if row]
    skipped = _count_skipped(base, edit.held_before, rows, told)
    if not edit.length or len(rows) < len(keys) or skipped is None:
        return None
    raw = [bytes.fromhex(change.new) for change in changes if change.new]
    blobs = edit.put(base.raw_blobs, np.frombuffer(b"".join(raw), np.uint8))
    same_paths = not len(edit.gone) and not len(edit.added)
    paths = base.decoded_paths if same_paths else edit.edit_paths(base.decoded_paths)
    derived = Listing(
        paths=base.paths if same_paths else StringTable.build(paths),
        row_ids=edit.put(base.row_ids, np.array([row.id for row in rows], np.int64)),
        blobs=blobs.reshape(-1),
        words=base.words if same_paths else _edit_words(base.words, edit),
        skipped=skipped,
        borrowed=np.flatnonzero(
            edit.put(np.zeros(len(base), bool), np.array([key not in told.rows for key in keys], bool))
        ),
    )
    derived.take_paths(paths, base if same_paths else None)
    return derived


def find_places(listing: Listing, paths: Iterable[bytes]) -> list[int]:
    """The number of each path in a listing; where it would be in it, if it is not."""
    return [bisect_left(listing.decoded_paths, path) for path in paths]


def _are_there(base: Listing, changes: Sequence[FileChange], places: Sequence[int]) -> bool:
    """Whether the files that changed are in the listing as they were before."""
    paths, many = base.decoded_paths, len(base)
    for change, place in zip(changes, places, strict=True):
        if (place < many and paths[place] == change.path) != (change.old is not None):
            return False
    held = [place for change, place in zip(changes, places, strict=True) if change.old]
    before = bytes.fromhex("".join(change.old for change in changes if change.old))
    return base.raw_blobs[held].tobytes() == before


class _Edit:
    """What happens to the files of a listing, by number.

    Attributes:
        gone: numbers before of files that go.
        added: numbers before which files come, before; ascending, as their paths do.
        held_before: numbers before of files that go or change.
        new_paths: the paths that come.
        length: how many files there are after.
    """

    def __init__(self, length: int, changes: Sequence[FileChange], places: Sequence[int]) -> None:
        pairs = list(zip(changes, places, strict=True))
        self.gone = np.array([place for change, place in pairs if not change.new], np.int64)
        self.added = np.array([place for change, place in pairs if not change.old], np.int64)
        self.held_before = np.array([place for change, place in pairs if change.old], np.int64)
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

    def edit_paths(self, paths: Sequence[bytes]) -> tuple[bytes, ...]:
        """The paths after."""
        edited: list[bytes] = []
        done = 0
        steps = [(place, 0, path) for place, path in zip(self.added.tolist(), self.new_paths, strict=True)]
        for place, goes, path in sorted(steps + [(place, 1, b"") for place in self.gone.tolist()]):
            edited += paths[done:place]
            edited += [] if goes else [path]
            done = place + goes
        return (*edited, *paths[done:])

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
    base: Listing, held_before: Array, rows: Sequence[BlobRow], told: Told
) -> dict[str, int] | None:
    """Of how many files nothing is extracted after, by reason; None where one before cannot be told."""
    counts = Counter(base.skipped)
    for row_id in base.row_ids[held_before].tolist():
        if row_id not in told.reasons:
            return None
        if reason := told.reasons[row_id]:
            counts[reason] -= 1
    counts.update(row.skipped for row in rows if row.skipped)
    return {reason: count for reason, count in sorted(counts.items()) if count}


def can_be_base(listing: Listing) -> bool:
    """Whether another listing may be derived from this one; see invariant 2."""
    return len(listing) > 0 and NOT_HERE not in listing.skipped

"""Several segments made one.

Invariants:
    1. The merged segment says of every row and every string what the segments said that it is made of, as if
       it had been built from their rows at once.
    2. Beside what comes out, memory for about `AT_ONCE` characters or postings is taken, however large the
       segments are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from imprint.semantic.index.arrays import ranges
from imprint.semantic.index.postings import Postings, StringTable
from imprint.semantic.index.segment import POSTINGS, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.semantic.index.arrays import Array

AT_ONCE: Final = 1_000_000


def merge(segments: Sequence[Segment], without: Array | None = None) -> Segment:
    """One segment with the content of several.

    With `without`, those contents are left out by id, and every passage that no content here lists any more:
    then the segments must be all there are.
    """
    blobs = _merge_blobs(segments, without)
    ids = np.concatenate([segment.passage_ids for segment in segments])
    order = np.argsort(ids, kind="stable")
    if without is not None:
        order = order[np.isin(ids[order], blobs["list_passages"])]
    renumbered = np.full(len(ids), -1, np.int64)
    renumbered[order] = np.arange(len(order))
    labels, maps = _merge_labels(segments)
    columns: dict[str, Any] = {"passage_ids": ids[order]}
    for name in ("languages", "symbols", "kinds"):
        numbers = [own[getattr(segment, name)] for segment, own in zip(segments, maps, strict=True)]
        columns[name] = np.concatenate(numbers)[order].astype(np.uint32)
    for name in ("line_counts", "lengths"):
        columns[name] = np.concatenate([getattr(segment, name) for segment in segments])[order]
    offsets = np.cumsum([0, *(len(segment.passage_ids) for segment in segments)])
    postings: dict[str, Any] = {
        name: _merge_postings([getattr(segment, name) for segment in segments], offsets, renumbered)
        for name in POSTINGS
    }
    return Segment(
        **columns,
        **blobs,
        **postings,
        labels=StringTable.build(labels),
        facts=merge_strings([segment.facts for segment in segments], order),
    )


def _merge_blobs(segments: Sequence[Segment], without: Array | None) -> dict[str, Any]:
    ids = np.concatenate([segment.blob_ids for segment in segments])
    counts = np.concatenate([np.diff(segment.list_starts) for segment in segments])
    begins = np.cumsum(counts) - counts  # first place of each list, counting through all segments
    order = np.argsort(ids, kind="stable")
    if without is not None:
        order = order[~np.isin(ids[order], without)]
    places = ranges(begins[order], counts[order])
    return {
        "blob_ids": ids[order],
        "list_starts": np.concatenate([np.zeros(1, np.int64), np.cumsum(counts[order])]),
        "list_passages": np.concatenate([segment.list_passages for segment in segments])[places],
        "list_lines": np.concatenate([segment.list_lines for segment in segments])[places],
    }


def merge_strings(tables: Sequence[StringTable], order: Array) -> StringTable:
    """The strings of several tables, counted through all of them, in a new order."""
    counts = np.concatenate([np.diff(table.starts) for table in tables])[order]
    firsts = np.cumsum([0, *(len(table) for table in tables)])
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    text = np.empty(int(starts[-1]), np.uint8)
    for table, first in zip(tables, firsts.tolist(), strict=False):
        places = np.flatnonzero((order >= first) & (order < first + len(table)))
        for some in _cut(places, counts[places]):
            from_ = table.starts[order[some] - first]
            text[ranges(starts[some], counts[some])] = table.text[ranges(from_, counts[some])]
    return StringTable(text, starts)


def _cut(places: Array, counts: Array) -> Iterator[Array]:
    """Places in parts of about `AT_ONCE` things, of which each place has so many."""
    ends = np.searchsorted(np.cumsum(counts), np.arange(AT_ONCE, int(counts.sum()) + AT_ONCE, AT_ONCE)) + 1
    yield from (part for part in np.split(places, np.unique(ends)) if len(part))


def _merge_labels(segments: Sequence[Segment]) -> tuple[list[bytes], list[Array]]:
    numbers: dict[bytes, int] = {}
    maps = []
    for segment in segments:
        own = [numbers.setdefault(label, len(numbers)) for label in segment.labels.decode()]
        maps.append(np.array(own, np.int64))
    return list(numbers), maps


def _merge_postings(parts: Sequence[Postings], offsets: Array, renumbered: Array) -> Postings:
    """The postings of all parts, some strings at a time: each part has its own in the same order."""
    listed = [part.strings.decode() for part in parts]
    strings = sorted(set().union(*listed))
    numbers = {string: number for number, string in enumerate(strings)}
    places = [np.fromiter((numbers[string] for string in own), np.int64, len(own)) for own in listed]
    del listed, numbers
    totals = np.zeros(len(strings), np.int64)
    for part, own in zip(parts, places, strict=True):
        totals[own] += np.diff(part.starts)
    items: list[Array] = []
    counts: list[Array] = []
    kept = np.zeros(len(strings), np.int64)
    for some in _cut(np.arange(len(strings)), totals):
        of, item, count = _gather_postings(
            parts, places, offsets, renumbered, (int(some[0]), int(some[-1]) + 1)
        )
        order = np.lexsort((item, of))
        items.append(item[order])
        counts.append(count[order])
        kept[some] = np.bincount(of, minlength=len(some))
    used = np.flatnonzero(kept)
    return Postings(
        StringTable.build([strings[number] for number in used.tolist()]),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(kept[used])]),
        np.concatenate(items) if items else np.zeros(0, np.uint32),
        np.concatenate(counts) if counts else np.zeros(0, np.uint16),
    )


def _gather_postings(
    parts: Sequence[Postings],
    places: Sequence[Array],
    offsets: Array,
    renumbered: Array,
    span: tuple[int, int],
) -> tuple[Array, Array, Array]:
    """The postings of the strings of a span: which of them, item, count."""
    found = []
    for part, own, offset in zip(parts, places, offsets, strict=False):
        first, end = np.searchsorted(own, span)
        bounds = part.starts[first : end + 1]
        of = np.repeat(own[first:end] - span[0], np.diff(bounds))
        item = renumbered[part.items[bounds[0] : bounds[-1]].astype(np.int64) + offset]
        is_kept = item >= 0
        count = part.counts[bounds[0] : bounds[-1]]
        found.append((of[is_kept], item[is_kept].astype(np.uint32), count[is_kept]))
    of, item, count = (np.concatenate(column) for column in zip(*found, strict=True))
    return of, item, count

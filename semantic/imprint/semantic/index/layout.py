"""Where each passage and each content is among several segments: arrays by id instead of searches.

Invariant: a passage and a content is in at most one of the segments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imprint.semantic.index.arrays import ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.index.segment import Segment


class Layout:
    """The segments of one moment, by id.

    Attributes:
        given: all of them.
        segments: those that hold something, in order.
        part_of: of each passage id the number of its segment; -1 where there is none.
        place_of: of each passage id its number within that segment.
        lengths: of each passage id the terms in its text.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.given = tuple(segments)
        self.segments = tuple(
            segment for segment in segments if len(segment.blob_ids) or len(segment.lengths)
        )
        count = 1 + max(
            (int(one.passage_ids[-1]) for one in self.segments if len(one.passage_ids)), default=0
        )
        self.part_of = np.full(count, -1, np.int32)
        self.place_of = np.zeros(count, np.int32)
        self.lengths = np.zeros(count, np.float32)
        for number, segment in enumerate(self.segments):
            ids = segment.passage_ids
            self.part_of[ids] = number
            self.place_of[ids] = np.arange(len(ids), dtype=np.int32)
            self.lengths[ids] = segment.lengths

    def list_passages(self, row_ids: Array) -> tuple[Array, Array, Array]:
        """The passages of contents, one after the other: how many of each, their ids, their first lines.

        A content that is in no segment has none.
        """
        counts = np.zeros(len(row_ids), np.int64)
        found = []
        for segment in self.segments:
            files, rows = _find_rows(segment, row_ids)
            counts[files] = np.diff(segment.list_starts)[rows]
            found.append((segment, files, rows))
        starts = np.cumsum(counts) - counts
        passages = np.zeros(int(counts.sum()), np.uint32)
        lines = np.zeros(len(passages), np.uint32)
        for segment, files, rows in found:
            to = ranges(starts[files], counts[files])
            places = ranges(segment.list_starts[rows], counts[files])
            passages[to] = segment.list_passages[places]
            lines[to] = segment.list_lines[places]
        return counts, passages, lines

    def facts(self, passage: int) -> bytes:
        """The packed facts of a passage."""
        packed: bytes = self.segments[self.part_of[passage]].facts[int(self.place_of[passage])]
        return packed


def _find_rows(segment: Segment, row_ids: Array) -> tuple[Array, Array]:
    """Which of the contents the segment holds, and at which of its rows."""
    if not len(segment.blob_ids):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows = np.searchsorted(segment.blob_ids, row_ids)
    rows[rows == len(segment.blob_ids)] = 0
    files = np.flatnonzero(segment.blob_ids[rows] == row_ids)
    return files, rows[files]

"""The chunks of one commit: what the index holds, seen through the commit's files.

Chunks are numbered through the files in path order. Content that stands at two paths is there twice, with
the path's words counted to each: a chunk here is a passage at a place.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.segment import ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.index.postings import Postings
    from imprint.semantic.index.segment import Segment
    from imprint.semantic.search.listing import Listing

_VARIANTS_SEEN_MAX: Final = 1_000
"""Terms looked at behind one prefix, so that a short prefix costs no more."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk at a place. Lines count from 1; both ends belong to it."""

    file: int
    start_line: int
    end_line: int
    symbol: str
    kind: str
    language: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment and the commit's files that it holds.

    Attributes:
        segment: the segment.
        row_of_chunk: the row of each of its chunks.
        first: of each row, the number here of its first chunk; -1 if the commit does not have it.
        more_rows, more_first: the same for files whose row another file has too, ascending by row.
    """

    segment: Segment
    row_of_chunk: Array
    first: Array
    more_rows: Array
    more_first: Array

    def locate(self, chunks: Array, counts: Array) -> tuple[Array, Array]:
        """From chunks of the segment to chunks here; each count goes with its chunk."""
        rows = self.row_of_chunk[chunks]
        within = chunks - self.segment.chunk_starts[rows]
        first = self.first[rows]
        here = first >= 0
        located, located_counts = first[here] + within[here], counts[here]
        if len(self.more_rows):
            begin = np.searchsorted(self.more_rows, rows, "left")
            again = np.searchsorted(self.more_rows, rows, "right") - begin
            copies = self.more_first[ranges(begin, again)] + np.repeat(within, again)
            located = np.concatenate([located, copies])
            located_counts = np.concatenate([located_counts, np.repeat(counts, again)])
        return located, located_counts


class Corpus:
    """The chunks of a listing's files.

    Attributes:
        listing: the files.
        starts: of each file its first chunk; one more at the end.
        files: of each chunk its file.
        lengths: of each chunk the terms in its text and its path.
    """

    def __init__(self, listing: Listing, segments: Sequence[Segment]) -> None:
        self.listing = listing
        places = [_find_rows(segment, listing.row_ids) for segment in segments]
        counts = np.zeros(len(listing), np.int64)
        for segment, (files, rows) in zip(segments, places, strict=True):
            counts[files] = np.diff(segment.chunk_starts)[rows]
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        self.files = np.repeat(np.arange(len(listing)), counts)
        self.lengths = np.zeros(len(self.files), np.float32)
        self._parts = []
        for segment, (files, rows) in zip(segments, places, strict=True):
            if len(files):
                self._parts.append(self._part(segment, files, rows))
                chunks = ranges(segment.chunk_starts[rows], counts[files])
                self.lengths[ranges(self.starts[files], counts[files])] = segment.lengths[chunks]
        self.lengths += _path_lengths(listing)[self.files]

    def _part(self, segment: Segment, files: Array, rows: Array) -> _Part:
        order = np.argsort(rows, kind="stable")
        files, rows = files[order], rows[order]
        again = np.concatenate([np.zeros(1, bool), rows[1:] == rows[:-1]])
        first = np.full(len(segment.blob_ids), -1, np.int64)
        first[rows[~again]] = self.starts[files[~again]]
        row_of_chunk = np.repeat(np.arange(len(segment.blob_ids)), np.diff(segment.chunk_starts))
        return _Part(segment, row_of_chunk, first, rows[again], self.starts[files[again]])

    def __len__(self) -> int:
        return len(self.files)

    def find_word(self, term: str) -> tuple[Array, Array]:
        """The chunks whose text has the term, and how often."""
        return self._find([(part, part.segment.words) for part in self._parts], term)

    def find_variants(self, prefix: str) -> set[str]:
        """The terms in texts that begin with a prefix, here or in other content."""
        return {
            term.decode("utf-8", "replace")
            for part in self._parts
            for term in islice(part.segment.words.find_prefix(prefix), _VARIANTS_SEEN_MAX)
        }

    def find_definition(self, name: str) -> Array:
        """The chunks that define a folded name."""
        return self._find([(part, part.segment.names) for part in self._parts], name)[0]

    def find_in_paths(self, term: str) -> tuple[Array, Array]:
        """The files whose path has the term, and how often it counts."""
        return self.listing.words.find(term)

    def _find(self, postings: Sequence[tuple[_Part, Postings]], string: str) -> tuple[Array, Array]:
        located = [part.locate(*one.find(string)) for part, one in postings]
        if not located:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate([chunks for chunks, _ in located]), np.concatenate(
            [counts for _, counts in located]
        )

    def passage(self, chunk: int) -> Passage:
        """What a chunk is."""
        file = int(self.files[chunk])
        row_id = self.listing.row_ids[file]
        for part in self._parts:
            segment = part.segment
            row = int(np.searchsorted(segment.blob_ids, row_id))
            if row < len(segment.blob_ids) and segment.blob_ids[row] == row_id:
                number = int(segment.chunk_starts[row]) + chunk - int(self.starts[file])
                return Passage(
                    file,
                    int(segment.start_lines[number]),
                    int(segment.end_lines[number]),
                    segment.label(int(segment.symbols[number])),
                    segment.label(int(segment.kinds[number])),
                    segment.label(int(segment.languages[row])),
                )
        raise IndexError(chunk)

    def in_language(self, language: str) -> Array:
        """Of each chunk, whether its content is in this language."""
        files = np.zeros(len(self.listing), bool)
        for part in self._parts:
            segment = part.segment
            labels = [segment.label(number) for number in range(len(segment.labels))]
            wanted = np.array([label.casefold() == language.casefold() for label in labels], bool)
            own, rows = _find_rows(segment, self.listing.row_ids)
            files[own] = wanted[segment.languages[rows]]
        return files[self.files]


def _find_rows(segment: Segment, row_ids: Array) -> tuple[Array, Array]:
    """Which of the files the segment holds, and at which of its rows."""
    rows = np.searchsorted(segment.blob_ids, row_ids)
    rows[rows == len(segment.blob_ids)] = 0
    files = np.flatnonzero(segment.blob_ids[rows] == row_ids) if len(segment.blob_ids) else rows[:0]
    return files, rows[files]


def _path_lengths(listing: Listing) -> Array:
    words = listing.words
    return np.bincount(words.items, weights=words.counts, minlength=len(listing)).astype(np.float32)

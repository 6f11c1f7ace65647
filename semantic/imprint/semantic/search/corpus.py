"""The chunks of one commit, or of a whole history: what the index holds, seen through a listing's files.

Chunks are numbered through the files in the listing's order. Content that stands at two paths is there twice,
with the path's words counted to each: a chunk here is a passage at a place. Of a history each passage is
there once, at the first file that has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from imprint.semantic.index.arrays import ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.index.layout import Layout
    from imprint.semantic.index.postings import Postings
    from imprint.semantic.index.segment import Segment
    from imprint.semantic.search.listing import Listing

_VARIANTS_SEEN_MAX: Final = 1_000
"""Terms looked at behind one prefix, so that a short prefix costs no more."""


class Passage(NamedTuple):
    """A chunk at a place. Lines count from 1; both ends belong to it."""

    file: int
    start_line: int
    end_line: int
    symbol: str
    kind: str
    language: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment and where its passages stand here.

    Attributes:
        segment: the segment.
        first: of each passage of it, the number of the first chunk here that it is; -1 if there is none.
        more_places, more_chunks: further chunks of passages that stand in several places, ascending.
        has_more: of each passage whether it has further chunks.
    """

    segment: Segment
    first: Array
    more_places: Array
    more_chunks: Array
    has_more: Array

    @classmethod
    def of(cls, segment: Segment, chunks: Array, places: Array) -> _Part:
        """Of chunks here, ascending, that are the passages at these places of the segment."""
        first = np.full(len(segment.passage_ids), -1, np.int64)
        first[places[::-1]] = chunks[::-1]
        more = first[places] != chunks
        order = np.argsort(places[more], kind="stable")
        has_more = np.zeros(len(first), bool)
        has_more[places[more]] = True
        return cls(segment, first, places[more][order], chunks[more][order], has_more)

    def locate(self, places: Array, counts: Array) -> tuple[Array, Array]:
        """From passages of the segment to chunks here; each count goes with its passage."""
        first = self.first[places]
        here = first >= 0
        located, located_counts = first[here], counts[here]
        several = self.has_more[places]
        if several.any():
            places, counts = places[several], counts[several]
            begin = np.searchsorted(self.more_places, places, "left")
            again = np.searchsorted(self.more_places, places, "right") - begin
            located = np.concatenate([located, self.more_chunks[ranges(begin, again)]])
            located_counts = np.concatenate([located_counts, np.repeat(counts, again)])
        return located, located_counts


class _Labels(dict[int, str]):
    """Labels of a segment by number, each decoded when it is first asked for."""

    def __init__(self, segment: Segment) -> None:
        super().__init__()
        self._segment = segment

    def __missing__(self, number: int) -> str:
        self[number] = label = self._segment.label(number)
        return label


class Corpus:
    """The chunks of a listing's files.

    Args:
        listing: the files.
        layout: where their passages are.
        distinct: take each passage once, where it stands first.

    Attributes:
        listing: the files.
        starts: of each file its first chunk; one more at the end.
        files: of each chunk its file.
        passages: of each chunk the id of its passage.
        lengths: of each chunk the terms in its text and its path.
        mean_length: their mean, at least 1.
    """

    def __init__(self, listing: Listing, layout: Layout, *, distinct: bool = False) -> None:
        self.listing = listing
        self.layout = layout
        counts, passages, lines = layout.list_passages(listing.row_ids)
        files = np.repeat(np.arange(len(listing)), counts)
        kept = layout.part_of[passages] >= 0
        if distinct:
            once = np.zeros(len(passages), bool)
            once[np.unique(passages, return_index=True)[1]] = True
            kept &= once
        if not kept.all():
            passages, lines, files = passages[kept], lines[kept], files[kept]
            counts = np.bincount(files, minlength=len(listing))
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        self.files = files
        self.passages = passages
        self._lines = lines
        self._labels: dict[int, _Labels] = {}
        self.lengths = layout.lengths[passages] + listing.path_lengths[files]
        self.mean_length = max(float(self.lengths.mean()), 1.0) if len(files) else 1.0
        numbers, places = layout.part_of[passages], layout.place_of[passages]
        self._parts = [
            _Part.of(segment, own, places[own])
            for number, segment in enumerate(layout.segments)
            if len(own := np.flatnonzero(numbers == number))
        ]

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
            for term in part.segment.words.find_prefix(prefix, _VARIANTS_SEEN_MAX)
        }

    def find_definition(self, name: str) -> Array:
        """The chunks that define a folded name."""
        return self._find([(part, part.segment.names) for part in self._parts], name)[0]

    def find_use(self, name: str) -> Array:
        """The chunks that refer to a name, in exactly these letters."""
        return self._find([(part, part.segment.uses) for part in self._parts], name)[0]

    def find_in_paths(self, term: str) -> tuple[Array, Array]:
        """The files whose path has the term, and how often it counts."""
        return self.listing.words.find(term)

    def _find(self, postings: Sequence[tuple[_Part, Postings]], string: str) -> tuple[Array, Array]:
        found = [(part, *one.find(string)) for part, one in postings]
        located = [part.locate(places, counts) for part, places, counts in found if len(places)]
        if not located:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        if len(located) == 1:
            return located[0]
        return np.concatenate([chunks for chunks, _ in located]), np.concatenate(
            [counts for _, counts in located]
        )

    def passage(self, chunk: int) -> Passage:
        """What a chunk is."""
        return self.list_passages([chunk])[0]

    def list_passages(self, chunks: Sequence[int]) -> list[Passage]:
        """What each of some chunks is."""
        chosen = np.array(chunks, np.int64)
        numbers = self.passages[chosen]
        parts, places = self.layout.part_of[numbers], self.layout.place_of[numbers]
        found: list[Passage | None] = [None] * len(chosen)
        for part in np.unique(parts).tolist():
            segment = self.layout.segments[part]
            known = self._labels.setdefault(part, _Labels(segment))
            own = np.flatnonzero(parts == part)
            at, here = places[own], chosen[own]
            starts = self._lines[here].astype(np.int64)
            columns = (own, self.files[here], starts, starts + segment.line_counts[at] - 1)
            labels = (segment.symbols[at], segment.kinds[at], segment.languages[at])
            for place, file, start, end, *named in zip(
                *(column.tolist() for column in (*columns, *labels)), strict=True
            ):
                found[place] = Passage(file, start, end, *map(known.__getitem__, named))
        return [passage for passage in found if passage]

    def in_language(self, language: str) -> Array:
        """Of each chunk, whether its content is in this language."""
        return self._with_label("languages", language)

    def of_kind(self, kind: str) -> Array:
        """Of each chunk, whether it mainly is of this kind."""
        return self._with_label("kinds", kind)

    def _with_label(self, column: str, wanted: str) -> Array:
        numbers, places = self.layout.part_of[self.passages], self.layout.place_of[self.passages]
        found = np.zeros(len(self), bool)
        for number, segment in enumerate(self.layout.segments):
            labels = segment.labels.decode()
            fitting = np.array([label.decode().casefold() == wanted.casefold() for label in labels], bool)
            own = np.flatnonzero(numbers == number)
            if len(own):
                found[own] = fitting[getattr(segment, column)[places[own]]]
        return found

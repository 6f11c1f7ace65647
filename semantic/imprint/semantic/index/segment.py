"""A segment: everything a query needs of some passages and some contents, in arrays that never change.

Passages are sorted by id, and so are contents ("blobs"); a content lists its passages by id, which may be in
other segments. Postings speak of passages by their number within the segment.

Invariant: a segment is a function of the rows it was built from: building again gives the same arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from imprint.semantic.index.arrays import map_arrays, write_arrays
from imprint.semantic.index.definitions import fold_name
from imprint.semantic.index.postings import Postings, PostingsBuilder, StringTable
from imprint.semantic.parse.terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.index.passages.rows import PassageRow


@dataclass(frozen=True, slots=True)
class BlobPlaces:
    """A content row: the ids of its passages, in order, and the line at which each begins."""

    id: int
    passages: tuple[int, ...]
    first_lines: tuple[int, ...]


PASSAGE_ARRAYS: Final = ("passage_ids", "languages", "symbols", "kinds", "line_counts", "lengths")
_BLOB_ARRAYS: Final = ("blob_ids", "list_starts", "list_passages", "list_lines")
POSTINGS: Final = ("words", "names", "uses")
_TYPES: Final = {"passage_ids": np.int64, "blob_ids": np.int64, "list_starts": np.int64}


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Some passages and contents.

    Attributes:
        passage_ids: ids of the passages, ascending.
        languages, symbols, kinds: of each passage: numbers in `labels`.
        line_counts: of each passage: its lines.
        lengths: of each passage: terms in its text.
        blob_ids: ids of the content rows, ascending; only those that have passages.
        list_starts: of each content: where its list begins; one more at the end.
        list_passages, list_lines: the lists: ids of passages, and the line at which each begins.
        labels: languages, symbols and kinds.
        words: terms to passages.
        names: defined names, folded, to passages.
        uses: names referred to, as they are written, to passages.
        facts: the packed facts of each passage.
    """

    passage_ids: Array
    languages: Array
    symbols: Array
    kinds: Array
    line_counts: Array
    lengths: Array
    blob_ids: Array
    list_starts: Array
    list_passages: Array
    list_lines: Array
    labels: StringTable
    words: Postings
    names: Postings
    uses: Postings
    facts: StringTable

    @classmethod
    def build(cls, passages: Iterable[tuple[int, PassageRow]], blobs: Iterable[BlobPlaces]) -> Self:
        """The segment of passages (id, row) and contents, each given in ascending order of id."""
        builder = _SegmentBuilder()
        for number, row in passages:
            builder.add(number, row)
        return cls(**builder.build(), **_blob_columns([blob for blob in blobs if blob.passages]))

    @classmethod
    def map(cls, path: Path) -> Self:
        """Map a file that `write` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            StorageFailed: it is damaged.
        """
        arrays, _ = map_arrays(path)
        fields: dict[str, Any] = {name: arrays[name] for name in (*PASSAGE_ARRAYS, *_BLOB_ARRAYS)}
        fields |= {name: Postings.from_arrays(arrays, name) for name in POSTINGS}
        fields["labels"] = StringTable(arrays["labels"], arrays["label_starts"])
        fields["facts"] = StringTable(arrays["facts"], arrays["fact_starts"])
        return cls(**fields)

    def write(self, path: Path) -> None:
        """Write the segment to a file.

        Raises:
            StorageFailed: the disk is full or the folder not writable.
        """
        arrays = {name: getattr(self, name) for name in (*PASSAGE_ARRAYS, *_BLOB_ARRAYS)}
        arrays |= {"labels": self.labels.text, "label_starts": self.labels.starts}
        arrays |= {"facts": self.facts.text, "fact_starts": self.facts.starts}
        for name in POSTINGS:
            arrays |= getattr(self, name).to_arrays(name)
        write_arrays(path, arrays, {"blobs": len(self.blob_ids), "passages": len(self.passage_ids)})

    def label(self, number: int) -> str:
        """A language, symbol or kind by number."""
        return self.labels[number].decode("utf-8", "replace")


class _SegmentBuilder:
    def __init__(self) -> None:
        self._labels: dict[str, int] = {}
        self._columns: dict[str, list[int]] = {name: [] for name in PASSAGE_ARRAYS}
        self._facts: list[bytes] = []
        self._words = PostingsBuilder()
        self._names = PostingsBuilder()
        self._uses = PostingsBuilder()

    def _label(self, text: str) -> int:
        return self._labels.setdefault(text, len(self._labels))

    def add(self, number: int, row: PassageRow) -> None:
        place = len(self._facts)
        found = terms(row.text)
        self._words.add(place, found)
        self._names.add(place, [fold_name(name) for name in row.defines])
        self._uses.add(place, row.uses)
        self._facts.append(row.facts)
        values = (
            number,
            self._label(row.language),
            self._label(row.symbol),
            self._label(row.kind),
            row.lines,
            len(found),
        )
        for name, value in zip(PASSAGE_ARRAYS, values, strict=True):
            self._columns[name].append(value)

    def build(self) -> dict[str, Any]:
        arrays: dict[str, Any] = {
            name: np.array(values, _TYPES.get(name, np.uint32)) for name, values in self._columns.items()
        }
        return arrays | {
            "labels": StringTable.build([label.encode("utf-8", "replace") for label in self._labels]),
            "facts": StringTable.build(self._facts),
            "words": self._words.build(),
            "names": self._names.build(),
            "uses": self._uses.build(),
        }


def _blob_columns(blobs: Sequence[BlobPlaces]) -> dict[str, Any]:
    starts = np.zeros(len(blobs) + 1, np.int64)
    np.cumsum([len(blob.passages) for blob in blobs], out=starts[1:])
    return {
        "blob_ids": np.array([blob.id for blob in blobs], np.int64),
        "list_starts": starts,
        "list_passages": np.array([number for blob in blobs for number in blob.passages], np.uint32),
        "list_lines": np.array([line for blob in blobs for line in blob.first_lines], np.uint32),
    }


def passage_rows(segment: Segment) -> Mapping[int, tuple[object, ...]]:
    """What the segment says of each passage by id, for comparing segments."""
    found: dict[int, list[tuple[str, str, int]]] = {}
    for what in POSTINGS:
        postings: Postings = getattr(segment, what)
        for string in postings.strings.decode():
            text = string.decode("utf-8", "replace")
            for item, count in zip(*postings.find(text), strict=True):
                found.setdefault(int(item), []).append((what, text, int(count)))
    return {
        number: (
            segment.label(segment.languages[place]),
            segment.label(segment.symbols[place]),
            segment.label(segment.kinds[place]),
            int(segment.line_counts[place]),
            int(segment.lengths[place]),
            segment.facts[place],
            tuple(sorted(found.get(place, []))),
        )
        for place, number in enumerate(segment.passage_ids.tolist())
    }


def blob_rows(segment: Segment) -> Mapping[int, tuple[tuple[int, int], ...]]:
    """What the segment says of each content by id: its passages' ids and first lines."""
    listed = list(zip(segment.list_passages.tolist(), segment.list_lines.tolist(), strict=True))
    bounds = segment.list_starts.tolist()
    return {
        number: tuple(listed[bounds[place] : bounds[place + 1]])
        for place, number in enumerate(segment.blob_ids.tolist())
    }

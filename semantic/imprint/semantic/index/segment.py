"""A segment: everything a query needs of some content, in arrays that never change.

Content rows ("blobs") are sorted by id; their chunks follow each other, so that the chunks of a blob are one
range. Chunks are numbered within the segment.

Invariants:
    1. A segment is a function of the chunk rows it was built from: building again gives the same arrays.
    2. A merged segment says of every row and every string what the segments said that it was made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from imprint.semantic.index.arrays import map_arrays, write_arrays
from imprint.semantic.index.definitions import fold_name
from imprint.semantic.index.postings import Postings, PostingsBuilder, StringTable, sorted_postings
from imprint.semantic.parse.terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from imprint.semantic.index.arrays import Array


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk as it is kept: a passage of some content.

    Attributes:
        ordinal: counts from 0 within the content.
        start_line, end_line: from 1, both belong to it.
        symbol: qualified name of the definition it mainly is; empty for none.
        kind: what it mainly is, such as `function`.
        text: its text.
        defines: names whose definition begins in it.
    """

    ordinal: int
    start_line: int
    end_line: int
    symbol: str
    kind: str
    text: str
    defines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BlobChunks:
    """The chunks of one content row, by ordinal."""

    id: int
    language: str
    chunks: tuple[ChunkRow, ...]


_BLOB_ARRAYS: Final = ("blob_ids", "languages", "chunk_starts")
_CHUNK_ARRAYS: Final = ("start_lines", "end_lines", "lengths", "symbols", "kinds")


@dataclass(frozen=True, slots=True)
class Segment:
    """Some content's chunks and postings.

    Attributes:
        blob_ids: ids of the content rows, ascending; only those that have chunks.
        languages: of each row: number in `labels`.
        chunk_starts: of each row: its first chunk; one more at the end.
        start_lines, end_lines: of each chunk.
        lengths: of each chunk: terms in its text.
        symbols, kinds: of each chunk: numbers in `labels`.
        labels: languages, symbols and kinds.
        words: terms to chunks.
        names: defined names, folded, to chunks.
    """

    blob_ids: Array
    languages: Array
    chunk_starts: Array
    start_lines: Array
    end_lines: Array
    lengths: Array
    symbols: Array
    kinds: Array
    labels: StringTable
    words: Postings
    names: Postings

    @classmethod
    def build(cls, blobs: Iterable[BlobChunks]) -> Self:
        """The segment of some content, given in ascending order of id."""
        builder = _SegmentBuilder()
        for blob in blobs:
            if blob.chunks:
                builder.add(blob)
        return cls(**builder.build())

    @classmethod
    def map(cls, path: Path) -> Self:
        """Map a file that `write` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            StorageFailed: it is damaged.
        """
        arrays, _ = map_arrays(path)
        return cls(
            **{name: arrays[name] for name in (*_BLOB_ARRAYS, *_CHUNK_ARRAYS)},
            labels=StringTable(arrays["labels"], arrays["label_starts"]),
            words=Postings.from_arrays(arrays, "words"),
            names=Postings.from_arrays(arrays, "names"),
        )

    def write(self, path: Path) -> None:
        """Write the segment to a file.

        Raises:
            StorageFailed: the disk is full or the folder not writable.
        """
        arrays = {name: getattr(self, name) for name in (*_BLOB_ARRAYS, *_CHUNK_ARRAYS)}
        arrays |= {"labels": self.labels.text, "label_starts": self.labels.starts}
        arrays |= self.words.to_arrays("words") | self.names.to_arrays("names")
        write_arrays(path, arrays, {"blobs": len(self.blob_ids), "chunks": len(self.lengths)})

    def label(self, number: int) -> str:
        """A language, symbol or kind by number."""
        return self.labels[number].decode("utf-8", "replace")


class _SegmentBuilder:
    def __init__(self) -> None:
        self._labels: dict[str, int] = {}
        self._columns: dict[str, list[int]] = {name: [] for name in (*_BLOB_ARRAYS, *_CHUNK_ARRAYS)}
        self._words = PostingsBuilder()
        self._names = PostingsBuilder()

    def _label(self, text: str) -> int:
        return self._labels.setdefault(text, len(self._labels))

    def add(self, blob: BlobChunks) -> None:
        columns = self._columns
        columns["blob_ids"].append(blob.id)
        columns["languages"].append(self._label(blob.language))
        columns["chunk_starts"].append(len(columns["lengths"]))
        for chunk in blob.chunks:
            number = len(columns["lengths"])
            found = terms(chunk.text)
            self._words.add(number, found)
            self._names.add(number, [fold_name(name) for name in chunk.defines])
            columns["lengths"].append(len(found))
            columns["start_lines"].append(chunk.start_line)
            columns["end_lines"].append(chunk.end_line)
            columns["symbols"].append(self._label(chunk.symbol))
            columns["kinds"].append(self._label(chunk.kind))

    def build(self) -> dict[str, Any]:
        columns = self._columns
        columns["chunk_starts"].append(len(columns["lengths"]))
        arrays: dict[str, Any] = {name: np.array(columns[name], np.uint32) for name in _CHUNK_ARRAYS}
        arrays |= {name: np.array(columns[name], np.int64) for name in _BLOB_ARRAYS}
        encoded = [label.encode("utf-8", "replace") for label in self._labels]
        return arrays | {
            "labels": StringTable.build(encoded),
            "words": self._words.build(),
            "names": self._names.build(),
        }


def merge(segments: Sequence[Segment], without: Array | None = None) -> Segment:
    """One segment with the content of several, less the rows whose ids are in `without`."""
    ids = np.concatenate([segment.blob_ids for segment in segments])
    counts = np.concatenate([np.diff(segment.chunk_starts) for segment in segments])
    begins = np.cumsum(counts) - counts  # first chunk of each row, counting through all segments
    order = np.argsort(ids, kind="stable")
    if without is not None:
        order = order[~np.isin(ids[order], without)]
    chunks = ranges(begins[order], counts[order])
    renumbered = np.full(int(counts.sum()), -1, np.int64)
    renumbered[chunks] = np.arange(len(chunks))
    labels, label_maps = _merge_labels(segments)
    columns = {
        "languages": _concatenate_labels(segments, "languages", label_maps)[order],
        "symbols": _concatenate_labels(segments, "symbols", label_maps)[chunks].astype(np.uint32),
        "kinds": _concatenate_labels(segments, "kinds", label_maps)[chunks].astype(np.uint32),
    }
    for name in ("start_lines", "end_lines", "lengths"):
        columns[name] = np.concatenate([getattr(segment, name) for segment in segments])[chunks]
    offsets = np.cumsum([0, *(len(segment.lengths) for segment in segments)])
    return Segment(
        blob_ids=ids[order],
        chunk_starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts[order])]),
        labels=StringTable.build(labels),
        words=_merge_postings([segment.words for segment in segments], offsets, renumbered),
        names=_merge_postings([segment.names for segment in segments], offsets, renumbered),
        **columns,
    )


def ranges(begins: Array, counts: Array) -> Array:
    """The numbers `begin, begin + 1 ... begin + count - 1` of each pair, one after the other."""
    total = int(counts.sum())
    ends = np.cumsum(counts)
    numbers: Array = np.arange(total) + np.repeat(begins - (ends - counts), counts)
    return numbers


def _merge_labels(segments: Sequence[Segment]) -> tuple[list[bytes], list[Array]]:
    numbers: dict[bytes, int] = {}
    maps = []
    for segment in segments:
        own = [numbers.setdefault(label, len(numbers)) for label in segment.labels.decode()]
        maps.append(np.array(own, np.int64))
    return list(numbers), maps


def _concatenate_labels(segments: Sequence[Segment], name: str, maps: Sequence[Array]) -> Array:
    return np.concatenate([own[getattr(segment, name)] for segment, own in zip(segments, maps, strict=True)])


def _merge_postings(parts: Sequence[Postings], offsets: Array, renumbered: Array) -> Postings:
    strings: list[bytes] = []
    numbers, items, counts = [], [], []
    for part, offset in zip(parts, offsets, strict=False):
        number = np.repeat(np.arange(len(part.strings)) + len(strings), np.diff(part.starts))
        item = renumbered[part.items.astype(np.int64) + offset]
        kept = item >= 0
        numbers.append(number[kept])
        items.append(item[kept].astype(np.uint32))
        counts.append(part.counts[kept])
        strings += part.strings.decode()
    of = np.concatenate(numbers)
    used = np.unique(of)
    return sorted_postings(
        [strings[number] for number in used.tolist()],
        np.searchsorted(used, of),
        np.concatenate(items),
        np.concatenate(counts),
    )


def segment_rows(segment: Segment) -> Mapping[tuple[int, int], tuple[object, ...]]:
    """What the segment says of each (row id, ordinal), for comparing segments."""
    found: dict[int, list[tuple[str, str, int]]] = {}
    for what, postings in (("word", segment.words), ("name", segment.names)):
        for string in postings.strings.decode():
            text = string.decode("utf-8", "replace")
            for item, count in zip(*postings.find(text), strict=True):
                found.setdefault(int(item), []).append((what, text, int(count)))
    result = {}
    for place, blob in enumerate(segment.blob_ids.tolist()):
        first, end = segment.chunk_starts[place : place + 2].tolist()
        for number in range(first, end):
            result[blob, number - first] = (
                segment.label(segment.languages[place]),
                int(segment.start_lines[number]),
                int(segment.end_lines[number]),
                segment.label(segment.symbols[number]),
                segment.label(segment.kinds[number]),
                int(segment.lengths[number]),
                tuple(sorted(found.get(number, []))),
            )
    return result

"""A snapshot and contents that are read from the index: nothing is parsed when a question is asked.

Invariant: names are found through the postings of passages, and what is found is looked up in the facts, so
that a name that only looks like a definition is none.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.definitions import fold_name
from imprint.semantic.index.flavours import flavour
from imprint.semantic.index.passages.rows import (
    is_open,
    join_entities,
    join_facts,
    list_defined,
    list_entities,
    storable,
)
from imprint.semantic.index.ports import BlobKey
from imprint.semantic.lineage.tracing.unchanged import Pieces
from imprint.semantic.parse.model import Extraction
from imprint.semantic.parse.source import decode_content
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.semantic.index.layout import Layout
    from imprint.semantic.index.passages.rows import Fields
    from imprint.semantic.index.ports import Index, Parts
    from imprint.semantic.parse.model import Entity
    from imprint.semantic.search.corpus import Corpus
    from imprint.semantic.standing import Standing
    from imprint.store.view import RepositoryView

_FACTS_KEPT: Final = 2_048
_PARTS_KEPT: Final = 20_000
_PASSAGES_KEPT: Final = 50_000


class IndexedSnapshot:
    """One commit, as the index has it.

    Args:
        index: where contents are put together.
        view: the repository.
        standing: the commit, and the one asked for.
        corpus: its chunks.
    """

    def __init__(self, index: Index, view: RepositoryView, standing: Standing, corpus: Corpus) -> None:
        if standing.indexed is None or standing.head is None:
            raise ValueError("nothing is indexed")
        self.commit: ObjectId = standing.indexed
        self.asked: ObjectId = standing.head
        self.behind = standing.behind
        self._index = index
        self._view = view
        self._corpus = corpus
        self._listing = corpus.listing
        self.paths: Sequence[bytes] = self._listing.decoded_paths
        self._facts: OrderedDict[int, Extraction] = OrderedDict()
        self._lock = threading.Lock()

    def find_file(self, path: bytes) -> int | None:
        """The number of a file; None if there is none of this path."""
        return self._listing.numbers.get(path)

    def blob(self, file: int) -> ObjectId:
        """The id of a file's content."""
        return self._listing.blob(file)

    def read(self, file: int) -> bytes:
        """A file's content, in UTF-8 without a byte order mark.

        Raises:
            ObjectMissing: a partial clone lacks it.
        """
        return decode_content(self._view.objects.read_blob(self.blob(file)))

    def facts(self, file: int) -> Extraction:
        """What was extracted from a file; of one that was skipped, nothing."""
        row = int(self._listing.row_ids[file])
        with self._lock:
            if row in self._facts:
                self._facts.move_to_end(row)
                return self._facts[row]
        parts = self._index.find_parts(row)
        facts = Extraction("", (), (), (), None)  # of what was forgotten meanwhile
        if parts is not None:
            packed = [self._corpus.layout.facts(number) for number in parts.passages]
            places = list(zip(packed, parts.first_lines, strict=True))
            facts = join_facts(parts.language, places, parts.tail, parts.skipped)
        with self._lock:
            self._facts[row] = facts
            while len(self._facts) > _FACTS_KEPT:
                self._facts.popitem(last=False)
        return facts

    def skipped(self, file: int) -> str | None:
        """Why nothing was extracted from a file; None if something was."""
        return self.facts(file).skipped

    def find_defining(self, name: str) -> list[int]:
        """The files that define a name in any letter case, ascending."""
        chunks = self._corpus.find_definition(fold_name(name))
        passages = self._corpus.passages[chunks]
        wanted = name.casefold()
        defining = [
            number
            for number in np.unique(passages).tolist()
            if any(other.casefold() == wanted for other in list_defined(self._corpus.layout.facts(number)))
        ]
        return self._files_of(chunks[np.isin(passages, defining)])

    def find_using(self, name: str) -> list[int]:
        """The files with a reference to a name in exactly these letters, ascending."""
        return self._files_of(self._corpus.find_use(name))

    def _files_of(self, chunks: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[int]:
        files: list[int] = np.unique(self._corpus.files[chunks]).tolist()
        return files


class IndexedContents:
    """What is indexed of contents, whatever commits have them: nothing is parsed, and none is read.

    For one thread and one question: what was looked up is kept.

    Args:
        index: where contents are put together.
        layout: where passages are; what was indexed after it was made is as if it were not.
    """

    def __init__(self, index: Index, layout: Layout) -> None:
        self._index = index
        self._layout = layout
        self._parts: dict[BlobKey, Parts | None] = {}
        self._small: set[ObjectId] = set()
        self._defined: dict[int, list[Fields]] = {}
        self._needed: dict[tuple[int, str], list[Fields]] = {}
        self._naming: dict[str, frozenset[int]] = {}

    def has(self, path: bytes, blob: ObjectId) -> bool:
        """Whether a content was looked up."""
        return BlobKey(blob, flavour(path)) in self._parts

    def prepare(self, files: Iterable[tuple[bytes, ObjectId]]) -> None:
        """Look up contents under their paths that will be asked for soon."""
        keys = {BlobKey(blob, flavour(path)) for path, blob in files} - self._parts.keys()
        if keys:
            if len(self._parts) > _PARTS_KEPT:
                self._parts.clear()
                self._small.clear()
            found = self._index.find_all_parts(keys)
            self._parts.update(dict.fromkeys(keys))
            self._parts.update(self._list_whole(found))
            self._small.update(ObjectId(key.blob) for key, parts in found.items() if parts.passages)

    def pieces(self, path: bytes, blob: ObjectId) -> Pieces | None:
        """Of which passages a content consists; None if it is not indexed."""
        parts = self._find(path, blob)
        return None if parts is None else Pieces(parts.passages, parts.first_lines)

    def entities(self, path: bytes, blob: ObjectId) -> tuple[Entity, ...] | None:
        """What a content defines under a path; None if it is not indexed."""
        parts = self._find(path, blob)
        if parts is None:
            return None
        places = [
            (self._list(number), line) for number, line in zip(parts.passages, parts.first_lines, strict=True)
        ]
        return join_entities(places, parts.tail)

    def named(self, path: bytes, blob: ObjectId, name: str) -> tuple[Entity, ...] | None:
        """What of it has a name; None if the content is not indexed.

        Of the passages only those are unpacked that define the name, unless one of those definitions goes on
        behind its passage: where it ends is told by its rank among all that do.
        """
        parts = self._find(path, blob)
        if parts is None:
            return None
        naming = self._find_naming(name)
        if naming.isdisjoint(parts.passages):
            return ()
        some, told, late_from = [], 0, 0
        for rank, number in enumerate(parts.passages):
            if number in naming:
                own = self._list_needed(number, name)
                some.append((own, parts.first_lines[rank]))
                if any(fields[1] == name and is_open(fields) for fields in own):
                    told, late_from = rank + 1, len(some)
        if not told:
            return join_entities(some, b"", name)
        passages, lines = parts.passages[:told], parts.first_lines[:told]
        early = [
            (self._list_needed(number, name), line) for number, line in zip(passages, lines, strict=True)
        ]
        return join_entities([*early, *some[late_from:]], parts.tail, name)

    def is_small(self, blob: ObjectId) -> bool:
        """Whether a content was looked up, and found to be none that is too large to be parsed."""
        return blob in self._small

    def _find_naming(self, name: str) -> frozenset[int]:
        """The passages in which a definition of a name begins, and perhaps others."""
        if name not in self._naming:
            folded = fold_name(storable(name))
            self._naming[name] = frozenset(
                passage
                for segment in self._layout.segments
                for passage in segment.passage_ids[segment.names.find(folded)[0]].tolist()
            )
        return self._naming[name]

    def _find(self, path: bytes, blob: ObjectId) -> Parts | None:
        key = BlobKey(blob, flavour(path))
        if key not in self._parts:
            self.prepare([(path, blob)])
        return self._parts[key]

    def _list_whole(self, found: dict[BlobKey, Parts]) -> dict[BlobKey, Parts]:
        """Those of which all passages are in the layout."""
        known = self._layout.part_of
        counts = np.fromiter((len(parts.passages) for parts in found.values()), np.int64, len(found))
        numbers = np.fromiter(
            chain.from_iterable(parts.passages for parts in found.values()), np.int64, int(counts.sum())
        )
        is_there = numbers < len(known)
        is_there[is_there] = known[numbers[is_there]] >= 0
        if is_there.all():
            return found
        lacking = set(np.repeat(np.arange(len(found)), counts)[~is_there].tolist())
        return {key: parts for place, (key, parts) in enumerate(found.items()) if place not in lacking}

    def _list_needed(self, passage: int, name: str) -> list[Fields]:
        """What begins in a passage and has a name, or goes on behind the passage."""
        if (passage, name) not in self._needed:
            if len(self._needed) > _PASSAGES_KEPT:
                self._needed.clear()
            own = self._list(passage)
            self._needed[passage, name] = [each for each in own if each[1] == name or is_open(each)]
        return self._needed[passage, name]

    def _list(self, passage: int) -> list[Fields]:
        if passage not in self._defined:
            if len(self._defined) > _PASSAGES_KEPT:
                self._defined.clear()
            self._defined[passage] = list_entities(self._layout.facts(passage))
        return self._defined[passage]

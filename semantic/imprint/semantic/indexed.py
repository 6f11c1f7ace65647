"""A snapshot that reads the index: nothing is parsed when a question is asked.

Invariant: names are found through the postings of passages, and what is found is looked up in the facts, so
that a name that only looks like a definition is none.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.definitions import fold_name
from imprint.semantic.index.passages.rows import join_facts, list_defined
from imprint.semantic.parse.model import Extraction
from imprint.semantic.parse.source import decode_content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.index.ports import Index
    from imprint.semantic.search.corpus import Corpus
    from imprint.semantic.standing import Standing
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

_FACTS_KEPT: Final = 2_048


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

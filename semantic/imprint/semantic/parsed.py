"""A snapshot that parses a file when it is asked for, and finds names in the index.

Invariant: facts are kept by content, so that one content is parsed once however many paths have it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from imprint.semantic.parse.source import decode_content
from imprint.store.errors import ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.semantic.index.ports import Index
    from imprint.semantic.parse.model import Extraction
    from imprint.semantic.search.listing import Listing
    from imprint.semantic.standing import Standing
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

_FACTS_KEPT: Final = 512


class ParsedSnapshot:
    """One indexed commit.

    Args:
        index: where names are found.
        view: the repository.
        standing: the commit, and the one asked for.
        listing: its files.
        extractor: gives the extraction of a content under a path.
    """

    def __init__(
        self,
        index: Index,
        view: RepositoryView,
        standing: Standing,
        listing: Listing,
        extractor: Callable[[bytes, bytes], Extraction],
    ) -> None:
        if standing.indexed is None or standing.head is None:
            raise ValueError("nothing is indexed")
        self.commit: ObjectId = standing.indexed
        self.asked: ObjectId = standing.head
        self.behind = standing.behind
        self._index = index
        self._view = view
        self._listing = listing
        self._extract = extractor
        self.paths: Sequence[bytes] = listing.paths.decode()
        self._files = {path: file for file, path in enumerate(self.paths)}
        self._facts: OrderedDict[tuple[ObjectId, bytes], Extraction] = OrderedDict()
        self._lock = threading.Lock()

    def find_file(self, path: bytes) -> int | None:
        """The number of a file; None if there is none of this path."""
        return self._files.get(path)

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
        path = self.paths[file]
        key = self.blob(file), path.rpartition(b"/")[2]
        with self._lock:
            if key in self._facts:
                self._facts.move_to_end(key)
                return self._facts[key]
        try:
            content = self._view.objects.read_blob(key[0])
        except ObjectMissing:
            content = b""
        facts = self._extract(path, content)
        with self._lock:
            self._facts[key] = facts
            while len(self._facts) > _FACTS_KEPT:
                self._facts.popitem(last=False)
        return facts

    def skipped(self, file: int) -> str | None:
        """Why nothing was extracted from a file; None if something was."""
        return self.facts(file).skipped

    def find_defining(self, name: str) -> list[int]:
        """The files that define a name in any letter case, ascending."""
        return self._files_of({row.blob_id for row in self._index.find_entities(name)})

    def find_using(self, name: str) -> list[int]:
        """The files with a reference to a name in exactly these letters, ascending."""
        return self._files_of({row.blob_id for row in self._index.find_references(name)})

    def _files_of(self, rows: set[int]) -> list[int]:
        return sorted({file for row in rows for file in self._listing.files_of_row(row)})

"""Commits made ready to be searched, kept for the next question: in memory, and their listings on disk.

Invariants:
    1. What is kept belongs to one incarnation of the index; after a change it is made anew.
    2. A file is told as its path says that it is to be read; where only what another path of the same content
       said is indexed, as that says, and this is not kept on disk.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from imprint.semantic.index.flavours import flavour
from imprint.semantic.index.layout import Layout
from imprint.semantic.index.ports import BlobKey
from imprint.semantic.search.corpus import Corpus
from imprint.semantic.search.listing import Listing
from imprint.store.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from imprint.semantic.index.ports import Index
    from imprint.store.types import ObjectId

_CORPORA_KEPT: Final = 8
_LISTINGS_KEPT: Final = 200
"""Listings on disk; those that were made longest ago go first."""
_SUFFIX: Final = ".listing"


class Shelf:
    """Corpora by tree. Safe to share between threads; the folder also between processes.

    Args:
        index: where rows and segments come from.
        folder: where listings are kept; None for nowhere.
    """

    def __init__(self, index: Index, folder: Path | None) -> None:
        self._index = index
        self._folder = folder
        self._lock = threading.Lock()
        self._corpora: OrderedDict[tuple[str, str], Corpus] = OrderedDict()
        self._layout = Layout(())

    def holds(self, tree: ObjectId) -> bool:
        """Whether the corpus of a tree is here."""
        with self._lock:
            return (self._index.incarnation(), tree) in self._corpora

    def corpus(
        self,
        name: str,
        files: Callable[[], Sequence[tuple[bytes, ObjectId]]],
        *,
        distinct: bool = False,
        keep: bool = True,
    ) -> Corpus:
        """The corpus of an indexed tree, or of a history, by its id; `files` is asked if need be.

        With `distinct` each passage is in it once. Without `keep` its listing is not written to the folder.
        """
        key = self._index.incarnation(), name
        with self._lock:
            corpus = self._corpora.get(key)
            if corpus is not None:
                self._corpora.move_to_end(key)
                return corpus
        listing = self._listing(*key, files, keep=keep)
        corpus = Corpus(listing, self.layout(), distinct=distinct)
        with self._lock:
            self._corpora[key] = corpus
            while len(self._corpora) > _CORPORA_KEPT:
                self._corpora.popitem(last=False)
        return corpus

    def layout(self) -> Layout:
        """Where every passage is now."""
        segments = self._index.segments()
        with self._lock:
            if self._layout.given != segments:
                self._layout = Layout(segments)
            return self._layout

    def _listing(
        self,
        incarnation: str,
        name: str,
        files: Callable[[], Sequence[tuple[bytes, ObjectId]]],
        *,
        keep: bool,
    ) -> Listing:
        path = self._folder / f"{incarnation}-{name}{_SUFFIX}" if self._folder and keep else None
        if path:
            with suppress(FileNotFoundError, StorageFailed):
                return Listing.map(path)
        listed = files()
        keys = {BlobKey(blob, flavour(name)) for name, blob in listed}
        rows = self._index.find_rows(keys)
        kin = self._index.find_kin(keys - rows.keys()) if len(rows) < len(keys) else {}
        listing = Listing.build(listed, rows | kin)
        if path and not kin:
            with suppress(StorageFailed):  # a full disk costs time, not answers
                listing.write(path)
            self._tidy(path.parent, incarnation)
        return listing

    def _tidy(self, folder: Path, incarnation: str) -> None:
        """Remove listings of other incarnations, and the oldest of very many."""
        with suppress(OSError):
            aged = sorted((path.stat().st_mtime_ns, path) for path in folder.glob(f"*{_SUFFIX}"))
            for place, (_, path) in enumerate(reversed(aged)):
                if place >= _LISTINGS_KEPT or not path.name.startswith(incarnation):
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Keep nothing any more, in the folder neither: it may tell of what is gone."""
        self.clear()
        if self._folder:
            for path in self._folder.glob(f"*{_SUFFIX}"):
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Keep nothing in memory any more."""
        with self._lock:
            self._corpora.clear()
            self._layout = Layout(())

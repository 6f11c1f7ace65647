"""Commits made ready to be searched, kept for the next question: in memory, and their listings on disk.

Invariants:
    1. What is kept belongs to one incarnation of the index; after a change it is made anew.
    2. A file is told as its path says that it is to be read; where only what another path of the same content
       said is indexed, as that says, and this is not kept on disk.
    3. A listing derived from another equals the one made of all files. It is not kept on disk: from what is
       there it is derived again in less time than is needed to write it.
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
from imprint.semantic.search.deriving.near import find_near
from imprint.semantic.search.listing import Listing
from imprint.store.errors import StorageFailed
from imprint.store.objects.difference import TreeReader
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from imprint.semantic.index.ports import Index
    from imprint.semantic.search.deriving.near import Near
    from imprint.store.objects.ports import Objects

_CORPORA_KEPT: Final = 8
_LISTINGS_KEPT: Final = 200
"""Listings on disk; those that were made longest ago go first."""
_LISTINGS_COMPARED: Final = 8
"""Listings on disk from which one may be derived where none in memory is near: those that were made last."""
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
        self._trees = TreeReader()
        self._alone: tuple[str, str] | None = None

    def holds(self, tree: ObjectId) -> bool:
        """Whether the corpus of a tree is here."""
        with self._lock:
            return (self._index.incarnation(), tree) in self._corpora

    def find_near(self, objects: Objects, tree: ObjectId) -> Near | None:
        """The listing from which a tree's is derived best; None if there is none that is near."""
        incarnation = self._index.incarnation()
        with self._lock:
            if self._alone == (incarnation, tree):
                return None  # just looked for: who lists a tree asks again
            kept = [(name, one.listing) for (of, name), one in self._corpora.items() if of == incarnation]
        here = [(ObjectId(name), listing) for name, listing in reversed(kept) if _is_tree(name)]
        near = find_near(objects, self._trees, incarnation, here, tree)
        if near is None and not here:
            near = find_near(objects, self._trees, incarnation, self._list_written(incarnation), tree)
        self._alone = None if near else (incarnation, tree)
        return near

    def add(self, tree: ObjectId, near: Near) -> None:
        """Keep the corpus of a tree, derived from what is near it, if that can be."""
        listing = near.derive(self._index)
        if listing is not None:
            self._keep((near.incarnation, tree), Corpus(listing, self.layout()))

    def corpus(
        self,
        name: str,
        files: Callable[[], Sequence[tuple[bytes, ObjectId]]],
        *,
        objects: Objects | None = None,
        distinct: bool = False,
        keep: bool = True,
    ) -> Corpus:
        """The corpus of an indexed tree, or of a history, by its id; `files` is asked if need be.

        With `objects` that of a tree is derived from a near one's where there is one. With `distinct` each
        passage is in it once. Without `keep` its listing is not written to the folder.
        """
        key = self._index.incarnation(), name
        with self._lock:
            corpus = self._corpora.get(key)
            if corpus is not None:
                self._corpora.move_to_end(key)
                return corpus
        listing = self._map(*key) if keep else None
        if listing is None and objects and (near := self.find_near(objects, ObjectId(name))):
            listing = near.derive(self._index)
        listing = listing or self._list(*key, files, keep=keep)
        return self._keep(key, Corpus(listing, self.layout(), distinct=distinct))

    def _keep(self, key: tuple[str, str], corpus: Corpus) -> Corpus:
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

    def _path(self, incarnation: str, name: str) -> Path | None:
        return self._folder / f"{incarnation}-{name}{_SUFFIX}" if self._folder else None

    def _map(self, incarnation: str, name: str) -> Listing | None:
        path = self._path(incarnation, name)
        if path:
            with suppress(FileNotFoundError, StorageFailed):
                return Listing.map(path)
        return None

    def _list_written(self, incarnation: str) -> Iterator[tuple[ObjectId, Listing]]:
        """The listings of trees on disk that were made last."""
        if self._folder is None:
            return
        with suppress(OSError):
            paths = self._folder.glob(f"{incarnation}-*{_SUFFIX}")
            aged = sorted(((path.stat().st_mtime_ns, path) for path in paths), reverse=True)
            for _, path in aged[:_LISTINGS_COMPARED]:
                name = path.name.removeprefix(f"{incarnation}-").removesuffix(_SUFFIX)
                if _is_tree(name) and (listing := self._map(incarnation, name)) is not None:
                    yield ObjectId(name), listing

    def _list(
        self,
        incarnation: str,
        name: str,
        files: Callable[[], Sequence[tuple[bytes, ObjectId]]],
        *,
        keep: bool,
    ) -> Listing:
        listed = files()
        keys = {BlobKey(blob, flavour(path)) for path, blob in listed}
        rows = self._index.find_rows(keys)
        kin = self._index.find_kin(keys - rows.keys()) if len(rows) < len(keys) else {}
        listing = Listing.build(listed, rows, kin)
        path = self._path(incarnation, name) if keep and not kin else None
        if path:
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


def _is_tree(name: str) -> bool:
    """Whether a corpus is one of a tree, not of a history."""
    return not name.startswith("history-")

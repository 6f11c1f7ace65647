"""The index of an earlier extractor version, which answers until the one of this version can.

Invariants:
    1. Nothing is added to it; a repository that is forgotten is forgotten here too.
    2. It is removed once every repository that it knows has its refs' commits in the new one.
    3. Another process may have removed it at any moment: then there is none.
"""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

from imprint.semantic.index.lance import LanceIndex
from imprint.semantic.index.sql.database import SCHEMA_VERSION
from imprint.semantic.search.shelf import Shelf
from imprint.semantic.standing import Standing, find_standing
from imprint.store.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from imprint.semantic.index.ports import Index
    from imprint.semantic.search.corpus import Corpus
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

_log = logging.getLogger("imprint.semantic")


class Elder:
    """An index that is only read. Safe to share between threads.

    Args:
        folder: where it is.
        heir: the index of this version; what it has followed already needs this one no more.
        apart: keep its LanceDB in a process of its own, should it be needed.
    """

    def __init__(self, folder: Path, heir: Index, *, apart: bool = False) -> None:
        self._folder = folder
        self.index: LanceIndex | None = LanceIndex(folder, apart=apart)
        self._shelf = Shelf(self.index, None)
        self._waiting = self.index.list_repositories()
        for repository_id in sorted(self._waiting):
            if heir.position(repository_id):
                self.release(repository_id)
        if not self._waiting:
            self.release("")

    def stand(self, view: RepositoryView, ref: str, than: Standing) -> Standing | None:
        """How it stands to what a ref names, if that is nearer than another standing."""
        if self.index is None or (than.tree is not None and not than.behind):
            return None
        try:
            own = find_standing(self.index, view, ref)
        except StorageFailed:
            self.index = None
            return None
        return own if own.tree is not None and (than.tree is None or own.behind < than.behind) else None

    def corpus(self, tree: ObjectId, files: Callable[[], Sequence[tuple[bytes, ObjectId]]]) -> Corpus:
        """The corpus of one of its commits' trees."""
        return self._shelf.corpus(tree, files)

    def forget(self, repository_id: str) -> None:
        """Drop what is kept of a repository."""
        if self.index is not None:
            self.index.forget(repository_id)
            self._shelf.clear()
            self.release(repository_id)

    def is_followed(self, repository_id: str) -> bool:
        """Whether a follower brings the repository into the new one, and says when it is there."""
        return self.index is not None and self.index.position(repository_id) > 0

    def release(self, repository_id: str) -> None:
        """Say that a repository needs it no more; after the last one it is removed."""
        self._waiting.discard(repository_id)
        if not self._waiting and self.index is not None:
            index, self.index = self.index, None
            index.close()
            self._shelf.clear()
            shutil.rmtree(self._folder, ignore_errors=True)
            _log.info("the index of an earlier version, %s, is removed", self._folder.name)

    def close(self) -> None:
        """Release files."""
        if self.index is not None:
            self.index.close()


def find_elder(folder: Path, own: Path) -> Path | None:
    """The newest index of an earlier extractor version that can be read; None if there is none."""
    found = []
    for other in folder.glob(f"index-{SCHEMA_VERSION}.*"):
        version = other.name.rpartition(".")[2]
        if other != own and version.isdecimal() and (other / "semantic.db").exists():
            found.append((int(version), other))
    return max(found)[1] if found else None

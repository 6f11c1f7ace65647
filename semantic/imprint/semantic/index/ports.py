"""The index: what was extracted from content, keyed by content, for whoever asks at some commit.

Rows are keyed by the blob and by what its path says of the language (`BlobKey`), never by path or commit: a
blob is extracted once however many commits, branches or repositories hold it. A commit is a set of keys.

Every promise below is tested on every implementation by `tests/contracts/test_index.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.semantic.index.segment import Segment
    from imprint.semantic.parse.model import Extraction
    from imprint.store.types import ObjectId


@dataclass(frozen=True, slots=True, order=True)
class BlobKey:
    """What extraction depends on.

    Attributes:
        blob: id of the content.
        flavour: what the path says of the language; see `imprint.semantic.index.flavours`.
    """

    blob: str
    flavour: str


@dataclass(frozen=True, slots=True)
class ExtractedBlob:
    """A key and what was extracted for it."""

    key: BlobKey
    extraction: Extraction


@dataclass(frozen=True, slots=True)
class IndexedCommit:
    """A commit of which every file has been indexed.

    Attributes:
        commit: its id.
        tree: id of its root tree.
        ids: ids of its files' rows.
    """

    commit: ObjectId
    tree: ObjectId
    ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class BlobRow:
    """The row of a key: its id, and what became of the content.

    Attributes:
        id: never reused.
        language: name of the language, empty if none is known.
        chunks: how many there are.
        skipped: why nothing was extracted; None if something was, or if there is nothing in it.
    """

    id: int
    language: str
    chunks: int
    skipped: str | None


@dataclass(frozen=True, slots=True)
class EntityRow:
    """A definition in some content. Lines count from 1; both ends belong to it."""

    blob_id: int
    kind: str
    name: str
    container: str
    start_line: int
    end_line: int
    signature: str


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """A use of a name in some content; `container` is the definition that it stands in, empty for none."""

    blob_id: int
    kind: str
    name: str
    container: str
    line: int


class Index(Protocol):
    """What was extracted. Safe to share between threads, and between processes where it is on disk.

    Writing is idempotent: to add or mark again what is there changes nothing. When a writing method returns,
    what it wrote survives the death of the process; when it dies inside, doing the same again gives the rows
    that an undisturbed run gives. Everything can be deleted and rebuilt from the repositories.
    """

    def find_missing(self, keys: Iterable[BlobKey]) -> set[BlobKey]:
        """Those of the keys that are not indexed."""
        ...

    def add(self, blobs: Sequence[ExtractedBlob]) -> None:
        """Index content. Keys that are there already are left as they are.

        Raises:
            StorageFailed: the disk is full or read-only; nothing of the call is visible.
        """
        ...

    def find_rows(self, keys: Iterable[BlobKey]) -> dict[BlobKey, BlobRow]:
        """The rows of those keys that are indexed."""
        ...

    def mark(self, repository_id: str, commits: Sequence[IndexedCommit], position: int | None = None) -> bool:
        """Record that commits are indexed whole and, in the same step, how far the follower came.

        `position` None leaves the position as it is. False, and nothing changed, if a row of one of the
        commits is not there: never added, or taken out by a concurrent `forget`.
        """
        ...

    def find_tree(self, repository_id: str, commit: ObjectId) -> ObjectId | None:
        """The root tree of an indexed commit; None if the commit is not indexed for this repository."""
        ...

    def list_commits(self, repository_id: str) -> set[ObjectId]:
        """Every indexed commit of the repository."""
        ...

    def incarnation(self) -> str:
        """A word that changes whenever row ids known before may have gone; never in between."""
        ...

    def position(self, repository_id: str) -> int:
        """Sequence of the last event followed; 0 if none was."""
        ...

    def forget(self, repository_id: str) -> None:
        """Drop the repository's commits and position, and all content that no other repository holds."""
        ...

    def segments(self) -> tuple[Segment, ...]:
        """Postings of everything indexed, each row in exactly one segment. They never change once given."""
        ...

    def find_entities(self, name: str) -> list[EntityRow]:
        """Definitions of a name in any letter case, over all content, ordered by id and place."""
        ...

    def find_references(self, name: str) -> list[ReferenceRow]:
        """Uses of a name in exactly this letter case, over all content, ordered by id and place."""
        ...

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything, keyed by content instead of ids and sorted: equal for equal content."""
        ...

    def close(self) -> None:
        """Release files; the index is not used again."""
        ...

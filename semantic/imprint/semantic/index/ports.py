"""The index: what was extracted from content, keyed by content, for whoever asks at some commit.

Rows are keyed by the blob and by what its path says of the language (`BlobKey`), never by path or commit: a
blob is extracted once however many commits, branches or repositories hold it. A commit is a set of keys. What
a blob holds is kept as passages, which other versions of it share.

Every promise below is tested on every implementation by `tests/contracts/test_index.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from imprint.semantic.index.passages.rows import PassageRow
    from imprint.semantic.index.segment import Segment
    from imprint.semantic.parse.model import Extraction
    from imprint.store.types import ObjectId


class BlobKey(NamedTuple):
    """What extraction depends on; a tuple, because a question at a new commit looks up one for each file.

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
        chunks: how many passages it consists of.
        skipped: why nothing was extracted; None if something was, or if there is nothing in it.
    """

    id: int
    language: str
    chunks: int
    skipped: str | None


@dataclass(frozen=True, slots=True)
class Parts:
    """Of what the facts of a content consist.

    Attributes:
        language: name of the language.
        skipped: why nothing was extracted; None if something was.
        passages: ids of its passages, in order.
        first_lines: of each passage, counted from 1.
        tail: what of its facts belongs to no passage, packed.
    """

    language: str
    skipped: str | None
    passages: tuple[int, ...]
    first_lines: tuple[int, ...]
    tail: bytes


class Index(Protocol):
    """What was extracted. Safe to share between threads, and between processes where it is on disk.

    Writing is idempotent: to add or mark again what is there changes nothing. When a writing method returns,
    what it wrote survives the death of the process; when it dies inside, doing the same again gives the rows
    that an undisturbed run gives. Everything can be deleted and rebuilt from the repositories.
    """

    def find_missing(self, keys: Iterable[BlobKey]) -> set[BlobKey]:
        """Those of the keys that are not indexed."""
        ...

    def prepare(self) -> None:
        """Content will be added soon: start now what takes time to start, and wait for nothing.

        Raises:
            StorageFailed: it cannot be started.
        """
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

    def find_kin(self, keys: Iterable[BlobKey]) -> dict[BlobKey, BlobRow]:
        """A row of each key whose content is indexed, under whatever flavour."""
        ...

    def mark(self, repository_id: str, commits: Sequence[IndexedCommit], position: int | None = None) -> bool:
        """Record that commits are indexed whole and, in the same step, how far the follower came.

        `position` None leaves the position as it is. False, and nothing changed, if a row of one of the
        commits is not there: never added, or taken out by a concurrent `forget`.
        """
        ...

    def hold(self, repository_id: str, ids: Collection[int]) -> bool:
        """Keep rows as long as the repository is not forgotten; False, and nothing done, if one is gone."""
        ...

    def find_tree(self, repository_id: str, commit: ObjectId) -> ObjectId | None:
        """The root tree of an indexed commit; None if the commit is not indexed for this repository."""
        ...

    def list_commits(self, repository_id: str) -> set[ObjectId]:
        """Every indexed commit of the repository."""
        ...

    def incarnation(self) -> str:
        """A word that changes whenever row ids known before may have gone; never in between.

        What stands before its hyphen changes only with an index that has lost more than was forgotten.
        """
        ...

    def position(self, repository_id: str) -> int:
        """Sequence of the last event followed; 0 if none was."""
        ...

    def forget(self, repository_id: str) -> None:
        """Drop the repository's commits and position, and all content that no other repository holds."""
        ...

    def segments(self) -> tuple[Segment, ...]:
        """Everything indexed, each passage and content in at most one segment. They never change."""
        ...

    def find_parts(self, row_id: int) -> Parts | None:
        """Of what the facts of a content consist, by the id of its row; None if there is no such row."""
        ...

    def find_all_parts(self, keys: Collection[BlobKey]) -> dict[BlobKey, Parts]:
        """Of what the facts of contents consist; those that are not indexed are left out."""
        ...

    def read_passages(self) -> Iterator[tuple[int, PassageRow]]:
        """Every passage with its id: for what is derived from their texts."""
        ...

    def listen(self, told: Callable[[Sequence[tuple[int, PassageRow]]], None]) -> None:
        """From now on tell of the passages that this object adds, once they are there, ids ascending."""
        ...

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything, keyed by content instead of ids and sorted: equal for equal content."""
        ...

    def close(self) -> None:
        """Release files; the index is not used again."""
        ...

"""The files of one tree: their paths, their rows in the index, and the words of their paths.

A listing depends on the tree alone, so it is kept in a file per tree and mapped when the tree is asked for
again; the file's name also holds the index's incarnation, because a listing remembers row ids.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from imprint.semantic.index.arrays import map_arrays, write_arrays
from imprint.semantic.index.flavours import flavour
from imprint.semantic.index.ports import BlobKey
from imprint.semantic.index.postings import Postings, PostingsBuilder, StringTable
from imprint.semantic.parse.terms import terms
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.index.ports import BlobRow

STEM_COUNT: Final = 2
"""How often the words of a file's stem count in each of its chunks; the last folders' words count once."""
FOLDERS_COUNTED: Final = 3
_PATHS_KNOWN: Final = 200_000
"""Paths whose words are remembered, some 80 MB: the next commit has nearly the same."""
_OF_PATHS: Final = ("shown_paths", "numbers", "path_lengths")
NOT_HERE: Final = "not in this clone"
"""The reason for files whose content a partial clone lacks."""
NO_KIN: Final[Mapping[BlobKey, BlobRow]] = MappingProxyType({})


@dataclass(frozen=True)
class Listing:
    """The regular files of a tree that are in the index, in path order.

    Attributes:
        paths: their paths.
        row_ids: their rows' ids.
        blobs: their contents' ids, as bytes one after the other.
        words: terms of their paths, to file numbers.
        skipped: files of which nothing was extracted, by reason; also those that are not in the index.
        borrowed: the files, ascending, that a row of another flavour tells: their own path's has none.
    """

    paths: StringTable
    row_ids: Array
    blobs: Array
    words: Postings
    skipped: dict[str, int]
    borrowed: Array = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def build(
        cls,
        files: Sequence[tuple[bytes, ObjectId]],
        rows: Mapping[BlobKey, BlobRow],
        kin: Mapping[BlobKey, BlobRow] = NO_KIN,
    ) -> Self:
        """The listing of files (path, content), told by their rows or else by kin; less those without."""
        listed: list[tuple[bytes, ObjectId, BlobRow]] = []
        borrowed: list[int] = []
        for path, blob in files:
            key = BlobKey(blob, flavour(path))
            row = rows.get(key)
            if row is None:
                row = kin.get(key)
                if row is None:
                    continue
                borrowed.append(len(listed))
            listed.append((path, blob, row))
        words = PostingsBuilder()
        for number, (path, _, _) in enumerate(listed):
            words.add(number, known_terms(path))
        skipped = Counter(row.skipped for _, _, row in listed if row.skipped)
        skipped[NOT_HERE] = len(files) - len(listed)
        return cls(
            paths=StringTable.build([path for path, _, _ in listed]),
            row_ids=np.array([row.id for _, _, row in listed], np.int64),
            blobs=np.frombuffer(bytes.fromhex("".join(blob for _, blob, _ in listed)), np.uint8),
            words=words.build(),
            skipped={reason: count for reason, count in sorted(skipped.items()) if count},
            borrowed=np.array(borrowed, np.int64),
        )

    @classmethod
    def map(cls, path: Path) -> Self:
        """Map a file that `write` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            StorageFailed: it is damaged.
        """
        arrays, facts = map_arrays(path)
        return cls(
            StringTable(arrays["paths"], arrays["path_starts"]),
            arrays["row_ids"],
            arrays["blobs"],
            Postings.from_arrays(arrays, "words"),
            facts["skipped"],
        )

    def write(self, path: Path) -> None:
        """Write the listing to a file.

        Raises:
            StorageFailed: the disk is full or the folder not writable.
        """
        arrays = {
            "paths": self.paths.text,
            "path_starts": self.paths.starts,
            "row_ids": self.row_ids,
            "blobs": self.blobs,
        }
        write_arrays(path, arrays | self.words.to_arrays("words"), {"skipped": self.skipped})

    def __len__(self) -> int:
        return len(self.row_ids)

    @property
    def raw_blobs(self) -> Array:
        """The ids of the contents, each a row of bytes; of a listing that has files."""
        return self.blobs.reshape(len(self), -1)

    def blob(self, number: int) -> ObjectId:
        """The id of a file's content."""
        return ObjectId(self.raw_blobs[number].tobytes().hex())

    @cached_property
    def decoded_paths(self) -> tuple[bytes, ...]:
        """The paths, in order: a tuple, as Python's collector goes through every list."""
        return tuple(self.paths.decode())

    @cached_property
    def shown_paths(self) -> tuple[str, ...]:
        """The same as text: what is no UTF-8 is replaced."""
        return tuple([path.decode("utf-8", "replace") for path in self.decoded_paths])

    @cached_property
    def numbers(self) -> dict[bytes, int]:
        """The number of each path."""
        return {path: number for number, path in enumerate(self.decoded_paths)}

    @cached_property
    def path_lengths(self) -> Array:
        """How many words each path has."""
        words = self.words
        return np.bincount(words.items, weights=words.counts, minlength=len(self)).astype(np.float32)

    def take_paths(self, decoded: tuple[bytes, ...], same: Listing | None) -> None:
        """Take the paths, and what was found of them from a listing that has the same ones."""
        self.__dict__["decoded_paths"] = decoded
        for name in _OF_PATHS:
            if same is not None and name in same.__dict__:
                self.__dict__[name] = same.__dict__[name]

    @cached_property
    def _by_row(self) -> tuple[Array, Array]:
        order = np.argsort(self.row_ids, kind="stable")
        return order, self.row_ids[order]

    def files_of_row(self, row_id: int) -> list[int]:
        """The files, in path order, whose content is this row."""
        order, ids = self._by_row
        first, end = np.searchsorted(ids, [row_id, row_id + 1])
        return [int(number) for number in order[first:end]]


@lru_cache(_PATHS_KNOWN)
def known_terms(path: bytes) -> tuple[str, ...]:
    """The same as `path_terms`, remembered."""
    return tuple(path_terms(path))


def path_terms(path: bytes) -> list[str]:
    """The words by which a path is found: the stem's, counted `STEM_COUNT` times, and the last folders'."""
    *folders, name = path.decode("utf-8", "replace").split("/")
    stem = name.rpartition(".")[0] or name
    found = terms(stem) * STEM_COUNT
    for folder in folders[-FOLDERS_COUNTED:]:
        found += terms(folder)
    return found

"""Vectors of passages: made once for each, searched through one commit's passages.

Invariants:
    1. Vectors are derived from passages and an encoder; those of two encoders are in folders of their own and
       never compared.
    2. Where a passage of a corpus has no vector yet, the corpus is answered without vectors: what is missing
       must not look far away.
    3. A file here never changes; ids of passages are never used again, so that one too many does no harm.

Layout of the folder: `<encoder>/<first id>-<count>.vectors`, unit vectors in 8 bits a number.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import numpy as np

from imprint.semantic.embedding.ports import Passage
from imprint.semantic.index.arrays import map_arrays, write_arrays
from imprint.semantic.search.nearness import SCALE, Neighbourhood, Rows
from imprint.store.errors import StorageFailed
from imprint.store.hosting.followers import Stopped, never
from imprint.store.waiting.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from imprint.semantic.embedding.ports import Encoder
    from imprint.semantic.index.arrays import Array
    from imprint.semantic.index.layout import Layout
    from imprint.semantic.index.passages.rows import PassageRow
    from imprint.semantic.index.ports import Index
    from imprint.semantic.search.corpus import Corpus
    from imprint.semantic.search.nearness import Nearness

_PATHS_KNOWN: Final = 100_000
"""Paths whose vectors are remembered: some 35 MB."""
_AT_ONCE: Final = 4_096
_FILES_MAX: Final = 8
_SUFFIX: Final = ".vectors"


class Vectors:
    """The vectors of an index's passages by one encoder. Safe to share between threads.

    Args:
        index: whose passages.
        encoder: makes vectors.
        folder: where they are kept; several processes may share it.
    """

    def __init__(self, index: Index, encoder: Encoder, folder: Path) -> None:
        self._index = index
        self._encoder = encoder
        self._folder = folder / hashlib.blake2b(encoder.name.encode(), digest_size=8).hexdigest()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            raise StorageFailed(f"cannot make {self._folder}: {failure.strerror}") from failure
        self._writers = FileLock(folder / "writers.lock")
        self._lock = threading.Lock()
        self._names: frozenset[str] = frozenset()
        self._parts: list[tuple[Array, Array]] = []
        self._paths: tuple[dict[bytes, int], Array] = {}, np.zeros((0, encoder.dimensions), np.int8)
        self._encoding = threading.Lock()
        self._ready: WeakKeyDictionary[Corpus, Neighbourhood] = WeakKeyDictionary()

    @property
    def encoder(self) -> Encoder:
        """What makes them."""
        return self._encoder

    def add(self, rows: Sequence[tuple[int, PassageRow]]) -> None:
        """Make and keep the vectors of passages (id, row), ids ascending.

        Raises:
            StorageFailed: the disk is full or read-only.
        """
        for begin in range(0, len(rows), _AT_ONCE):
            some = rows[begin : begin + _AT_ONCE]
            passages = [Passage(row.text, row.symbol, row.language) for _, row in some]
            found = np.rint(self._encoder.encode_passages(passages) * SCALE).astype(np.int8)
            self._write(np.array([number for number, _ in some], np.int64), found)
        self._merge_if_many()

    def fill(self, layout: Layout, stopping: Callable[[], bool] = never) -> bool:
        """Make the vectors that are missing, as after a crash or with another encoder; whether any were.

        Raises:
            Stopped: `stopping` said so; what was made stays.
            StorageFailed: the disk is full or read-only.
        """
        there = np.flatnonzero(layout.part_of >= 0)
        missing = set(there[~np.isin(there, self._known())].tolist())
        if not missing:
            return False
        rows = sorted(
            (row for row in self._index.read_passages() if row[0] in missing), key=lambda row: row[0]
        )
        for begin in range(0, len(rows), _AT_ONCE):
            if stopping():
                raise Stopped
            self.add(rows[begin : begin + _AT_ONCE])
        return True

    def forget(self, layout: Layout) -> None:
        """Drop the vectors of passages that are no more."""
        there = np.flatnonzero(layout.part_of >= 0)
        with self._writers.hold():
            self._rewrite(there)

    def near(self, corpus: Corpus, text: str) -> Nearness | None:
        """How near each chunk's vector and its path's are to the question's; None if one is missing."""
        ready = self._ready.get(corpus)
        if ready is None:
            ready = self._prepare(corpus)
            if ready is None:
                return None
            self._ready[corpus] = ready
        return ready.near(self._encoder.encode_question(text))

    def _prepare(self, corpus: Corpus) -> Neighbourhood | None:
        parts = self._map()
        numbers = np.full(len(corpus), -1, np.int32)
        places = np.zeros(len(corpus), np.int64)
        for number, (ids, _) in enumerate(parts):
            at = np.searchsorted(ids, corpus.passages)
            at[at == len(ids)] = 0
            fitting = ids[at] == corpus.passages
            numbers[fitting], places[fitting] = number, at[fitting]
        if not parts or (numbers < 0).any():
            return None
        rows = Rows([vectors for _, vectors in parts], numbers, places)
        paths = self._encode_paths(corpus.listing.decoded_paths)
        return Neighbourhood(rows, paths, corpus.files, self._encoder.path_share)

    def _encode_paths(self, paths: Sequence[bytes]) -> Array:
        """The vectors of paths; those seen before are remembered, as the next commit has nearly the same."""
        with self._encoding:
            known, rows = self._paths
            new = [path for path in dict.fromkeys(paths) if path not in known]
            if len(known) + len(new) > _PATHS_KNOWN:
                known, rows, new = {}, rows[:0], list(dict.fromkeys(paths))
            if new:
                found = self._encoder.encode_paths([path.decode("utf-8", "replace") for path in new])
                known |= {path: len(rows) + place for place, path in enumerate(new)}
                rows = np.concatenate([rows, np.rint(found * SCALE).astype(np.int8)])
            if len(known) <= _PATHS_KNOWN:
                self._paths = known, rows
            places = np.fromiter((known[path] for path in paths), np.int64, len(paths))
            return rows[places]

    def _known(self) -> Array:
        parts = self._map()
        return np.concatenate([ids for ids, _ in parts]) if parts else np.zeros(0, np.int64)

    def _map(self) -> list[tuple[Array, Array]]:
        """Every file here, mapped: ids and vectors."""
        while True:
            names = frozenset(path.name for path in self._folder.glob(f"*{_SUFFIX}"))
            with self._lock:
                if names == self._names:
                    return self._parts
            with suppress(FileNotFoundError):  # merged meanwhile: look again
                parts = [self._read(name) for name in sorted(names)]
                with self._lock:
                    self._names, self._parts = names, [part for part in parts if len(part[0])]

    def _read(self, name: str) -> tuple[Array, Array]:
        try:
            arrays, _ = map_arrays(self._folder / name)
        except StorageFailed:
            (self._folder / name).unlink(missing_ok=True)
            return np.zeros(0, np.int64), np.zeros((0, self._encoder.dimensions), np.int8)
        return arrays["ids"], arrays["vectors"].reshape(-1, self._encoder.dimensions)

    def _write(self, ids: Array, vectors: Array) -> None:
        if len(ids):
            path = self._folder / f"{int(ids[0])}-{len(ids)}{_SUFFIX}"
            write_arrays(path, {"ids": ids, "vectors": vectors.reshape(-1)}, {"encoder": self._encoder.name})

    def _merge_if_many(self) -> None:
        if len(list(self._folder.glob(f"*{_SUFFIX}"))) > _FILES_MAX:
            with self._writers.hold():
                self._rewrite(None)

    def _rewrite(self, kept: Array | None) -> None:
        """Put one file in the place of all; with `kept`, only those ids stay."""
        names = {path.name for path in self._folder.glob(f"*{_SUFFIX}")}
        parts = [self._read(name) for name in sorted(names)]
        if not parts:
            return
        ids, first = np.unique(np.concatenate([own for own, _ in parts]), return_index=True)
        vectors = np.concatenate([own for _, own in parts])[first]
        if kept is not None:
            staying = np.isin(ids, kept)
            ids, vectors = ids[staying], vectors[staying]
        self._write(ids, vectors)
        for name in names - {f"{int(ids[0])}-{len(ids)}{_SUFFIX}" if len(ids) else ""}:
            (self._folder / name).unlink(missing_ok=True)

"""What the messages of commits say of files: one that commits about the question touched is likelier meant.

Every commit whose message fits gives its score to the files that it touched, the less the more there are;
a file is worth the sum of the best few. Files are followed through renames up to the searched commit.

Invariants:
    1. Only commits that the searched one reaches count; their past never changes, so what is kept of it is
       right for ever.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.search.signals.messages import score_messages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.lineage.past import Past
    from imprint.store.types import ObjectId

COMMITS_MAX: Final = 100
"""Commits, the best, that give their scores to files."""
FILES_MAX: Final = 50
"""Files of one commit: one that touched more says nothing of any of them."""
BEST: Final = 5
"""Commits that count for one file."""
_RENAMES_MAX: Final = 20
_COMMITS_KEPT: Final = 8
_PATHS_KEPT: Final = 200_000


def score_files(
    past: Past, commit: ObjectId, words: Sequence[str], files: Mapping[bytes, int]
) -> dict[int, float]:
    """Of files, by number, what the messages of the commits before say of them; the rest is worth nothing.

    Args:
        past: the change log, limited to what may be shown.
        commit: the searched commit.
        words: the query's.
        files: the number of each path of the commit.
    """
    last = past.find(commit)
    if last is None:
        return {}
    reached = past.ancestors(last)
    scores = score_messages(past, words, reached)
    given: dict[int, list[float]] = defaultdict(list)
    followed = _PATHS.of(commit)
    for number in _best(scores):
        touched = _touched(past, past.commit(number), number)
        share = float(scores[number]) / max(len(touched), 1) ** 0.5
        for path in touched:
            file = followed.follow(past, reached, path, files)
            if file is not None:
                given[file].append(share)
    return {file: sum(sorted(shares, reverse=True)[:BEST]) for file, shares in given.items()}


def _best(scores: Array) -> list[int]:
    fitting = np.flatnonzero(scores)
    if len(fitting) > COMMITS_MAX:
        fitting = fitting[np.argpartition(-scores[fitting], COMMITS_MAX - 1)[:COMMITS_MAX]]
    found: list[int] = fitting.tolist()
    return found


_touched_kept: OrderedDict[ObjectId, tuple[bytes, ...]] = OrderedDict()


def _touched(past: Past, commit: ObjectId, number: int) -> tuple[bytes, ...]:
    """The paths that a commit touched; none if there are too many. A commit's never change."""
    kept = _touched_kept.get(commit)
    if kept is None:
        touched = past.touched(number)
        kept = tuple(touch.path for touch in touched) if len(touched) <= FILES_MAX else ()
        _touched_kept[commit] = kept
        if len(_touched_kept) > _PATHS_KEPT:
            _touched_kept.popitem(last=False)
    return kept


class _Followed:
    """What old paths of one commit's past are called at that commit."""

    def __init__(self) -> None:
        self._next: dict[bytes, bytes | None] = {}

    def follow(self, past: Past, reached: Array, path: bytes, files: Mapping[bytes, int]) -> int | None:
        """The file that a path became; None if it is gone."""
        for _ in range(_RENAMES_MAX):
            file = files.get(path)
            if file is not None:
                return file
            if path not in self._next:
                if len(self._next) >= _PATHS_KEPT:
                    self._next.clear()
                self._next[path] = _find_next(past, reached, path)
            following = self._next[path]
            if following is None:
                return None
            path = following
        return None


def _find_next(past: Past, reached: Array, path: bytes) -> bytes | None:
    """The path that a file was moved to, last."""
    return next(
        (
            touch.path
            for touch in past.touches_of(path)
            if touch.old_path == path
            and touch.path != path
            and touch.new is not None
            and reached[touch.number]
        ),
        None,
    )


class _Commits:
    """What was followed for the commits that were searched lately. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[ObjectId, _Followed] = OrderedDict()

    def of(self, commit: ObjectId) -> _Followed:
        """What was followed for a commit."""
        with self._lock:
            found = self._kept.setdefault(commit, _Followed())
            self._kept.move_to_end(commit)
            while len(self._kept) > _COMMITS_KEPT:
                self._kept.popitem(last=False)
            return found


_PATHS: Final = _Commits()

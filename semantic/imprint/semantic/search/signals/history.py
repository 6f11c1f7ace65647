"""What the past says of files: one that commits about the question touched is likelier meant.

A commit is about the question as far as its message fits, or the prompt that asked for it: the better of the
two counts, as both may say the same. Every such commit gives its score to the files that it touched, the less
the more there are; a file is worth the sum of the best few. Files are followed through renames up to the
searched commit. Messages are looked up by words. Prompts, of which nothing is kept that could be looked up,
are read: of the best of those commits, of those that touched the likeliest files last, and of the newest.

Invariants:
    1. Only commits that the searched one reaches count; their past never changes, so what is kept of it is
       right for ever.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from imprint.semantic.index.largest import find_largest
from imprint.semantic.search.signals.messages import Shown, score_messages
from imprint.semantic.search.signals.prompts import score_prompts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.lineage.past import Past
    from imprint.semantic.search.background import Background
    from imprint.store.types import ObjectId

COMMITS_MAX: Final = 100
"""Commits, the best, that give their scores to files."""
PROMPTED_MAX: Final = 24
"""Commits, the best by their messages, whose prompts are read."""
NEWEST_MAX: Final = 64
"""Commits, the newest, whose prompts are read: what was asked for lately is asked about in its own words."""
LIKELY_MAX: Final = 12
"""Files of which the last commits' prompts are read too."""
LAST_MAX: Final = 3
"""Commits of one of those."""
FILES_MAX: Final = 50
"""Files of one commit: one that touched more says nothing of any of them."""
BEST: Final = 5
"""Commits that count for one file."""
_RENAMES_MAX: Final = 20
_COMMITS_KEPT: Final = 8
_PATHS_KEPT: Final = 200_000


def score_files(
    background: Background,
    commit: ObjectId,
    words: Sequence[str],
    files: Mapping[bytes, int],
    likely: Sequence[bytes] = (),
) -> dict[int, float]:
    """Of files, by number, what the commits before say of them; the rest is worth nothing.

    Args:
        background: the caller's past, limited to what may be shown, claims and prompts.
        commit: the searched commit.
        words: the query's.
        files: the number of each path of the commit.
        likely: paths that fit in other ways, the best first.
    """
    past = background.past
    last = past.find(commit) if past is not None else None
    if past is None or last is None:
        return {}
    leads = _SEARCHED.of(commit).leads(past, past.ancestors(last), files)
    scores = score_messages(past, words, leads.shown)
    if background.prompts is not None:
        asked = dict.fromkeys(find_largest(scores, PROMPTED_MAX, above=0.0).tolist())
        for path in likely[:LIKELY_MAX]:
            asked.update(dict.fromkeys(leads.find_last(past, path, last)))
        asked.update(dict.fromkeys(leads.newest))
        for number, score in score_prompts(background, past, asked, words, leads.shown, scores).items():
            scores[number] = max(scores[number], score)
    best = find_largest(scores, COMMITS_MAX, above=0.0)
    found = [leads.find(past, number) for number in best.tolist()]
    counts = [len(lead.files) for lead in found]
    if not sum(counts):
        return {}
    shares = np.repeat(scores[best].astype(np.float64) * [lead.share for lead in found], counts)
    return _sum_best(np.concatenate([lead.files for lead in found]), shares)


def _sum_best(files: Array, shares: Array) -> dict[int, float]:
    """Of each file the sum of the largest `BEST` of its shares."""
    order = np.lexsort((-shares, files))
    files, shares = files[order], shares[order]
    distinct, starts = np.unique(files, return_index=True)
    which = np.cumsum(np.isin(np.arange(len(files)), starts)) - 1
    few = np.arange(len(files)) - starts[which] < BEST
    sums = np.bincount(which[few], weights=shares[few])
    return dict(zip(distinct.tolist(), sums.tolist(), strict=True))


class _Lead(NamedTuple):
    """The files of the searched commit that a commit touched, and what part of its score each gets."""

    files: Array
    share: float


class _Leads:
    """Where the commits of one past lead to, among the files of the searched commit.

    Args:
        past: the past; only asked, never kept.
        reached: the commits that the searched one reaches.
        files: the number of each path of the searched commit.
        renames: old paths and what they became next, shared with other pasts of the same commit.
    """

    def __init__(
        self, past: Past, reached: Array, files: Mapping[bytes, int], renames: dict[bytes, bytes | None]
    ) -> None:
        self.reached = reached
        self.files = files
        self.shown = Shown(past, reached)
        self.newest: list[int] = np.flatnonzero(reached)[: -NEWEST_MAX - 1 : -1].tolist()
        self._renames = renames
        self._found: dict[int, _Lead] = {}
        self._last: dict[bytes, list[int]] = {}

    def find_last(self, past: Past, path: bytes, last: int) -> list[int]:
        """The last commits that touched a file of the searched commit, through its renames."""
        found = self._last.get(path)
        if found is None:
            if len(self._last) >= _PATHS_KEPT:
                self._last.clear()
            found = self._last[path] = past.following(path, last)[:LAST_MAX].tolist()
        return found

    def find(self, past: Past, number: int) -> _Lead:
        """Where a commit leads to. It touched what it touched: found once."""
        lead = self._found.get(number)
        if lead is None:
            touched = past.touched_paths(number, FILES_MAX)
            followed = (self._follow(past, path) for path in touched)
            files = np.array([file for file in followed if file is not None], np.int64)
            lead = self._found[number] = _Lead(files, 1 / max(len(touched), 1) ** 0.5)
        return lead

    def _follow(self, past: Past, path: bytes) -> int | None:
        """The file that a path became; None if it is gone."""
        for _ in range(_RENAMES_MAX):
            file = self.files.get(path)
            if file is not None:
                return file
            if path not in self._renames:
                if len(self._renames) >= _PATHS_KEPT:
                    self._renames.clear()
                self._renames[path] = past.moved_to(path, self.reached)
            following = self._renames.get(path)
            if following is None:
                return None
            path = following
        return None


class _Searched:
    """What is kept of one searched commit."""

    def __init__(self) -> None:
        self._renames: dict[bytes, bytes | None] = {}
        self._leads: _Leads | None = None

    def leads(self, past: Past, reached: Array, files: Mapping[bytes, int]) -> _Leads:
        """Those of a past: another one may number its commits otherwise, and a growing index the files."""
        leads = self._leads
        if leads is None or leads.reached is not reached or leads.files is not files:
            leads = self._leads = _Leads(past, reached, files, self._renames)
        return leads


class _Commits:
    """What is kept of the commits that were searched lately. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[ObjectId, _Searched] = OrderedDict()

    def of(self, commit: ObjectId) -> _Searched:
        """What is kept of a commit."""
        with self._lock:
            found = self._kept.setdefault(commit, _Searched())
            self._kept.move_to_end(commit)
            while len(self._kept) > _COMMITS_KEPT:
                self._kept.popitem(last=False)
            return found


_SEARCHED: Final = _Commits()

"""Where the lines of all files of a tree came from, kept from one audit to the next.

Invariants:
    1. Kept origins are used only where git would answer the same: see `_list_touched`; of a file that was
       touched, git blame looks at what is new.
    2. A crash loses the origins of the last files looked at; the next audit looks at them again.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Final

from imprint.store.history.blame import Span, blame_spans, holds_binary, pack_spans, unpack_spans
from imprint.store.history.kept_trace import Known, trace
from imprint.store.objects.codec import SUBMODULE_MODE
from imprint.store.objects.ports import ObjectKind
from imprint.store.objects.trees import iter_files
from imprint.store.provenance.rows import CachedOrigins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imprint.store.objects.ports import TreeEntry
    from imprint.store.origins.sources import Origins
    from imprint.store.plumbing import Plumbing
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

    Progress = Callable[[int, int], None]
    """Told how many files are done, and how many there are."""

_BLAMES_AT_ONCE_MAX: Final = 8
_COMMITS_PER_FILE: Final = 400
"""Indexing a commit's paths takes some 25 microseconds and saves each blame at least 10 milliseconds."""
_KEEP_EVERY: Final = 64
"""Files between two writes of what was found."""
_BINARY: Final = b""
"""Stands for the spans of a file without text lines, among kept origins."""


def iter_file_spans(
    view: RepositoryView, origins: Origins, commit: ObjectId, history: int, progress: Progress | None
) -> Iterator[tuple[bytes, list[Span] | None]]:
    """Each file with its spans; None for a binary one. First those that are kept, then the others.

    Args:
        view: the repository.
        origins: keeps what is found; its ledger's `tracing` lock is to be held.
        commit: whose tree it is.
        history: the number of commits that blame may have to look at.
        progress: told how many files are done.
    """
    ledger = origins.ledger
    files = dict(iter_files(view.objects, view.objects.read_commit(commit).tree))
    with origins.lines.isolated(view) as plumbing:
        before = ledger.load_origins(view.id)
        kept = _find_kept(view, plumbing, before, commit, files)
        ledger.start_origins(view.id, CachedOrigins(commit, kept))
        done = len(kept)
        if progress:
            progress(done, len(files))
        for path, (_, packed) in kept.items():
            yield path, _unpack(packed)
        found: dict[bytes, tuple[ObjectId, bytes]] = {}
        missing = {path: entry for path, entry in files.items() if path not in kept}
        if len(missing) * _COMMITS_PER_FILE > history:
            origins.lines.index_changed_paths(view, commit)
        for path, packed in _iter_blamed(view, plumbing, commit, missing, before):
            found[path] = (missing[path].id, packed)
            done += 1
            if len(found) == _KEEP_EVERY:
                ledger.add_origins(view.id, CachedOrigins(commit, found))
                found = {}
            if progress:
                progress(done, len(files))
            yield path, _unpack(packed)
        ledger.add_origins(view.id, CachedOrigins(commit, found))


def _unpack(packed: bytes) -> list[Span] | None:
    return None if packed == _BINARY else unpack_spans(packed)


def _iter_blamed(
    view: RepositoryView,
    plumbing: Plumbing,
    commit: ObjectId,
    files: Mapping[bytes, TreeEntry],
    before: CachedOrigins | None,
) -> Iterator[tuple[bytes, bytes]]:
    """Packed spans per path, as they get ready: one git per core, looking at what is new since `before`."""
    if before is not None and view.objects.find_kind(before.commit) is not ObjectKind.COMMIT:
        before = None

    def find(path: bytes, entry: TreeEntry) -> tuple[bytes, bytes]:
        if entry.mode != SUBMODULE_MODE and holds_binary(view, entry.id):
            return path, _BINARY
        if entry.mode == SUBMODULE_MODE:
            return path, pack_spans(blame_spans(plumbing, commit, path, entry.mode))
        return path, pack_spans(trace(plumbing, commit, path, near=_find_near(before, path)))

    workers = min(os.cpu_count() or 1, _BLAMES_AT_ONCE_MAX)
    with ThreadPoolExecutor(workers, "imprint-blame") as pool:
        pending = [pool.submit(find, path, entry) for path, entry in files.items()]
        try:
            for ready in as_completed(pending):
                yield ready.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _find_near(before: CachedOrigins | None, path: bytes) -> list[Known]:
    """What the last audit found of the file; an older one that knows little of it saves no work."""
    if before is None or path not in before.files or before.files[path][1] == _BINARY:
        return []
    return [Known(before.commit, path, unpack_spans(before.files[path][1]))]


def _find_kept(
    view: RepositoryView,
    plumbing: Plumbing,
    cached: CachedOrigins | None,
    commit: ObjectId,
    files: Mapping[bytes, TreeEntry],
) -> dict[bytes, tuple[ObjectId, bytes]]:
    """The kept origins that hold at `commit` as well."""
    if cached is None or view.objects.find_kind(cached.commit) is not ObjectKind.COMMIT:
        return {}
    touched = _list_touched(plumbing, cached.commit, commit)
    if touched is None:
        return {}
    return {
        path: kept
        for path, kept in cached.files.items()
        if path in files and files[path].id == kept[0] and path not in touched
    }


def _list_touched(plumbing: Plumbing, one: ObjectId, other: ObjectId) -> frozenset[bytes] | None:
    """Paths whose blame may differ between two commits; None when any may.

    git blame passes a whole file on to the first parent if it has the same file at the same path. So a path
    that no commit on the first-parent line from the common commit to either side changed has one blame at all
    of them. Equal content alone would not do: a change and its revert leave the content and change the blame.
    """
    first_line = plumbing.run("rev-list", "--first-parent", one).split()
    second_line = plumbing.run("rev-list", "--first-parent", other).split()
    on_first = set(first_line)
    common = next((commit for commit in second_line if commit in on_first), None)
    if common is None:
        return None
    touched: set[bytes] = set()
    for tip in (one, other):
        out = plumbing.run(
            "log", "--first-parent", "-m", "--name-only", "--no-renames", "-z", "--format=",
            f"{common.decode('ascii')}..{tip}",
        )  # fmt: skip
        names = out.split(b"\0")
        touched.update(names)
        touched.update(name.lstrip(b"\n") for name in names)  # git may separate commits by line feeds
    return frozenset(touched)

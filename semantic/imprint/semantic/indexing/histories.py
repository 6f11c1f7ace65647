"""Whole histories: every content that a repository ever held, indexed bit by bit behind everything else.

Invariants:
    1. What is listed is reachable from the refs that a view shows, and nothing else is: a ref that is hidden
       or gone takes with it what only it reached.
    2. Newest first: what was there last is searchable first.
    3. A repository is finished when every content of it is in the index, or cannot be read; until then, and
       after a crash, work goes on with what the index lacks.

Layout of the folder: `<repository>.all` and `<repository>.shown` list contents with a path that each had, and
the refs' objects they were listed for; `<repository>.done` says how far the index is, and which one, as one
that was made anew has none of it. All of it is derived.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.arrays import map_arrays, write_arrays
from imprint.semantic.index.flavours import flavour
from imprint.semantic.index.merging import merge_strings
from imprint.semantic.index.ports import BlobKey
from imprint.semantic.index.postings import StringTable
from imprint.store.errors import StorageFailed
from imprint.store.objects.ports import ObjectKind
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from imprint.semantic.index.ports import Index
    from imprint.semantic.indexing.build import Builder
    from imprint.store.view import RepositoryView

_PART_BLOBS: Final = 200
"""Contents between two looks at the clock, and two notes of how far it is."""
_LOOKED_UP: Final = 20_000
_LISTS_KEPT: Final = 4
_NAME_BYTES: Final = 16
_LEFT_OUT: Final = b"refs/notes/"
"""Trees of notes hold a file per commit, named by its id: nothing that anybody searches by meaning."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the index of a history is.

    Attributes:
        done: contents that are in the index, or cannot be read.
        total: all that the refs reach.
        sequence: of the last event whose refs are finished; 0 if none is.
        name: of the list of contents that it speaks of.
    """

    done: int
    total: int
    sequence: int = 0
    name: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be read."""
        return self.done == self.total


@dataclass(frozen=True, slots=True)
class Contents:
    """What a history holds: contents, newest first, each with one of the paths that it had.

    Attributes:
        name: changes whenever what is listed does.
        tips: the objects of refs that reach it.
        blobs: ids, as bytes one after the other.
        paths: a path of each.
        base: the name of the list that this one goes on from; empty for none.
        fresh: how many, at the front, are not only there because that list had them.
    """

    name: str
    tips: frozenset[str]
    blobs: bytes
    paths: StringTable
    base: str = ""
    fresh: int = 0

    def files(self, most: int | None = None) -> list[tuple[bytes, ObjectId]]:
        """Path and content of each, or of the first ones."""
        width = self.width
        count = len(self.paths) if most is None else most
        text = self.blobs[: count * width].hex()
        return [
            (path, ObjectId(text[2 * number * width : 2 * (number + 1) * width]))
            for number, path in enumerate(self.paths.decode(0, count))
        ]

    @property
    def width(self) -> int:
        """Bytes of one id."""
        return len(self.blobs) // max(len(self.paths), 1)


class Histories:
    """The histories of an index's repositories. Safe to share between threads.

    Args:
        index: where contents go.
        builder: brings them there.
        folder: where lists are kept.
    """

    def __init__(self, index: Index, builder: Builder, folder: Path) -> None:
        self._index = index
        self._builder = builder
        self._folder = folder
        self._lock = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}
        self._lists: OrderedDict[str, Contents] = OrderedDict()
        self._left: dict[str, tuple[str, list[BlobKey]]] = {}

    def progress(self, repository_id: str) -> Progress | None:
        """How far the index of a history is; None if it was never begun."""
        try:
            birth, *noted = json.loads(self._state_path(repository_id).read_text("ascii"))
            progress = Progress(*noted)
        except (OSError, TypeError, ValueError):
            return None
        return progress if birth == self._find_birth() else None

    def advance(
        self,
        view: RepositoryView,
        seconds: float | None,
        stopping: Callable[[], bool],
        sequence: int = 0,
        report: Callable[[int, int], None] | None = None,
    ) -> Progress:
        """Index what is left of a history, for about so many seconds; None for as long as it takes.

        `sequence` is recorded once all is done. `report` is told contents done, and in all.

        Raises:
            Stopped: `stopping` said so; what was extracted stays.
            StorageFailed: the disk is full or read-only.
        """
        until = None if seconds is None else monotonic() + seconds
        contents = self.contents(view)
        left = self._find_left(view.id, contents)
        total = len(contents.paths)
        before = self.progress(view.id)
        progress = Progress(total - len(left), total, before.sequence if before else 0, contents.name)
        while left:
            if until is not None and monotonic() >= until:
                break
            part = left[-_PART_BLOBS:]
            try:
                for _ in self._builder.add_patiently(view, part[::-1], stopping):
                    pass
            except BaseException:
                self._left.pop(view.id, None)  # some of the part is in the index: look again
                raise
            self._hold(view.id, part)
            del left[-_PART_BLOBS:]
            progress = replace(progress, done=total - len(left))
            self._note(view.id, progress)
            if report:
                report(progress.done, total)
        if not left:
            self._left.pop(view.id, None)
            progress = replace(progress, done=total, sequence=max(sequence, progress.sequence))
        self._note(view.id, progress)
        return progress

    def _find_left(self, repository_id: str, contents: Contents) -> list[BlobKey]:
        """What the index lacks, the newest at the end; what it has is held from now on."""
        known = self._left.get(repository_id)
        if known is not None and known[0] == contents.name:
            return known[1]
        before = self.progress(repository_id)
        goes_on = before is not None and before.is_complete and before.name == contents.base
        files = contents.files(contents.fresh) if goes_on else contents.files()
        keys = [BlobKey(blob, flavour(path)) for path, blob in files]
        left: list[BlobKey] = []
        for begin in range(0, len(keys), _LOOKED_UP):
            some = keys[begin : begin + _LOOKED_UP]
            missing = self._index.find_missing(some)
            self._hold(repository_id, [key for key in some if key not in missing])
            left += [key for key in some if key in missing]
        left.reverse()
        self._left[repository_id] = contents.name, left
        return left

    def _hold(self, repository_id: str, keys: Sequence[BlobKey]) -> None:
        rows = self._index.find_rows(keys)
        self._index.hold(repository_id, {row.id for row in rows.values()})

    def contents(self, view: RepositoryView) -> Contents:
        """What the history holds that a view shows; read from the objects as far as that is new.

        Raises:
            StorageFailed: the disk is full or read-only.
        """
        refs = view.refs.snapshot().refs
        tips = frozenset(str(value.id) for name, value in refs.items() if not name.startswith(_LEFT_OUT))
        path = self._list_path(view.id, is_limited=view.reached_only)
        with self._lock:
            reading = self._reading.setdefault(path.name, threading.Lock())
        with reading:  # a long walk through one repository keeps nobody from another
            known = self._find_list(path)
            if known is None or known.tips != tips:
                known = _list(view, tips, known)
                _write(path, known)
            self._remember(path, known)
            return known

    def is_whole(self, repository_id: str, contents: Contents) -> bool:
        """Whether all that a list has is in the index, as far as it can be read."""
        progress = self.progress(repository_id)
        if progress is None or not progress.is_complete:
            return False
        if contents.name == progress.name:
            return True
        finished = self._find_list(self._list_path(repository_id, is_limited=False))
        return finished is not None and finished.name == progress.name and contents.tips <= finished.tips

    def _list_path(self, repository_id: str, *, is_limited: bool) -> Path:
        return self._folder / f"{repository_id}.{'shown' if is_limited else 'all'}"

    def _find_list(self, path: Path) -> Contents | None:
        with self._lock:
            known = self._lists.get(path.name)
        return known or _read(path)

    def _remember(self, path: Path, contents: Contents) -> None:
        with self._lock:
            self._lists[path.name] = contents
            self._lists.move_to_end(path.name)
            while len(self._lists) > _LISTS_KEPT:
                self._lists.popitem(last=False)

    def forget(self, repository_id: str) -> None:
        """Drop what is kept of a repository."""
        with self._lock:
            self._lists.clear()
            self._left.pop(repository_id, None)
            for suffix in ("all", "shown", "done"):
                (self._folder / f"{repository_id}.{suffix}").unlink(missing_ok=True)

    def _find_birth(self) -> str:
        """What stays with the index until it loses something."""
        return self._index.incarnation().partition("-")[0]

    def _state_path(self, repository_id: str) -> Path:
        return self._folder / f"{repository_id}.done"

    def _note(self, repository_id: str, progress: Progress) -> None:
        path = self._state_path(repository_id)
        partial = path.with_name(f"{path.name}.new")
        try:
            partial.write_text(json.dumps([self._find_birth(), *astuple(progress)]), "ascii")
            partial.replace(path)
        except OSError as failure:
            raise StorageFailed(f"cannot write {path}: {failure.strerror}") from failure


def _read(path: Path) -> Contents | None:
    with suppress(FileNotFoundError, StorageFailed, KeyError):
        arrays, facts = map_arrays(path)
        table = StringTable(arrays["paths"], arrays["path_starts"])
        blobs = arrays["blobs"].tobytes()
        base, fresh = facts.get("base", ""), facts.get("fresh", 0)
        return Contents(facts["name"], frozenset(facts["tips"]), blobs, table, base, fresh)
    return None


def _write(path: Path, contents: Contents) -> None:
    arrays = {
        "paths": contents.paths.text,
        "path_starts": contents.paths.starts,
        "blobs": np.frombuffer(contents.blobs, np.uint8),
    }
    facts = {"name": contents.name, "tips": sorted(contents.tips)}
    write_arrays(path, arrays, {**facts, "base": contents.base, "fresh": contents.fresh})


def _list(view: RepositoryView, tips: frozenset[str], old: Contents | None) -> Contents:
    """What the tips reach; only what is new is walked where they reach all that was listed."""
    name = hashlib.blake2b(_lines(sorted(tips)), digest_size=_NAME_BYTES).hexdigest()
    if old is None or not old.tips or not tips or not _reach(view, tips, old.tips):
        return _pack(name, tips, list(_walk(view, [*tips])) if tips else [])
    fresh = _pack(name, tips, list(_walk(view, [*tips, *(f"^{tip}" for tip in old.tips)])))
    if not fresh.blobs or not old.blobs:
        some = fresh if fresh.blobs else old
        return replace(some, name=name, tips=tips, base=old.name, fresh=len(fresh.paths))
    here, there = (np.frombuffer(each.blobs, f"V{old.width}") for each in (fresh, old))
    kept = np.flatnonzero(~np.isin(there.view(f"S{old.width}"), here.view(f"S{old.width}")))
    paths = merge_strings([fresh.paths, old.paths], np.concatenate([np.arange(len(here)), kept + len(here)]))
    blobs = fresh.blobs + there[kept].tobytes()
    return Contents(name, tips, blobs, paths, old.name, len(here))


def _pack(name: str, tips: frozenset[str], files: Sequence[tuple[bytes, ObjectId]]) -> Contents:
    blobs = bytes.fromhex("".join(blob for _, blob in files))
    return Contents(name, tips, blobs, StringTable.build([path for path, _ in files]))


def _reach(view: RepositoryView, tips: frozenset[str], old: frozenset[str]) -> bool:
    """Whether the tips reach every old one. Refs at something else than commits count as not reached."""
    gone = old - tips
    if not gone:
        return True
    if any(view.objects.find_kind(ObjectId(tip)) is not ObjectKind.COMMIT for tip in gone):
        return False
    found = view.plumbing.run(
        "rev-list", "--stdin", "--max-count=1", stdin=_lines([*gone, *(f"^{tip}" for tip in tips)])
    )
    return not found.strip()


def _walk(view: RepositoryView, revisions: Sequence[str]) -> Iterator[tuple[bytes, ObjectId]]:
    told = view.plumbing.run(
        "rev-list",
        "--objects",
        "--filter=object:type=blob",
        "--missing=allow-any",
        "--stdin",
        stdin=_lines(revisions),
    )
    for line in told.split(b"\n"):
        blob, _, path = line.partition(b" ")
        if blob and path:
            yield path, ObjectId(blob.decode("ascii"))


def _lines(revisions: Sequence[str]) -> bytes:
    return "".join(f"{revision}\n" for revision in revisions).encode("ascii")

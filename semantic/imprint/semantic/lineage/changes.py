"""The change log: every commit of a repository with its message and what it touched, read from git once.

    FOLDER/<repository id>/log.json            which segments there are, and for which boundary
    FOLDER/<repository id>/<number>.segment    see `imprint.semantic.lineage.log.segment`
    FOLDER/<repository id>/position            sequence of the last event that is taken in

Invariants:
    1. Derived: it may be deleted at any time, and comes back with the same commits and touches.
    2. Segments appear before the list that names them, and the list is replaced whole: a crash loses at most
       the commits of one segment, which are read again.
    3. One writer per repository at a time; readers never wait.
    4. A shallow clone whose boundary moved is logged anew: a parent that was absent may be there now. So is
       a repository whose log is damaged.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from imprint.semantic.index.arrays import sync_folder
from imprint.semantic.lineage.log.reading import iter_changes
from imprint.semantic.lineage.log.segment import ABSENT, FORMAT_VERSION, CommitRow, Segment, SegmentBuilder
from imprint.semantic.lineage.past import Past
from imprint.store.errors import ObjectDamaged, ObjectMissing, StorageFailed
from imprint.store.history.patches import list_parents_first
from imprint.store.history.reading import find_objects, iter_commits, read_boundary
from imprint.store.hosting.followers import Stopped, never
from imprint.store.objects.ports import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

_STRETCH: Final = 4_096
"""Commits that are read before they are written: what a crash repeats at most."""
_SEGMENT_COMMITS_MAX: Final = 16_384
"""Segments below this size are joined as they grow."""
_LIMITED_KEPT: Final = 16
_LIST: Final = "log.json"


class ChangeLog:
    """The logs of many repositories. Safe to share between threads and processes; see `open`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._pasts: dict[str, tuple[bytes, Past]] = {}
        self._limited: OrderedDict[tuple[str, frozenset[ObjectId]], tuple[Past, Past]] = OrderedDict()
        self._logged: dict[str, tuple[Past, frozenset[ObjectId]]] = {}

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the logs in a folder; make it where there is none.

        Raises:
            StorageFailed: the folder is not writable.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            raise StorageFailed(f"cannot make {folder}: {failure.strerror}") from failure
        return cls(folder)

    def of(self, repository_id: str) -> Past:
        """What is logged of a repository, with what its hidden refs reach: limit it before it is shown."""
        home = self._folder / repository_id
        for _ in range(5):  # a writer may take segments away between reading the list and mapping them
            listed = _read_list(home)
            with self._lock:
                key, past = self._pasts.get(repository_id, (b"", None))
                if past is not None and key == listed:
                    return past
            segments = _open_segments(home, listed)
            if segments is None:
                continue
            past = Past(segments)
            with self._lock:
                self._pasts[repository_id] = listed, past
            return past
        return Past([])

    def seen(self, view: RepositoryView) -> Past:
        """What is logged of a repository, limited to what the view shows."""
        past = self.of(view.id)
        key = view.id, _tips(view)
        with self._lock:
            whole, limited = self._limited.get(key, (None, None))
        if limited is None or whole is not past:
            limited = past.limited(key[1])
        with self._lock:
            self._limited[key] = past, limited
            self._limited.move_to_end(key)
            while len(self._limited) > _LIMITED_KEPT:
                self._limited.popitem(last=False)
        return limited

    def ensure(
        self,
        view: RepositoryView,
        tips: Iterable[ObjectId] = (),
        progress: Callable[[int, int], None] | None = None,
        stopping: Callable[[], bool] = never,
    ) -> None:
        """Log every commit that the tips and the view's refs reach; what is there already costs nothing.

        `progress` is told how many commits are read, and how many there are to read.

        Raises:
            Stopped: `stopping` said so; what is logged stays.
            StorageFailed: the disk is full or the folder not writable.
        """
        wanted = _tips(view).union(tips)
        boundary = _boundary(view)
        past = self.of(view.id)
        whole, logged = self._logged.get(view.id, (None, frozenset()))
        missing = [tip for tip in wanted - (logged if whole is past else set()) if past.find(tip) is None]
        if self._boundary_of(view.id) == boundary and not any(_is_commit(view, tip) for tip in missing):
            self._logged[view.id] = past, wanted
            return
        with self._writing(view.id) as home:
            writer = _Writer(home, boundary)
            past = Past(writer.segments)
            known = [past.commit(number) for number in past.heads()]
            commits = list_parents_first(view, wanted, known)
            for at in range(0, len(commits), _STRETCH):
                if stopping():
                    raise Stopped
                writer.add(view, commits[at : at + _STRETCH])
                if progress:
                    progress(min(at + _STRETCH, len(commits)), len(commits))

    def position(self, repository_id: str) -> int:
        """Sequence of the last event whose commits are logged; 0 if there is none, or the log is damaged."""
        home = self._folder / repository_id
        listed = _read_list(home)
        with self._lock:
            is_whole = bool(listed) and self._pasts.get(repository_id, (b"", None))[0] == listed
        if not is_whole and (not listed or _open_segments(home, listed) is None):
            return 0
        with suppress(OSError, ValueError):
            return int((home / "position").read_text("ascii"))
        return 0

    def record_position(self, repository_id: str, sequence: int) -> None:
        """Record that the commits of all events up to this one are logged.

        Raises:
            StorageFailed: the folder is not writable.
        """
        with self._writing(repository_id) as home:
            if not _read_list(home):  # nothing to log is a log too
                _write_list(home, "", [])
            _replace(home / "position", str(sequence).encode())

    def forget(self, repository_id: str) -> None:
        """Delete what is logged of a repository."""
        with self._lock:
            self._pasts.pop(repository_id, None)
            self._logged.pop(repository_id, None)
            self._limited.clear()
        shutil.rmtree(self._folder / repository_id, ignore_errors=True)

    def _boundary_of(self, repository_id: str) -> str | None:
        listed = _read_list(self._folder / repository_id)
        return str(json.loads(listed)["boundary"]) if listed else None

    @contextmanager
    def _writing(self, repository_id: str) -> Iterator[Path]:
        """The repository's folder, for this writer alone."""
        home = self._folder / repository_id
        try:
            home.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as failure:
            raise StorageFailed(f"cannot write {home}: {failure.strerror}") from failure
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield home
        except OSError as failure:
            raise StorageFailed(f"cannot write {home}: {failure.strerror}") from failure
        finally:
            os.close(descriptor)


class _Writer:
    """Adds to the log of one repository; whoever makes it holds the lock."""

    def __init__(self, home: Path, boundary: str) -> None:
        self._home = home
        self._boundary = boundary
        listed = _read_list(home)
        fits = listed and json.loads(listed)["boundary"] == boundary
        self.segments = (_open_segments(home, listed) if fits else None) or []
        self._numbers: dict[ObjectId, int] = {}
        self._trees: dict[ObjectId, ObjectId] = {}

    def add(self, view: RepositoryView, commits: Sequence[ObjectId]) -> None:
        """Log commits, parents first."""
        past = Past(self.segments)
        builder = SegmentBuilder(len(past))
        decoded = list(iter_commits(view, commits))

        def find_number(commit: ObjectId) -> int:
            number = self._numbers.get(commit)
            if number is None:
                found = past.find(commit)
                return ABSENT if found is None else found
            return number

        def find_tree(commit: ObjectId) -> ObjectId | None:
            if find_number(commit) == ABSENT:
                return None
            if commit not in self._trees:
                with suppress(ObjectDamaged, ObjectMissing):
                    self._trees[commit] = view.objects.read_commit(commit).tree
            return self._trees.get(commit)

        for place, commit in enumerate(decoded):
            self._numbers[commit.id] = builder.first + place
            self._trees[commit.id] = commit.tree
        for commit, changes in zip(decoded, iter_changes(view, decoded, find_tree), strict=True):
            parents = tuple(find_number(parent) for parent in commit.parents)
            author, time = commit.author.name, commit.committer.at_s
            builder.rows.append(
                CommitRow(bytes.fromhex(commit.id), parents, time, author, commit.message, changes)
            )
        self._write(builder, view.objects.algorithm.hex_length // 2)

    def _write(self, builder: SegmentBuilder, id_bytes: int) -> None:
        if not builder.rows:
            return
        while self.segments and self._joins(builder):
            before = self.segments.pop()
            builder = SegmentBuilder(before.first, [*before.rows(), *builder.rows])
        path = self._home / f"{builder.first}-{len(builder.rows)}.segment"
        builder.write(path, id_bytes)
        self.segments.append(Segment(path))
        names = [segment.path.name for segment in self.segments]
        _write_list(self._home, self._boundary, names)
        for other in self._home.glob("*.segment*"):
            if other.name not in names:
                other.unlink(missing_ok=True)

    def _joins(self, builder: SegmentBuilder) -> bool:
        """Whether the last segment is so small that the new one takes it in: each commit moves seldom."""
        last = self.segments[-1].count
        return last < 4 * len(builder.rows) and last + len(builder.rows) <= _SEGMENT_COMMITS_MAX


def _tips(view: RepositoryView) -> frozenset[ObjectId]:
    """What the view's refs lead to."""
    return frozenset(value.peeled or value.id for value in view.refs.snapshot().refs.values())


def _is_commit(view: RepositoryView, tip: ObjectId) -> bool:
    """Whether a ref leads to a commit: one may lead to a file, and one to what is not here."""
    return view.objects.find_kind(tip) is ObjectKind.COMMIT


def _boundary(view: RepositoryView) -> str:
    content = read_boundary(find_objects(view)[1])
    return hashlib.blake2b(content, digest_size=16).hexdigest() if content else ""


def _read_list(home: Path) -> bytes:
    """The list of segments as it is on disk; empty where there is none, a damaged or another version's."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = (home / _LIST).read_bytes()
        listed = json.loads(content)
        if listed["version"] == FORMAT_VERSION and {*listed} == {"boundary", "segments", "version"}:
            return content
    return b""


def _write_list(home: Path, boundary: str, names: Sequence[str]) -> None:
    listed = {"boundary": boundary, "segments": list(names), "version": FORMAT_VERSION}
    _replace(home / _LIST, json.dumps(listed, sort_keys=True).encode())


def _open_segments(home: Path, listed: bytes) -> list[Segment] | None:
    """The segments of a list; None where one is gone or damaged."""
    names = list(json.loads(listed)["segments"]) if listed else []
    segments: list[Segment] = []
    with suppress(FileNotFoundError, StorageFailed, KeyError, ValueError):
        for name in names:
            segments.append(Segment(home / name))  # each one is checked against those before
            if segments[-1].first != sum(each.count for each in segments[:-1]):
                return None
        return segments
    return None


def _replace(path: Path, content: bytes) -> None:
    """Write a small file whole; it survives a crash of the machine."""
    descriptor, temporary = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    Path(temporary).rename(path)
    sync_folder(path.parent)

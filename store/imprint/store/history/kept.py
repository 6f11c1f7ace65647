"""Where lines came from, computed from what was found before; how, see `kept_trace`.

Invariants:
    1. The answer is what git blame answers when it is asked for the whole: kept spans only save work.
    2. Spans are kept only when they cover a whole file and every line was followed to its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from imprint.store.history.blame import (
    LineOrigin,
    Span,
    count_lines,
    find_file,
    iter_origins,
    verify_line,
)
from imprint.store.history.kept_folder import KeptFolders
from imprint.store.history.kept_spans import BYTES_MAX, KeptAt, KeptSpans, Place
from imprint.store.history.kept_trace import Known, cut_spans, trace
from imprint.store.objects.ports import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from imprint.store.objects.ports import Objects
    from imprint.store.plumbing import Plumbing
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

    _Lines = tuple[int, int]
    """The first and the last."""


class Lines:
    """Where the lines of files came from. Safe to share between threads.

    Args:
        spans: what is kept; None to keep nothing.
        folders: isolated Git folders.
    """

    def __init__(self, spans: KeptSpans | None = None, folders: KeptFolders | None = None) -> None:
        self.spans = spans
        self._folders = folders or KeptFolders(None)

    @classmethod
    def open(cls, folder: Path, bytes_max: int = BYTES_MAX) -> Self:
        """Keep spans in `blame.db` and isolated folders in `blame/` of a folder, which is made if missing.

        Raises:
            StorageFailed: it cannot be written.
        """
        return cls(KeptSpans.open(folder / "blame.db", bytes_max), KeptFolders(folder / "blame"))

    def close(self) -> None:
        """Release what is open; it is not used again."""
        if self.spans is not None:
            self.spans.close()

    def forget(self, repository_id: str) -> None:
        """Drop everything about a repository."""
        if self.spans is not None:
            self.spans.forget(repository_id)
        self._folders.forget(repository_id)

    def isolated(self, view: RepositoryView) -> AbstractContextManager[Plumbing]:
        """Git on a view's objects, swayed by nothing; see `reading.isolated`."""
        return self._folders.isolated(view)

    def index_changed_paths(self, view: RepositoryView, commit: ObjectId) -> None:
        """Make every later blame from `commit` quicker; see `blame.index_changed_paths`."""
        self._folders.index_changed_paths(view, commit)

    def origins(
        self, view: RepositoryView, commit: ObjectId, path: bytes, lines: _Lines | None = None
    ) -> list[LineOrigin]:
        """The origin of every line of a file, in order, or of a range of them; none for an empty file.

        Args:
            view: the repository.
            commit: the commit that holds the file.
            path: where.
            lines: the first and the last one, counted from 1.

        Raises:
            PathMissing: the commit has no file at the path, or the file has no such line.
        """
        content = view.objects.read_blob(find_file(view, commit, path))
        if lines is not None:
            for line in lines:
                verify_line(content, commit, path, line)
        spans = self._find(view, commit, path, lines or (1, count_lines(content)), is_part=lines is not None)
        return list(iter_origins(spans, content, lines[0] if lines else 1))

    def find_spans(self, view: RepositoryView, commit: ObjectId, path: bytes) -> tuple[Sequence[Span], bytes]:
        """The origins of a file's lines as spans, and the file's content; errors as in `origins`."""
        content = view.objects.read_blob(find_file(view, commit, path))
        return self._find(view, commit, path, (1, count_lines(content)), is_part=False), content

    def origin(self, view: RepositoryView, commit: ObjectId, path: bytes, line: int) -> LineOrigin:
        """The origin of one line; errors as in `origins`."""
        return self.origins(view, commit, path, (line, line))[0]

    def warm(self, view: RepositoryView, commit: ObjectId, path: bytes) -> None:
        """Find the origins of a file's lines before somebody asks; errors as in `origins`."""
        lines = (1, count_lines(view.objects.read_blob(find_file(view, commit, path))))
        self._find(view, commit, path, lines, is_part=False, is_asked=False)

    def list_lately_used(self, view: RepositoryView, count: int) -> list[bytes]:
        """Paths asked for lately, at most so many, the last one first."""
        if self.spans is None:
            return []
        return self.spans.list_lately_used(view.id, self._folders.boundary(view), count)

    def _find(
        self,
        view: RepositoryView,
        commit: ObjectId,
        path: bytes,
        lines: _Lines,
        *,
        is_part: bool,
        is_asked: bool = True,
    ) -> list[Span]:
        if lines[1] < lines[0]:
            return []
        if self.spans is None:
            with self.isolated(view) as plumbing:
                return trace(plumbing, commit, path, [lines] if is_part else [])
        place = Place(view.id, self._folders.boundary(view), path)
        kept = self.spans.find(place, commit, is_asked=is_asked)
        if kept is not None:
            return cut_spans(kept, lines) if is_part else list(kept)
        near = self._find_near(self.spans, place, view.objects, commit)
        with self.isolated(view) as plumbing:
            spans = trace(plumbing, commit, path, [lines] if is_part else [], near=near)
        if not is_part:
            at_s = view.objects.read_commit(commit).committer.at_s
            self.spans.keep(place, KeptAt(commit, at_s), spans, is_asked=is_asked)
        return spans

    def _find_near(self, kept: KeptSpans, place: Place, objects: Objects, commit: ObjectId) -> list[Known]:
        """Kept spans of the file at commits that are near in time: an older one first, then a newer one."""
        at_s = objects.read_commit(commit).committer.at_s
        every = sorted(kept.list_at(place), key=lambda each: each.at_s)
        older = [each for each in every if each.at_s <= at_s][-1:]
        newer = [each for each in every if each.at_s > at_s][:1]
        return [
            Known(each.commit, place.path, spans)
            for each in (*older, *newer)
            if objects.find_kind(each.commit) is ObjectKind.COMMIT
            and (spans := kept.find(place, each.commit, is_asked=False)) is not None
        ]

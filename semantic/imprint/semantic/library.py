"""The library: what the layers above hold to index commits and to ask about them.

Invariants:
    1. An answer is about one commit, names it, and says how many commits it is behind the one asked for: none
       unless more of that commit is missing than can be read while somebody waits.
    2. Asking about an indexed commit reads no more than the index's own files and the lines shown.
    3. Everything in the folder can be deleted; indexing again gives the same answers.

Layout of the folder: `index-<schema>.<extractor>/` holds the index, and `listings/` in it what was made ready
to be searched. A folder of an earlier extractor version answers until every repository is in this
one; those of other versions are removed when this one is opened: they are derived.
"""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from imprint.semantic.index.lance import LanceIndex
from imprint.semantic.index.sql.database import SCHEMA_VERSION
from imprint.semantic.indexed import IndexedContents, IndexedSnapshot
from imprint.semantic.indexing.build import AT_ONCE_BLOBS_MAX, BATCH_BLOBS, Builder
from imprint.semantic.indexing.elder import Elder, find_elder
from imprint.semantic.indexing.histories import Histories, Progress
from imprint.semantic.parse.extract import EXTRACTOR_VERSION, extract
from imprint.semantic.parse.isolation import Extractors
from imprint.semantic.search.answer import Answer, IndexStatus
from imprint.semantic.search.background import NOTHING, Background
from imprint.semantic.search.finding.ask import answer_wish, read_wish
from imprint.semantic.search.finding.place import Place
from imprint.semantic.search.shelf import Shelf
from imprint.semantic.standing import find_standing
from imprint.semantic.symbols import find_references, find_symbols
from imprint.semantic.vectors import Vectors
from imprint.store.errors import NotIndexed, ObjectMissing, StorageFailed
from imprint.store.hosting.followers import never

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imprint.semantic.embedding.ports import Encoder
    from imprint.semantic.index.ports import Index
    from imprint.semantic.parse.model import Extraction
    from imprint.semantic.search.answer import ReferenceHit, SymbolHit
    from imprint.semantic.search.corpus import Corpus
    from imprint.semantic.search.query import Query
    from imprint.semantic.snapshot import Snapshot
    from imprint.semantic.standing import Standing
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

EXTRACTORS: Final = 2
"""Files that are parsed at the same time for one commit or history."""
_STAGE_BLOBS: Final = 5_000
"""While a history is being indexed, its corpus is made anew after this many contents."""


class Library:
    """An index and everything that is asked of it.

    Safe to share between threads; several processes may open one folder, and their writers take turns.

    Attributes:
        extract: gives the extraction of a content under a path, within the bounds of the extractor.
        extract_definitions: the same, where more than entities need not be in it.

    Args:
        index: where extracted content is kept.
        listings: where commits made ready are kept; None for memory only.
        extractor: gives the extraction of a content under a path.
        batch_blobs: contents that are extracted before they are written.
        workers: processes behind the extractor, which end with the library.
        threads: how many contents are extracted at the same time.
        at_once: contents that are extracted at most while somebody waits for an answer.
        histories: where it is kept what histories hold; None where only commits are indexed.
        vectors: those of the passages; None where only words are compared.
        elder: the index of an earlier version, which answers until this one can.
    """

    def __init__(  # noqa: PLR0913 - its parts, and its two bounds
        self,
        index: Index,
        listings: Path | None = None,
        extractor: Callable[[bytes, bytes], Extraction] = extract,
        batch_blobs: int = BATCH_BLOBS,
        workers: Extractors | None = None,
        *,
        threads: int = 1,
        at_once: int = AT_ONCE_BLOBS_MAX,
        histories: Path | None = None,
        vectors: Vectors | None = None,
        elder: Elder | None = None,
    ) -> None:
        self._index = index
        self._workers = workers
        self.extract: Final = extractor
        is_theirs = workers is not None and extractor == workers.extract
        self.extract_definitions: Final = workers.extract_definitions if workers and is_theirs else extractor
        self._builder = Builder(index, extractor, batch_blobs, threads, at_once)
        self._shelf = Shelf(index, listings)
        self._vectors = vectors
        self._elder = elder
        if vectors:
            index.listen(vectors.add)
        self._histories = Histories(index, self._builder, histories) if histories else None

    @classmethod
    def open(
        cls,
        folder: Path,
        extractor: Callable[[bytes, bytes], Extraction] | None = None,
        batch_blobs: int = BATCH_BLOBS,
        *,
        apart: bool = False,
        at_once: int = AT_ONCE_BLOBS_MAX,
        encoder: Encoder | None = None,
    ) -> Self:
        """Open the library in a folder; make it where there is none.

        Without an `extractor`, files are parsed in a process of its own, which a hostile one can kill
        without harm to this one. With `apart`, so is LanceDB kept, whose memory then is not this one's. With
        an `encoder`, passages get vectors as they are added; those that have none yet get them in `extend`.

        Raises:
            StorageFailed: the folder is not writable.
        """
        own = folder / f"index-{SCHEMA_VERSION}.{EXTRACTOR_VERSION}"
        try:
            (own / "listings").mkdir(parents=True, exist_ok=True)
            (own / "histories").mkdir(exist_ok=True)
            elder = find_elder(folder, own)
            for other in folder.glob("index-*"):
                if other not in {own, elder}:
                    shutil.rmtree(other, ignore_errors=True)
        except OSError as failure:
            raise StorageFailed(f"cannot make {own}: {failure.strerror}") from failure
        workers = Extractors(EXTRACTORS + 1)  # one for what somebody waits for
        index = LanceIndex(own, apart=apart)
        return cls(
            index,
            own / "listings",
            extractor or workers.extract,
            batch_blobs,
            workers,
            threads=1 if extractor else EXTRACTORS,
            at_once=at_once,
            histories=own / "histories",
            vectors=Vectors(index, encoder, own / "vectors") if encoder else None,
            elder=Elder(elder, index, apart=apart) if elder else None,
        )

    def prepare(self) -> None:
        """Start the processes that the first content would wait for; LanceDB's ends again if none comes.

        Raises:
            StorageFailed: there are no processes to be had.
        """
        self._index.prepare()
        if self._workers:
            self._workers.prepare()

    # -- indexing -----------------------------------------------------------------------------------

    def ensure(
        self,
        view: RepositoryView,
        commit: ObjectId,
        progress: Callable[[int, int], None] | None = None,
        *,
        stopping: Callable[[], bool] = never,
    ) -> None:
        """Index a commit's tree now, if that has not been done; goes on where an interrupted run stopped.

        `progress` is told how many contents are done, and how many there are to do.
        `stopping` is asked before each content.

        Raises:
            Stopped: `stopping` said so.
            ObjectMissing: the commit or one of its trees is not in the repository.
            StorageFailed: the disk is full or read-only.
        """
        self._builder.ensure(view, commit, progress, stopping)
        if self._elder and not self._elder.is_followed(view.id):
            self._elder.release(view.id)

    def position(self, repository_id: str) -> int:
        """Sequence of the last event whose tips are indexed; 0 if there is none."""
        return self._index.position(repository_id)

    def record_position(self, repository_id: str, sequence: int) -> None:
        """Record that all tips up to this event are indexed."""
        self._index.mark(repository_id, [], sequence)
        if self._elder:
            self._elder.release(repository_id)

    def forget(self, repository_id: str) -> None:
        """Drop what is kept of a repository, and content that no other repository holds."""
        if self._histories:
            self._histories.forget(repository_id)
        if self._elder:
            self._elder.forget(repository_id)
        self._index.forget(repository_id)
        self._shelf.remove()
        if self._vectors:
            self._vectors.forget(self._shelf.layout())

    def extend(
        self,
        view: RepositoryView,
        *,
        seconds: float | None = None,
        sequence: int = 0,
        progress: Callable[[int, int], None] | None = None,
        stopping: Callable[[], bool] = never,
    ) -> Progress:
        """Index what is left of everything that the view's refs reach, for about so many seconds.

        It waits whenever something else is wanted at once. `sequence` is recorded when all is done;
        `progress` is told contents done, and in all.

        Raises:
            Stopped: `stopping` said so; what was extracted stays.
            StorageFailed: the disk is full or read-only.
        """
        if self._vectors:
            self._vectors.fill(self._shelf.layout(), stopping)
        if self._histories is None:
            return Progress(0, 0, sequence)
        return self._histories.advance(view, seconds, stopping, sequence, progress)

    def extended(self, repository_id: str) -> Progress | None:
        """How far the index of a history is; None if it was never begun."""
        return self._histories.progress(repository_id) if self._histories else None

    # -- asking -------------------------------------------------------------------------------------

    def search(
        self, view: RepositoryView, query: Query, *, ref: str = "HEAD", background: Background = NOTHING
    ) -> Answer:
        """The passages that fit a query best, at what a ref names; `background` is what the caller may know.

        Raises:
            BadInput: the query holds no word, asks for no hits or too many, is no regular expression that can
                be searched, or needs a past or claims that `background` lacks.
            RefMissing: nothing has this name.
            BadRevision: it names several commits, or none.
        """
        wish = read_wish(query)
        standing, corpus, index = self._find(view, ref)
        if corpus is None or standing.indexed is None:
            return Answer(None, standing.behind, ())
        return answer_wish(
            Place(
                view,
                standing.indexed,
                standing.behind,
                corpus,
                background,
                history=lambda: self.history(view),
                is_history_whole=lambda: self._is_history_whole(view),
                vectors=self._vectors if index is self._index else None,
            ),
            wish,
        )

    def symbols(self, view: RepositoryView, name: str, *, ref: str = "HEAD") -> list[SymbolHit]:
        """Definitions of a name, which may be qualified: exact letters first, then other letter case.

        Raises:
            BadInput: no name was asked for.
            RefMissing, BadRevision: as for `search`.
        """
        return find_symbols(self.snapshot(view, ref), name)

    def references(self, view: RepositoryView, name: str, *, ref: str = "HEAD") -> list[ReferenceHit]:
        """Uses of a name, by path and line.

        Raises:
            BadInput: no name was asked for.
            RefMissing, BadRevision: as for `search`.
        """
        return find_references(self.snapshot(view, ref), name)

    def status(self, view: RepositoryView, ref: str = "HEAD") -> IndexStatus:
        """How far the index of a ref is.

        Raises:
            RefMissing, BadRevision: as for `search`.
        """
        standing, corpus, _ = self._find(view, ref)
        if corpus is None:
            done, total = self._count_history(view)
            return IndexStatus(
                ref, standing.head, None, standing.behind, history_done=done, history_total=total
            )
        return IndexStatus(
            ref,
            standing.head,
            standing.indexed,
            standing.behind,
            len(corpus.listing),
            len(corpus),
            corpus.listing.skipped,
            *self._count_history(view),
        )

    def count_waiting(self, view: RepositoryView, ref: str = "HEAD") -> int | None:
        """Contents of what a ref names that are to be indexed yet; None where trees of it are missing here.

        Raises:
            RefMissing, BadRevision: as for `search`.
        """
        standing, _, _ = self._find(view, ref)
        if standing.head is None or standing.indexed == standing.head:
            return 0
        try:
            done, total = self._builder.count(view, view.objects.read_commit(standing.head).tree)
        except ObjectMissing:
            return None
        return total - done

    def verify_begun(self, view: RepositoryView, ref: str = "HEAD") -> None:
        """Refuse where a ref has commits and none of them is indexed, so that an empty answer would mislead.

        Raises:
            NotIndexed: nothing can be told of it yet.
            RefMissing, BadRevision: as for `search`.
        """
        standing, _, _ = self._find(view, ref)
        if standing.head is not None and standing.indexed is None:
            tree = view.objects.read_commit(standing.head).tree
            raise NotIndexed(str(view.name), standing.head, *self._builder.count(view, tree))

    def _count_history(self, view: RepositoryView) -> tuple[int, int]:
        """Contents done and in all; in hundredths where what is hidden is among them, and not to be told."""
        progress = self.extended(view.id)
        if progress is None:
            return 0, 0
        if view.reached_only:
            return (100 * progress.done // progress.total if progress.total else 100), 100
        return progress.done, progress.total

    def snapshot(self, view: RepositoryView, ref: str = "HEAD") -> Snapshot | None:
        """The content of what a ref names, or of its newest indexed ancestor; None if there is none.

        Raises:
            RefMissing, BadRevision: as for `search`.
        """
        standing, corpus, index = self._find(view, ref)
        return None if corpus is None else IndexedSnapshot(index, view, standing, corpus)

    def _find(self, view: RepositoryView, ref: str) -> tuple[Standing, Corpus | None, Index]:
        """How the index stands to what a ref names, the chunks of that, and the index that they are from."""
        standing = self._stand(view, ref)
        if self._elder and (older := self._elder.stand(view, ref, standing)) and (tree := older.tree):
            files = partial(self._builder.files, view, tree)
            return older, self._elder.corpus(tree, files), self._elder.index or self._index
        corpus = self._corpus(view, standing.tree) if standing.tree else None
        return standing, corpus, self._index

    def _stand(self, view: RepositoryView, ref: str) -> Standing:
        def complete(commit: ObjectId, tree: ObjectId) -> bool:
            if self._shelf.holds(tree):
                return True
            near = self._shelf.find_near(view.objects, tree)
            if near is None:
                return self._builder.complete(view, commit, tree)
            if not self._builder.complete_part(view, commit, tree, near.keys(), near.kept):
                return False
            self._shelf.add(tree, near)
            return True

        return find_standing(self._index, view, ref, complete)

    def history(self, view: RepositoryView) -> Corpus | None:
        """Every passage that what the view shows ever held, each once, at the newest content that has it.

        None if the index of the history was never begun; while it is under way, what is indexed of it.
        """
        done = self.extended(view.id)
        if self._histories is None or done is None:
            return None
        contents = self._histories.contents(view)
        is_whole = self._histories.is_whole(view.id, contents)
        stage = "whole" if is_whole else f"{done.name}-{done.done // _STAGE_BLOBS}"
        return self._shelf.corpus(
            f"history-{view.id}-{contents.name}-{stage}", contents.files, distinct=True, keep=is_whole
        )

    def contents(self) -> IndexedContents:
        """What is indexed of contents, by content: for questions about the past. For one thread."""
        return IndexedContents(self._index, self._shelf.layout())

    def _is_history_whole(self, view: RepositoryView) -> bool:
        return self._histories is not None and self._histories.is_whole(
            view.id, self._histories.contents(view)
        )

    def _corpus(self, view: RepositoryView, tree: ObjectId) -> Corpus:
        return self._shelf.corpus(tree, lambda: self._builder.files(view, tree), objects=view.objects)

    def count_passages(self) -> tuple[int, int]:
        """How many passages are kept, and how many there would be if contents shared none."""
        segments = self._index.segments()
        return sum(len(one.passage_ids) for one in segments), sum(len(one.list_passages) for one in segments)

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything in the index, keyed by content and sorted: equal for equal content."""
        return self._index.rows()

    def close(self) -> None:
        """Release files; the library is not used again."""
        if self._workers:
            self._workers.close()
        self._shelf.clear()
        self._index.close()
        if self._elder:
            self._elder.close()

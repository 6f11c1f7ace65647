"""Reading in this process: the same answers for a repository of a data folder and for a clone."""

from __future__ import annotations

import stat
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from imprint.cli.output import counted
from imprint.store.view import resolve_commit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from imprint.cli.output import Output
    from imprint.cli.ports import AuditWish, Document, RecordedSessions
    from imprint.semantic.library import Library
    from imprint.semantic.lineage.past import Past
    from imprint.semantic.lineage.tracing.steps import KeptSteps
    from imprint.semantic.search.answer import IndexStatus
    from imprint.store.links.judging import Judge
    from imprint.store.links.refusals import Refusals
    from imprint.store.origins.audit import Coverage
    from imprint.store.origins.sources import Origins
    from imprint.store.origins.tally import Locate
    from imprint.store.sessions.keeping import Keeper
    from imprint.store.sessions.ports import Archive
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView


class Places(Protocol):
    """Where the derived data of a repository is; each is opened by the question that needs it."""

    def origins(self, commit: ObjectId) -> Origins:
        """The claims, brought up to date, with the commit's own."""
        ...

    def library(self) -> Library:
        """The index, as it is."""
        ...

    def indexed(self, ref: str) -> Library:
        """The index, with the ref's commit in it where this place can see to that."""
        ...

    def past(self) -> Past:
        """What the commits did, brought up to date where this place can see to that."""
        ...

    def steps(self) -> KeptSteps:
        """Where steps of symbols' histories are kept."""
        ...

    def note_changes(self, path: bytes, commit: ObjectId) -> None:
        """Say so where the user looks at another content of the file than the commit's."""
        ...

    def prompt(self, session: str, address: str) -> str | None:
        """The text of a prompt; None if it cannot be read."""
        ...

    def recorded(self) -> RecordedSessions:
        """The recorded sessions."""
        ...

    def archive(self) -> Archive | None:
        """Sessions and records; None where nothing was ever kept. Asking makes nothing."""
        ...

    def keeper(self) -> Keeper:
        """The archived sessions."""
        ...

    def judge(self, refusals: Refusals) -> Judge:
        """What refuses links here."""
        ...

    def people(self) -> frozenset[str]:
        """Names of the actors that are persons; none where that is not known."""
        ...


class LocalReading:
    """The `Reading` of a repository that this process has opened.

    Args:
        view: the repository.
        places: its derived data.
        output: where progress goes.
    """

    def __init__(self, view: RepositoryView, places: Places, output: Output) -> None:
        self._view = view
        self._places = places
        self._output = output

    def ask(self, question: str, given: Mapping[str, Any]) -> Document:
        """Answer from what this process has opened, after what the question needs was brought up to date."""
        from imprint.semantic.asking.model import Standpoint
        from imprint.semantic.asking.table import QUESTIONS, ask
        from imprint.store.errors import BadInput

        if question not in QUESTIONS:
            raise BadInput(f"there is no question {question!r}", hint=f"there are {', '.join(QUESTIONS)}")
        values = QUESTIONS[question].read_values(given)  # what cannot be asked is refused before the work
        here = Standpoint(
            view=self._view,
            library=self._places.indexed(values["ref"]),
            past=self._places.past,
            origins=self._places.origins,
            prompts=self._places.prompt,
            steps=self._places.steps(),
        )
        with self._output.waiting(f"answering {question}"):
            return ask(here, question, given)

    def symbols(self, name: str, ref: str) -> Document:
        """Definitions of a name."""
        from imprint.semantic.search.render import symbols_json

        library = self._places.indexed(ref)
        library.verify_begun(self._view, ref)
        found = symbols_json(library.symbols(self._view, name, ref=ref))
        return _standing(library.status(self._view, ref)) | {"symbols": found}

    def blame(self, path: bytes, ref: str) -> Document:
        """Every line of a file with its origin."""
        from imprint.store.origins.explain import blame
        from imprint.store.origins.render import blame_json

        commit = resolve_commit(self._view, ref)
        origins = self._places.origins(commit)
        with self._output.waiting("tracing lines"):
            lines = blame(self._view, origins, commit, path)
        self._places.note_changes(path, commit)
        return blame_json(commit, path, lines)

    def why(self, path: bytes, line: int, ref: str) -> Document:
        """Where a line came from."""
        from imprint.store.origins.explain import why
        from imprint.store.origins.render import explanation_json

        commit = resolve_commit(self._view, ref)
        origins = self._places.origins(commit)
        with self._output.waiting("tracing lines"):
            found = why(self._view, origins, commit, path, line, self._places.prompt)
        self._places.note_changes(path, commit)
        return explanation_json(found)

    def why_lines(self, path: bytes, lines: tuple[int, int], ref: str) -> Document:
        """Where some lines came from."""
        from imprint.store.origins.explain import why_lines
        from imprint.store.origins.render import explanations_json

        commit = resolve_commit(self._view, ref)
        origins = self._places.origins(commit)
        with self._output.waiting("tracing lines"):
            parts = why_lines(self._view, origins, commit, path, lines, self._places.prompt)
        self._places.note_changes(path, commit)
        return explanations_json(commit, path, lines, parts)

    def why_symbol(self, name: str, ref: str) -> Document:
        """Where the definitions of a name came from."""
        from imprint.semantic.why import why_symbol

        library = self._places.indexed(ref)
        origins = self._places.origins(resolve_commit(self._view, ref))
        with self._output.waiting("tracing lines"):
            return why_symbol(library, self._view, origins, name, ref, self._places.prompt)

    def audit(self, wish: AuditWish, ref: str) -> Document:
        """Coverage of everything reachable."""
        return self._audit(wish, ref).to_json()

    def audit_report(self, wish: AuditWish, ref: str) -> bytes:
        """The same as one HTML page."""
        from importlib.metadata import version

        from imprint.store.clock import SystemClock
        from imprint.store.origins.report import Cover, render_report

        cover = Cover(self._view.name, ref, SystemClock().now_ms(), f"Imprint {version('imprint')}")
        return render_report(self._audit(wish, ref), cover).encode()

    def _audit(self, wish: AuditWish, ref: str) -> Coverage:
        from imprint.store.origins.audit import Scope, audit

        scope = Scope.read(wish.since, wish.until, wish.path)
        commit = resolve_commit(self._view, ref)
        origins = self._places.origins(commit)
        archive = self._places.archive()
        symbols: AbstractContextManager[Locate | None] = nullcontext()
        if wish.symbols:
            from imprint.semantic.auditing import locating_symbols

            symbols = locating_symbols(self._view, commit)
        with symbols as locate, self._output.progress("tracing lines") as report:
            return audit(self._view, origins, commit, report, scope=scope, archive=archive, locate=locate)

    def export(self, name: str, ref: str) -> Iterator[Document]:
        """What is known of a history, in a format's documents."""
        from importlib.metadata import version

        from imprint.store.export.documents import Asked, iter_documents

        commit = resolve_commit(self._view, ref)
        claims = self._places.origins(commit).claims
        asked = Asked(
            self._view, claims, self._places.keeper(), commit, self._places.people(), version("imprint")
        )
        return iter_documents(name, asked)

    def index_history(self) -> Document:
        """Index everything that the refs reach."""
        library = self._places.library()
        with self._output.progress("indexing the history") as report:
            progress = library.extend(self._view, progress=report)
        return {"done": progress.done, "total": progress.total, "complete": progress.is_complete}

    def index_status(self, ref: str) -> Document:
        """How far the index is."""
        from imprint.semantic.search.render import status_json

        library = self._places.library()
        return status_json(library.status(self._view, ref), library.count_waiting(self._view, ref))

    def recorded(self) -> RecordedSessions:
        """The sessions of the repository."""
        return self._places.recorded()

    def links(self, commit: str | None) -> list[Document]:
        """The links between versions of commits."""
        from imprint.store.links.judging import list_links

        of = resolve_commit(self._view, commit or "HEAD")
        origins = self._places.origins(of)
        if origins.links is None:
            return []
        return list_links(origins.links, origins.refusals, self._view.id, of if commit else None)

    def refuse_link(self, commit: str, origin: str, reason: str) -> Document:
        """Refuse a link."""
        later, earlier = (resolve_commit(self._view, name) for name in (commit, origin))
        judge = self._places.judge(self._places.origins(later).refusals)
        return judge.refuse(self._view.id, (later, earlier), reason, None)

    def restore_link(self, commit: str, origin: str) -> Document:
        """Take a refusal back."""
        later, earlier = (resolve_commit(self._view, name) for name in (commit, origin))
        judge = self._places.judge(self._places.origins(later).refusals)
        return judge.restore(self._view.id, (later, earlier), None)


def index_now(library: Library, view: RepositoryView, ref: str, output: Output) -> None:
    """Bring what a ref names into an index; the first time, which may take long, is announced.

    Raises:
        RefMissing: nothing has this name, or HEAD's branch has no commit yet.
    """
    from imprint.store.objects.trees import iter_files

    commit = resolve_commit(view, ref)
    label = ""
    if library.status(view, commit).indexed is None:
        tree = view.objects.read_commit(commit).tree
        files = sum(stat.S_ISREG(entry.mode) for _, entry in iter_files(view.objects, tree))
        label = f"indexing {counted(files, 'file')} of {ref}, once"
    with output.stage(label), output.progress("indexing") as report:
        library.ensure(view, commit, report)


def _standing(status: IndexStatus) -> Document:
    """Which commit an answer speaks of, and how far that is behind: as a search says it."""
    return {"commit": status.indexed, "behind": status.behind}

"""Git AI's notes: which refs hold them, how they changed, and what the changed ones claim.

Notes lie in `refs/notes/ai`, in copies of it that were fetched to `refs/notes/ai-remote/<remote>`, and, of
the oldest versions, each in a blob of its own at `refs/ai/authorship/<commit>`. Of several notes on one
commit the one in `refs/notes/ai` counts, then a fetched one.

Invariants:
    1. Only notes that changed are read, and those whose commit became known.
    2. A note whose commit is not known waits for it.
"""

from __future__ import annotations

import logging
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from imprint.store.formats.foreign import UNFORESEEN
from imprint.store.formats.gitai import NOTES_REF, Note, NoteProblem, note_claims, parse_note, read_authors
from imprint.store.history.absent import ABSENT_FILES
from imprint.store.history.reading import isolated, iter_added_lines, iter_commits, iter_objects
from imprint.store.provenance.rows import NoteRecord, NotesChange
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imprint.store.provenance.ledger import Ledger
    from imprint.store.types import RefName
    from imprint.store.view import RepositoryView

    Sources = Mapping[RefName, ObjectId]

_log = logging.getLogger("imprint.store")
_NOTES_AT_ONCE: Final = 500
"""Notes held in memory together: old ones have megabytes."""
_FETCHED: Final = b"refs/notes/ai-remote/"
_LEGACY: Final = re.compile(rb"refs/ai/authorship/([0-9a-f]{40}|[0-9a-f]{64})\Z")


def is_notes_ref(ref: bytes) -> bool:
    """Whether a ref holds notes of Git AI, or one of them."""
    return ref == NOTES_REF or ref.startswith(_FETCHED) or _LEGACY.match(ref) is not None


def _list_all(view: RepositoryView, sources: Sources) -> dict[ObjectId, ObjectId]:
    """Annotated commits and the blobs of the notes that count."""
    notes: dict[ObjectId, ObjectId] = {}
    for ref, tip in sources.items():
        if found := _LEGACY.match(ref):
            notes[ObjectId(found[1].decode("ascii"))] = tip
    fetched = sorted((ref for ref in sources if ref.startswith(_FETCHED)), reverse=True)
    for ref in (*fetched, *(ref for ref in sources if ref == NOTES_REF)):
        if view.objects.find_kind(sources[ref]):
            notes |= list_notes(view, sources[ref])
    return notes


_HEXADECIMAL: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


def list_notes(view: RepositoryView, tip: ObjectId) -> dict[ObjectId, ObjectId]:
    """Annotated objects and the blobs of their notes, however the tree of notes fans out."""
    out = view.plumbing.run("ls-tree", "-r", "-z", "--full-tree", tip)
    notes = {}
    for entry in out.split(b"\0"):
        facts, _, path = entry.partition(b"\t")
        annotated = path.replace(b"/", b"").decode("ascii", "replace")
        if facts.split(b" ")[1:2] == [b"blob"] and _HEXADECIMAL.match(annotated):
            notes[ObjectId(annotated)] = ObjectId(facts.split(b" ")[2].decode("ascii"))
    return notes


def read_notes_change(
    view: RepositoryView,
    ledger: Ledger,
    repository_id: str,
    sources: Sources,
    new: Sequence[ObjectId],
) -> NotesChange | None:
    """How the notes in the refs differ from those in the ledger; None when they do not.

    Args:
        view: the repository.
        ledger: what was read of it.
        repository_id: which.
        sources: the refs that hold notes, as they are.
        new: commits that became known.
    """
    old_sources, old = ledger.note_sources(repository_id), ledger.notes(repository_id)
    notes = _list_all(view, sources) if sources != old_sources else old
    arrived = ledger.pending_notes(repository_id).keys() & set(new)
    changed = {commit: blob for commit, blob in notes.items() if old.get(commit) != blob or commit in arrived}
    if sources == old_sources and not changed:
        return None
    known = ledger.find_known(repository_id, changed) | set(new)
    records = [
        NoteRecord(commit, blob, is_pending=True) for commit, blob in changed.items() if commit not in known
    ]
    records += _iter_records(view, {commit: blob for commit, blob in changed.items() if commit in known})
    return NotesChange(sources, records, [commit for commit in old if commit not in notes])


def _iter_records(view: RepositoryView, blobs: Mapping[ObjectId, ObjectId]) -> Iterator[NoteRecord]:
    remaining = iter(blobs)
    while part := list(islice(remaining, _NOTES_AT_ONCE)):
        with isolated(view) as plumbing:  # in a partial clone's own folder git would want to fetch
            read = iter_objects(plumbing, {blobs[it] for it in part})
            contents = {blob: content for blob, _, content in read}
        notes = {commit: read_note(commit, contents.get(blobs[commit], b"")) for commit in part}
        with_lines = [commit for commit, note in notes.items() if note.attestations]
        added = {commit.id: lines for commit, lines in iter_added_lines(view, iter_commits(view, with_lines))}
        for commit, note in notes.items():
            yield make_note_record(commit, blobs[commit], note, added.get(commit, {}))


def read_note(commit: ObjectId, raw: bytes) -> Note:
    """The note on a commit; one with a problem alone where no code expected what it says."""
    try:
        return parse_note(raw)
    except UNFORESEEN as surprise:
        return Note(problems=(_tell_surprise(commit, surprise),))


def _tell_surprise(commit: ObjectId, surprise: Exception) -> NoteProblem:
    """The problem `unreadable`, for what no code expected; logged with where it came from."""
    _log.warning("notes: that of commit %s could not be read", commit, exc_info=surprise)
    return NoteProblem(0, f"unreadable: {type(surprise).__name__}; it was passed over")


def make_note_record(
    commit: ObjectId, blob: ObjectId, note: Note, added: Mapping[bytes, Sequence[tuple[int, int]]] | None
) -> NoteRecord:
    """What the ledger keeps of a note.

    Args:
        commit: what it annotates.
        blob: its content's id.
        note: as read.
        added: lines that the commit added; None where its files are not all there.
    """
    try:
        claims, unused = note_claims(commit, note, added or {})
        names_agent = any(author.agent for author in read_authors(note).values())
    except UNFORESEEN as surprise:
        return NoteRecord(commit, blob, problems=(*note.problems, _tell_surprise(commit, surprise)))
    if added is None:
        unused = [NoteProblem(0, ABSENT_FILES)]
    return NoteRecord(
        commit, blob, names_agent=names_agent, claims=tuple(claims), problems=(*note.problems, *unused)
    )

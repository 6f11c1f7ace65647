"""What is known of a history as a stream of JSON documents, one format each.

    git-ai        {"commit", "note"}: the note's text, for `refs/notes/ai`
    agent-trace   an Agent Trace record
    entire        {"ref", "message", "files": {path: base64}}: a checkpoint in the git-refs layout
    in-toto       a statement, not signed yet
    tables        {"table", "row": {...}}: see `tables.COLUMNS`

Among them stand documents {"loss": {"commit", "what", "reason"}} for what the format could not say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imprint.store.errors import BadInput
from imprint.store.export.checkpoints import iter_checkpoints
from imprint.store.export.commits import iter_exported
from imprint.store.export.gitai import make_note
from imprint.store.export.intoto import make_statement
from imprint.store.export.tables import iter_commit_rows, iter_session_rows
from imprint.store.export.trace import make_trace
from imprint.store.formats.gitai import render_note
from imprint.store.history.reading import list_commits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imprint.store.evidence.ports import ClaimSource
    from imprint.store.export.losses import Loss
    from imprint.store.sessions.keeping import Keeper
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

    Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be exported.

    Attributes:
        view: the repository.
        claims: who claims.
        keeper: its sessions and transcripts.
        commit: the history to speak of.
        people: names of actors that are persons.
        version: of this program.
    """

    view: RepositoryView
    claims: ClaimSource
    keeper: Keeper
    commit: ObjectId
    people: frozenset[str] = frozenset()
    version: str = ""


def iter_documents(name: str, asked: Asked) -> Iterator[Json]:
    """The documents of a format.

    Raises:
        BadInput: no such format.
    """
    maker = _MAKERS.get(name)
    if maker is None:
        raise BadInput(f"no format {name!r}", hint=f"it is one of {', '.join(_MAKERS)}")
    return maker(asked)


def _iter_notes(asked: Asked) -> Iterator[Json]:
    for exported in iter_exported(asked.view, asked.claims, asked.commit, with_lines=False):
        note, losses = make_note(exported, asked.people)
        if note is not None:
            yield {"commit": exported.commit.id, "note": render_note(note).decode("utf-8", "surrogateescape")}
        yield from _render_losses(losses)


def _iter_traces(asked: Asked) -> Iterator[Json]:
    for exported in iter_exported(asked.view, asked.claims, asked.commit, with_lines=True):
        yield make_trace(exported, asked.version, asked.people)


def _iter_statements(asked: Asked) -> Iterator[Json]:
    for exported in iter_exported(asked.view, asked.claims, asked.commit, with_lines=False):
        yield make_statement(exported, asked.view.name)


def _iter_rows(asked: Asked) -> Iterator[Json]:
    for table, row in iter_commit_rows(asked.view, asked.claims, asked.commit):
        yield {"table": table, "row": row}
    for table, row in iter_session_rows(asked.keeper.archive, asked.view.id):
        yield {"table": table, "row": row}


def _iter_checkpoints(asked: Asked) -> Iterator[Json]:
    history = frozenset(list_commits(asked.view, [asked.commit]))
    for found in iter_checkpoints(asked.view, asked.claims, asked.keeper, history):
        yield found if isinstance(found, dict) else _render_loss(found)


def _render_losses(losses: Iterable[Loss]) -> Iterator[Json]:
    return map(_render_loss, losses)


def _render_loss(loss: Loss) -> Json:
    return {"loss": {"commit": loss.commit, "what": loss.what, "reason": loss.reason}}


_MAKERS: Final[dict[str, Callable[[Asked], Iterator[Json]]]] = {
    "git-ai": _iter_notes,
    "agent-trace": _iter_traces,
    "entire": _iter_checkpoints,
    "in-toto": _iter_statements,
    "tables": _iter_rows,
}
FORMATS: Final = tuple(_MAKERS)
"""Names of the formats."""
HOLDING_TEXTS: Final = frozenset({"entire"})
"""Formats whose documents hold prompts and transcripts."""

"""Sessions of a data folder: those opened with tokens and those that were archived, which share their ids.

Invariants:
    1. A session id of a repository belongs to one actor, whichever way it came first.
    2. The key of a session's texts is settled when the session is first heard of.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Protocol

from imprint.store.errors import SessionConflict
from imprint.store.events import EventKind
from imprint.store.redaction.custom import CustomRules, read_custom_rules
from imprint.store.redaction.engine import make_redactor
from imprint.store.sessions.keeping import Keeper
from imprint.store.transcripts.ports import transcript_key

if TYPE_CHECKING:
    from pathlib import Path

    from imprint.store.actors import Principal
    from imprint.store.catalog.ports import Catalogue
    from imprint.store.clock import Clock
    from imprint.store.events import Event
    from imprint.store.limits import Limits
    from imprint.store.redaction.ports import Redactor
    from imprint.store.sessions.ports import Archive
    from imprint.store.transcripts.ports import Transcripts

RULES_NAME: Final = "redaction.toml"
"""In the data folder: an operator's own rules; see docs/redaction.md."""
_AT_ONCE: Final = 1000


def open_keeper(
    root: Path,
    archive: Archive,
    transcripts: Transcripts,
    catalogue: Catalogue,
    clock: Clock,
    limits: Limits,
) -> Keeper:
    """The keeper of a data folder, with the operator's own rules of redaction.

    Raises:
        BadInput: the rules have a fault.
    """

    def find_owner(repository_id: str, session_id: str) -> str | None:
        session = catalogue.find_session(repository_id, session_id)
        return session.actor if session else None

    return Keeper(
        archive, transcripts, load_redactor(root / RULES_NAME), clock, limits, find_owner=find_owner
    )


def load_redactor(rules: Path) -> Redactor:
    """A redactor with the rules of a file, where there is one.

    Raises:
        BadInput: the rules have a fault.
    """
    return make_redactor(read_custom_rules(rules) if rules.exists() else CustomRules())


def settle_key(archive: Archive, repository_id: str, session_id: str, actor: str) -> str:
    """The id of the key for the texts of a session that an actor opens with a token.

    Raises:
        SessionConflict: another actor's session is archived under the id.
    """
    archived = archive.find_session(repository_id, session_id)
    if archived is None:
        return transcript_key(repository_id, session_id)
    if archived.actor != actor:
        raise SessionConflict(
            f"session {session_id!r} belongs to {archived.actor}", hint="choose another id for your session"
        )
    return transcript_key(repository_id, archived.root_id)


def list_roots(catalogue: Catalogue, archive: Archive, repository_id: str) -> list[str]:
    """The sessions under whose keys the repository's texts are, each once."""
    roots = {session.id: None for session in catalogue.list_sessions(repository_id)}
    serial = 0
    while found := archive.list_sessions(repository_id, after_serial=serial, limit=_AT_ONCE):
        roots.update((session.root_id, None) for session in found)
        serial = found[-1].serial
    return list(roots)


class Announcing(Protocol):
    """What erasing needs of the store."""

    @property
    def keeper(self) -> Keeper:
        """What destroys texts."""
        ...

    def announce(
        self, repository_id: str, kind: EventKind, by: Principal | None, details: dict[str, str]
    ) -> Event:
        """Admit an event that changes no ref."""
        ...


def erase_session(
    hosting: Announcing, repository_id: str, session_id: str, by: Principal | None
) -> list[str]:
    """Destroy the texts of a session and of its tree, and have followers forget them; whose they were.

    Keys go first, the event comes last: after a crash between, erasing again finishes it.

    Raises:
        RepositoryMissing: no live repository of this id.
        BadInput: the id cannot be one.
    """
    erased = [session.id for session in hosting.keeper.erase(repository_id, session_id)] or [session_id]
    details = {"session": session_id, "sessions": json.dumps(erased)}
    hosting.announce(repository_id, EventKind.ERASED, by, details)
    return erased

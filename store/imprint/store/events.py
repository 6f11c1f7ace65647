"""What happened to a repository, in the order in which it happened.

Invariants:
    1. Events of one repository are numbered 1, 2, 3 ... with no gap: the number is the generation that the
       commit point gave out in the same transaction.
    2. Refs are the fold of the events: replaying every `changes` from nothing gives the refs of today.
    3. An event is never changed or removed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.types import RefChange, RefName, RefUpdate


MERGED_BY_US: Final = "merge_commit"
"""Among the details of a merge: the commit that the store made to join two histories. There is none for a
fast-forward, which makes no commit, and for a squash, whose lines are others' work."""


class EventKind(enum.Enum):
    """What sort of thing happened."""

    CREATED = "created"
    PUSH = "push"
    COMMIT = "commit"
    MERGE = "merge"
    IMPORT = "import"
    HEAD = "head"
    RENAMED = "renamed"
    DELETED = "deleted"
    RESTORED = "restored"
    SETTINGS = "settings"
    PRUNED = "pruned"
    RECORDED = "recorded"
    """Sessions or records of provenance were kept in the archive; `details` say which."""
    ERASED = "erased"
    """A session's prompts and transcripts were destroyed; `details` say which."""
    JUDGED = "judged"
    """A person refused a link between commits, or took that back; `details` say which."""


@dataclass(frozen=True, slots=True)
class SessionClaim:
    """What the deliverer's session says of the work: the event's own claim.

    Attributes:
        session: id of the session.
        agent: the tool; None if not said.
        model: None if not said.
        prompt: address of the prompt's text among the transcripts; None if not recorded.
        base: the commit the session opened at; None in a then empty repository.
    """

    session: str
    agent: str | None = None
    model: str | None = None
    prompt: str | None = None
    base: str | None = None


@dataclass(frozen=True, slots=True)
class PackRecord:
    """A pack that was admitted.

    Attributes:
        name: `pack-<hash>`, without suffix.
        object_count: objects in it.
        size_bytes: of the `.pack` file.
    """

    name: str
    object_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PackReplacement:
    """Packs that take the place of others.

    Attributes:
        added: what came; each is live from now on.
        retired: names of live packs that `added` makes superfluous. Their files stay until readers that began
            before are gone; see `Catalogue.list_retired_packs`.
    """

    added: tuple[PackRecord, ...] = ()
    retired: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Admission:
    """What the commit point is asked to make true, whole or not at all.

    Attributes:
        repository_id: where.
        event_id: id that the event will have.
        kind: sort of the event.
        at_ms: when.
        actor: name of the authenticated actor.
        token_id: the token used; None for the store's own operator at the data folder.
        updates: wished ref changes.
        head: the new symbolic target of HEAD, None to leave it.
        pack: the pack that holds the new objects; None when there are none.
        verdict: what the judge said, such as `allowed: token scope`.
        claim: what the session says; None without a session.
        details: facts of the kind, such as the old name of a rename.
        settings: settings of the repository that change; None takes one away. They are among the details too.
        replacement: packs that the event replaces: when objects are dropped, which is never silent.
    """

    repository_id: str
    event_id: str
    kind: EventKind
    at_ms: int
    actor: str
    token_id: str | None
    verdict: str
    updates: tuple[RefUpdate, ...] = ()
    head: RefName | None = None
    pack: PackRecord | None = None
    claim: SessionClaim | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str | None] = field(default_factory=dict)
    replacement: PackReplacement | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One admitted change, as the journal keeps it. `sequence` is the generation it made."""

    id: str
    repository_id: str
    sequence: int
    kind: EventKind
    at_ms: int
    actor: str
    token_id: str | None
    verdict: str
    changes: tuple[RefChange, ...] = ()
    head: RefName | None = None
    pack: str | None = None
    claim: SessionClaim | None = None
    details: Mapping[str, str] = field(default_factory=dict)

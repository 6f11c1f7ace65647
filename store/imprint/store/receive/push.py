"""What a client asks of a repository, and what it is told: the values that travel through `receive`.

Invariants:
    1. A receipt has one result per command, in the order of the commands.
    2. A result without error is durable; a result with one changed nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from imprint.store.events import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.actors import Principal
    from imprint.store.events import Event, SessionClaim
    from imprint.store.objects.ports import ObjectKind
    from imprint.store.types import ObjectId, RefName


@dataclass(frozen=True, slots=True)
class RefCommand:
    """A client's wish for one ref; the name is as it came, checked by nobody yet.

    Attributes:
        name: the full ref name.
        old: what the client believes the ref is; None for "absent".
        new: what it shall be; None for "absent".
    """

    name: bytes
    old: ObjectId | None
    new: ObjectId | None


@dataclass(frozen=True, slots=True)
class Push:
    """Ref updates and the objects that they need.

    Attributes:
        principal: who pushes; None for the operator at the data folder.
        commands: what shall change. For the kind `IMPORT`, `old` is not compared: the import wins.
        pack: a stream with one pack and nothing after it; None when no object is new.
        made: new objects that were made here, in place of a pack.
        atomic: all commands or none; otherwise each for itself.
        options: the client's push options, as they are kept; `transport.options` reads the session in them.
        kind: what the event will be.
        claim: what a session says of the work; by default that of the token's session.
        head: the new target of HEAD, None to leave it.
        details: facts for the event.
        shallow: commits below which the client's own history ends.
    """

    principal: Principal | None
    commands: tuple[RefCommand, ...]
    pack: BinaryIO | None
    atomic: bool = False
    options: tuple[str, ...] = ()
    kind: EventKind = EventKind.PUSH
    claim: SessionClaim | None = None
    head: RefName | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    shallow: tuple[ObjectId, ...] = ()
    made: tuple[tuple[ObjectId, ObjectKind, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """What became of one command: `error` says why it was refused, None that it was done."""

    name: bytes
    error: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a push.

    Attributes:
        results: one per command, in order.
        event: the event that admitted it; None when every command was refused.
        unpack_error: why the pack was refused, and every command with it.
        warnings: for the person who pushed.
    """

    results: tuple[UpdateResult, ...]
    event: Event | None
    unpack_error: str | None = None
    warnings: tuple[str, ...] = ()

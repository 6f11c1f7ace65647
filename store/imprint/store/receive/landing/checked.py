"""A push whose checks are done, on its way to the commit point."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.events import Admission, Event, PackRecord
    from imprint.store.hosting.repositories import Repository
    from imprint.store.receive.connect import Tip
    from imprint.store.receive.docket import Docket
    from imprint.store.receive.push import Push
    from imprint.store.receive.quarantine import Quarantine, Unpacked
    from imprint.store.receive.small.held import HeldPack
    from imprint.store.types import ObjectId


@dataclass(eq=False, slots=True)
class Checked:
    """A push whose checks are done: it waits to be landed.

    Attributes:
        repository: where it goes.
        push: what is wished.
        docket: its commands, with those that fell.
        quarantine: where its pack is.
        unpacked: the pack; None when none came.
        tips: what its commands want refs to point at.
        generation: the event after which it was connected.
        connect: connects it again, to the refs of another moment; what its tips are.
        is_forward: whether the second commit has the first among its ancestors.
        admission: what it asks of the commit point, but for refs and pack.
        warnings: for the person who pushed.
        outcome: the event that admitted it; None when every command was refused.
        pack: the pack that was put among the repository's own for it, once it was.
        is_joined: whether that pack has the objects of others too.
    """

    repository: Repository
    push: Push
    docket: Docket
    quarantine: Quarantine
    unpacked: Unpacked | None
    tips: Mapping[ObjectId, Tip]
    generation: int
    connect: Callable[[RefSnapshot], Mapping[ObjectId, Tip]]
    is_forward: Callable[[ObjectId, ObjectId], bool]
    admission: Admission
    warnings: tuple[str, ...] = ()
    outcome: Future[Event | None] = field(default_factory=Future)
    pack: PackRecord | None = None
    is_joined: bool = False

    @property
    def names(self) -> frozenset[bytes]:
        """The refs that it is about."""
        return frozenset(command.name for command in self.push.commands)

    @property
    def pack_name(self) -> str | None:
        """The name that its own pack has."""
        return self.unpacked.record.name if self.unpacked else None

    @property
    def held(self) -> HeldPack | None:
        """Its pack, where it is in memory and nowhere else."""
        taken = self.unpacked.taken if self.unpacked else None
        return taken.held if taken and self.quarantine.is_in_memory else None

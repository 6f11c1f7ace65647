"""Changes, links between them, and refusals of links: the words of this room."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.store.links.anchors import FileLines
    from imprint.store.types import ObjectId


class ChangeKind(enum.IntEnum):
    """What a change is the difference of."""

    COMMIT = 0
    """A commit and its only parent, or nothing for a first commit."""
    RANGE = 1
    """A head and where it left the default branch, several commits apart: a squash makes one commit of it."""
    SILENT = 2
    """A merge, or a commit without content: known, and never linked by its lines."""


class Method(enum.Enum):
    """By what a link was found, surest first."""

    TREE = "tree"
    """The same trees before and after: only message, identities or time were changed."""
    PATCH = "patch-id"
    """The same lines removed and added in the same files."""
    SQUASH = "squash"
    """One commit holds what a head's commits did together."""
    CONTENT = "content"
    """Enough of the lines are the same; the score says how many."""
    REVERT = "revert"
    """The commit takes the other one back; nothing of its authorship is carried."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit, or one head's commits together, did.

    Attributes:
        commit: the commit; of a range its head.
        kind: which of the two.
        base: where a range begins; None for a commit.
        parents: of the commit.
        trees: before and after.
        patch, reverse, stamp: see `anchors`; 0 for none.
        at_s: the committer's time, in seconds since 1970.
        sequence: of the event that brought it; 0 in a clone.
        files: what it did, unless it is silent.
        members: of a range, its commits, newest first.
        mentions: commits that its message says it reverts or picks.
        number: its row in the store; 0 before it has one.
    """

    commit: ObjectId
    kind: ChangeKind
    base: ObjectId | None
    parents: tuple[ObjectId, ...]
    trees: tuple[ObjectId, ObjectId]
    patch: int
    reverse: int
    stamp: int
    at_s: int
    sequence: int
    files: Sequence[FileLines] = field(default=(), repr=False)
    members: tuple[ObjectId, ...] = ()
    mentions: tuple[str, ...] = ()
    number: int = 0

    @property
    def age(self) -> tuple[int, int, int, str]:
        """By this changes are ordered: links lead from a later to an earlier one, so never in a circle.

        Of what came at the same time a range is the earliest: nothing but its own commits goes before it.
        """
        number = 0 if self.kind is ChangeKind.RANGE else self.number
        return self.at_s, self.sequence, number, self.commit


@dataclass(frozen=True, slots=True)
class Link:
    """A commit is another version of an earlier one, or of several together.

    Attributes:
        commit: the later one.
        origin: the earlier one; of a squash the head.
        method: by what it was found.
        score: how sure it is, from 0 to 1: the larger of the two shares.
        explained: weighted share of the commit's lines that are the origin's.
        arrived: weighted share of the origin's lines that are in the commit.
        at_ms: when it was found.
        members: of a squash, the origin's commits, newest first.
    """

    commit: ObjectId
    origin: ObjectId
    method: Method
    score: float
    explained: float
    arrived: float
    at_ms: int
    members: tuple[ObjectId, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A person's word that one commit is not another version of the other.

    Attributes:
        commit: the later one.
        origin: the earlier one.
        actor: who said so.
        at_ms: when.
        reason: why.
    """

    commit: ObjectId
    origin: ObjectId
    actor: str
    at_ms: int
    reason: str

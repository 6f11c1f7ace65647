"""Refs that a mirror brings are its own: nobody pushes to them here.

Invariants:
    1. A push with a command for a mirrored ref is refused whole, before anything of it is admitted.
    2. Imports of the operator's, the mirror's own rounds among them, are not held up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.events import EventKind
from imprint.store.mirror.model import compile_patterns
from imprint.store.receive.policy import Verdict

if TYPE_CHECKING:
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.receive.policy import Judge
    from imprint.store.receive.push import Push


class MirrorJudge:
    """Refuses pushes to mirrored refs, and asks another judge about everything else."""

    def __init__(self, hosting: Hosting, other: Judge) -> None:
        self._hosting = hosting
        self._other = other

    def judge(self, push: Push, repository: Repository) -> Verdict:
        """See `Judge.judge`."""
        verdict = self._other.judge(push, repository)
        if not verdict.allowed or (push.kind is EventKind.IMPORT and push.principal is None):
            return verdict
        mirror = self._hosting.mirrors.find(repository.record.id)
        if mirror is None:
            return verdict
        mirrored = compile_patterns(mirror.patterns)
        for command in push.commands:
            if mirrored.match(command.name):
                name = command.name.decode("utf-8", "backslashreplace")
                return Verdict(
                    allowed=False,
                    rule="mirrored-ref",
                    text=f"{name} is mirrored from {mirror.url}: push there, or to another ref",
                )
        return verdict

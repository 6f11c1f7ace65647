"""Who may push what: the judge that every push meets before it is admitted.

Invariants:
    1. A judge looks and speaks; it changes nothing.
    2. Its verdict is kept with the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from imprint.store.actors import Verb
from imprint.store.refs.hidden import is_hidden

if TYPE_CHECKING:
    from imprint.store.hosting.repositories import Repository
    from imprint.store.receive.push import Push

__all__ = ["Judge", "ScopeJudge", "Verdict", "is_hidden"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says.

    Attributes:
        allowed: whether the push may be admitted.
        rule: the name of the rule that decided.
        text: why, for people.
    """

    allowed: bool
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{'allowed' if self.allowed else 'refused'}: {self.text}"


class Judge(Protocol):
    """Decides on a push whose objects are known to be whole and connected."""

    def judge(self, push: Push, repository: Repository) -> Verdict:
        """Whether the push may be admitted, and by which rule."""
        ...


class ScopeJudge:
    """Allows what the token's scope allows, and the operator at the data folder everything."""

    def judge(self, push: Push, repository: Repository) -> Verdict:
        """See `Judge.judge`."""
        if push.principal is None:
            return Verdict(allowed=True, rule="operator", text="operator")
        if push.principal.may(Verb.WRITE, repository.record.name):
            return Verdict(allowed=True, rule="token-scope", text="token scope")
        return Verdict(
            allowed=False,
            rule="token-scope",
            text=f"the token does not allow writing to {repository.record.name}",
        )

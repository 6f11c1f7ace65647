"""What people see of links, and their word about them, the same for the command line and REST.

Invariants:
    1. Only a person, a service or the operator refuses a link or takes that back; an agent does not judge
       the provenance of its own work.
    2. Every judgement at a server is an event: who, when, which link, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imprint.store.actors import ActorKind
from imprint.store.errors import Denied
from imprint.store.events import EventKind
from imprint.store.hosting.repositories import OPERATOR
from imprint.store.links.claims import keep_good
from imprint.store.links.model import Method, Refusal
from imprint.store.links.refusals import not_refused, refusal_facts, verify_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.store.actors import Principal
    from imprint.store.clock import Clock
    from imprint.store.events import Event
    from imprint.store.links.model import Link
    from imprint.store.links.refusals import Refusals
    from imprint.store.links.store import LinkStore
    from imprint.store.types import ObjectId

    Json = dict[str, Any]
    Announce = Callable[[str, EventKind, Principal | None, dict[str, str]], Event]

_REASON_IN_EVENT: Final = 200


def list_links(
    store: LinkStore, refusals: Refusals, repository_id: str, commit: ObjectId | None = None
) -> list[Json]:
    """The links of a repository, or those from and to one commit; refused ones say by whom, when and why.

    A refusal whose link was not found, or not found again, is listed too: it holds all the same.
    """
    if commit is None:
        links = [link for of_commit in store.all_links(repository_id).values() for link in of_commit]
    else:
        from_it = store.links_of(repository_id, [commit]).get(commit, [])
        links = [*from_it, *store.links_to(repository_id, [commit])]
    judged = {
        (one.commit, one.origin): one
        for one in refusals.list_refusals(repository_id)
        if commit is None or commit in {one.commit, one.origin}
    }
    answers = [_link_json(link, judged.pop((link.commit, link.origin), None)) for link in links]
    answers += [_refusal_json(refusal) for refusal in judged.values()]
    return sorted(answers, key=lambda answer: (answer["commit"], answer["origin"]))


def _link_json(link: Link, refusal: Refusal | None) -> Json:
    return {
        "commit": link.commit,
        "origin": link.origin,
        "method": link.method.value,
        "score": link.score,
        "explained": link.explained,
        "arrived": link.arrived,
        "at_ms": link.at_ms,
        "members": list(link.members),
        "carries": link.method is not Method.REVERT and bool(keep_good([link], [refusal] if refusal else [])),
        "refused": _judgement_json(refusal) if refusal else None,
    }


def _refusal_json(refusal: Refusal) -> Json:
    nothing = dict.fromkeys(("method", "score", "explained", "arrived", "at_ms"))
    return {
        "commit": refusal.commit,
        "origin": refusal.origin,
        **nothing,
        "members": [],
        "carries": False,
        "refused": _judgement_json(refusal),
    }


def _judgement_json(refusal: Refusal) -> Json:
    return {"actor": refusal.actor, "at_ms": refusal.at_ms, "reason": refusal.reason}


class Judge:
    """Refuses links, and takes refusals back.

    Args:
        refusals: where the judgements are kept.
        clock: when they are made.
        announce: admits the event of a judgement; None in a clone, which has none.
    """

    def __init__(self, refusals: Refusals, clock: Clock, announce: Announce | None = None) -> None:
        self._refusals = refusals
        self._clock = clock
        self._admit = announce

    def refuse(
        self, repository_id: str, link: tuple[ObjectId, ObjectId], reason: str, by: Principal | None
    ) -> Json:
        """Keep that a commit is no version of another; the judgement that stands, which may be an older one.

        Args:
            repository_id: where.
            link: the later commit and the earlier one; whether a link between them was found does not matter.
            reason: why.
            by: who says so; None for the operator at the data folder.

        Raises:
            Denied: an agent may not.
            BadInput: the reason is empty or too long.
            RepositoryMissing: the repository is not there.
        """
        actor = _verify_judge(by)
        commit, origin = link
        refusal = Refusal(commit, origin, actor, self._clock.now_ms(), verify_reason(reason))
        known = self._find(repository_id, link)
        if known is None:
            self._announce(repository_id, "refused", refusal, by)
            known = self._refusals.refuse(repository_id, refusal)
        return refusal_facts(known)

    def restore(self, repository_id: str, link: tuple[ObjectId, ObjectId], by: Principal | None) -> Json:
        """Take a refusal back; the judgement that no longer stands.

        Raises:
            Denied: an agent may not.
            Missing: there is none.
        """
        _verify_judge(by)
        known = self._find(repository_id, link)
        if known is None:
            raise not_refused(*link)
        self._announce(repository_id, "restored", known, by)
        return refusal_facts(self._refusals.restore(repository_id, *link))

    def _find(self, repository_id: str, link: tuple[ObjectId, ObjectId]) -> Refusal | None:
        listed = self._refusals.list_refusals(repository_id)
        return next((one for one in listed if (one.commit, one.origin) == link), None)

    def _announce(self, repository_id: str, judgement: str, refusal: Refusal, by: Principal | None) -> None:
        if self._admit is None:
            return
        details = {
            "judgement": judgement,
            "commit": refusal.commit,
            "origin": refusal.origin,
            "reason": refusal.reason[:_REASON_IN_EVENT],
        }
        self._admit(repository_id, EventKind.JUDGED, by, details)


def _verify_judge(by: Principal | None) -> str:
    """The name under which the judgement is kept."""
    if by is None:
        return OPERATOR
    if by.actor.kind is ActorKind.AGENT:
        raise Denied(
            f"{by.actor.name} is an agent: it does not judge links", hint="ask a person with the verb 'write'"
        )
    return by.actor.name

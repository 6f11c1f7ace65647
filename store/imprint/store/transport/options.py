"""What push options say of a session: `git push -o session=ID -o agent=NAME -o model=NAME -o prompt=TEXT`.

Other options are kept with the event and mean nothing here.

Invariants:
    1. A session is the pushing actor's own: it is opened if it is new, and another actor's is refused.
    2. A token that has a session names no other; `agent`, `model` and `prompt` then speak of that one.
    3. An option binds nothing by itself: which commits are bound is decided by the evidence, as for a token.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadInput, SessionConflict
from imprint.store.history.reading import iter_commits, list_commits, list_descendants
from imprint.store.hosting.access import SessionSeed
from imprint.store.objects.ports import ObjectKind
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.store.actors import Actor, Principal
    from imprint.store.events import Event, SessionClaim
    from imprint.store.objects.ports import Commit
    from imprint.store.view import RepositoryView

NAMES: Final = ("session", "agent", "model", "prompt")
"""Options that speak of a session."""
STOPS_MAX: Final = 500
"""Tips before the push that the search for its new commits stops at."""
LOOKED_AT_MAX: Final = 1000
"""New commits of a push of which it is told why they are not bound."""
_OPTION: Final = re.compile(r"(session|agent|model|prompt)=(.*)\Z", re.DOTALL)


def read_session(options: Sequence[str], principal: Principal) -> SessionSeed | None:
    """The session that a push names; None when it names none.

    Raises:
        BadInput: an option is given twice with two values, is empty, or speaks of no session.
        SessionConflict: the token has another session.
    """
    said: dict[str, str] = {}
    for option in options:
        if found := _OPTION.match(option):
            name, value = found[1], found[2].strip()
            if not value or said.setdefault(name, value) != value:
                raise BadInput(
                    f"push option {name!r} is {'given twice' if value else 'empty'}", hint="give it once"
                )
    if not said:
        return None
    bound = principal.token.session
    session = said.get("session", bound)
    if session is None:
        named = ", ".join(name for name in NAMES if name in said)
        raise BadInput(f"push options speak of {named}, but of no session", hint="add -o session=ID")
    if bound is not None and session != bound:
        raise SessionConflict(
            f"the token belongs to session {bound!r} and cannot name {session!r}",
            hint="leave the option out, or use a token without a session",
        )
    return SessionSeed(session, said.get("agent"), said.get("model"), said.get("prompt"))


def explain_unbound(
    view: RepositoryView, event: Event, before: Sequence[ObjectId], actor: Actor, claim: SessionClaim
) -> str | None:
    """Why commits that came with a push are not bound to the session that it names; None if all are.

    Args:
        view: the repository, after the push.
        event: what admitted it.
        before: what the refs were before.
        actor: who pushed.
        claim: of the session that was named.
    """
    tips = [change.new for change in event.changes if change.new and view.objects.find_kind(change.new)]
    stops = [tip for tip in before[:STOPS_MAX] if view.objects.find_kind(tip)]
    new = list_commits(view, tips, stops)[:LOOKED_AT_MAX]
    commits = list(iter_commits(view, new))
    foreign = [
        commit for commit in commits if not actor.is_identity(commit.committer.name, commit.committer.email)
    ]
    if foreign:
        return _say(claim, foreign, len(commits), _describe_committer(foreign[0], actor))
    base = ObjectId(claim.base) if claim.base else None
    if base is None or not commits:
        return None
    is_there = view.objects.find_kind(base) is ObjectKind.COMMIT
    descendants = list_descendants(view, base, tips) if is_there else frozenset()
    apart = [commit for commit in commits if commit.id not in descendants]
    if not apart:
        return None
    return _say(
        claim, apart, len(commits), f"they do not descend from {base[:12]}, where the session was opened"
    )


def _describe_committer(commit: Commit, actor: Actor) -> str:
    known = f"by address {', '.join(actor.emails)}" if actor.emails else "by name alone"
    committer = f"{commit.committer.name} <{commit.committer.email}>"
    return f"committer {committer} of {commit.id[:12]} is not {actor.name}, known {known}"


def _say(claim: SessionClaim, commits: Sequence[Commit], count: int, why: str) -> str:
    return f"{len(commits)} of {count} commits are not bound to session {claim.session}: {why}"

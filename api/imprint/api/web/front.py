"""What the front of a repository says: facts, refs to choose from, the newest commit, how much is known."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from imprint.api.services import server_address
from imprint.api.web.origins import Origin, Teller
from imprint.api.web.places import place_address, repository_address, revision_of
from imprint.store.evidence.claims import unknown

if TYPE_CHECKING:
    from starlette.requests import Request

    from imprint.api.services import Access
    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.evidence.claims import Evidence
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

_SHOWN_REFS_MAX: Final = 100
_BRANCHES: Final = b"refs/heads/"
_TAGS: Final = b"refs/tags/"


def describe_repository(request: Request, access: Access) -> dict[str, Any]:
    """What every page of a repository says of it."""
    return {
        "name": access.name,
        "owner": access.repository.record.name.owner,
        "short_name": access.repository.record.name.name,
        "home": repository_address(access.name),
        "default_branch": access.repository.record.head.short,
        "clone_url": f"{server_address(request)}/{access.name}.git",
    }


def describe_refs(name: str, snapshot: RefSnapshot, page: str, path: bytes) -> dict[str, Any]:
    """Branches and tags to choose from, each with the address of the same page about the same path there."""
    groups = {}
    for title, prefix in (("Branches", _BRANCHES), ("Tags", _TAGS)):
        refs = [ref for ref in snapshot.refs if ref.startswith(prefix)]
        shown = [
            (ref.short, place_address(name, page, revision_of(snapshot, ref), path))
            for ref in refs[:_SHOWN_REFS_MAX]
        ]
        groups[title] = {"shown": shown, "more": len(refs) - len(shown), "total": len(refs)}
    return groups


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest commit, as a page shows it."""

    origin: Origin
    subject: str
    author: str
    on: str


def read_latest(access: Access, commit_id: ObjectId) -> Latest:
    """A commit with the best claim about it."""
    view = access.view
    commit = view.objects.read_commit(commit_id)
    claims = access.services.origins.claims.claims_of(access.repository.record.id, [commit_id]).get(
        commit_id, []
    )
    origin = Teller(view.objects, access.tell_prompt).tell(
        commit_id, claims[0] if claims else unknown(commit_id)
    )
    return Latest(origin, commit.subject, commit.author.name, render_day(commit.committer.at_s))


def render_day(at_s: int) -> str:
    """A day of a commit, in UTC; commits may carry times that no calendar has."""
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%-d %b %Y")
    except (OverflowError, OSError, ValueError):
        return f"second {at_s}"


@dataclass(frozen=True, slots=True)
class Share:
    """One part of the coverage bar: a class of evidence, its commits, and where its part lies, in percent."""

    evidence: str
    commits: int
    begin: float
    width: float


def measure_coverage(counts: dict[Evidence, int]) -> list[Share]:
    """The parts of the bar in the order of the classes; none while no commit is known."""
    total = sum(counts.values())
    shares: list[Share] = []
    begin = 0.0
    for evidence, commits in counts.items():
        if commits > 0:
            width = 100 * commits / total
            shares.append(Share(evidence.value, commits, round(begin, 3), round(width, 3)))
            begin += width
    return shares


class CommitCounts:
    """How many commits a commit has behind it, itself included: counted by git once, and remembered.

    Safe to share between threads; remembers the `kept` commits asked for last.
    """

    def __init__(self, kept: int = 1000) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, ObjectId], int] = OrderedDict()

    def count(self, view: RepositoryView, commit: ObjectId) -> int:
        """The count for a commit of a repository."""
        key = (view.id, commit)
        with self._lock:
            known = self._counts.get(key)
        if known is None:
            known = int(view.plumbing.run("rev-list", "--count", "--stdin", stdin=f"{commit}\n".encode()))
        with self._lock:
            self._counts[key] = known
            self._counts.move_to_end(key)
            while len(self._counts) > self._kept:
                self._counts.popitem(last=False)
        return known

"""Links: which commits are versions of one another, and people's word on that.

Invariants:
    1. A link is told only where both of its commits are in what the asker may see.
    2. Only people and services with the verb `write` judge; agents do not.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from imprint.api.errors import BadRequest
from imprint.api.rest.access import Limit, Reader, Writer
from imprint.api.services import Access
from imprint.store.history.reading import list_commits
from imprint.store.links.judging import Judge, list_links
from imprint.store.types import ObjectId
from imprint.store.view import RepositoryView, resolve_commit

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}/links", tags=["provenance"])
Sha = Annotated[str, Path(max_length=2000, description="the commit")]


class NewRefusal(BaseModel):
    """A link that is not to be believed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    commit: Annotated[str, Field(max_length=2000, description="the later commit")]
    origin: Annotated[str, Field(max_length=2000, description="the earlier commit; of a squash its head")]
    reason: Annotated[str, Field(max_length=2000, description="why; it is shown with the link")]


@router.get("")
def show_links(
    access: Reader,
    ref: Annotated[str, Query(max_length=2000, description="only from and to this commit")] = "",
    cursor: Annotated[str, Query(max_length=200, description="`next_cursor` of the page before")] = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """The links between versions of commits, by commit and origin; refused ones say by whom and why."""
    origins, view = access.services.origins, access.view
    commit = resolve_commit(view, ref) if ref else None
    if origins.links is None:
        return {"links": [], "next_cursor": None, "has_more": False}
    listed = list_links(origins.links, origins.refusals, access.repository.record.id, commit)
    rest = [link for link in _keep_seen(view, listed) if _cursor_of(link) > cursor]
    has_more = len(rest) > limit
    shown = rest[:limit]
    return {
        "links": shown,
        "next_cursor": _cursor_of(shown[-1]) if has_more else None,
        "has_more": has_more,
    }


def _cursor_of(link: dict[str, Any]) -> str:
    return f"{link['commit']}:{link['origin']}"


def _keep_seen(view: RepositoryView, links: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The links whose commits are not hidden from the asker."""
    if not view.reached_only:
        return links
    tips = {value.peeled or value.id for value in view.refs.snapshot().refs.values()}
    seen = set(list_commits(view, tips))
    return [
        link | {"members": [member for member in link["members"] if member in seen]}
        for link in links
        if link["commit"] in seen and link["origin"] in seen
    ]


@router.post("/refusals", status_code=201)
def refuse_link(access: Writer, wish: NewRefusal) -> dict[str, Any]:
    """Refuse a link: nothing is carried over it any more, also after everything derived was made anew."""
    link = resolve_commit(access.view, wish.commit), resolve_commit(access.view, wish.origin)
    if link[0] == link[1]:
        raise BadRequest("a commit is no other version of itself", hint="name two commits")
    judge = _judge(access)
    return judge.refuse(access.repository.record.id, link, wish.reason, access.principal)


@router.delete("/refusals/{commit}/{origin}")
def restore_link(access: Writer, commit: Sha, origin: Sha) -> dict[str, Any]:
    """Take a refusal back; what it was is answered."""
    link = _read_id(access, commit), _read_id(access, origin)
    return _judge(access).restore(access.repository.record.id, link, access.principal)


def _read_id(access: Access, text: str) -> ObjectId:
    """A commit, which need not be there any more if its whole id is given and nothing is hidden."""
    if len(text) == access.view.objects.algorithm.hex_length and not access.view.reached_only:
        return ObjectId.parse(text)
    return resolve_commit(access.view, text)


def _judge(access: Access) -> Judge:
    services = access.services
    return Judge(services.origins.refusals, services.hosting.clock, services.hosting.announce)

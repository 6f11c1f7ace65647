"""Repositories: make, list, look at, change, delete, take back; their refs and events."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from imprint.api.rest.access import (
    Administrator,
    Limit,
    Owner,
    Reader,
    Repo,
    Somebody,
)
from imprint.api.services import (
    get_services,
    list_readable,
    require,
    require_operator,
    server_address,
    ssh_address,
)
from imprint.api.wire import (
    EventAnswer,
    EventPage,
    NewRepository,
    RefAnswer,
    RefsAnswer,
    RepositoryAnswer,
    RepositoryChange,
    RepositoryPage,
    SettingsAnswer,
    SettingsChange,
)
from imprint.store.actors import Principal, Verb
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.durations import parse_duration_ms
from imprint.store.errors import BadExpiry, Denied
from imprint.store.hosting.settings import describe_settings
from imprint.store.types import RepositoryName

SEQUENCE_MAX: Final = 2**63 - 1
"""The largest number that the catalogue can be asked about."""

router: Final = APIRouter(prefix="/api/repos", tags=["repositories"])


@router.post("", status_code=201)
def create_repository(request: Request, wish: NewRepository, principal: Somebody) -> RepositoryAnswer:
    """Make an empty repository. Needs a token that administers it, or everything."""
    name = RepositoryName.parse(wish.name)
    if not principal.may(Verb.ADMIN, name):
        raise Denied(
            f"this token may not create {name}", hint="use a token with the verb 'admin' on it or on '*'"
        )
    hosting = get_services(request).hosting
    made = hosting.create(name, principal, default_branch=wish.default_branch, algorithm=wish.object_format)
    return _describe(request, made.record)


@router.get("")
def list_repositories(
    request: Request,
    principal: Somebody,
    cursor: Annotated[str, Query(max_length=300, description="`next_cursor` of the page before")] = "",
    limit: Limit = 100,
    *,
    deleted: Annotated[
        bool, Query(description="those that can still be taken back; for the operator")
    ] = False,
) -> RepositoryPage:
    """The repositories that the token may see, by name."""
    seen = _list_deleted(request, principal) if deleted else list_readable(request)
    rest = sorted((record for record in seen if record.name.key > cursor), key=lambda record: record.name.key)
    page, more = rest[:limit], rest[limit:]
    return RepositoryPage(
        repos=[_describe(request, record) for record in page],
        next_cursor=page[-1].name.key if more else None,
        has_more=bool(more),
    )


def _describe(request: Request, record: RepositoryRecord) -> RepositoryAnswer:
    return RepositoryAnswer.of(record, server_address(request), ssh_address(request))


def _list_deleted(request: Request, principal: Principal) -> list[RepositoryRecord]:
    require_operator(principal)
    return get_services(request).hosting.list_deleted()


@router.get("/{owner}/{repo}")
def get_repository(request: Request, access: Reader) -> RepositoryAnswer:
    """One repository."""
    return _describe(request, access.repository.record)


@router.patch("/{owner}/{repo}")
def change_repository(request: Request, access: Administrator, wish: RepositoryChange) -> RepositoryAnswer:
    """Give a repository another default branch, another name, or both.

    The new name must be within the token's scope too.
    """
    hosting = access.services.hosting
    repository = access.repository
    name = repository.record.name
    new_name = RepositoryName.parse(wish.name) if wish.name is not None else name
    require(access.principal, Verb.ADMIN, new_name)
    if wish.default_branch is not None:
        repository = hosting.set_head(name, wish.default_branch, access.principal)
    if new_name != name:
        repository = hosting.rename(name, new_name, access.principal)
    return _describe(request, repository.record)


@router.delete("/{owner}/{repo}")
def delete_repository(
    request: Request,
    access: Administrator,
    grace: Annotated[str, Query(max_length=40, description="how long it can be taken back")] = "7d",
) -> RepositoryAnswer:
    """Hide a repository at once, and destroy it after the grace period: with `0s` now, name and all."""
    grace_ms = parse_duration_ms(grace)
    if grace_ms is None:
        raise BadExpiry(grace)
    hosting = access.services.hosting
    record = hosting.delete(access.repository.record.name, access.principal, grace_ms=grace_ms)
    if not grace_ms:
        hosting.purge_due()
    return _describe(request, record)


@router.post("/{owner}/{repo}/restore")
def restore_repository(request: Request, owner: Owner, repo: Repo, principal: Somebody) -> RepositoryAnswer:
    """Take a deletion back."""
    name = RepositoryName.parse(f"{owner}/{repo}")
    require(principal, Verb.ADMIN, name)
    restored = get_services(request).hosting.restore(name, principal)
    return _describe(request, restored.record)


@router.get("/{owner}/{repo}/settings")
def get_settings(access: Administrator) -> SettingsAnswer:
    """What was chosen for the repository, and what could be."""
    return SettingsAnswer(**describe_settings(access.repository.record))


@router.patch("/{owner}/{repo}/settings")
def change_settings(access: Administrator, wish: SettingsChange) -> SettingsAnswer:
    """Choose settings of the repository; they hold for pushes that begin from now on."""
    hosting = access.services.hosting
    changed = hosting.change_settings(access.repository.record.name, wish.settings, access.principal)
    return SettingsAnswer(**describe_settings(changed.record))


@router.get("/{owner}/{repo}/refs")
def list_refs(access: Reader) -> RefsAnswer:
    """HEAD and every ref that the token may see, all of one generation."""
    snapshot = access.view.refs.snapshot()
    return RefsAnswer(
        generation=snapshot.generation,
        head=snapshot.head.text,
        head_sha=snapshot.head_id,
        refs=[
            RefAnswer(name=name.text, sha=value.id, peeled_sha=value.peeled)
            for name, value in snapshot.refs.items()
        ],
    )


@router.get("/{owner}/{repo}/events")
def list_events(
    access: Reader,
    after: Annotated[int, Query(ge=0, le=SEQUENCE_MAX, description="only events with a larger sequence")] = 0,
    limit: Limit = 100,
) -> EventPage:
    """What happened to the repository, in order. Ask again with `next_cursor` to follow it."""
    events = access.list_events(after, limit + 1)
    page = events[:limit]
    return EventPage(
        events=[EventAnswer.of(event) for event in page],
        next_cursor=page[-1].sequence if page else after,
        has_more=len(events) > limit,
    )

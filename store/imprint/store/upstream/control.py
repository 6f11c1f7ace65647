"""Mirrors made, paused and ended: what the command line and REST have in common.

Invariants:
    1. A repository that was made for a mirror that cannot be asked is gone again.
    2. That a mirror was made or ended is an event of the repository; it names the place, never a secret.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadInput, MirrorExists, MirrorMissing, RepositoryMissing
from imprint.store.events import EventKind
from imprint.store.mirror.model import (
    DEFAULT_PATTERNS,
    EVERY_MS_DEFAULT,
    EVERY_MS_MIN,
    Credential,
    Mirror,
    describe,
    verify_patterns,
)
from imprint.store.upstream.places import is_loopback, parse_place
from imprint.store.upstream.secrets import seal, verify_file
from imprint.store.upstream.sync import look_at, remove_workshop

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from imprint.store.actors import Principal
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.types import RepositoryName

_HELPER_LENGTH_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class MirrorWish:
    """A mirror to be made.

    Attributes:
        url: where it comes from.
        patterns: refs to mirror; none for the usual ones.
        every_ms: how long from one round to the next.
        secret: `USER:SECRET` or a token; None for none.
        secret_file: a file that holds one, which only its owner may read.
        ssh_key: a file with a private key, which only its owner may read.
        helper: a credential helper of git's.
        may_be_private: whether it may be a path, or at an address that is not public.
    """

    url: str
    patterns: tuple[str, ...] = ()
    every_ms: int = EVERY_MS_DEFAULT
    secret: str | None = None
    secret_file: Path | None = None
    ssh_key: Path | None = None
    helper: str | None = None
    may_be_private: bool = False


def add_mirror(hosting: Hosting, name: RepositoryName, wish: MirrorWish, by: Principal | None) -> Mirror:
    """Make a repository a mirror; it is made if it is not there. No round is done yet.

    Raises:
        BadInput: the wish cannot be, or the repository has another object format.
        Denied: the place is not at a public address.
        MirrorFailed: it cannot be asked.
        MirrorExists: the repository is a mirror already.
    """
    draft = _draft(hosting, wish)
    known: Repository | None = None
    with suppress(RepositoryMissing):
        known = hosting.get(name)
    if known is not None and (found := hosting.mirrors.find(known.record.id)):
        raise MirrorExists(found.url)
    listing = look_at(hosting, draft)
    if known is not None and listing.refs and known.record.algorithm is not listing.algorithm:
        raise BadInput(
            f"{draft.url} has the object format {listing.algorithm.value}, {name} has"
            f" {known.record.algorithm.value}",
            hint="mirror it under a new name: an object format cannot be changed",
        )
    branch = listing.head.short if listing.head else "main"
    repository = known or hosting.create(name, by, default_branch=branch, algorithm=listing.algorithm)
    try:
        repository_id = repository.record.id
        credential = draft.credential
        if wish.secret is not None:
            credential = seal(wish.secret, hosting.folder.master_key, repository_id)
        mirror = replace(draft, repository_id=repository_id, credential=credential)
        hosting.mirrors.add(mirror)
    except BaseException:
        if known is None:
            hosting.delete(name, by, grace_ms=0)
            hosting.purge_due()
        raise
    hosting.announce(repository_id, EventKind.SETTINGS, by, {"mirror": "added", "source": mirror.url})
    return mirror


def _draft(hosting: Hosting, wish: MirrorWish) -> Mirror:
    """The mirror without its repository."""
    place = parse_place(wish.url, may_be_path=wish.may_be_private)
    if place.scheme == "http" and not wish.may_be_private:
        raise BadInput("over http anybody on the way could change what comes", hint="use https")
    if wish.every_ms < EVERY_MS_MIN:
        raise BadInput(f"a mirror is synced at most every {EVERY_MS_MIN // 1000} seconds")
    given = (wish.secret, wish.secret_file, wish.ssh_key, wish.helper)
    if sum(each is not None for each in given) > 1:
        raise BadInput("a mirror has one credential at most")
    if wish.ssh_key is not None and place.scheme != "ssh":
        raise BadInput("an SSH key is for a URL of the scheme ssh")
    if place.scheme == "http" and not is_loopback(place) and any(each is not None for each in given):
        raise BadInput("a secret is not sent over http", hint="use https")
    return Mirror(
        "",
        place.url,
        patterns=verify_patterns(wish.patterns or DEFAULT_PATTERNS),
        every_ms=wish.every_ms,
        is_public_only=not wish.may_be_private,
        credential=_draft_credential(hosting, wish),
    )


def _draft_credential(hosting: Hosting, wish: MirrorWish) -> Credential | None:
    for kind, path in (("file", wish.secret_file), ("key", wish.ssh_key)):
        if path is not None:
            verify_file(path)
            return Credential(kind, str(path.absolute()))
    if wish.helper is not None:
        if not wish.helper.isprintable() or len(wish.helper) > _HELPER_LENGTH_MAX:
            raise BadInput("a credential helper is one line of text", hint="see gitcredentials(7)")
        return Credential("helper", wish.helper)
    return seal(wish.secret, hosting.folder.master_key, "") if wish.secret is not None else None


def pause_mirror(hosting: Hosting, repository: Repository, *, is_paused: bool) -> Mirror:
    """Stop doing rounds by itself, or begin again.

    Raises:
        MirrorMissing: it is no mirror.
    """
    return hosting.mirrors.change(repository.record.id, lambda mirror: replace(mirror, is_paused=is_paused))


def remove_mirror(hosting: Hosting, repository: Repository, by: Principal | None) -> None:
    """End a mirror: its refs stay, and may be pushed to from now on.

    Raises:
        MirrorMissing: it is no mirror.
    """
    mirror = find_mirror(hosting, repository)
    hosting.mirrors.remove(repository.record.id)
    remove_workshop(hosting, repository.record.id)
    details = {"mirror": "removed", "source": mirror.url}
    hosting.announce(repository.record.id, EventKind.SETTINGS, by, details)


def find_mirror(hosting: Hosting, repository: Repository) -> Mirror:
    """The mirror of a repository.

    Raises:
        MirrorMissing: it is none.
    """
    mirror = hosting.mirrors.find(repository.record.id)
    if mirror is None:
        raise MirrorMissing
    return mirror


def describe_mirrors(hosting: Hosting) -> list[dict[str, Any]]:
    """All mirrors, by name, as people and programs are told of them."""
    found = []
    for mirror in hosting.mirrors.list():
        with suppress(RepositoryMissing):
            name = str(hosting.get_by_id(mirror.repository_id).record.name)
            found.append(describe(mirror, name, hosting.clock.now_ms()))
    return sorted(found, key=lambda each: each["name"])

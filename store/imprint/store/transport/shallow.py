"""Where a client's history shall end: deepen, deepen-since, deepen-not, unshallow.

Source: gitprotocol-v2(5), section "fetch"; the meaning of each is that of git's upload-pack, which this
follows: a commit at the asked depth ends the history even if it has no parents; a commit that one tip ends
at and another passes through does not end it.

A commit where history ends is called shallow: the client has it, and not its parents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.errors import RefMissing
from imprint.store.objects.ports import ObjectKind
from imprint.store.receive.connect import find_tips
from imprint.store.transport.negotiate import find_ref, visible_refs
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.hosting.repositories import Repository
    from imprint.store.objects.ports import Objects
    from imprint.store.plumbing import Plumbing

WHOLE_DEPTH: Final = 0x7FFFFFFF
"""The depth by which clients ask for the whole history (INFINITE_DEPTH in git's shallow.h)."""
_TIME_MAX: Final = 0x7FFFFFFF
"""The latest time that every git reads as `--max-age` (an int in revision.c up to 2.44)."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much history a client asks for.

    Attributes:
        commits: from each tip, 0 if not asked for.
        is_relative: `commits` counts from where the client's history ends now.
        since_s: only commits of that time or newer, seconds since the epoch; None if not asked for.
        not_refs: nothing that these refs reach.
    """

    commits: int = 0
    is_relative: bool = False
    since_s: int | None = None
    not_refs: tuple[bytes, ...] = ()

    @property
    def is_asked(self) -> bool:
        """Whether the client's history shall end elsewhere than now."""
        return bool(self.commits or self.since_s is not None or self.not_refs)


@dataclass(frozen=True, slots=True)
class ShallowUpdate:
    """What changes for the client.

    Attributes:
        shallow: commits that become shallow.
        unshallow: commits that were shallow and get their parents now.
        boundary: every commit that the packer must take for one without parents.
        more_wants: parents of those that get them.
    """

    shallow: tuple[ObjectId, ...] = ()
    unshallow: tuple[ObjectId, ...] = ()
    boundary: tuple[ObjectId, ...] = ()
    more_wants: tuple[ObjectId, ...] = ()

    @property
    def edges(self) -> tuple[ObjectId, ...]:
        """Commits that the client has, although the packer takes them for ends."""
        return self.unshallow

    @property
    def lines(self) -> list[bytes]:
        """What the client is told, a line each."""
        told = [f"shallow {each}" for each in self.shallow] + [f"unshallow {each}" for each in self.unshallow]
        return [line.encode() for line in told]


@dataclass(frozen=True, slots=True)
class _Cut:
    """Commits that the client shall have: those at which history ends, and the others."""

    ends: tuple[ObjectId, ...]
    inside: frozenset[ObjectId]


def find_shallow_update(
    repository: Repository,
    snapshot: RefSnapshot,
    wants: Collection[ObjectId],
    client_shallow: Sequence[ObjectId],
    depth: Depth,
) -> ShallowUpdate:
    """Where the client's history ends after this fetch.

    Raises:
        RefMissing: a ref of deepen-not is not there, or nothing is left to send.
    """
    plumbing = repository.view.plumbing
    kinds = find_tips(plumbing, client_shallow)
    known = tuple(each for each in client_shallow if each in kinds and kinds[each].kind is ObjectKind.COMMIT)
    if not depth.is_asked:
        return ShallowUpdate(boundary=known)
    objects = repository.view.objects
    cut = _find_cut(repository, snapshot, wants, known, depth)
    shallow = tuple(each for each in cut.ends if each not in set(known))
    unshallow = tuple(each for each in known if each in cut.inside)
    parents = dict.fromkeys(parent for each in unshallow for parent in objects.read_commit(each).parents)
    return ShallowUpdate(shallow, unshallow, (*shallow, *known), tuple(parents))


def _find_cut(
    repository: Repository,
    snapshot: RefSnapshot,
    wants: Collection[ObjectId],
    known: Sequence[ObjectId],
    depth: Depth,
) -> _Cut:
    plumbing = repository.view.plumbing
    if depth.commits >= WHOLE_DEPTH:
        return _Cut((), frozenset(known))
    tips = find_tips(plumbing, wants)
    ends = [tip.peeled or tip.id for tip in tips.values()]
    if not depth.commits:
        excluded = [_find_excluded(repository, snapshot, name) for name in depth.not_refs]
        return _cut_by_list(plumbing, ends, excluded, depth.since_s)
    if depth.is_relative:  # as git does: all that refs reach is deepened, not only what is wanted
        reachable = _find_reachable(plumbing, known, visible_refs(repository, snapshot).ids)
        return _cut_by_depth(repository.view.objects, reachable, depth.commits + 1)
    return _cut_by_depth(repository.view.objects, ends, depth.commits)


def _cut_by_depth(objects: Objects, heads: Iterable[ObjectId], commits: int) -> _Cut:
    """Breadth first, so that each commit is met at its smallest depth."""
    level = [each for each in dict.fromkeys(heads) if objects.find_kind(each) is ObjectKind.COMMIT]
    met = set(level)
    inside: set[ObjectId] = set()
    for _ in range(commits - 1):
        if not level:
            break
        inside.update(level)
        below = (parent for each in level for parent in objects.read_commit(each).parents)
        level = [parent for parent in dict.fromkeys(below) if parent not in met]
        met.update(level)
    return _Cut(tuple(level), frozenset(inside))


def _cut_by_list(
    plumbing: Plumbing, heads: Sequence[ObjectId], excluded: Sequence[ObjectId], since_s: int | None
) -> _Cut:
    """What `rev-list` selects; a commit with a parent outside of that is an end."""
    options = [] if since_s is None else [f"--max-age={min(since_s, _TIME_MAX)}"]
    questions = "".join([*(f"{each}\n" for each in heads), *(f"^{each}\n" for each in excluded)])
    listed = plumbing.run("rev-list", "--parents", *options, "--stdin", stdin=questions.encode())
    parents_by_commit = {
        ObjectId(commit): parents
        for commit, *parents in (line.split() for line in listed.decode("ascii").splitlines())
    }
    if not parents_by_commit:
        raise RefMissing("no commits selected for shallow requests")
    ends = tuple(
        commit
        for commit, parents in parents_by_commit.items()
        if any(parent not in parents_by_commit for parent in parents)
    )
    return _Cut(ends, frozenset(parents_by_commit) - frozenset(ends))


def _find_reachable(
    plumbing: Plumbing, commits: Sequence[ObjectId], heads: Collection[ObjectId]
) -> list[ObjectId]:
    """Those of the commits that the heads reach."""
    if not commits:
        return []
    questions = "".join([*(f"{each}\n" for each in commits), *(f"^{each}\n" for each in heads)])
    unreachable = frozenset(plumbing.run("rev-list", "--stdin", stdin=questions.encode()).decode().split())
    return [each for each in commits if each not in unreachable]


def _find_excluded(repository: Repository, snapshot: RefSnapshot, name: bytes) -> ObjectId:
    if value := find_ref(repository, snapshot, name):
        return value.id
    raise RefMissing(f"deepen-not: no ref {name.decode('utf-8', 'backslashreplace')}")

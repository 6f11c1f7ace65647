"""A repository to read from: hosted here, or somebody's clone. The same questions are asked of both."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadRevision, ObjectMissing, RefMissing
from imprint.store.objects.ports import ObjectKind
from imprint.store.refs.reached import list_unreached_commits
from imprint.store.refs.shown import ShownRefs
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from imprint.store.objects.ports import Objects
    from imprint.store.plumbing import Plumbing
    from imprint.store.refs.hidden import HiddenRefs
    from imprint.store.refs.ports import Refs

_ABBREVIATED = re.compile(r"[0-9a-f]{4,64}\Z")
_STEPPED = re.compile(r"([^~^]+)((?:~[0-9]*|\^[0-9]*|\^\{commit\})+)\Z")
_STEP = re.compile(r"~[0-9]*|\^\{commit\}|\^[0-9]*")
STEPS_MAX: Final = 100_000
"""How many parents one revision may go back, which bounds what a request reads."""


@dataclass(frozen=True, slots=True)
class RepositoryView:
    """What every reader of a repository needs, and nothing that writes.

    Attributes:
        id: the repository's id; `clone` for somebody's clone.
        name: for people: `owner/name`, or the folder's name for a clone.
        objects: its objects.
        refs: its refs.
        plumbing: git on its objects.
        reached_only: whether a commit is there only if one of the refs reaches it.
    """

    id: str
    name: str
    objects: Objects
    refs: Refs
    plumbing: Plumbing
    reached_only: bool = False


def show_view(view: RepositoryView, hidden: HiddenRefs) -> RepositoryView:
    """The view without hidden refs, and without commits that only they reach."""
    if not hidden.patterns:
        return view
    return replace(view, refs=ShownRefs(view.refs, hidden), reached_only=True)


def resolve_commit(view: RepositoryView, revision: str) -> ObjectId:
    """The commit that a revision names: HEAD, a branch, tag or full ref name, or an id of 4 or more digits.

    A whole id is one even where a ref has it as its name, as git takes it; and then no ref is read.

    Behind it `~N`, `^`, `^N` and `^{commit}` lead to ancestors, in any number, as in gitrevisions(7).

    Raises:
        RefMissing: nothing has this name, or HEAD's branch has no commit yet, or a commit has no such parent.
        BadRevision: an abbreviated id fits several commits, what is named is no commit, a suffix is another
            one, or it leads back by more than `STEPS_MAX` commits.
    """
    stepped = _STEPPED.match(revision)
    if stepped:
        return _step_back(view, resolve_commit(view, stepped[1]), stepped[2], revision)
    if "~" in revision or "^" in revision:  # no ref's name has them: git-check-ref-format(1)
        raise BadRevision(
            f"{revision!r} is no revision that can be read here",
            hint="after a branch, tag or commit write ~N, ^, ^N or ^{commit}, for example main~2",
        )
    named = _find_whole(view, revision) or _find_named(view, revision)
    if named is None and _ABBREVIATED.match(revision):
        named = _find_abbreviated(view, revision)
    if named is None:
        what = (
            "HEAD's branch has no commit yet"
            if revision == "HEAD"
            else f"no branch, tag or commit {revision!r}"
        )
        raise RefMissing(what)
    return _peel(view.objects, named, revision)


def _step_back(view: RepositoryView, commit: ObjectId, steps: str, revision: str) -> ObjectId:
    """The ancestor to which suffixes lead; one of a commit that is shown is shown."""
    left = STEPS_MAX
    for step in _STEP.findall(steps):
        if step in {"^{commit}", "^0"}:
            continue
        digits = step[1:].lstrip("0") or ("0" if step[1:] else "1")
        number = int(digits) if len(digits) <= len(str(STEPS_MAX)) else STEPS_MAX + 1
        repeats, parent = (number, 1) if step[0] == "~" else (1 if number else 0, number)
        left -= repeats
        if left < 0:
            raise BadRevision(
                f"{revision!r} goes back by more than {STEPS_MAX} commits", hint="name a commit"
            )
        for _ in range(repeats):
            parents = view.objects.read_commit(commit).parents
            if parent > len(parents):
                raise RefMissing(
                    f"{revision!r} names no commit: {commit} has {len(parents) or 'no'} parent"
                    + ("" if len(parents) == 1 else "s")
                )
            commit = parents[parent - 1]
    return commit


def verify_reached(view: RepositoryView, object_id: ObjectId) -> None:
    """Check that a view has a commit, or a ref's tag; a view of all that lies in the repository has any.

    Raises:
        ObjectMissing: it has not.
    """
    if not _reached(view, [object_id]):
        raise ObjectMissing(object_id)


def list_reached(view: RepositoryView, object_ids: list[ObjectId]) -> list[ObjectId]:
    """Those of the objects that the view has; none is asked for where all is shown."""
    if not view.reached_only:
        return object_ids
    return _reached(view, [each for each in object_ids if view.objects.find_kind(each)])


def _find_named(view: RepositoryView, revision: str) -> ObjectId | None:
    snapshot = view.refs.snapshot()
    if revision in {"", "HEAD", "@"}:
        return snapshot.head_id
    wanted = revision.encode("utf-8", "surrogateescape")
    by_name = {bytes(name): value for name, value in snapshot.refs.items()}
    for prefix in (b"", b"refs/", b"refs/tags/", b"refs/heads/", b"refs/remotes/"):  # gitrevisions(7) order
        if value := by_name.get(prefix + wanted):
            return value.id
    return None


def _find_whole(view: RepositoryView, revision: str) -> ObjectId | None:
    if len(revision) != view.objects.algorithm.hex_length or not _ABBREVIATED.match(revision):
        return None
    full = ObjectId.parse(revision)
    return full if view.objects.find_kind(full) and _reached(view, [full]) else None


def _find_abbreviated(view: RepositoryView, revision: str) -> ObjectId | None:
    if len(revision) == view.objects.algorithm.hex_length:
        return None  # looked for as a whole one
    found = view.plumbing.run("rev-parse", f"--disambiguate={revision}").decode().split()
    commits = _reached(
        view,
        [ObjectId(text) for text in found if view.objects.find_kind(ObjectId(text)) is ObjectKind.COMMIT],
    )
    if len(commits) > 1:
        raise BadRevision(f"{revision!r} fits {len(commits)} commits", hint="give more digits")
    return commits[0] if commits else None


def _reached(view: RepositoryView, object_ids: list[ObjectId]) -> list[ObjectId]:
    """Those of the objects that the view has: what refs name, and the commits below."""
    if not view.reached_only or not object_ids:
        return object_ids
    tips = {each for value in view.refs.snapshot().refs.values() for each in (value.id, value.peeled) if each}
    doubtful = {
        each for each in object_ids if each not in tips and view.objects.find_kind(each) is ObjectKind.COMMIT
    }
    reached = (tips | doubtful) - list_unreached_commits(view.plumbing, doubtful, tips)
    return [each for each in object_ids if each in reached]


def _peel(objects: Objects, object_id: ObjectId, revision: str) -> ObjectId:
    kind = objects.find_kind(object_id)
    while kind is ObjectKind.TAG:
        object_id = objects.read_tag(object_id).target
        kind = objects.find_kind(object_id)
    if kind is None:
        raise ObjectMissing(object_id)
    if kind is not ObjectKind.COMMIT:
        raise BadRevision(f"{revision!r} names a {kind.value}, not a commit")
    return object_id

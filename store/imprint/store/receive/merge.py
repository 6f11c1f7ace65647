"""Merges without a clone: two histories joined by git's own merge, admitted through the same door as a push.

Invariants:
    1. The merge is made in a quarantine, without a work tree; a preview and a conflict leave nothing behind.
    2. What is merged is the source as it was at the call. Without an expected head the target may move
       meanwhile: the merge is then made anew on top of it, `ATTEMPTS_MAX` times at most.
    3. The commit has the token's actor as committer, and the session's claim is part of its event.
    4. The event names the source, and the commit that was made to join both (`MERGED_BY_US`). A fast-forward
       makes none, and what a squash puts together is others' work: the store binds neither to the actor.

A crash leaves what a crashed push leaves.
"""

from __future__ import annotations

import enum
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from imprint.store.errors import (
    BadInput,
    BadRefName,
    Conflict,
    MergeConflict,
    PlumbingFailed,
    PushRefused,
    RefMissing,
    StaleUpdate,
)
from imprint.store.events import MERGED_BY_US, EventKind
from imprint.store.objects.codec import encode_commit, object_id
from imprint.store.objects.ports import ObjectKind
from imprint.store.receive.commit import ATTEMPTS_MAX, make_identities, verify_caller
from imprint.store.receive.docket import is_stale
from imprint.store.receive.push import Push, RefCommand
from imprint.store.receive.quarantine import open_in
from imprint.store.refs.hidden import HiddenRefs
from imprint.store.types import Anything, ObjectId, RefName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.store.actors import Principal
    from imprint.store.events import Event, SessionClaim
    from imprint.store.hosting.access import SessionSeed
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.plumbing import Plumbing
    from imprint.store.receive.quarantine import Quarantine
    from imprint.store.receive.receiver import Receiver

STEPS: Final = ("quarantined", "merged", "session opened", "packed")
"""Where a merge is before it goes the way of a push."""
_BRANCHES: Final = b"refs/heads/"


class Strategy(enum.Enum):
    """Whether a merge may be a fast-forward."""

    MERGE = "merge"
    FF_ONLY = "ff_only"
    FF_PREFER = "ff_prefer"


class Standing(enum.Enum):
    """How a source stands to its target."""

    CONTAINED = "contained"
    AHEAD = "ahead"
    CLEAN = "clean"
    CONFLICTED = "conflicted"


@dataclass(frozen=True, slots=True)
class Joined:
    """What a merge of a source into a target is, whether or not it is done.

    Attributes:
        target: the commit merged into.
        source: the commit merged.
        base: a best common ancestor; None for unrelated histories.
        standing: `CONTAINED`: the target has it all; `AHEAD`: the source continues the target; otherwise both
            went on.
        tree: of the merged files; None where they conflict.
        conflicts: the files that conflict.
    """

    target: ObjectId
    source: ObjectId
    base: ObjectId | None
    standing: Standing
    tree: ObjectId | None
    conflicts: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """A wished merge.

    Attributes:
        target: full name of the branch merged into; it must be there.
        source: full name of the branch merged, or a commit.
        strategy: whether it may be a fast-forward.
        squash: make one commit of the source's changes, with the target as its only parent.
        message: of the commit; None for a usual one.
        author_name, author_email: who wrote it; the actor where not given.
        expected_head: what the target must be.
        allow_unrelated: whether the histories may have no common commit.
        session: opened or continued, and its claim kept with the event; None: the token's session, if any.
    """

    target: RefName
    source: RefName | ObjectId
    strategy: Strategy = Strategy.MERGE
    squash: bool = False
    message: str | None = None
    author_name: str | None = None
    author_email: str | None = None
    expected_head: ObjectId | Anything = Anything()  # noqa: RUF009 - a value without state
    allow_unrelated: bool = False
    session: SessionSeed | None = None


@dataclass(frozen=True, slots=True)
class MergeReceipt:
    """What became of a merge: it is durable.

    Attributes:
        joined: what was merged into what.
        new: the head of the target now, or at that moment.
        tree: of its files.
        event: what admitted it; None when the target had it all before.
    """

    joined: Joined
    new: ObjectId
    tree: ObjectId
    event: Event | None


def merge(
    request: MergeRequest,
    repository: Repository,
    principal: Principal,
    receiver: Receiver,
    step: Callable[[str], None] = lambda _: None,
) -> MergeReceipt:
    """Merge a source into a branch, and return when that is durable.

    Args:
        request: what is wished.
        repository: where.
        principal: who merges.
        receiver: takes the merge in.
        step: told each of `STEPS` as it is reached; for tests that stop the world there.

    Raises:
        BadInput, BadRefName: the request is malformed.
        RefMissing, ObjectMissing: the source or the target is not there.
        StaleUpdate: the target is not at the expected head, or moves all the time.
        MergeConflict: both sides changed the same places.
        Conflict: it is no fast-forward and must be one, or the histories are unrelated.
        Denied, PushRefused: the token or the judge does not allow it.
        SessionConflict: the session is another's, or not the one of the token.
        StoreFailure: the machine failed; nothing was admitted.
    """
    work = _Work(request, repository, principal, receiver)
    work.verify()
    source = find_source(repository, request.source)
    claim: SessionClaim | None = None
    first: ObjectId | None = None
    target = source
    for _ in range(ATTEMPTS_MAX):
        target = work.find_target()
        first = first or target
        with open_in(repository, receiver.hosting, "merge") as quarantine:
            step("quarantined")
            joined = _join(quarantine.beside, target, source, allow_unrelated=request.allow_unrelated)
            work.verify_wished(joined)
            step("merged")
            if joined.standing is Standing.CONTAINED:
                return MergeReceipt(joined, target, work.tree_of(target), None)
            claim = claim or work.open_session()
            step("session opened")
            new, event = work.deliver(joined, quarantine, claim, step)
        if event:
            return MergeReceipt(joined, new, work.tree_of(new), event)
    raise StaleUpdate(request.target, first, target)


def preview(
    target: RefName,
    source: RefName | ObjectId,
    repository: Repository,
    hosting: Hosting,
    *,
    allow_unrelated: bool = False,
) -> Joined:
    """What merging would give. Nothing is changed.

    Raises:
        BadRefName: the target is no branch.
        RefMissing, ObjectMissing: the source or the target is not there.
        Conflict: the histories are unrelated, and that is not allowed.
        StoreFailure: the machine failed.
    """
    commit = find_source(repository, source)
    head = find_source(repository, target)
    with open_in(repository, hosting, "merge") as quarantine:
        return _join(quarantine.beside, head, commit, allow_unrelated=allow_unrelated)


def find_source(repository: Repository, source: RefName | ObjectId) -> ObjectId:
    """The commit that is meant.

    Raises:
        RefMissing: no branch of this name that clients may see.
        ObjectMissing: no commit of this id.
    """
    if isinstance(source, RefName):
        value = repository.view.refs.snapshot().refs.get(source)
        if value is None or HiddenRefs.of(repository.record).hides(source):
            raise RefMissing(f"no branch {source.short!r}")
        source = value.peeled or value.id
    return repository.view.objects.read_commit(source).id


def _join(plumbing: Plumbing, target: ObjectId, source: ObjectId, *, allow_unrelated: bool) -> Joined:
    """Merge the files of two commits; new objects go where the plumbing writes."""
    base = _find_base(plumbing, target, source)
    if base == source:
        return Joined(target, source, base, Standing.CONTAINED, None)
    if base is None and not allow_unrelated:
        raise Conflict(
            "the two histories have no common commit",
            hint="allow_unrelated_histories merges them all the same",
        )
    if base == target:
        tree = ObjectId.parse(plumbing.run("rev-parse", f"{source}^{{tree}}").strip())
        return Joined(target, source, base, Standing.AHEAD, tree)
    tree, conflicts = _merge_trees(plumbing, target, source)
    if conflicts:
        return Joined(target, source, base, Standing.CONFLICTED, None, conflicts)
    return Joined(target, source, base, Standing.CLEAN, tree)


def _find_base(plumbing: Plumbing, target: ObjectId, source: ObjectId) -> ObjectId | None:
    try:
        return ObjectId.parse(plumbing.run("merge-base", target, source).strip())
    except PlumbingFailed as failure:
        if failure.status == 1 and not failure.stderr:
            return None
        raise


def _merge_trees(
    plumbing: Plumbing, target: ObjectId, source: ObjectId
) -> tuple[ObjectId, tuple[bytes, ...]]:
    """The merged tree, and the files that conflict in it (git-merge-tree(1), `--write-tree`)."""
    with plumbing.stream(
        "merge-tree",
        "--write-tree",
        "--name-only",
        "--no-messages",
        "--allow-unrelated-histories",
        "-z",
        target,
        source,
    ) as process:
        process.stdin.close()
        out = process.stdout.read()
        status, stderr = process.finish(check=False)
    if status not in (0, 1):
        raise PlumbingFailed("merge-tree", status, stderr)
    tree, *conflicts = out.rstrip(b"\0").split(b"\0")
    return ObjectId.parse(tree), tuple(dict.fromkeys(conflicts)) if status else ()


class _Work:
    """One request on its way; each method is one step of `merge`."""

    def __init__(
        self, request: MergeRequest, repository: Repository, principal: Principal, receiver: Receiver
    ) -> None:
        self._request = request
        self._repository = repository
        self._principal = principal
        self._receiver = receiver

    def verify(self) -> None:
        """Check the request by itself, and the token."""
        request = self._request
        if not request.target.startswith(_BRANCHES):
            raise BadRefName(request.target)
        if request.squash and request.strategy is Strategy.FF_ONLY:
            raise BadInput("a squash is never a fast-forward", hint="leave out squash, or ff_only")
        verify_caller(self._principal, self._repository, request.target, request.session)

    def find_target(self) -> ObjectId:
        """Where the target is now: where the caller wants it to be."""
        request = self._request
        value = self._repository.view.refs.snapshot().refs.get(request.target)
        actual = value.id if value else None
        if not isinstance(request.expected_head, Anything) and request.expected_head != actual:
            raise StaleUpdate(request.target, request.expected_head, actual)
        if actual is None:
            raise RefMissing(f"no branch {request.target.short!r}")
        return actual

    def verify_wished(self, joined: Joined) -> None:
        """Check that the merge can be done as it is wished."""
        if joined.standing is Standing.CONFLICTED and self._request.strategy is not Strategy.FF_ONLY:
            raise MergeConflict(joined.conflicts)
        if self._request.strategy is Strategy.FF_ONLY and joined.standing in (
            Standing.CLEAN,
            Standing.CONFLICTED,
        ):
            raise Conflict(
                f"{self._request.target.short} went on: this is no fast-forward",
                hint="allow a merge commit, or rebase the source",
            )

    def tree_of(self, commit: ObjectId) -> ObjectId:
        """The files of a commit."""
        return self._repository.view.objects.read_commit(commit).tree

    def open_session(self) -> SessionClaim | None:
        """Open the session that the request names; None leaves it to the token."""
        seed, hosting = self._request.session, self._receiver.hosting
        return hosting.open_session(self._repository, self._principal.actor.name, seed) if seed else None

    def deliver(
        self,
        joined: Joined,
        quarantine: Quarantine,
        claim: SessionClaim | None,
        step: Callable[[str], None],
    ) -> tuple[ObjectId, Event | None]:
        """Move the target; the new head, and no event when the target is not where it was any more."""
        request = self._request
        details = {"source": str(joined.source), "strategy": request.strategy.value}
        if (
            joined.standing is Standing.AHEAD
            and not request.squash
            and request.strategy is not Strategy.MERGE
        ):
            return joined.source, self._push(joined.target, joined.source, None, claim, details)
        content = self._encode(joined)
        commit = object_id(ObjectKind.COMMIT, content, self._repository.record.algorithm)
        details["squash" if request.squash else MERGED_BY_US] = "true" if request.squash else str(commit)
        quarantine.beside.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=content)
        with _pack_all(quarantine.alone) as pack:
            step("packed")
            return commit, self._push(joined.target, commit, pack, claim, details)

    def _push(
        self,
        old: ObjectId,
        new: ObjectId,
        pack: BinaryIO | None,
        claim: SessionClaim | None,
        details: dict[str, str],
    ) -> Event | None:
        push = Push(
            principal=self._principal,
            commands=(RefCommand(self._request.target, old, new),),
            pack=pack,
            atomic=True,
            kind=EventKind.MERGE,
            claim=claim,
            details=details,
        )
        receipt = self._receiver.receive(push, self._repository)
        if receipt.unpack_error:
            raise PushRefused(receipt.unpack_error, rule="object-check")
        error = receipt.results[0].error
        if receipt.event is None and not is_stale(error):
            raise PushRefused(error or "refused", rule="ref-check")
        return receipt.event

    def _encode(self, joined: Joined) -> bytes:
        request = self._request
        assert joined.tree is not None  # noqa: S101 - `verify_wished` let it pass
        parents = (joined.target,) if request.squash else (joined.target, joined.source)
        author, committer = make_identities(
            self._principal.actor,
            request.author_name,
            request.author_email,
            self._receiver.hosting.clock.now_ms(),
        )
        message = self._usual_message() if request.message is None else request.message
        return encode_commit(joined.tree, parents, author, committer, message)

    def _usual_message(self) -> str:
        source = self._request.source
        what = f"branch '{source.short}'" if isinstance(source, RefName) else f"commit '{source}'"
        return f"{'Squash' if self._request.squash else 'Merge'} {what} into {self._request.target.short}"


@contextmanager
def _pack_all(plumbing: Plumbing) -> Iterator[BinaryIO]:
    """Everything that lies in a quarantine, as one pack; a pack that is cut short is refused as broken."""
    listed = plumbing.run("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    with plumbing.stream("pack-objects", "--stdout", "-q") as process:
        process.give(listed)
        yield cast("BinaryIO", process.stdout)

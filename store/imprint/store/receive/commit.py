"""Commits without a clone: from files to an admitted commit, through the same door as a push.

Invariants:
    1. What is written here goes through `Receiver.receive`: same quarantine, checks, judge and commit point.
    2. Nobody's change is overwritten unseen. With an expected head, the branch must be there. Without one the
       commit goes on top of whatever is newest, but only while nothing touched its own files since the call.
    3. The committer is the token's actor, always; the author is whom the caller names.
    4. The claim of the session is part of the event that admits the commit.

A crash leaves what a crashed push leaves. A session that was opened for a commit which is then refused stays
open, with its prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.actors import Verb
from imprint.store.catalog.kept.at_hand import one_moment
from imprint.store.errors import (
    BadInput,
    BadPath,
    BadRefName,
    Denied,
    LimitExceeded,
    PushRefused,
    SessionConflict,
    StaleUpdate,
    StoreError,
)
from imprint.store.events import EventKind
from imprint.store.objects.codec import EXECUTABLE_MODE, FILE_MODE, SYMLINK_MODE, encode_commit, object_id
from imprint.store.objects.edit import TreeEditor
from imprint.store.objects.ports import Identity, ObjectKind
from imprint.store.objects.trees import find_entry, read_root
from imprint.store.paths import PATH_BYTES_MAX, quote_path, verify_path
from imprint.store.receive.docket import is_stale
from imprint.store.receive.push import Push, Receipt, RefCommand
from imprint.store.refs.hidden import HIDDEN_REFUSED, HiddenRefs
from imprint.store.types import Anything, ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.store.actors import Actor, Principal
    from imprint.store.events import Event, SessionClaim
    from imprint.store.hosting.access import SessionSeed
    from imprint.store.hosting.repositories import Repository
    from imprint.store.limits import Limits
    from imprint.store.objects.ports import Objects
    from imprint.store.receive.receiver import Receiver
    from imprint.store.types import RefName

ATTEMPTS_MAX: Final = 16
"""How often a commit without an expected head is built anew because the branch moved."""
STEPS: Final = ("built", "session opened")
"""Where a commit is before it goes the way of a push."""
_MODES: Final = (FILE_MODE, EXECUTABLE_MODE, SYMLINK_MODE)
_EMAIL_DOMAIN: Final = "imprint.invalid"
"""Domain of committers whose actor has no address; nobody can ever own it (RFC 2606)."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A wished change of one file.

    Attributes:
        path: from the top of the tree.
        content: all of it, or None to delete the file; for a symbolic link, its target.
        mode: 0o100644, 0o100755 or 0o120000; None to keep that of the file that is there.
    """

    path: bytes
    content: bytes | None
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """A wished commit.

    Attributes:
        branch: full name of the branch; made by the commit if it is not there.
        message: the commit message.
        files: what changes; each path once.
        author_name, author_email: who wrote it; the actor where not given.
        expected_head: what the branch must be; None: it must not be there.
        allow_empty: whether the tree may be the one that is there.
        session: opened or continued, and its claim kept with the event; None: the token's session, if any.
        find_base: finds the commit that goes before this one where the branch is not there; None: none does.
    """

    branch: RefName
    message: str
    files: tuple[FileChange, ...]
    author_name: str | None = None
    author_email: str | None = None
    expected_head: ObjectId | Anything | None = field(default_factory=Anything)
    allow_empty: bool = False
    session: SessionSeed | None = None
    find_base: Callable[[], ObjectId | None] = lambda: None


@dataclass(frozen=True, slots=True)
class CommitReceipt:
    """A commit that was admitted: it is durable.

    Attributes:
        commit: its id.
        tree: of its files.
        branch: where it is the head now, or was at that moment.
        old: what the branch was before; None if it was not there.
        event: what admitted it.
    """

    commit: ObjectId
    tree: ObjectId
    branch: RefName
    old: ObjectId | None
    event: Event


@dataclass(frozen=True, slots=True)
class _Built:
    """A commit with the objects that come with it."""

    commit: ObjectId
    tree: ObjectId
    objects: tuple[tuple[ObjectId, ObjectKind, bytes], ...]


def commit(
    request: CommitRequest,
    repository: Repository,
    principal: Principal,
    receiver: Receiver,
    step: Callable[[str], None] = lambda _: None,
    before_landing: Callable[[], None] = lambda: None,
) -> CommitReceipt:
    """Write a commit on a branch, and return when it is durable.

    Args:
        request: what is wished.
        repository: where.
        principal: who commits.
        receiver: takes the commit in.
        step: told each of `STEPS` as it is reached; for tests that stop the world there.
        before_landing: called when all is checked.

    Raises:
        BadInput, BadPath, BadRefName: the request is malformed, changes nothing, or writes where it must not.
        PathMissing: a file to delete is not there.
        StaleUpdate: the branch is not at the expected head, or a file of the request was changed meanwhile.
        Denied, PushRefused: the token or the judge does not allow it, or git's checks refuse the objects.
        SessionConflict: the session is another's, or not the one of the token.
        LimitExceeded: too many files or bytes.
        StoreFailure: the machine failed; nothing was admitted.
    """
    work = _Work(request, repository, principal, receiver, before_landing)
    work.verify()
    old = work.find_head()
    work.verify_expected(old)
    built = work.build(old)
    step("built")
    claim = work.open_session()
    step("session opened")
    return work.deliver(built, old, claim) or work.insist(old, claim)


def commit_together(
    asked: Sequence[tuple[CommitRequest, Principal]],
    repository: Repository,
    receiver: Receiver,
    before_landing: Callable[[], None] = lambda: None,
) -> list[CommitReceipt | Exception | None]:
    """Write commits on different branches of a repository that are asked for at the same time.

    Each becomes what `commit` makes of it; what they share is done once. Nothing is waited for but the last
    step, so that none holds up the others.

    Args:
        asked: what is wished, and by whom; no request names a session.
        repository: where.
        receiver: takes the commits in.
        before_landing: called when all is checked.

    Returns:
        For each its receipt, or what `commit` raises; None for one that is for `commit` itself, as git has to
        look at it: nothing happened of that.
    """
    outcomes: list[CommitReceipt | Exception | None] = [None] * len(asked)
    built: dict[int, tuple[_Work, _Built, ObjectId | None]] = {}
    with one_moment():
        for at, (request, principal) in enumerate(asked):
            work = _Work(request, repository, principal, receiver, before_landing)
            try:
                work.verify()
                old = work.find_head()
                work.verify_expected(old)
                built[at] = work, work.build(old), old
            except Exception as failure:  # noqa: BLE001 - given to whom it belongs
                outcomes[at] = failure
    if not built:
        return outcomes
    pushes = [work.make_push(made, old, None) for work, made, old in built.values()]
    receipts: Sequence[Receipt | Exception | None]
    try:
        receipts = receiver.receive_made(pushes, repository, before_landing)
    except StoreError as failure:  # the repository is gone, or the catalogue cannot be read
        receipts = [failure] * len(pushes)
    for at, receipt in zip(built, receipts, strict=True):
        work, made, old = built[at]
        try:
            outcomes[at] = work.conclude(made, old, receipt)
        except Exception as failure:  # noqa: BLE001 - given to whom it belongs
            outcomes[at] = failure
    return outcomes


class _Work:
    """One request on its way; each method is one step of `commit`."""

    def __init__(
        self,
        request: CommitRequest,
        repository: Repository,
        principal: Principal,
        receiver: Receiver,
        before_landing: Callable[[], None],
    ) -> None:
        self._request = request
        self._repository = repository
        self._principal = principal
        self._receiver = receiver
        self._before_landing = before_landing
        self._hosting = receiver.hosting
        self._objects = receiver.recent.before(repository.view.objects, repository.record.id)

    def verify(self) -> None:
        """Check the request by itself, and the token."""
        request, limits = self._request, self._hosting.limits
        if not request.branch.startswith(b"refs/heads/"):
            raise BadRefName(request.branch)
        if not request.files and not request.allow_empty:
            raise BadInput("the commit names no files", hint="name the files that change")
        _verify_size(request, limits)
        seen: set[bytes] = set()
        for change in request.files:
            verify_path(change.path)
            _verify_change(change)
            if change.path in seen:
                raise BadPath(f"{quote_path(change.path)} is named twice", hint="name each file once")
            seen.add(change.path)
        verify_caller(self._principal, self._repository, request.branch, request.session)

    def find_head(self) -> ObjectId | None:
        """Where the branch is now."""
        value = self._repository.view.refs.snapshot().refs.get(self._request.branch)
        return value.id if value else None

    def verify_expected(self, old: ObjectId | None) -> None:
        """Check that the branch is where the caller wants it to be."""
        expected = self._request.expected_head
        if not isinstance(expected, Anything) and expected != old:
            raise StaleUpdate(self._request.branch, expected, old)

    def verify_untouched(self, first: ObjectId | None, now: ObjectId | None) -> None:
        """Check that no file of the request was changed between two heads."""
        heads = (first or self._request.find_base(), now or self._request.find_base())
        trees = [read_root(self._objects, head) if head else None for head in heads]
        for change in self._request.files:
            before, after = (find_entry(self._objects, tree, change.path) if tree else None for tree in trees)
            if before != after:
                raise StaleUpdate(self._request.branch, first, now)

    def build(self, old: ObjectId | None) -> _Built:
        """Make the objects of the commit on top of a head, or where a new branch begins."""
        parent = old or self._request.find_base()
        old_tree = read_root(self._objects, parent) if parent else None
        tree, objects = _change_tree(self._objects, old_tree, self._request.files)
        if tree == old_tree and not self._request.allow_empty:
            raise BadInput(
                "the commit would change nothing", hint="every file is already as it should be on the branch"
            )
        request = self._request
        author, committer = make_identities(
            self._principal.actor, request.author_name, request.author_email, self._hosting.clock.now_ms()
        )
        content = encode_commit(tree, (parent,) if parent else (), author, committer, self._request.message)
        made = object_id(ObjectKind.COMMIT, content, self._objects.algorithm)
        return _Built(made, tree, (*objects, (made, ObjectKind.COMMIT, content)))

    def open_session(self) -> SessionClaim | None:
        """Open the session that the request names; None leaves it to the token."""
        seed = self._request.session
        return (
            self._hosting.open_session(self._repository, self._principal.actor.name, seed) if seed else None
        )

    def deliver(
        self, built: _Built, old: ObjectId | None, claim: SessionClaim | None
    ) -> CommitReceipt | None:
        """Push the commit; None when the branch is not at `old` any more."""
        push = self.make_push(built, old, claim)
        return self.settle(built, old, self._receiver.receive(push, self._repository, self._before_landing))

    def conclude(
        self, built: _Built, old: ObjectId | None, found: Receipt | Exception | None
    ) -> CommitReceipt | Exception | None:
        """What became of a commit that was pushed together with others."""
        if not isinstance(found, Receipt):
            return found
        return self.settle(built, old, found) or self.insist(old, None)

    def insist(self, first: ObjectId | None, claim: SessionClaim | None) -> CommitReceipt:
        """Build the commit anew and push it, until the branch stays where it is; it was at `first`."""
        old = first
        for _ in range(ATTEMPTS_MAX - 1):
            old = self.find_head()
            self.verify_expected(old)
            self.verify_untouched(first, old)
            if receipt := self.deliver(self.build(old), old, claim):
                return receipt
        raise StaleUpdate(self._request.branch, first, old)

    def make_push(self, built: _Built, old: ObjectId | None, claim: SessionClaim | None) -> Push:
        """The commit as a push."""
        return Push(
            principal=self._principal,
            commands=(RefCommand(self._request.branch, old, built.commit),),
            pack=None,
            made=built.objects,
            atomic=True,
            kind=EventKind.COMMIT,
            claim=claim,
        )

    def settle(self, built: _Built, old: ObjectId | None, receipt: Receipt) -> CommitReceipt | None:
        """What is told of the commit; None when the branch was not at `old` any more.

        Raises:
            PushRefused: it was refused.
        """
        if receipt.unpack_error:
            raise PushRefused(receipt.unpack_error, rule="object-check")
        error = receipt.results[0].error
        if receipt.event is None and not is_stale(error):
            raise PushRefused(error or "refused", rule="ref-check")
        if receipt.event is None:
            return None
        self._receiver.recent.keep(self._repository.record.id, built.objects)
        return CommitReceipt(built.commit, built.tree, self._request.branch, old, receipt.event)


def verify_caller(
    principal: Principal, repository: Repository, branch: RefName, session: SessionSeed | None
) -> None:
    """Check that a token may write to a branch here, in that session.

    What is hidden is refused before anything is said of it, also that it is there.

    Raises:
        SessionConflict: the token belongs to another session.
        Denied: it may not write.
        PushRefused: the branch is hidden.
    """
    bound = principal.token.session
    if session and bound and session.id != bound:
        raise SessionConflict(
            f"the token belongs to session {bound!r}", hint="leave the session out, or use another token"
        )
    if not principal.may(Verb.WRITE, repository.record.name):
        raise Denied(f"the token does not allow writing to {repository.record.name}")
    if HiddenRefs.of(repository.record).hides(branch):
        raise PushRefused(f"{branch.text}: {HIDDEN_REFUSED}", rule="ref-check")


def make_identities(
    actor: Actor, author_name: str | None, author_email: str | None, now_ms: int
) -> tuple[Identity, Identity]:
    """Author and committer of a commit that the store makes: the actor, unless another author is named."""
    name, email = _identify(actor)
    author = Identity(
        name if author_name is None else author_name,
        email if author_email is None else author_email,
        now_ms // 1000,
        0,
    )
    return author, Identity(name, email, now_ms // 1000, 0)


def _verify_size(request: CommitRequest, limits: Limits) -> None:
    if len(request.files) > limits.commit_files_max:
        raise LimitExceeded(f"the commit has {len(request.files)} files", limit="commit_files_max")
    size = len(request.message) + sum(len(change.content or b"") for change in request.files)
    if size > limits.commit_bytes_max:
        raise LimitExceeded(f"the commit has {size} bytes", limit="commit_bytes_max")


def _verify_change(change: FileChange) -> None:
    """Check mode and, for a link, target."""
    if change.mode is not None and change.mode not in _MODES:
        raise BadInput(
            f"{quote_path(change.path)}: {change.mode:o} is not a mode for a file",
            hint="use 100644, 100755 for an executable, or 120000 for a symbolic link",
        )
    if change.mode == SYMLINK_MODE and change.content is not None:
        _verify_target(change.path, change.content)


def _verify_target(path: bytes, target: bytes) -> None:
    if not target or b"\0" in target or len(target) > PATH_BYTES_MAX:
        raise BadInput(
            f"{quote_path(path)}: a symbolic link has a target of 1 to {PATH_BYTES_MAX} bytes without NUL"
        )


def _change_tree(
    objects: Objects, tree: ObjectId | None, changes: tuple[FileChange, ...]
) -> tuple[ObjectId, list[tuple[ObjectId, ObjectKind, bytes]]]:
    """Apply deletions, then the rest: a file may take the place of a folder, and a folder that of a file."""
    editor = TreeEditor(objects, tree)
    for change in changes:
        if change.content is None:
            editor.remove(change.path)
    for change in changes:
        if change.content is not None:
            kept = EXECUTABLE_MODE if editor.find_mode(change.path) == EXECUTABLE_MODE else FILE_MODE
            editor.put(change.path, change.content, kept if change.mode is None else change.mode)
    return editor.finish()


_NOT_IN_IDENTITY: Final = re.compile(r"[<>\x00-\x1f\x7f]+")


def _identify(actor: Actor) -> tuple[str, str]:
    """The actor's name and address as Git can hold them; `Actor.is_identity` knows both again."""
    name = _NOT_IN_IDENTITY.sub("", actor.name).strip() or "actor"
    email = actor.emails[0] if actor.emails else f"{name.replace(' ', '-')}@{_EMAIL_DOMAIN}"
    return name, _NOT_IN_IDENTITY.sub("", email).strip()

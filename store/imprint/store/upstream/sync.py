"""One round of a mirror: what is new elsewhere is fetched in steps, and received as every push is.

A step fetches some refs into a workshop, packs what the repository lacks, and hands it to the `Receiver`,
whose checks and commit point are those of a push; the event is an import. Steps are small where the place's
refs allow it: the heads of requests, then tags, oldest first, bring a first copy piece by piece, and
branches end it; later, branches come first. Whoever is killed goes on with the refs that are left.

Invariants:
    1. Only refs that match the mirror's patterns change.
    2. A ref that is gone elsewhere goes here only if the mirror brought it; the head of a pull or merge
       request never goes. Its commits stay stored in any case.
    3. A ref that was here before the mirror, and is not an ancestor of the one elsewhere, is left alone.
    4. At most one round at a time works on a repository.
    5. A ref that cannot be had, or whose objects are refused, holds up no other: the step that it is in is
       done again in halves, down to the ref alone or so many failures that the next round goes on.
    6. A place without any of the refs that it had is taken for broken: nothing is removed.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from imprint.store.errors import (
    LimitExceeded,
    MirrorBusy,
    MirrorFailed,
    MirrorMissing,
    PlumbingFailed,
    StorageFailed,
    StoreError,
)
from imprint.store.events import EventKind
from imprint.store.hosting.followers import Stopped, never
from imprint.store.mirror.model import compile_patterns, is_request
from imprint.store.plumbing import Plumbing
from imprint.store.receive.push import Push, RefCommand
from imprint.store.types import HashAlgorithm, RefName
from imprint.store.upstream.places import Place, parse_place
from imprint.store.upstream.remote import (
    Listing,
    Remote,
    empty_workshop,
    prepare_workshop,
    say_haves,
)
from imprint.store.upstream.secrets import prove

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import BinaryIO

    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.mirror.model import Mirror
    from imprint.store.receive.push import Receipt
    from imprint.store.receive.receiver import Receiver
    from imprint.store.types import ObjectId

_TOLD_REFS_MAX: Final = 100
"""Refs named in an event's details, or among those left alone."""
_FAILURES_MAX: Final = 60
"""Steps of one round that may fail before what fails is left to the next. One bad ref among 500 takes ten."""
_REFUSED_MAX: Final = 2000
_NUMBER: Final = re.compile(rb"\d+")

_log = logging.getLogger("imprint.store")


@dataclass(frozen=True, slots=True)
class RoundReport:
    """What a round did.

    Attributes:
        changed, removed: refs.
        forced: those among the changed that went elsewhere than forwards.
        left: refs that were left alone, with the reasons.
        refused: those that could not be had or taken, each with its value.
        untried: refs left to the next round.
    """

    changed: int = 0
    removed: int = 0
    forced: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    untried: int = 0


def workshop_folder(hosting: Hosting, repository_id: str) -> Path:
    """Where a repository's mirror works. Derived: it may be deleted while no round runs."""
    return hosting.folder.root / "derived" / "mirror" / repository_id


def sync(
    hosting: Hosting,
    receiver: Receiver,
    repository_id: str,
    stopping: Callable[[], bool] = never,
    *,
    only_due: bool = False,
) -> RoundReport | None:
    """Bring a mirrored repository to what its place has now. None where `only_due`, and it is not due.

    Raises:
        MirrorMissing: it is no mirror.
        MirrorBusy: another round is at work.
        Stopped: it was asked to stop; the next round goes on.
        StoreError: it failed, and the mirror's state says so.
    """
    repository = hosting.get_by_id(repository_id)
    with _alone(workshop_folder(hosting, repository_id)) as folder:
        now_ms = hosting.clock.now_ms()
        mirror = hosting.mirrors.find(repository_id)
        if mirror is None:
            raise MirrorMissing
        if only_due and not mirror.is_due(now_ms):
            return None
        hosting.mirrors.change(repository_id, lambda kept: kept.began(now_ms))
        try:
            if not only_due:
                mirror = replace(mirror, state=replace(mirror.state, refused=()))
            report = _Round(hosting, receiver, repository, mirror, folder, stopping).run()
        except StoreError as failed:
            text = failed.message
            hosting.mirrors.change(repository_id, lambda kept: kept.failed(text))
            raise
        hosting.mirrors.change(repository_id, lambda kept: _succeeded(kept, now_ms, report))
    _log.info("%s: mirrored, %d refs changed, %d removed", repository_id, report.changed, report.removed)
    return report


def _succeeded(mirror: Mirror, at_ms: int, report: RoundReport) -> Mirror:
    state = replace(
        mirror.state,
        synced_at_ms=at_ms,
        failures=0,
        error="",
        left=report.left[:_TOLD_REFS_MAX],
        refused=report.refused[:_REFUSED_MAX],
        waiting=report.untried,
        changed=report.changed + report.removed,
    )
    return replace(mirror, state=state)


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """The workshop, if no other round has it."""
    lock = folder.with_name(f"{folder.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as failure:
        raise StorageFailed(f"{lock}: {failure.strerror}") from failure
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    except BlockingIOError as busy:
        raise MirrorBusy("the mirror is being synced already", hint="its state says how far it is") from busy
    finally:
        os.close(descriptor)


def look_at(hosting: Hosting, mirror: Mirror) -> Listing:
    """What a mirror's place has, before there is a repository for it.

    Raises:
        MirrorFailed, BadInput, Denied: it cannot be asked.
    """
    with tempfile.TemporaryDirectory(prefix="imprint-mirror-") as name:
        folder = Path(name)
        prepare_workshop(folder, None, HashAlgorithm.SHA1, ())
        return _open_remote(hosting, mirror, Plumbing(folder, children=hosting.children), folder).list_refs()


def _open_remote(hosting: Hosting, mirror: Mirror, base: Plumbing, folder: Path) -> Remote:
    proof = prove(mirror.credential, hosting.folder.master_key, mirror.repository_id, folder)
    place: Place = parse_place(mirror.url, may_be_path=not mirror.is_public_only)
    return Remote(base, folder, place, proof, is_public_only=mirror.is_public_only)


class _Round:
    """One round, from its listing to its last event."""

    def __init__(
        self,
        hosting: Hosting,
        receiver: Receiver,
        repository: Repository,
        mirror: Mirror,
        folder: Path,
        stopping: Callable[[], bool],
    ) -> None:
        self._hosting = hosting
        self._receiver = receiver
        self._repository = repository
        self._mirror = mirror
        self._folder = folder
        self._stopping = stopping
        self._matches = compile_patterns(mirror.patterns)
        self._owned = {name.encode("utf-8", "surrogateescape") for name in mirror.state.owned}
        self._left: list[str] = []
        self._refused = set(mirror.state.refused)
        self._failures = 0
        self._untried = 0
        self._forced: list[str] = []
        self._changed = 0

    def run(self) -> RoundReport:
        """Do it."""
        view = self._repository.view
        refs = view.refs.snapshot().refs
        try:
            objects = (self._repository.git_dir / "objects").absolute()
            haves = [value.id for value in refs.values()]
            prepare_workshop(self._folder, objects, view.objects.algorithm, haves)
        except OSError as failure:
            raise StorageFailed(f"{failure.filename}: {failure.strerror}") from failure
        remote = _open_remote(self._hosting, self._mirror, view.plumbing, self._folder)
        listing = remote.list_refs()
        there = {name: value for name, value in listing.refs.items() if self._matches.match(name)}
        if not there and (self._owned or not listing.refs):
            raise MirrorFailed(
                f"{self._mirror.url} has none of the refs that are mirrored",
                hint="nothing was removed; 'imprint mirror show' says which are",
            )
        moved = {name for name, value in there.items() if name not in refs or refs[name].id != value}
        self._refused &= {_pair(name, there[name]) for name in moved}
        wanted = [name for name in moved if _pair(name, there[name]) not in self._refused]
        self._own(name for name in there if name not in moved)
        for batch in _split(wanted, self._hosting.limits.mirror_refs_per_step, is_first=not refs):
            self._try_step(remote, batch, listing, is_first=not refs)
            wanted = wanted[len(batch) :]
            self._note_waiting(len(wanted))
        removed = self._remove([RefName(name) for name in self._owned if name not in there])
        told = (tuple(self._forced), tuple(self._left), tuple(sorted(self._refused)), self._untried)
        return RoundReport(self._changed, removed, *told)

    def _try_step(self, remote: Remote, batch: list[RefName], listing: Listing, *, is_first: bool) -> None:
        """Do a step; one that fails is done again in halves (INV-5)."""
        try:
            self._step(remote, batch, listing.head if is_first else None)
        except (MirrorFailed, LimitExceeded) as failed:
            self._failures += 1
            remote.list_refs()  # where the place is gone, that is what is wrong
            if self._failures > _FAILURES_MAX:
                self._leave(batch, f"left to the next round: {failed.message}")
                self._untried += len(batch)
                return
            if len(batch) == 1:
                self._leave(batch, failed.message)
                self._refused.add(_pair(batch[0], listing.refs[batch[0]]))
                return
            for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
                self._try_step(remote, half, listing, is_first=is_first)

    # -- one step ------------------------------------------------------------------------------------

    def _step(self, remote: Remote, batch: list[RefName], head: RefName | None) -> None:
        if self._stopping():
            raise Stopped
        fetched = remote.fetch(batch, self._hosting.limits.pack_bytes_max)
        snapshot = self._repository.view.refs.snapshot()
        before = {name: snapshot.refs[name].id if name in snapshot.refs else None for name in fetched}
        forced = [
            name
            for name, old in before.items()
            if old is not None and old != fetched[name] and not self._is_forward(remote, old, fetched[name])
        ]
        strange = [name for name in forced if name not in self._owned and not is_request(name)]
        self._leave(strange, "it was here before the mirror, and is not part of what is there")
        commands = [
            RefCommand(bytes(name), before[name], new)
            for name, new in fetched.items()
            if name not in strange and before[name] != new
        ]
        done = self._deliver(remote, commands, head if head in fetched else None, forced)
        self._forced += [_show(name) for name in forced if name in done]
        self._changed += len(done)
        self._own(name for name in fetched if name not in strange)
        try:
            empty_workshop(self._folder)
            say_haves(
                self._folder, [value.id for value in self._repository.view.refs.snapshot().refs.values()]
            )
        except OSError as failure:
            raise StorageFailed(f"{failure.filename}: {failure.strerror}") from failure

    def _deliver(
        self, remote: Remote, commands: list[RefCommand], head: RefName | None, forced: Collection[bytes]
    ) -> set[bytes]:
        """Hand refs with what they need to the receiver; the names of those that it took."""
        if not commands:
            return set()
        details = {"source": self._mirror.url, "mirror": "sync"}
        if told := [_show(command.name) for command in commands if command.name in forced]:
            details["forced"] = json.dumps(told[:_TOLD_REFS_MAX])
        push = Push(None, tuple(commands), None, kind=EventKind.IMPORT, head=head, details=details)
        tips = {value.id for value in self._repository.view.refs.snapshot().refs.values()}
        wanted = {command.new for command in commands if command.new}
        if wanted <= tips:
            return self._take(self._receiver.receive(push, self._repository))
        with remote.stream("pack-objects", "--revs", "--stdout", "--delta-base-offset", "-q") as process:
            lines = [*sorted(wanted - tips), *(f"^{each}" for each in sorted(tips))]
            with process.fed("".join(f"{line}\n" for line in lines).encode()):
                pack = cast("BinaryIO", process.stdout)
                receipt = self._receiver.receive(replace(push, pack=pack), self._repository)
                status, said = process.finish(check=False)
        if status:
            raise PlumbingFailed("pack-objects", status, said)
        if receipt.unpack_error is not None:
            raise MirrorFailed(
                f"{self._mirror.url} was refused: {receipt.unpack_error}",
                hint="'imprint repo settings' allows what git's checks refuse",
            )
        return self._take(receipt)

    def _take(self, receipt: Receipt) -> set[bytes]:
        for result in receipt.results:
            if result.error:
                self._leave([result.name], result.error)
        return {result.name for result in receipt.results if not result.error}

    def _is_forward(self, remote: Remote, old: ObjectId, new: ObjectId) -> bool:
        try:
            base = remote.run("merge-base", old, new).split()
        except PlumbingFailed:
            return False  # unrelated, or no commits
        return base == [old.encode("ascii")]

    # -- what is gone, and what is told ---------------------------------------------------------------

    def _remove(self, gone: list[RefName]) -> int:
        snapshot = self._repository.view.refs.snapshot()
        commands = [
            RefCommand(bytes(name), snapshot.refs[name].id, None) for name in gone if name in snapshot.refs
        ]
        done: set[bytes] = set()
        if commands:
            details = {"source": self._mirror.url, "mirror": "sync"}
            push = Push(None, tuple(commands), None, kind=EventKind.IMPORT, details=details)
            done = self._take(self._receiver.receive(push, self._repository))
        self._owned -= {bytes(name) for name in gone if name not in snapshot.refs or name in done}
        self._note_waiting(0)
        return len(done)

    def _own(self, names: Iterable[RefName]) -> None:
        self._owned.update(bytes(name) for name in names if not is_request(name))

    def _leave(self, names: Collection[bytes], why: str) -> None:
        self._left += [f"{_show(name)}: {why}" for name in names]

    def _note_waiting(self, count: int) -> None:
        """Keep how far the round is; after a crash the next one knows what the mirror brought."""
        owned = tuple(sorted(_show(name) for name in self._owned))
        self._hosting.mirrors.change(
            self._mirror.repository_id,
            lambda kept: replace(kept, state=replace(kept.state, owned=owned, waiting=count)),
        )


def _split(wanted: list[RefName], size: int, *, is_first: bool) -> Iterator[list[RefName]]:
    """Refs in the order in which to fetch them, in steps."""
    wanted.sort(key=lambda name: _order(name, is_first=is_first))
    for at in range(0, len(wanted), size):
        yield wanted[at : at + size]


def _order(name: bytes, *, is_first: bool) -> tuple[int, int, bytes]:
    """Small histories first where nothing is there yet: old requests and tags; otherwise branches first."""
    number = _NUMBER.search(name)
    kinds = (is_request(name), name.startswith(b"refs/tags/"), not name.startswith(b"refs/heads/"))
    rank = kinds.index(True) if any(kinds) else len(kinds)
    return rank if is_first else -rank, int(number[0]) if number and rank == 0 else 0, name


def _pair(name: bytes, value: ObjectId) -> str:
    return f"{_show(name)} {value}"


def _show(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def remove_workshop(hosting: Hosting, repository_id: str) -> None:
    """Delete what a mirror works with."""
    folder = workshop_folder(hosting, repository_id)
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)

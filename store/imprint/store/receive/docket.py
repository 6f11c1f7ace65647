"""The commands of one push on their way to admission: which still stand, and why the others fell.

Invariants:
    1. A command that fell stays fallen, with its first reason.
    2. In an atomic push all commands stand or none does.
    3. The commands of a push that is not atomic act one after the other, as in git receive-pack: each meets
       the refs as those before it leave them. What is admitted is their sum.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from imprint.store.catalog.rules import iter_folders
from imprint.store.errors import BadRefName, StaleUpdate
from imprint.store.events import EventKind
from imprint.store.objects.ports import ObjectKind
from imprint.store.receive.push import Receipt, UpdateResult
from imprint.store.refs.hidden import HIDDEN_REFUSED, HiddenRefs
from imprint.store.types import Anything, MustBe, MustNotExist, RefName, RefUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.events import Event
    from imprint.store.hosting.settings import ReceiveRules
    from imprint.store.receive.connect import Tip
    from imprint.store.receive.push import Push, RefCommand
    from imprint.store.types import Expectation, ObjectId

ATOMIC_FAILURE: Final = "atomic push failure"
"""Said of the commands of an atomic push that fell only because another did; git's words."""
MISSING_OBJECTS: Final = "missing necessary objects"
"""Said of a tip that is not connected; git's words."""
SHALLOW_REFUSED: Final = "shallow update not allowed"
"""Said of a tip below which the client's own history ends; git's words."""
_BRANCHES: Final = b"refs/heads/"
_OPTION: Final = b"refs/heads/-"
"""How a branch begins that may be there, but is not for HEAD: it would be taken for an option."""
_STALE: Final = "stale: "
_DEFAULT_HEAD: Final = RefName(b"refs/heads/main")
_OLD_DEFAULT_HEAD: Final = RefName(b"refs/heads/master")


class Docket:
    """The commands of a push, each with the reason why it fell, if it did.

    Args:
        push: what is wished.
        rules: what the repository asks of it. An import is bound by no more hidden refs than the store's own.
        refs_max: how many refs the repository may have.

    Attributes:
        warnings: for the person who pushes, of what is done all the same.
    """

    def __init__(self, push: Push, rules: ReceiveRules, refs_max: int) -> None:
        self._push = push
        self._rules = rules
        self._refs_max = refs_max
        self._hidden = HiddenRefs() if push.kind is EventKind.IMPORT else rules.hidden
        self.warnings: tuple[str, ...] = ()
        self._errors: list[str | None] = [None] * len(push.commands)
        self._counts = Counter(command.name for command in push.commands)
        self._void: set[RefCommand] = set()
        self._refuse_each(self._find_malformed)

    @property
    def standing(self) -> list[RefCommand]:
        """The commands that nothing speaks against yet."""
        return [
            command for command, error in zip(self._push.commands, self._errors, strict=True) if error is None
        ]

    @property
    def tips(self) -> frozenset[ObjectId]:
        """What the standing commands want refs to point at."""
        return frozenset(command.new for command in self.standing if command.new)

    @property
    def olds(self) -> frozenset[ObjectId]:
        """What the refs of the standing commands are believed to point at now."""
        return frozenset(command.old for command in self.standing if command.old)

    def check_refs(self, snapshot: RefSnapshot, is_here: Callable[[ObjectId], bool]) -> None:
        """Refuse what contradicts the refs as they are, whatever the other commands do.

        Args:
            snapshot: the refs now.
            is_here: whether the repository has an object.
        """
        self._refuse_each(
            lambda command: (
                self._find_contradiction(command, _find_id(snapshot, command.name), snapshot.head, is_here)
                if self._counts[command.name] == 1
                else None
            )
        )

    def check_in_order(self, snapshot: RefSnapshot, is_here: Callable[[ObjectId], bool]) -> None:
        """Refuse what contradicts the refs as they are when its turn comes; see `check_refs`.

        Where something is deleted and something made, that includes names that collide: a name that is freed
        by a later command, or by any of an atomic push, is not free.
        """
        actual: dict[bytes, ObjectId | None] = {}
        room = self._refs_max - len(snapshot.refs)
        standing = self.standing
        names = None
        if any(command.new is None for command in standing) and any(command.new for command in standing):
            names = _Names(snapshot.refs)

        def find_error(command: RefCommand) -> str | None:
            nonlocal room
            name = command.name
            now = actual[name] if name in actual else _find_id(snapshot, name)
            if error := self._find_contradiction(command, now, snapshot.head, is_here):
                return error
            if names is not None and now is None and command.new:
                if other := names.find_collision(name):
                    return _describe_collision(other)
                names.add(name)
            elif names is not None and command.new is None and not self._push.atomic:
                names.remove(name)
            if now is None and command.new and room <= 0:
                return f"the repository has {self._refs_max} refs, as many as it may have"
            room += (command.new is None) - (now is None)
            actual[name] = command.new
            return None

        self._refuse_each(find_error)

    def _find_contradiction(
        self, command: RefCommand, actual: ObjectId | None, head: RefName, is_here: Callable[[ObjectId], bool]
    ) -> str | None:
        if command.new is None and (error := self._find_denial(command, head)):
            return error
        if self._push.kind is EventKind.IMPORT or actual == command.old:
            return None
        if command.new is None and actual is None and command.old and not is_here(command.old):
            self._void.add(command)  # git: what is absent may be deleted by whoever does not know what it was
            return None
        return describe_stale(StaleUpdate(command.name, command.old, actual))

    def _find_denial(self, command: RefCommand, head: RefName) -> str | None:
        if self._rules.deny_deletes and command.name.startswith(_BRANCHES):
            return "deletion prohibited"
        if command.name == head:
            if self._rules.deny_delete_current == "refuse":
                return "deletion of the current branch prohibited"
            if self._rules.deny_delete_current == "warn":
                self.warnings = ("the current branch is deleted",)
        return None

    def check_forward(self, snapshot: RefSnapshot, is_forward: Callable[[ObjectId, ObjectId], bool]) -> None:
        """Refuse what moves a branch anywhere but forwards, where the repository asks for that.

        Args:
            snapshot: the refs now.
            is_forward: whether the second commit has the first among its ancestors.
        """
        if not self._rules.deny_non_fast_forwards:
            return

        def find_error(command: RefCommand) -> str | None:
            now = _find_id(snapshot, command.name) if self._counts[command.name] == 1 else command.old
            if not command.new or not now or not command.name.startswith(_BRANCHES):
                return None
            return None if is_forward(now, command.new) else "non-fast-forward"

        self._refuse_each(find_error)

    def check_tips(self, tips: Mapping[ObjectId, Tip], disconnected: Collection[ObjectId]) -> None:
        """Refuse tips that are not there, not connected, or no commits where only commits may be."""
        unreachable = SHALLOW_REFUSED if self._push.shallow else MISSING_OBJECTS

        def find_error(command: RefCommand) -> str | None:
            if command.new is None:
                return None
            tip = tips.get(command.new)
            if tip is None:
                return MISSING_OBJECTS
            if command.name.startswith(_BRANCHES) and tip.kind is not ObjectKind.COMMIT:
                return f"a branch must be a commit, not a {tip.kind.value}"
            return unreachable if command.new in disconnected else None

        self._refuse_each(find_error)

    def refuse(self, name: bytes, reason: str) -> None:
        """Refuse the commands for one ref."""
        self._refuse_each(lambda command: reason if command.name == name else None)

    def refuse_all(self, reason: str) -> None:
        """Refuse what still stands."""
        self._refuse_each(lambda _: reason)

    def refuse_colliding(self, snapshot: RefSnapshot, otherwise: str) -> None:
        """Refuse new refs that would be a folder of another ref, or have one as a folder.

        Where none is found, everything falls with the reason `otherwise`.
        """
        standing = self.standing
        gone = {command.name for command in standing if command.new is None}
        names = _Names(name for name in snapshot.refs if name not in gone)
        collisions: dict[bytes, str] = {}
        for command in standing:
            if command.new and command.name not in snapshot.refs:
                if other := names.find_collision(command.name):
                    collisions[command.name] = _describe_collision(other)
                else:
                    names.add(command.name)
        if collisions:
            self._refuse_each(lambda command: collisions.get(command.name))
        else:
            self.refuse_all(otherwise)

    def find_first_branch(self, snapshot: RefSnapshot) -> RefName | None:
        """The branch that HEAD shall name when the first branches arrive and its own is not among them.

        That is `master`, or the only one; None where HEAD stays as it is. A HEAD that was chosen stays: one
        that is not `main`.
        """
        if snapshot.head != _DEFAULT_HEAD or any(name.startswith(_BRANCHES) for name in snapshot.refs):
            return None
        created = {
            RefName(first.name)
            for first, new in self._sum()
            if new and first.name.startswith(_BRANCHES) and not first.name.startswith(_OPTION)
        }
        if snapshot.head in created:
            return None
        if _OLD_DEFAULT_HEAD in created:
            return _OLD_DEFAULT_HEAD
        return min(created) if len(created) == 1 else None

    def make_updates(self, tips: Mapping[ObjectId, Tip]) -> tuple[RefUpdate, ...]:
        """The sum of the standing commands, as the commit point wants it."""
        return tuple(
            RefUpdate(RefName(first.name), new, self._expectation(first), tips[new].peeled if new else None)
            for first, new in self._sum()
            if new or not self._was_absent(first)
        )

    def _sum(self) -> list[tuple[RefCommand, ObjectId | None]]:
        """Each ref's first standing command, and what the last makes of it."""
        firsts: dict[bytes, RefCommand] = {}
        news: dict[bytes, ObjectId | None] = {}
        for command in self.standing:
            firsts.setdefault(command.name, command)
            news[command.name] = command.new
        return [(firsts[name], new) for name, new in news.items()]

    def _was_absent(self, command: RefCommand) -> bool:
        return command.old is None or command in self._void

    def make_receipt(
        self, event: Event | None = None, *, unpack_error: str | None = None, warnings: tuple[str, ...] = ()
    ) -> Receipt:
        """What to tell the client."""
        results = tuple(
            UpdateResult(command.name, error)
            for command, error in zip(self._push.commands, self._errors, strict=True)
        )
        return Receipt(results, event, unpack_error, (*warnings, *self.warnings) if event else warnings)

    def _find_malformed(self, command: RefCommand) -> str | None:
        try:
            name = RefName.parse(command.name)
        except BadRefName:
            return "funny refname"
        if self._hidden.hides(name):
            return HIDDEN_REFUSED
        if name.startswith(b"refs/heads/HEAD/") or name == b"refs/heads/HEAD":
            return "a branch of this name would be taken for HEAD by those who fetch it"
        if self._push.atomic and self._counts[name] > 1:
            return "multiple updates for one ref"
        return None

    def _expectation(self, command: RefCommand) -> Expectation:
        if self._push.kind is EventKind.IMPORT:
            return Anything()
        return MustBe(command.old) if command.old else MustNotExist()

    def _refuse_each(self, find_error: Callable[[RefCommand], str | None]) -> None:
        for index, command in enumerate(self._push.commands):
            if self._errors[index] is None:
                self._errors[index] = find_error(command)
        if self._push.atomic and any(self._errors):
            self._errors = [error or ATOMIC_FAILURE for error in self._errors]


class _Names:
    """Ref names, with the question whether one more would fit beside them."""

    def __init__(self, names: Iterable[bytes]) -> None:
        self._taken: set[bytes] = set()
        self._folders: dict[bytes, set[bytes]] = {}
        for name in names:
            self.add(name)

    def add(self, name: bytes) -> None:
        self._taken.add(name)
        for folder in iter_folders(name):
            self._folders.setdefault(folder, set()).add(name)

    def remove(self, name: bytes) -> None:
        self._taken.discard(name)
        for folder in iter_folders(name):
            self._folders.get(folder, set()).discard(name)

    def find_collision(self, name: bytes) -> bytes | None:
        above = (folder for folder in iter_folders(name) if folder in self._taken)
        return next(above, None) or min(self._folders.get(name, ()), default=None)


def _describe_collision(other: bytes) -> str:
    return f"it collides with {other.decode('utf-8', 'backslashreplace')}"


def _find_id(snapshot: RefSnapshot, name: bytes) -> ObjectId | None:
    value = snapshot.refs.get(RefName(name))
    return value.id if value else None


def is_stale(error: str | None) -> bool:
    """Whether a command was refused because its ref was elsewhere."""
    return bool(error and error.startswith(_STALE))


def describe_stale(stale: StaleUpdate) -> str:
    """A lost race or an old belief, in one line."""
    return f"{_STALE}it is at {stale.actual or 'nothing'}, not at {stale.expected or 'nothing'}; fetch first"

"""Whether new refs would reach only objects that the store holds for good, or is about to.

An object counts when it is reachable from a ref of the catalogue, is in the push's quarantine, or is in a
pack that the catalogue has a row for. That a file on disk holds it is never enough: it may be what a crash
left behind, and be collected tomorrow.

Invariants:
    1. "Connected" is said only after every object below the tip was looked at, down to refs of the catalogue.
    2. A tip that cannot be decided, within a bounded number of tries, is not connected.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Final

from imprint.store.errors import PlumbingFailed
from imprint.store.objects.ports import ObjectKind
from imprint.store.receive.checking.kinds import list_absent
from imprint.store.receive.packs import PackIndex
from imprint.store.types import ObjectId, RefName

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.plumbing import Plumbing
    from imprint.store.receive.quarantine import Quarantine, Unpacked

WALKS_MAX: Final = 256
"""How many walks may be spent on finding which tips are at fault; what is left then is refused."""
FLOOR_MAX: Final = 256
"""Up to this many known ids are all given to a walk."""
NEAR_COMMITS_MAX: Final = 1000
"""A walk down to the near ids alone may be this long."""
_CHUNK_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Tip:
    """The object that a ref shall point at.

    Attributes:
        id: the object.
        kind: what it is.
        peeled: the object that an annotated tag finally names; None when it is no tag.
    """

    id: ObjectId
    kind: ObjectKind
    peeled: ObjectId | None


def find_plain(
    object_ids: Collection[ObjectId], find_kind: Callable[[ObjectId], ObjectKind | None]
) -> dict[ObjectId, Tip]:
    """Those of the objects of which all is told by their kinds: a tag's is not all."""
    kinds = {each: find_kind(each) for each in object_ids}
    return {
        each: Tip(each, kind, None) for each, kind in kinds.items() if kind and kind is not ObjectKind.TAG
    }


def find_tips(plumbing: Plumbing, object_ids: Collection[ObjectId]) -> dict[ObjectId, Tip]:
    """Those of the objects that are there, with what they are.

    Args:
        plumbing: git on the objects.
        object_ids: what is looked for.
    """
    tips: dict[ObjectId, Tip] = {}
    wanted = sorted(frozenset(object_ids))
    if not wanted:
        return tips
    questions = "".join(f"{each}\n{each}^{{}}\n" for each in wanted).encode()
    answers = plumbing.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=questions)
    lines = [line.split() for line in answers.decode("utf-8", "replace").splitlines()]
    for object_id, itself, end in zip(wanted, lines[::2], lines[1::2], strict=True):
        # An id of another format is to git a short id or the name of a ref: not the object asked for.
        if itself[0] != object_id or itself[-1] == "missing" or end[-1] == "missing":
            continue
        kind = ObjectKind(itself[1])
        tips[object_id] = Tip(object_id, kind, ObjectId(end[0]) if kind is ObjectKind.TAG else None)
    return tips


def is_ancestor(plumbing: Plumbing, old: ObjectId, new: ObjectId) -> bool:
    """Whether the new commit has the old one among its ancestors, or is it; not where one is no commit."""
    with plumbing.stream("merge-base", "--is-ancestor", old, new) as asked:
        status, _ = asked.finish(check=False)
    return status == 0


class Known:
    """The ids that refs of the catalogue have. All are gathered only where the nearest do not say enough.

    Args:
        snapshot: the refs.
        names: of those that new tips most likely build on.
        is_reached: whether a ref of the snapshot is known to reach a commit.
    """

    def __init__(
        self,
        snapshot: RefSnapshot,
        names: Iterable[bytes],
        is_reached: Callable[[ObjectId], bool] = lambda _: False,
    ) -> None:
        self._snapshot = snapshot
        self._is_reached = is_reached
        found = (snapshot.refs.get(RefName(name)) for name in names)
        head = {snapshot.head_id} if snapshot.head_id else frozenset()
        self.near = frozenset(value.id for value in found if value) | head

    @cached_property
    def all(self) -> frozenset[ObjectId]:
        """Every one."""
        return frozenset(value.id for value in self._snapshot.refs.values())

    def has(self, object_id: ObjectId) -> bool:
        """Whether a ref has this id, or is known to reach it."""
        return object_id in self.near or object_id in self.all or self._is_reached(object_id)


class Connectivity:
    """Decides for one push.

    Args:
        quarantine: where its objects are.
        unpacked: the pack that came with it; None if none did.
        known: the ids that refs of the catalogue have.
        pack_dir: where the repository's packs are.
        list_recorded: gives the names of the packs that the catalogue has a row for.
    """

    def __init__(
        self,
        quarantine: Quarantine,
        unpacked: Unpacked | None,
        known: Known,
        pack_dir: Path,
        list_recorded: Callable[[], frozenset[str]],
    ) -> None:
        self._quarantine = quarantine
        self._unpacked = unpacked
        self._known = known
        self._pack_dir = pack_dir
        self._list_recorded = list_recorded
        self._walks_left = WALKS_MAX

    def find_disconnected(self, tips: Iterable[ObjectId], *, anew: bool = False) -> frozenset[ObjectId]:
        """Those of the tips that reach an object which is nowhere, or only in files nobody vouches for.

        Args:
            tips: what refs shall point at.
            anew: whether objects may have gone since the pack was taken.

        Raises:
            PlumbingFailed: git could not do its work.
        """
        asked, taken = frozenset(tips), self._unpacked.taken if self._unpacked else None
        if taken and not anew:
            asked -= taken.connected  # before all ids of refs are gathered
        doubtful = sorted(tip for tip in asked if not self._known.has(tip))
        if taken and anew:
            connected = taken.links.find_connected(doubtful, self._known.has)
            doubtful = [tip for tip in doubtful if tip not in connected]
        if self._unpacked and self._unpacked.self_contained:
            # Every link inside of this pack was followed: what is in it is connected.
            doubtful = self._find_outside(doubtful, self._unpacked)
        return self._search(doubtful)

    def _find_outside(self, tips: Sequence[ObjectId], unpacked: Unpacked) -> list[ObjectId]:
        """Those of the tips that are not in the pack."""
        if unpacked.index_path is None:
            return [tip for tip in tips if tip not in unpacked.kinds]
        with PackIndex(unpacked.index_path, self._quarantine.algorithm) as index:
            return [tip for tip in tips if tip not in index]

    def find_cut(self, tips: Iterable[ObjectId], shallow: frozenset[ObjectId]) -> frozenset[ObjectId]:
        """Those of the connected tips that bring a commit below which the client's history ends."""
        return frozenset(tip for tip in tips if not shallow.isdisjoint(self._list_new_commits(tip)))

    def _list_new_commits(self, tip: ObjectId) -> list[ObjectId]:
        with self._quarantine.reading.stream("rev-list", "--stdin") as walk:
            walk.give(_ask([tip], self._known.all))
            lines = walk.stdout.read().decode("ascii").split()
            walk.finish()
        return [ObjectId(line) for line in lines]

    def _search(self, tips: Sequence[ObjectId]) -> frozenset[ObjectId]:
        """Halve the tips until the ones at fault stand alone."""
        if not tips or (self._walks_left > 0 and self._are_connected(tips)):
            return frozenset()
        if len(tips) == 1 or self._walks_left <= 0:
            return frozenset(tips)
        middle = len(tips) // 2
        return self._search(tips[:middle]) | self._search(tips[middle:])

    def _are_connected(self, tips: Sequence[ObjectId]) -> bool:
        self._walks_left -= 1
        elsewhere = self._find_outside_quarantine(tips)
        return elsewhere is not None and self._are_in_recorded_packs(elsewhere)

    def _find_outside_quarantine(self, tips: Sequence[ObjectId]) -> list[ObjectId] | None:
        """Objects below the tips that neither refs of the catalogue reach nor the quarantine holds.

        None if the walk met an object that is nowhere.
        """
        questions = _ask(tips, self._find_floor(tips))
        if self._unpacked and self._unpacked.kinds:
            # All that is in the quarantine is in that pack, and which objects those are is known.
            return self._list_elsewhere(questions, self._unpacked.kinds)
        with ExitStack() as stack:
            walk = stack.enter_context(
                self._quarantine.reading.stream("rev-list", "--objects", "--no-object-names", "--stdin")
            )
            check = stack.enter_context(
                self._quarantine.alone.stream("cat-file", "--buffer", "--batch-check=%(objectname)")
            )
            walk.give(questions)
            pump = threading.Thread(target=_pump, args=(walk.stdout, check.stdin), daemon=True)
            pump.start()
            missing = _read_missing(check.stdout)
            pump.join()
            check.finish()
            status, stderr = walk.finish(check=False)
        if status < 0:
            raise PlumbingFailed("rev-list", status, stderr)
        return missing if status == 0 else None

    def _list_elsewhere(self, questions: bytes, held: Mapping[ObjectId, ObjectKind]) -> list[ObjectId] | None:
        """What a walk meets beside the objects that are held; None if it met one that is nowhere."""
        elsewhere: list[ObjectId] = []
        with self._quarantine.reading.stream("rev-list", "--objects", "--no-object-names", "--stdin") as walk:
            walk.give(questions)
            for lines in _read_lines(walk.stdout):
                elsewhere += list_absent(held, lines)
            status, stderr = walk.finish(check=False)
        if status < 0:
            raise PlumbingFailed("rev-list", status, stderr)
        return elsewhere if status == 0 else None

    def _find_floor(self, tips: Sequence[ObjectId]) -> frozenset[ObjectId]:
        """Where the walk may stop: any of the known ids would be right, all of them would stop it soonest.

        git reads each of them first. Where they are many, a few that are near serve better, if they do.
        """
        if len(self._known.all) <= FLOOR_MAX or not self._known.near:
            return self._known.all
        count = f"--max-count={NEAR_COMMITS_MAX + 1}"
        with self._quarantine.reading.stream("rev-list", count, "--stdin") as walk:
            walk.give(_ask(tips, self._known.near))
            commits = walk.stdout.read().count(b"\n")
            status, _ = walk.finish(check=False)
        return self._known.near if status == 0 and commits <= NEAR_COMMITS_MAX else self._known.all

    def _are_in_recorded_packs(self, object_ids: Collection[ObjectId]) -> bool:
        left = set(object_ids)
        for name in sorted(self._list_recorded()) if left else ():
            if not left:
                break
            with PackIndex(self._pack_dir / f"{name}.idx", self._quarantine.algorithm) as index:
                left -= {each for each in left if each in index}
        return not left


def _ask(tips: Iterable[ObjectId], floor: Iterable[ObjectId]) -> bytes:
    """What rev-list reads: walk from these, not into those."""
    return "".join([*(f"{tip}\n" for tip in tips), *(f"^{each}\n" for each in floor)]).encode()


def _pump(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy one git's output to another's input."""
    with suppress(BrokenPipeError):
        while piece := source.read(_CHUNK_BYTES):
            target.write(piece)
        target.close()


def _read_missing(answers: IO[bytes]) -> list[ObjectId]:
    """The ids that `cat-file --batch-check` calls missing."""
    return [
        ObjectId.parse(line.split(b" ", 1)[0])
        for lines in _read_lines(answers)
        if b" missing" in lines
        for line in lines.split(b"\n")
        if line.endswith(b" missing")
    ]


def _read_lines(source: IO[bytes]) -> Iterator[bytes]:
    """Whole lines, many at a time."""
    rest = b""
    while piece := source.read(_CHUNK_BYTES):
        lines, _, rest = (rest + piece).rpartition(b"\n")
        yield lines

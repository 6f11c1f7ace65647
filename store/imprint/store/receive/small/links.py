"""Whether a small push reaches only what refs of the catalogue reach, or what it brings itself.

A commit that continues a branch names, beside what is new, what is at the same place in a parent's tree. So
both trees are walked together, and only folders that are new are read. What stands elsewhere in the folders
that were compared, such as a file that was moved or is back as it was, is found there; else git walks.

Invariants:
    1. "Connected" is said only of commits all of whose links were followed: into the push, to a commit that a
       ref has, or to an entry of a tree below one, of the same kind. Parents are followed before children, so
       that a tree that another is compared with is below a connected commit.
    2. What is somewhere on disk, or in a recorded pack, counts for nothing here.
    3. What is read is bounded, whatever the push names: a folder beside many others, a thousand parents.
"""

from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import chain
from typing import TYPE_CHECKING, Final

from imprint.store.errors import StoreError
from imprint.store.objects.ports import ObjectKind
from imprint.store.objects.trees import read_root
from imprint.store.receive.small.strict import TREE_MODE, CommitHead, Doubt, Entry, Link, find_strict
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from imprint.store.objects.codec import Line
    from imprint.store.objects.ports import Objects
    from imprint.store.receive.small.parse import Raw

FOLLOWED_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of folders and parents that are read for one push: a tenth of a second, and 100 MiB while it is checked."""
_STEP_BYTES: Final = 4096
"""What reading one counts for at least."""


class Links:
    """Follows the links of what one push brings. Used by one thread.

    Args:
        brought: the objects, by id; each was found good by `Strict`.
        here: the repository's objects.
    """

    def __init__(self, brought: Mapping[ObjectId, Raw], here: Objects) -> None:
        self._brought = brought
        self._here = here
        self._strict = find_strict(here.algorithm)
        self._heads: dict[ObjectId, CommitHead] = {}
        self._good_trees: set[tuple[bytes, tuple[bytes, ...]]] = set()
        self._reached: set[ObjectId] = set()
        self._compared: list[tuple[Line, ...]] = []
        self._elsewhere: set[Link] = set()
        self._room = FOLLOWED_BYTES_MAX

    @property
    def all_reached(self) -> bool:
        """Whether the tips that were found connected lead to all that the push brought."""
        return self._reached == self._brought.keys()

    def find_connected(
        self, tips: Iterable[ObjectId], is_known: Callable[[ObjectId], bool]
    ) -> frozenset[ObjectId]:
        """Those of the tips that are commits of the push and surely connected.

        Args:
            tips: what refs shall point at.
            is_known: whether a ref of the catalogue has an id, or surely reaches it.
        """
        good: set[ObjectId] = set()
        self._reached.clear()
        self._compared.clear()  # what was below a commit may have been dropped since
        self._elsewhere.clear()
        self._room = FOLLOWED_BYTES_MAX
        return frozenset(tip for tip in tips if self._is_connected(tip, is_known, good))

    def list_between(self, tip: ObjectId, wanted: ObjectId) -> frozenset[ObjectId]:
        """The tip and those of its ancestors that came with the push; none if they do not lead to a commit.

        Args:
            tip: a commit of the push.
            wanted: an older commit.
        """
        waiting, seen = [tip], {tip}
        while waiting:
            commit = waiting.pop()
            if self._kind_of(commit) is ObjectKind.COMMIT:
                new = {ObjectId(parent.hex()) for parent in self._read_head(commit).parents} - seen
                seen |= new
                waiting += new
        return frozenset(seen & self._brought.keys()) if wanted in seen else frozenset()

    def _is_connected(self, tip: ObjectId, is_known: Callable[[ObjectId], bool], good: set[ObjectId]) -> bool:
        try:
            found = self._gather(tip, is_known, good)
            if found is None or not all(self._follow(self._read_head(commit)) for commit in found):
                return False
        except (Doubt, StoreError):
            return False
        good.update(found)
        self._reached |= good
        return True

    def _gather(
        self, tip: ObjectId, is_known: Callable[[ObjectId], bool], good: set[ObjectId]
    ) -> list[ObjectId] | None:
        """The commits of the push below a tip that are not good yet, parents first.

        None if they lead elsewhere.
        """
        parents_of: dict[ObjectId, set[ObjectId]] = {}
        waiting = [tip]
        while waiting:
            commit = waiting.pop()
            if commit in good or commit in parents_of:
                continue
            if self._kind_of(commit) is ObjectKind.COMMIT:
                parents_of[commit] = {ObjectId(each.hex()) for each in self._read_head(commit).parents}
                waiting += parents_of[commit]
            elif commit == tip or commit in self._brought or not is_known(commit):
                return None
        if len(parents_of) <= 1:
            return list(parents_of)
        return [each for each in TopologicalSorter(parents_of).static_order() if each in parents_of]

    def _follow(self, head: CommitHead) -> bool:
        """Whether the tree of a commit is brought, or that of a parent, down to its last entry."""
        parents = dict.fromkeys(head.parents)
        bases = tuple(dict.fromkeys(self._tree_of(ObjectId(parent.hex())) for parent in parents))
        if head.tree in bases:
            return True
        self._good_trees.clear()  # while other entries are looked for elsewhere they are not good for certain
        elsewhere: set[Link] = set()
        return self._is_good_tree(head.tree, bases, elsewhere) and self._are_compared(elsewhere)

    def _is_good_tree(self, tree: bytes, bases: tuple[bytes, ...], elsewhere: set[Link]) -> bool:
        """Whether a tree is brought with what is in it; what is not is added to `elsewhere`."""
        tree_id = ObjectId(tree.hex())
        if self._kind_of(tree_id) is not ObjectKind.TREE:
            return False
        if (tree, bases) in self._good_trees:
            return True
        before = [self._read_tree(base) for base in bases]
        self._compared += before
        new = _list_new(self._read_tree(tree), before)
        same_of = _find_namesakes(new, before)
        for line in new:
            entry = Entry(*line)
            if entry.kind is None:
                continue
            same = same_of[entry.name]
            if any(_is_same(entry, Entry(*other)) for other in same):
                continue
            entry_id = ObjectId(entry.raw_id.hex())
            if entry_id not in self._brought:
                elsewhere.add(Link(entry.raw_id, entry.kind))
                continue
            if self._kind_of(entry_id) is not entry.kind:
                return False
            self._reached.add(entry_id)
            below = tuple(raw_id for mode, _, raw_id in same if mode == TREE_MODE)
            if entry.kind is ObjectKind.TREE and not self._is_good_tree(entry.raw_id, below, elsewhere):
                return False
        self._reached.add(tree_id)
        self._good_trees.add((tree, bases))
        return True

    def _are_compared(self, links: set[Link]) -> bool:
        """Whether trees that others were compared with have all of them: they are below connected commits."""
        while links and self._compared:
            entries = (Entry(*line) for line in self._compared.pop())
            self._elsewhere.update(Link(each.raw_id, each.kind) for each in entries if each.kind)
        return links <= self._elsewhere

    # -- reading ------------------------------------------------------------------------------------

    def _kind_of(self, object_id: ObjectId) -> ObjectKind | None:
        """What an object of the push is; None if it did not come with it."""
        found = self._brought.get(object_id)
        return found[0] if found else None

    def _read_head(self, commit: ObjectId) -> CommitHead:
        if commit not in self._heads:
            self._heads[commit] = self._strict.read_commit(self._brought[commit][1])
        return self._heads[commit]

    def _tree_of(self, commit: ObjectId) -> bytes:
        if commit in self._brought:
            return self._read_head(commit).tree
        self._count(0)
        return bytes.fromhex(read_root(self._here, commit))

    def _read_tree(self, tree: bytes) -> tuple[Line, ...]:
        object_id = ObjectId(tree.hex())
        kind, content = self._brought.get(object_id) or self._here.read_raw(object_id)
        if kind is not ObjectKind.TREE:
            raise Doubt
        self._count(len(content))
        return self._strict.split(content)

    def _count(self, size: int) -> None:
        self._room -= max(size, _STEP_BYTES)
        if self._room < 0:
            raise Doubt


def _list_new(lines: tuple[Line, ...], before: list[tuple[Line, ...]]) -> Collection[Line]:
    """All entries that none of the trees before has, and perhaps some that one has at another place."""
    if len(before) == 1 and len(before[0]) == len(lines):  # as a rule a file or two have another content
        return [line for line, other in zip(lines, before[0], strict=True) if line != other]
    return frozenset(lines).difference(*before)


def _find_namesakes(new: Iterable[Line], before: Iterable[tuple[Line, ...]]) -> dict[bytes, list[Line]]:
    """What has the name of each new entry, in the trees before."""
    same_of: dict[bytes, list[Line]] = {name: [] for _, name, _ in new}
    for other in chain(*before):
        if other[1] in same_of:
            same_of[other[1]].append(other)
    return same_of


def _is_same(entry: Entry, other: Entry) -> bool:
    return entry.raw_id == other.raw_id and entry.kind is other.kind

"""The refs of one generation as git's clients see them, with what fetches ask of them again and again.

Invariants:
    1. Nothing of a hidden ref is in here.
    2. All of it is about one generation: it is made anew when a ref changed, never changed itself.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.refs.hidden import HiddenRefs
    from imprint.store.types import ObjectId, RefName, RefValue

_RENDERED_KEPT: Final = 256
_TABLED_BYTES: Final = 100
"""What a ref takes in the tables of names and ids."""
_RENDERED_BYTES_MAX: Final = 32 * 1024**2
"""Answers that are kept for the next client, of one repository, and what they take together."""


class VisibleRefs:
    """What is visible of one snapshot.

    Attributes:
        snapshot: all refs.
        hidden: which of them are not shown.
    """

    def __init__(self, snapshot: RefSnapshot, hidden: HiddenRefs) -> None:
        self.snapshot = snapshot
        self.hidden = hidden
        self._rendered: OrderedDict[object, bytes] = OrderedDict()
        self._rendered_bytes = 0
        self._lock = threading.Lock()

    @cached_property
    def refs(self) -> Mapping[RefName, RefValue]:
        """Those that are shown, by name."""
        hides = self.hidden.hides
        gone = frozenset(name for name in self.snapshot.refs if hides(name))
        if not gone:
            return self.snapshot.refs
        return {name: value for name, value in self.snapshot.refs.items() if name not in gone}

    @cached_property
    def names(self) -> list[RefName]:
        """Their names in byte order."""
        return list(self.refs)

    @cached_property
    def ids(self) -> frozenset[ObjectId]:
        """The ids of refs, and of what their tags peel to."""
        return frozenset(each for value in self.refs.values() for each in (value.id, value.peeled) if each)

    @cached_property
    def tags(self) -> Mapping[ObjectId, tuple[ObjectId, ...]]:
        """Annotated tags by what they peel to: one commit may have several."""
        found: dict[ObjectId, tuple[ObjectId, ...]] = {}
        for name, value in self.refs.items():
            if value.peeled and name.startswith(b"refs/tags/"):
                found[value.peeled] = (*found.get(value.peeled, ()), value.id)
        return found

    @cached_property
    def tag_ids(self) -> frozenset[ObjectId]:
        """The ids of all annotated tags."""
        return frozenset(tag for tags in self.tags.values() for tag in tags)

    @property
    def head(self) -> RefName | None:
        """What HEAD names; None while that is hidden."""
        head = self.snapshot.head
        return None if self.hidden.hides(head) else head

    def list_names(self, prefixes: Iterable[bytes]) -> list[RefName]:
        """The names that begin with one of the prefixes, in byte order; all of them without a prefix."""
        wanted = sorted(set(prefixes))
        if not wanted or b"" in wanted:
            return self.names
        found: list[RefName] = []
        names, last = self.names, None
        for prefix in wanted:
            if last is not None and prefix.startswith(last):
                continue  # its names are there already
            last = prefix
            at = bisect_left(names, prefix)
            while at < len(names) and names[at].startswith(prefix):
                found.append(names[at])
                at += 1
        return found

    @property
    def is_at_hand(self) -> bool:
        """Whether the names have been looked through, which takes a while where they are many."""
        return "names" in self.__dict__

    def count_names(self, prefixes: Iterable[bytes]) -> int:
        """About how many names `list_names` would give, or more."""
        wanted = set(prefixes)
        if not wanted or b"" in wanted:
            return len(self.names)
        return sum(
            bisect_left(self.names, _past(prefix)) - bisect_left(self.names, prefix) for prefix in wanted
        )

    def find_rendered(self, key: object) -> bytes | None:
        """An answer that was made for this generation before."""
        return self._rendered.get(key)

    def keep_rendered(self, key: object, answer: bytes) -> None:
        """Keep an answer for the next one who asks the same."""
        with self._lock:
            if key in self._rendered or len(answer) > _RENDERED_BYTES_MAX // 2:
                return
            self._rendered[key] = answer
            self._rendered_bytes += len(answer)
            while len(self._rendered) > _RENDERED_KEPT or self._rendered_bytes > _RENDERED_BYTES_MAX:
                self._rendered_bytes -= len(self._rendered.popitem(last=False)[1])

    def count_bytes(self) -> int:
        """Memory that it takes beside the snapshot."""
        tabled = len(self.refs) if self.is_at_hand else 0
        return self._rendered_bytes + _TABLED_BYTES * tabled


def _past(prefix: bytes) -> bytes:
    """What is above the names with the prefix: UTF-8 has no byte 0xFF."""
    return prefix + b"\xff"


class VisibleMemo:
    """The newest visible refs of one repository. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: VisibleRefs | None = None

    def count_bytes(self) -> int:
        """Memory that it takes beside the snapshot."""
        newest = self._newest
        return newest.count_bytes() if newest else 0

    def of(self, snapshot: RefSnapshot, hidden: HiddenRefs) -> VisibleRefs:
        """What is visible of a snapshot."""
        with self._lock:
            newest = self._newest
            if newest is None or newest.snapshot is not snapshot or newest.hidden != hidden:
                newest = VisibleRefs(snapshot, hidden)
                self._newest = newest
            return newest

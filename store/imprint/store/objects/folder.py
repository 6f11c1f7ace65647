"""The packs of one folder, as they come and go under readers in many threads.

Invariants:
    1. A pack counts as there once its `.idx` has its final name: whoever writes packs renames that last.
    2. No pack is closed while a reader may still look at it: packs that went away, or were not used for long,
       wait until no reading is under way.
    3. Open packs are bounded by `OPEN_PACKS_MAX` small ones and the number of large ones, not by the number
       of packs: every push leaves one behind until maintenance joins them.
    4. An object that is in several packs is found until the last of them has gone.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol

from imprint.store.errors import ObjectDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeVar

    from imprint.store.objects.ports import ObjectKind
    from imprint.store.types import ObjectId

    _Found = TypeVar("_Found")

_log = logging.getLogger("imprint.store")

SMALL_PACK_OBJECTS_MAX: Final = 2_000
"""Packs up to this size share one table of ids, so that a lookup does not ask each of them."""
OPEN_PACKS_MAX: Final = 64


class PackDamaged(Exception):
    """The bytes of a pack or its index are not what they should be; says what kind of fault it was."""


class OpenPack(Protocol):
    """A pack that can be read from, by many threads at once. Both questions may raise `PackDamaged`."""

    def find(self, raw_id: bytes) -> tuple[ObjectKind, bytes] | None:
        """The kind and content of an object; None if it is not in this pack."""
        ...

    def find_size(self, raw_id: bytes) -> int | None:
        """The size of an object's content; None if it is not in this pack."""
        ...

    def find_kind(self, raw_id: bytes) -> ObjectKind | None:
        """The kind of an object; None if it is not in this pack."""
        ...

    def close(self) -> None:
        """Release its files; nobody reads from the pack any more."""
        ...


class PackReader(Protocol):
    """Knows the format of packs. Both methods raise `FileNotFoundError` or `PackDamaged`."""

    def open(self, stem: Path) -> OpenPack:
        """Open a pack; `stem` is its path without `.pack`."""
        ...

    def list_ids(self, stem: Path, at_most: int) -> Sequence[bytes] | None:
        """The raw ids of all its objects; None if there are more than `at_most`."""
        ...


class PackFolder:
    """The packs of one `pack` folder, as they come and go."""

    def __init__(self, path: Path, reader: PackReader) -> None:
        self._path = path
        self._reader = reader
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._large: dict[str, OpenPack] = {}
        self._small: dict[bytes, Sequence[str]] = {}
        self._open_small: OrderedDict[str, OpenPack] = OrderedDict()
        self._closed = False
        self._readings = 0
        self._retired: list[OpenPack] = []
        self.version = 0
        """Grows whenever `rescan` finds that packs came or went."""

    def ask(self, wanted: ObjectId, question: Callable[[OpenPack, bytes], _Found | None]) -> _Found | None:
        """The first answer of a known pack; None if none has the object.

        Raises:
            ObjectDamaged: a pack has it, cannot be read there, and no other has a good copy.
        """
        raw_id = bytes.fromhex(wanted)
        fault: PackDamaged | None = None
        with self._lock:
            assert not self._closed, "objects were read after close()"  # noqa: S101 - the caller's defect
            self._readings += 1
            names = [*self._small.get(raw_id, ()), *self._large]
        try:
            for name in names:
                try:
                    pack = self._open(name)
                    found = question(pack, raw_id) if pack else None
                except PackDamaged as damage:
                    fault = damage  # another pack may have a good copy
                else:
                    if found is not None:
                        return found
        finally:
            with self._lock:
                self._readings -= 1
                self._close_retired()
        if fault:
            raise ObjectDamaged(wanted, f"its pack does not read ({fault})") from fault
        return None

    def _open(self, name: str) -> OpenPack | None:
        """The pack of this name, opened; None if it has just gone."""
        with self._lock:
            if name in self._large:
                return self._large[name]
            if name not in self._open_small:
                try:
                    self._open_small[name] = self._reader.open(self._path / name)
                except FileNotFoundError:
                    return None
                if len(self._open_small) > OPEN_PACKS_MAX:
                    self._retired.append(self._open_small.popitem(last=False)[1])
            self._open_small.move_to_end(name)
            return self._open_small[name]

    def rescan(self) -> None:
        """List the folder: take in packs that came, let go of packs that went."""
        with self._lock:
            names = self._list_names()
            if self._closed or names == self._known:
                return
            gone = self._known - names
            for name in gone:
                self._forget(name)
            if gone:
                self._small = _without(self._small, gone)
            came = {name for name in sorted(names - self._known) if self._take_in(name)}
            self._known = self._known & names | came
            self.version += 1
            self._close_retired()

    def close(self) -> None:
        """Release every file."""
        with self._lock:
            for name in self._known:
                self._forget(name)
            self._known = frozenset()
            self._small = {}
            self._closed = True
            self._close_retired()

    def _list_names(self) -> frozenset[str]:
        """Stems of the packs that are complete: the index is renamed into place last."""
        try:
            with os.scandir(self._path) as entries:
                files = {entry.name for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
        stems = (name.removesuffix(".idx") for name in files if name.endswith(".idx"))
        return frozenset(stem for stem in stems if f"{stem}.pack" in files)

    def _take_in(self, name: str) -> bool:
        """Make a pack known; False if it has just gone, in which case it may come again."""
        stem = self._path / name
        try:
            ids = self._reader.list_ids(stem, SMALL_PACK_OBJECTS_MAX)
            if ids is None:
                self._large[name] = self._reader.open(stem)
            else:
                self._take_in_small(name, ids)
        except FileNotFoundError:
            return False
        except PackDamaged as damage:
            _log.warning("pack ignored: %s does not read (%s)", stem, damage)
        return True

    def _take_in_small(self, name: str, ids: Sequence[bytes]) -> None:
        """Note which objects are in a small pack; one object may be in many, thin packs being completed."""
        alone = (name,)  # one tuple for all: there may be millions of objects
        for raw_id in ids:
            known = self._small.setdefault(raw_id, alone)
            if isinstance(known, list):
                known.append(name)
            elif known is not alone:
                self._small[raw_id] = [*known, name]

    def _forget(self, name: str) -> None:
        for opened in (self._large, self._open_small):
            if pack := opened.pop(name, None):
                self._retired.append(pack)

    def _close_retired(self) -> None:
        if not self._readings:
            for pack in self._retired:
                pack.close()
            self._retired = []


def _without(table: dict[bytes, Sequence[str]], gone: frozenset[str]) -> dict[bytes, Sequence[str]]:
    """The table without some packs; an object stays where another pack has it too."""
    kept: dict[bytes, Sequence[str]] = {}
    for raw_id, names in table.items():
        if gone.isdisjoint(names):
            kept[raw_id] = names
        elif left := [name for name in names if name not in gone]:
            kept[raw_id] = left
    return kept

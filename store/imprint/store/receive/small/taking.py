"""Small pushes, checked in memory: what git would do for them with four processes.

Invariants:
    1. What is taken here passes every check that git makes of a pushed pack, and is connected.
    2. At the first doubt the same bytes go to git, which accepts or refuses them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from imprint.store.errors import StoreError
from imprint.store.objects.ports import ObjectKind
from imprint.store.receive.small.held import HEADER_BYTES, HeldPack, hold, render
from imprint.store.receive.small.links import Links
from imprint.store.receive.small.parse import BYTES_MAX, INFLATED_BYTES_MAX, OBJECTS_MAX, parse
from imprint.store.receive.small.strict import Doubt, find_strict, verify_special
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from imprint.store.limits import Limits
    from imprint.store.objects.ports import Objects
    from imprint.store.receive.small.hashing import Asked
    from imprint.store.receive.small.parse import Raw
    from imprint.store.types import HashAlgorithm

SPECIAL_BYTES_MAX: Final = 64 * 1024
"""Of a file that git looks into, such as `.gitattributes`."""
_READ_BYTES: Final = 64 * 1024
Made = tuple[ObjectId, ObjectKind, bytes]


@dataclass(frozen=True, slots=True)
class Taken:
    """A push that was checked in memory.

    Attributes:
        held: its pack.
        objects: what it brought, by id.
        kinds: what each object of the pack is, with those that complete it.
        links: follow what it brought.
        connected: those of the tips that are connected.
    """

    held: HeldPack
    objects: Mapping[ObjectId, Raw]
    kinds: Mapping[ObjectId, ObjectKind]
    links: Links
    connected: frozenset[ObjectId]


class Taking:
    """Takes the pack of one push to one repository.

    Args:
        here: the repository's objects.
        tips: what refs shall point at.
        is_known: whether a ref of the catalogue has an id, or surely reaches it.
        limits: what packs and objects may take; what goes beyond is for git to refuse.
        hashing: gives git's word on ids.
    """

    def __init__(
        self,
        here: Objects,
        tips: Iterable[ObjectId],
        is_known: Callable[[ObjectId], bool],
        limits: Limits,
        hashing: Asked,
    ) -> None:
        self._here = here
        self._tips = frozenset(tips)
        self._is_known = is_known
        self._limits = limits
        self._hashing = hashing

    def take_made(self, made: Sequence[Made]) -> Taken | None:
        """Take objects that were made here; None where git has to look at them."""
        if len(made) > OBJECTS_MAX or sum(len(content) for _, _, content in made) > INFLATED_BYTES_MAX:
            return None
        objects = {object_id: (kind, content) for object_id, kind, content in made}
        try:
            links, connected = self._verify(objects)
        except (Doubt, StoreError):
            return None
        kinds = {object_id: kind for object_id, (kind, _) in objects.items()}
        held = hold(made, self._here.algorithm)
        if held.size_bytes > self._limits.pack_bytes_max:
            return None
        return Taken(held, objects, kinds, links, connected)

    def take(self, pack: BinaryIO) -> tuple[Taken | None, BinaryIO]:
        """Take a pack from a stream.

        Args:
            pack: the pack and nothing after it.

        Returns:
            What was taken, or None; and a stream of the same bytes for git.
        """
        content = _read_small(pack)
        rest = cast("BinaryIO", _Resumed(content, pack))
        if len(content) > min(BYTES_MAX, self._limits.pack_bytes_max):
            return None, rest
        try:
            parsed = parse(content, self._here)
            links, connected = self._verify(parsed.objects)
        except (Doubt, StoreError):
            return None, rest
        every = {**parsed.bases, **parsed.objects}
        kinds = {object_id: kind for object_id, (kind, _) in every.items()}
        return Taken(parsed.held, parsed.objects, kinds, links, connected), rest

    def _verify(self, objects: Mapping[ObjectId, Raw]) -> tuple[Links, frozenset[ObjectId]]:
        """Check every object, and that the tips lead to all of them and to nothing that is not there.

        Raises:
            Doubt: git has to look at them.
        """
        if len(objects) > self._limits.pack_objects_max:
            raise Doubt
        strict = find_strict(self._here.algorithm)
        for kind, content in objects.values():
            if len(content) > self._limits.object_bytes_max:
                raise Doubt
            if kind is ObjectKind.COMMIT:
                strict.read_commit(content)
            elif kind is ObjectKind.TREE:
                for entry in strict.read_tree(content):
                    self._verify_special(entry.name, ObjectId(entry.raw_id.hex()), objects)
            elif kind is ObjectKind.TAG:
                raise Doubt
        links = Links(objects, self._here)
        connected = links.find_connected(self._tips & objects.keys(), self._is_known)
        if not links.all_reached or not self._hashing.agrees(objects, self._here.algorithm):
            raise Doubt
        return links, connected

    def _verify_special(self, name: bytes, object_id: ObjectId, objects: Mapping[ObjectId, Raw]) -> None:
        found = objects.get(object_id)
        if found is None:
            if (self._here.find_size(object_id) or 0) > SPECIAL_BYTES_MAX:
                raise Doubt
            found = self._here.read_raw(object_id)
        if found[0] is not ObjectKind.BLOB or len(found[1]) > SPECIAL_BYTES_MAX:
            raise Doubt
        verify_special(name, found[1])


def as_stream(made: Sequence[Made], algorithm: HashAlgorithm) -> BinaryIO:
    """The pack of objects that were made here, for git."""
    return io.BytesIO(render(hold(made, algorithm)).contents[".pack"])


def _read_small(pack: BinaryIO) -> bytes:
    """All of a small pack; of another one its begin, longer than what is small."""
    pieces, size = [], 0
    while size <= BYTES_MAX and (piece := pack.read(_READ_BYTES)):
        pieces.append(piece)
        size += len(piece)
        if len(pieces) == 1 and int.from_bytes(piece[HEADER_BYTES - 4 : HEADER_BYTES]) > OBJECTS_MAX:
            return piece
    return b"".join(pieces)


class _Resumed(io.RawIOBase):
    """What was read of a stream, and then the rest of it."""

    def __init__(self, begin: bytes, rest: BinaryIO) -> None:
        self._begin = memoryview(begin)
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        if size < 0:
            return bytes(self._begin) + self._rest.read()
        if not self._begin:
            return self._rest.read(size)
        piece, self._begin = bytes(self._begin[:size]), self._begin[size:]
        return piece

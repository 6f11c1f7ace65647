"""Git's object folders, read with dulwich: packs, loose objects and alternates. Also writes packs.

Nothing here starts a process or touches a network: an object that a partial clone lacks is absent.

Invariants:
    1. A miss is answered only after the folders were listed again, so what was admitted before the question
       is found. Each question lists them at most `_ATTEMPTS_MAX` times.
    2. A damaged copy of an object does not hide a good one, in whatever pack, file or alternate that is.
"""

from __future__ import annotations

import io
import os
import struct
import weakref
import zlib
from contextlib import closing, contextmanager
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Final

from dulwich.errors import ApplyDeltaError, ChecksumMismatch
from dulwich.object_format import OBJECT_FORMATS
from dulwich.objects import RawObjectID
from dulwich.pack import (
    OFS_DELTA,
    REF_DELTA,
    DeltaCycle,
    Pack,
    PackData,
    PackIndex,
    UnpackedObject,
    UnresolvedDeltas,
    apply_delta,
    load_pack_index_file,
    take_msb_bytes_at,
    write_pack_data,
)

from imprint.store.errors import ObjectDamaged, ObjectMissing, StorageFailed
from imprint.store.objects.bases import KeptBases
from imprint.store.objects.codec import (
    decode_commit,
    decode_tag,
    decode_tree,
    empty_tree,
    encode_commit,
    encode_tag,
    encode_tree,
    object_id,
)
from imprint.store.objects.folder import PackDamaged, PackFolder
from imprint.store.objects.loose import find_loose, find_loose_kind, find_loose_size, list_alternates
from imprint.store.objects.ports import Commit, ObjectKind, Tag, TreeEntry
from imprint.store.types import HashAlgorithm, ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TypeVar

    from dulwich.object_format import ObjectFormat

    from imprint.store.objects.folder import OpenPack

    _Found = TypeVar("_Found")

__all__ = [
    "GitObjects",
    "encode_commit",
    "encode_tag",
    "encode_tree",
    "object_id",
    "write_pack",
]

_KINDS: Final = {1: ObjectKind.COMMIT, 2: ObjectKind.TREE, 3: ObjectKind.BLOB, 4: ObjectKind.TAG}
"""Type numbers in a pack, from gitformat-pack(5)."""
_TYPE_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}
_ATTEMPTS_MAX: Final = 3
"""How often one question looks again because packs came or went: a repack may be running."""
_IN_MEMORY_BYTES_MAX: Final = 64 * 1024
"""Smaller files are read whole: a mapping costs more than they are worth."""
_DELTA_CACHE_BYTES: Final = 32 * 1024**2
"""Resolved objects kept per open pack, as bases of further deltas."""
_DELTA_START_BYTES: Final = 128
_DELTA_SIZES_BYTES: Final = 24
"""The two sizes at the start of a delta have ten bytes each at most, mostly in the first 128 when deflated.
Where deflate begins with a table of codes, they are behind it."""
_DEFLATE_MORE_BYTES: Final = 64
"""Of so few bytes more than its content an object is as a rule, once deflated."""
_DEFLATED_BYTES_MAX: Final = 256 * 1024
"""So much is inflated at once."""
_CHAIN_LENGTH_MAX: Final = 4096
"""Deltas upon deltas; git writes at most 4095 (git-pack-objects(1), --depth)."""
_ALTERNATES_DEPTH_MAX: Final = 5
"""Git's own bound on alternates of alternates (object-file.c)."""
_DAMAGE: Final = (
    ApplyDeltaError,
    AssertionError,
    ChecksumMismatch,
    IndexError,
    KeyError,
    UnresolvedDeltas,
    ValueError,
    struct.error,
    zlib.error,
)
"""What dulwich raises on bytes that are no pack."""


class GitObjects:
    """The objects below an object folder, such as `.git/objects`. Safe to share between threads.

    Args:
        object_dir: the folder; it may be empty.
        algorithm: the repository's object format; ids of the other are absent.
        alternates: more folders to read from, after the ones that `info/alternates` names.
    """

    def __init__(
        self,
        object_dir: Path,
        algorithm: HashAlgorithm = HashAlgorithm.SHA1,
        alternates: Sequence[Path] = (),
    ) -> None:
        self._algorithm = algorithm
        self._empty_tree = empty_tree(algorithm)
        folders: dict[Path, _ObjectFolder] = {}
        for path in (object_dir, *alternates):
            _add_with_alternates(path, algorithm, folders, _ALTERNATES_DEPTH_MAX)
        self._folders = tuple(folders.values())
        self._finalizer = weakref.finalize(self, _close_all, self._folders)

    @property
    def algorithm(self) -> HashAlgorithm:
        """The format of the ids."""
        return self._algorithm

    def find_kind(self, object_id: ObjectId) -> ObjectKind | None:
        """The kind of an object; None if it is absent."""
        if object_id == self._empty_tree:
            return ObjectKind.TREE
        return self._find(object_id, lambda pack, raw_id: pack.find_kind(raw_id), find_loose_kind)

    def find_size(self, object_id: ObjectId) -> int | None:
        """The size of an object's content in bytes, without reading it; None if it is absent."""
        if object_id == self._empty_tree:
            return 0
        return self._find(object_id, lambda pack, raw_id: pack.find_size(raw_id), find_loose_size)

    def read_raw(self, object_id: ObjectId) -> tuple[ObjectKind, bytes]:
        """An object's kind and content, without header."""
        if object_id == self._empty_tree:
            return ObjectKind.TREE, b""
        found = self._find(object_id, lambda pack, raw_id: pack.find(raw_id), find_loose)
        if found is None:
            raise ObjectMissing(object_id)
        return found

    def read_blob(self, object_id: ObjectId) -> bytes:
        """A blob's content."""
        return self._read(object_id, ObjectKind.BLOB)

    def read_tree(self, object_id: ObjectId) -> tuple[TreeEntry, ...]:
        """A tree's entries in Git's order."""
        return decode_tree(object_id, self._read(object_id, ObjectKind.TREE))

    def read_commit(self, object_id: ObjectId) -> Commit:
        """A commit, decoded."""
        return decode_commit(object_id, self._read(object_id, ObjectKind.COMMIT))

    def read_tag(self, object_id: ObjectId) -> Tag:
        """An annotated tag, decoded."""
        return decode_tag(object_id, self._read(object_id, ObjectKind.TAG))

    def refresh(self) -> None:
        """Let go of packs that have gone since the last question, and of the disk that they take."""
        for folder in self._folders:
            folder.packs.rescan()

    def close(self) -> None:
        """Release files; the set is not used again. What nobody closes is closed with the last reference."""
        self._finalizer()

    def _read(self, object_id: ObjectId, wanted: ObjectKind) -> bytes:
        kind, content = self.read_raw(object_id)
        if kind is not wanted:
            raise ObjectMissing(object_id)
        return content

    def _find(
        self,
        wanted: ObjectId,
        in_pack: Callable[[OpenPack, bytes], _Found | None],
        in_file: Callable[[Path, ObjectId], _Found | None],
    ) -> _Found | None:
        """The first answer of a pack or file; None when the object is absent, also after looking again."""
        if wanted.algorithm is not self._algorithm:
            return None
        try:
            for _ in range(_ATTEMPTS_MAX):
                seen = [folder.packs.version for folder in self._folders]
                found = self._find_once(wanted, in_pack, in_file)
                if found is not None:
                    return found
                for folder in self._folders:
                    folder.packs.rescan()
                if seen == [folder.packs.version for folder in self._folders]:
                    break
        except OSError as failure:
            raise StorageFailed(f"{failure.filename or 'objects'}: {failure.strerror}") from failure
        return None

    def _find_once(
        self,
        wanted: ObjectId,
        in_pack: Callable[[OpenPack, bytes], _Found | None],
        in_file: Callable[[Path, ObjectId], _Found | None],
    ) -> _Found | None:
        """Ask the packs of every folder, then its files, as git does: a file that is not there costs more.

        A good copy anywhere makes up for a damaged one.
        """
        damage: ObjectDamaged | None = None
        packs = (partial(folder.packs.ask, question=in_pack) for folder in self._folders)
        files = (partial(in_file, folder.path) for folder in self._folders)
        for ask in chain(packs, files):
            try:
                found = ask(wanted)
            except ObjectDamaged as fault:
                damage = damage or fault
            else:
                if found is not None:
                    return found
        if damage:
            raise damage
        return None


def _add_with_alternates(
    path: Path, algorithm: HashAlgorithm, folders: dict[Path, _ObjectFolder], depth: int
) -> None:
    resolved = path.resolve()
    if resolved in folders or depth < 0:
        return
    folders[resolved] = _ObjectFolder(resolved, algorithm)
    for alternate in list_alternates(resolved):
        _add_with_alternates(alternate, algorithm, folders, depth - 1)


def _close_all(folders: Sequence[_ObjectFolder]) -> None:
    for folder in folders:
        folder.packs.close()


class _ObjectFolder:
    """One object folder: loose objects in it, packs below it."""

    def __init__(self, path: Path, algorithm: HashAlgorithm) -> None:
        self.path = path
        self.packs = PackFolder(path / "pack", _DulwichPacks(algorithm))


# -- packs ---------------------------------------------------------------------------------------------------


class _MappedPack(PackData):
    """A pack's data that can also be asked for an object's kind and size without inflating it."""

    def find_size(self, offset: int) -> int:
        """The size of the object at an offset; that of a delta's outcome is what the delta says."""
        contents = self._buffer()
        header, at, _ = take_msb_bytes_at(contents, offset)
        number = header[0] >> 4 & 7
        if number not in {OFS_DELTA, REF_DELTA}:
            return (header[0] & 0x0F) + (_read_varint(bytes(header[1:])) << 4)
        if number == OFS_DELTA:
            _, at, _ = take_msb_bytes_at(contents, at)
        else:
            at += self.object_format.oid_length
        inflate, start = zlib.decompressobj(), b""
        while len(start) < _DELTA_SIZES_BYTES and not inflate.eof and at < len(contents):
            packed = bytes(contents[at : at + _DELTA_START_BYTES])
            start += inflate.decompress(packed, _DELTA_SIZES_BYTES - len(start))
            at += _DELTA_START_BYTES
        return _read_varint(start[len(take_msb_bytes_at(start, 0)[0]) :])

    def find_base(self, offset: int) -> tuple[int, int | bytes]:
        """The type number of the object at an offset, and for a delta the offset or id of its base."""
        number, _, base, _ = self._read_head(offset)
        return number, base

    def find_content(self, offset: int, find_offset: Callable[[bytes], int]) -> tuple[int, bytes]:
        """The type number and content of the object at an offset, through the deltas that it is made of.

        `find_offset` gives the offset of an id. What deltas build on is kept: the next version needs it too.
        """
        deltas: list[tuple[int, bytes]] = []
        for _ in range(_CHAIN_LENGTH_MAX):
            kept = self._kept_bases.find(offset)
            if kept is not None:
                number, content = kept
                break
            number, size, base, at = self._read_head(offset)
            content = self._inflate(at, size)
            if number not in {OFS_DELTA, REF_DELTA}:
                if deltas:
                    self._kept_bases.keep(offset, number, content)
                break
            deltas.append((offset, content))
            offset = base if isinstance(base, int) else find_offset(base)
        else:
            raise DeltaCycle([])
        for at, delta in reversed(deltas):
            content = b"".join(apply_delta(content, delta))
            self._kept_bases.keep(at, number, content)
        return number, content

    @cached_property
    def _kept_bases(self) -> KeptBases:
        return KeptBases(_DELTA_CACHE_BYTES)

    def _read_head(self, offset: int) -> tuple[int, int, int | bytes, int]:
        """Of what is at an offset: type number, size, a delta's base (offset or id), where deflate begins."""
        contents, at = self._buffer(), offset + 1
        byte = contents[offset]
        number, size, shift = byte >> 4 & 7, byte & 0x0F, 4
        while byte & 0x80:
            byte = contents[at]
            size |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
        if number == REF_DELTA:
            length = self.object_format.oid_length
            return number, size, bytes(contents[at : at + length]), at + length
        if number != OFS_DELTA:
            return number, size, 0, at
        distance, byte = -1, 0x80
        while byte & 0x80:
            byte = contents[at]
            distance, at = (distance + 1 << 7) + (byte & 0x7F), at + 1
        if not 0 < distance < offset:
            raise ApplyDeltaError("the base of a delta lies outside of its pack")
        return number, size, offset - distance, at

    def _inflate(self, at: int, size: int) -> bytes:
        """What is deflated at a place, if it has this size: never more than that is taken into memory."""
        contents, inflate, parts, left = self._buffer(), zlib.decompressobj(), [], size + 1
        step = min(size + (size >> 8) + _DEFLATE_MORE_BYTES, _DEFLATED_BYTES_MAX)
        while left > 0 and not inflate.eof and at < len(contents):
            parts.append(inflate.decompress(contents[at : at + step], left))
            left -= len(parts[-1])
            at += step
        if left != 1 or not inflate.eof:
            raise zlib.error("an object has another size than its pack says")
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_varint(content: bytes) -> int:
    """The first number in bytes of seven bits, lowest first; the last one has no eighth bit. 0 for none."""
    value = 0
    for place, byte in enumerate(content):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - the eighth bit
            break
    return value


@contextmanager
def _damage_named() -> Iterator[None]:
    """One exception for all that dulwich raises on bytes that are no pack."""
    try:
        yield
    except _DAMAGE as fault:
        raise PackDamaged(type(fault).__name__) from fault


class _OpenPack:
    """A pack whose index and data are mapped, or read where they are small."""

    def __init__(self, stem: Path, index: PackIndex, object_format: ObjectFormat) -> None:
        path = stem.with_name(f"{stem.name}.pack")
        with _open_mappable(path) as file:  # a mapping holds on to the file by itself
            self._data = _MappedPack(str(path), object_format, file=file)
        try:
            self._pack = Pack.from_objects(self._data, index)
        except BaseException:
            self._data.close()
            raise
        self._index = index

    def find(self, raw_id: bytes) -> tuple[ObjectKind, bytes] | None:
        """The kind and content of an object; None if it is not in this pack."""
        offset = self._find_offset(raw_id)
        if offset is None:
            return None
        with _damage_named():
            number, content = self._data.find_content(
                offset, lambda base: self._index.object_offset(RawObjectID(base))
            )
            return _KINDS[number], content

    def find_size(self, raw_id: bytes) -> int | None:
        """The size of an object's content; None if it is not in this pack."""
        offset = self._find_offset(raw_id)
        if offset is None:
            return None
        with _damage_named():
            return self._data.find_size(offset)

    def find_kind(self, raw_id: bytes) -> ObjectKind | None:
        """The kind of an object; None if it is not in this pack."""
        offset = self._find_offset(raw_id)
        if offset is None:
            return None
        with _damage_named():
            for _ in range(_CHAIN_LENGTH_MAX):
                number, base = self._data.find_base(offset)
                if number not in {OFS_DELTA, REF_DELTA}:
                    return _KINDS[number]
                offset = base if isinstance(base, int) else self._index.object_offset(RawObjectID(base))
            raise DeltaCycle([raw_id])

    def close(self) -> None:
        """Release the mappings; nobody reads from the pack any more."""
        self._pack.close()

    def _find_offset(self, raw_id: bytes) -> int | None:
        try:
            return self._index.object_offset(RawObjectID(raw_id))
        except KeyError:
            return None
        except _DAMAGE as fault:
            raise PackDamaged(type(fault).__name__) from fault


class _DulwichPacks:
    """Packs by way of dulwich; see `PackReader`."""

    def __init__(self, algorithm: HashAlgorithm) -> None:
        self._object_format = OBJECT_FORMATS[algorithm.value]

    def open(self, stem: Path) -> _OpenPack:
        """Map both files."""
        with _damage_named():
            index = self._open_index(stem)
            try:
                return _OpenPack(stem, index, self._object_format)
            except BaseException:
                index.close()
                raise

    def list_ids(self, stem: Path, at_most: int) -> list[bytes] | None:
        """Read the index."""
        with _damage_named(), closing(self._open_index(stem)) as index:
            if len(index) > at_most:
                return None
            return [raw_id for raw_id, _, _ in index.iterentries()]

    def _open_index(self, stem: Path) -> PackIndex:
        path = stem.with_name(f"{stem.name}.idx")
        with _open_mappable(path) as file:  # a mapping holds on to the file by itself
            return load_pack_index_file(str(path), file, self._object_format)


def _open_mappable(path: Path) -> BinaryIO:
    """A file for dulwich to map; a small one comes as memory, so that it holds no descriptor."""
    file = path.open("rb")
    if os.fstat(file.fileno()).st_size > _IN_MEMORY_BYTES_MAX:
        return file
    with file:
        return io.BytesIO(file.read())


# -- writing -------------------------------------------------------------------------------------------------


def write_pack(
    objects: Iterable[tuple[ObjectKind, bytes]],
    out: BinaryIO,
    algorithm: HashAlgorithm = HashAlgorithm.SHA1,
) -> int:
    """Write whole objects, without deltas, as one pack; return how many.

    The same objects in the same order make the same bytes.
    """
    object_format = OBJECT_FORMATS[algorithm.value]
    records = [
        UnpackedObject(_TYPE_NUMBERS[kind], decomp_chunks=[content], hash_func=object_format.hash_func)
        for kind, content in objects
    ]
    write_pack_data(out.write, iter(records), object_format, num_records=len(records))
    return len(records)

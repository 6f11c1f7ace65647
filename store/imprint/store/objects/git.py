"""Git's object folders, read with dulwich: packs, loose objects and alternates. Also writes packs.

Nothing here starts a process or touches a network: an object that a partial clone lacks is absent.

Invariants:
    1. A pack counts as there once its `.idx` has its final name; git and `store.quarantine` rename that last.
    2. A miss is answered only after the folders were listed again, so what was admitted before the question
       is found. Each question lists them at most `_ATTEMPTS_MAX` times.
    3. No file is closed while a reader may still look at it: packs that went away wait until no reading is
       under way.
    4. Open files are bounded by `_OPEN_PACKS_MAX` small packs and the number of large ones, not by the number
       of packs: every push leaves one behind until maintenance joins them.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import threading
import weakref
import zlib
from collections import OrderedDict
from functools import partial
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
    load_pack_index_file,
    take_msb_bytes_at,
    write_pack_data,
)

from imprint.store.errors import BadPath, ObjectDamaged, ObjectMissing, StorageFailed
from imprint.store.objects.codec import (
    decode_commit,
    decode_tag,
    decode_tree,
    encode_commit,
    encode_tag,
    encode_tree,
    object_id,
)
from imprint.store.objects.loose import find_loose, find_loose_kind
from imprint.store.objects.ports import Commit, ObjectKind, Tag, TreeEntry
from imprint.store.paths import unquote_path
from imprint.store.types import HashAlgorithm, ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from typing import TypeVar

    from dulwich.object_format import ObjectFormat

    _Found = TypeVar("_Found")

__all__ = [
    "GitObjects",
    "encode_commit",
    "encode_tag",
    "encode_tree",
    "object_id",
    "write_pack",
]

_log = logging.getLogger("imprint.store")

_KINDS: Final = {1: ObjectKind.COMMIT, 2: ObjectKind.TREE, 3: ObjectKind.BLOB, 4: ObjectKind.TAG}
"""Type numbers in a pack, from gitformat-pack(5)."""
_TYPE_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}
_ATTEMPTS_MAX: Final = 3
"""How often one question looks again because packs came or went: a repack may be running."""
_SMALL_PACK_OBJECTS_MAX: Final = 2_000
"""Packs up to this size share one table of ids, so that a lookup does not ask each of them."""
_OPEN_PACKS_MAX: Final = 64
_IN_MEMORY_BYTES_MAX: Final = 64 * 1024
"""Smaller files are read whole: a mapping costs more than they are worth."""
_DELTA_CACHE_BYTES: Final = 32 * 1024**2
"""Resolved objects kept per open pack, as bases of further deltas."""
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
        return self._find(object_id, _OpenPack.find_kind, find_loose_kind)

    def read_raw(self, object_id: ObjectId) -> tuple[ObjectKind, bytes]:
        """An object's kind and content, without header."""
        found = self._find(object_id, _OpenPack.find, find_loose)
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
        in_pack: Callable[[_OpenPack, RawObjectID], _Found | None],
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
        in_pack: Callable[[_OpenPack, RawObjectID], _Found | None],
        in_file: Callable[[Path, ObjectId], _Found | None],
    ) -> _Found | None:
        """Ask each folder, packs first, as git does; a good copy anywhere makes up for a damaged one."""
        damage: ObjectDamaged | None = None
        for folder in self._folders:
            for ask in (partial(folder.packs.ask, question=in_pack), partial(in_file, folder.path)):
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
    try:
        lines = (resolved / "info" / "alternates").read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return
    for line in lines:
        if line and not line.startswith(b"#"):
            _add_with_alternates(resolved / _parse_alternate(line), algorithm, folders, depth - 1)


def _parse_alternate(line: bytes) -> str:
    """A path as `info/alternates` writes it: perhaps quoted; what is no quoted path is taken as it is."""
    text = line.decode("utf-8", "surrogateescape")
    try:
        return unquote_path(text).decode("utf-8", "surrogateescape")
    except BadPath:
        return text


def _close_all(folders: Sequence[_ObjectFolder]) -> None:
    for folder in folders:
        folder.packs.close()


class _ObjectFolder:
    """One object folder: loose objects in it, packs below it."""

    def __init__(self, path: Path, algorithm: HashAlgorithm) -> None:
        self.path = path
        self.packs = _PackFolder(path / "pack", OBJECT_FORMATS[algorithm.value])


# -- packs ---------------------------------------------------------------------------------------------------


class _MappedPack(PackData):
    """A pack's data that can also be asked for an object's kind without inflating it."""

    def find_base(self, offset: int) -> tuple[int, int | bytes]:
        """The type number of the object at an offset, and for a delta the offset or id of its base."""
        contents = self._buffer()
        header, at, _ = take_msb_bytes_at(contents, offset)
        number = header[0] >> 4 & 7
        if number == OFS_DELTA:
            distance = -1
            for byte in take_msb_bytes_at(contents, at)[0]:
                distance = (distance + 1 << 7) + (byte & 0x7F)
            if not 0 < distance < offset:
                raise ApplyDeltaError("the base of a delta lies outside of its pack")
            return number, offset - distance
        return number, bytes(contents[at : at + self.object_format.oid_length])


class _OpenPack:
    """A pack whose index and data are mapped, or read where they are small."""

    def __init__(self, stem: Path, index: PackIndex, object_format: ObjectFormat) -> None:
        path = stem.with_name(f"{stem.name}.pack")
        with _open_mappable(path) as file:  # a mapping holds on to the file by itself
            self._data = _MappedPack(
                str(path), object_format, file=file, delta_base_cache_limit=_DELTA_CACHE_BYTES
            )
        try:
            self._pack = Pack.from_objects(self._data, index)
        except BaseException:
            self._data.close()
            raise
        self._index = index

    def find(self, raw_id: RawObjectID) -> tuple[ObjectKind, bytes] | None:
        """The kind and content of an object; None if it is not in this pack."""
        offset = self._find_offset(raw_id)
        if offset is None:
            return None
        number, chunks = self._pack.resolve_object(offset, *self._data.get_object_at(offset))
        assert not isinstance(chunks, tuple)  # noqa: S101 - a tuple is a delta, and those are resolved
        return _KINDS[number], chunks if isinstance(chunks, bytes) else b"".join(chunks)

    def find_kind(self, raw_id: RawObjectID) -> ObjectKind | None:
        """The kind of an object; None if it is not in this pack."""
        offset = self._find_offset(raw_id)
        if offset is None:
            return None
        for _ in range(_CHAIN_LENGTH_MAX):
            number, base = self._data.find_base(offset)
            if number not in {OFS_DELTA, REF_DELTA}:
                return _KINDS[number]
            offset = base if isinstance(base, int) else self._index.object_offset(RawObjectID(base))
        raise DeltaCycle([raw_id])

    def close(self) -> None:
        """Release the mappings; nobody reads from the pack any more."""
        self._pack.close()

    def _find_offset(self, raw_id: RawObjectID) -> int | None:
        try:
            return self._index.object_offset(raw_id)
        except KeyError:
            return None


def _open_pack(stem: Path, object_format: ObjectFormat) -> _OpenPack:
    """Open a pack.

    Raises:
        FileNotFoundError: it has gone.
        Exception: one of `_DAMAGE`.
    """
    index = _open_index(stem, object_format)
    try:
        return _OpenPack(stem, index, object_format)
    except BaseException:
        index.close()
        raise


def _open_index(stem: Path, object_format: ObjectFormat) -> PackIndex:
    path = stem.with_name(f"{stem.name}.idx")
    with _open_mappable(path) as file:  # a mapping holds on to the file by itself
        return load_pack_index_file(str(path), file, object_format)


def _open_mappable(path: Path) -> BinaryIO:
    """A file for dulwich to map; a small one comes as memory, so that it holds no descriptor."""
    file = path.open("rb")
    if os.fstat(file.fileno()).st_size > _IN_MEMORY_BYTES_MAX:
        return file
    with file:
        return io.BytesIO(file.read())


class _PackFolder:
    """The packs of one `pack` folder, as they come and go."""

    def __init__(self, path: Path, object_format: ObjectFormat) -> None:
        self._path = path
        self._object_format = object_format
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._large: dict[str, _OpenPack] = {}
        self._small: dict[bytes, Sequence[str]] = {}
        self._open_small: OrderedDict[str, _OpenPack] = OrderedDict()
        self._closed = False
        self._readings = 0
        self._retired: list[_OpenPack] = []
        self.version = 0
        """Grows whenever `rescan` finds that packs came or went."""

    def ask(
        self, wanted: ObjectId, question: Callable[[_OpenPack, RawObjectID], _Found | None]
    ) -> _Found | None:
        """The first answer of a known pack; None if none has the object.

        Raises:
            ObjectDamaged: a pack has it, cannot be read there, and no other has a good copy.
        """
        raw_id = RawObjectID(bytes.fromhex(wanted))
        fault: Exception | None = None
        with self._lock:
            assert not self._closed, "objects were read after close()"  # noqa: S101 - the caller's defect
            self._readings += 1
            names = [*self._small.get(raw_id, ()), *self._large]
        try:
            for name in names:
                try:
                    pack = self._open(name)
                    found = question(pack, raw_id) if pack else None
                except _DAMAGE as damage:
                    fault = damage  # another pack may have a good copy
                else:
                    if found is not None:
                        return found
        finally:
            with self._lock:
                self._readings -= 1
                self._close_retired()
        if fault:
            raise ObjectDamaged(wanted, f"its pack does not read ({type(fault).__name__})") from fault
        return None

    def _open(self, name: str) -> _OpenPack | None:
        """The pack of this name, opened; None if it has just gone."""
        with self._lock:
            if name in self._large:
                return self._large[name]
            if name not in self._open_small:
                try:
                    self._open_small[name] = _open_pack(self._path / name, self._object_format)
                except FileNotFoundError:
                    return None
                if len(self._open_small) > _OPEN_PACKS_MAX:
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
            for name in sorted(names - self._known):
                self._take_in(name)
            self._known = names
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

    def _take_in(self, name: str) -> None:
        stem = self._path / name
        try:
            index = _open_index(stem, self._object_format)
            try:
                if len(index) > _SMALL_PACK_OBJECTS_MAX:
                    self._large[name] = _OpenPack(stem, index, self._object_format)
                    return
                self._take_in_small(name, index)
            except BaseException:
                index.close()
                raise
            index.close()
        except FileNotFoundError:
            return
        except _DAMAGE as fault:
            _log.warning("pack ignored: %s does not read (%s)", stem, type(fault).__name__)

    def _take_in_small(self, name: str, index: PackIndex) -> None:
        """Note which objects are in a small pack; one object may be in many, thin packs being completed."""
        alone = (name,)  # one tuple for all: there may be millions of objects
        for raw_id, _, _ in index.iterentries():
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

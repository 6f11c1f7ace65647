"""Pack files on disk: their names, which objects one holds, and the order in which they come and go.

Invariants:
    1. Readers find a pack by its `.idx`, so that file is the last to come and the first to go.
    2. A pack's name is a hash of its content: files of one name are equal.
    3. Each pack has an empty `.keep` beside it, which comes first and goes last: git commands that somebody
       runs by hand leave such packs alone (git-repack(1), git-multi-pack-index(1)).
"""

from __future__ import annotations

import mmap
import os
import re
import struct
from contextlib import ExitStack, nullcontext, suppress
from typing import TYPE_CHECKING, Final, Self

from imprint.store.durable import sync_folder
from imprint.store.errors import StorageFailed
from imprint.store.events import PackRecord
from imprint.store.waiting.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from imprint.store.receive.small.held import PackFiles
    from imprint.store.types import HashAlgorithm

SUFFIXES: Final = (".pack", ".rev", ".idx")
"""The files of one pack, in the order in which they are put in place. Small packs have no `.rev`: git
makes their order faster than it reads it, and a file costs a sync of the disk."""
KEEP: Final = ".keep"
_LOCK: Final = "../../imprint/promote.lock"
"""The promotion lock's file, from the folder of a repository's packs."""
_PARTIAL: Final = "tmp_"
"""How the name of an index begins that is being written; git calls its own so, and `collect` removes them."""
_ALL_SUFFIXES: Final = (".idx", ".rev", ".bitmap", ".mtimes", ".promisor", ".pack", KEEP)
"""All that git puts beside a pack (gitformat-pack(5)), in the order in which it goes."""
_PACK_FILE: Final = re.compile(
    r"(pack-(?:[0-9a-f]{40}|[0-9a-f]{64}))\.(?:pack|idx|rev|bitmap|mtimes|promisor|keep)\Z"
)
_INDEX_HEADER: Final = struct.pack(">4sL", b"\xfftOc", 2)
_FANOUT_END: Final = 8 + 256 * 4
_CHECKSUM_BYTES: Final = 4
_OFFSET_IS_LARGE: Final = 0x80000000


def list_packs(pack_dir: Path) -> frozenset[str]:
    """Names of the packs that have any file in the folder; none if the folder is absent."""
    try:
        files = list(pack_dir.iterdir())
    except FileNotFoundError:
        return frozenset()
    return frozenset(match[1] for file in files if (match := _PACK_FILE.match(file.name)))


def promotion_lock(git_dir: Path) -> FileLock:
    """The lock under which packs come to a repository and go."""
    return FileLock(git_dir / "imprint" / "promote.lock")


def place(
    moves: Iterable[tuple[str, Path]],
    target: Path,
    step: Callable[[str], None],
    files: Sequence[PackFiles] = (),
) -> None:
    """Put packs into a folder, and make that durable.

    Args:
        moves: names of packs, each with the folder of the same file system where it is.
        target: where they go.
        files: packs that are in no folder yet.
        step: told `placed .pack` and so on after each file.

    Raises:
        StorageFailed: the file system refuses; what was moved stays moved.
    """
    try:
        for name, source in moves:
            protect(name, target)
            for suffix in SUFFIXES:
                with suppress(FileNotFoundError) if suffix == ".rev" else nullcontext():
                    (source / f"{name}{suffix}").rename(target / f"{name}{suffix}")
                    step(f"placed {suffix}")
        write(files, target, step)
        sync_folder(target)
    except OSError as failure:
        raise StorageFailed(f"a pack cannot be put into {target}: {failure.strerror}") from failure


def write(files: Sequence[PackFiles], folder: Path, step: Callable[[str], None] = lambda _: None) -> None:
    """Write packs' files; their contents survive a crash of the machine then, their names not yet.

    An index gets its name when all is written.

    Raises:
        StorageFailed: the file system refuses; what was written stays.
    """
    try:
        with ExitStack() as stack:
            written = []
            for each in files:
                protect(each.name, folder)
                for suffix, content in each.contents.items():
                    prefix = _PARTIAL if suffix == ".idx" else ""
                    descriptor = _open_new(folder / f"{prefix}{each.name}{suffix}")
                    stack.callback(os.close, descriptor)
                    _write_all(descriptor, content)
                    written.append(descriptor)
                    if not prefix:
                        step(f"placed {suffix}")
            for descriptor in written:
                os.fsync(descriptor)
        for each in files:
            (folder / f"{_PARTIAL}{each.name}.idx").rename(folder / f"{each.name}.idx")
            step("placed .idx")
    except OSError as failure:
        raise StorageFailed(f"a pack cannot be put into {folder}: {failure.strerror}") from failure


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _open_new(path: Path) -> int:
    """A file to be written, empty, as git makes those of packs: nobody writes to it again."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o444)
    except FileExistsError:  # of somebody who died
        path.unlink()
        return os.open(path, flags, 0o444)


def protect(name: str, folder: Path) -> None:
    """Put a pack's `.keep` there, unless it is. May raise `OSError`.

    It is another name of the lock file, which is as empty and always there: a name costs less to write than
    a file, and to take away. Where that cannot be (beside other packs than a repository's, or on a file
    system without further names), it is a file of its own.
    """
    path = f"{folder}/{name}{KEEP}"
    try:
        os.link(f"{folder}/{_LOCK}", path)
    except FileExistsError:
        return
    except OSError:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def is_whole(name: str, folder: Path) -> bool:
    """Whether a pack can be read from: its data and its index are there."""
    return (folder / f"{name}.pack").exists() and (folder / f"{name}.idx").exists()


def read_record(name: str, folder: Path, algorithm: HashAlgorithm) -> PackRecord:
    """What the catalogue keeps of a pack.

    Raises:
        StorageFailed: the pack is not there, or has no good index.
    """
    with PackIndex(folder / f"{name}.idx", algorithm) as index:
        try:
            return PackRecord(name, len(index), (folder / f"{name}.pack").stat().st_size)
        except OSError as failure:
            raise StorageFailed(f"{folder / name}.pack: {failure.strerror}") from failure


def remove(name: str, folder: Path) -> None:
    """Remove a pack's files, as far as they are there.

    Raises:
        StorageFailed: the file system refuses.
    """
    try:
        for suffix in _ALL_SUFFIXES:
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
        (folder / f"{_PARTIAL}{name}.idx").unlink(missing_ok=True)  # of a pack that could not be written
        sync_folder(folder)
    except OSError as failure:
        raise StorageFailed(f"{name} cannot be removed from {folder}: {failure.strerror}") from failure


class PackIndex:
    """One open `.idx` file, version 2 (gitformat-pack(5)). Use as a context manager.

    Raises:
        StorageFailed: on opening, when the file is absent or is no such index.
    """

    def __init__(self, path: Path, algorithm: HashAlgorithm) -> None:
        self._id_bytes = algorithm.hex_length // 2
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as failure:
            raise StorageFailed(f"{path} cannot be read: {failure}") from failure
        if self._map[:8] != _INDEX_HEADER:
            self._map.close()
            raise StorageFailed(f"{path} is not a pack index of version 2")
        self._fanout = struct.unpack_from(">256L", self._map, 8)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many objects the pack holds."""
        return int(self._fanout[255])

    def __contains__(self, object_id: str) -> bool:
        """Whether the pack holds the object."""
        wanted = bytes.fromhex(object_id)
        if len(wanted) != self._id_bytes:
            return False
        low = self._fanout[wanted[0] - 1] if wanted[0] else 0
        high = self._fanout[wanted[0]]
        while low < high:
            middle = (low + high) // 2
            at = _FANOUT_END + middle * self._id_bytes
            found = self._map[at : at + self._id_bytes]
            if found == wanted:
                return True
            if found < wanted:
                low = middle + 1
            else:
                high = middle
        return False

    def ids_beginning(self, first_byte: int) -> Iterator[bytes]:
        """The raw ids whose first byte is this, ascending."""
        first = self._fanout[first_byte - 1] if first_byte else 0
        begin, end = (_FANOUT_END + count * self._id_bytes for count in (first, self._fanout[first_byte]))
        content = self._map[begin:end]
        return (content[at : at + self._id_bytes] for at in range(0, len(content), self._id_bytes))

    def offsets(self) -> list[int]:
        """Where each object begins in the `.pack` file, ascending."""
        return sorted(self._read_offsets())

    def _read_offsets(self) -> list[int]:
        """Where each object begins in the `.pack` file, in the order of ids."""
        count = len(self)
        small_at = _FANOUT_END + count * (self._id_bytes + _CHECKSUM_BYTES)
        small = struct.unpack_from(f">{count}L", self._map, small_at)
        large_at = small_at + count * 4
        return [
            struct.unpack_from(">Q", self._map, large_at + (offset & ~_OFFSET_IS_LARGE) * 8)[0]
            if offset & _OFFSET_IS_LARGE
            else offset
            for offset in small
        ]

    def close(self) -> None:
        """Release the file."""
        with suppress(ValueError):
            self._map.close()

"""Where a pushed pack waits until it is admitted, and where it ends if it is not.

A quarantine is the folder `<git_dir>/imprint/quarantine/<id>`: a small bare repository of its own, so that
git can be asked what is in it and in nothing else, and a file `lock`. It is made when something is put there,
or git is asked about it: many pushes need none.

Invariants:
    1. The `lock` is held with flock(2) for as long as the push runs; the kernel frees it when the process
       dies. A folder whose lock is free is nobody's, and `sweep` removes it.
    2. Nothing in a quarantine is visible to readers of the repository.
    3. A pack that leaves it is whole: indexed, checked object by object, and synced to disk.
    4. The quarantine is gone when its block ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from imprint.store.durable import is_file_at
from imprint.store.errors import LimitExceeded, PlumbingFailed, ProtocolError, PushRefused, StorageFailed
from imprint.store.events import PackRecord
from imprint.store.lfs.absent import CANDIDATES_MAX
from imprint.store.lfs.pointer import POINTER_BYTES
from imprint.store.objects.ports import ObjectKind
from imprint.store.receive import packs
from imprint.store.receive.checking.findings import find_warnings, raise_refusal
from imprint.store.receive.checking.kinds import list_kinds
from imprint.store.receive.small.held import render
from imprint.store.types import HashAlgorithm, ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.hosting.settings import Strictness
    from imprint.store.limits import Limits
    from imprint.store.plumbing import GitProcess, Plumbing
    from imprint.store.receive.small.held import HeldPack
    from imprint.store.receive.small.taking import Taken

COPY_BYTES: Final = 1024 * 1024
"""How much of a pack is in memory at a time."""
DRAIN_BYTES_MAX: Final = 64 * 1024**2
"""How much of a refused pack is still read."""
_BYTES_PER_SECOND: Final = 1024 * 1024
"""How fast git resolves deltas at least, on a machine that is busy."""
REVERSED_MIN: Final = 20_000
"""Packs of so many objects get a reverse index (`.rev`); that of smaller ones git makes in no time."""
_STREAM_LARGE_BLOBS: Final = ("-c", "core.bigFileThreshold=16m")
"""Larger blobs pass through index-pack in pieces instead of being held in memory."""
_INDEX_PACK: Final = (
    *_STREAM_LARGE_BLOBS,
    *("index-pack", "--stdin", "--fix-thin", "--check-self-contained-and-connected"),
)
_PACK_HEADER: Final = struct.Struct(">4sLL")


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A pack that was received whole and checked object by object.

    Attributes:
        record: how the catalogue will know it.
        index_path: its index, in the quarantine; None for a pack that is held in memory.
        self_contained: whether everything its objects refer to came in it.
        warnings: what is odd about its objects, without being refused.
        kinds: what each of its objects is; empty where only git can say.
        may_point: blobs that have the length of a pointer to a large object, up to a bound.
        taken: the pack, where it was checked in memory; `kinds` has all of its objects then.
    """

    record: PackRecord
    index_path: Path | None
    self_contained: bool
    warnings: tuple[str, ...] = ()
    kinds: Mapping[ObjectId, ObjectKind] = field(default_factory=dict)
    may_point: tuple[ObjectId, ...] = ()
    taken: Taken | None = None


@dataclass(frozen=True, slots=True)
class _Indexed:
    """What index-pack said: its output, whether the pack stands by itself, and warnings; and bytes fed."""

    copied: int
    output: bytes
    self_contained: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a pack's objects are: see `Unpacked`."""

    kinds: Mapping[ObjectId, ObjectKind]
    may_point: tuple[ObjectId, ...]


class Quarantine:
    """One push's own place. Made by `open_quarantine`."""

    def __init__(
        self, git_dir: Path, quarantine_id: str, plumbing: Plumbing, algorithm: HashAlgorithm
    ) -> None:
        self.algorithm = algorithm
        self._git_dir = git_dir
        self._id = quarantine_id
        self._plumbing = plumbing
        self._made: tuple[Path, int] | None = None
        self._held: HeldPack | None = None

    def hold(self, taken: Taken) -> Unpacked | None:
        """Take in a pack that was checked in memory, and stays there until git is asked about it.

        Returns:
            None for a pack without objects.
        """
        if not taken.objects:
            return None
        self._held = taken.held
        record = PackRecord(taken.held.name, len(taken.held.entries), taken.held.size_bytes)
        may_point = [
            object_id
            for object_id, (kind, content) in taken.objects.items()
            if kind is ObjectKind.BLOB and len(content) in POINTER_BYTES
        ]
        return Unpacked(
            record,
            index_path=None,
            self_contained=False,
            kinds=taken.kinds,
            may_point=tuple(may_point),
            taken=taken,
        )

    @property
    def is_in_memory(self) -> bool:
        """Whether what is here takes no file."""
        return self._made is None

    @property
    def folder(self) -> Path:
        """Where it is.

        Raises:
            StorageFailed: the disk is full or not writable.
        """
        if self._made is None:
            try:
                (self._git_dir / "imprint").mkdir(exist_ok=True)
                self._made = _make_folder(quarantines_dir(self._git_dir), self._id)
                _lay_out(self._made[0], self.algorithm)
                if self._held is not None:
                    packs.write([render(self._held)], self._made[0] / "objects" / "pack")
            except OSError as failure:
                raise StorageFailed(
                    f"no quarantine can be made in {self._git_dir}: {failure.strerror}"
                ) from failure
        return self._made[0]

    @property
    def pack_dir(self) -> Path:
        """Where its packs are."""
        return self.folder / "objects" / "pack"

    @property
    def alone(self) -> Plumbing:
        """Git on what is in the quarantine and nothing else."""
        return self._plumbing.at(self.folder)

    @property
    def beside(self) -> Plumbing:
        """Git on the repository and the quarantine together; what it writes goes to the quarantine."""
        return self._plumbing.in_quarantine(self.folder / "objects")

    @property
    def reading(self) -> Plumbing:
        """Git to ask about objects of both; it writes nothing."""
        return self._plumbing if self._made is None and self._held is None else self.beside

    def close(self) -> None:
        """Remove it."""
        if self._made is not None:
            folder, descriptor = self._made
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)

    def unpack(
        self,
        pack: BinaryIO,
        limits: Limits,
        shallow: Sequence[ObjectId] = (),
        strictness: Strictness | None = None,
    ) -> Unpacked | None:
        """Take in a pack: store it, complete it if it is thin, check each object as `receive.fsckObjects`.

        Args:
            pack: the pack and nothing after it. It is read to its end, unless it is far too long.
            limits: how large it may be.
            shallow: commits below which the client's history ends, so that their parents are not looked for.
            strictness: what the repository says of these checks; by default every finding counts.

        Returns:
            None for a pack without objects.

        Raises:
            ProtocolError: no pack, a broken one, or something after it.
            PushRefused: an object is malformed, or refers to one that is nowhere.
            LimitExceeded: the pack is too large.
            StorageFailed: the disk is full or not writable.
        """
        header = _read_header(pack)
        try:
            object_count = _parse_header(header, limits.pack_objects_max)
            reverse = "--rev-index" if object_count >= REVERSED_MIN else "--no-rev-index"
            options = [*self._limit_history(shallow), *_INDEX_PACK, reverse, self._render_strict(strictness)]
            indexed = self._index(header, pack, limits, options)
        except (ProtocolError, LimitExceeded):
            drain(pack)
            raise
        name = "pack-" + indexed.output.split(b"\n", 1)[0].removeprefix(b"pack\t").decode("ascii", "replace")
        index_path = self.pack_dir / f"{name}.idx"
        with packs.PackIndex(index_path, self.algorithm) as index:
            listed = self._list(name, len(index), limits.object_bytes_max)
            self._verify_end(index, object_count, indexed.copied, name)
            record = PackRecord(name, len(index), (self.pack_dir / f"{name}.pack").stat().st_size)
        if object_count == 0:
            return None
        # A base that was added to complete the pack is in it, but nobody looked at what that base refers to.
        self_contained = indexed.self_contained and record.object_count == object_count
        return Unpacked(record, index_path, self_contained, indexed.warnings, listed.kinds, listed.may_point)

    def _limit_history(self, shallow: Sequence[ObjectId]) -> list[str]:
        """Options that tell git where the client's history ends."""
        if not shallow:
            return []
        path = self.folder.absolute() / "shallow"
        path.write_text("".join(f"{each}\n" for each in shallow))
        return ["--shallow-file", str(path)]

    def _render_strict(self, strictness: Strictness | None) -> str:
        """The option that git receive-pack gives for the same settings."""
        if strictness is None or strictness.is_default:
            return "--strict"
        words = [f"{name}={severity}" for name, severity in sorted(strictness.severities.items())]
        if strictness.skipped:
            (self.folder / "skiplist").write_text("".join(f"{each}\n" for each in strictness.skipped))
            # Relative to where git runs: of the path to the data folder git would take a comma for the end.
            words.append(f"skiplist={quarantines_dir(Path()) / self.folder.name / 'skiplist'}")
        return f"--strict={','.join(words)}"

    def _index(self, header: bytes, pack: BinaryIO, limits: Limits, options: Sequence[str]) -> _Indexed:
        """Feed the pack to index-pack."""
        with self.beside.stream(*options) as process:
            copied = _copy_pack(header, pack, process, limits.pack_bytes_max)
            # A few bytes of deltas can be made to mean very many: the time is bounded by what was sent.
            process.end_within(limits.unpack_seconds_max + copied / _BYTES_PER_SECOND)
            output = process.stdout.read()
            try:
                status, stderr = process.finish(check=False)
            except PlumbingFailed as late:
                raise LimitExceeded("the pack takes too long to check", limit="unpack_seconds_max") from late
        # index-pack ends with 1 when all is well but the pack refers to objects outside of it.
        if status not in (0, 1) or not output.startswith(b"pack\t"):
            raise_refusal(status, stderr)
        return _Indexed(
            copied, output, status == 0 and "--shallow-file" not in options, find_warnings(stderr)
        )

    def _list(self, name: str, count: int, bytes_max: int) -> _Listed:
        """What the objects of a pack are.

        Raises:
            LimitExceeded: one of them is larger than that, once inflated.
        """
        kinds = list_kinds(self.pack_dir / name, count, self.algorithm)
        if kinds is None:
            return self._ask_git(bytes_max)
        _verify_size(kinds.largest_bytes, bytes_max)
        return _Listed(kinds, kinds.list_blobs(POINTER_BYTES, CANDIDATES_MAX))

    def _ask_git(self, bytes_max: int) -> _Listed:
        """The same for packs that are huge or odd; their kinds are not kept."""
        may_point: list[ObjectId] = []
        with self.alone.stream(
            "cat-file",
            "--batch-all-objects",
            "--unordered",
            "--buffer",
            "--batch-check=%(objectsize) %(objecttype) %(objectname)",
        ) as listing:
            for line in listing.stdout:
                try:
                    size, kind, object_id = line.split()
                except ValueError as unreadable:  # "... missing": index-pack took what git cannot read back
                    raise PushRefused(
                        "an object of the pack cannot be read back", rule="index-pack"
                    ) from unreadable
                _verify_size(int(size), bytes_max)
                if kind == b"blob" and int(size) in POINTER_BYTES and len(may_point) < CANDIDATES_MAX:
                    may_point.append(ObjectId(object_id.decode("ascii")))
            listing.finish()
        return _Listed({}, tuple(may_point))

    def _verify_end(self, index: packs.PackIndex, object_count: int, copied: int, name: str) -> None:
        """Check that the pack ended where the bytes ended.

        index-pack stops reading at the end of the pack. Where it added objects to complete a thin pack, the
        first of them lies where the checksum of the pack as received began.
        """
        if len(index) == object_count:
            end = (self.pack_dir / f"{name}.pack").stat().st_size
        else:
            end = index.offsets()[object_count] + self.algorithm.hex_length // 2
        if end != copied:
            raise ProtocolError(f"{copied - end} bytes follow the end of the pack")


@contextmanager
def open_quarantine(
    git_dir: Path, quarantine_id: str, plumbing: Plumbing, algorithm: HashAlgorithm, bytes_free_min: int = 0
) -> Iterator[Quarantine]:
    """A quarantine for one push; at the end of the block it is gone.

    Raises:
        StorageFailed: the disk is full, nearly full, or not writable.
    """
    try:
        _verify_room(git_dir, bytes_free_min)
    except OSError as failure:
        raise StorageFailed(f"no quarantine can be made in {git_dir}: {failure.strerror}") from failure
    quarantine = Quarantine(git_dir, quarantine_id, plumbing, algorithm)
    try:
        yield quarantine
    finally:
        quarantine.close()


def open_in(
    repository: Repository, hosting: Hosting, purpose: str, *, more_bytes: int = 0
) -> AbstractContextManager[Quarantine]:
    """Make a quarantine in a hosted repository, as `open_quarantine` does.

    Args:
        repository: where.
        hosting: whose ids and limits.
        purpose: what its id begins with.
        more_bytes: free disk that is needed beyond what pushes need.
    """
    return open_quarantine(
        repository.git_dir,
        hosting.ids.new_id(purpose),
        repository.view.plumbing,
        repository.record.algorithm,
        hosting.limits.quarantine_bytes_free_min + more_bytes,
    )


def quarantines_dir(git_dir: Path) -> Path:
    """Where the quarantines of a repository are."""
    return git_dir / "imprint" / "quarantine"


def sweep(git_dir: Path) -> int:
    """Remove every quarantine whose push is dead, and return how many went."""
    try:
        folders = sorted(quarantines_dir(git_dir).iterdir())
    except FileNotFoundError:
        return 0
    return sum(_remove_if_dead(folder) for folder in folders)


def _make_folder(parent: Path, name: str) -> tuple[Path, int]:
    """Make a folder and hold its lock; again, if a sweep takes it before it is locked."""
    parent.mkdir(exist_ok=True)
    folder = parent / name
    while True:
        folder.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_file_at(descriptor, folder / "lock"):
                return folder, descriptor
            os.close(descriptor)


def _lay_out(folder: Path, algorithm: HashAlgorithm) -> None:
    """What git wants to see in a repository (gitrepository-layout(5))."""
    (folder / "objects" / "pack").mkdir(parents=True)
    (folder / "objects" / "info").mkdir()
    (folder / "refs").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/none\n")
    if algorithm is not HashAlgorithm.SHA1:
        (folder / "config").write_text(
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
            f"[extensions]\n\tobjectFormat = {algorithm.value}\n"
        )


def _verify_room(git_dir: Path, bytes_free_min: int) -> None:
    free = shutil.disk_usage(git_dir).free
    if free < bytes_free_min:
        raise StorageFailed(
            f"only {free} bytes are free on the disk of {git_dir}",
            hint=f"pushes are taken again when {bytes_free_min} bytes are free",
        )


def _remove_if_dead(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()
    finally:
        os.close(descriptor)


def _read_header(pack: BinaryIO) -> bytes:
    header = pack.read(_PACK_HEADER.size)
    while 0 < len(header) < _PACK_HEADER.size and (more := pack.read(_PACK_HEADER.size - len(header))):
        header += more
    return header


def _parse_header(header: bytes, objects_max: int) -> int:
    """How many objects the pack says it holds."""
    if not header:
        raise ProtocolError("no pack was sent")
    if len(header) < _PACK_HEADER.size:
        raise ProtocolError("the pack ends within its header")
    magic, version, count = _PACK_HEADER.unpack(header)
    if magic != b"PACK" or version not in (2, 3):
        raise ProtocolError("what was sent is not a pack of version 2 or 3")
    if count > objects_max:
        raise LimitExceeded(f"the pack has more than {objects_max} objects", limit="pack_objects_max")
    return int(count)


def _verify_size(size: int, bytes_max: int) -> None:
    if size > bytes_max:
        raise LimitExceeded(
            f"an object of the pack is larger than {bytes_max} bytes", limit="object_bytes_max"
        )


def _copy_pack(header: bytes, pack: BinaryIO, process: GitProcess, bytes_max: int) -> int:
    """Copy the pack to index-pack piece by piece; bytes are counted also when index-pack stops listening."""
    copied = 0
    piece = header
    listening = True
    while piece:
        copied += len(piece)
        if copied > bytes_max:
            raise LimitExceeded(f"the pack is larger than {bytes_max} bytes", limit="pack_bytes_max")
        if listening:
            try:
                process.stdin.write(piece)
                process.stdin.flush()
            except BrokenPipeError:
                listening = False
        piece = pack.read(COPY_BYTES)
    with suppress(BrokenPipeError):
        process.stdin.close()
    return copied


def drain(stream: BinaryIO) -> None:
    """Read on without use, up to `DRAIN_BYTES_MAX`: a client that only writes never sees the answer."""
    bytes_left = DRAIN_BYTES_MAX
    while bytes_left > 0 and (piece := stream.read(COPY_BYTES)):
        bytes_left -= len(piece)

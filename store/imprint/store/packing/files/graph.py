"""The commit-graph: every commit's tree, parents and generation, without reading the commit.

Format: gitformat-commit-graph(5). It may be one file or a chain of layers; commits have one number over all.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.store.packing.files.ids import IdTable
from imprint.store.packing.files.mapped import BadFile, Mapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HEADER: Final = struct.Struct(">4sBBBB")
_HASHES: Final = {20: 1, 32: 2}
_NO_PARENT: Final = 0x70000000
_EDGES: Final = 0x80000000
_LAST_EDGE: Final = 0x80000000
_CHAIN_BYTES_MAX: Final = 1024**2
_EDGE_BYTES: Final = 40


KNOWN_MAX: Final = 4096
"""Commits that stay at hand decoded: fetches walk over the newest ones again and again."""
_KNOWN_BYTES: Final = 450


class Commit(NamedTuple):
    """What walks need of a commit.

    Attributes:
        tree: its tree's raw id.
        parents: their raw ids; none of one that is cut off.
        order: in ascending order newest first: minus its generation, which is larger than that of each
            parent (the topological level), and minus its time in seconds, where that is known.
    """

    tree: bytes
    parents: tuple[bytes, ...]
    order: tuple[int, int]


class CommitGraph:
    """The layers of one repository's commit-graph, the oldest first. Empty where there is none.

    Attributes:
        layers: of the chain.

    Args:
        info_dir: the folder `objects/info`.
        id_bytes: the length of an id.
        before: what was there a moment ago: layers of it that are still there are not read again.

    Raises:
        BadFile: a layer is not what it should be, or not there.
    """

    def __init__(self, info_dir: Path, id_bytes: int, before: CommitGraph | None = None) -> None:
        self.layers: Final[list[_Layer]] = []
        known = {(layer.key, layer.below): layer for layer in before.layers} if before else {}
        below = 0
        for path in _list_layers(info_dir):
            try:
                key = _key_of(path)
                layer = known.get((key, below)) or _Layer(path, key, id_bytes, below)
            except FileNotFoundError as gone:
                raise BadFile(f"{path.name} is not there") from gone
            self.layers.append(layer)
            below += len(layer.ids)
        self._count = below
        is_same = before is not None and self.layers == before.layers
        self._known: dict[bytes, Commit] = before._known if before and is_same else {}  # noqa: SLF001 - its own

    def __len__(self) -> int:
        return self._count

    def count_bytes(self) -> int:
        """How much memory it takes once all tables were asked for."""
        known_bytes = _KNOWN_BYTES * min(self._count, KNOWN_MAX)
        return known_bytes + sum(layer.count_bytes() for layer in self.layers)

    @property
    def files(self) -> int:
        """Descriptors that it holds."""
        return sum(layer.files for layer in self.layers)

    def find(self, raw_id: bytes) -> int:
        """The number of a commit; -1 if it is not in the graph."""
        for layer in reversed(self.layers):
            place = layer.ids.find(raw_id)
            if place >= 0:
                return layer.below + place
        return -1

    def look_up(self, raw_id: bytes) -> Commit | None:
        """What is known of a commit; None if it is not in the graph.

        Raises:
            BadFile: it names a commit that is not in the graph.
        """
        if (known := self._known.get(raw_id)) is not None:
            return known
        number = self.find(raw_id)
        if number < 0:
            return None
        layer = self._layer(number)
        tree, generation, numbers = layer.read(number - layer.below)
        if any(parent >= self._count for parent in numbers):
            raise BadFile("the commit-graph names a parent that it does not hold")
        found = Commit(tree, tuple(map(self._id_of, numbers)), (-generation, 0))
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[raw_id] = found
        return found

    def _id_of(self, number: int) -> bytes:
        layer = self._layer(number)
        return layer.ids[number - layer.below]

    def _layer(self, number: int) -> _Layer:
        for layer in reversed(self.layers):
            if number >= layer.below:
                return layer
        raise BadFile("the commit-graph has no such commit")


def _list_layers(info_dir: Path) -> list[Path]:
    """Where git looks first: a single file, then the chain."""
    single = info_dir / "commit-graph"
    if single.exists():
        return [single]
    folder = info_dir / "commit-graphs"
    try:
        with (folder / "commit-graph-chain").open("rb") as file:
            names = file.read(_CHAIN_BYTES_MAX).decode("ascii", "replace").split()
    except FileNotFoundError:
        return []
    return [folder / f"graph-{name}.graph" for name in names]


def _key_of(path: Path) -> tuple[str, int, int]:
    """What tells a file from one that took its place."""
    found = path.stat()
    return path.name, found.st_ino, found.st_mtime_ns


class _Layer:
    """One file of the graph; `below` is how many commits are in those before it."""

    def __init__(self, path: Path, key: tuple[str, int, int], id_bytes: int, below: int) -> None:
        mapped = Mapped(path)
        self.key = key
        if len(mapped) < _HEADER.size + id_bytes:
            raise BadFile(f"{mapped.name} is cut off")
        magic, version, hash_version, chunk_count, _ = _HEADER.unpack_from(mapped.content)
        if magic != b"CGPH" or version != 1 or hash_version != _HASHES[id_bytes]:
            raise BadFile(f"{mapped.name} is of another version")
        mapped.check_sum(id_bytes)
        chunks = mapped.chunks(_HEADER.size, chunk_count)
        try:
            self.ids = IdTable(mapped, chunks[b"OIDF"][0], chunks[b"OIDL"][0], id_bytes)
            rows = chunks[b"CDAT"][0]
        except KeyError as lacking:
            raise BadFile(f"{mapped.name} lacks chunk {lacking}") from lacking
        self.below = below
        self._id_bytes = id_bytes
        self._row = struct.Struct(f">{id_bytes}sLLLL")
        mapped.numbers(rows, len(self.ids) * self._row.size, "u1")  # are they there?
        self._content, self._rows = mapped.content, rows
        self._edges: list[int] = []
        if edges := chunks.get(b"EDGE"):
            self._edges = mapped.numbers(edges[0], (edges[1] - edges[0]) // 4, ">u4").tolist()
        self._name = mapped.name
        self.files, self._own_bytes = mapped.files, mapped.size_bytes

    def count_bytes(self) -> int:
        return 8 * len(self.ids) + _EDGE_BYTES * len(self._edges) + self._own_bytes

    def read(self, place: int) -> tuple[bytes, int, Sequence[int]]:
        """A commit's tree, generation and the numbers of its parents."""
        row = self._row.unpack_from(self._content, self._rows + place * self._row.size)
        tree, first, second, generation, _ = row
        return tree, generation >> 2, self._read_parents(first, second)

    def _read_parents(self, first: int, second: int) -> Sequence[int]:
        if first == _NO_PARENT:
            return ()
        if second == _NO_PARENT:
            return (first,)
        if not second & _EDGES:
            return (first, second)
        parents = [first]
        for edge in self._edges[second & ~_EDGES :]:
            parents.append(edge & ~_LAST_EDGE)
            if edge & _LAST_EDGE:
                return parents
        raise BadFile(f"{self._name}: a list of parents has no end")

"""Which objects packs hold, compared id by id from their indexes. Memory: one 256th of the ids at a time."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from imprint.store.receive.packs import PackIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from imprint.store.types import HashAlgorithm


@contextmanager
def open_indexes(
    names: Iterable[str], folder: Path, algorithm: HashAlgorithm
) -> Iterator[tuple[PackIndex, ...]]:
    """The indexes of packs, open until the end of the block.

    Raises:
        StorageFailed: one is not there or no good.
    """
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(PackIndex(folder / f"{name}.idx", algorithm)) for name in sorted(names)
        )


def find_lacking(of: Sequence[PackIndex], within: Sequence[PackIndex]) -> Iterator[str]:
    """Ids that are in one of the first packs and in none of the second, ascending."""
    for first_byte in range(256):
        wanted: set[bytes] = set()
        for index in of:
            wanted.update(index.ids_beginning(first_byte))
        for index in within:
            if wanted:
                wanted.difference_update(index.ids_beginning(first_byte))
        for raw_id in sorted(wanted):
            yield raw_id.hex()

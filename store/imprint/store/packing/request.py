"""What is asked of whoever makes a pack, here or git."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imprint.store.types import ObjectId


@dataclass(frozen=True, slots=True)
class PackRequest:
    """What goes into a pack.

    Attributes:
        wants: objects to send, with everything they reach,
        haves: less these, with everything that they reach,
        edges: and these alone.
        shallow: commits to be taken for ones without parents.
        thin: deltas may build on objects that the client has.
        ofs_delta: the client reads deltas by offset.
        filter: a resolved filter specification; empty for none.
        progress: the client wants to see how it goes.
        band_bytes_max: how much of the pack one side-band frame carries; 0 for a pack without side-band.
    """

    wants: tuple[ObjectId, ...]
    haves: tuple[ObjectId, ...] = ()
    edges: tuple[ObjectId, ...] = ()
    shallow: tuple[ObjectId, ...] = ()
    thin: bool = False
    ofs_delta: bool = False
    filter: str = ""
    progress: bool = False
    band_bytes_max: int = 0

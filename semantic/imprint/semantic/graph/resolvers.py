"""The resolver of a snapshot, kept while the snapshot is.

Invariant: a resolver is one thread's: two threads that ask about one snapshot have one each.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.ladder import Resolver

if TYPE_CHECKING:
    from imprint.semantic.snapshot import Snapshot

# Snapshots whose resolvers a thread keeps, the latest asked.
_KEPT: Final = 4
_LOCAL = threading.local()


def resolver_of(snapshot: Snapshot) -> Resolver:
    """The resolver of a snapshot."""
    kept: OrderedDict[int, Resolver] = _LOCAL.__dict__.setdefault("kept", OrderedDict())
    resolver = kept.get(id(snapshot))
    if resolver is None or resolver.snapshot is not snapshot:
        resolver = kept[id(snapshot)] = Resolver(snapshot)
        while len(kept) > _KEPT:
            kept.popitem(last=False)
    kept.move_to_end(id(snapshot))
    return resolver

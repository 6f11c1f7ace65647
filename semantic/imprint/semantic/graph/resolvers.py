"""The resolver of a snapshot and its flows, kept while the snapshot is asked about.

Invariant: a resolver is one thread's: two threads that ask about one snapshot have one each.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.flows import Flows
from imprint.semantic.graph.ladder import Resolver

if TYPE_CHECKING:
    from imprint.semantic.snapshot import Snapshot

# Snapshots whose resolvers a thread keeps, the latest asked.
_KEPT: Final = 4
_LOCAL = threading.local()


def resolver_of(snapshot: Snapshot) -> Resolver:
    """The resolver of a snapshot."""
    return _both(snapshot)[0]


def flows_of(snapshot: Snapshot) -> Flows:
    """The flow of values between the files of a snapshot."""
    return _both(snapshot)[1]


def _both(snapshot: Snapshot) -> tuple[Resolver, Flows]:
    kept: OrderedDict[int, tuple[Resolver, Flows]] = _LOCAL.__dict__.setdefault("kept", OrderedDict())
    both = kept.get(id(snapshot))
    if both is None or both[0].snapshot is not snapshot:
        resolver = Resolver(snapshot)
        both = kept[id(snapshot)] = resolver, Flows(resolver)
        while len(kept) > _KEPT:
            kept.popitem(last=False)
    kept.move_to_end(id(snapshot))
    return both

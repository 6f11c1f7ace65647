"""The resolver of a commit and its flows, kept while the commit is asked about.

Invariants:
1. What is kept is a function of the commit's content: a later snapshot of the same commit takes it over.
2. One question at a time works with a resolver; `asking` waits for the one before. Questions are answered by
   computation alone, so waiting costs no more than sharing the processor would.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.flows import Flows
from imprint.semantic.graph.ladder import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.semantic.snapshot import Snapshot
    from imprint.store.types import ObjectId

# Commits whose resolvers are kept, the latest asked; of 80,000 files one takes some 60 MB.
_KEPT: Final = 6


@dataclass(slots=True)
class Desk:
    """What questions about one commit are answered with."""

    resolver: Resolver
    flows: Flows
    lock: threading.Lock = field(default_factory=threading.Lock)


_DESKS: OrderedDict[tuple[ObjectId, int], Desk] = OrderedDict()
_LOCK: Final = threading.Lock()


@contextmanager
def asking(snapshot: Snapshot) -> Iterator[Desk]:
    """Hold the desk of a snapshot's commit."""
    key = snapshot.commit, len(snapshot.paths)
    with _LOCK:
        desk = _DESKS.get(key)
    if desk is None:
        resolver = Resolver(snapshot)
        desk = Desk(resolver, Flows(resolver))
    with _LOCK:
        desk = _DESKS.setdefault(key, desk)
        _DESKS.move_to_end(key)
        while len(_DESKS) > _KEPT:
            _DESKS.popitem(last=False)
    with desk.lock:
        desk.resolver.rebind(snapshot)
        yield desk

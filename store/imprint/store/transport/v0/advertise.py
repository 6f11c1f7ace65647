"""What the server says first in protocol versions 0 and 1: every ref, and beside the first what it can do.

Source: gitprotocol-pack(5), section "Reference Discovery"; gitprotocol-capabilities(5).

Invariants:
    1. Hidden refs are not shown, and neither is HEAD while it names one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store.refs.hidden import HiddenRefs
from imprint.store.transport.capabilities import AGENT
from imprint.store.transport.pktline import Mark, render_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.hosting.repositories import Repository

_CAPABILITIES: Final = (
    "multi_ack",
    "thin-pack",
    "side-band",
    "side-band-64k",
    "ofs-delta",
    "shallow",
    "deepen-since",
    "deepen-not",
    "deepen-relative",
    "no-progress",
    "include-tag",
    "multi_ack_detailed",
    "allow-tip-sha1-in-want",
    "allow-reachable-sha1-in-want",
)


def advertise_refs(repository: Repository, protocol: int, *, is_stateless: bool) -> bytes:
    """The refs, HEAD first, then by name; each annotated tag with what it peels to.

    Args:
        repository: whose.
        protocol: 1 has a line that says so; anything else is 0.
        is_stateless: every round of the client will be a request of its own.
    """
    snapshot = repository.view.refs.snapshot()
    hides = HiddenRefs.of(repository.record).hides
    first, *others = [*_iter_lines(snapshot, hides)] or [
        repository.record.algorithm.zero.encode() + b" capabilities^{}"
    ]
    capabilities = [each.encode() for each in _CAPABILITIES]
    if is_stateless:
        capabilities.append(b"no-done")
    if first.endswith(b" HEAD"):
        capabilities.append(b"symref=HEAD:" + snapshot.head)
    capabilities += [
        b"filter",
        f"object-format={repository.record.algorithm.value}".encode(),
        AGENT.encode(),
    ]
    frames = [render_frame(b"version 1\n")] if protocol == 1 else []
    frames.append(render_frame(first + b"\0" + b" ".join(capabilities) + b"\n"))
    frames += [render_frame(line + b"\n") for line in others]
    return b"".join(frames) + Mark.FLUSH.value


def _iter_lines(snapshot: RefSnapshot, hides: Callable[[bytes], bool]) -> Iterator[bytes]:
    if snapshot.head_id and not hides(snapshot.head):
        yield snapshot.head_id.encode() + b" HEAD"
    for name, value in snapshot.refs.items():
        if not hides(name):
            yield value.id.encode() + b" " + name
            if value.peeled:
                yield value.peeled.encode() + b" " + name + b"^{}"

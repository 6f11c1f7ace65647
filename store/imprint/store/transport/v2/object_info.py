"""The `object-info` command of protocol version 2: how large objects are, without fetching them.

Source: gitprotocol-v2(5), section "object-info".

Invariants:
    1. Of an object that no visible ref reaches nothing is told, just as of one that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imprint.store.errors import BadObjectId, LimitExceeded, ProtocolError
from imprint.store.transport.negotiate import find_visible
from imprint.store.transport.pktline import Mark, render_frame
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imprint.store.hosting.repositories import Repository
    from imprint.store.limits import Limits


@dataclass(slots=True)
class ObjectInfoRequest:
    """What a client wants to know, and of which objects."""

    size: bool = False
    object_ids: list[ObjectId] = field(default_factory=list)


def parse_object_info(lines: Iterable[bytes], limits: Limits) -> ObjectInfoRequest:
    """Read the arguments of `object-info`.

    Raises:
        ProtocolError: an argument is not known or malformed.
        LimitExceeded: more objects than may be asked for.
    """
    request = ObjectInfoRequest()
    for line in lines:
        if line == b"size":
            request.size = True
        elif line.startswith(b"oid "):
            try:
                request.object_ids.append(ObjectId.parse(line.removeprefix(b"oid ")))
            except BadObjectId as bad:
                raise ProtocolError(f"object-info: {bad.message}") from bad
        else:
            raise ProtocolError(f"object-info: unexpected line {line[:80]!r}")
        if len(request.object_ids) > limits.wants_max:
            raise LimitExceeded(f"more than {limits.wants_max} objects in one request", limit="wants_max")
    return request


def serve_object_info(repository: Repository, request: ObjectInfoRequest) -> Iterator[bytes]:
    """The answer: a line per object, in order; without a size for what is not there."""
    if not request.size:
        sizes = {}
    else:
        yield render_frame("size")
        sizes = _find_sizes(repository, request.object_ids)
    for each in request.object_ids:
        yield render_frame(f"{each} {sizes.get(each, '')}" if request.size else each)
    yield Mark.FLUSH.value


def _find_sizes(repository: Repository, object_ids: Iterable[ObjectId]) -> dict[ObjectId, int]:
    wanted = frozenset(object_ids)
    visible = sorted(find_visible(repository, repository.view.refs.snapshot(), wanted))
    answers = repository.view.plumbing.run(
        "cat-file",
        "--buffer",
        "--batch-check=%(objectname) %(objectsize)",
        stdin="".join(f"{each}\n" for each in visible).encode(),
    )
    pairs = (line.split() for line in answers.decode("ascii").splitlines())
    return {ObjectId(name): int(size) for name, size in pairs}

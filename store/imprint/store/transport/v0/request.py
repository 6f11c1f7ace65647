"""What a client says in protocol versions 0 and 1: its wants, then what it has, batch by batch.

Source: gitprotocol-pack(5), section "Packfile Negotiation".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadObjectId, LimitExceeded, ProtocolError
from imprint.store.transport.capabilities import verify_object_format
from imprint.store.transport.pktline import Mark
from imprint.store.transport.v2.request import FetchRequest, add_argument
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from imprint.store.limits import Limits
    from imprint.store.transport.pktline import FrameReader
    from imprint.store.types import HashAlgorithm

_WITH_VALUE: Final = frozenset({b"want", b"shallow", b"deepen", b"deepen-since", b"deepen-not", b"filter"})


@dataclass(frozen=True, slots=True)
class Batch:
    """What a client has, up to where it waits for an answer.

    Attributes:
        haves: objects, in its order.
        is_done: it will say no more, and wants the pack now.
    """

    haves: tuple[ObjectId, ...]
    is_done: bool


def parse_wants(reader: FrameReader, limits: Limits, algorithm: HashAlgorithm) -> FetchRequest | None:
    """Read the first section; None if the client wants nothing. The capabilities it chose become flags.

    Raises:
        ProtocolError: a line is not known or malformed.
        LimitExceeded: more wants than allowed.
    """
    request = FetchRequest()
    while isinstance(line := reader.read(), bytes):
        _add_line(request, line.removesuffix(b"\n"))
        request.verify(limits)
    if line is not Mark.FLUSH and (line or request.wants or request.shallow):
        raise ProtocolError("the wants of a fetch end with a flush packet")
    if not request.wants:
        return None
    verify_object_format(request.flags, algorithm)
    if any(want.algorithm is not algorithm for want in request.wants):
        raise ProtocolError(f"this repository's object format is {algorithm.value}")
    return request


def _add_line(request: FetchRequest, line: bytes) -> None:
    name, _, value = line.partition(b" ")
    if name not in _WITH_VALUE:
        raise ProtocolError(f"expected what is wanted, not {line[:80]!r}")
    if name == b"want":
        value, _, capabilities = value.partition(b" ")
        request.flags.update(capabilities.split())
    if name == b"filter" and b"filter" not in request.flags:
        raise ProtocolError("a filter needs the capability filter")
    add_argument(request, name, value)


def read_batch(reader: FrameReader, limits: Limits) -> Batch | None:
    """Read up to the next flush packet or `done`; None where the client says nothing more.

    Raises:
        ProtocolError: a line is not known or malformed, or the stream ends within a batch.
        LimitExceeded: more haves than allowed.
    """
    haves: list[ObjectId] = []
    while isinstance(line := reader.read(), bytes):
        line = line.removesuffix(b"\n")
        if line == b"done":
            return Batch(tuple(haves), is_done=True)
        try:
            if not line.startswith(b"have "):
                raise ProtocolError(f"expected what the client has, not {line[:80]!r}")
            haves.append(ObjectId.parse(line.removeprefix(b"have ")))
        except BadObjectId as bad:
            raise ProtocolError(bad.message) from bad
        if len(haves) > limits.haves_max:
            raise LimitExceeded(f"more than {limits.haves_max} haves in one request", limit="haves_max")
    if line is None and not haves:
        return None
    if line is not Mark.FLUSH:
        raise ProtocolError("the haves of a fetch end with a flush packet or done")
    return Batch(tuple(haves), is_done=False)

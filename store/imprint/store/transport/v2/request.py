"""What a client asks for in a fetch, and how it writes that down.

Source: gitprotocol-v2(5), section "fetch". Versions 0 and 1 have most of these lines too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadObjectId, LimitExceeded, ProtocolError
from imprint.store.transport.packs.filters import parse_filter
from imprint.store.transport.shallow import Depth
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.store.limits import Limits

_FLAGS: Final = frozenset(
    {
        b"done",
        b"thin-pack",
        b"no-progress",
        b"include-tag",
        b"ofs-delta",
        b"deepen-relative",
        b"wait-for-done",
        b"sideband-all",
    }
)


@dataclass(slots=True)
class FetchRequest:
    """What a client sent.

    Attributes:
        wants, want_refs: objects by id and refs by name that it wants.
        haves: objects that it has, with everything they reach.
        shallow: commits whose parents it lacks.
        flags: the arguments without a value.
        deepen: number of commits from each tip, 0 if not asked for.
        deepen_since: seconds since the epoch, None if not asked for.
        deepen_not: refs below which it wants nothing.
        filter: a filter specification as the client wrote it; empty for none.
    """

    wants: list[ObjectId] = field(default_factory=list)
    want_refs: list[bytes] = field(default_factory=list)
    haves: list[ObjectId] = field(default_factory=list)
    shallow: list[ObjectId] = field(default_factory=list)
    flags: set[bytes] = field(default_factory=set)
    deepen: int = 0
    deepen_since: int | None = None
    deepen_not: list[bytes] = field(default_factory=list)
    filter: str = ""

    @property
    def depth(self) -> Depth:
        """Where history shall end."""
        return Depth(
            commits=self.deepen,
            is_relative=b"deepen-relative" in self.flags,
            since_s=self.deepen_since,
            not_refs=tuple(self.deepen_not),
        )

    def verify(self, limits: Limits) -> None:
        """Check what was said against the bounds, and for what contradicts itself.

        Raises:
            LimitExceeded: more wants or haves than allowed.
            ProtocolError: two ways to say where history ends.
        """
        if len(self.wants) + len(self.want_refs) > limits.wants_max:
            raise LimitExceeded(f"more than {limits.wants_max} wants in one fetch", limit="wants_max")
        if len(self.haves) + len(self.shallow) + len(self.deepen_not) > limits.haves_max:
            raise LimitExceeded(f"more than {limits.haves_max} haves in one request", limit="haves_max")
        if self.deepen and (self.deepen_since is not None or self.deepen_not):
            raise ProtocolError("deepen cannot be used together with deepen-since or deepen-not")


def parse_fetch(lines: Iterable[bytes], limits: Limits) -> FetchRequest:
    """Read the arguments of `fetch`.

    Raises:
        ProtocolError: an argument is not known or malformed.
        LimitExceeded: more wants or haves than allowed.
    """
    request = FetchRequest()
    for line in lines:
        if line in _FLAGS:
            request.flags.add(line)
        else:
            add_argument(request, *line.split(b" ", 1))
        request.verify(limits)
    return request


def add_argument(request: FetchRequest, name: bytes, value: bytes = b"") -> None:
    """Add one line that has a value.

    Raises:
        ProtocolError: it is not known or malformed.
    """
    ids = {b"want": request.wants, b"have": request.haves, b"shallow": request.shallow}
    names = {b"want-ref": request.want_refs, b"deepen-not": request.deepen_not}
    try:
        if name in ids:
            ids[name].append(ObjectId.parse(value))
        elif name in names and value:
            names[name].append(value)
        elif name == b"deepen":
            request.deepen = _parse_positive(value)
        elif name == b"deepen-since":
            request.deepen_since = _parse_positive(value)
        elif name == b"filter" and not request.filter:
            request.filter = value.decode("ascii")
            parse_filter(request.filter)
        else:
            raise ProtocolError(f"argument {name[:80]!r} of fetch is not understood")
    except (BadObjectId, ValueError) as bad:
        raise ProtocolError(f"argument {name[:80]!r} of fetch is malformed") from bad


def _parse_positive(value: bytes) -> int:
    number = int(value)
    if number <= 0:
        raise ValueError(value)
    return number

"""The `fetch` command of protocol version 2: what the client wants, has and can do without.

Source: gitprotocol-v2(5), section "fetch". The answer has its sections in this order, each only when there
is something to say: acknowledgments, shallow-info, wanted-refs, packfile.

Invariants:
    1. A want is answered only if a visible ref has it or reaches it, or had it until a moment ago. That it
       lies on disk is not enough.
    2. The request is stateless: everything that an earlier round settled is said again by the client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.errors import (
    BadInput,
    BadObjectId,
    LimitExceeded,
    ObjectMissing,
    ProtocolError,
    RefMissing,
)
from imprint.store.receive.policy import is_hidden
from imprint.store.transport.negotiate import find_common, find_tags_along, is_ready, verify_wants
from imprint.store.transport.packer import PackRequest, stream_pack, verify_filter
from imprint.store.transport.pktline import Mark, render_frame
from imprint.store.transport.shallow import Depth, ShallowUpdate, find_shallow_update
from imprint.store.types import ObjectId, RefName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.hosting.repositories import Repository
    from imprint.store.limits import Limits
    from imprint.store.transport.pktline import FrameReader

_FLAGS: Final = frozenset(
    {
        b"done",
        b"thin-pack",
        b"no-progress",
        b"include-tag",
        b"ofs-delta",
        b"deepen-relative",
        b"wait-for-done",
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
        filter: a filter specification as git writes it; empty for none.
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


def parse_fetch(reader: FrameReader, limits: Limits) -> FetchRequest:
    """Read the arguments of `fetch`.

    Raises:
        ProtocolError: an argument is not known or malformed.
        LimitExceeded: more wants or haves than allowed.
    """
    request = FetchRequest()
    for line in reader.iter_section():
        if line in _FLAGS:
            request.flags.add(line)
        else:
            _add_argument(request, *line.split(b" ", 1))
        if len(request.wants) + len(request.want_refs) > limits.wants_max:
            raise LimitExceeded(f"more than {limits.wants_max} wants in one fetch", limit="wants_max")
        if len(request.haves) + len(request.shallow) + len(request.deepen_not) > limits.haves_max:
            raise LimitExceeded(f"more than {limits.haves_max} haves in one request", limit="haves_max")
    if request.deepen and (request.deepen_since is not None or request.deepen_not):
        raise ProtocolError("deepen cannot be used together with deepen-since or deepen-not")
    return request


def _add_argument(request: FetchRequest, name: bytes, value: bytes = b"") -> None:
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
            verify_filter(request.filter)
        else:
            raise ProtocolError(f"argument {name[:80]!r} of fetch is not understood")
    except (BadObjectId, ValueError) as bad:
        raise ProtocolError(f"argument {name[:80]!r} of fetch is malformed") from bad


def _parse_positive(value: bytes) -> int:
    number = int(value)
    if number <= 0:
        raise ValueError(value)
    return number


def serve_fetch(
    repository: Repository, request: FetchRequest, recent_tips: Callable[[], frozenset[ObjectId]]
) -> Iterator[bytes]:
    """The answer to a fetch. What cannot be given is answered by an error line, as git does."""
    try:
        yield from _serve(repository, request, recent_tips)
    except (BadInput, ObjectMissing, RefMissing) as refusal:
        yield render_frame(f"ERR upload-pack: {refusal.message}")


def _serve(
    repository: Repository, request: FetchRequest, recent_tips: Callable[[], frozenset[ObjectId]]
) -> Iterator[bytes]:
    snapshot = repository.view.refs.snapshot()
    wanted_refs = _find_wanted_refs(snapshot, request)
    wants = tuple(dict.fromkeys([*request.wants, *wanted_refs.values()]))
    if not wants and not (request.haves and b"wait-for-done" in request.flags):
        return
    verify_wants(repository, snapshot, wants, recent_tips)
    common = find_common(repository, request.haves)
    if request.haves and b"done" not in request.flags:
        ready = b"wait-for-done" not in request.flags and is_ready(repository, wants, common)
        yield _render_acknowledgments(common, is_ready=ready)
        if not ready:
            return
    update = find_shallow_update(repository, snapshot, wants, request.shallow, _depth(request))
    wants += update.more_wants
    if b"include-tag" in request.flags:
        wants += find_tags_along(repository, snapshot, wants, common, update.boundary)
    # The first section with content starts the stream: from here on, errors can only be told in its band.
    yield _render_shallow_info(request, update)
    yield _render_wanted_refs(wanted_refs)
    yield render_frame("packfile\n")
    yield from stream_pack(
        repository.view.plumbing,
        PackRequest(
            wants=wants,
            haves=tuple(common),
            shallow=update.boundary,
            edges=update.edges,
            thin=b"thin-pack" in request.flags,
            ofs_delta=b"ofs-delta" in request.flags,
            filter=request.filter,
            progress=b"no-progress" not in request.flags,
        ),
    )
    yield Mark.FLUSH.value


def _find_wanted_refs(snapshot: RefSnapshot, request: FetchRequest) -> dict[bytes, ObjectId]:
    found: dict[bytes, ObjectId] = {}
    for name in request.want_refs:
        value = snapshot.refs.get(snapshot.head if name == b"HEAD" else RefName(name))
        if value is None or is_hidden(name):
            raise RefMissing(f"unknown ref {name.decode('utf-8', 'backslashreplace')}")
        found[name] = value.id
    return found


def _depth(request: FetchRequest) -> Depth:
    return Depth(
        commits=request.deepen,
        is_relative=b"deepen-relative" in request.flags,
        since_s=request.deepen_since,
        not_refs=tuple(request.deepen_not),
    )


def _render_acknowledgments(common: list[ObjectId], *, is_ready: bool) -> bytes:
    lines = ["acknowledgments\n", *(f"ACK {each}\n" for each in common)]
    if not common:
        lines.append("NAK\n")
    if is_ready:
        lines.append("ready\n")
    end = Mark.DELIMITER if is_ready else Mark.FLUSH
    return b"".join(render_frame(line) for line in lines) + end.value


def _render_shallow_info(request: FetchRequest, update: ShallowUpdate) -> bytes:
    if not _depth(request).is_asked and not request.shallow:
        return b""
    lines = ["shallow-info\n", *(f"shallow {each}\n" for each in update.shallow)]
    lines += [f"unshallow {each}\n" for each in update.unshallow]
    return b"".join(render_frame(line) for line in lines) + Mark.DELIMITER.value


def _render_wanted_refs(wanted_refs: dict[bytes, ObjectId]) -> bytes:
    if not wanted_refs:
        return b""
    lines = [target.encode() + b" " + name + b"\n" for name, target in wanted_refs.items()]
    return b"".join(render_frame(line) for line in (b"wanted-refs\n", *lines)) + Mark.DELIMITER.value

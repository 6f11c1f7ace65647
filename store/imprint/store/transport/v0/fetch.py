"""A fetch in protocol versions 0 and 1: where history ends, what is common, and the pack.

Source: gitprotocol-pack(5), sections "Packfile Negotiation" and "Packfile Data".

Invariants:
    1. A want is answered only if a visible ref has it or reaches it, or had it until a moment ago.
    2. Over HTTP everything that an earlier round settled is said again by the client; on a connection it is
       kept from round to round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.errors import BadInput, LimitExceeded, ObjectMissing, RefMissing
from imprint.store.packing.request import PackRequest
from imprint.store.transport.negotiate import find_tags_along, verify_wants
from imprint.store.transport.packs.filters import resolve_filter
from imprint.store.transport.packs.packer import send_pack
from imprint.store.transport.pktline import BAND_BYTES_MAX, OLD_BAND_BYTES_MAX, Mark, render_frame
from imprint.store.transport.shallow import find_shallow_update
from imprint.store.transport.v0.acks import Acknowledger
from imprint.store.transport.v0.request import parse_wants, read_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from imprint.store.hosting.repositories import Repository
    from imprint.store.limits import Limits
    from imprint.store.transport.pktline import FrameReader
    from imprint.store.transport.v0.request import Batch
    from imprint.store.transport.v2.request import FetchRequest
    from imprint.store.types import ObjectId


def serve_round(
    repository: Repository,
    reader: FrameReader,
    limits: Limits,
    recent_tips: Callable[[], frozenset[ObjectId]] = frozenset,
) -> Iterator[bytes] | None:
    """Read one request over HTTP and answer it; None if it wants nothing.

    Raises:
        ProtocolError, LimitExceeded: at once: the request cannot be read.
    """
    request = parse_wants(reader, limits, repository.record.algorithm)
    if request is None:
        return None
    batch = read_batch(reader, limits)
    return _serve(repository, request, [batch] if batch else [], limits, recent_tips)


def serve_conversation(
    repository: Repository,
    reader: FrameReader,
    limits: Limits,
    recent_tips: Callable[[], frozenset[ObjectId]] = frozenset,
) -> Iterator[bytes] | None:
    """Read what is wanted on a connection, and answer as the client goes on; None if it wants nothing.

    Raises:
        ProtocolError, LimitExceeded: at once: what is wanted cannot be read.
    """
    request = parse_wants(reader, limits, repository.record.algorithm)
    if request is None:
        return None
    return _serve(repository, request, _iter_batches(reader, limits), limits, recent_tips)


def _iter_batches(reader: FrameReader, limits: Limits) -> Iterator[Batch]:
    """What a client says round after round: together that may be much, at once it is bounded."""
    while batch := read_batch(reader, limits):
        yield batch
        reader.renew()


def _serve(
    repository: Repository,
    request: FetchRequest,
    batches: Iterable[Batch],
    limits: Limits,
    recent_tips: Callable[[], frozenset[ObjectId]],
) -> Iterator[bytes]:
    """The answer. What cannot be given is answered by an error line, as git does."""
    try:
        yield from _answer(repository, request, batches, limits, recent_tips)
    except (BadInput, ObjectMissing, RefMissing) as refusal:
        yield render_frame(f"ERR upload-pack: {refusal.message}")


def _answer(
    repository: Repository,
    request: FetchRequest,
    batches: Iterable[Batch],
    limits: Limits,
    recent_tips: Callable[[], frozenset[ObjectId]],
) -> Iterator[bytes]:
    snapshot = repository.view.refs.snapshot()
    wants = tuple(dict.fromkeys(request.wants))
    verify_wants(repository, snapshot, wants, recent_tips)
    object_filter = resolve_filter(repository, snapshot, request.filter)
    update = find_shallow_update(repository, snapshot, wants, request.shallow, request.depth)
    if request.depth.is_asked:
        yield b"".join(map(render_frame, update.lines)) + Mark.FLUSH.value
    acknowledger = Acknowledger(repository, wants, request.flags)
    for batch in batches:
        yield b"".join(acknowledger.answer(batch))
        if acknowledger.is_over:
            break
        if len(acknowledger.common) > limits.haves_max:
            raise LimitExceeded(f"more than {limits.haves_max} common objects", limit="haves_max")
    else:
        return
    common = tuple(acknowledger.common)
    wants += update.more_wants
    if b"include-tag" in request.flags:
        wants += find_tags_along(repository, snapshot, wants, common, update.boundary)
    band_bytes_max = _find_band_bytes(request.flags)
    yield from send_pack(
        repository,
        PackRequest(
            wants=wants,
            haves=common,
            shallow=update.boundary,
            edges=update.edges,
            thin=b"thin-pack" in request.flags,
            ofs_delta=b"ofs-delta" in request.flags,
            filter=object_filter,
            progress=b"no-progress" not in request.flags,
            band_bytes_max=band_bytes_max,
        ),
    )
    if band_bytes_max:
        yield Mark.FLUSH.value


def _find_band_bytes(capabilities: Collection[bytes]) -> int:
    if b"side-band-64k" in capabilities:
        return BAND_BYTES_MAX
    return OLD_BAND_BYTES_MAX if b"side-band" in capabilities else 0

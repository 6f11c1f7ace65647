"""The `fetch` command of protocol version 2: what the client wants, has and can do without.

Source: gitprotocol-v2(5), section "fetch". The answer has its sections in this order, each only when there
is something to say: acknowledgments, shallow-info, wanted-refs, packfile.

Invariants:
    1. A want is answered only if a visible ref has it or reaches it, or had it until a moment ago. That it
       lies on disk is not enough.
    2. The request is stateless: everything that an earlier round settled is said again by the client. So the
       same request has the same answer while refs and packs stay; see `kept`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.errors import BadInput, ObjectMissing, RefMissing
from imprint.store.packing.request import PackRequest
from imprint.store.transport.negotiate import (
    find_common,
    find_ref,
    find_tags_along,
    is_ready,
    verify_wants,
)
from imprint.store.transport.packs.filters import resolve_filter
from imprint.store.transport.packs.packer import send_pack
from imprint.store.transport.pktline import BAND_BYTES_MAX, Band, Mark, render_band, render_frame
from imprint.store.transport.shallow import ShallowUpdate, find_shallow_update
from imprint.store.transport.v2.kept import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.hosting.repositories import Repository
    from imprint.store.transport.v2.request import FetchRequest
    from imprint.store.types import ObjectId


def serve_fetch(
    repository: Repository,
    request: FetchRequest,
    recent_tips: Callable[[], frozenset[ObjectId]],
    asked: str = "",
) -> Iterator[bytes]:
    """The answer to a fetch. What cannot be given is answered by an error line, as git does.

    Args:
        repository: whose.
        request: what is asked for.
        recent_tips: gives ids that refs had a moment ago.
        asked: the name of the request, for an answer that is kept; see `kept`.
    """
    try:
        snapshot = repository.view.refs.snapshot()
        draft = Draft(repository, snapshot, asked)
        if answer := draft.find():
            yield answer
        else:
            yield from draft.gather(_serve(repository, snapshot, request, draft, recent_tips))
    except (BadInput, ObjectMissing, RefMissing) as refusal:
        if b"sideband-all" in request.flags:
            yield render_band(Band.FATAL, f"upload-pack: {refusal.message}\n".encode())
        else:
            yield render_frame(f"ERR upload-pack: {refusal.message}")


def _serve(
    repository: Repository,
    snapshot: RefSnapshot,
    request: FetchRequest,
    draft: Draft,
    recent_tips: Callable[[], frozenset[ObjectId]],
) -> Iterator[bytes]:
    wanted_refs = _find_wanted_refs(repository, snapshot, request)
    wants = tuple(dict.fromkeys([*request.wants, *wanted_refs.values()]))
    if not wants and not (request.haves and b"wait-for-done" in request.flags):
        return
    verify_wants(repository, snapshot, wants, draft.watch(recent_tips))
    object_filter = resolve_filter(repository, snapshot, request.filter)
    common = find_common(repository, request.haves)
    if request.haves and b"done" not in request.flags:
        ready = b"wait-for-done" not in request.flags and is_ready(repository, wants, common)
        yield _render_acknowledgments(request, common, is_ready=ready)
        if not ready:
            return
    update = find_shallow_update(repository, snapshot, wants, request.shallow, request.depth)
    wants += update.more_wants
    if b"include-tag" in request.flags:
        wants += find_tags_along(repository, snapshot, wants, common, update.boundary)
    # The first section with content starts the stream: from here on, errors can only be told in its band.
    yield _render_shallow_info(request, update)
    yield _render_wanted_refs(request, wanted_refs)
    yield _render_lines(request, [b"packfile\n"])
    yield from send_pack(
        repository,
        PackRequest(
            wants=wants,
            haves=tuple(common),
            shallow=update.boundary,
            edges=update.edges,
            thin=b"thin-pack" in request.flags,
            ofs_delta=b"ofs-delta" in request.flags,
            filter=object_filter,
            progress=b"no-progress" not in request.flags,
            band_bytes_max=BAND_BYTES_MAX,
        ),
        left_to_git=draft.drop,
    )
    yield Mark.FLUSH.value


def _render_lines(request: FetchRequest, lines: Iterable[bytes], end: Mark | None = None) -> bytes:
    """Lines of a section; with `sideband-all` each is on the data band, the mark at the end never."""
    band = bytes((Band.DATA,)) if b"sideband-all" in request.flags else b""
    return b"".join(render_frame(band + line) for line in lines) + (end.value if end else b"")


def _find_wanted_refs(
    repository: Repository, snapshot: RefSnapshot, request: FetchRequest
) -> dict[bytes, ObjectId]:
    found: dict[bytes, ObjectId] = {}
    for name in request.want_refs:
        value = find_ref(repository, snapshot, name, in_full=True)
        if value is None:
            raise RefMissing(f"unknown ref {name.decode('utf-8', 'backslashreplace')}")
        found[name] = value.id
    return found


def _render_acknowledgments(request: FetchRequest, common: list[ObjectId], *, is_ready: bool) -> bytes:
    lines = [b"acknowledgments\n", *(f"ACK {each}\n".encode() for each in common)]
    if not common:
        lines.append(b"NAK\n")
    if is_ready:
        lines.append(b"ready\n")
    return _render_lines(request, lines, Mark.DELIMITER if is_ready else Mark.FLUSH)


def _render_shallow_info(request: FetchRequest, update: ShallowUpdate) -> bytes:
    if not request.depth.is_asked and not request.shallow:
        return b""
    return _render_lines(request, [b"shallow-info\n", *update.lines], Mark.DELIMITER)


def _render_wanted_refs(request: FetchRequest, wanted_refs: dict[bytes, ObjectId]) -> bytes:
    if not wanted_refs:
        return b""
    lines = [target.encode() + b" " + name + b"\n" for name, target in wanted_refs.items()]
    return _render_lines(request, [b"wanted-refs\n", *lines], Mark.DELIMITER)

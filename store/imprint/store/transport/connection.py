"""Git's protocol on a connection that stays open both ways, as over SSH: the server speaks first.

Source: gitprotocol-pack(5), gitprotocol-v2(5). The same requests as over HTTP, one after the other, with what
HTTP's own framing says there found in the stream itself: where a request ends, and where a pack does.

Invariants:
    1. Nothing is waited for that a client does not owe: reading stops at the end of each request.
    2. Whatever is refused is told to the client first.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, BinaryIO, cast

from imprint.store.errors import BadInput, LimitExceeded
from imprint.store.transport.packs.packend import PackReader
from imprint.store.transport.pktline import render_frame
from imprint.store.transport.receive_pack import advertise_receive, answer_push, parse_receive
from imprint.store.transport.upload_pack import PROTOCOL_VERSION, advertise_upload, open_frames
from imprint.store.transport.v0.fetch import serve_conversation
from imprint.store.transport.v2.commands import serve_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.store.actors import Principal
    from imprint.store.errors import StoreError
    from imprint.store.hosting.repositories import Repository
    from imprint.store.limits import Limits
    from imprint.store.receive.receiver import Receiver
    from imprint.store.types import ObjectId


def serve_upload_connection(
    repository: Repository,
    protocol: int,
    reader: BinaryIO,
    write: Callable[[bytes], None],
    limits: Limits,
    recent_tips: Callable[[], frozenset[ObjectId]] = frozenset,
) -> None:
    """Serve a clone or fetch, from the advertisement to the client's last word; as `serve_upload_request`."""
    begin_upload_connection(repository, protocol, write)
    while serve_upload_request(repository, protocol, reader, write, limits, recent_tips):
        pass


def begin_upload_connection(repository: Repository, protocol: int, write: Callable[[bytes], None]) -> None:
    """Speak first: the advertisement for a clone or fetch, before anything is read."""
    write(advertise_upload(repository, protocol, over_http=False))


def serve_upload_request(
    repository: Repository,
    protocol: int,
    reader: BinaryIO,
    write: Callable[[bytes], None],
    limits: Limits,
    recent_tips: Callable[[], frozenset[ObjectId]] = frozenset,
) -> bool:
    """Serve one command of version 2, or the whole conversation of an older one; whether another may follow.

    Args:
        repository: whose.
        protocol: the version that the client asks for in GIT_PROTOCOL; 0 without one.
        reader: what the client sends. `read1`, or `read` where there is none, may wait for bytes and gives
            those that have come, none only at the end.
        write: takes bytes to the client; what it raises ends the conversation.
        limits: how much may be asked for.
        recent_tips: gives ids that refs had a moment ago, which may still be asked for; see `recent`.

    Raises:
        BadInput, LimitExceeded: a request cannot be read. The client has been told.
    """
    serve = serve_command if protocol == PROTOCOL_VERSION else serve_conversation
    try:
        answer = serve(repository, open_frames(reader), limits, recent_tips)
        if answer is not None:
            _write_all(write, answer)
    except (BadInput, LimitExceeded) as refusal:
        write(_render_error("upload-pack", refusal))
        raise
    return answer is not None and protocol == PROTOCOL_VERSION


def serve_receive_connection(
    repository: Repository,
    principal: Principal,
    protocol: int,
    reader: BinaryIO,
    write: Callable[[bytes], None],
    receiver: Receiver,
) -> None:
    """Serve a push, from the advertisement to the report; as `serve_receive_request`."""
    begin_receive_connection(repository, protocol, write, receiver)
    serve_receive_request(repository, principal, reader, write, receiver)


def begin_receive_connection(
    repository: Repository, protocol: int, write: Callable[[bytes], None], receiver: Receiver
) -> None:
    """Speak first: the advertisement for a push, before anything is read."""
    write(advertise_receive(repository, receiver.hosting.limits, protocol, over_http=False))


def serve_receive_request(
    repository: Repository,
    principal: Principal,
    reader: BinaryIO,
    write: Callable[[bytes], None],
    receiver: Receiver,
) -> None:
    """Serve a push, from its commands to the report.

    Args:
        repository: where to.
        principal: who pushes.
        reader: what the client sends; see `serve_upload_request`. It is read on another thread too.
        write: takes bytes to the client; what it raises ends the conversation, and not the push.
        receiver: what receives.

    Raises:
        BadInput, LimitExceeded: the commands cannot be read. The client has been told.
    """
    algorithm = repository.record.algorithm
    try:
        request = parse_receive(reader, receiver.hosting.limits, algorithm)
    except (BadInput, LimitExceeded) as refusal:
        write(_render_error("receive-pack", refusal))
        raise
    if request is not None:
        pack = cast("BinaryIO", PackReader(reader, algorithm)) if request.has_pack else None
        _write_all(write, answer_push(request, repository, principal, receiver, pack))


def _write_all(write: Callable[[bytes], None], pieces: Iterator[bytes]) -> None:
    with ExitStack() as stack:
        if isinstance(pieces, Generator):  # what still runs for a client that went away ends before this does
            stack.enter_context(closing(pieces))
        for piece in pieces:
            if piece:
                write(piece)


def _render_error(service: str, refusal: StoreError) -> bytes:
    return render_frame(f"ERR {service}: {refusal.message}"[:1000])

"""The sending side of clone and fetch: `git-upload-pack`, in the version that the client speaks.

Source: gitprotocol-pack(5), gitprotocol-v2(5), gitprotocol-http(5).

Invariants:
    1. Hidden refs are neither shown nor usable.
    2. What a client names reaches git as an id that was checked, or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from imprint.store.transport.pktline import FrameReader, Mark, render_frame
from imprint.store.transport.v0.advertise import advertise_refs
from imprint.store.transport.v0.fetch import serve_round
from imprint.store.transport.v2.commands import advertise_commands, serve_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.store.hosting.repositories import Repository
    from imprint.store.limits import Limits
    from imprint.store.types import ObjectId

PROTOCOL_VERSION: Final = 2
"""The newest version."""
SERVICE: Final = render_frame("# service=git-upload-pack\n") + Mark.FLUSH.value
"""Precedes an advertisement of versions 0 and 1 over HTTP (gitprotocol-http(5))."""
_REQUEST_BYTES_MAX: Final = 64 * 1024**2
"""A request with the most wants and haves allowed takes about 12 MB."""


def advertise_upload(repository: Repository, protocol: int, *, over_http: bool = True) -> bytes:
    """What the server says first.

    Args:
        repository: whose.
        protocol: the version that the client asks for; 0 without one.
        over_http: as the whole answer to `GET info/refs?service=git-upload-pack`.
    """
    if protocol == PROTOCOL_VERSION:
        return advertise_commands(repository)
    service = SERVICE if over_http else b""
    return service + advertise_refs(repository, protocol, is_stateless=over_http)


def serve_upload(
    repository: Repository,
    body: BinaryIO,
    limits: Limits,
    recent_tips: Callable[[], frozenset[ObjectId]] = frozenset,
    protocol: int = PROTOCOL_VERSION,
    asked: str = "",
) -> Iterator[bytes]:
    """Answer `POST git-upload-pack`: one command of version 2, or one round of an older version.

    Args:
        repository: whose.
        body: the request, no longer compressed. It is read before this returns.
        limits: how much may be asked for.
        recent_tips: gives ids that refs had a moment ago, which may still be asked for; see `recent`.
        protocol: the version that the request is in.
        asked: the name of the whole request, for an answer that is kept; see `v2.kept`.

    Raises:
        ProtocolError, LimitExceeded: at once, before the first byte of the answer: the request cannot be
            read. What is asked for and cannot be given is told in the answer.
    """
    reader = open_frames(body)
    if protocol == PROTOCOL_VERSION:
        answer = serve_command(repository, reader, limits, recent_tips, asked)
    else:
        answer = serve_round(repository, reader, limits, recent_tips)
    return iter(()) if answer is None else answer


def open_frames(stream: BinaryIO) -> FrameReader:
    """A reader for one request, bounded."""
    return FrameReader(stream, bytes_max=_REQUEST_BYTES_MAX, limit="haves_max")

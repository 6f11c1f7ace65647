"""The sending side of clone and fetch: `git-upload-pack`, protocol version 2, over stateless HTTP.

Source: gitprotocol-v2(5), gitprotocol-http(5). Refs come from the catalogue, never from files.

Invariants:
    1. Hidden refs are neither shown nor usable.
    2. What a client names reaches git as an id that was checked, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from imprint.store.errors import ProtocolError
from imprint.store.receive.policy import is_hidden
from imprint.store.transport.capabilities import AGENT, verify_object_format
from imprint.store.transport.fetch import parse_fetch, serve_fetch
from imprint.store.transport.pktline import FrameReader, Mark, render_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.store.hosting.repositories import Repository
    from imprint.store.limits import Limits
    from imprint.store.types import ObjectId, RefName, RefValue

PROTOCOL_VERSION: Final = 2
_FETCH_FEATURES: Final = "shallow wait-for-done filter ref-in-want"
_REFUSAL: Final = (
    "this server speaks Git protocol version 2 only: use git 2.26 or newer,"
    " or git 2.18 or newer with 'git config --global protocol.version 2'"
)
_REQUEST_BYTES_MAX: Final = 64 * 1024**2
"""A request with the most wants and haves allowed takes about 12 MB."""
_PREFIXES_MAX: Final = 65_536
"""With more prefixes than this a client gets all refs, as from git (ls-refs.c)."""


@dataclass(frozen=True, slots=True)
class LsRefsRequest:
    """What a client wants to know of the refs."""

    prefixes: tuple[bytes, ...]
    peel: bool
    symrefs: bool
    unborn: bool


def advertise_upload(repository: Repository, protocol: int) -> bytes:
    """The whole answer to `GET info/refs?service=git-upload-pack`.

    Args:
        repository: whose.
        protocol: the version that the client asks for in the header `Git-Protocol`; 0 without one.
    """
    if protocol != PROTOCOL_VERSION:
        service = render_frame("# service=git-upload-pack\n") + Mark.FLUSH.value
        return service + render_frame(f"ERR {_REFUSAL}") + Mark.FLUSH.value
    lines = (
        "version 2",
        AGENT,
        "ls-refs=unborn",
        f"fetch={_FETCH_FEATURES}",
        "server-option",
        f"object-format={repository.record.algorithm.value}",
    )
    return b"".join(render_frame(f"{line}\n") for line in lines) + Mark.FLUSH.value


def serve_upload(
    repository: Repository,
    body: BinaryIO,
    limits: Limits,
    recent_tips: Callable[[], frozenset[ObjectId]] = frozenset,
) -> Iterator[bytes]:
    """Answer `POST git-upload-pack`: one command of protocol version 2.

    Args:
        repository: whose.
        body: the request, no longer compressed. It is read to its end before this returns.
        limits: how much may be asked for.
        recent_tips: gives ids that refs had a moment ago, which may still be asked for; see `recent`.

    Raises:
        ProtocolError, LimitExceeded: at once, before the first byte of the answer: the request cannot be
            read. What is asked for and cannot be given is told in the answer.
    """
    answer = serve_upload_command(repository, body, limits, recent_tips)
    return iter(()) if answer is None else answer


def serve_upload_command(
    repository: Repository,
    stream: BinaryIO,
    limits: Limits,
    recent_tips: Callable[[], frozenset[ObjectId]] = frozenset,
) -> Iterator[bytes] | None:
    """Read one command and answer it; None where a flush packet or the end comes instead.

    Raises:
        ProtocolError, LimitExceeded: at once: the command cannot be read.
    """
    reader = FrameReader(stream, bytes_max=_REQUEST_BYTES_MAX, limit="haves_max")
    command, has_arguments = _parse_command(reader, repository)
    if not command:
        return None
    if command == b"ls-refs":
        return render_refs(repository, _parse_ls_refs(reader if has_arguments else None))
    if command == b"fetch" and has_arguments:
        return serve_fetch(repository, parse_fetch(reader, limits), recent_tips)
    raise ProtocolError(f"command {command[:80]!r} is not known")


def render_refs(repository: Repository, request: LsRefsRequest) -> Iterator[bytes]:
    """The answer to `ls-refs`: HEAD first, then the refs by name."""
    snapshot = repository.view.refs.snapshot()
    if _matches(b"HEAD", request):
        if head := snapshot.refs.get(snapshot.head):
            yield _render_ref(b"HEAD", head, request, symbolic_target=snapshot.head)
        elif request.unborn:
            target = b" symref-target:" + snapshot.head if request.symrefs else b""
            yield render_frame(b"unborn HEAD" + target + b"\n")
    yield b"".join(
        _render_ref(name, value, request)
        for name, value in snapshot.refs.items()
        if _matches(name, request) and not is_hidden(name)
    )
    yield Mark.FLUSH.value


def _matches(name: bytes, request: LsRefsRequest) -> bool:
    return not request.prefixes or name.startswith(request.prefixes)


def _render_ref(
    name: bytes, value: RefValue, request: LsRefsRequest, symbolic_target: RefName | None = None
) -> bytes:
    line = value.id.encode() + b" " + name
    if symbolic_target and request.symrefs:
        line += b" symref-target:" + symbolic_target
    if value.peeled and request.peel:
        line += b" peeled:" + value.peeled.encode()
    return render_frame(line + b"\n")


def _parse_command(reader: FrameReader, repository: Repository) -> tuple[bytes, bool]:
    """The command and whether arguments follow; no command for a request that asks nothing."""
    command = b""
    capabilities: list[bytes] = []
    while isinstance(line := reader.read(), bytes):
        line = line.removesuffix(b"\n")
        if line.startswith(b"command="):
            if command:
                raise ProtocolError("two commands in one request")
            command = line.removeprefix(b"command=")
        else:
            capabilities.append(line)
    if capabilities and not command:
        raise ProtocolError("a request names a command", hint="Git protocol version 2 is spoken here")
    if command and line is None:
        raise ProtocolError("the request ends before its flush packet")
    verify_object_format(capabilities, repository.record.algorithm)
    return command, line is Mark.DELIMITER


def _parse_ls_refs(reader: FrameReader | None) -> LsRefsRequest:
    arguments = list(reader.iter_section()) if reader else []
    prefix = b"ref-prefix "
    prefixes = tuple(line.removeprefix(prefix) for line in arguments if line.startswith(prefix))
    return LsRefsRequest(
        prefixes=prefixes if len(prefixes) < _PREFIXES_MAX else (),
        peel=b"peel" in arguments,
        symrefs=b"symrefs" in arguments,
        unborn=b"unborn" in arguments,
    )

"""The commands of protocol version 2: what the server offers, and which one a client sends.

Source: gitprotocol-v2(5). Over HTTP each command is a request; on a connection they follow one another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store.errors import ProtocolError
from imprint.store.transport.capabilities import AGENT, verify_object_format
from imprint.store.transport.pktline import Mark, render_frame
from imprint.store.transport.v2.fetch import serve_fetch
from imprint.store.transport.v2.object_info import parse_object_info, serve_object_info
from imprint.store.transport.v2.refs import parse_ls_refs, render_refs
from imprint.store.transport.v2.request import parse_fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.store.hosting.repositories import Repository
    from imprint.store.limits import Limits
    from imprint.store.transport.pktline import FrameReader
    from imprint.store.types import HashAlgorithm, ObjectId

_FETCH_FEATURES: Final = "shallow wait-for-done filter ref-in-want sideband-all"


def advertise_commands(repository: Repository) -> bytes:
    """What the server can do."""
    lines = (
        "version 2",
        AGENT,
        "ls-refs=unborn",
        f"fetch={_FETCH_FEATURES}",
        "server-option",
        f"object-format={repository.record.algorithm.value}",
        "object-info",
    )
    return b"".join(render_frame(f"{line}\n") for line in lines) + Mark.FLUSH.value


def serve_command(
    repository: Repository,
    reader: FrameReader,
    limits: Limits,
    recent_tips: Callable[[], frozenset[ObjectId]] = frozenset,
    asked: str = "",
) -> Iterator[bytes] | None:
    """Read one command and answer it; None where a flush packet or the end comes instead.

    Args:
        repository: whose.
        reader: the request.
        limits: how much may be asked for.
        recent_tips: gives ids that refs had a moment ago.
        asked: the name of the whole request, for an answer that is kept; see `kept`.

    Raises:
        ProtocolError, LimitExceeded: at once: the command cannot be read.
    """
    command, has_arguments = parse_command(reader, repository.record.algorithm)
    lines = reader.iter_section() if has_arguments else iter(())
    match command:
        case b"":
            return None
        case b"ls-refs":
            return render_refs(repository, parse_ls_refs(lines))
        case b"fetch" if has_arguments:
            return serve_fetch(repository, parse_fetch(lines, limits), recent_tips, asked)
        case b"object-info" if has_arguments:
            return serve_object_info(repository, parse_object_info(lines, limits))
        case _:
            raise ProtocolError(f"command {command[:80]!r} is not known")


def parse_command(reader: FrameReader, algorithm: HashAlgorithm) -> tuple[bytes, bool]:
    """The command and whether arguments follow; no command for a request that asks nothing.

    Raises:
        ProtocolError, LimitExceeded: it cannot be read.
    """
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
    verify_object_format(capabilities, algorithm)
    return command, line is Mark.DELIMITER

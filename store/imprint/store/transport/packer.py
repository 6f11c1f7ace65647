"""Packing what a fetch needs: `git pack-objects`, fed on stdin and streamed on a side-band.

Invariants:
    1. Memory is bounded: a pack passes through in pieces.
    2. The packer ends with whoever iterates: a client that hangs up stops it.
    3. A pack that cannot be finished ends with a message on the fatal band, never silently.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import select
import urllib.parse
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.errors import ProtocolError
from imprint.store.transport.keepalive import SECONDS
from imprint.store.transport.pktline import KEEP_ALIVE, Band, render_band

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.plumbing import GitProcess, Plumbing
    from imprint.store.types import ObjectId

_log = logging.getLogger("imprint.store")

_PIPE_BYTES: Final = 1024 * 1024
"""How much of a pack is in flight between git and here; the kernel's 64 KiB would mean 16 times the calls."""
_FILTER: Final = re.compile(
    r"blob:none|blob:limit=\d{1,18}[kmg]?|tree:\d{1,9}|object:type=(?:tag|commit|tree|blob)"
)
_COMBINED: Final = "combine:"


@dataclass(frozen=True, slots=True)
class PackRequest:
    """What goes into a pack.

    Attributes:
        wants: objects to send, with everything they reach,
        haves: less these, with everything that they reach,
        edges: and these alone.
        shallow: commits to be taken for ones without parents.
        thin: deltas may build on objects that the client has.
        ofs_delta: the client reads deltas by offset.
        filter: a verified filter specification; empty for none.
        progress: the client wants to see how it goes.
    """

    wants: tuple[ObjectId, ...]
    haves: tuple[ObjectId, ...] = ()
    edges: tuple[ObjectId, ...] = ()
    shallow: tuple[ObjectId, ...] = ()
    thin: bool = False
    ofs_delta: bool = False
    filter: str = ""
    progress: bool = False


def verify_filter(specification: str) -> None:
    """Check that a filter is one of git's that name no other object.

    Raises:
        ProtocolError: it is not.
    """
    parts = [specification]
    if specification.startswith(_COMBINED):
        parts = [urllib.parse.unquote(part) for part in specification.removeprefix(_COMBINED).split("+")]
    for part in parts:
        if not _FILTER.fullmatch(part):
            raise ProtocolError(f"filter {specification[:200]!r} is not supported")


def stream_pack(
    plumbing: Plumbing, request: PackRequest, keep_alive_seconds: float = SECONDS
) -> Iterator[bytes]:
    """The pack as side-band frames."""
    with plumbing.stream(*_make_command(request)) as process:
        with suppress(BrokenPipeError):
            process.stdin.write(_make_questions(request))
            process.stdin.close()
        yield from _copy(process, keep_alive_seconds, progress=request.progress)
        status, stderr = process.finish(check=False)
    if status:
        _log.error("pack-objects ended with status %d: %s", status, stderr[-2000:])
        yield render_band(Band.FATAL, b"imprint: the pack could not be finished; try again\n")


def _make_command(request: PackRequest) -> list[str]:
    command = ["--shallow-file", ""] if request.shallow else []
    command += ["pack-objects", "--revs", "--stdout", "-q"]
    if request.shallow:
        command.append("--shallow")
    if request.thin:
        command.append("--thin")
    if request.ofs_delta:
        command.append("--delta-base-offset")
    if request.filter:
        command.append(f"--filter={request.filter}")
    return command


def _make_questions(request: PackRequest) -> bytes:
    lines = [f"--shallow {each}" for each in request.shallow]
    lines += [*request.wants, "--not", *request.haves, *request.edges, ""]
    return "".join(f"{line}\n" for line in lines).encode()


def _copy(process: GitProcess, keep_alive_seconds: float, *, progress: bool) -> Iterator[bytes]:
    source = process.stdout.fileno()
    with suppress(OSError):
        fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    poll = select.poll()
    poll.register(source, select.POLLIN)
    waited = 0.0
    while True:
        if not poll.poll(keep_alive_seconds * 1000):
            waited += keep_alive_seconds
            text = f"imprint: still preparing the pack, {waited:.0f} s\n"
            yield render_band(Band.PROGRESS, text.encode()) if progress else KEEP_ALIVE
        elif piece := os.read(source, _PIPE_BYTES):
            yield render_band(Band.DATA, piece)
        else:
            return

"""Packs for fetches: by `imprint.store.packing`, else by `git pack-objects`, streamed on a side-band.

Invariants:
    1. Memory is bounded: a pack passes through in pieces.
    2. The packer ends with whoever iterates: a client that hangs up stops it.
    3. A pack that cannot be finished ends with a message on the fatal band, never silently.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from imprint.store.errors import PlumbingFailed
from imprint.store.packing.shelf import Absent
from imprint.store.transport.keepalive import SECONDS
from imprint.store.transport.pktline import KEEP_ALIVE, Band, render_band

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.store.hosting.repositories import Repository
    from imprint.store.packing.request import PackRequest
    from imprint.store.plumbing import GitProcess, Plumbing

_log = logging.getLogger("imprint.store")

_PIPE_BYTES: Final = 1024 * 1024
"""How much of a pack is in flight between git and here; the kernel's 64 KiB would mean 16 times the calls."""


def send_pack(
    repository: Repository,
    request: PackRequest,
    keep_alive_seconds: float = SECONDS,
    left_to_git: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """The pack, as side-band frames if the client reads them: made ready here, else by git.

    Args:
        repository: whose.
        request: what goes into it.
        keep_alive_seconds: from one sign of life to the next, while git prepares it.
        left_to_git: called where git makes it.

    Raises:
        PlumbingFailed: the pack could not be finished, and no side-band is there to say so.
    """
    try:
        return repository.serving.sender.send(request)
    except Absent as reason:
        _log.debug("%s: a pack is left to git: %s", repository.record.id, reason)
        left_to_git()
        return stream_pack(repository.view.plumbing, request, keep_alive_seconds)


def stream_pack(
    plumbing: Plumbing, request: PackRequest, keep_alive_seconds: float = SECONDS
) -> Iterator[bytes]:
    """The same by `git pack-objects`.

    Raises:
        PlumbingFailed: as `send_pack`.
    """
    with plumbing.stream(*_make_command(request)) as process:
        process.give(_make_questions(request))
        yield from _copy(process, request, keep_alive_seconds)
        status, stderr = process.finish(check=False)
    if status:
        _log.error("pack-objects ended with status %d: %s", status, stderr[-2000:])
        if not request.band_bytes_max:
            raise PlumbingFailed("pack-objects", status, stderr)
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


def _copy(process: GitProcess, request: PackRequest, keep_alive_seconds: float) -> Iterator[bytes]:
    source = process.stdout.fileno()
    with suppress(OSError):
        fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    poll = select.poll()
    poll.register(source, select.POLLIN)
    waited = 0.0
    while True:
        if not poll.poll(keep_alive_seconds * 1000):
            waited += keep_alive_seconds
            yield _render_sign_of_life(request, waited)
        elif piece := os.read(source, _PIPE_BYTES):
            yield render_band(Band.DATA, piece, request.band_bytes_max) if request.band_bytes_max else piece
        else:
            return


def _render_sign_of_life(request: PackRequest, waited: float) -> bytes:
    if not request.band_bytes_max:
        return b""
    text = f"imprint: still preparing the pack, {waited:.0f} s\n"
    return render_band(Band.PROGRESS, text.encode()) if request.progress else KEEP_ALIVE

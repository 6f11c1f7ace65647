"""Runs a program with bounds: how long it may take, how much it may print.

Invariants:
    1. When `run_program` returns or raises, the program and whatever it started have ended.
    2. What it prints beyond the limit is never held in memory.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.errors import PluginFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_STEP: Final = 64 * 1024
_STDERR_LIMIT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a call may take.

    Attributes:
        seconds: from its start to its end.
        output_bytes: on its standard output.
    """

    seconds: float = 30.0
    output_bytes: int = 128 * 1024 * 1024


@dataclass(slots=True)
class _Talk:
    process: subprocess.Popen[bytes]
    stdin: memoryview
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)


def run_program(
    words: Sequence[str],
    stdin: bytes,
    *,
    folder: Path,
    environment: Mapping[str, str],
    bounds: Bounds,
) -> bytes:
    """What the program prints.

    Args:
        words: the program and its arguments.
        stdin: what it reads.
        folder: where it runs.
        environment: all of its environment.
        bounds: see `Bounds`.

    Raises:
        PluginFailed: it cannot be started, ends with another status than 0, or goes beyond the bounds.
    """
    program, command = words[0], " ".join(words[1:2])
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
        raise PluginFailed(program, command, f"cannot be started: {error}") from error
    talk = _Talk(process, memoryview(stdin))
    try:
        fault = _talk(talk, bounds)
    finally:
        _end(process)
    if fault is None and process.returncode:
        said = bytes(talk.stderr[-1000:]).decode("utf-8", "replace").strip()
        fault = f"ended with status {process.returncode}: {said}" if said else f"status {process.returncode}"
    if fault is not None:
        raise PluginFailed(program, command, fault)
    return bytes(talk.stdout)


def _talk(talk: _Talk, bounds: Bounds) -> str | None:
    """Feed it and listen until it ends; what is wrong, if it goes beyond its bounds."""
    process = talk.process
    if process.stdin is None or process.stdout is None or process.stderr is None:
        return "has no pipes"
    deadline = time.monotonic() + bounds.seconds
    late = f"took longer than {bounds.seconds:g} s"
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdin, process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)
            events = selectors.EVENT_WRITE if pipe is process.stdin else selectors.EVENT_READ
            selector.register(pipe, events)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return late
            for key, _ in selector.select(left):
                _serve(talk, selector, key)
            if len(talk.stdout) > bounds.output_bytes:
                return f"printed more than {bounds.output_bytes} bytes"
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return late
    return None


def _serve(talk: _Talk, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    stdin = talk.process.stdin
    if stdin is None or key.fileobj is not stdin:
        if _listen(talk, key.fd, main=key.fileobj is talk.process.stdout):
            selector.unregister(key.fileobj)
    elif _feed(talk, key.fd):
        selector.unregister(stdin)
        with contextlib.suppress(BrokenPipeError):
            stdin.close()


def _feed(talk: _Talk, descriptor: int) -> bool:
    if talk.stdin:
        try:
            talk.stdin = talk.stdin[os.write(descriptor, talk.stdin[:_STEP]) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:  # it does not read; that is its right
            return True
    return not talk.stdin


def _listen(talk: _Talk, descriptor: int, *, main: bool) -> bool:
    try:
        piece = os.read(descriptor, _STEP)
    except BlockingIOError:
        return False
    if main:
        talk.stdout += piece
    else:
        talk.stderr += piece
        del talk.stderr[:-_STDERR_LIMIT]
    return not piece


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

"""Extraction in processes of their own, so that no file can harm the process that asks.

A grammar is native code, and a few kilobytes of the right nonsense make its error recovery take gigabytes or
hours (with tree-sitter 0.26, 4,000 bytes of `/*` read as Python take one gigabyte). A worker that takes too
long is killed, one that takes too much memory dies; either way its file is cut into windows of text, and a
new worker takes its place.

Invariants:
1. `Extractors.extract` is total and gives what `imprint.semantic.parse.extract` gives, unless a bound was
   reached.
2. A worker answers one request at a time and keeps nothing between two.
3. What a worker says is data: JSON, never code.

A request is the lengths of the language's name (2 bytes) and of the content (4 bytes), in network order, then
whether more than entities is wanted (1 byte), then both; an answer is its length (4 bytes) and JSON. If the
asking process dies, its workers see the end of input and stop.
"""

from __future__ import annotations

import json
import queue
import resource
import select
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import fields
from operator import attrgetter
from time import monotonic
from typing import IO, TYPE_CHECKING, Self

from imprint.semantic.parse.extract import extract_as, extract_large, extract_text
from imprint.semantic.parse.languages import TEXT, Language, detect, language_named
from imprint.semantic.parse.model import (
    Binding,
    Chunk,
    Entity,
    EntityKind,
    Extraction,
    Import,
    Reference,
    ReferenceKind,
)
from imprint.semantic.parse.skip import CONTENT_BYTES_MAX, reason_to_skip

if TYPE_CHECKING:
    from types import TracebackType

# A megabyte of source takes half a second and 200 MB.
SECONDS_MAX = 30.0
MEMORY_BYTES_MAX = 1024**3

# What of each is sent, in order. `astuple` copies deeply and would take a fifth of the time of parsing.
_ENTITY = attrgetter(*(field.name for field in fields(Entity)[1:]))
_REFERENCE = attrgetter(*(field.name for field in fields(Reference)[2:]))
_IMPORT, _BINDING, _CHUNK = (
    attrgetter(*(field.name for field in fields(kind))) for kind in (Import, Binding, Chunk)
)

_REQUEST = struct.Struct("!HI?")
_ANSWER = struct.Struct("!I")


class Extractors:
    """Some workers that extract; any number of threads may share them.

    Args:
        workers: how many files can be extracted at the same time.
        seconds_max: how long one file may take, in seconds of the clock.
        memory_bytes_max: how much memory a worker may have.
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        seconds_max: float = SECONDS_MAX,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
    ) -> None:
        self._seconds_max = seconds_max
        self._memory_bytes_max = memory_bytes_max
        self._idle: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()
        for _ in range(workers):
            self._idle.put(None)
        self._lock = threading.Lock()
        self._alive: set[_Worker] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def prepare(self) -> None:
        """Start the workers that do not run yet, so that the first files need not wait for it."""
        found: list[_Worker | None] = []
        with suppress(queue.Empty):
            while True:
                found.append(self._idle.get_nowait())
        for worker in found:
            self._idle.put(worker or self._start())

    def extract(self, path: bytes, content: bytes) -> Extraction:
        """Extract from a file; waits while all workers are busy."""
        return self._extract(path, content, mentions=True)

    def extract_definitions(self, path: bytes, content: bytes) -> Extraction:
        """The same of its entities alone."""
        return self._extract(path, content, mentions=False)

    def _extract(self, path: bytes, content: bytes, *, mentions: bool) -> Extraction:
        if len(content) > CONTENT_BYTES_MAX:
            return extract_large(path)
        language = detect(path, content) or language_named(TEXT)
        if language.grammar is None or language.skipped or reason_to_skip(content):
            return extract_as(language, content, mentions=mentions)
        worker = self._idle.get()
        answer = None
        try:
            worker = worker or self._start()
            answer = worker.ask(language, content, self._seconds_max, mentions=mentions)
        finally:
            if answer is None and worker is not None:
                self._stop(worker)
                worker = None
            self._idle.put(worker)
        return extract_text(language, content) if answer is None else _parse_answer(language, answer)

    def close(self) -> None:
        """Stop all workers. Files being extracted in other threads are cut into windows."""
        with self._lock:
            alive, self._alive = self._alive, set()
        for worker in alive:
            worker.stop()

    def _start(self) -> _Worker:
        worker = _Worker(self._memory_bytes_max)
        with self._lock:
            self._alive.add(worker)
        return worker

    def _stop(self, worker: _Worker) -> None:
        with self._lock:
            self._alive.discard(worker)
        worker.stop()


class _Worker:
    """One process, as its parent sees it."""

    def __init__(self, memory_bytes_max: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "imprint.semantic.parse.isolation", str(memory_bytes_max)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    def ask(self, language: Language, content: bytes, seconds_max: float, *, mentions: bool) -> bytes | None:
        """Send a request and wait for its answer; None if the worker died or took too long."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            return None
        name = language.name.encode()
        until = monotonic() + seconds_max
        try:
            stdin.write(_REQUEST.pack(len(name), len(content), mentions) + name + content)
            header = _read_until(stdout, _ANSWER.size, until)
            if header is None:
                return None
            [length] = _ANSWER.unpack(header)
            return _read_until(stdout, length, until)
        except (OSError, ValueError):
            # The pipe is broken, or was closed while we waited.
            return None

    def stop(self) -> None:
        """Kill the process and wait for its end."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


def _read_until(pipe: IO[bytes], length: int, until: float) -> bytes | None:
    """Read exactly `length` bytes, or give None at the end of the pipe or of the time."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    pieces: list[bytes] = []
    while length:
        ready = poll.poll(max(0.0, until - monotonic()) * 1000)
        piece = pipe.read(length) if ready else b""
        if not piece:
            return None
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _render_answer(found: Extraction) -> bytes:
    return json.dumps(
        {
            "entities": [(each.kind.value, *_ENTITY(each)) for each in found.entities],
            "references": [(each.name, each.kind.value, *_REFERENCE(each)) for each in found.references],
            "imports": list(map(_IMPORT, found.imports)),
            "bindings": list(map(_BINDING, found.bindings)),
            "chunks": list(map(_CHUNK, found.chunks)),
            "skipped": found.skipped,
        }
    ).encode()


def _parse_answer(language: Language, answer: bytes) -> Extraction:
    value = json.loads(answer)
    return Extraction(
        language=language.name,
        entities=tuple(Entity(EntityKind(kind), *rest) for kind, *rest in value["entities"]),
        references=tuple(
            Reference(name, ReferenceKind(kind), *rest) for name, kind, *rest in value["references"]
        ),
        chunks=tuple(Chunk(*rest) for rest in value["chunks"]),
        skipped=value["skipped"],
        imports=tuple(Import(*rest) for rest in value["imports"]),
        bindings=tuple(Binding(*rest) for rest in value["bindings"]),
    )


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while header := requests.read(_REQUEST.size):
        name_length, content_length, mentions = _REQUEST.unpack(header)
        language = language_named(requests.read(name_length).decode())
        answer = _render_answer(extract_as(language, requests.read(content_length), mentions=mentions))
        answers.write(_ANSWER.pack(len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    _BYTES_MAX = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES_MAX, _BYTES_MAX))
    # A crash is an answer too, and leaves nothing behind.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _serve(sys.stdin.buffer, sys.stdout.buffer)

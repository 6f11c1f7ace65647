"""Whether git itself gives objects their ids, having looked for collision attacks on SHA-1.

Git hashes with SHA-1DC (Stevens, Shumow: "Speeding up detection of SHA-1 collision attacks using unavoidable
attack conditions"), which finds content made to collide; hashlib does not. One `git hash-object` for each
kind of object lives on and is asked about objects of many pushes: four of them take 80 microseconds.

Invariants:
    1. "Yes" is said only when git gave the very id, so that nothing is taken that it takes for an attack.
    2. Whatever goes wrong is a "no", and the process is not asked again; another one is started for the next.
    3. The processes end with this one: their input ends then.
"""

from __future__ import annotations

import os
import select
import subprocess
import weakref
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from imprint.store.plumbing import SEARCH_PATH, make_environment
from imprint.store.types import HashAlgorithm
from imprint.store.waiting.together import Together

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from imprint.store.objects.ports import ObjectKind
    from imprint.store.receive.small.parse import Raw
    from imprint.store.types import ObjectId

QUESTIONS_MAX: Final = 16
"""Pushes whose objects are asked about together."""
AT_ONCE: Final = 64
"""Objects asked about at a time; their names and ids fit into pipes."""
ANSWER_SECONDS_MAX: Final = 20.0
_HASH_OBJECT: Final = ("git", "hash-object", "--literally", "--no-filters", "--stdin-paths")
_READ_BYTES: Final = 4096
_KEPT_BYTES_MAX: Final = 64 * 1024
"""What held a larger content is emptied at once, or each could go on taking megabytes."""


class Asked(Protocol):
    """Somebody who is asked for git's word on ids."""

    def agrees(self, objects: Mapping[ObjectId, Raw], algorithm: HashAlgorithm) -> bool:
        """Whether these are surely the ids of these objects."""
        ...


class Hashing(Asked):
    """Asks git. Safe to share between threads.

    Args:
        search_path: the PATH on which git is found.
    """

    def __init__(self, search_path: str = SEARCH_PATH) -> None:
        self._search_path = search_path
        self._questions = Together(self._answer, QUESTIONS_MAX)
        self._asked: dict[ObjectKind, _Process] = {}
        self._process_id = os.getpid()

    def agrees(self, objects: Mapping[ObjectId, Raw], algorithm: HashAlgorithm) -> bool:
        """Whether these are the ids of these objects; nothing is asked for SHA-256."""
        if algorithm is not HashAlgorithm.SHA1:
            return True
        question = _Question(objects)
        self._questions.finish(question)
        return question.outcome.result()

    def ask_ahead(self, pushes: Iterable[Mapping[ObjectId, Raw]], algorithm: HashAlgorithm) -> Asked:
        """Ask for the objects of several pushes at once, before any of them is checked."""
        merged = _merge(pushes)
        return _Confirmed(merged, self) if merged and self.agrees(merged, algorithm) else self

    def _answer(self, questions: list[_Question]) -> None:
        """Ask for the objects of all that wait at once; of each alone, where that is not confirmed."""
        together = _merge(each.objects for each in questions) if len(questions) > 1 else None
        if together is not None and self._agrees_on_all(together):
            for question in questions:
                question.outcome.set_result(True)
            return
        for question in questions:
            question.outcome.set_result(self._agrees_on_all(question.objects))

    def _agrees_on_all(self, objects: Mapping[ObjectId, Raw]) -> bool:
        by_kind: dict[ObjectKind, dict[ObjectId, bytes]] = {}
        for object_id, (kind, content) in objects.items():
            by_kind.setdefault(kind, {})[object_id] = content
        return all(self._agrees_on(kind, contents) for kind, contents in by_kind.items())

    def _agrees_on(self, kind: ObjectKind, contents: Mapping[ObjectId, bytes]) -> bool:
        if self._process_id != os.getpid():  # pipes are the parent's
            self._asked, self._process_id = {}, os.getpid()
        try:
            asked = self._asked.get(kind)
            if asked is None:
                asked = self._asked[kind] = _Process(kind, self._search_path)
            if all(asked.agrees(batch) for batch in _batches(contents.items())):
                return True
        except (OSError, AttributeError):  # no /proc, no memfd_create(2): not Linux
            pass
        if gone := self._asked.pop(kind, None):
            gone.close()
        return False


@dataclass(eq=False, slots=True)
class _Question:
    """The objects of one push, and whether git gives them their ids."""

    objects: Mapping[ObjectId, Raw]
    outcome: Future[bool] = field(default_factory=Future)


class _Confirmed(Asked):
    """Objects that git gave their ids; about others it is asked."""

    def __init__(self, objects: Mapping[ObjectId, Raw], others: Asked) -> None:
        self._objects = objects
        self._others = others

    def agrees(self, objects: Mapping[ObjectId, Raw], algorithm: HashAlgorithm) -> bool:
        """See `Asked.agrees`."""
        known = self._objects
        if all(known.get(object_id) == raw for object_id, raw in objects.items()):
            return True
        return self._others.agrees(objects, algorithm)


def _merge(pushes: Iterable[Mapping[ObjectId, Raw]]) -> dict[ObjectId, Raw] | None:
    """The objects of all; None where two have one id and are not the same."""
    merged: dict[ObjectId, Raw] = {}
    for objects in pushes:
        for object_id, raw in objects.items():
            if merged.setdefault(object_id, raw) != raw:
                return None
    return merged


class _Process:
    """A `git hash-object` for one kind, and the memory in which it is shown contents."""

    def __init__(self, kind: ObjectKind, search_path: str) -> None:
        self._memory: list[int] = []
        self._process = subprocess.Popen(
            [*_HASH_OBJECT, "-t", kind.value],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=make_environment(search_path),
            process_group=0,
            bufsize=0,
        )
        self.close = weakref.finalize(self, _end, self._process, self._memory)

    def agrees(self, batch: list[tuple[ObjectId, bytes]]) -> bool:
        """Whether git answers with these ids; the process is not to be asked again if not."""
        while len(self._memory) < len(batch):
            self._memory.append(os.memfd_create("imprint-object"))
        names = []
        for descriptor, (_, content) in zip(self._memory, batch, strict=False):
            os.ftruncate(descriptor, len(content))
            at = 0
            while at < len(content):
                at += os.pwrite(descriptor, content[at:] if at else content, at)
            names.append(f"/proc/{os.getpid()}/fd/{descriptor}\n")
        assert self._process.stdin and self._process.stdout  # noqa: S101, PT018 - for the type checker
        self._process.stdin.write("".join(names).encode())
        wanted = "".join(f"{object_id}\n" for object_id, _ in batch).encode()
        answer = self._read(self._process.stdout.fileno(), len(wanted))
        for descriptor, (_, content) in zip(self._memory, batch, strict=False):
            if len(content) > _KEPT_BYTES_MAX:
                os.ftruncate(descriptor, 0)
        return answer == wanted

    def _read(self, descriptor: int, size: int) -> bytes:
        answer = b""
        while len(answer) < size and select.select([descriptor], [], [], ANSWER_SECONDS_MAX)[0]:
            piece = os.read(descriptor, _READ_BYTES)
            if not piece:
                break
            answer += piece
        return answer


def _end(process: subprocess.Popen[bytes], memory: list[int]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with suppress(OSError):
                pipe.close()
    process.wait()
    while memory:
        os.close(memory.pop())


def _batches(items: Iterable[tuple[ObjectId, bytes]]) -> Iterator[list[tuple[ObjectId, bytes]]]:
    left = iter(items)
    while batch := list(islice(left, AT_ONCE)):
        yield batch

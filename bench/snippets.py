"""Small sets of files as a snapshot, and the files of a bare repository: shared by benches of the graph."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING

from imprint.semantic.parse.extract import extract
from imprint.semantic.parse.source import decode_content
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imprint.semantic.parse.model import Extraction


class Snippets:
    """Files by path as `imprint.semantic.snapshot.Snapshot` asks for them."""

    commit = asked = ObjectId("0" * 40)
    behind = 0

    def __init__(self, contents: dict[bytes, bytes]) -> None:
        self.paths = sorted(contents)
        self._contents = [decode_content(contents[path]) for path in self.paths]
        self._facts = [extract(path, contents[path]) for path in self.paths]
        self._numbers = {path: file for file, path in enumerate(self.paths)}
        self._defining: dict[str, set[int]] = defaultdict(set)
        self._using: dict[str, set[int]] = defaultdict(set)
        for file, facts in enumerate(self._facts):
            for entity in facts.entities:
                self._defining[entity.name.casefold()].add(file)
            for reference in facts.references:
                self._using[reference.name].add(file)

    def find_file(self, path: bytes) -> int | None:
        return self._numbers.get(path)

    def blob(self, file: int) -> ObjectId:
        return ObjectId(f"{file:040x}")

    def read(self, file: int) -> bytes:
        return self._contents[file]

    def facts(self, file: int) -> Extraction:
        return self._facts[file]

    def skipped(self, file: int) -> str | None:
        return self._facts[file].skipped

    def find_defining(self, name: str) -> list[int]:
        return sorted(self._defining.get(name.casefold(), ()))

    def find_using(self, name: str) -> list[int]:
        return sorted(self._using.get(name, ()))


def list_files(mirror: Path, prefix: str = "") -> list[str]:
    """The paths at HEAD of a bare repository below a prefix."""
    listed = subprocess.run(
        ["git", "-C", str(mirror), "ls-tree", "-rz", "--name-only", "HEAD", *([prefix] if prefix else [])],
        capture_output=True, check=True,
    )  # fmt: skip
    return [name for name in listed.stdout.decode().split("\0") if name]


def read_files(mirror: Path, paths: Iterable[str]) -> dict[str, bytes]:
    """The content at HEAD of each path that is a file."""
    wanted = list(paths)
    asked = "".join(f"HEAD:{path}\n" for path in wanted).encode()
    done = subprocess.run(
        ["git", "-C", str(mirror), "cat-file", "--batch"], input=asked, capture_output=True, check=True
    )
    contents: dict[str, bytes] = {}
    at = 0
    for path in wanted:
        head, _, _ = done.stdout[at:].partition(b"\n")
        at += len(head) + 1
        if head.endswith(b"missing"):
            continue
        size = int(head.split()[-1])
        contents[path] = done.stdout[at : at + size]
        at += size + 1
    return contents

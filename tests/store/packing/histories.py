"""Small histories in stock repositories, packed in one way or another."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imprint.store.packing.shelf import Stock
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PATHS = ("top", "dir/one", "dir/two", "dir/sub/deep", "other/far")
TEXTS = tuple("".join(f"line {line} of {text}\n" for line in range(40)) for text in range(6))


@dataclass
class Source:
    """A bare repository, and the ids of its commits in the order in which they were made."""

    folder: Path
    id_bytes: int
    commits: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    def git(self, *arguments: str, stdin: bytes = b"", folder: Path | None = None) -> bytes:
        done = subprocess.run(
            ["git", "-C", str(folder or self.folder), *arguments],
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stderr.decode())
        return done.stdout

    def stock(self, before: Stock | None = None) -> Stock:
        return Stock(self.folder / "objects", self.id_bytes, before)

    def pack(
        self, wants: Iterable[str], *options: str, haves: Iterable[str] = (), cut: Iterable[str] = ()
    ) -> bytes:
        """What git would send."""
        lines = [*(f"--shallow {each}" for each in cut), *wants, "--not", *haves, ""]
        shallow = ["--shallow-file", ""] if cut else []
        command = [*shallow, "pack-objects", "--revs", "--stdout", "-q", "--delta-base-offset", *options]
        if cut:
            command.append("--shallow")
        return self.git(*command, stdin="\n".join(lines).encode() + b"\n")

    def add_pack(self, wants: Iterable[str], haves: Iterable[str]) -> None:
        """One more pack, as a push leaves it: bases of its deltas that were not in it are added."""
        pack = self.pack(wants, "--thin", haves=haves)
        self.git("index-pack", "--stdin", "--fix-thin", stdin=pack)

    def look_up(self) -> None:
        """A multi-pack-index with bitmaps, and a commit-graph, over what is there now."""
        self.git("multi-pack-index", "write", "--bitmap")
        self.git("commit-graph", "write", "--reachable", "--split")


def script(commits: list[tuple[tuple[int, ...], dict[str, int | None]]], tags: Iterable[int]) -> bytes:
    """The history for `git fast-import`: parents by number, and for each path the number of a text."""
    lines = []
    for number, (parents, changes) in enumerate(commits):
        lines.append(f"commit refs/heads/c{number}\nmark :{number + 1}")
        lines.append(f"committer A <a@example.com> {1_700_000_000 + 60 * number} +0000\ndata 1\nm")
        kinds = ["from", *["merge"] * len(parents)]
        lines += [f"{kind} :{parent + 1}" for kind, parent in zip(kinds, parents, strict=False)]
        for path, text in sorted(changes.items()):
            if text is None:
                lines.append(f"D {path}")
            else:
                lines.append(f"M 100644 inline {path}\ndata {len(TEXTS[text])}\n{TEXTS[text]}")
        lines.append("")
    for number in tags:
        lines.append(f"tag t{number}\nfrom :{number + 1}")
        lines.append("tagger A <a@example.com> 1700000000 +0000\ndata 1\nt")
    return "\n".join(lines).encode() + b"\n"


def make_source(
    folder: Path,
    commits: list[tuple[tuple[int, ...], dict[str, int | None]]],
    tags: Iterable[int] = (),
    algorithm: str = "sha1",
) -> Source:
    """A repository with this history, its objects loose or in one pack; refs `c0`, `c1`, ... and `t...`."""
    source = Source(folder, 20 if algorithm == "sha1" else 32)
    subprocess.run(["git", "init", "-q", "--bare", f"--object-format={algorithm}", str(folder)], check=True)
    source.git("-c", "fastimport.unpackLimit=0", "fast-import", "--quiet", stdin=script(commits, tags))
    names = "".join(f"refs/heads/c{number}\n" for number in range(len(commits)))
    names += "".join(f"refs/tags/t{number}\n" for number in tags)
    ids = source.git("cat-file", "--batch-check=%(objectname)", stdin=names.encode()).decode().split()
    source.commits, source.tags = ids[: len(commits)], ids[len(commits) :]
    return source


def as_ids(texts: Iterable[str]) -> tuple[ObjectId, ...]:
    return tuple(ObjectId(each) for each in texts)

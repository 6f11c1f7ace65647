"""A repository of any size, made from numbers alone: a deep tree of sources, and a history of small commits.

The same arguments make the same repository. Names, folders and contents are put together from a fixed
vocabulary, so that words are frequent and rare as in sources, files differ, and nothing is anybody's. One
file in four is Go, one in eight is prose, the rest is Python: three quarters of what sources are is parsed.
"""

from __future__ import annotations

import random
import subprocess
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_NOUNS_TEXT: Final = """
account archive batch binding branch buffer cache cell channel chunk client cluster column commit
config context cursor digest document driver edge entry event field filter folder frame grammar
graph handle header index job key label layer lease ledger limit line list lock log mark merge
message metric model name node object offset option order owner packet page parser path peer plan
pool port prefix proxy query queue range record region request reply result role route row rule
sample schema scope segment server shard signal slot socket source span stage state step store
stream string table tag task term thread ticket token topic tree turn unit update user value vector
version view window word worker zone
"""
_NOUNS: Final = _NOUNS_TEXT.split()
_VERBS_TEXT: Final = """
add apply bind build check clear close collect compare copy count cut decode drop encode expand
fetch fill find flush fold format gather hold insert join keep list load map mark match merge move
open pack parse pick prune push read record release remove render reset resolve rotate scan select
send sort split start stop store sum swap sync trim unpack verify walk write
"""
_VERBS: Final = _VERBS_TEXT.split()
_FOLDERS_A_LEVEL: Final = (12, 10, 8, 6)
_FILES_A_COMMIT: Final = 4


def make_repository(bare: Path, files: int, commits: int, seed: int = 7) -> None:
    """Make a bare repository whose `main` has so many files and, on top of the first, so many commits."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    feeding = subprocess.Popen(
        ["git", "-C", str(bare), "fast-import", "--quiet", "--depth=10"], stdin=subprocess.PIPE
    )
    assert feeding.stdin
    with feeding.stdin as pipe:
        _Maker(random.Random(seed), pipe).make(files, commits)
    if feeding.wait():
        raise SystemExit("git fast-import failed")


class _Maker:
    def __init__(self, chance: random.Random, pipe: IO[bytes]) -> None:
        self._chance = chance
        self._pipe = pipe
        self._paths: list[str] = []
        self._taken: set[str] = set()

    def make(self, files: int, commits: int) -> None:
        self._begin(0)
        for _ in range(files):
            self._put(self._new_path())
        for number in range(1, commits + 1):
            self._begin(number)
            for _ in range(self._chance.randint(1, 2 * _FILES_A_COMMIT - 1)):
                self._change()

    def _begin(self, number: int) -> None:
        message = f"{self._word(_VERBS)} {self._word(_NOUNS)} {number}".encode()
        self._pipe.write(
            b"commit refs/heads/main\ncommitter A <a@example.org> %d +0000\ndata %d\n%s\n"
            % (1_600_000_000 + 600 * number, len(message), message)
        )

    def _change(self) -> None:
        """Nine in ten times another content; else a new file, one less, or one that moves."""
        what = self._chance.random()
        if what < 0.9:
            self._put(self._chance.choice(self._paths))
        elif what < 0.95:
            self._put(self._new_path())
        else:
            place = self._chance.randrange(len(self._paths))
            old = self._paths[place]
            self._paths[place] = self._paths[-1]
            self._paths.pop()
            if what < 0.975:
                self._pipe.write(f"D {old}\n".encode())
            else:
                self._pipe.write(f"R {old} {self._new_path(old)}\n".encode())

    def _new_path(self, like: str = "") -> str:
        while True:
            depth = self._chance.randint(1, len(_FOLDERS_A_LEVEL))
            folders = [
                _NOUNS[self._chance.randrange(wide) * 7 % len(_NOUNS)] for wide in _FOLDERS_A_LEVEL[:depth]
            ]
            name = "_".join(self._word(_NOUNS) for _ in range(self._chance.randint(1, 3)))
            suffix = like.rpartition(".")[2] or self._chance.choice(["py"] * 5 + ["go"] * 2 + ["md"])
            path = f"{'/'.join(folders)}/{name}.{suffix}"
            if path not in self._taken:
                self._taken.add(path)
                self._paths.append(path)
                return path

    def _put(self, path: str) -> None:
        content = self._content(path.rpartition(".")[2]).encode()
        self._pipe.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))

    def _content(self, suffix: str) -> str:
        write = {"py": self._python, "go": self._go}.get(suffix, self._prose)
        head = f"package {self._word(_NOUNS)}\n\n" if suffix == "go" else ""
        return head + "\n\n".join(write() for _ in range(self._chance.randint(1, 3))) + "\n"

    def _word(self, words: list[str]) -> str:
        """A word, the earlier ones far more often."""
        return words[int(len(words) * self._chance.random() ** 2)]

    def _name(self) -> str:
        return f"{self._word(_VERBS)}_{self._word(_NOUNS)}_{self._word(_NOUNS)}"

    def _python(self) -> str:
        one, two = self._word(_NOUNS), self._word(_NOUNS)
        said = (
            f"{self._word(_VERBS).title()} the {self._word(_NOUNS)} of a {one} by its {self._word(_NOUNS)}."
        )
        return (
            f"def {self._name()}({one}, {two}_of):\n"
            f'    """{said}"""\n'
            f"    for {two} in {two}_of:\n"
            f"        if {two} > {self._chance.randrange(1000)}:\n"
            f"            {one} = {self._name()}({two}, {one})\n"
            f"    return {one}"
        )

    def _go(self) -> str:
        one, two = self._word(_NOUNS), self._word(_NOUNS)
        name = self._name().title().replace("_", "")
        return (
            f"// {name} {self._word(_VERBS)}s the {self._word(_NOUNS)}.\n"
            f"func {name}({one}1 int, {two}2 int) int {{\n"
            f"\tif {one}1 > {self._chance.randrange(1000)} {{\n"
            f"\t\treturn {self._word(_VERBS)}({two}2)\n\t}}\n"
            f"\treturn {one}1\n}}"
        )

    def _prose(self) -> str:
        words = [self._word(self._chance.choice([_NOUNS, _VERBS])) for _ in range(30)]
        return f"## {self._word(_NOUNS)} {self._word(_NOUNS)}\n\n{' '.join(words)}."

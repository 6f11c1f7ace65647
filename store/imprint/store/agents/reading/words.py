"""A shell command's words, redirections and here-documents, as POSIX reads them.

Invariants:
    1. Total: unclosed quotes and documents end with the text. Work grows with the length of the text.
    2. Expansions are not made: `$x` stays in the word as it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final


@dataclass(slots=True)
class Command:
    """One simple command.

    Attributes:
        words: the program and its arguments, without quotes.
        writes: files that its output goes to, by `>` or `>>`.
        documents: texts that it reads, from here-documents and here-strings.
        piped: whether it reads what the command before prints.
    """

    words: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    piped: bool = False


_TOKEN: Final = re.compile(
    r"""(?P<space>(?:[ \t\r]|\\\n)+)
      | (?P<comment>\#[^\n]*)
      | (?P<here>\d?<<-?(?!<))
      | (?P<string><<<)
      | (?P<write>(?:\d|&)?>>?\|?(?!&))
      | (?P<other>\d?[<>]&?-?|&>)
      | (?P<end>\n|;;?|&&|\|\||\|&?|&|\(|\))
      | (?P<word>(?:[^\s;&|<>()'"\\]++|\\.|\\$|'[^']*+(?:'|\Z)|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))+)
    """,
    re.VERBOSE | re.DOTALL,
)
_PART: Final = re.compile(
    r"""\$?'(?P<single>[^']*)'?|"(?P<double>(?:[^"\\]|\\.)*)"?|\\(?P<escaped>.|$)|(?P<plain>[^'"\\]+)""",
    re.DOTALL,
)


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._waiting: list[tuple[Command, str, bool]] = []
        self._role = ""
        self._command = Command()
        self._commands: list[Command] = []

    def scan(self) -> list[Command]:
        while self._at < len(self._text):
            found = _TOKEN.match(self._text, self._at)
            if found is None:  # nothing is left out but what no rule knows: one character
                self._at += 1
                continue
            self._at = found.end()
            self._take(found.lastgroup or "", found.group())
        self._finish(piped=False)
        return self._commands

    def _take(self, kind: str, piece: str) -> None:
        if kind in {"space", "comment"}:
            return
        if kind == "word":
            self._take_word(piece)
        elif kind == "end":
            self._finish(piped=piece.startswith("|") and piece != "||")
            if piece == "\n":
                self._read_documents()
        elif kind == "write" and piece[0].isdigit() and piece[0] != "1":
            self._role = "other"  # not what the command prints, but its complaints
        else:
            self._role = piece if kind == "here" else kind

    def _take_word(self, token: str) -> None:
        role, self._role = self._role, ""
        word = unquote(token)
        if role.endswith(("<<", "<<-")):
            self._waiting.append((self._command, word, role.endswith("-")))
        elif role == "string":
            self._command.documents.append(word)
        elif role == "write":
            self._command.writes.append(word)
        elif role != "other":
            self._command.words.append(word)

    def _finish(self, *, piped: bool) -> None:
        command = self._command
        if command.words or command.writes or command.documents:
            self._commands.append(command)
        self._role = ""
        self._command = Command(piped=piped)

    def _read_documents(self) -> None:
        for command, mark, tabs in self._waiting:
            lines: list[str] = []
            while self._at < len(self._text):
                stop = self._text.find("\n", self._at)
                stop = len(self._text) if stop < 0 else stop
                line = self._text[self._at : stop]
                self._at = stop + 1
                line = line.lstrip("\t") if tabs else line
                if line.rstrip("\r") == mark:
                    break
                lines.append(line)
            command.documents.append("".join(f"{line}\n" for line in lines))
        self._waiting = []


def read_commands(text: str) -> list[Command]:
    """The simple commands of a text, in order; groups, loops and conditions only lend their insides."""
    return _Scanner(text).scan()


def unquote(token: str) -> str:
    """A word without its quotes."""
    parts: list[str] = []
    for found in _PART.finditer(token):
        if found["double"] is not None:
            parts.append(re.sub(r'\\([$`"\\])', r"\1", found["double"].replace("\\\n", "")))
        elif found["single"] is not None:
            single = found["single"]
            parts.append(_ansi(single) if found.group().startswith("$") else single)
        else:
            parts.append(found["escaped"] if found["escaped"] is not None else found["plain"])
    return "".join(parts)


def _ansi(text: str) -> str:
    named = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'"}
    return re.sub(r"\\([ntr\\'])", lambda found: named[found[1]], text)

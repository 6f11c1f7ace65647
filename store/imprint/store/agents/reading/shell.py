"""Edits that a shell command may have made: what it writes, as far as its text says.

Read are here-documents (`cat > f <<EOF`, `tee`, a patch for `git apply`, a script for an interpreter),
`echo` and `printf` into a file, `sed -i` and `perl -i`, inline scripts (`python -c`, `node -e`), `mv`, `rm`,
and all that within `bash -c`. The command is not run and its variables are not known.

Invariants:
    1. Total and bounded: any text gives edits or none; what is longer than `COMMAND_LIMIT` is not read.
    2. A path with something to expand in it (`$f`, `*.py`) is not a path: such an edit has an empty one.
    3. Lines given are lines that stand in the command; nothing is computed but the escapes of its own
       quoting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import Edit, EditKind
from imprint.store.agents.reading.patches import read_patch
from imprint.store.agents.reading.places import join
from imprint.store.agents.reading.scripts import read_script, read_substitutions
from imprint.store.agents.reading.values import as_path, as_text, split_text
from imprint.store.agents.reading.words import Command, read_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMMAND_LIMIT: Final = 4 * 1024 * 1024
"""Characters of one command."""

_DEPTH: Final = 3
_SHELLS: Final = frozenset({"bash", "sh", "zsh", "dash", "ash", "ksh"})
_INTERPRETERS: Final = re.compile(r"(python[\d.]*|node|bun|deno|ruby|perl|php|osascript)$")
_PREFIXES: Final = frozenset(
    {"sudo", "command", "env", "time", "exec", "nohup", "builtin", "then", "do", "else", "{", "!"}
)
_EXPANDED: Final = re.compile(r"[$`*?\[{]|^~")


@dataclass(slots=True)
class _Reader:
    cwd: str
    depth: int
    edits: list[Edit] = field(default_factory=list)
    fed: list[str] = field(default_factory=list)  # what the command before in the pipe prints

    def path(self, word: str) -> str:
        return "" if _EXPANDED.search(word) else join(self.cwd, as_path(word))


def find_shell_edits(command: object, cwd: str = "") -> tuple[Edit, ...]:
    """What a command may have written.

    Args:
        command: as the tool was given it: a text, or words of which the first is the program.
        cwd: the folder it ran in; empty where it is the session's own.
    """
    if isinstance(command, list):
        words = [as_text(word) for word in command]
        if sum(map(len, words)) > COMMAND_LIMIT:
            return ()
        return _read_all([Command(words)], cwd, 0)
    text = as_text(command)
    if not text or len(text) > COMMAND_LIMIT:
        return ()
    return _read_text(text, cwd, 0)


def _read_text(text: str, cwd: str, depth: int) -> tuple[Edit, ...]:
    if depth > _DEPTH:
        return ()
    return _read_all(read_commands(text), cwd, depth)


def _read_all(commands: Sequence[Command], cwd: str, depth: int) -> tuple[Edit, ...]:
    reader = _Reader(cwd, depth)
    for command in commands:
        _read_command(reader, command)
    return tuple(reader.edits)


def _read_command(reader: _Reader, command: Command) -> None:
    words = _strip_prefixes(command.words)
    program = words[0].rsplit("/", 1)[-1] if words else ""
    fed = list(command.documents) or (reader.fed if command.piped else [])
    printed = _printed(program, words, fed)
    reader.fed = printed
    for target in command.writes:
        if target not in {"/dev/null", "/dev/stderr", "/dev/stdout"} and (printed or program == ":"):
            _add_text(reader, target, printed)
    reading = _PROGRAMS.get(program)
    if reading is not None:
        reading(reader, words[1:], fed)
    elif program in _SHELLS:
        _read_shell(reader, words[1:], fed)
    elif _INTERPRETERS.match(program):
        _read_interpreter(reader, program, words[1:], fed)


def _strip_prefixes(words: Sequence[str]) -> list[str]:
    rest = list(words)
    while rest and (rest[0] in _PREFIXES or re.match(r"[A-Za-z_]\w*=", rest[0])):
        rest.pop(0)
    return rest


def _printed(program: str, words: Sequence[str], fed: Sequence[str]) -> list[str]:
    if program == "echo":
        arguments = list(words[1:])
        escapes = False
        while arguments and re.fullmatch(r"-[neE]+", arguments[0]):
            escapes = escapes or "e" in arguments.pop(0)
        text = " ".join(arguments)
        return [_unescape(text) if escapes else text]
    if program == "printf" and len(words) > 1:
        return [_printf(words[1], words[2:])]
    if program in {"cat", "tee", ""}:
        return list(fed)
    return []


def _printf(pattern: str, values: Sequence[str]) -> str:
    left = list(values)
    pattern = _unescape(pattern)
    if "%" not in pattern:
        return pattern
    printed: list[str] = []
    while True:
        before = len(left)
        printed.append(re.sub(r"%[-\d.]*[sdbqfx]", lambda _: left.pop(0) if left else "", pattern))
        if not left or len(left) == before:
            return "".join(printed).replace("%%", "%")


def _unescape(text: str) -> str:
    named = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    return re.sub(r"\\([ntr\\])", lambda found: named[found[1]], text)


def _add_text(reader: _Reader, target: str, texts: Sequence[str]) -> None:
    lines = tuple(line for text in texts for line in split_text(text))
    reader.edits.append(Edit(reader.path(target), EditKind.SHELL, lines))


def _read_tee(reader: _Reader, arguments: Sequence[str], fed: Sequence[str]) -> None:
    for target in _operands(arguments):
        if target != "/dev/null" and fed:
            _add_text(reader, target, fed)


def _read_cd(reader: _Reader, arguments: Sequence[str], _fed: Sequence[str]) -> None:
    targets = _operands(arguments)
    if targets and not _EXPANDED.search(targets[0]):
        reader.cwd = join(reader.cwd, as_path(targets[0])) if reader.cwd else as_path(targets[0])


def _read_sed(reader: _Reader, arguments: Sequence[str], _fed: Sequence[str]) -> None:
    in_place = any(re.match(r"-[A-Za-z]*i|--in-place", word) for word in arguments)
    if not in_place:
        return
    scripts: list[str] = []
    files: list[str] = []
    waiting = False
    for word in arguments:
        if waiting:
            scripts.append(word)
            waiting = False
        elif word == "--expression" or re.fullmatch(r"-[A-Za-z]*e", word):
            waiting = True
        elif word.startswith("--expression="):
            scripts.append(word.split("=", 1)[1])
        elif word and not word.startswith("-"):
            files.append(word)
    if not scripts and files:
        scripts.append(files.pop(0))
    _add_substitutions(reader, scripts, files)


def _add_substitutions(reader: _Reader, scripts: Sequence[str], files: Sequence[str]) -> None:
    added, removed = read_substitutions("\n".join(scripts))
    if added or removed:
        reader.edits.extend(
            Edit(reader.path(path), EditKind.SHELL, added, removed) for path in files or ("",)
        )


def _read_shell(reader: _Reader, arguments: Sequence[str], fed: Sequence[str]) -> None:
    texts = list(fed)
    for index, word in enumerate(arguments[:-1]):
        if re.fullmatch(r"-[a-z]*c", word):
            texts = [arguments[index + 1]]
            break
    for text in texts:
        reader.edits.extend(_read_text(text, reader.cwd, reader.depth + 1))


def _read_interpreter(reader: _Reader, program: str, arguments: Sequence[str], fed: Sequence[str]) -> None:
    scripts: list[str] = []
    for index, word in enumerate(arguments[:-1]):
        if re.fullmatch(r"-[A-Za-z0]*[ce]|--eval|-r", word):
            scripts.append(arguments[index + 1])
    if program == "perl" and any(re.match(r"-[A-Za-z0]*i", word) for word in arguments):
        files = [word for word in _operands(arguments) if word not in scripts]
        _add_substitutions(reader, scripts, files)
        return
    for script in scripts or fed:
        path, added = read_script(script)
        if added:
            reader.edits.append(Edit(reader.path(path), EditKind.SHELL, added))


def _read_move(reader: _Reader, arguments: Sequence[str], _fed: Sequence[str]) -> None:
    names = _operands(arguments)
    if len(names) < 2:  # noqa: PLR2004 - a source and a target
        return
    *sources, target = names
    into_folder = len(sources) > 1 or target.endswith("/")
    for source in sources:
        name = f"{target.rstrip('/')}/{source.rstrip('/').rsplit('/', 1)[-1]}" if into_folder else target
        old_path, path = reader.path(source), reader.path(name)
        if old_path and path:
            reader.edits.append(Edit(path, EditKind.MOVE, old_path=old_path))


def _read_remove(reader: _Reader, arguments: Sequence[str], _fed: Sequence[str]) -> None:
    for name in _operands(arguments):
        path = reader.path(name)
        if path:
            reader.edits.append(Edit(path, EditKind.DELETE))


def _read_git(reader: _Reader, arguments: Sequence[str], fed: Sequence[str]) -> None:
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        if rest.pop(0) in {"-C", "-c"} and rest:
            rest.pop(0)
    action = rest.pop(0) if rest else ""
    if action == "mv":
        _read_move(reader, rest, fed)
    elif action == "rm" and "--cached" not in rest:
        _read_remove(reader, rest, fed)
    elif action == "apply" and not {"--check", "-R", "--reverse", "--stat"} & set(rest):
        _read_patch(reader, rest, fed)


def _read_patch(reader: _Reader, arguments: Sequence[str], fed: Sequence[str]) -> None:
    for text in fed or [word for word in arguments if "\n" in word]:
        for edit in read_patch(text):
            path = reader.path(edit.path)
            old_path = reader.path(edit.old_path) if edit.old_path else None
            reader.edits.append(Edit(path, edit.kind, edit.added, edit.removed, old_path))


def _operands(arguments: Sequence[str]) -> list[str]:
    return [word for word in arguments if word and not word.startswith("-")]


_PROGRAMS: Final[dict[str, Callable[[_Reader, Sequence[str], Sequence[str]], None]]] = {
    "tee": _read_tee,
    "cd": _read_cd,
    "pushd": _read_cd,
    "sed": _read_sed,
    "gsed": _read_sed,
    "mv": _read_move,
    "rm": _read_remove,
    "git": _read_git,
    "patch": _read_patch,
    "apply_patch": _read_patch,
    "applypatch": _read_patch,
}

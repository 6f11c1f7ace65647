"""Exact and regular searches: what is looked for, and the words that a text must hold to be looked at.

Regular expressions are RE2's (https://github.com/google/re2/wiki/Syntax): no back references and no look
around, and in return time that grows with the text and never faster, whatever the expression.

Invariants:
    1. A text that holds a match holds every one of `words`: leaving out others loses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import re2

from imprint.semantic.parse.terms import terms
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

PATTERN_CHARACTERS_MAX: Final = 1_000
"""Of what is searched for exactly or by pattern."""
_PROGRAM_BYTES_MAX: Final = 8 * 1024**2
"""What RE2 may take for one expression."""
_MATCHES_MAX: Final = 200
"""Matches told of one file."""
_WHOLE_WORD: Final = re.compile(r"(?<=\W)[A-Za-z0-9_]+(?=\W)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Something to look for in texts.

    Attributes:
        compiled: RE2's program, over bytes.
        words: terms that every text with a match has among its own.
        likely: terms that texts with a match often have: where to look first.
    """

    compiled: Any
    words: tuple[str, ...]
    likely: tuple[str, ...]

    def find_lines(self, content: bytes) -> list[tuple[int, int]]:
        """First and last line of each match, in order, each line once; `_MATCHES_MAX` at most."""
        found: list[tuple[int, int]] = []
        line, counted = 1, 0
        for start, end in self._spans(content):
            line += content.count(b"\n", counted, start)
            counted = start
            last = line + content.count(b"\n", start, max(end - 1, start))
            if not found or line > found[-1][1]:
                found.append((line, last))
            if len(found) >= _MATCHES_MAX:
                break
        return found

    def _spans(self, content: bytes) -> Iterator[tuple[int, int]]:
        for match in self.compiled.finditer(content):
            start, end = match.span()
            if end > start:
                yield start, end

    def is_in(self, content: bytes) -> bool:
        """Whether there is a match."""
        return self.compiled.search(content) is not None

    def count(self, content: bytes) -> int:
        """How many matches there are."""
        return sum(1 for _ in self._spans(content))


def exact_pattern(text: str) -> Pattern:
    """Look for exactly these characters, in these letters.

    Raises:
        BadInput: there are none, or too many.
    """
    _check(text)
    return Pattern(
        compile_expression(re2.escape(text.encode("utf-8", "replace"))),
        _whole_words(text),
        tuple(dict.fromkeys(terms(text))),
    )


def regular_pattern(text: str) -> Pattern:
    """Look for a regular expression; `^` and `$` are the ends of lines.

    Raises:
        BadInput: it is none that RE2 knows, it is too large, or it fits the empty text.
    """
    _check(text)
    compiled = compile_expression(b"(?m)" + text.encode("utf-8", "replace"))
    if compiled.fullmatch(b"") is not None:
        raise BadInput(
            f"the expression {text[:80]!r} fits everything", hint="say what has to be there, once at least"
        )
    runs = list(_literal_runs(text))
    words = tuple(dict.fromkeys(word for run in runs for word in _whole_words(run)))
    likely = tuple(dict.fromkeys(word for run in runs for word in terms(run)))
    return Pattern(compiled, words, likely)


def _check(text: str) -> None:
    if not text:
        raise BadInput("nothing is searched for", hint="give some characters or an expression")
    if len(text) > PATTERN_CHARACTERS_MAX:
        raise BadInput(
            f"{len(text)} characters cannot be searched for", hint=f"give {PATTERN_CHARACTERS_MAX} at most"
        )


def compile_expression(pattern: bytes, *, of_bytes: bool = False) -> Any:
    """RE2's program of an expression, within its bound; `of_bytes` for what need not be UTF-8.

    Raises:
        BadInput: RE2 does not know it, or it is too large.
    """
    options = re2.Options()
    options.max_mem = _PROGRAM_BYTES_MAX
    options.log_errors = False
    if of_bytes:
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(pattern, options)
    except re2.error as failure:
        said = failure.args[0] if failure.args else ""
        told = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise BadInput(
            f"this is no regular expression that can be searched: {told}",
            hint="RE2's syntax is understood: no back references, no look-ahead and no look-behind",
        ) from failure


def _whole_words(literal: str) -> tuple[str, ...]:
    """The terms of words that begin and end inside of the literal, so that no longer word can hold them."""
    found = (match.group().replace("_", "").lower() for match in _WHOLE_WORD.finditer(literal))
    return tuple(dict.fromkeys(word for word in found if word))


def _literal_runs(expression: str) -> Iterator[str]:
    """Runs of characters that every match holds as they stand; what is in doubt is left out."""
    if "|" in expression or "(?" in expression:
        return
    run: list[str] = []
    depth = 0
    for piece in re.findall(
        r"\\[pP]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|[^\]])*\]|\{[^}]*\}|.", expression, re.DOTALL
    ):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth -= 1
        elif not depth and _is_literal(piece):
            run.append(piece[-1])
            continue
        elif piece in {"*", "?"} or piece[0] == "{":
            del run[-1:]
        elif piece == "+":
            pass  # once at least; what follows is another run
        yield "".join(run)
        run = []
    yield "".join(run)


def _is_literal(piece: str) -> bool:
    if len(piece) == 1:
        return piece not in "^$.*+?()[]{}|\\"
    return len(piece) == 2 and piece[0] == "\\" and not piece[1].isalnum()  # noqa: PLR2004  (`\` and one more)

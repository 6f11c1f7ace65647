"""Macros of C and C++ that stand where the grammar knows none, blanked out before parsing.

A parser that does not run the preprocessor reads `API_EXPORT int open(void);` as a variable named `int`, and
loses what follows. The rules below find capitalised names in places where no declaration can have one; what
they find is replaced by spaces, so that every offset stays, and only the parser sees it.

Invariants:
1. The result has the length of the input, and its line feeds.
2. Lines of the preprocessor are left alone, but for comments in macros and definitions in enums.
3. Each rule looks a bounded number of bytes ahead and behind, but for white space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imprint.semantic.parse.grammars.conditionals import settle_conditionals

if TYPE_CHECKING:
    from collections.abc import Callable

# Names and arguments as the rules below put them together.
_PARTS = {
    "MACRO": r"_{0,2}[A-Z][A-Z0-9_]{2,}\b",
    "CALL": r"(?:\([^()\n]{0,200}\))?",
    "EOL": r"[ \t]*\r?\n",
    # Words that begin a declaration; none of them can follow a type's name.
    "STARTER": r"(?:auto|void|int|char|bool|short|long|float|double|unsigned|signed|wchar_t|"
    r"char(?:8|16|32)_t|s?size_t|u?int(?:8|16|32|64|ptr)_t|struct|class|union|enum|static|inline|extern|constexpr|consteval|"
    r"virtual|explicit|friend|template|typedef|using|typename|namespace|operator[ \t]+\w+)\b",
    "SPECIFIERS": r"(?:(?:static|extern|inline|virtual|explicit|friend|constexpr|const)[ \t]+)*",
    "TEMPLATE": r"(?:<[^;{}()\n]{0,200}>)?",
    "ATTRIBUTE": r"_*[A-Z][A-Z0-9_]*(?:LOCK|EXCLU|ATTR|NOEXCEPT|REQUIRE|UNUSED|FORMAT|PRINTF|DEPRECATED|"
    r"NODISCARD|GUARD|NONNULL)[A-Z0-9_]*\([^()\n]{0,200}\)",
}


def _compile(*alternatives: str) -> re.Pattern[bytes]:
    pattern = "|".join(alternatives)
    for name, part in _PARTS.items():
        pattern = pattern.replace(f"<{name}>", part)
    return re.compile(pattern.encode(), re.MULTILINE)


# How far apart a statement and a macro on a line of its own may be.
_BLANK_BYTES_MAX = 200

# The end of a line up to a macro, with the name of a type at its end.
_TYPE_BEFORE = re.compile(
    rb"(?:^|[^\w])(?!(?:static|const|extern|inline|struct|class|enum|union|volatile|virtual|explicit|friend|"
    rb"constexpr|typedef|return|unsigned|signed|else|new|case|register|typename|goto|define|operator)\b)"
    rb"[A-Za-z_]\w*[ \t]*[*&]*[ \t]+$"
)


def _line_before(content: bytes, offset: int) -> bytes:
    """Give the line that `offset` is on, up to it."""
    return content[content.rfind(b"\n", 0, offset) + 1 : offset]


def _in_code(content: bytes, match: re.Match[bytes]) -> bool:
    return not _line_before(content, match.start() + 1).lstrip().startswith(b"#")


def _after_type(content: bytes, match: re.Match[bytes]) -> bool:
    before = _line_before(content, match.start())
    return _TYPE_BEFORE.search(before[-80:]) is not None and not before.lstrip().startswith(b"#")


def _after_statement(content: bytes, match: re.Match[bytes]) -> bool:
    return (
        content[max(0, match.start() - _BLANK_BYTES_MAX) : match.start()]
        .rstrip()
        .endswith((b";", b"}", b"*/"))
    )


def _after_member(content: bytes, match: re.Match[bytes]) -> bool:
    line = _line_before(content, match.start()).partition(b"//")[0].strip()
    return line.endswith((b";", b"{", b"}", b"*/")) and b"enum" not in line and not line.startswith(b"#")


def _after_directive(content: bytes, match: re.Match[bytes]) -> bool:
    return _line_before(content, match.start()).lstrip().startswith(b"#")


def _after_element(content: bytes, match: re.Match[bytes]) -> bool:
    return _after_directive(content, match) or content[max(0, match.start() - 2) : match.start()].strip()[
        -1:
    ] in {
        b"{",
        b";",
        b",",
    }


@dataclass(frozen=True, slots=True)
class _Rule:
    """What to blank (the group that matched), and where."""

    pattern: re.Pattern[bytes]
    allows: Callable[[bytes, re.Match[bytes]], bool] = _in_code


_RULES = (
    _Rule(
        _compile(
            (
                r"^[ \t]*<SPECIFIERS>(<MACRO><CALL>)(?:"
                # CONSTEXPR name(arguments) noexcept : member(
                r"[ \t]+(?=[A-Za-z_]\w*\([^;{}]{0,300}?\)\s*(?:noexcept\s*)?:[^:])|"
                # EXPORT on the line above: the declaration begins on the next
                r"<EOL>(?=[ \t]*<STARTER>)|"
                # EXPORT some_type *f( / EXPORT some_type x;
                r"[ \t]+(?=(?:const[ \t]+)?(?!const\b|volatile\b)[A-Za-z_][\w:]*"
                r"<TEMPLATE>(?:[ \t*&]+\n?|\n)[ \t]*(?:\w+<TEMPLATE>::)*~?\w+[ \t]*[(;=\[]))"
            ),
            # PRAGMA(something) alone on a line, not before a body
            r"^(<MACRO>\([^()\n]{0,200}\))[ \t]*\r?$(?!\s*[{])",
            # DEFINE_FOR(unsigned char, '0');
            r"^(<MACRO>\([^()\n]{0,100}<STARTER>[^()\n]{0,200}\)[ \t]*;)",
            # NAMESPACE_BEGIN or END_DECLS alone on a line
            (
                r"^(_{0,2}(?:[A-Z0-9]+_){0,8}(?:BEGIN|END|OPEN|CLOSE|DECLS|ENTER|LEAVE)(?:_[A-Z0-9]+){0,8}_?)"
                r"[ \t]*;?[ \t]*\r?$"
            ),
        )
    ),
    # EXPORT int f( / template <...> CONSTEXPR auto f( / f(IN int a)
    _Rule(_compile(r"(?<![\w.>'\"])(<MACRO><CALL>)[ \t]+(?=~|<STARTER>)")),
    # DWORD WINAPI f(
    _Rule(
        _compile(r"(?<=[\w*&> \t][ \t])(<MACRO>)(?:[ \t]+|<EOL>[ \t]*)(?=[A-Za-z_]\w*[ \t]*\()"), _after_type
    ),
    # typedef BOOL (CALLBACK *name)(
    _Rule(_compile(r"\([ \t]*(<MACRO>)(?=[ \t]*\*[ \t]*\w+[ \t]*\)[ \t]*\r?\n?[ \t]*\()")),
    _Rule(
        _compile(
            # if CONSTEXPR (
            r"\bif[ \t]+(<MACRO>)(?=[ \t]*\()",
            # class EXPORT name : / struct ALIGNED(8) name {
            (
                r"\b(?:class|struct|union|enum)[ \t]+(<MACRO><CALL>)[ \t]+"
                r"(?=[A-Za-z_][\w:]*[ \t]*\r?\n?[ \t]*(?:final\b[ \t]*\r?\n?[ \t]*)?(?:[{<]|:[^:]))"
            ),
        )
    ),
    # f() NOEXCEPT { / f() const EXCLUDES_LOCK(x); with arguments only if its name says it is an attribute
    _Rule(
        _compile(
            r"\)\s*(?:(?:const|noexcept|override)\s+)*(?:"
            r"(<MACRO>)(?=[ \t]*(?:override[ \t]*|final[ \t]*)?(?:[;{]|\r?\n[ \t]*[{:]))|"
            r"(<ATTRIBUTE>)(?=[ \t]*[;{]))"
        )
    ),
    # Declarations that a macro makes, alone on a line between blank lines, and members in a struct.
    _Rule(_compile(r"\n(<MACRO>)<EOL>(?=<EOL>)"), _after_statement),
    _Rule(
        _compile(r"\n((?:[ \t]+<MACRO>(?:[ \t]*/\*[^\n]*\*/)?<EOL>)+)(?=\s*[\w}/#])"),
        _after_member,
    ),
    # Elements that a macro makes out of another, and those after a directive that bring their own comma.
    _Rule(_compile(r"\n((?:[ \t]+<MACRO>\(\w+\)<EOL>)+)(?=[ \t]*[}#])"), _after_element),
    _Rule(_compile(r"\n[ \t]+(<MACRO>)<EOL>(?=[ \t]+[A-Za-z_])"), _after_directive),
)

# UNUSED(static int f(int a)) {
_WRAPPED = _compile(r"^(<MACRO>\()(?=<STARTER>[^;{}\n]{0,300}\)(\))[ \t]*\r?\n?[ \t]*\{)")

# The grammar has no macro definitions between the names of an enum.
_ENUM = re.compile(rb"\benum\b[^;{}]{0,200}\{[^{}#]{0,5000}#[^{}]{0,20000}\}")
_DEFINITION = re.compile(rb"^[ \t]*#[ \t]*(?:define|undef)\b[^\n]*", re.MULTILINE)

# The grammar ends a macro at a comment in its body.
_MACRO_BODY = re.compile(rb"^[ \t]*#[ \t]*define\b[^\n]*\\\r?\n(?:[^\n]*\\\r?\n)*[^\n]*", re.MULTILINE)
_COMMENT = re.compile(rb"/\*.*?(?:\*/|\Z)|//[^\n]*?(?=\\?\r?\n|\Z)", re.DOTALL)
_COMMENT_TEXT = re.compile(rb"[^\n\r\\]")

_VISIBLE = re.compile(rb"[^\s]")


def tame_preprocessor(content: bytes) -> bytes:
    """Hide from the parser what the preprocessor would have taken away."""
    content = settle_conditionals(content)
    content = _MACRO_BODY.sub(_without_comments, content)
    for rule in _RULES:
        content = _blank(content, rule)
    content = _unwrap(content)
    return _ENUM.sub(_without_definitions, content)


def _without_comments(body: re.Match[bytes]) -> bytes:
    return _COMMENT.sub(lambda comment: _COMMENT_TEXT.sub(b" ", comment.group()), body.group())


def _without_definitions(match: re.Match[bytes]) -> bytes:
    return _DEFINITION.sub(lambda line: b" " * len(line.group()), match.group())


def _blank(content: bytes, rule: _Rule) -> bytes:
    """Blank out what a rule finds where the rule allows it."""
    pieces: list[bytes] = []
    position = 0
    for match in rule.pattern.finditer(content):
        if rule.allows(content, match):
            start, end = match.span(match.lastindex or 0)
            pieces.append(content[position:start])
            pieces.append(_VISIBLE.sub(b" ", content[start:end]))
            position = end
    pieces.append(content[position:])
    return b"".join(pieces) if position else content


def _unwrap(content: bytes) -> bytes:
    """Blank out a macro around the head of a function, and the parenthesis that closes it."""
    unwrapped = bytearray(content)
    for match in _WRAPPED.finditer(content):
        start, end = match.span(1)
        unwrapped[start:end] = b" " * (end - start)
        unwrapped[match.start(2)] = ord(" ")
    return bytes(unwrapped)

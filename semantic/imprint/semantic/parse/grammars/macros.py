"""Macros of C and C++ that stand where the grammar knows none, blanked out before parsing.

A parser that does not run the preprocessor reads `API_EXPORT int open(void);` as a variable named `int`, and
loses what follows. The rules below find capitalised names in places where no declaration can have one; what they
find is replaced by spaces, so that every offset stays, and only the parser sees it.

Invariants:
1. The result has the length of the input, and its line feeds.
2. Lines of the preprocessor are left alone, but for comments in macros and definitions in enums.
3. Each rule looks ahead a bounded number of bytes.
"""

from __future__ import annotations

import re

from imprint.semantic.parse.grammars.conditionals import settle_conditionals

# Names and arguments as the rules below put them together.
_PARTS = {
    "MACRO": r"_{0,2}[A-Z][A-Z0-9_]{2,}\b",
    "CALL": r"(?:\([^()\n]{0,200}\))?",
    "EOL": r"[ \t]*\r?\n",
    # Words that begin a declaration; none of them can follow a type's name.
    "STARTER": r"(?:auto|void|int|char|bool|short|long|float|double|unsigned|signed|wchar_t|char(?:8|16|32)_t|"
    r"s?size_t|u?int(?:8|16|32|64|ptr)_t|struct|class|union|enum|static|inline|extern|constexpr|consteval|"
    r"virtual|explicit|friend|template|typedef|using|typename|namespace|operator[ \t]+\w+)\b",
    "SPECIFIERS": r"(?:(?:static|extern|inline|virtual|explicit|friend|constexpr|const)[ \t]+)*",
    "NOT_A_TYPE": r"(?!(?:static|const|extern|inline|struct|class|enum|union|volatile|virtual|explicit|friend|"
    r"constexpr|typedef|return|unsigned|signed|else|new|case|register|typename|goto|define|operator)\b)",
    "TEMPLATE": r"(?:<[^;{}()\n]{0,200}>)?",
    "ATTRIBUTE": r"_*[A-Z][A-Z0-9_]*(?:LOCK|EXCLU|ATTR|NOEXCEPT|REQUIRE|UNUSED|FORMAT|PRINTF|DEPRECATED|"
    r"NODISCARD|GUARD|NONNULL)[A-Z0-9_]*\([^()\n]{0,200}\)",
}


def _rule(pattern: str) -> re.Pattern[bytes]:
    """Put a rule together: group 1 is what it blanks."""
    for name, part in _PARTS.items():
        pattern = pattern.replace(f"<{name}>", part)
    return re.compile(pattern.encode(), re.MULTILINE)


_RULES = tuple(
    _rule(pattern)
    for pattern in (
        # if CONSTEXPR (
        r"\bif[ \t]+(<MACRO>)(?=[ \t]*\()",
        # typedef BOOL (CALLBACK *name)(
        r"\([ \t]*(<MACRO>)(?=[ \t]*\*[ \t]*\w+[ \t]*\)[ \t]*\r?\n?[ \t]*\()",
        # CONSTEXPR name(arguments) noexcept : member(
        r"^[ \t]*(<MACRO><CALL>)[ \t]+(?=[A-Za-z_]\w*\([^;{}]{0,300}?\)\s*(?:noexcept\s*)?:[^:])",
        # PRAGMA(something) alone on a line, not before a body
        r"^(<MACRO>\([^()\n]{0,200}\))[ \t]*\r?$(?!\s*[{])",
        # EXPORT int f( / template <...> CONSTEXPR auto f( / f(IN int a)
        r"(?<![\w.>'\"])(<MACRO><CALL>)[ \t]+(?=~|<STARTER>)",
        # EXPORT on the line above: the declaration begins on the next
        r"^[ \t]*(<MACRO><CALL>)<EOL>(?=[ \t]*<STARTER>)",
        # EXPORT some_type *f( / EXPORT some_type x;
        (
            r"^[ \t]*<SPECIFIERS>(<MACRO><CALL>)[ \t]+(?=(?:const[ \t]+)?(?!const\b|volatile\b)[A-Za-z_][\w:]*"
            r"<TEMPLATE>(?:[ \t*&]+\n?|\n)[ \t]*(?:\w+<TEMPLATE>::)*~?\w+[ \t]*[(;=\[])"
        ),
        # DWORD WINAPI f(
        r"\b<NOT_A_TYPE>[A-Za-z_]\w*[ \t]*[*&]*[ \t]+(<MACRO>)(?:[ \t]+|<EOL>[ \t]*)(?=[A-Za-z_]\w*[ \t]*\()",
        # class EXPORT name : / struct ALIGNED(8) name {
        (
            r"\b(?:class|struct|union|enum)[ \t]+(<MACRO><CALL>)[ \t]+"
            r"(?=[A-Za-z_][\w:]*[ \t]*\r?\n?[ \t]*(?:final\b[ \t]*\r?\n?[ \t]*)?(?:[{<]|:[^:]))"
        ),
        # f() NOEXCEPT {
        (
            r"\)[ \t]*(?:(?:const|noexcept|override)[ \t]+)*(<MACRO>)"
            r"(?=[ \t]*(?:override[ \t]*|final[ \t]*)?(?:[;{]|\r?\n[ \t]*[{:]))"
        ),
        # f() const EXCLUDES_LOCK(x); only for names that say that they are attributes
        r"\)\s*(?:(?:const|noexcept|override)\s+)*(<ATTRIBUTE>)(?=[ \t]*[;{])",
        # NAMESPACE_BEGIN or END_DECLS alone on a line
        (
            r"^(_{0,2}(?:[A-Z0-9]+_){0,8}(?:BEGIN|END|OPEN|CLOSE|DECLS|ENTER|LEAVE)(?:_[A-Z0-9]+){0,8}_?)"
            r"[ \t]*;?[ \t]*\r?$"
        ),
        # UNUSED(static int f(int a)) {
        r"^(<MACRO>\()(?=<STARTER>[^;{}\n]*\)\)[ \t]*\r?\n?[ \t]*\{)",
        r"^[ \t]+<STARTER>[^;{}\n]*\)(\))[ \t]*\r?\n?[ \t]*(?=\{)",
        # Declarations that a macro makes, alone on a line between blank lines.
        r"(?:[;}]|\*/)<EOL>(?:<EOL>)*(<MACRO>)<EOL>(?=<EOL>)",
    )
)

# Members that a macro declares, alone on a line of a struct, after a complete member.
_MEMBERS = _rule(
    r"(?:[;{}]|\*/)[ \t]*(?://[^\n]*)?\r?\n((?:[ \t]+<MACRO>(?:[ \t]*/\*[^\n]*\*/)?<EOL>)+)(?=\s*[\w}/#])"
)
# Elements that a macro makes out of another, and those after a directive that bring their own comma.
_ELEMENTS = (
    _rule(r"(?:^[ \t]*#[^\n]*|[{;,][ \t]*\r?)\n((?:[ \t]+<MACRO>\(\w+\)<EOL>)+)(?=[ \t]*[}#])"),
    _rule(r"^[ \t]*#[^\n]*\n[ \t]+(<MACRO>)<EOL>(?=[ \t]+[A-Za-z_])"),
)

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
    content = _blank(content, _MEMBERS, unless=b"enum")
    for rule in _ELEMENTS:
        content = _blank(content, rule, after_directives=True)
    return _ENUM.sub(_without_definitions, content)


def _without_comments(body: re.Match[bytes]) -> bytes:
    return _COMMENT.sub(lambda comment: _COMMENT_TEXT.sub(b" ", comment.group()), body.group())


def _without_definitions(match: re.Match[bytes]) -> bytes:
    return _DEFINITION.sub(lambda line: b" " * len(line.group()), match.group())


def _blank(
    content: bytes, rule: re.Pattern[bytes], *, unless: bytes = b"", after_directives: bool = False
) -> bytes:
    """Blank out what a rule finds, but not in a line of the preprocessor or one that holds `unless`."""
    pieces: list[bytes] = []
    position = 0
    for match in rule.finditer(content):
        start, end = match.span(1)
        line = content[content.rfind(b"\n", 0, match.start()) + 1 : match.start() + 1].lstrip()
        if (line.startswith(b"#") and not after_directives) or (unless and unless in line):
            continue
        pieces.append(content[position:start])
        pieces.append(_VISIBLE.sub(b" ", content[start:end]))
        position = end
    if not pieces:
        return content
    pieces.append(content[position:])
    return b"".join(pieces)

"""Import statements as text, for languages whose statements nest or have many forms.

A statement gives (module, name, alias) as `imprint.semantic.parse.model.Import` has them. What cannot be read
gives nothing. A package that the file itself belongs to (Java, Kotlin, Scala, PHP) is the import of its own
everything: module, `*`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Taken = tuple[str, str, str]

# Real statements stay far below; what is longer is cut.
STATEMENT_CHARS_MAX: Final = 8000
_NESTING_MAX: Final = 16

_COMMENT: Final = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_QUOTED: Final = re.compile(r"[\"']([^\"']*)[\"']")
_ALIAS: Final = re.compile(r"^(.*?)\s*(?:\bas\b|=>)\s*(.+)$", re.DOTALL)


def read_statement(package: str, text: str) -> list[Taken]:
    """Give what one statement takes, in a language by its grammar's package."""
    reader = _READERS.get(package)
    return list(reader(text[:STATEMENT_CHARS_MAX])) if reader is not None else []


def _expand(tree: str, separator: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Give (path, alias) of each leaf of `a.b.{c, d as e}`."""
    head, brace, rest = tree.strip().partition("{")
    if not brace or depth > _NESTING_MAX:
        alias = _ALIAS.match(head)
        yield (alias[1].strip(), alias[2].strip()) if alias else (head.strip(), "")
        return
    for part in _split(rest.rpartition("}")[0]):
        for path, alias_here in _expand(part, separator, depth + 1):
            joined = head.strip() + path if path != "self" else head.strip().removesuffix(separator)
            yield joined, alias_here


def _split(text: str) -> Iterator[str]:
    """Split at the commas outside of braces."""
    depth, start = 0, 0
    for index, sign in enumerate(text):
        depth += (sign == "{") - (sign == "}")
        if sign == "," and depth == 0:
            yield text[start:index]
            start = index + 1
    if text[start:].strip():
        yield text[start:]


def _tree(text: str, separator: str, everything: tuple[str, ...] = ("*",)) -> Iterator[Taken]:
    for path, alias in _expand(text, separator):
        module, _, name = path.rpartition(separator)
        yield (module, "*", "") if name in everything else (module, name, alias)


def _java(text: str) -> Iterator[Taken]:
    words = _COMMENT.sub(" ", text).strip().rstrip(";").split()
    if words[0] == "package":
        yield "".join(words[1:]), "*", ""
    else:
        yield from _tree("".join(word for word in words[1:] if word != "static"), ".")


def _rust(text: str) -> Iterator[Taken]:
    code = _COMMENT.sub(" ", text).strip().rstrip(";")
    used = re.search(r"\buse\s+(.*)$", code, re.DOTALL)
    module = re.search(r"\bmod\s+(\w+)$", code)
    crate = re.search(r"\bextern\s+crate\s+(\w+)(?:\s+as\s+(\w+))?$", code)
    if used:
        yield from _tree(used[1], "::")
    elif module:
        yield "self", module[1], ""
    elif crate:
        yield crate[1], "", crate[2] or ""


def _csharp(text: str) -> Iterator[Taken]:
    words = _COMMENT.sub(" ", text).strip().rstrip(";").split()
    rest = "".join(word for word in words if word not in {"using", "global", "static", "unsafe"})
    alias, equals, path = rest.partition("=")
    if equals:
        module, _, name = path.partition("<")[0].rpartition(".")
        yield module, name, alias
    elif rest:
        yield rest, "*", ""


def _php(text: str) -> Iterator[Taken]:
    code = _COMMENT.sub(" ", text).strip().rstrip(";")
    namespace = re.match(r"namespace\s+([\w\\]+)", code)
    if namespace:
        yield namespace[1], "*", ""
        return
    for part in _split(re.sub(r"^use\s+(?:(?:function|const)\s+)?", "", code)):
        yield from _tree(part.strip().lstrip("\\"), "\\")


def _kotlin(text: str) -> Iterator[Taken]:
    word, _, rest = _COMMENT.sub(" ", text).strip().rstrip(";").partition(" ")
    if word == "package":
        yield rest.strip(), "*", ""
    else:
        yield from _tree(rest.strip(), ".")


def _scala(text: str) -> Iterator[Taken]:
    word, _, rest = _COMMENT.sub(" ", text).strip().partition(" ")
    if word == "package":
        yield rest.strip(), "*", ""
        return
    for part in _split(rest):
        yield from _tree(part, ".", ("*", "_", "given"))


def _swift(text: str) -> Iterator[Taken]:
    words = text.split()
    *kind, path = words[words.index("import") + 1 :] or [""]
    module, _, name = path.rpartition(".")
    yield (module, name, "") if kind and module else (path, "*", "")


def _dart(text: str) -> Iterator[Taken]:
    source = _QUOTED.search(text)
    if source is None:
        return
    rest = text[source.end() :].rstrip(";")
    alias = re.search(r"\bas\s+(\w+)", rest)
    shown = re.search(r"\bshow\s+([\w\s,]+?)(?:\bhide\b|$)", rest)
    if alias:
        yield source[1], "", alias[1]
    elif shown:
        yield from ((source[1], name.strip(), "") for name in shown[1].split(",") if name.strip())
    else:
        yield source[1], "*", ""


def _haskell(text: str) -> Iterator[Taken]:
    found = re.match(r"import\s+(?:safe\s+)?(qualified\s+)?(?:\"[^\"]*\"\s+)?([\w.']+)(.*)$", text, re.DOTALL)
    if found is None:
        return
    module, rest = found[2], found[3]
    alias = re.search(r"\bas\s+([\w.']+)", rest)
    listed = re.search(r"(\bhiding\b)?\s*\((.*)\)", rest, re.DOTALL)
    if alias or found[1] or "qualified" in rest.partition("(")[0]:
        yield module, "", alias[1] if alias else ""
    if listed and not listed[1]:
        for item in re.sub(r"\([^()]*\)", "", listed[2]).split(","):
            if item.strip():
                yield module, item.strip().removeprefix("type ").strip("() "), ""
    elif not found[1]:
        yield module, "*", ""


def _julia(text: str) -> Iterator[Taken]:
    word, _, rest = text.strip().partition(" ")
    module, colon, names = rest.partition(":")
    if colon:
        for item in names.split(","):
            name, _, alias = item.strip().partition(" as ")
            yield module.strip(), name.strip(), alias.strip()
        return
    for item in rest.split(","):
        path, _, alias = item.strip().partition(" as ")
        if word == "using":
            yield path.strip(), "*", ""
        else:
            yield path.strip(), "", alias.strip()


def _elixir(text: str) -> Iterator[Taken]:
    found = re.match(r"(alias|import|use|require)\b[\s(]*([\w.]+(?:\{[^}]*\})?)(.*)$", text, re.DOTALL)
    if found is None:
        return
    word, tree, rest = found.groups()
    alias = re.search(r"\bas:\s*([\w.]+)", rest)
    for path, _ in _expand(tree, "."):
        yield path, "" if word in {"alias", "require"} else "*", alias[1] if alias else ""


_READERS: Final[dict[str, Callable[[str], Iterator[Taken]]]] = {
    "tree_sitter_java": _java,
    "tree_sitter_rust": _rust,
    "tree_sitter_c_sharp": _csharp,
    "tree_sitter_php": _php,
    "tree_sitter_kotlin": _kotlin,
    "tree_sitter_scala": _scala,
    "tree_sitter_swift": _swift,
    "tree_sitter_dart": _dart,
    "tree_sitter_haskell": _haskell,
    "tree_sitter_julia": _julia,
    "tree_sitter_elixir": _elixir,
}

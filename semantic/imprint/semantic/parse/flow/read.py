"""From a tree to imports and bindings, and from the text before a name to its qualifier.

Invariants:
1. Cost is linear in the matches; no node's parents or children are asked for.
2. What is found here has offsets; `imprint.semantic.parse.structure` tells what stands around them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tree_sitter import QueryCursor

from imprint.semantic.parse.flow.statements import STATEMENT_CHARS_MAX, read_statement

if TYPE_CHECKING:
    from tree_sitter import Node, Query

    from imprint.semantic.parse.source import Source

# What a value, a type or a target may be long; what is longer says nothing about a definition.
PART_CHARS_MAX: Final = 200
# How far back a qualifier is looked for, in bytes.
QUALIFIER_BYTES_MAX: Final = 200
# The qualifier of what cannot be said on one line.
UNREAD: Final = "?"

_SPACES: Final = re.compile(r"\s+")
_WRAPPED: Final = re.compile(
    r"^(?:Optional|Promise|Awaitable|Annotated|Type|type|List|list)\s*[\[<](.*)[\]>]$"
)

# Everything below reads backwards: from the name to the left.
_GROUP = rb"\)(?:[^()]|\)(?:[^()]|\)[^()]*\()*\()*\("
_INDEX = rb"\](?:[^\[\]]|\][^\[\]]*\[)*\["
_PART = (
    rb"(?:(?:(?:"
    + _GROUP
    + rb"|"
    + _INDEX
    + rb"|>[\w, .]*<:{0,2})[ \t]*)*[\w$@\x80-\xff]+|"
    + _GROUP
    + rb"|\"[^\"\n]*\"|'[^'\n]*')"
)
_DOTS = rb"[.][?!]{0,2}|::"


def _chain(separator: bytes) -> re.Pattern[bytes]:
    between = rb"\s*(?:" + separator + rb")\s*"
    return re.compile(rb"(" + between + rb")(" + _PART + rb"(?:" + between + _PART + rb")*)")


_CHAIN: Final = _chain(_DOTS)
_ARROWS: Final = _chain(_DOTS + rb"|>-[?]?|\\")
# What else separates, by the grammar's package.
_CHAINS: Final = {
    "tree_sitter_c": _ARROWS,
    "tree_sitter_cpp": _ARROWS,
    "tree_sitter_php": _ARROWS,
    "tree_sitter_lua": _chain(_DOTS + rb"|:"),
}
_ENDS: Final = {"tree_sitter_c": b".>:", "tree_sitter_cpp": b".>:", "tree_sitter_php": b".>:\\"}
_BEFORE: Final = frozenset(b".:>\\ \t\r\n")


@dataclass(frozen=True, slots=True)
class Taken:
    """An import at an offset."""

    at: int
    module: str
    name: str
    alias: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding at an offset."""

    at: int
    target: str
    kind: str
    value: str


def read_flow(package: str, query: Query, root: Node, source: Source) -> tuple[list[Taken], list[Bound]]:
    """Give the imports and the bindings of a file, each in order of position."""
    taken: dict[tuple[int, str, str, str], Taken] = {}
    bound: dict[tuple[int, str, str, str], Bound] = {}
    for _, captures in QueryCursor(query).matches(root):
        if "statement" in captures:
            node = captures["statement"][0]
            end = min(node.end_byte, node.start_byte + 4 * STATEMENT_CHARS_MAX)
            at = node.start_byte
            for module, name, alias in read_statement(package, source.text(at, end)):
                taken.setdefault((at, module, name, alias), Taken(at, module, name, alias))
        elif "module" in captures or "nearby" in captures:
            found = _taken(captures, source)
            taken.setdefault((found.at, found.module, found.name, found.alias), found)
        else:
            binding = _bound(captures, source)
            if binding is not None:
                bound.setdefault((binding.at, binding.target, binding.kind, binding.value), binding)
    return sorted(taken.values(), key=lambda each: each.at), sorted(bound.values(), key=lambda each: each.at)


def _taken(captures: dict[str, list[Node]], source: Source) -> Taken:
    def text(key: str) -> str:
        return _written(captures[key][0], source).strip("\"'`<>:") if key in captures else ""

    first = captures.get("nearby") or captures["module"]
    if "nearby" in captures:
        return Taken(first[0].start_byte, "./" + text("nearby"), "*", "")
    module = text("module")
    if "default" in captures:
        return Taken(captures["default"][0].start_byte, module, "default", text("default"))
    here = captures.get("name") or captures.get("alias") or first
    name = "*" if "open" in captures else text("name")
    return Taken(here[0].start_byte, module, name, text("alias"))


def _bound(captures: dict[str, list[Node]], source: Source) -> Bound | None:
    for key, kind in (("returns", "type"), ("result", "call")):
        if key in captures:
            value = _value(captures[key][0], source, kind)
            return Bound(captures[key][0].start_byte, "<return>", kind, value) if value else None
    field = captures.get("field")
    node = (field or captures["target"])[0]
    target = _written(node, source)
    if field:
        target = "this." + target.lstrip("$#")
    for key, kind in (("called", "call"), ("type", "type"), ("value", "name")):
        if key in captures:
            value = _value(captures[key][0], source, kind)
            return Bound(node.start_byte, target, kind, value) if value else None
    return None


def _written(node: Node, source: Source) -> str:
    text = source.text(node.start_byte, min(node.end_byte, node.start_byte + PART_CHARS_MAX))
    return text if text.isidentifier() else _SPACES.sub("", text)


def _value(node: Node, source: Source, kind: str) -> str:
    """Give what a value or an annotation names; empty if that is not one dotted name."""
    if node.end_byte - node.start_byte > PART_CHARS_MAX:
        return ""
    text = _written(node, source)
    return plain_type(text) if kind == "type" else text


def plain_type(text: str) -> str:
    """Give the one type that an annotation is about: without quotes, pointers, `None`, and what wraps it."""
    text = text.strip("\"'").removeprefix("(").lstrip("*&[]?").removesuffix("?").removesuffix("[]")
    text = text.removeprefix("mut").strip() if text.startswith("mut ") else text
    for _ in range(3):
        wrapped = _WRAPPED.match(text)
        if wrapped is None:
            break
        text = wrapped[1].partition(",")[0]
    parts = [part for part in text.split("|") if part not in {"None", "null", "undefined"}]
    if len(parts) != 1:
        return ""
    return re.split(r"[\[<({]", parts[0], maxsplit=1)[0]


def read_qualifier(package: str, content: bytes, start: int) -> str:
    """Give what stands before a name and its separator, as written; `UNREAD` if that cannot be read."""
    if start == 0 or content[start - 1] not in _BEFORE:
        return ""
    before = content[max(0, start - QUALIFIER_BYTES_MAX) : start]
    stripped = before.rstrip()
    chain = _CHAINS.get(package, _CHAIN)
    if stripped[-1:] not in _ENDS.get(package, b".:") or stripped.endswith(b".."):
        return ""
    match = chain.match(before[::-1])
    if match is None:
        rest = stripped[:-1].rstrip(b":-?!").rstrip()
        before_one_colon = stripped.endswith(b":") and not stripped.endswith(b"::")
        is_value = rest[-1:].isalnum() or (rest and rest[-1:] in b")]}\"'`")
        return UNREAD if is_value and not before_one_colon else ""
    written = match[2][::-1].decode("utf-8", "replace")
    return written if written.isidentifier() else _SPACES.sub("", written)

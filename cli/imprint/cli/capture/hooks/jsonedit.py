"""Changing a JSON file of somebody else's by text: what is not ours keeps every byte it has.

Invariants:
    1. A text that is not strict JSON (comments, trailing commas) is refused, never guessed at.
    2. `add` and `remove` give strict JSON; everything outside what they add or remove is as it was.
    3. `remove` after `add` gives the same members as before, if not always the same blanks.

A place is a path of keys that ends at a list, such as `("hooks", "Stop")`; a number names a value of a list.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_SCALAR: Final = re.compile(r"[^\s,\]}]+")
_INDENT: Final = re.compile(r"\n([ \t]+)\S")
_DEPTH_MAX: Final = 100
_STRINGS: Final = json.JSONDecoder()


class NotPlainJson(Exception):
    """The text is not strict JSON, or has something else at the place. Its words say what and where."""


@dataclass(slots=True)
class _Node:
    """A value with its place in the text."""

    start: int
    end: int = 0
    kind: str = ""
    names: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    """Where each member begins: of an object, at its name."""
    values: list[_Node] = field(default_factory=list)

    def find(self, name: str | int) -> _Node | None:
        """The last member of this name, which is the one that counts; of a list, the one of this index."""
        if isinstance(name, int):
            return self.values[name] if self.kind == "[" and name < len(self.values) else None
        found = [value for key, value in zip(self.names, self.values, strict=False) if key == name]
        return found[-1] if found else None


def add(text: str, place: Sequence[str], value: object) -> str:
    """The text with a value at the end of the list at a place; lists and objects on the way are made.

    Raises:
        NotPlainJson: see there.
    """
    root = _parse(text or "{}")
    text = text or "{}\n"
    node, depth, wanted = root, 0, "{"
    for depth, name in enumerate(place):
        _expect(node, wanted, place[:depth])
        below = node.find(name)
        if below is None:
            rest: object = [value]
            for missing in reversed(place[depth + 1 :]):
                rest = {missing: rest}
            return _append(text, node, f"{json.dumps(name)}: ", rest, depth)
        node = below
        wanted = "{" if depth + 1 < len(place) else "["
    _expect(node, "[", place)
    return _append(text, node, "", value, depth + 1)


def remove(text: str, place: Sequence[str | int], is_ours: Callable[[object], bool], *, keep: int = 0) -> str:
    """The text without the values of a list that are ours; what is empty then on the way goes too.

    Args:
        text: the file.
        place: of the list.
        is_ours: says of a value whether it goes.
        keep: how many names of the place stay although what they hold is empty: they were there before us.

    Raises:
        NotPlainJson: see there.
    """
    node: _Node | None = _parse(text)
    way: list[_Node] = []
    for name in place:
        if node is None:
            return text
        way.append(node)
        node = node.find(name)
    if node is None or node.kind != "[":
        return text
    going = [at for at, one in enumerate(node.values) if is_ours(json.loads(text[one.start : one.end]))]
    if not going:
        return text
    if len(going) < len(node.values) or len(place) <= keep:
        return _cut(text, node, going)
    depth = len(place) - 1
    while depth > keep and len(way[depth].values) == 1:
        depth -= 1
    name = place[depth]
    return _cut(text, way[depth], [name if isinstance(name, int) else way[depth].names.index(name)])


def depth_of(text: str, place: Sequence[str]) -> int:
    """How many names of a place are there."""
    node: _Node | None = _parse(text or "{}")
    for depth, name in enumerate(place):
        node = node.find(name) if node is not None and node.kind == "{" else None
        if node is None:
            return depth
    return len(place)


def read_list(text: str, place: Sequence[str]) -> list[object]:
    """The values of the list at a place; none where there is no list.

    Raises:
        NotPlainJson: the text is not strict JSON.
    """
    value = _load(text or "{}")
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, list) else []


def _expect(node: _Node, kind: str, place: Sequence[str]) -> None:
    if node.kind != kind:
        what = "an object" if kind == "{" else "a list"
        raise NotPlainJson(f"{'.'.join(place) or 'the whole'} is not {what}")


def _load(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as wrong:
        raise NotPlainJson(f"it is not plain JSON ({wrong}); comments and trailing commas are not") from wrong


def _parse(text: str) -> _Node:
    _load(text)
    return _parse_value(text, _skip(text, 0), 0)


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _parse_value(text: str, at: int, depth: int) -> _Node:
    """The value that begins here; the text is known to be JSON."""
    if depth > _DEPTH_MAX:
        raise NotPlainJson(f"it is nested more than {_DEPTH_MAX} deep")
    node = _Node(at)
    if text[at] == '"':
        node.end = _STRINGS.raw_decode(text, at)[1]
        return node
    if text[at] not in "{[":
        found = _SCALAR.match(text, at)
        node.end = found.end() if found else at + 1
        return node
    node.kind = text[at]
    at = _skip(text, at + 1)
    while text[at] not in "}]":
        node.starts.append(at)
        if node.kind == "{":
            name, at = _STRINGS.raw_decode(text, at)
            node.names.append(name)
            at = _skip(text, _skip(text, at) + 1)
        node.values.append(_parse_value(text, at, depth + 1))
        at = _skip(text, node.values[-1].end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    node.end = at + 1
    return node


def _append(text: str, node: _Node, head: str, value: object, depth: int) -> str:
    """Put a member at the end of an object or list, laid out as its file is."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    found = _INDENT.search(text)
    step = found[1] if found else "  "
    if node.values:
        before = text[node.start + 1 : node.starts[0]]
        is_spread = "\n" in before
        blank = before if is_spread else " "
        own = before.rpartition("\n")[2] if is_spread else ""
        added = "," + blank + head + _render(value, step, own, line_end, is_spread=is_spread)
        end = node.values[-1].end
        return text[:end] + added + text[end:]
    inner, outer = step * (depth + 1), step * depth
    rendered = _render(value, step, inner, line_end, is_spread=True)
    return f"{text[: node.start + 1]}{line_end}{inner}{head}{rendered}{line_end}{outer}{text[node.end - 1 :]}"


def _render(value: object, step: str, own: str, line_end: str, *, is_spread: bool) -> str:
    if not is_spread:
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, indent=step, ensure_ascii=False).split("\n")
    return (line_end + own).join(lines)


def _cut(text: str, node: _Node, going: list[int]) -> str:
    """Take members out, each with its comma and the blanks that it stood in."""
    staying = [at for at in range(len(node.values)) if at not in going]
    if not staying:
        return text[: node.start + 1] + text[node.end - 1 :]
    for at in reversed(going):
        if at > staying[0]:
            start, end = node.values[at - 1].end, node.values[at].end
        else:
            start, end = node.starts[at], node.starts[at + 1]
        text = text[:start] + text[end:]
    return text

"""Conditional compilation, made fit for a parser that sees all branches at once.

A branch that opens a brace which another closes, or that holds half of a statement, is no syntax of its own:

    #ifdef A
      if (one()) {
    #else
      if (other()) {
    #endif

Of such a group only the first branch is kept, and its directives are blanked out; branches that are elements
of a list, or attributes, are all kept; a group whose branches are whole stays as it is, since the grammars
read those.

Invariants:
1. The result has the length of the input, and its line feeds.
2. The work is linear in the content, however deeply the groups nest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from imprint.semantic.parse.shape import Span, mask_spans

_DIRECTIVE = re.compile(
    rb"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|elifdef|else|endif)\b([^\\\n]*(?:\\.[^\\\n]*|\\\n[^\\\n]*)*)",
    re.MULTILINE,
)
# What is not code, when braces are counted: literals, comments, and other directives.
_NOT_CODE = re.compile(
    rb"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|//[^\n]*|/\*.*?(?:\*/|\Z)|^[ \t]*#(?:[^\\\n]|\\.|\\\r?\n)*",
    re.DOTALL | re.MULTILINE,
)
_BRACKET = re.compile(rb"[{}()]")
_WHOLE_ENDS = b";}"
_LIST_ENDS = b",]"


@dataclass(slots=True)
class _Branch:
    """A branch: where its text is, how many braces it leaves open, and how its code ends (0: it has none)."""

    start: int
    end: int = 0
    open_braces: int = 0
    lowest: int = 0
    last: int = 0

    def add(self, open_braces: int, lowest: int, last: int) -> None:
        self.lowest = min(self.lowest, self.open_braces + lowest)
        self.open_braces += open_braces
        self.last = last or self.last

    @property
    def is_balanced(self) -> bool:
        return self.open_braces == 0 and self.lowest == 0


@dataclass(slots=True)
class _Group:
    """Branches between `#if` and `#endif`."""

    condition: bytes
    directives: list[Span] = field(default_factory=list)
    branches: list[_Branch] = field(default_factory=list)


def settle_conditionals(content: bytes) -> bytes:
    """Blank out directives, and branches, that would break the syntax around them."""
    if b"#" not in content:
        return content
    hidden: list[Span] = []
    open_groups: list[_Group] = []
    position = 0
    for match in _DIRECTIVE.finditer(content):
        if open_groups:
            open_groups[-1].branches[-1].add(*_weigh(content[position : match.start()]))
        position = match.end()
        kind = match.group(1)
        if kind.startswith(b"if"):
            open_groups.append(_Group(condition=match.group(2)))
        elif not open_groups:
            continue
        else:
            open_groups[-1].branches[-1].end = match.start()
        group = open_groups[-1]
        group.directives.append(match.span())
        if kind == b"endif":
            open_groups.pop()
            settled = _settle(group, hidden)
            if open_groups:
                open_groups[-1].branches[-1].add(settled.open_braces, settled.lowest, settled.last)
        else:
            group.branches.append(_Branch(start=match.end()))
    return mask_spans(content, hidden)


def _weigh(text: bytes) -> tuple[int, int, int]:
    """Give how many brackets a piece leaves open, the deepest it falls, and its last byte of code."""
    code = _NOT_CODE.sub(b" ", text)
    depth = lowest = 0
    for letter in _BRACKET.findall(code):
        depth += 1 if letter in b"{(" else -1
        lowest = min(lowest, depth)
    stripped = code.rstrip()
    return depth, lowest, stripped[-1] if stripped else 0


def _settle(group: _Group, hidden: list[Span]) -> _Branch:
    """Decide what of a group the parser sees; give what it then weighs."""
    branches = group.branches
    if all(branch.is_balanced for branch in branches):
        if all(branch.last == 0 or branch.last in _WHOLE_ENDS for branch in branches):
            return _Branch(start=0, last=next((each.last for each in reversed(branches) if each.last), 0))
        if all(branch.last == 0 or branch.last in _LIST_ENDS for branch in branches):
            hidden.extend(group.directives)
            return _Branch(start=0, last=branches[0].last)
    hidden.extend(group.directives)
    # `extern "C" {` is for the other language, and so is the brace that closes it.
    for_cpp = b"__cplusplus" in group.condition and b"!" not in group.condition
    first = 1 if for_cpp else 0
    hidden.extend((branch.start, branch.end) for index, branch in enumerate(branches) if index != first)
    return branches[first] if first < len(branches) else _Branch(start=0)

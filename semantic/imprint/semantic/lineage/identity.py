"""Which definition of one content is which of another: by name, by structure, by words; and how they differ.

The phases, strongest first: the same name, where several have it told apart by text, structure, signature and
words; equal structure under another name; words alike by `ALIKE_MIN` under another name.

Invariants:
    1. No two definitions of a content are the same definition of another.
    2. What is still there under its name is not taken for what something else was.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from imprint.semantic.lineage.model import ChangeKind
from imprint.semantic.parse.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imprint.semantic.parse.model import Entity

ALIKE_MIN: Final = 0.7
"""Share of common words from which a definition of another name is the same one."""
NAMED_ALIKE_MIN: Final = 0.5
"""The same for one of the same name in another file."""
WORDS_MIN: Final = 12
"""A definition of fewer words is like many: only its name tells it."""

_WORD: Final = re.compile(rb"[\w\x80-\xff]+|[^\s\w]")
_COMMENT_LINE: Final = re.compile(
    rb"\s*(?://|/\*|\*|#(?!\s*(?:include|define|if|endif|else|pragma)\b)|--|;;|%)"
)
_COMMENT_LINES_MAX: Final = 400
_CALLABLE: Final = frozenset({EntityKind.FUNCTION, EntityKind.METHOD, EntityKind.TEST, EntityKind.ROUTE})


@dataclass(frozen=True)
class Defined:
    """A definition with its text.

    Attributes:
        entity: what was extracted.
        first: the first line of the comment right above it, else its own first line.
        text: its lines, from `first` on.
    """

    entity: Entity
    first: int
    text: bytes

    @cached_property
    def comment(self) -> bytes:
        """The comment above it."""
        lines = self.text.split(b"\n")[: self.entity.start_line - self.first]
        return b"\n".join(line.strip() for line in lines)

    @cached_property
    def code(self) -> list[bytes]:
        """The words of its own lines."""
        lines = self.text.split(b"\n")[self.entity.start_line - self.first :]
        return _WORD.findall(b"\n".join(lines))

    @cached_property
    def counted(self) -> Counter[bytes]:
        """The same, counted."""
        return Counter(self.code)

    @cached_property
    def declared(self) -> tuple[list[bytes], list[bytes]]:
        """The words of its code up to the end of its signature, and those after; its own name is blank."""
        signature = _WORD.findall(self.entity.signature.rstrip("…").encode())
        own = self.entity.name.encode()
        code = [b"" if word == own else word for word in self.code]
        signature = [b"" if word == own else word for word in signature]
        for at in range(len(code) - len(signature) + 1):
            if code[at : at + len(signature)] == signature:
                return code[: at + len(signature)], code[at + len(signature) :]
        return signature, code


def define(content: bytes, entities: Iterable[Entity]) -> list[Defined]:
    """Definitions with their text."""
    lines = content.split(b"\n")
    found = []
    for entity in entities:
        first = _first_line(lines, entity.start_line)
        found.append(Defined(entity, first, b"\n".join(lines[first - 1 : entity.end_line])))
    return found


def _first_line(lines: Sequence[bytes], start: int) -> int:
    """The first of the comment lines right above a line."""
    first = start
    while first > 1 and start - first < _COMMENT_LINES_MAX and _COMMENT_LINE.match(lines[first - 2]):
        first -= 1
    return first


def likeness(one: Defined, other: Defined) -> float:
    """The share of words that two definitions have in common, from 0 to 1."""
    common = sum((one.counted & other.counted).values())
    return 2 * common / (len(one.code) + len(other.code) or 1)


def are_akin(one: EntityKind, other: EntityKind) -> bool:
    """Whether something of one kind can have been of another."""
    return one is other or (one in _CALLABLE and other in _CALLABLE)


def find_before(defined: Defined, now: Sequence[Defined], before: Sequence[Defined]) -> Defined | None:
    """What a definition of a content was in an earlier content of the same file; None if it was not there."""
    name, kind = defined.entity.name, defined.entity.kind
    akin = [each for each in before if are_akin(each.entity.kind, kind)]
    named = [each for each in akin if each.entity.name == name]
    if named:
        rivals = [each for each in now if each.entity.name == name and are_akin(each.entity.kind, kind)]
        found = _pair(rivals, named).get(id(defined))
        if found is not None:
            return found
    return _find_renamed(defined, now, akin)


def _pair(now: Sequence[Defined], before: Sequence[Defined]) -> dict[int, Defined]:
    """Pairs definitions of one name, the surest first."""
    pairs: dict[int, Defined] = {}
    left, old = list(now), list(before)
    same: tuple[Callable[[Defined, Defined], bool], ...] = (
        lambda one, other: one.text == other.text and one.entity.container == other.entity.container,
        lambda one, other: one.text == other.text,
        lambda one, other: (
            one.entity.structural_hash == other.entity.structural_hash
            and one.entity.container == other.entity.container
        ),
        lambda one, other: (
            one.entity.signature == other.entity.signature and one.entity.container == other.entity.container
        ),
        lambda one, other: one.declared[0] == other.declared[0],
    )
    for is_same in same:
        for one in list(left):
            other = next((each for each in old if is_same(one, each)), None)
            if other is not None:
                pairs[id(one)] = other
                left.remove(one)
                old.remove(other)
    ranked = sorted(
        ((likeness(one, other), -a, -b) for a, one in enumerate(left) for b, other in enumerate(old)),
        reverse=True,
    )
    taken: set[int] = set()
    for _, a, b in ranked:
        if id(left[-a]) not in pairs and -b not in taken:
            pairs[id(left[-a])] = old[-b]
            taken.add(-b)
    return pairs


def _find_renamed(defined: Defined, now: Sequence[Defined], before: Sequence[Defined]) -> Defined | None:
    names = Counter(each.entity.name for each in now)
    gone = [each for each in before if not names[each.entity.name]]
    if len(defined.code) < WORDS_MIN:
        return None
    for each in gone:
        if each.entity.structural_hash == defined.entity.structural_hash:
            return each
    return _most_alike(defined, gone, ALIKE_MIN)


def _most_alike(defined: Defined, others: Sequence[Defined], least: float) -> Defined | None:
    scored = [(likeness(defined, each), -place) for place, each in enumerate(others)]
    best = max(scored, default=(0.0, 0))
    return others[-best[1]] if scored and best[0] >= least else None


def find_elsewhere(defined: Defined, others: Sequence[Defined]) -> Defined | None:
    """What a definition was in another file that lost it; None if none of those is like it."""
    akin = [each for each in others if are_akin(each.entity.kind, defined.entity.kind)]
    named = [each for each in akin if each.entity.name == defined.entity.name]
    for each in named:
        if each.entity.structural_hash == defined.entity.structural_hash:
            return each
    found = _most_alike(defined, named, NAMED_ALIKE_MIN)
    if found is not None or len(defined.code) < 2 * WORDS_MIN:
        return found
    return next(
        (each for each in akin if each.entity.structural_hash == defined.entity.structural_hash), None
    )


def tell_kinds(before: Defined, after: Defined, *, moved: bool) -> tuple[ChangeKind, ...]:
    """What was done to a definition; empty if nothing was."""
    kinds = []
    old, new = before.entity, after.entity
    if moved or old.container != new.container:
        kinds.append(ChangeKind.MOVED)
    if old.name != new.name:
        kinds.append(ChangeKind.RENAMED)
    if before.text == after.text:
        return tuple(kinds)
    edited = []
    if old.structural_hash != new.structural_hash:
        if before.declared[0] != after.declared[0]:
            edited.append(ChangeKind.SIGNATURE)
        if before.declared[1] != after.declared[1] or not edited:
            edited.append(ChangeKind.BODY)
    if before.comment != after.comment or old.doc != new.doc:
        edited.append(ChangeKind.DOC)
    return (*kinds, *(edited or ([] if kinds else [ChangeKind.LAYOUT])))


_CLOSED: Final = (b"{", b"}", b";", b":", b"*/")


def are_preceded_alike(line: bytes, other: bytes) -> bool:
    """Whether two lines above the same text tell that nothing of the one's belongs to it."""
    line, other = line.strip(), other.strip()
    if line == other or not line:
        return True
    return line.endswith(_CLOSED[:3]) and not _COMMENT_LINE.match(line)

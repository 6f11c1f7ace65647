"""Which definition of one content is which of another: by name, by structure, by words; and how they differ.

The phases, strongest first: the same name, where several have it told apart by text, structure, signature and
words alike by `ALIKE_MIN`; equal structure under another name; words alike by `ALIKE_MIN` under another name;
an overload that left its code; the name alone.

Invariants:
    1. No two definitions of a content are the same definition of another, unless the name alone tells of one.
    2. What is still there under its name is not taken for what something else was.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from imprint.semantic.lineage.model import ChangeKind
from imprint.semantic.parse.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from imprint.semantic.lineage.tracing.lines import Lines
    from imprint.semantic.parse.model import Entity

ALIKE_MIN: Final = 0.7
"""Share of common words from which a definition of another name is the same one."""
NAMED_ALIKE_MIN: Final = 0.5
"""The same for one of the same name in another file."""
ELSEWHERE_ALIKE_MIN: Final = 0.8
"""The same for one of another name in another file."""
_LEFT_MORE: Final = 0.15
"""So much more alike than what kept the name must be what took the code."""
WORDS_MIN: Final = 12
"""A definition of fewer words is like many: only its name tells it."""

_WORD: Final = re.compile(rb"[\w\x80-\xff]+|[^\s\w]")
_COMMENT_LINE: Final = re.compile(
    rb"\s*(?://|/\*|\*|#(?!\s*(?:include|define|if|endif|else|pragma)\b)|--|;;|%)"
)
_DOC_LINE: Final = re.compile(rb"\s*(?:/\*|\*)")
_NO_LINE: Final = re.compile(rb"(?!)")
_COMMENT_LINES_MAX: Final = 400
_LINES_KEPT: Final = 4_096
_LINE_BYTES_KEPT: Final = 200
"""Lines whose words are kept, some 3 MB; longer ones are not."""
_BEFORE_CALL: Final = frozenset(b"{ : ; = . - > return this self super await".split())
"""Words that may stand between a signature and the call that a definition is nothing but."""
_OPENING: Final = re.compile(rb"\s*[{:]?[ \t\r]*\n?")
_BLOCK_DOCS: Final = frozenset(
    b"java js jsx mjs cjs ts tsx mts cts cs php kt kts scala groovy dart swift".split()
)
"""Languages whose documentation is in block comments: one in line comments is not about a definition."""
_INNER_DOCS: Final = frozenset(b"py pyi".split())
"""Languages whose documentation is inside."""
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
        """The comment above it, whole lines."""
        lines = self.entity.start_line - self.first
        return b"\n".join(self.text.split(b"\n", lines)[:lines]) if lines else b""

    @cached_property
    def own(self) -> bytes:
        """Its own lines."""
        lines = self.entity.start_line - self.first
        return self.text.split(b"\n", lines)[-1] if lines else self.text

    @cached_property
    def code(self) -> list[bytes]:
        """The words of its own lines."""
        return _list_words(self.own)

    @cached_property
    def counted(self) -> Counter[bytes]:
        """The same, counted."""
        return Counter(self.code)

    @cached_property
    def head_words(self) -> int:
        """How many words stand before its body: decorators and signature; 0 where that cannot be told."""
        signature = _list_words(self.entity.signature.rstrip("…").encode())
        for at in range(len(self.code) - len(signature) + 1):
            if self.code[at : at + len(signature)] == signature:
                return at + len(signature)
        return 0

    @property
    def split(self) -> tuple[list[bytes], list[bytes]]:
        """The words before its body, and those of it."""
        return self.code[: self.head_words], self.code[self.head_words :]

    @property
    def declared(self) -> tuple[list[bytes], list[bytes]]:
        """The same with its own name blank, for comparing definitions of different names."""
        own = self.entity.name.encode()
        before, after = ([b"" if word == own else word for word in words] for words in self.split)
        return before, after

    @cached_property
    def delegates(self) -> bool:
        """Whether its body begins by calling what has its own name, directly or of itself."""
        own = self.entity.name.encode()
        words = [word for word in self.code[self.head_words :] if word not in _BEFORE_CALL]
        return words[:1] == [own]

    @cached_property
    def body(self) -> list[bytes]:
        """The lines of its body."""
        at = 0
        for place, word in enumerate(_WORD.finditer(self.own)):
            if place == self.head_words:
                break
            at = word.end()
        return _OPENING.sub(b"", self.own[at:], count=1).split(b"\n")


def _list_words(text: bytes) -> list[bytes]:
    """The words of a text: versions of a definition share most lines, and no word has a line's end in it."""
    words: list[bytes] = []
    for line in text.split(b"\n"):
        words += _words_of_line(line) if len(line) <= _LINE_BYTES_KEPT else _WORD.findall(line)
    return words


@lru_cache(_LINES_KEPT)
def _words_of_line(line: bytes) -> tuple[bytes, ...]:
    return tuple(_WORD.findall(line))


def define(path: bytes, lines: Lines, entities: Iterable[Entity]) -> list[Defined]:
    """Definitions of a content, given by its lines, with their text and the documentation above them."""
    suffix = path.rpartition(b".")[2].lower()
    comment = _NO_LINE if suffix in _INNER_DOCS else _DOC_LINE if suffix in _BLOCK_DOCS else _COMMENT_LINE
    found, content = [], lines.content
    for entity in entities:
        first, begin = entity.start_line, lines.begin(entity.start_line)
        while begin > 0 and entity.start_line - first < _COMMENT_LINES_MAX:
            above = content.rfind(b"\n", 0, begin - 1) + 1
            if not comment.match(content, above, begin - 1):
                break
            first, begin = first - 1, above
        found.append(Defined(entity, first, content[begin : lines.end(entity.end_line)]))
    return found


def likeness(one: Defined, other: Defined) -> float:
    """The share of words that two definitions have in common, from 0 to 1."""
    common = sum((one.counted & other.counted).values())
    return 2 * common / (len(one.code) + len(other.code) or 1)


def may_be_alike(one: Defined, other: Defined, least: float) -> bool:
    """Whether two definitions are alike by `least` if the shorter one's words are all in the other."""
    shorter, both = min(len(one.code), len(other.code)), len(one.code) + len(other.code)
    return 2 * shorter / (both or 1) >= least


def are_akin(one: EntityKind, other: EntityKind) -> bool:
    """Whether something of one kind can have been of another."""
    return one is other or (one in _CALLABLE and other in _CALLABLE)


def find_named(defined: Defined, now: Iterable[Defined], before: Iterable[Defined]) -> Defined | None:
    """The first phase of `find_before`, which asks of both contents only what has the definition's name."""
    rivals, named = (_named_like(defined, each) for each in (now, before))
    return _pair(rivals, named).get(id(defined)) if named else None


def find_before(defined: Defined, now: Sequence[Defined], before: Sequence[Defined]) -> Defined | None:
    """What a definition of a content was in an earlier content of the same file; None if it was not there."""
    return Former(now, before).find(defined)


class Former:
    """What definitions of a content were in an earlier content of the same file: what all need is found once.

    Args:
        now: the definitions of the later content.
        before: those of the earlier one.
    """

    def __init__(self, now: Sequence[Defined], before: Sequence[Defined]) -> None:
        self._now, self._before = now, before
        self._gone: dict[EntityKind, tuple[list[Defined], frozenset[str]]] = {}

    @cached_property
    def _by_name(self) -> tuple[dict[str, list[Defined]], dict[str, list[Defined]]]:
        sides: tuple[dict[str, list[Defined]], ...] = (defaultdict(list), defaultdict(list))
        for side, every in zip(sides, (self._now, self._before), strict=True):
            for each in every:
                side[each.entity.name].append(each)
        return sides[0], sides[1]

    def find(self, defined: Defined) -> Defined | None:
        """What one of the later definitions was; None if it was not there."""
        name = defined.entity.name
        rivals, named = (_named_like(defined, side.get(name, ())) for side in self._by_name)
        if named:
            found = _pair(rivals, named).get(id(defined))
            if found is not None:
                return found
        found = self._find_renamed(defined) or _find_left(defined, self._now, named)
        if found is not None or not named:
            return found
        return _pair(rivals, named, least=0.0).get(id(defined))

    def _find_renamed(self, defined: Defined) -> Defined | None:
        """What had another name and is gone, unless something else that is new is more like it."""
        if len(defined.code) < WORDS_MIN:
            return None
        gone, there = self._list_gone(defined.entity.kind)
        for each in gone:
            if each.entity.structural_hash == defined.entity.structural_hash:
                return each
        found = _most_alike(defined, gone, ALIKE_MIN)
        if found is None:
            return None
        rivals = [each for each in self._now if each.entity.name not in there and each is not defined]
        alike = likeness(defined, found)
        return None if any(likeness(rival, found) > alike for rival in rivals) else found

    def _list_gone(self, kind: EntityKind) -> tuple[list[Defined], frozenset[str]]:
        """What can have been of a kind and is gone, and the names of all that can have been of it."""
        known = self._gone.get(kind)
        if known is None:
            akin = [each for each in self._before if are_akin(each.entity.kind, kind)]
            names = frozenset(each.entity.name for each in akin)
            known = self._gone[kind] = find_gone(akin, self._now), names
        return known


def find_gone(before: Sequence[Defined], now: Sequence[Defined]) -> list[Defined]:
    """What of an earlier content has nothing under its name in a later one: no overload of it either."""
    kept: set[int] = set()
    seen: set[int] = set()
    here: dict[str, list[Defined]] = defaultdict(list)
    for each in now:
        here[each.entity.name].append(each)
    for each in before:
        if id(each) in seen or each.entity.name not in here:
            continue
        named = _named_like(each, before)
        seen.update(map(id, named))
        rivals = _named_like(each, here[each.entity.name])
        kept.update(map(id, _pair(rivals, named, elsewhere=0.0).values()))
    return [each for each in before if id(each) not in kept]


def list_doubtful(before: Iterable[Entity], now: Iterable[Entity]) -> set[str]:
    """The names of what may be gone: `find_gone` of definitions of any other name finds nothing."""
    old, new = (_by_name(entities) for entities in (before, now))
    return {
        name
        for name, ours in old.items()
        if len(ours) > 1 or len(new.get(name, ())) != 1 or not are_akin(ours[0].kind, new[name][0].kind)
    }


def _by_name(entities: Iterable[Entity]) -> dict[str, list[Entity]]:
    found: dict[str, list[Entity]] = {}
    for entity in entities:
        found.setdefault(entity.name, []).append(entity)
    return found


def _named_like(defined: Defined, others: Iterable[Defined]) -> list[Defined]:
    name, kind = defined.entity.name, defined.entity.kind
    return [each for each in others if each.entity.name == name and are_akin(each.entity.kind, kind)]


def _pair(
    now: Sequence[Defined],
    before: Sequence[Defined],
    *,
    least: float = ALIKE_MIN,
    elsewhere: float = NAMED_ALIKE_MIN,
) -> dict[int, Defined]:
    """Pairs definitions of one name: those of one container first, then the rest, the surest first.

    Args:
        now: the later ones.
        before: the earlier ones.
        least: how much alike overloads of one container must be that nothing else tells apart.
        elsewhere: the same for those of different containers.
    """
    pairs: dict[int, Defined] = {}
    left, old = list(now), list(before)
    for container in dict.fromkeys(each.entity.container for each in now):
        ours = [each for each in left if each.entity.container == container]
        theirs = [each for each in old if each.entity.container == container]
        alone = len(ours) == len(theirs) == 1
        _pair_some(ours, theirs, pairs, least=0.0 if alone else least)
    taken = {id(each) for each in pairs.values()}
    left = [each for each in left if id(each) not in pairs]
    old = [each for each in old if id(each) not in taken]
    _pair_some(left, old, pairs, least=elsewhere, apart=True)
    return pairs


def _signature(defined: Defined) -> Hashable:
    return defined.entity.signature


_SURE: Final[tuple[Callable[[Defined], Hashable], ...]] = (
    lambda each: each.text,
    lambda each: each.entity.structural_hash,
    _signature,
    lambda each: tuple(each.code[: each.head_words]),
)
"""What tells overloads apart, the surest first."""


def _pair_some(
    left: list[Defined], old: list[Defined], pairs: dict[int, Defined], *, least: float, apart: bool = False
) -> None:
    """Pairs some, those that are left over by their words; with `apart` those of different containers."""
    for key in _SURE if len(left) > 1 or len(old) > 1 else ():
        waiting: dict[Hashable, list[Defined]] = {}
        for each in reversed(old):
            waiting.setdefault(key(each), []).append(each)
        rest: list[Defined] = []
        for one in left:
            same = waiting.get(key(one))
            if same and (key is not _signature or same[-1].entity.container == one.entity.container):
                pairs[id(one)] = same.pop()
            else:
                rest.append(one)
        taken = {id(each) for each in pairs.values()}
        left, old = rest, [each for each in old if id(each) not in taken]
        if not left or not old:
            return
    if len(left) == len(old) == 1 and least <= 0 and not apart:
        pairs[id(left[0])] = old[0]  # however little alike they are: it need not be told
        return
    ranked = sorted(
        (
            (likeness(one, other), -a, -b)
            for a, one in enumerate(left)
            for b, other in enumerate(old)
            if (not apart or one.entity.container != other.entity.container)
            and may_be_alike(one, other, least)
        ),
        reverse=True,
    )
    used: set[int] = set()
    for alike, a, b in ranked:
        if id(left[-a]) not in pairs and b not in used and alike >= least:
            pairs[id(left[-a])] = old[-b]
            used.add(b)


def _find_left(defined: Defined, now: Sequence[Defined], named: Sequence[Defined]) -> Defined | None:
    """What left its code to an overload, and does nothing any more but call that one."""
    found = _most_alike(defined, named, ALIKE_MIN) if len(defined.code) >= WORDS_MIN else None
    if found is None:
        return None
    rivals = _named_like(found, now)
    pairs = _pair(rivals, named)
    stayed = next((each for each in rivals if pairs.get(id(each)) is found), None)
    if stayed is None or not stayed.delegates:
        return None
    return found if likeness(defined, found) > likeness(stayed, found) + _LEFT_MORE else None


def _most_alike(defined: Defined, others: Sequence[Defined], least: float) -> Defined | None:
    scored = [
        (likeness(defined, each), -place)
        for place, each in enumerate(others)
        if may_be_alike(defined, each, least)
    ]
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
    return _most_alike(defined, akin, ELSEWHERE_ALIKE_MIN)


def has_moved(old: Defined, new: Defined, before: Iterable[Entity], now: Iterable[Entity]) -> bool:
    """Whether a definition went to another container of its file; not if its container has a new name."""
    left, entered = old.entity.container, new.entity.container
    if left == entered:
        return False
    stays = not left or any(each.qualified_name == left for each in now)
    return stays or not entered or any(each.qualified_name == entered for each in before)


def tell_kinds(before: Defined, after: Defined, *, moved: bool) -> tuple[ChangeKind, ...]:
    """What was done to a definition; empty if nothing was."""
    kinds = []
    old, new = before.entity, after.entity
    if moved:
        kinds.append(ChangeKind.MOVED)
    if old.name != new.name:
        kinds.append(ChangeKind.RENAMED)
    if before.text == after.text:
        return tuple(kinds)
    edited = []
    if old.structural_hash != new.structural_hash:
        was, became = (each.split if old.name == new.name else each.declared for each in (before, after))
        if was[0] != became[0]:
            edited.append(ChangeKind.SIGNATURE)
        if was[1] != became[1] or not edited:
            edited.append(ChangeKind.BODY)
    if before.comment.split() != after.comment.split() or old.doc.split() != new.doc.split():
        edited.append(ChangeKind.DOC)
    if not edited and (before.comment != after.comment or before.body != after.body):
        edited.append(ChangeKind.LAYOUT)
    return (*kinds, *edited)


_CLOSED: Final = (b"{", b"}", b";", b":", b"*/")


def are_preceded_alike(line: bytes, other: bytes) -> bool:
    """Whether two lines above the same text tell that nothing of the one's belongs to it."""
    line, other = line.strip(), other.strip()
    if line == other or not line:
        return True
    return line.endswith(_CLOSED[:3]) and not _COMMENT_LINE.match(line)

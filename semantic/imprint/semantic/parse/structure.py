"""The engine: a file and its grammar to entities and references.

It knows no language. The captures of the two queries (`imprint.semantic.parse.grammar` lists them) become
found spans; one sweep over the spans in order of position nests them and gives each reference its caller.

Invariants:
1. Nothing here recurses over the tree, so depth of nesting costs no stack; entities more than `DEPTH_MAX`
   deep are left out, which bounds the work at DEPTH_MAX passes over the file.
2. Broken source gives what the grammar could recover, never an error; of next to nothing, the module.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tree_sitter import Parser, QueryCursor

from imprint.semantic.parse.comments import CommentRuns, paragraph_of_docstring
from imprint.semantic.parse.flow.read import read_flow, read_qualifier
from imprint.semantic.parse.model import Binding, Entity, EntityKind, Import, Reference, ReferenceKind
from imprint.semantic.parse.pieces.clauses import join_clauses
from imprint.semantic.parse.roles.routes import find_routes
from imprint.semantic.parse.shape import Shapes, mask_literals, mask_spans
from imprint.semantic.parse.source import NAME_CHARS_MAX, mask_invalid, show_line, show_signature, split_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tree_sitter import Node

    from imprint.semantic.parse.grammar import CompiledGrammar
    from imprint.semantic.parse.shape import Span
    from imprint.semantic.parse.source import Source

# From, to, and the place of the kind in _REFERENCES, or _DOCSTRING.
_Event = tuple[int, int, int]

# Real code stays below ten.
DEPTH_MAX = 32
# A query over one error of this many tokens takes a tenth of a second, and the square of that for more.
ERROR_CHILDREN_MAX = 10_000

_KINDS = {kind.value: kind for kind in EntityKind}
_SCOPES = ("scope", "rest")

# Kinds that hold others but no code of their own, and kinds that hold nothing.
_TYPES = frozenset(
    {
        EntityKind.CLASS,
        EntityKind.INTERFACE,
        EntityKind.TRAIT,
        EntityKind.STRUCT,
        EntityKind.ENUM,
        EntityKind.PROPERTY,
    }
)
_FUNCTIONS = frozenset({EntityKind.FUNCTION, EntityKind.METHOD, EntityKind.ROUTE, EntityKind.TEST})
_LEAVES = frozenset(
    {
        EntityKind.VARIABLE,
        EntityKind.CONSTANT,
        EntityKind.FIELD,
        EntityKind.TYPE,
        EntityKind.DECLARATION,
        EntityKind.MACRO,
    }
)
_LEAVES_WITHOUT_BODY = frozenset({EntityKind.PROPERTY, EntityKind.ROUTE})
_CALLED = frozenset({EntityKind.ROUTE, EntityKind.TEST})
_VALUES = frozenset({EntityKind.VARIABLE, EntityKind.CONSTANT, EntityKind.FIELD})
# What a function's body only mentions: a local value, or a declaration that is a variable in disguise.
_NOT_LOCAL = _VALUES | {EntityKind.DECLARATION, EntityKind.MACRO}

# In order of strength: a name at one place is reported once.
_REFERENCES = (
    ("call", ReferenceKind.CALL),
    ("inherit", ReferenceKind.INHERIT),
    ("import", ReferenceKind.IMPORT),
    ("use", ReferenceKind.USE),
)

_DOCSTRING = -1
_QUOTES = frozenset(b"\"'`")

_SPACES = re.compile(r"\s+")


@dataclass(slots=True)
class _Found:
    """A span that defines something, while it is being worked out.

    `start` includes decorators and wrappers; `inner` is where the signature starts.
    """

    kind: EntityKind | None
    name: str
    parents: tuple[str, ...]
    start: int
    inner: int
    end: int
    body: int
    has_body: bool
    name_at: int
    path: str = ""
    container: str = ""
    doc: str = ""

    reaches_end: bool = False
    again: list[int] = field(default_factory=list)

    @property
    def opens(self) -> int:
        """Where what it mentions begins: of a test or a route that is a call, the call is outside."""
        return self.name_at if self.kind in _CALLED else self.inner

    @property
    def is_leaf(self) -> bool:
        """Nothing is named after it, and nothing happens in it."""
        return self.kind in _LEAVES or (self.kind in _LEAVES_WITHOUT_BODY and not self.has_body)


@dataclass(frozen=True, slots=True)
class Structure:
    """What a file defines, the module first; what it mentions, takes and binds; the lines of comments."""

    entities: tuple[Entity, ...]
    references: tuple[Reference, ...]
    comment_lines: frozenset[int]
    imports: tuple[Import, ...]
    bindings: tuple[Binding, ...]


def read_structure(grammar: CompiledGrammar, source: Source, *, mentions: bool = True) -> Structure:
    """Parse a file and give what it defines, and with `mentions` what it mentions, takes and binds."""
    prepared = mask_invalid(source.content)
    if grammar.prepare is not None:
        prepared = grammar.prepare(prepared)
    root = Parser(grammar.language).parse(prepared).root_node
    if _is_beyond_recovery(root):
        root = Parser(grammar.language).parse(b"").root_node
    marks = QueryCursor(grammar.marks).captures(root)
    found = [*_collect_definitions(grammar, root, source), *_collect_routes(grammar, root, source)]
    comments = _spans(marks.get("comment", ()))
    uncommented = mask_spans(source.content, comments)
    if grammar.clauses:
        found = join_clauses(found, uncommented)
    _extend_by_prefixes(found, _spans(marks.get("prefix", ())), uncommented)
    nested = _nest(found)
    references, docs = _attribute_marks(nested, marks, source, grammar, mentions=mentions)
    imports, bindings = _attribute_flow(grammar, root, nested, source) if mentions else ((), ())
    documentation = _spans(marks.get("docstring", ()))
    code = mask_literals(
        mask_spans(uncommented, documentation),
        sorted({*_spans(marks.get("string", ()))} - {*documentation}),
        _spans(marks.get("block", ())),
    )
    shapes = Shapes(code, (bound for item in nested for bound in (item.start, item.end)))
    preceding = CommentRuns(comments, source)
    first = source.line_at(nested[0].start) if nested else source.line_count + 1
    entities = [_module(source, shapes, docs.get(None, "") or preceding.doc_of_file(first))]
    for item in nested:
        if item.kind is not None:
            item.doc = docs.get(id(item), "") or preceding.doc_before(item.start)
            entities.append(_entity(item, item.kind, source, uncommented, shapes))
    return Structure(tuple(entities), tuple(references), preceding.lines, imports, bindings)


def _is_beyond_recovery(root: Node) -> bool:
    """Tell whether the parser gave up on a stretch so long that a query over it would take quadratic time."""
    unread = [root] if root.has_error else []
    while unread:
        node = unread.pop()
        if node.is_error and node.child_count > ERROR_CHILDREN_MAX:
            return True
        unread.extend(
            child
            for child in node.children
            if child.has_error and child.end_byte - child.start_byte > ERROR_CHILDREN_MAX
        )
    return False


def _spans(nodes: Iterable[Node]) -> list[Span]:
    return sorted({(node.start_byte, node.end_byte) for node in nodes})


# --- what is defined


def _collect_definitions(grammar: CompiledGrammar, root: Node, source: Source) -> list[_Found]:
    """Turn the matches of the definitions query into spans, the strongest pattern for each place."""
    wrappers: dict[int, tuple[int, int, int]] = {}
    candidates: list[tuple[int, int, _Found]] = []
    for pattern, captures in QueryCursor(grammar.definitions).matches(root):
        wrapper = captures.get("wrapper")
        if wrapper is not None:
            outer = wrapper[0]
            wrappers[captures["wrapped"][0].id] = (outer.id, outer.start_byte, outer.end_byte)
            continue
        made = _found(captures, grammar.silent_parts, source)
        if made is not None:
            candidates.append((pattern, *made))
    candidates.sort(key=lambda candidate: candidate[0])
    taken: set[tuple[str, int]] = set()
    found: list[_Found] = []
    for _, node_id, item in candidates:
        if item.kind is not None:
            claims = {("name", item.name_at)} | ({("body", item.body)} if item.has_body else set())
            if claims & taken:
                continue
            taken |= claims
        _wrap(item, node_id, wrappers)
        found.append(item)
    return found


def _collect_routes(grammar: CompiledGrammar, root: Node, source: Source) -> list[_Found]:
    """Turn the routes of a file into spans; one that shares its handler's holds nothing."""
    if grammar.routes is None or not grammar.route_signs.search(source.content):
        return []
    return [
        _Found(
            kind=EntityKind.ROUTE,
            name=route.name,
            parents=(),
            start=route.start,
            inner=route.start,
            end=route.end,
            body=route.end,
            has_body=route.holds,
            name_at=route.name_at,
        )
        for route in find_routes(grammar.routes(), root)
    ]


def _wrap(item: _Found, node_id: int, wrappers: dict[int, tuple[int, int, int]]) -> None:
    """Give an item the span of the outermost node wrapped around its own."""
    while node_id in wrappers:
        node_id, item.start, item.end = wrappers[node_id]
    item.inner = item.start


def _found(
    captures: dict[str, list[Node]], silent_parts: frozenset[str], source: Source
) -> tuple[int, _Found] | None:
    names = captures.get("name")
    if names is None:
        return None
    label = next(key for key in captures if key in _KINDS or key in _SCOPES)
    node, name_node = captures[label][0], names[0]
    written = source.text(name_node.start_byte, name_node.end_byte)
    *parents, name = (
        [_SPACES.sub(" ", written.strip("\"'`"))[:NAME_CHARS_MAX].strip()]
        if label == "test" or "string" in name_node.type or name_node.type == "word"
        else split_name(written, silent_parts)
    )
    if not name:
        return None
    parents.extend(source.text(part.start_byte, part.end_byte) for part in captures.get("container", ()))
    body = captures.get("body")
    return node.id, _Found(
        kind=_KINDS.get(label),
        name=name,
        parents=tuple(parents),
        start=node.start_byte,
        inner=node.start_byte,
        end=len(source.content) if label == "rest" else max(node.end_byte, body[0].end_byte if body else 0),
        body=body[0].start_byte if body else node.end_byte,
        has_body=body is not None,
        reaches_end=label == "rest",
        name_at=name_node.start_byte,
    )


def _extend_by_prefixes(found: list[_Found], prefixes: list[Span], uncommented: bytes) -> None:
    """Let spans begin at the decorators before them, and signatures after the decorators."""
    ends = [end for _, end in prefixes]
    starts = [start for start, _ in prefixes]
    for item in found:
        index = bisect_right(ends, item.start) - 1
        while index >= 0 and not uncommented[ends[index] : item.start].strip():
            item.start = starts[index]
            index -= 1
        index = bisect_left(starts, item.inner)
        while (
            index < len(starts)
            and starts[index] < item.name_at
            and not uncommented[item.inner : starts[index]].strip()
        ):
            item.inner = ends[index]
            index += 1
        while uncommented[item.inner : item.inner + 1].isspace():
            item.inner += 1


# --- what contains what


def _nest(found: list[_Found]) -> list[_Found]:
    """Give every span its container and drop what is local to a function, said twice, or too deep."""
    kept: list[_Found] = []
    open_items: list[_Found] = []
    seen: dict[tuple[str, str], EntityKind] = {}
    for item in sorted(found, key=lambda each: (each.start, -each.end, each.name_at)):
        while open_items and (open_items[-1].end <= item.start or _is_beside(item, open_items[-1])):
            open_items.pop()
        parent = open_items[-1] if open_items else None
        if len(open_items) >= DEPTH_MAX or (
            item.kind in _NOT_LOCAL and parent is not None and _is_code(parent)
        ):
            continue
        _place(item, parent)
        if _is_repetition(item, seen.get((item.container, item.name))):
            continue
        if item.kind is not None:
            seen[item.container, item.name] = item.kind
        kept.append(item)
        if not item.is_leaf:
            open_items.append(item)
    return kept


def _is_beside(item: _Found, earlier: _Found) -> bool:
    """Tell whether two items are declared by one statement, side by side."""
    return item.kind is earlier.kind and (item.start, item.end) == (earlier.start, earlier.end)


def _is_code(item: _Found) -> bool:
    return item.kind in _FUNCTIONS


def _is_repetition(item: _Found, earlier: EntityKind | None) -> bool:
    """Tell whether an item only assigns again, or gives a type the name it has (`typedef struct a a`)."""
    if item.kind in _VALUES:
        return earlier in _VALUES
    return item.kind is EntityKind.TYPE and earlier in _TYPES


def _place(item: _Found, parent: _Found | None) -> None:
    """Name an item after its parent, and let its kind fit the place where it stands."""
    above = (parent.path,) if parent is not None and parent.path else ()
    item.container = ".".join((*above, *item.parents))
    item.path = f"{item.container}.{item.name}" if item.container else item.name
    in_type = bool(item.parents) or (parent is not None and (parent.kind in _TYPES or parent.kind is None))
    if item.kind is EntityKind.FUNCTION and in_type:
        item.kind = EntityKind.METHOD
    elif item.kind is EntityKind.METHOD and not in_type and parent is None:
        item.kind = EntityKind.FUNCTION
    elif item.kind is EntityKind.VARIABLE and in_type:
        item.kind = EntityKind.FIELD
    if item.kind in {EntityKind.VARIABLE, EntityKind.FIELD} and item.name.isupper() and len(item.name) > 1:
        item.kind = EntityKind.CONSTANT


# --- what is mentioned


def _attribute_marks(
    nested: list[_Found],
    marks: dict[str, list[Node]],
    source: Source,
    grammar: CompiledGrammar,
    *,
    mentions: bool,
) -> tuple[list[Reference], dict[int | None, str]]:
    """Give references and docstrings to the innermost item around them; the key None is the module."""
    events = _reference_events(nested, marks) if mentions else []
    events.extend((node.start_byte, node.end_byte, _DOCSTRING) for node in marks.get("docstring", ()))
    events.sort()
    references: list[Reference] = []
    docs: dict[int | None, str] = {}
    seen_uses: set[tuple[str, int]] = set()
    for (start, end, strength), around in zip(
        events, _around(nested, (event[0] for event in events)), strict=True
    ):
        if strength == _DOCSTRING:
            docs.setdefault(id(around) if around else None, paragraph_of_docstring(source.text(start, end)))
            continue
        name, line = _reference_name(source, start, end), source.line_at(start)
        kind = _REFERENCES[strength][1]
        if kind is ReferenceKind.USE:
            # A name of one letter is a type parameter.
            if (name, line) in seen_uses or name in grammar.builtins or len(name) == 1:
                continue
            seen_uses.add((name, line))
        named = kind is not ReferenceKind.IMPORT
        qualifier = read_qualifier(grammar.package, source.content, start) if named else ""
        references.append(Reference(name, kind, line, around.path if around else "", qualifier))
    return references, docs


def _attribute_flow(
    grammar: CompiledGrammar, root: Node, nested: list[_Found], source: Source
) -> tuple[tuple[Import, ...], tuple[Binding, ...]]:
    """Give imports and bindings to the innermost item around them."""
    taken, bound = read_flow(grammar.package, grammar.flow, root, source)
    imports = tuple(
        Import(each.module, each.name, each.alias, source.line_at(each.at), around.path if around else "")
        for each, around in zip(taken, _around(nested, (each.at for each in taken)), strict=True)
    )
    bindings = tuple(
        Binding(around.path if around else "", each.target, each.kind, each.value, source.line_at(each.at))
        for each, around in zip(bound, _around(nested, (each.at for each in bound)), strict=True)
    )
    return imports, bindings


def _around(nested: list[_Found], offsets: Iterable[int]) -> Iterator[_Found | None]:
    """Give the innermost item around each offset; both come in order of position."""
    scopes = [item for item in nested if not item.is_leaf and not item.reaches_end]
    scopes.sort(key=lambda item: (item.opens, -item.end))
    open_items: list[_Found] = []
    upcoming, count = 0, len(scopes)
    for start in offsets:
        while upcoming < count and scopes[upcoming].opens <= start:
            scope = scopes[upcoming]
            while open_items and open_items[-1].end <= scope.opens:
                open_items.pop()
            open_items.append(scope)
            upcoming += 1
        while open_items and open_items[-1].end <= start:
            open_items.pop()
        yield open_items[-1] if open_items else None


def _reference_events(nested: list[_Found], marks: dict[str, list[Node]]) -> list[_Event]:
    """Give the places where names are used, each with the index of its strongest kind."""
    taken = {place for item in nested for place in (item.name_at, *item.again)}
    ignored = _spans(marks.get("ignored", ()))
    events: list[_Event] = []
    for strength, (capture, kind) in enumerate(_REFERENCES):
        here: set[int] = set()
        for node in marks.get(capture, ()):
            start = node.start_byte
            if start in taken or start in here or (ignored and _is_within(start, ignored)):
                continue
            here.add(start)
            events.append((start, node.end_byte, strength))
        if kind is not ReferenceKind.IMPORT:
            taken |= here
    return events


def _is_within(offset: int, spans: list[Span]) -> bool:
    """Tell whether one of sorted spans that do not nest holds an offset."""
    index = bisect_right(spans, (offset, sys.maxsize)) - 1
    return index >= 0 and offset < spans[index][1]


def _reference_name(source: Source, start: int, end: int) -> str:
    name = source.text(start, min(end, start + NAME_CHARS_MAX))
    return name if name.isidentifier() else _SPACES.sub("", name.strip("\"'`<>#"))


# --- how it is presented


def _module(source: Source, shapes: Shapes, doc: str) -> Entity:
    return Entity(
        kind=EntityKind.MODULE,
        name="",
        container="",
        start_line=1,
        end_line=max(1, source.line_count),
        line=1,
        signature="",
        doc=doc,
        structural_hash=shapes.hash(0, len(source.content), ""),
    )


def _entity(item: _Found, kind: EntityKind, source: Source, uncommented: bytes, shapes: Shapes) -> Entity:
    return Entity(
        kind=kind,
        name=item.name,
        container=item.container,
        start_line=source.line_at(item.start),
        end_line=source.last_line_of(item.start, item.end),
        line=source.line_at(item.name_at),
        signature=_signature(uncommented, item),
        doc=item.doc,
        structural_hash=shapes.hash(item.start, item.end, item.name),
    )


def _signature(uncommented: bytes, item: _Found) -> str:
    titled = item.kind is EntityKind.TEST and _QUOTES & {*uncommented[item.name_at - 1 : item.name_at + 1]}
    if item.kind is EntityKind.ROUTE or titled:
        return show_line(uncommented, item.name_at)
    end = item.body if item.body > item.name_at else item.end
    first_line = item.kind in _VALUES or item.kind is EntityKind.MACRO
    text = show_signature(uncommented, item.inner, end, first_line=first_line)
    return text.removesuffix("=>").rstrip() if item.kind in _TYPES else text

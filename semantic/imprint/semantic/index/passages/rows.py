"""From an extraction to the passages that are kept of it, and back.

A passage is a chunk with the facts that begin in it, their lines counted from its own first line, so that two
versions of a file share every passage but the changed ones. What of a fact depends on other passages (where a
long definition ends, the hash of its whole body, the module itself) stands with the content instead, in its
`tail`.

Invariants:
    1. A passage is a function of what its key is a hash of: text, label, names and facts.
    2. `join_facts` of what `cut_passages` gave has the entities, references, imports and bindings of the
       extraction, each kind in the order of its lines.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imprint.semantic.index.definitions import defined_names
from imprint.semantic.parse.model import (
    Binding,
    Entity,
    EntityKind,
    Extraction,
    Import,
    Reference,
    ReferenceKind,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY_BYTES: Final = 16
_OPEN_END: Final = -1
"""The end of a definition that goes on behind its passage; the tail has it."""
_FRONT_BYTES: Final = 768
"""Of unpacked facts, so many hold the definitions of most passages."""
_DECODER: Final = json.JSONDecoder()
_KINDS: Final = {kind.value: kind for kind in EntityKind}
Fields = list[Any]


@dataclass(frozen=True, slots=True)
class PassageRow:
    """A passage as it is kept.

    Attributes:
        key: what it is known by: a hash of everything else here, in hexadecimal digits.
        language: name of its language.
        symbol: qualified name of the definition it mainly is; empty for none.
        kind: what it mainly is, such as `function`.
        lines: how many lines it has.
        text: its text.
        defines: names whose definition begins in it.
        uses: names that are referred to in it, each once.
        facts: the facts that begin in it, packed.
    """

    key: str
    language: str
    symbol: str
    kind: str
    lines: int
    text: str
    defines: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    facts: bytes = b""


@dataclass(frozen=True, slots=True)
class CutContent:
    """A content as passages.

    Attributes:
        language: name of its language.
        passages: in order.
        first_lines: of each passage, counted from 1.
        skipped: why nothing was extracted; None if something was.
        tail: what of its facts belongs to no passage, packed.
    """

    language: str
    passages: tuple[PassageRow, ...]
    first_lines: tuple[int, ...]
    skipped: str | None
    tail: bytes


def cut_passages(extraction: Extraction) -> CutContent:
    """The passages of an extraction."""
    chunks = extraction.chunks
    starts = [chunk.start_line for chunk in chunks]
    own: list[list[list[Fields]]] = [[[], [], [], []] for _ in chunks]
    ends: list[Fields] = []
    module: Fields | None = None
    for place, entity in enumerate(extraction.entities):
        if place == 0 and entity.kind is EntityKind.MODULE:
            module = _entity_fields(entity, 0)
            continue
        at = _place(starts, entity.start_line)
        fields = _entity_fields(entity, starts[at])
        if entity.end_line > chunks[at].end_line:
            ends.append([entity.end_line, entity.structural_hash])
            fields[4], fields[8] = _OPEN_END, ""
        own[at][0].append(fields)
    for use in extraction.references:
        at = _place(starts, use.line)
        own[at][1].append([use.name, use.kind.value, use.line - starts[at], use.container, use.qualifier])
    for taken in extraction.imports:
        at = _place(starts, taken.line)
        own[at][2].append([taken.module, taken.name, taken.alias, taken.line - starts[at], taken.container])
    for bound in extraction.bindings:
        at = _place(starts, bound.line)
        own[at][3].append([bound.container, bound.target, bound.kind, bound.value, bound.line - starts[at]])
    names = defined_names(extraction)
    passages = tuple(
        _passage(extraction.language, chunk.symbol, chunk.kind, chunk.end_line - chunk.start_line + 1,
                 chunk.text, defined, facts)
        for chunk, defined, facts in zip(chunks, names, own, strict=True)
    )  # fmt: skip
    return CutContent(
        extraction.language,
        passages,
        tuple(starts),
        extraction.skipped,
        _pack([module, ends]) if module or ends else b"",
    )


def join_facts(
    language: str, places: Sequence[tuple[bytes, int]], tail: bytes, skipped: str | None = None
) -> Extraction:
    """The facts of a content from those of its passages (packed, first line) and its tail."""
    unpacked = [(_unpack(packed), start) for packed, start in places if packed]
    entities = join_entities([(own[0], start) for own, start in unpacked], tail)
    references: list[Reference] = []
    imports: list[Import] = []
    bindings: list[Binding] = []
    for own, start in unpacked:
        references += [
            Reference(name, ReferenceKind(kind), line + start, container, qualifier)
            for name, kind, line, container, qualifier in own[1]
        ]
        imports += [
            Import(source, name, alias, line + start, container)
            for source, name, alias, line, container in own[2]
        ]
        bindings += [
            Binding(container, target, kind, value, line + start)
            for container, target, kind, value, line in own[3]
        ]
    return Extraction(language, entities, tuple(references), (), skipped, tuple(imports), tuple(bindings))


def join_entities(
    places: Sequence[tuple[list[Fields], int]], tail: bytes, name: str | None = None
) -> tuple[Entity, ...]:
    """The entities of a content from those of its passages (`list_entities`, first line) and its tail.

    With a name, those that have it; the passages of others may be left out then, and the tail if none that
    has it is open (`is_open`).
    """
    module, ends = _unpack(tail) if tail else (None, [])
    entities = [_entity(module, 0)] if module and name is None else []
    rest = iter(ends)
    for own, start in places:
        for fields in own:
            end, shape = next(rest, (0, "")) if is_open(fields) else (fields[4] + start, fields[8])
            if name is None or fields[1] == name:
                kind, own_name, container, first, _, line, signature, doc, _ = fields
                entities.append(
                    Entity(
                        _KINDS[kind],
                        own_name,
                        container,
                        first + start,
                        end,
                        line + start,
                        signature,
                        doc,
                        shape,
                    )
                )
    return tuple(entities)


def is_open(fields: Fields) -> bool:
    """Whether a definition goes on behind the passage in which it begins."""
    return bool(fields[4] == _OPEN_END)


def list_entities(packed: bytes) -> list[Fields]:
    """What begins in a passage, for `join_entities`; from its packed facts."""
    if not packed:
        return []
    entities: list[Fields]
    opener = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_EXPECTED)
    front = opener.decompress(packed, _FRONT_BYTES)  # the uses behind them are most of it
    if front.startswith(b"[[],"):
        return []
    if b"]]," in front:
        with suppress(ValueError):  # it stood in a string
            entities, _ = _DECODER.raw_decode(front.decode("ascii"), len("["))
            return entities
    whole = front + opener.decompress(opener.unconsumed_tail) + opener.flush()
    entities, _ = _DECODER.raw_decode(whole.decode("ascii"), len("["))
    return entities


def list_defined(packed: bytes) -> list[str]:
    """The names of the definitions that begin in a passage, from its packed facts."""
    return [fields[1] for fields in list_entities(packed)]


def _place(starts: Sequence[int], line: int) -> int:
    """The passage that a line belongs to: the last one that begins at it or before it."""
    return max(0, bisect_right(starts, line) - 1)


def _passage(  # noqa: PLR0913, PLR0917 - what a passage consists of
    language: str,
    symbol: str,
    kind: str,
    lines: int,
    text: str,
    defined: Sequence[str],
    facts: list[list[Fields]],
) -> PassageRow:
    symbol, text = storable(symbol), storable(text)
    defines = tuple(storable(name) for name in defined)
    written = _write(facts) if any(facts) else b""
    said = _write([language, symbol, kind, lines, text, defines]) + written
    return PassageRow(
        hashlib.blake2b(said, digest_size=_KEY_BYTES).hexdigest(),
        language,
        symbol,
        kind,
        lines,
        text,
        defines,
        tuple(dict.fromkeys(storable(fields[0]) for fields in facts[1])),
        _deflate(written) if written else b"",
    )


def _entity_fields(entity: Entity, start: int) -> Fields:
    return [
        entity.kind.value, entity.name, entity.container, entity.start_line - start, entity.end_line - start,
        entity.line - start, entity.signature, entity.doc, entity.structural_hash,
    ]  # fmt: skip


def _entity(fields: Fields, start: int) -> Entity:
    kind, name, container, first, end, line, signature, doc, shape = fields
    return Entity(
        _KINDS[kind], name, container, first + start, end + start, line + start, signature, doc, shape
    )


def _write(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _deflate(written: bytes) -> bytes:
    squeezer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_EXPECTED)
    return squeezer.compress(written) + squeezer.flush()


def _pack(value: object) -> bytes:
    return _deflate(_write(value))


def _unpack(packed: bytes) -> Any:
    return json.loads(_inflate(packed))


def _inflate(packed: bytes) -> str:
    opener = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_EXPECTED)
    return (opener.decompress(packed) + opener.flush()).decode("ascii")


_EXPECTED: Final = (
    b'"interface","trait","namespace","property","type","route","test","const char *","unsigned int ",'
    b'"struct ","static int ","static void ","constant","macro","declaration","variable","field","class",'
    b'"inherit","import","name","type",[],[],[],"method","self.","self","__init__","return","<return>",'
    b'"use",0,"",""],["call",1,"",""],["function","",0,0,0,"","",""]],[["'
)
"""What packed facts are likely to hold, so that short ones pack well too. Part of the format."""


def storable(text: str) -> str:
    """The text with lone surrogates replaced: neither SQLite nor Arrow takes them."""
    return text.encode("utf-8", "replace").decode("utf-8")

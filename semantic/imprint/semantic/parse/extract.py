"""From a file to what it means: entities, references and chunks.

Invariants:
1. Total: any bytes under any path give an Extraction; nothing is raised and nothing recurses with the input.
2. A function of (language, content): two paths with the same language give the same answer, so that the
   answer may be kept by blob, language and `EXTRACTOR_VERSION`.
3. Every line of a text that is not skipped is in at least one chunk.
4. Time and memory are those of the grammar, which nonsense can make very large: for what strangers push, ask
   `imprint.semantic.parse.isolation`.
5. What is kept by an older version is not mixed with this one's: any change of the outcome raises the
   version.
"""

from __future__ import annotations

from imprint.semantic.parse.chunks import cut_chunks
from imprint.semantic.parse.grammar import compile_grammar
from imprint.semantic.parse.languages import TEXT, Language, detect, language_named
from imprint.semantic.parse.model import Chunk, Entity, EntityKind, Extraction, Reference, ReferenceKind
from imprint.semantic.parse.skip import CONTENT_BYTES_MAX, TOO_LARGE, reason_to_skip
from imprint.semantic.parse.source import Source, decode_content
from imprint.semantic.parse.structure import read_structure

__all__ = [
    "EXTRACTOR_VERSION",
    "Chunk",
    "Entity",
    "EntityKind",
    "Extraction",
    "Reference",
    "ReferenceKind",
    "extract",
    "extract_as",
    "extract_definitions",
    "extract_large",
    "extract_text",
]

# 1: the first. 2: what is too large is not looked at, not even for being binary. 3: more languages,
# qualifiers, imports and bindings, routes and tests.
EXTRACTOR_VERSION = 3


def extract(path: bytes, content: bytes) -> Extraction:
    """Extract from a file; its language is told from its path and content."""
    if len(content) > CONTENT_BYTES_MAX:
        return extract_large(path)
    return extract_as(detect(path, content) or language_named(TEXT), content)


def extract_definitions(path: bytes, content: bytes) -> Extraction:
    """What `extract` gives of a file's entities, and nothing else: at a third of the price."""
    if len(content) > CONTENT_BYTES_MAX:
        return extract_large(path)
    return extract_as(detect(path, content) or language_named(TEXT), content, mentions=False)


def extract_large(path: bytes) -> Extraction:
    """What is extracted from a file of more than `CONTENT_BYTES_MAX`, whatever is in it."""
    language = detect(path, b"") or language_named(TEXT)
    return Extraction(language.name, (), (), (), language.skipped or TOO_LARGE)


def extract_text(language: Language, content: bytes) -> Extraction:
    """Cut content into windows of text, whatever its language."""
    return Extraction(
        language.name, (), (), cut_chunks(Source(decode_content(content)), (), frozenset()), None
    )


def extract_as(language: Language, content: bytes, *, mentions: bool = True) -> Extraction:
    """Extract from content in a known language; without `mentions` its entities alone."""
    skipped = language.skipped or reason_to_skip(content)
    if skipped is not None:
        return Extraction(language.name, (), (), (), skipped)
    if language.grammar is None:
        return extract_text(language, content) if mentions else Extraction(language.name, (), (), (), None)
    source = Source(decode_content(content))
    structure = read_structure(compile_grammar(language.grammar), source, mentions=mentions)
    return Extraction(
        language.name,
        structure.entities,
        structure.references,
        cut_chunks(source, structure.entities, structure.comment_lines) if mentions else (),
        None,
        structure.imports,
        structure.bindings,
    )

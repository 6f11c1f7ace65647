"""Source text to entities, references, chunks and terms: pure functions of a file's path and bytes.

Start reading at `extract`. May import: tree-sitter and its grammars (only through `grammar`), nothing of the
store.
"""

from imprint.semantic.parse.extract import EXTRACTOR_VERSION, extract, extract_as
from imprint.semantic.parse.languages import LANGUAGES, Language, detect, language_named
from imprint.semantic.parse.model import Chunk, Entity, EntityKind, Extraction, Reference, ReferenceKind
from imprint.semantic.parse.skip import is_binary, vendored
from imprint.semantic.parse.terms import terms

__all__ = [
    "EXTRACTOR_VERSION",
    "LANGUAGES",
    "Chunk",
    "Entity",
    "EntityKind",
    "Extraction",
    "Language",
    "Reference",
    "ReferenceKind",
    "detect",
    "extract",
    "extract_as",
    "is_binary",
    "language_named",
    "terms",
    "vendored",
]

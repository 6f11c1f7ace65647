"""What a table is trained on: words that people wrote, and the code that they wrote them about.

Invariants:
    1. A pair's passage never holds its question: documentation is cut out of the code that it describes.
    2. A function of its input: the same files give the same pairs in the same order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imprint.semantic.embedding.ports import Passage
from imprint.semantic.parse.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.semantic.parse.model import Entity, Extraction

WORDS_MIN = 3
QUESTION_LENGTH_MAX = 300
PASSAGE_LINES_MAX = 60

_DOCUMENTED = frozenset(
    (
        EntityKind.CLASS,
        EntityKind.INTERFACE,
        EntityKind.TRAIT,
        EntityKind.STRUCT,
        EntityKind.ENUM,
        EntityKind.FUNCTION,
        EntityKind.METHOD,
        EntityKind.MACRO,
    )
)
_DOCSTRING = re.compile(r"^[ \t]*[rRuU]?(\"\"\"|''')[\s\S]*?\1[ \t]*$", re.MULTILINE)
_NOT_PROSE = re.compile(r"copyright|licen[cs]e|inheritdoc|@param|noinspection|eslint|pylint", re.IGNORECASE)
# `fix(parser)!: ` and `parser: ` in front of a subject, ` (#123)` behind it.
_SUBJECT_ENDS = re.compile(r"^[\w./()\[\]*, -]{1,30}!?:\s+|\s*\(?#\d+\)?$")


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and the passage that answers it.

    Attributes:
        question: what somebody wrote about the code.
        passage: the code, without the question.
        path: where it stands.
    """

    question: str
    passage: Passage
    path: str


def pair_documentation(path: str, lines: list[str], extraction: Extraction) -> Iterator[Pair]:
    """Each documented function, method and type of a file, with its code. `lines` are the file's."""
    for entity in extraction.entities:
        if entity.kind not in _DOCUMENTED or not is_prose(entity.doc):
            continue
        text = _without_documentation(lines, entity)
        if text.strip():
            yield Pair(
                entity.doc[:QUESTION_LENGTH_MAX],
                Passage(text, entity.qualified_name, extraction.language),
                path,
            )


def pair_change(subject: str, path: str, changed: str, language: str) -> Pair | None:
    """A commit's subject and lines that it changed in one file; None where the subject says too little."""
    question = _SUBJECT_ENDS.sub("", subject).strip()
    if not is_prose(question) or question.startswith(("Merge", "Revert", "Bump", "bump", "Release")):
        return None
    return Pair(question[:QUESTION_LENGTH_MAX], Passage(changed, "", language), path)


def is_prose(text: str) -> bool:
    """Whether a text is a sentence about code, not a licence or a directive."""
    return len(text.split()) >= WORDS_MIN and not text.startswith("@") and not _NOT_PROSE.search(text)


def _without_documentation(lines: list[str], entity: Entity) -> str:
    last = min(entity.end_line, entity.start_line + PASSAGE_LINES_MAX - 1)
    text = "\n".join(lines[entity.start_line - 1 : last])
    whole = "\n".join(lines[entity.start_line - 1 : entity.end_line])
    if len(cut := _DOCSTRING.sub("", whole, count=1)) < len(whole):
        text = "\n".join(cut.split("\n")[:PASSAGE_LINES_MAX])
    return text

"""Searching what commits added and took away, line by line, the newest commit first, while there is time.

A line that is moved within its file is neither added nor taken away. Words have to stand in the changed
lines of one file, all of them; a pattern has to fit one changed line, or several that follow each other.

Invariants:
    1. Only commits that the searched one reaches, and that the caller may see, are looked at.
    2. Whoever asks is told if commits, or large contents, were not looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.semantic.parse.terms import terms
from imprint.semantic.search.answer import Answer, Hit
from imprint.semantic.search.finding.messages import commit_hit, newest_first
from imprint.semantic.search.finding.place import TEXT_CHARACTERS_MAX
from imprint.semantic.search.signals.roles import demotion
from imprint.store.errors import ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imprint.semantic.lineage.model import Touch
    from imprint.semantic.search.finding.filters import Filters
    from imprint.semantic.search.finding.patterns import Pattern
    from imprint.semantic.search.finding.place import Place
    from imprint.semantic.search.query import Query
    from imprint.store.types import ObjectId

FILES_MAX: Final = 100
"""Files of one commit whose differences are looked at: more are a reformatting or an import."""
CONTENT_BYTES_MAX: Final = 512 * 1024
"""Contents above this size are left out."""
COLLECTED_MAX: Final = 500
"""Differences that are collected before the best are told."""
_LINES_SHOWN: Final = 12


def find_diffs(place: Place, query: Query, filters: Filters, wanted: tuple[str, ...] | Pattern) -> Answer:
    """The changes that fit: code before tests and documents, then the newest first."""
    deadline = place.deadline()
    past = place.past()
    judge = _judge_words(wanted) if isinstance(wanted, tuple) else _judge_pattern(wanted)
    words = frozenset(wanted if isinstance(wanted, tuple) else wanted.likely)
    hits: list[Hit] = []
    notes: list[str] = []
    for looked, number in enumerate(newest_first(filters)):
        if deadline.is_over() or len(hits) >= COLLECTED_MAX:
            total = int(filters.commit_mask.sum())
            notes.append(f"the newest {looked} of {total} commits were looked at")
            break
        for touch in past.touched(number)[:FILES_MAX]:
            if not filters.passes_path(touch.path):
                continue
            changed = list(_changed_lines(place, touch))
            fitting = judge(changed)
            if fitting:
                score = demotion(touch.path.decode("utf-8", "replace"), words)
                hits.append(_diff_hit(place, number, touch, score, fitting))
    hits.sort(key=lambda hit: -hit.score)  # stable: the newest first among equals
    return Answer(
        place.commit, place.behind, tuple(hits[: query.limit]), is_complete=not notes, notes=tuple(notes)
    )


def _judge_words(words: Sequence[str]) -> Callable[[list[str]], list[str]]:
    wanted = frozenset(words)

    def judge(changed: list[str]) -> list[str]:
        held = [(line, wanted.intersection(terms(line[1:]))) for line in changed]
        if frozenset().union(*(found for _, found in held)) != wanted:
            return []
        return [line for line, found in held if found]

    return judge


def _judge_pattern(pattern: Pattern) -> Callable[[list[str]], list[str]]:
    def judge(changed: list[str]) -> list[str]:
        return [line for line in changed if pattern.is_in(line[1:].encode("utf-8", "replace"))]

    return judge


def _changed_lines(place: Place, touch: Touch) -> Iterator[str]:
    """The lines that a commit took away (`-`) and added (`+`), in the order of each content."""
    if touch.old == touch.new:
        return
    old, new = _read_lines(place, touch.old), _read_lines(place, touch.new)
    before, after = Counter(old), Counter(new)
    for sign, lines, own, other in (("-", old, before, after), ("+", new, after, before)):
        surplus = own - other
        for line in lines:
            if surplus[line] > 0:
                surplus[line] -= 1
                yield sign + line


def _read_lines(place: Place, blob: ObjectId | None) -> list[str]:
    if blob is None:
        return []
    objects = place.view.objects
    try:
        if (objects.find_size(blob) or 0) > CONTENT_BYTES_MAX:
            return []
        content = objects.read_blob(blob)
    except ObjectMissing:
        return []
    if b"\0" in content[:8000]:
        return []
    return content.decode("utf-8", "replace").split("\n")


def _diff_hit(place: Place, number: int, touch: Touch, score: float, lines: list[str]) -> Hit:
    text = "\n".join(lines[:_LINES_SHOWN])[:TEXT_CHARACTERS_MAX]
    hit = commit_hit(place, number, score, text)
    return replace(hit, path=touch.path, kind="diff", is_cut=len(lines) > _LINES_SHOWN)

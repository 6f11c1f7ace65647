"""Patches that tools apply: unified diffs, and the envelope `*** Begin Patch` of Codex and its kin.

The envelope, as its public grammar has it: sections `*** Add File: PATH` with `+` lines, `*** Delete File:
PATH`, `*** Update File: PATH` with an optional `*** Move to: PATH` and hunks that begin with `@@`; `*** End
Patch`.

Invariants:
    1. Total: any text gives the edits it has; other lines are passed over.
    2. Lines that a patch takes out and puts back unchanged are no edit.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Final

from imprint.store.agents.model import Edit, EditKind
from imprint.store.agents.reading.values import as_items, as_maps, as_path, as_text, split_text

_SECTION: Final = re.compile(r"\*\*\* (Add|Delete|Update) File: (.+?)\s*$")
_MOVE: Final = re.compile(r"\*\*\* Move to: (.+?)\s*$")
_COMPARE_LIMIT: Final = 400
"""Lines of two texts that are compared; longer ones only lose what they begin and end with alike."""


@dataclass(slots=True)
class _Section:
    kind: EditKind
    path: str
    old_path: str | None = None
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def finish(self) -> list[Edit]:
        moved = self.old_path is not None and self.old_path != self.path
        edits = [Edit(self.path, EditKind.MOVE, old_path=self.old_path)] if moved else []
        if self.added or self.removed or not (moved or self.kind is EditKind.PATCH):
            edits.append(Edit(self.path, self.kind, tuple(self.added), tuple(self.removed)))
        return edits


def read_patch(text: str) -> tuple[Edit, ...]:
    """Edits of a patch in either form; none where there is no patch."""
    text = as_text(text)
    if "*** Begin Patch" in text or "*** Update File: " in text or "*** Add File: " in text:
        return _read_envelope(text)
    return _read_unified(text) if "@@" in text or "diff --git" in text else ()


def _read_envelope(text: str) -> tuple[Edit, ...]:
    kinds = {"Add": EditKind.WRITE, "Delete": EditKind.DELETE, "Update": EditKind.PATCH}
    edits: list[Edit] = []
    section: _Section | None = None
    for line in split_text(text):
        if line.startswith("*** "):
            move = _MOVE.match(line)
            if move and section is not None:
                section.old_path, section.path = section.path, as_path(move[1])
                continue
            edits.extend(section.finish() if section else ())
            found = _SECTION.match(line)
            section = _Section(kinds[found[1]], as_path(found[2])) if found else None
        elif section is not None:
            _take(section, line)
    edits.extend(section.finish() if section else ())
    return tuple(edits)


def _take(section: _Section, line: str) -> None:
    if line.startswith("+"):
        section.added.append(line[1:])
    elif line.startswith("-"):
        section.removed.append(line[1:])


def _read_unified(text: str) -> tuple[Edit, ...]:
    edits: list[Edit] = []
    section: _Section | None = None
    old_name = ""
    left = [0, 0]  # lines of the hunk that are still to come, of the old and the new file
    for line in split_text(text):
        hunk = re.match(r"@@ -\d+(?:,(\d{1,9}))? \+\d+(?:,(\d{1,9}))? @@", line)
        if section is not None and any(left) and not hunk:
            _take(section, line)
            left[0] -= not line.startswith(("+", "\\"))
            left[1] -= not line.startswith(("-", "\\"))
            left = [max(0, count) for count in left]
        elif line.startswith("--- "):
            old_name = _name_of(line)
        elif line.startswith("+++ "):
            edits.extend(section.finish() if section else ())
            section = _unified_section(old_name, _name_of(line))
        elif hunk:
            left = [int(count or 1) for count in hunk.groups()]
    edits.extend(section.finish() if section else ())
    return tuple(edits)


def _unified_section(old_name: str, new_name: str) -> _Section:
    if not new_name:
        return _Section(EditKind.DELETE, old_name)
    return _Section(EditKind.PATCH, new_name, old_name or None)


def _name_of(line: str) -> str:
    name = line[4:].split("\t", 1)[0].strip().strip('"')
    if name == "/dev/null":
        return ""
    return as_path(name[2:] if name.startswith(("a/", "b/")) else name)


def read_hunks(path: str, hunks: object) -> Edit | None:
    """The edit of hunks as objects with `lines`, as tools report what they did; None where there are none."""
    section = _Section(EditKind.PATCH, path)
    for hunk in as_maps(hunks):
        for line in as_items(hunk.get("lines")):
            _take(section, as_text(line).removesuffix("\n").removesuffix("\r"))
    if not section.added and not section.removed:
        return None
    return Edit(path, EditKind.PATCH, tuple(section.added), tuple(section.removed))


def compare_texts(path: str, old: str, new: str) -> Edit:
    """The edit that puts one text in the place of another: lines that are new, and those that are gone."""
    before, after = split_text(old), split_text(new)
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    before, after = before[start : len(before) - end], after[start : len(after) - end]
    if before and after and len(before) + len(after) <= _COMPARE_LIMIT:
        before, after = _differing(before, after)
    return Edit(path, EditKind.REPLACE, after, before)


def _differing(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    removed: list[str] = []
    added: list[str] = []
    for tag, old_start, old_end, new_start, new_end in difflib.SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if tag != "equal":
            removed.extend(before[old_start:old_end])
            added.extend(after[new_start:new_end])
    return tuple(removed), tuple(added)

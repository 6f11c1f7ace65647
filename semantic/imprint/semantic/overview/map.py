"""A map: what an agent that is new to the code should know first, within a number of tokens.

Invariants:
    1. The text takes at most the tokens asked for, as `imprint.semantic.tokens` counts them.
    2. The most important files are there first; of each its definitions that others use most, in the order in
       which they stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.semantic.overview.ranking import rank_files
from imprint.semantic.parse.model import EntityKind
from imprint.semantic.parse.terms import terms
from imprint.semantic.tokens import CHARACTERS_PER_TOKEN, count_tokens
from imprint.store.errors import BadInput
from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from collections import Counter

    from imprint.semantic.overview.ranking import Ranking
    from imprint.semantic.parse.model import Entity
    from imprint.semantic.snapshot import Snapshot

TOKENS_DEFAULT: Final = 1_000
TOKENS_MAX: Final = 20_000
_TOKENS_MIN: Final = 50
_PER_FILE: Final = 12
_SIGNATURE_CHARACTERS: Final = 120
_LEFT_OUT: Final = frozenset(
    {
        EntityKind.MODULE,
        EntityKind.FIELD,
        EntityKind.VARIABLE,
        EntityKind.PROPERTY,
        EntityKind.DECLARATION,
        EntityKind.NAMESPACE,
    }
)


@dataclass(frozen=True, slots=True)
class MapFile:
    """A file of a map and those of its definitions that are shown."""

    path: bytes
    entities: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """A map.

    Attributes:
        text: what to read.
        tokens: what it takes.
        files: what is in it.
        files_in_all: files of the commit that define something.
        left_out: files that were not looked at, as there are too many.
    """

    text: str
    tokens: int
    files: tuple[MapFile, ...]
    files_in_all: int
    left_out: int


def draw_map(snapshot: Snapshot, tokens: int = TOKENS_DEFAULT, focus: str = "") -> Map:
    """Draw the map of a commit.

    Args:
        snapshot: the commit.
        tokens: what the text may take.
        focus: a path, or words that the paths of interesting files hold; empty for none.

    Raises:
        BadInput: fewer or more tokens than a map can take, or a focus that no path fits.
    """
    if not _TOKENS_MIN <= tokens <= TOKENS_MAX:
        raise BadInput(f"no map takes {tokens} tokens", hint=f"ask for {_TOKENS_MIN} to {TOKENS_MAX}")
    ranking = rank_files(snapshot, _find_focus(snapshot, focus) if focus else ())
    room = tokens * CHARACTERS_PER_TOKEN
    pieces: list[str] = []
    shown = []
    for file in ranking.files:
        path = snapshot.paths[file]
        entities = _choose(ranking, file)
        lines = [quote_path(path), *(_line(entity) for entity in entities)]
        while len(lines) > 1 and sum(len(line) + 1 for line in lines) > room:
            lines.pop()
        size = sum(len(line) + 1 for line in lines)
        if size > room:
            break
        room -= size
        pieces += [f"{line}\n" for line in lines]
        shown.append(MapFile(path, entities[: len(lines) - 1]))
    text = "".join(pieces)
    return Map(text, count_tokens(text), tuple(shown), len(ranking.files), ranking.left_out)


def _find_focus(snapshot: Snapshot, focus: str) -> list[int]:
    prefix = focus.encode("utf-8", "surrogateescape").strip(b"/")
    below = [
        file for file, path in enumerate(snapshot.paths) if path == prefix or path.startswith(prefix + b"/")
    ]
    if below:
        return below
    wanted = set(terms(focus))
    found = [
        file
        for file, path in enumerate(snapshot.paths)
        if wanted & set(terms(path.decode("utf-8", "replace")))
    ]
    if not found:
        raise BadInput(f"no path fits the focus {focus!r}", hint="name a path, or a word that paths hold")
    return found


def _choose(ranking: Ranking, file: int) -> tuple[Entity, ...]:
    """The definitions of a file that are used most elsewhere, in order of position."""
    entities = [each for each in ranking.facts[file].entities if each.kind not in _LEFT_OUT and each.name]
    ranked = sorted(range(len(entities)), key=lambda at: _worth(entities[at], at, ranking.uses))
    return tuple(entities[at] for at in sorted(ranked[:_PER_FILE]))


def _worth(entity: Entity, place: int, uses: Counter[str]) -> tuple[bool, int, int, int]:
    return entity.name.startswith("_"), -uses[entity.name], entity.container.count("."), place


def _line(entity: Entity) -> str:
    depth = 1 + (entity.container.count(".") + 1 if entity.container else 0)
    text = (entity.signature or f"{entity.kind.value} {entity.name}")[:_SIGNATURE_CHARACTERS]
    return f"{'  ' * min(depth, 4)}{entity.line}: {text}"

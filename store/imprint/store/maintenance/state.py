"""What maintenance remembers of a repository between two rounds, in `imprint/maintenance.json`.

Whoever changes it holds the lock of `work.exclusively`. It is derived: without the file nothing is lost.
Unreachable objects are then packed with others until they are told apart anew, and packs that wait to be
removed wait once more from the beginning.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAME: Final = "maintenance.json"


@dataclass(frozen=True, slots=True)
class State:
    """Between two rounds.

    Attributes:
        aside: names of packs that hold only objects which no ref reached when they were made.
        hidden: retired packs whose index is gone already, with when it went.
        graphed: the generation whose commits are in the commit-graph; 0 for none.
    """

    aside: frozenset[str] = frozenset()
    hidden: Mapping[str, int] = field(default_factory=dict)
    graphed: int = 0


def read_state(git_dir: Path) -> State:
    """What was remembered; the beginning, if nothing was or it cannot be read."""
    try:
        kept = json.loads((git_dir / "imprint" / _NAME).read_bytes())
        return State(
            aside=frozenset(map(str, kept["aside"])),
            hidden={str(name): int(at_ms) for name, at_ms in kept["hidden"].items()},
            graphed=int(kept["graphed"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return State()


def write_state(git_dir: Path, state: State) -> None:
    """Remember. May raise `OSError`."""
    path = git_dir / "imprint" / _NAME
    partial = path.with_name(f"{_NAME}.new")
    partial.write_text(
        json.dumps(
            {
                "aside": sorted(state.aside),
                "hidden": dict(sorted(state.hidden.items())),
                "graphed": state.graphed,
            }
        )
    )
    partial.replace(path)

"""What questions about definitions and uses are answered with. Lines count from 1; both ends belong to it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Reason(enum.Enum):
    """Why a use is thought to reach a definition: the rungs of the ladder, the surest first."""

    SAME_FILE = "same file"
    IMPORT = "import"
    PACKAGE = "package"
    RECEIVER = "receiver type"
    INHERITED = "inherited"
    FLOW = "flow of values"
    UNIQUE = "unique name"


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition at a place. `name` is its own, `container` the qualified name of what it stands in."""

    path: bytes
    start_line: int
    end_line: int
    line: int
    kind: str
    name: str
    container: str
    signature: str
    doc: str = ""

    @property
    def qualified_name(self) -> str:
        """The container's name and its own, joined with a dot."""
        return f"{self.container}.{self.name}" if self.container else self.name


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a name at a place; `container` is the definition around it, empty in the module's body."""

    path: bytes
    line: int
    kind: str
    name: str
    container: str
    qualifier: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """A use and the definition that it reaches.

    Attributes:
        use: where the name is used.
        target: what it reaches; None where that is not known.
        confidence: how sure that is, in (0, 1]; 0 where there is no target.
        reason: by which rung of the ladder; None where there is no target.
        missing: why there is no target; empty where there is one.
    """

    use: Use
    target: Definition | None
    confidence: float
    reason: Reason | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges, surest first, and how complete they are: `resolved` of `considered` uses reach a definition.

    Where very many files use a name, `passed_over` of them were not looked at.
    """

    edges: tuple[Edge, ...]
    resolved: int
    considered: int
    passed_over: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    """A definition that calls lead to or from: how many apart, and the last of them."""

    definition: Definition
    distance: int
    edge: Edge


@dataclass(frozen=True, slots=True)
class Reach:
    """Definitions that calls lead to or from, the nearest first; not `is_whole` where a bound ended it."""

    reached: tuple[Reached, ...]
    is_whole: bool

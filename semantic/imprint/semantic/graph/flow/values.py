"""What names may stand for, and what parameters stand for in a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imprint.semantic.graph.flow.program import Call, Class, Expression, Function, Program, Record, Symbol


@dataclass(frozen=True, slots=True)
class Frame:
    """What the parameters of a call stand for, and the frame of the caller."""

    function: Function
    arguments: tuple[tuple[Symbol, Expression], ...]
    caller: Frame | None
    receiver: Value | None
    depth: int


@dataclass(frozen=True, slots=True)
class Value:
    """A thing that a name may stand for. An object is its class, `made`; `frame` is where it was made."""

    thing: Symbol | Function | Class | Record | Program
    frame: Frame | None = None
    made: bool = False
    receiver: Value | None = None
    above: bool = False


def bind_arguments(function: Function, call: Call, skip: int) -> list[tuple[Symbol, Expression]]:
    """Which argument each parameter gets; the first `skip` parameters get none."""
    parameters = function.parameters[skip:]
    named = {each.name: each for each in parameters}
    bound: list[tuple[Symbol, Expression]] = []
    position = 0
    for key, argument in call.arguments:
        if key is not None and key != "*":
            if key in named:
                bound.append((named[key], argument))
        elif position < len(parameters):
            bound.append((parameters[position], argument))
            position += 1
    return bound

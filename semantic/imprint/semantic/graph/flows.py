"""Definitions at a position and calls of files, as the flow of values tells them.

Invariant: only Python, JavaScript and TypeScript are followed; of other languages nothing is known here, and
the ladder answers.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.flow.lower import Programs
from imprint.semantic.graph.flow.machine import Machine
from imprint.semantic.graph.flow.program import Class, Function, Imported, Member, Name, Program

if TYPE_CHECKING:
    from imprint.semantic.graph.flow.program import Expression
    from imprint.semantic.graph.ladder import Resolver

# Files that are followed together for one question: the one asked about and what it imports.
FOLLOWED_MAX: Final = 6
# Files whose flow is kept.
MACHINES_KEPT: Final = 32


@dataclass(frozen=True, slots=True)
class Called:
    """A call and what it may run.

    Attributes:
        container: the qualified name of the caller; a function without a name counts by its number.
        line: where the call is.
        name: the last part of what is called; empty where that has no name.
        file: where what runs is defined.
        path: its qualified name.
        is_class: a class without a constructor of its own.
    """

    container: str
    line: int
    name: str
    file: int
    path: str
    is_class: bool


class Flows:
    """The flow of values between the files of one snapshot."""

    def __init__(self, resolver: Resolver) -> None:
        self._programs = Programs(resolver)
        self._machines: OrderedDict[tuple[int, bool], Machine] = OrderedDict()
        self._calls: dict[int, list[Called]] = {}

    def definitions_at(self, file: int, line: int, column: int) -> list[tuple[int, int, str]] | None:
        """Where the name at a place is declared: file, line and kind of what it goes through.

        None if no name is used there, or the language is not followed. The column counts bytes from 0.
        """
        program = self._programs.program(file)
        if program is None:
            return None
        used = [
            expression for place, expression in program.uses.get(line, ()) if place[1] <= column < place[2]
        ]
        if not used:
            return None
        try:
            return self._declared(self._machine(program, through=False), used)
        except RecursionError:
            # Circles through many bases and calls; what the machine holds is not whole.
            self._machines.pop((file, False), None)
            return None

    def _declared(self, machine: Machine, used: list[Expression]) -> list[tuple[int, int, str]]:
        found: dict[tuple[int, int, str], None] = {}
        for expression in used:
            for each in machine.definitions(expression):
                home = each if isinstance(each, Program) else each.program
                if home is not None and not (
                    not isinstance(each, Program) and each.kind == "element" and not each.name
                ):
                    kind = "module" if isinstance(each, Program) else each.kind
                    found[home.file, each.line, kind] = None
        return list(found)

    def calls(self, file: int) -> list[Called]:
        """What the calls of a file run, in order of position; nothing for what is not known."""
        if file not in self._calls:
            program = self._programs.program(file)
            try:
                self._calls[file] = [] if program is None else self._called(program)
            except RecursionError:
                self._machines.pop((file, True), None)
                self._calls[file] = []
        return self._calls[file]

    def _called(self, program: Program) -> list[Called]:
        machine = self._machine(program, through=True)
        return [
            Called(
                call.container,
                call.line,
                _name_of(call.callee),
                thing.program.file,
                thing.path,
                isinstance(thing, Class),
            )
            for call in program.calls
            for thing in dict.fromkeys(value.thing for value in machine.callees(call))
            if isinstance(thing, Function | Class)
        ]

    def _machine(self, program: Program, *, through: bool) -> Machine:
        """The machine that knows a file and what it imports, directly or not."""
        key = program.file, through
        machine = self._machines.get(key)
        if machine is None:
            if len(self._machines) >= MACHINES_KEPT:
                self._machines.popitem(last=False)
            machine = self._machines[key] = Machine(self._programs.load, through_parameters=through)
            machine.settle(self._reached(program))
        return machine

    def _reached(self, program: Program) -> list[Program]:
        reached = {program.file: program}
        border = [program]
        while border and len(reached) < FOLLOWED_MAX:
            current = border.pop(0)
            for module in sorted(_modules(current)):
                for each in self._programs.load(current, module):
                    if each.file not in reached and len(reached) < FOLLOWED_MAX:
                        reached[each.file] = each
                        border.append(each)
        return list(reached.values())


def _name_of(expression: Expression) -> str:
    return expression.name if isinstance(expression, Name | Member) else ""


def _modules(program: Program) -> set[str]:
    taken = [*program.reexports, *program.scope.open_imports]
    expressions: list[Expression] = [each for listed in program.uses.values() for _, each in listed]
    taken += [each for each in expressions if isinstance(each, Imported)]
    modules = {each.module for each in taken}
    joined = {
        f"{each.module}{'' if each.module.endswith('.') else '.'}{each.name}"
        for each in taken
        if program.language == "python" and each.name not in {"", "*"}
    }
    return modules | joined

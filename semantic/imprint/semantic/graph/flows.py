"""Definitions at a position and calls of files, as the flow of values tells them.

Invariant: only Python, JavaScript and TypeScript are followed; of other languages nothing is known here, and the ladder
answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.flow.lower import Programs
from imprint.semantic.graph.flow.machine import Machine
from imprint.semantic.graph.flow.program import Class, Imported, Program

if TYPE_CHECKING:
    from imprint.semantic.graph.flow.machine import Value
    from imprint.semantic.graph.flow.program import Expression
    from imprint.semantic.graph.ladder import Resolver

# Files that are followed together for one question: the one asked about and what it imports.
FOLLOWED_MAX: Final = 24


class Flows:
    """The flow of values between the files of one snapshot."""

    def __init__(self, resolver: Resolver) -> None:
        self._programs = Programs(resolver)
        self._machines: dict[tuple[int, bool], Machine] = {}

    def definitions_at(self, file: int, line: int, column: int) -> list[tuple[int, int, str]] | None:
        """Where the name at a place is declared: file, line and kind of every declaration that it goes through.

        None if no name is used there, or the file's language is not followed. The column counts bytes from 0.
        """
        program = self._programs.program(file)
        if program is None:
            return None
        used = [
            expression for place, expression in program.uses.get(line, ()) if place[1] <= column < place[2]
        ]
        if not used:
            return None
        machine = self._machine(program, through=False)
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

    def calls(self, file: int) -> list[tuple[str, int, Value]]:
        """What the calls of a file run: the caller's qualified name, the line, the function or class."""
        program = self._programs.program(file)
        if program is None:
            return []
        machine = self._machine(program, through=True)
        return [
            (call.container, call.line, value) for call in program.calls for value in machine.callees(call)
        ]

    def _machine(self, program: Program, *, through: bool) -> Machine:
        """The machine that knows a file and what it imports, directly or not."""
        key = program.file, through
        machine = self._machines.get(key)
        if machine is None:
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


def _modules(program: Program) -> set[str]:
    taken = [each for each in (*program.reexports, *program.scope.open_imports)]
    expressions: list[Expression] = [each for listed in program.uses.values() for _, each in listed]
    taken += [each for each in expressions if isinstance(each, Imported)]
    modules = {each.module for each in taken}
    joined = {
        f"{each.module}{'' if each.module.endswith('.') else '.'}{each.name}"
        for each in taken
        if program.language == "python" and each.name not in {"", "*"}
    }
    return modules | joined

"""Files of a snapshot to programs, when they are first needed."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.flow.bounded import parse_within
from imprint.semantic.graph.flow.ecmascript import lower_ecmascript
from imprint.semantic.graph.flow.python import lower_python
from imprint.semantic.graph.pages import family_of
from imprint.semantic.parse.grammar import compile_grammar
from imprint.semantic.parse.languages import language_named

if TYPE_CHECKING:
    from imprint.semantic.graph.flow.program import Program
    from imprint.semantic.graph.ladder import Resolver

# What is larger is not followed; the ladder still answers about it.
LOWERED_BYTES_MAX: Final = 512 * 1024
# Programs kept for a snapshot, the latest.
PROGRAMS_KEPT: Final = 256


class Programs:
    """The programs of one snapshot. Languages other than Python, JavaScript and TypeScript have none."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._programs: OrderedDict[int, Program | None] = OrderedDict()
        self._modules: dict[tuple[int, str], list[Program]] = {}

    def program(self, file: int) -> Program | None:
        """A file's program; None if its language is not followed, or it is too hard to read."""
        if file not in self._programs:
            self._programs[file] = self._lower(file)
        return self._programs[file]

    def load(self, program: Program, module: str) -> list[Program]:
        """The programs of a module as a program names it."""
        key = program.file, module
        if key not in self._modules:
            resolver = self._resolver
            path = resolver.snapshot.paths[program.file]
            files = resolver.modules.find(family_of(program.language), path, module)
            self._modules[key] = [found for file in files if (found := self.program(file)) is not None]
        return self._modules[key]

    def _lower(self, file: int) -> Program | None:
        snapshot = self._resolver.snapshot
        language = snapshot.facts(file).language
        is_script = family_of(language) == "ecmascript"
        grammar = language_named(language).grammar
        if (language != "python" and not is_script) or grammar is None or snapshot.skipped(file) is not None:
            return None
        content = snapshot.read(file)
        if len(content) > LOWERED_BYTES_MAX:
            return None
        tree = parse_within(compile_grammar(grammar).language, content)
        if tree is None:
            return None
        root = tree.root_node
        try:
            program = (
                lower_ecmascript(root, file, typed=language != "javascript")
                if is_script
                else lower_python(root, file)
            )
        except RecursionError:
            return None
        program.is_package = snapshot.paths[file].endswith(b"__init__.py")
        return program

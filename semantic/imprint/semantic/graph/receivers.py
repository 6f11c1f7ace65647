"""What stands before a name: a module, a type, an object of a type, or what the repository does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SEPARATORS: Final = ("::", "?.", "->", ".", "\\", ":")


@dataclass(frozen=True, slots=True)
class Owner:
    """What a qualifier stands for; one of module, type and outside is set.

    Attributes:
        file: where the type is defined.
        type_path: the qualified name of the type; of an object, that of its type.
        above: only what the type inherits is meant.
        module: the module's name as written.
        files: the module's files.
        outside: the dotted name of what is not in the repository.
    """

    file: int = -1
    type_path: str = ""
    above: bool = False
    module: str = ""
    files: tuple[int, ...] = ()
    outside: str = ""

    @classmethod
    def type(cls, file: int, path: str, *, above: bool = False) -> Owner:
        """A type, or an object of it."""
        return cls(file=file, type_path=path, above=above)

    @classmethod
    def of_module(cls, module: str, files: list[int]) -> Owner:
        """A module of the repository."""
        return cls(module=module, files=tuple(files))

    @classmethod
    def external(cls, name: str) -> Owner:
        """What the repository does not hold."""
        return cls(outside=name)


def split_chain(chain: str) -> tuple[str, str]:
    """Split a chain at its last separator outside of brackets: what is before, and the last name."""
    depth = 0
    for index in range(len(chain) - 1, 0, -1):
        sign = chain[index]
        depth += (sign in ")]}>") - (sign in "([{<") if not chain.startswith("->", index - 1) else 0
        if depth > 0:
            continue
        for separator in _SEPARATORS:
            if chain.startswith(separator, index) and not (separator == ":" and chain[index - 1] == ":"):
                before = chain[:index].removesuffix("?").removesuffix("!")
                return before, chain[index + len(separator) :]
    return "", chain.lstrip("\\:")

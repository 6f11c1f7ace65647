"""What a question is, and what it is asked of.

Invariants:
    1. An answer is a document of JSON values. It names the commit that it is about (`commit`), how many
       commits that is behind the one asked for (`behind`), and how complete it is.
    2. A question reads what its `Standpoint` shows and nothing beside it: the caller's view, the past limited
       to that view, and prompts through the caller's own reader.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imprint.semantic.library import Library
    from imprint.semantic.lineage.past import Past
    from imprint.semantic.lineage.tracing.steps import KeptSteps
    from imprint.store.origins.explain import Explanation, PromptReader
    from imprint.store.origins.sources import Origins
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

    Json = dict[str, Any]
    Value = str | int | bool | None

REVISION: Final = "ref"
"""The parameter that every question has: the revision that it is asked at."""


@dataclass(frozen=True, slots=True)
class Standpoint:
    """What a question is asked of, as one caller sees it.

    Attributes:
        view: the repository.
        library: the index.
        past: gives the past, limited to the view; brings it up to date first where nobody else does.
        origins: gives the claims, with those of a commit where nobody else reads them.
        prompts: reads prompts as the caller may.
        steps: where steps of histories are kept; None for nowhere.
        tell: what says of an explanation that a prompt in it is not shown to the caller.
    """

    view: RepositoryView
    library: Library
    past: Callable[[], Past]
    origins: Callable[[ObjectId], Origins]
    prompts: PromptReader
    steps: KeptSteps | None = None
    tell: Callable[[Explanation], Explanation] = lambda explanation: explanation


class Kind(enum.Enum):
    """What a parameter's value is."""

    TEXT = "string"
    NUMBER = "integer"
    YES = "boolean"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that a question takes.

    Attributes:
        name: in snake case; on the command line with hyphens.
        about: what it means, a sentence without its full stop.
        kind: what its value is.
        required: whether it must be given.
        default: its value where it is not.
        least, most: bounds of a number; length of a text.
        choices: the only texts that it may be; empty for any.
        is_argument: whether the command line takes it by place instead of by name.
    """

    name: str
    about: str
    kind: Kind = Kind.TEXT
    required: bool = False
    default: Value = None
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()
    is_argument: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question and how it is answered.

    Attributes:
        name: of the command, the route and the tool.
        about: what it answers, a sentence.
        advice: when to ask it, for agents.
        parameters: what it takes, without the revision.
        answer: gives the document, from values that `read_values` checked.
        lists: the member of the document that holds the answers, which a bound of tokens may shorten.
    """

    name: str
    about: str
    advice: str
    parameters: tuple[Parameter, ...]
    answer: Callable[[Standpoint, Mapping[str, Any]], Json] = field(repr=False)
    lists: str = ""

    def read_values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter's value, the revision included, defaults for those not given.

        Raises:
            BadInput: a value is missing, of another kind, out of bounds, or of no parameter.
        """
        known = {parameter.name: parameter for parameter in (*self.parameters, AT)}
        if strange := sorted(given.keys() - known.keys()):
            raise BadInput(
                f"{self.name} takes no {strange[0]!r}", hint=f"it takes {', '.join(sorted(known))}"
            )
        values = {}
        for name, parameter in known.items():
            value = given.get(name)
            if value is None or (value == "" and not parameter.required):
                if parameter.required:
                    raise BadInput(f"{self.name} needs {name!r}", hint=f"{name}: {parameter.about}")
                value = parameter.default
            else:
                _check(parameter, value)
            values[name] = value
        return values


AT: Final = Parameter(REVISION, "a branch, tag or commit to ask at", default="HEAD", most=1_000)


def _check(parameter: Parameter, value: object) -> None:
    name = parameter.name
    wanted = {Kind.TEXT: str, Kind.NUMBER: int, Kind.YES: bool}[parameter.kind]
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise BadInput(f"{name} is no {parameter.kind.value}", hint=f"{name}: {parameter.about}")
    if parameter.choices and value not in parameter.choices:
        raise BadInput(f"{name} cannot be {value!r}", hint=f"one of {', '.join(parameter.choices)}")
    size = len(value) if isinstance(value, str) else value if isinstance(value, int) else None
    if isinstance(value, str) and parameter.required and not value.strip():
        raise BadInput(f"{name} is empty", hint=f"{name}: {parameter.about}")
    if size is not None and (
        (parameter.least is not None and size < parameter.least)
        or (parameter.most is not None and size > parameter.most)
    ):
        bounds = f"{parameter.least if parameter.least is not None else 0} to {parameter.most}"
        what = "characters" if isinstance(value, str) else "are possible"
        raise BadInput(f"{name} is out of bounds", hint=f"{bounds} {what}")

"""All questions by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.asking.code import SEARCH, WHY
from imprint.semantic.asking.model import REVISION
from imprint.semantic.asking.structure import (
    CALLEES,
    CALLERS,
    DEFINITION,
    IMPACT,
    MAP,
    OUTLINE,
    REFERENCES,
    SYMBOL,
)
from imprint.semantic.asking.through_time import DIFF, HISTORY
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from imprint.semantic.asking.model import Json, Question, Standpoint

QUESTIONS: Final[dict[str, Question]] = {
    question.name: question
    for question in (
        SEARCH,
        SYMBOL,
        DEFINITION,
        REFERENCES,
        CALLERS,
        CALLEES,
        IMPACT,
        OUTLINE,
        MAP,
        HISTORY,
        DIFF,
        WHY,
    )
}
"""In the order in which they are told to people and agents."""


def ask(here: Standpoint, name: str, given: Mapping[str, Any]) -> Json:
    """Answer a question.

    Args:
        here: what it is asked of.
        name: of the question.
        given: its parameters and `ref`; what is left out has its default.

    Raises:
        BadInput: there is no such question, or a parameter is missing or wrong.
        RefMissing, BadRevision: `ref` names nothing, or no commit.
        NotIndexed: neither the commit nor one before it is indexed yet.
        Missing: what the parameters name is not there.
        StoreError: as the question says.
    """
    if name not in QUESTIONS:
        raise BadInput(f"there is no question {name!r}", hint=f"there are {', '.join(QUESTIONS)}")
    question = QUESTIONS[name]
    values = question.read_values(given)
    answer = question.answer(here, values)
    if answer["commit"] is None:
        here.library.verify_begun(here.view, values[REVISION])
    return answer

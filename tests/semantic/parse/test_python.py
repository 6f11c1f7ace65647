"""Python: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable

PYTHON = '''\
"""Jobs and their queue.

More about them.
"""

from __future__ import annotations

import os.path
import numpy as np
from acme.base import Work, Named as N
from . import sibling
from .other import *

LIMIT: int = 10
first, second = 1, 2
registry = {}
registry = Registry()
double = lambda x: compute(x)
type Ids = list[int]

if TYPE_CHECKING:
    Alias = Union[int, str]


@dataclass(frozen=True)
@final
class Job(Work, acme.Named, Generic[T], metaclass=Meta):
    """Work to do.

    It runs once.
    """

    name: str
    size: int = field(default=1)
    LIMIT = 5

    def __init__(self, name: str) -> None:
        super().__init__(name)
        local = 1

        def inner(x):
            return step(x)

        self.inner = inner

    @property
    # why
    def area(self) -> Shape:
        """One line."""
        return self.compute()[0](1)

    async def run(
        self,
        *args: Event,  # what
    ) -> list[Result]:
        await asyncio.gather(*[each.go() for each in args])

    class Meta:
        pass


# Makes one.
def make(): return Job("x")


if __name__ == "__main__":
    make().run(np.zeros(3))
'''


def test_python_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.py", PYTHON) == [
        "constant LIMIT 14-14",
        "variable first 15-15",
        "variable second 15-15",
        "variable registry 16-16",
        "function double 18-18",
        "type Ids 19-19",
        "variable Alias 22-22",
        "class Job 25-59",
        "field Job.name 33-33",
        "field Job.size 34-34",
        "constant Job.LIMIT 35-35",
        "method Job.__init__ 37-44",
        "function Job.__init__.inner 41-42",
        "method Job.area 46-50",
        "method Job.run 52-56",
        "class Job.Meta 58-59",
        "function make 63-63",
    ]


def test_python_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.py", PYTHON, ReferenceKind.CALL) == [
        "Registry 17",
        "compute 18 double",
        "dataclass 25",
        "field 34 Job",
        "super 38 Job.__init__",
        "__init__ 38 Job.__init__",
        "step 42 Job.__init__.inner",
        "compute 50 Job.area",
        "gather 56 Job.run",
        "go 56 Job.run",
        "Job 63 make",
        "make 67",
        "run 67",
        "zeros 67",
    ]


def test_python_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.py", PYTHON, ReferenceKind.IMPORT) == [
        "annotations 6",
        "os.path 8",
        "numpy 9",
        "acme.base 10",
        "Work 10",
        "Named 10",
        ". 11",
        "sibling 11",
        ".other 12",
    ]


def test_python_ancestors_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.py", PYTHON, ReferenceKind.INHERIT) == [
        "Work 27 Job",
        "Named 27 Job",
        "Generic 27 Job",
    ]


def test_python_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.py", PYTHON) == {
        "": "Jobs and their queue.",
        "Job": "Work to do.",
        "Job.area": "One line.",
        "make": "Makes one.",
    }


def test_python_signatures_are_one_line_without_body(
    signatures: Callable[[str, str], dict[str, str]],
) -> None:
    found = signatures("a.py", PYTHON)
    assert (
        found
        | {
            "double": "double = lambda x",
            "Job": "class Job(Work, acme.Named, Generic[T], metaclass=Meta)",
            "Job.__init__": "def __init__(self, name: str) -> None",
            "Job.__init__.inner": "def inner(x)",
            "Job.area": "def area(self) -> Shape",
            "Job.run": "async def run(self, *args: Event) -> list[Result]",
        }
        == found
    )

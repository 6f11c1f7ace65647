"""The page of limits and the code say the same."""

import dataclasses
import re
from pathlib import Path

import pytest

from imprint.api.settings import ApiSettings
from imprint.semantic.search.query import ISSUE_CHARACTERS_MAX, LIMIT_MAX, QUERY_CHARACTERS_MAX
from imprint.store.limits import Limits

PAGE = (Path(__file__).parent.parent.parent / "docs" / "limits.md").read_text()


@pytest.mark.parametrize("bounds", [Limits, ApiSettings])
def test_every_limit_is_on_the_page_with_its_default(bounds: type) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ?(\S*) \|", PAGE, re.MULTILINE))
    expected = {field.name: str(field.default) for field in dataclasses.fields(bounds)}
    assert {name: rows.get(name) for name in expected} == expected


def test_the_bounds_of_a_search_are_on_the_page() -> None:
    assert f"at most {LIMIT_MAX} hits for a question of at most {ISSUE_CHARACTERS_MAX:,} characters" in PAGE
    assert f"the first {QUERY_CHARACTERS_MAX:,} are read in words" in PAGE

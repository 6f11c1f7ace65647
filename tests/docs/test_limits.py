"""The page of limits and the code say the same."""

import dataclasses
import re
from pathlib import Path

from imprint.store.limits import Limits

PAGE = Path(__file__).parent.parent.parent / "docs" / "limits.md"


def test_every_limit_is_on_the_page_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE.read_text(), re.MULTILINE))
    assert rows == {field.name: str(field.default) for field in dataclasses.fields(Limits)}

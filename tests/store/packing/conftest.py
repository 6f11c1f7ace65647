"""A small history with everything that git looks things up by."""

from pathlib import Path

import pytest
from tests.store.packing.histories import PATHS, Source, make_source


@pytest.fixture
def line(tmp_path: Path) -> Source:
    """Twelve commits in a line, each with other texts; one pack, with lookups."""
    history = []
    for number in range(12):
        texts = {PATHS[number % 5]: number % 6, PATHS[number % 3]: (number + 2) % 6}
        history.append(((number - 1,) if number else (), texts))
    source = make_source(tmp_path / "line.git", history, tags=(4,))
    source.git("repack", "-adq")
    source.look_up()
    return source

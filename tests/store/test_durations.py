"""Durations as people write them."""

import pytest

from imprint.store.durations import parse_duration_ms
from imprint.store.errors import BadExpiry


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("30m", 30 * 60 * 1000),
        ("24h", 24 * 3600 * 1000),
        ("7d", 7 * 24 * 3600 * 1000),
        ("2w", 14 * 24 * 3600 * 1000),
        ("45s", 45_000),
        ("0d", 0),
        (" 1H ", 3_600_000),
        ("never", None),
        ("Never", None),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text, milliseconds):
    assert parse_duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "7", "d", "-1d", "1.5h", "1 h", "1y", "24hh", "1000000d", "\u0661d", "nevermore"]
)
def test_anything_else_is_refused_with_what_to_write(text):
    with pytest.raises(BadExpiry) as refused:
        parse_duration_ms(text)
    assert "24h" in refused.value.hint

"""The places of an array's largest values."""

from __future__ import annotations

import numpy as np
import pytest

from imprint.semantic.index.largest import find_largest


@pytest.mark.parametrize("count", [0, 1, 7, 159, 160, 161, 5_003])
@pytest.mark.parametrize("distinct", [1, 5, 100_000])
@pytest.mark.parametrize("above", [-np.inf, 0.0, 0.5])
def test_finds_what_sorting_finds(count, distinct, above):
    draw = np.random.default_rng(count + distinct)
    values = (draw.integers(-distinct, distinct + 1, count) / distinct).astype(np.float32)
    for wanted in (1, 10, 300):
        ordered = sorted(np.flatnonzero(values > above).tolist(), key=lambda place: (-values[place], place))
        assert find_largest(values, wanted, above).tolist() == sorted(ordered[:wanted])


def test_values_that_are_nearly_all_zero():
    values = np.zeros(10_000, np.float32)
    values[[3, 77, 9_999]] = [1, 3, 2]
    assert find_largest(values, 2, 0.0).tolist() == [77, 9_999]
    assert find_largest(values, 50, 0.0).tolist() == [3, 77, 9_999]

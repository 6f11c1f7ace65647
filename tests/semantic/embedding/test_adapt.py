"""Learning from a repository's past: kept only where later questions are answered better."""

import random

import numpy as np
import pytest

from imprint.semantic.embedding.adapt import PAIRS_MIN, adapt, gain_interval
from imprint.semantic.embedding.pairs import Pair
from imprint.semantic.embedding.ports import Passage
from imprint.semantic.embedding.training import Settings, count_words, first_table

SETTINGS = Settings(dimensions=32, cuts=(16,), epochs=8, batch=64, rate=0.02)
WORDS = [f"{a}{b}" for a in "bcdfgklm" for b in ("ana", "ero", "ilo", "uva", "odi")]


def make_pairs(count, secret):
    """Questions in words whose passages use others; with a secret, always the same other for a word."""
    draw = random.Random(3)
    pairs = []
    for _ in range(count):
        said = draw.sample(WORDS, 3)
        meant = (
            [f"{word[::-1]}q" for word in said] if secret else draw.sample([f"{w[::-1]}q" for w in WORDS], 3)
        )
        pairs.append(Pair(" ".join(said), Passage(" ".join(meant)), "a.py"))
    return pairs


def table_for(pairs):
    words = count_words(pairs, 1_000, times_min=1)
    return first_table("base", words, [10] * len(words), 100, SETTINGS)


def test_what_helps_later_questions_is_kept_under_a_name_of_its_own():
    pairs = make_pairs(600, secret=True)
    table = table_for(pairs)
    came = adapt(table, pairs, SETTINGS)
    assert came.kept
    assert came.low > 0
    assert came.after > came.before + 0.2
    assert came.table.name.startswith("base+")
    assert (came.trained, came.judged) == (450, 150)


def test_what_does_not_help_is_thrown_away():
    pairs = make_pairs(400, secret=False)
    table = table_for(pairs)
    before = table.vectors.copy()
    came = adapt(table, pairs, SETTINGS)
    assert not came.kept
    assert came.table is table
    assert np.array_equal(table.vectors, before)


def test_a_short_past_teaches_nothing():
    pairs = make_pairs(PAIRS_MIN - 1, secret=True)
    table = table_for(pairs)
    assert adapt(table, pairs, SETTINGS).table is table


def test_an_interval_holds_the_mean():
    before, after = np.zeros(100), np.linspace(0, 1, 100)
    low, high = gain_interval(before, after)
    assert low < 0.5 < high
    assert gain_interval(before, before) == pytest.approx((0, 0))

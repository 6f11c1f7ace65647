"""A short run of the fuzzer: what is carried over random rewrites, against the truth of every line."""

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "bench" / "fuzz_links.py"
SEEDS = (101, 102)
RECALL_MIN = 0.9
"""Of each operation over the seeds; a long run in `bench` has more lines and stricter numbers."""


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_links", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_links"] = module
    spec.loader.exec_module(module)
    return module


OPERATIONS = (
    "amend",
    "reword",
    "rebase",
    "rebase_conflicts",
    "cherry_pick",
    "squash",
    "squash_conflicts",
    "split",
    "move",
    "partial",
    "revert",
    "revert_revert",
    "unrelated",
)


def test_every_operation_is_tried(fuzz):
    assert set(OPERATIONS) == set(fuzz.OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_lines_keep_their_origin(fuzz, tmp_path, operation):
    score = fuzz.Score()
    for seed in SEEDS:
        one, _ = fuzz.run(operation, seed, tmp_path / str(seed))
        score += one
    assert score.wrong == 0, f"{operation}, seeds {SEEDS}: {score}"
    assert score.recall >= RECALL_MIN, f"{operation}, seeds {SEEDS}: {score}"

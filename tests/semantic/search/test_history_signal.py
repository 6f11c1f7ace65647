"""What messages say of files: the sum of the best few shares, found once, and anew where anything differs."""

from collections import defaultdict

import numpy as np
import pytest

from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.search.background import Background
from imprint.semantic.search.signals.history import BEST, _sum_best, score_files
from imprint.store.types import ObjectId


@pytest.mark.parametrize("seed", range(5))
def test_sums_are_of_the_largest_shares_of_each_file(seed):
    draw = np.random.default_rng(seed)
    files, shares = draw.integers(0, 12, 80), draw.integers(1, 9, 80) / 7
    plain = defaultdict(list)
    for file, share in zip(files.tolist(), shares.tolist(), strict=True):
        plain[file].append(share)
    wanted = {file: sum(sorted(own, reverse=True)[:BEST]) for file, own in plain.items()}
    assert _sum_best(files, shares) == wanted


def test_a_file_is_followed_to_its_name_and_number_at_the_searched_commit(work_tree, open_view, tmp_path):
    work_tree.commit_file("old.py", "".join(f"line {n}\n" for n in range(9)), "the retry budget")
    before = ObjectId(work_tree("rev-parse", "HEAD"))
    work_tree("mv", "old.py", "new.py")
    work_tree.commit_file("other.py", "pass\n", "tidy")
    after = ObjectId(work_tree("rev-parse", "HEAD"))
    view, log = open_view(work_tree.folder), ChangeLog.open(tmp_path / "changes")
    log.ensure(view)
    past = log.seen(view)
    for files, file in (({b"new.py": 3}, 3), ({b"new.py": 5, b"old.py": 4}, 4), ({b"other.py": 0}, None)):
        for _ in range(2):
            found = score_files(Background(past), after, ("retry",), files)
            assert set(found) == ({file} if file is not None else set())
    assert set(score_files(Background(past), before, ("retry",), {b"old.py": 1})) == {1}
    assert score_files(Background(past), before, ("tidy",), {b"old.py": 1, b"other.py": 2}) == {}
    assert score_files(Background(past), after, ("unsaid",), {b"new.py": 3}) == {}

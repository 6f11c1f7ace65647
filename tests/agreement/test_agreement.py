"""A sample of the corpus against stock git; `make agreement` runs all of it."""

from collections import Counter

import pytest

from agreement.corpus import ON_PURPOSE, all_cases, sample
from agreement.judge import GitJudge, ImprintJudge

CASES = all_cases()


def test_the_corpus_is_as_large_as_it_promises_and_every_exception_is_a_case() -> None:
    legal = Counter(case.legal for case in CASES)
    assert legal[True] >= 300
    assert legal[False] >= 300
    assert ON_PURPOSE.keys() <= {case.key for case in CASES}


@pytest.fixture(scope="module")
def judges(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agreement")
    ours = ImprintJudge(folder)
    yield GitJudge(folder), ours
    ours.close()


@pytest.mark.parametrize(
    "case", sample(CASES, 80), ids=lambda case: case.key.encode("unicode_escape").decode()
)
def test_imprint_says_what_git_says(judges, case) -> None:
    git, ours = judges
    actual = ours.judge(case)
    if case.key in ON_PURPOSE:
        assert not all(actual.accepted)
        return
    expected = git.judge(case)
    assert (actual.accepted, actual.refs) == (expected.accepted, expected.refs), (expected.said, actual.said)
    assert all(expected.accepted) == case.legal

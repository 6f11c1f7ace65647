"""What a small push that wants to become large is allowed to cost."""

import time

from agreement.bombs import doubling
from agreement.build import CHILD, NEW, ZERO, Case, pack
from agreement.judge import ImprintJudge
from imprint.store.limits import Limits


def test_a_few_bytes_that_mean_very_many_are_given_up_in_time(tmp_path) -> None:
    """16 MiB of zeros, doubled three times, and forty more like the last: 5 GiB out of 30 kB."""
    judge = ImprintJudge(tmp_path, Limits(unpack_seconds_max=1))
    judge.prepare()
    case = Case("bomb", "deltas", True, ((ZERO, CHILD.id, NEW),), pack(CHILD, *doubling(3, 40)))
    assert len(case.request) < 100_000
    started = time.monotonic()
    outcome = judge.judge(case)
    judge.close()
    assert outcome.accepted == (False,)
    assert "takes too long to check" in outcome.said
    assert time.monotonic() - started < 60

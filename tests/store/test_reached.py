"""What tips do not reach, also where clocks went wrong: `git rev-list` is misled by them."""

import pytest
from tests.store.packing.histories import Source

from imprint.store.plumbing import Plumbing
from imprint.store.refs.reached import list_unreached_commits, list_unreached_objects
from imprint.store.types import ObjectId

OLD, NEW = 10**9, 17 * 10**8
BELOW, BETWEEN = 20, 20


def make_misleading(folder) -> Source:
    """Commits with good times, above them some whose clock was years late, and two branches above these."""
    folder.mkdir()
    source = Source(folder, 20)
    source.git("init", "-q", "--bare")
    times = [NEW + 60 * number for number in range(BELOW)]
    times += [OLD + 60 * number for number in range(BETWEEN)] + [NEW + 10**6]
    made = []
    for number, time in enumerate(times, 1):
        made.append(f"commit refs/heads/main\nmark :{number}")
        made.append(f"committer A <a@example.com> {time} +0000\ndata 1\nm")
        made += [f"from :{number - 1}"] * (number > 1)
        made.append(f"M 644 inline file\ndata 4\n{number:4}\n")
    made.append(f"commit refs/heads/side\ncommitter A <a@example.com> {NEW + 10**6} +0000\ndata 1\ns")
    made.append(f"from :{BELOW}")
    made.append("M 644 inline side\ndata 4\nside\n")
    source.git("fast-import", "--quiet", stdin="\n".join(made).encode() + b"\n")
    source.commits = source.git("rev-list", "--reverse", "--topo-order", "main").decode().split()
    return source


@pytest.fixture
def misleading(tmp_path) -> Source:
    return make_misleading(tmp_path / "misleading.git")


def test_times_do_not_decide_what_is_reached(misleading) -> None:
    low, tip = ObjectId(misleading.commits[BELOW - 1]), ObjectId(misleading.commits[-1])
    side = ObjectId(misleading.git("rev-parse", "side").decode().strip())
    assert misleading.git("rev-list", low, f"^{tip}")  # git's walk takes it for new
    plumbing = Plumbing(misleading.folder)
    assert list_unreached_commits(plumbing, [low], [tip]) == frozenset()
    assert list_unreached_commits(plumbing, [low, side], [tip]) == {side}
    assert list_unreached_commits(plumbing, [low, tip], [low]) == {tip}


def test_without_tips_nothing_is_reached(misleading) -> None:
    tip = ObjectId(misleading.commits[-1])
    blob = ObjectId(misleading.git("rev-parse", "main:file").decode().strip())
    plumbing = Plumbing(misleading.folder)
    assert list_unreached_commits(plumbing, [tip], []) == {tip}
    assert list_unreached_objects(plumbing, [blob], []) == {blob}
    assert list_unreached_objects(plumbing, [blob], [tip]) == frozenset()
    assert list_unreached_commits(plumbing, [], [tip]) == frozenset()
    assert list_unreached_commits(plumbing, [tip], [blob]) == {tip}

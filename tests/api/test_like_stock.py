"""Whatever stock clients do in whichever order: with ours they end as with a stock server."""

import random

import pytest
from tests.api.fetching import Clones, Twin, play, serve_stock
from tests.store.packing.histories import make_source


@pytest.mark.parametrize("seed", range(2))
def test_clients_end_alike(server, tmp_path, seed: int) -> None:
    play(server, tmp_path, random.Random(seed), 6)


def test_all_that_refs_reach_is_deepened_not_only_what_is_wanted(server, tmp_path) -> None:
    """Two branches, cut off at their tips; one has grown, and is asked for by name."""
    source = make_source(
        tmp_path / "source.git", [(below, {}) for below in ((), (0,), (1,), (0,), (3,), (4,))]
    )
    with serve_stock(tmp_path) as stock_url:
        twin = Twin(server, tmp_path, stock_url, source, random.Random(0))
        twin.push("b0", source.commits[2])
        twin.push("b1", source.commits[4])
        pair = Clones(twin, tmp_path, random.Random(0))
        pair.do("clone", "-q", "--depth=1", "--no-single-branch", "URL", "FOLDER")
        pair.compare()
        twin.push("b1", source.commits[5])
        pair.do("fetch", "-q", "--deepen=1", "origin", "b1")
        pair.compare()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_likewise_for_longer(server, tmp_path, seed: int) -> None:
    play(server, tmp_path, random.Random(seed), 25)

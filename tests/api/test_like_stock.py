"""Whatever stock clients do in whichever order: with ours they end as with a stock server."""

import random

import pytest
from tests.api.fetching import play


@pytest.mark.parametrize("seed", range(2))
def test_clients_end_alike(server, tmp_path, seed: int) -> None:
    play(server, tmp_path, random.Random(seed), 6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_likewise_for_longer(server, tmp_path, seed: int) -> None:
    play(server, tmp_path, random.Random(seed), 25)

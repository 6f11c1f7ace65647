"""The promises of `imprint.semantic.embedding.ports.Encoder`, on every implementation."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from imprint.semantic.embedding.choice import open_encoder
from imprint.semantic.embedding.ports import Passage

PASSAGES = [
    Passage("def read_file(path):\n    return open(path).read()", "read_file", "python"),
    Passage("func connect(host string) error {\n\treturn dial(host)\n}", "connect", "go"),
    Passage("SELECT 1", "", "sql"),
]


@pytest.fixture(params=["static"], scope="module")
def encoder(request):
    return open_encoder(request.param)


def test_rows_have_unit_length(encoder):
    vectors = encoder.encode_passages(PASSAGES)
    assert vectors.shape == (3, encoder.dimensions)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.isclose(np.linalg.norm(encoder.encode_question("read a file")), 1, atol=1e-5)
    assert encoder.encode_paths(["src/store/read.py", "a.go"]).shape == (2, encoder.dimensions)


def test_equal_passages_are_encoded_equally_in_any_company(encoder):
    together = encoder.encode_passages(PASSAGES)
    for number, passage in enumerate(PASSAGES):
        assert np.allclose(encoder.encode_passages([passage])[0], together[number], atol=1e-6)


def test_nothing_known_is_zeros(encoder):
    assert not encoder.encode_passages([Passage("")]).any()
    assert not encoder.encode_question("").any()
    assert not encoder.encode_paths([""]).any()


def test_no_passages_are_no_rows(encoder):
    assert encoder.encode_passages([]).shape == (0, encoder.dimensions)


def test_a_question_is_nearest_to_what_it_asks_for(encoder):
    nearness = encoder.encode_passages(PASSAGES) @ encoder.encode_question("read the contents of a file")
    assert nearness.argmax() == 0


def test_threads_may_share_it(encoder):
    alone = encoder.encode_passages(PASSAGES)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: encoder.encode_passages(PASSAGES), range(16)):
            assert np.array_equal(vectors, alone)


def test_its_name_says_which_vectors(encoder):
    assert encoder.name
    assert encoder.path_share >= 0

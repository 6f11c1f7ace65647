"""Vectors of passages: made as they are added, made up for where they are missing, gone with what is gone."""

import numpy as np
import pytest

from imprint.semantic.embedding.static import StaticEncoder
from imprint.semantic.library import Library
from imprint.semantic.parse.extract import extract
from imprint.semantic.search.query import Query


@pytest.fixture(scope="module")
def encoder():
    return StaticEncoder.shipped()


@pytest.fixture
def opened(tmp_path, encoder):
    library = Library.open(tmp_path / "library", extract, encoder=encoder)
    yield library
    library.close()


def near(library, view, text):
    commit = view.refs.snapshot().head_id
    corpus = library._corpus(view, view.objects.read_commit(commit).tree)
    nearness = library._vectors.near(corpus, text)
    return corpus, None if nearness is None else nearness.of(range(len(corpus)))


def test_each_chunk_is_as_near_as_its_vector_and_its_paths(sample, open_view, opened, encoder):
    view = open_view(sample.folder)
    opened.ensure(view, view.refs.snapshot().head_id)
    corpus, scores = near(opened, view, "try a failed request again")
    question = encoder.encode_question("try a failed request again")
    rows = dict(opened._index.read_passages())
    for chunk, score in enumerate(scores.tolist()):
        row = rows[int(corpus.passages[chunk])]
        path = corpus.listing.paths[int(corpus.files[chunk])].decode()
        expected = float(encoder.encode_passages([row])[0] @ question)
        expected += encoder.path_share * float(encoder.encode_paths([path])[0] @ question)
        assert score == pytest.approx(expected, abs=0.02)
    assert opened.search(view, Query("try a failed request again")).hits[0].path == b"src/http/retry.py"


def test_without_all_vectors_none_are_used_until_they_are_made_up_for(sample, open_view, tmp_path, encoder):
    view = open_view(sample.folder)
    plain = Library.open(tmp_path / "library", extract)
    plain.ensure(view, view.refs.snapshot().head_id)
    plain.close()
    library = Library.open(tmp_path / "library", extract, encoder=encoder)
    assert near(library, view, "retry")[1] is None
    assert library.search(view, Query("retry policy")).hits
    library.extend(view)
    filled = near(library, view, "retry")[1]
    assert filled is not None
    library.close()
    again = Library.open(tmp_path / "library", extract, encoder=encoder)
    assert np.array_equal(near(again, view, "retry")[1], filled)
    again.close()


def test_what_is_forgotten_leaves_no_vector(sample, open_view, opened, tmp_path):
    view = open_view(sample.folder)
    opened.ensure(view, view.refs.snapshot().head_id)
    assert list(tmp_path.glob("library/index-*/vectors/*/*.vectors"))
    opened.forget(view.id)
    assert not list(tmp_path.glob("library/index-*/vectors/*/*.vectors"))

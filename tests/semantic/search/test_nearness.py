"""Vectors of a commit compared with a question's: roughly chosen, told exactly, never past 16 bits."""

import numpy as np
import pytest

from imprint.semantic.search.nearness import SCALE, Columns, Neighbourhood, Rows
from imprint.semantic.search.query import Query, read_query
from imprint.semantic.search.retrieve import Beside, retrieve


def turn(count, width, seed):
    rows = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def eighths(rows):
    return np.rint(rows * SCALE).astype(np.int8)


def make(count, width=64, share=0.3, files=50):
    """A neighbourhood whose rows lie in two parts, and a question; how near each chunk is to it."""
    chunks, paths, question = turn(count, width, 1), turn(files, width, 2), turn(1, width, 3)[0]
    of_file = np.sort(np.random.default_rng(4).integers(0, files, count))
    order = np.random.default_rng(5).permutation(count)
    half = count // 2
    parts = [eighths(chunks[order[:half]]), eighths(chunks[order[half:]])]
    place = np.argsort(order)
    rows = Rows(parts, (place >= half).astype(np.int32), np.where(place >= half, place - half, place))
    exact = chunks @ question + share * (paths @ question)[of_file]
    return Neighbourhood(rows, eighths(paths), of_file, share), question, exact


@pytest.mark.parametrize("count", [1, 300, 5_000])
def test_what_is_told_comes_from_whole_vectors(count):
    neighbourhood, question, exact = make(count)
    told = neighbourhood.near(question).of(range(count))
    assert told == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("count", [0, 1, 700])
def test_sums_are_the_same_of_whichever_columns_are_kept(count):
    """The first question's, the same again, another one's, and the first one's when all are kept."""
    rows = eighths(turn(count, 16, 7)) if count else np.zeros((0, 16), np.int8)
    columns = Columns(rows.__getitem__, count, 16)
    for chosen in ([3, 1, 15], [3, 1, 15], [1, 3, 15], [0, 2], [3, 1, 15]):
        worths = np.arange(1, len(chosen) + 1, dtype=np.int16)
        sums = columns.add(np.array(chosen), worths)
        assert sums.dtype == np.int16
        np.testing.assert_array_equal(sums, rows[:, chosen].astype(np.int16) @ worths)


def test_few_chunks_are_all_told_apart_exactly_and_many_nearly_so():
    for count, kept in ((900, 50), (40_000, 45)):
        neighbourhood, question, _ = make(count)
        found = neighbourhood.near(question).best(50)
        wanted = np.argsort(-neighbourhood.near(question).of(range(count)), kind="stable")[:50]
        assert list(found) == sorted(found)
        assert len(set(found) & set(wanted)) >= kept


def test_only_what_is_allowed_and_on_this_side_is_near():
    neighbourhood, question, _ = make(3_000)
    allowed = np.arange(3_000) % 7 == 0
    found = neighbourhood.near(question).best(1_000, allowed)
    assert allowed[found].all()
    assert set(found) == set(np.flatnonzero(allowed & (neighbourhood.near(question).of(range(3_000)) > 0)))
    assert not len(neighbourhood.near(question).best(10, np.zeros(3_000, bool)))


@pytest.mark.parametrize("width", [2, 48, 256, 768])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_sums_of_the_nearest_and_the_farthest_do_not_overflow(width, share):
    for vector in (np.eye(width, dtype=np.float32)[0], np.full(width, width**-0.5, np.float32)):
        both = eighths(np.stack([vector, -vector]))
        rows = Rows([both], np.zeros(2, np.int32), np.arange(2))
        rough = Neighbourhood(rows, both, np.arange(2), share).tell_roughly(vector)
        assert rough[0] > 0 > rough[1]


def test_a_question_of_which_nothing_is_known_is_near_to_nothing():
    neighbourhood, question, _ = make(2_000)
    assert not len(neighbourhood.near(np.zeros_like(question)).best(10))


def test_vectors_are_asked_for_a_symbol_only_where_its_definition_is_not_enough(
    sample, open_view, library, index_head
):
    view = open_view(sample.folder)
    index_head(view)
    corpus = library._corpus(view, view.objects.read_commit(view.refs.snapshot().head_id).tree)
    asked = []

    def find(text, limit):
        query = Query(text, limit=limit)
        return retrieve(corpus, query, read_query(query), Beside(near=asked.append))

    assert find("RetryPolicy", 1)[0].passage.symbol.startswith("RetryPolicy")
    assert not asked
    find("RetryPolicy", 100)
    find("nowhere_defined", 1)
    find("retry policy", 1)
    assert asked == ["RetryPolicy", "nowhere_defined", "retry policy"]

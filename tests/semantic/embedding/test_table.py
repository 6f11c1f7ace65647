"""Tables: their file, and what is learned from pairs."""

from dataclasses import replace

import numpy as np
import pytest

from imprint.semantic.embedding.pairs import Pair, pair_change, pair_documentation
from imprint.semantic.embedding.ports import Passage
from imprint.semantic.embedding.static import StaticEncoder
from imprint.semantic.embedding.table import Table, TableDamaged, read_table, write_table
from imprint.semantic.embedding.training import Settings, count_words, first_table, make_examples, train
from imprint.semantic.parse.extract import extract

SETTINGS = Settings(dimensions=16, cuts=(8,), epochs=40, batch=8)


def sample_table():
    words = ["open", "file", "close", "socket", "read"]
    return first_table("sample", words, [3, 1, 1, 2, 2], 10, SETTINGS)


def test_a_table_comes_back_as_it_was_written(tmp_path):
    table = sample_table()
    write_table(tmp_path / "a.table", table)
    read = read_table(tmp_path / "a.table")
    assert (read.name, read.rows, read.path_share) == (table.name, table.rows, table.path_share)
    step = np.abs(table.vectors).max(axis=1, keepdims=True) / 127
    assert (np.abs(read.vectors - table.vectors) <= step / 2 + 1e-6).all()


@pytest.mark.parametrize("cut", [0, 7, 11, 40, 130])
def test_a_damaged_table_is_said_to_be_so(tmp_path, cut):
    write_table(tmp_path / "a.table", sample_table())
    (tmp_path / "a.table").write_bytes((tmp_path / "a.table").read_bytes()[:cut])
    with pytest.raises(TableDamaged):
        read_table(tmp_path / "a.table")


def test_an_unknown_word_is_its_longest_known_beginning():
    encoder = StaticEncoder(sample_table())
    assert np.array_equal(encoder.encode_question("sockets"), encoder.encode_question("socket"))
    assert not encoder.encode_question("sock").any()


def test_repetition_counts_in_questions_only_and_symbols_count_more():
    encoder = StaticEncoder(sample_table())
    once, twice = Passage("open file"), Passage("open file open open")
    assert np.array_equal(*encoder.encode_passages([once, twice]))
    assert not np.array_equal(encoder.encode_question("open file"), encoder.encode_question("open file file"))
    named = encoder.encode_passages([replace(once, symbol="file")])[0]
    assert named @ encoder.encode_question("file") > encoder.encode_passages([once])[
        0
    ] @ encoder.encode_question("file")


def test_training_brings_questions_to_their_passages_and_is_repeatable():
    subjects = ["alpha", "beta", "gamma", "delta", "omega", "kappa", "sigma", "theta"]
    pairs = [Pair(f"about the {word}", Passage(f"call_{word[::-1]}()"), "a.py") for word in subjects] * 2
    words = count_words(pairs, 100, times_min=1)
    table = first_table("t", words, [1] * len(words), 16, SETTINGS)
    examples = make_examples(pairs[:8], table)
    trained = train(table, [examples], SETTINGS)
    assert np.array_equal(train(table, [examples], SETTINGS).vectors, trained.vectors)
    encoder = StaticEncoder(trained)
    nearness = (
        np.stack([encoder.encode_question(pair.question) for pair in pairs[:8]])
        @ encoder.encode_passages([pair.passage for pair in pairs[:8]]).T
    )
    assert (nearness.argmax(axis=1) == np.arange(8)).all()


def test_a_rival_is_pushed_away_from_the_question_it_is_wrong_for():
    pairs = [
        Pair("open file", Passage("open file"), "a"),
        Pair("socket", Passage("socket"), "a"),
        Pair("read", Passage("file read"), "a"),
        Pair("close", Passage("close"), "a"),
    ]
    table = sample_table()
    rows = dict(table.rows) | {"a": len(table.rows)}
    table = replace(table, rows=rows, vectors=np.concatenate((table.vectors, table.vectors[:1])))
    examples = make_examples(pairs, table)
    settings = replace(SETTINGS, epochs=1, batch=2, rate=0.01)

    def nearness(trained):
        encoder = StaticEncoder(trained)
        return float(encoder.encode_question("open file") @ encoder.encode_passages([pairs[2].passage])[0])

    alone = train(table, [examples], settings)
    against = train(table, [examples], settings, rivals=[[[2], [], [], []]])
    assert nearness(against) < nearness(alone)


def test_a_rival_in_its_own_batch_is_no_second_wrong_answer():
    pairs = [Pair("open file", Passage("open"), "read"), Pair("socket", Passage("socket"), "read")]
    table = sample_table()
    examples = make_examples(pairs, table)
    alone = train(table, [examples], SETTINGS)
    assert np.array_equal(train(table, [examples], SETTINGS, rivals=[[[], []]]).vectors, alone.vectors)
    settings = replace(SETTINGS, epochs=1)
    drawn = train(table, [examples], settings, rivals=[[[1], [0]]])
    assert np.allclose(drawn.vectors, train(table, [examples], settings).vectors, atol=1e-5)


@pytest.mark.parametrize("wrong", [0, 1])
def test_the_gradient_is_the_slope_of_the_loss(wrong):
    from imprint.semantic.embedding import training

    pairs = [
        Pair("open the file", Passage("read file", "file"), "open"),
        Pair("close it", Passage("socket"), "read"),
        Pair("close", Passage("open socket"), "file"),
    ]
    table = sample_table()
    examples = make_examples(pairs, table)
    batch = training._Batch(examples[:2], examples[2:][:wrong])
    vectors = table.vectors.astype(np.float64)
    _, rows, gradient = training._loss(vectors, batch, SETTINGS)
    for at, row in enumerate(rows):
        for column in (0, 11):
            moved = [vectors.copy(), vectors.copy()]
            moved[0][row, column] += 1e-5
            moved[1][row, column] -= 1e-5
            up, down = (training._loss(each, batch, SETTINGS)[0] for each in moved)
            assert (up - down) / 2e-5 == pytest.approx(gradient[at, column], abs=1e-3)


def test_documentation_is_cut_out_of_its_passage():
    content = b'def load(path):\n    """Read all of a file."""\n    return path.read_bytes()\n'
    (pair,) = pair_documentation("a.py", content.decode().split("\n"), extract(b"a.py", content))
    assert pair.question == "Read all of a file."
    assert "Read all" not in pair.passage.text
    assert "read_bytes" in pair.passage.text


@pytest.mark.parametrize(
    ("subject", "question"),
    [
        ("fix(parser)!: read the last line (#12)", "read the last line"),
        ("bump x", None),
        ("Merge branch of a", None),
    ],
)
def test_a_subject_is_asked_without_its_ends(subject, question):
    pair = pair_change(subject, "a.py", "x = 1", "python")
    assert (pair.question if pair else None) == question


def test_the_shipped_table_is_small_and_has_256_numbers():
    from imprint.semantic.embedding.static import SHIPPED

    assert SHIPPED.stat().st_size < 8_000_000
    table = read_table(SHIPPED)
    assert isinstance(table, Table)
    assert table.vectors.shape[1] == 256

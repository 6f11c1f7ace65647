"""Segments, listings and corpora against plain dictionaries: the arrays must say what the rows said."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.semantic.index import merging
from imprint.semantic.index.arrays import map_arrays, write_arrays
from imprint.semantic.index.flavours import canonical_path, flavour
from imprint.semantic.index.layout import Layout
from imprint.semantic.index.merging import merge
from imprint.semantic.index.passages.rows import PassageRow
from imprint.semantic.index.ports import BlobKey, BlobRow
from imprint.semantic.index.segment import BlobPlaces, Segment, blob_rows, passage_rows
from imprint.semantic.parse.languages import detect
from imprint.semantic.parse.terms import terms
from imprint.semantic.search import bm25
from imprint.semantic.search.bm25 import Mix, score_chunks
from imprint.semantic.search.corpus import Corpus
from imprint.semantic.search.listing import Listing, path_terms
from imprint.semantic.search.query import Query, read_query
from imprint.store.errors import StorageFailed
from imprint.store.types import ObjectId

WORDS = ("alpha", "beta", "getHTTP", "delta", "é", "alpha_beta")

chunk_texts = st.lists(st.sampled_from(WORDS), min_size=0, max_size=6).map(" ".join)
blobs = st.lists(st.lists(chunk_texts, max_size=4), min_size=1, max_size=6)


def make_passage(text):
    return PassageRow(text, "lang", "s", "text", 1, text, tuple(text.split()[:1]), tuple(text.split()[1:2]))


def build_segments(contents, places):
    """Segments that share passages: each text has one id, and is in the segment of its first content."""
    ids, segments = {}, []
    for part in range(3):
        own, lists = [], []
        for number in sorted(contents):
            if places[number] != part:
                continue
            for text in contents[number]:
                if text not in ids:
                    ids[text] = len(ids) + 1
                    own.append((ids[text], make_passage(text)))
            passages = tuple(ids[text] for text in contents[number])
            lists.append(BlobPlaces(number, passages, tuple(range(1, len(passages) + 1))))
        segments.append(Segment.build(own, lists))
    return segments


@st.composite
def trees(draw):
    """Contents in a few segments, and a tree that holds some of them, perhaps twice."""
    contents = {number + 1: texts for number, texts in enumerate(draw(blobs))}
    places = {number: draw(st.integers(0, 2)) for number in contents}
    segments = build_segments(contents, places)
    names = draw(st.lists(st.sampled_from(["alpha", "x/beta", "gamma", "y/alpha/z", "w"]), unique=True))
    files = [(name.encode() + b".py", draw(st.sampled_from(sorted(contents)))) for name in sorted(names)]
    return contents, segments, files


def make_corpus(contents, segments, files, distinct=False):
    rows = {
        BlobKey(f"{number:040x}", "*.py"): BlobRow(number, "python", len(texts), None)
        for number, texts in contents.items()
    }
    listing = Listing.build([(path, ObjectId(f"{number:040x}")) for path, number in files], rows)
    return Corpus(listing, Layout(segments), distinct=distinct)


@given(trees())
def test_a_corpus_says_of_each_chunk_what_its_file_and_content_say(tree):
    contents, _, files = tree
    corpus = make_corpus(*tree)
    places = [(path, text) for path, number in files for text in contents[number]]
    assert len(corpus) == len(places)
    for term in ("alpha", "beta", "http", "gethttp", "é", "alphabeta", "absent"):
        chunks, counts = corpus.find_word(term)
        expected = {
            place: count for place, (_, text) in enumerate(places) if (count := Counter(terms(text))[term])
        }
        assert dict(zip(chunks.tolist(), counts.tolist(), strict=True)) == expected
        named, counted = corpus.find_in_paths(term)
        in_paths = {
            place: count
            for place, (path, _) in enumerate(files)
            if (count := Counter(path_terms(path))[term])
        }
        assert dict(zip(named.tolist(), counted.tolist(), strict=True)) == in_paths
    defined = set(corpus.find_definition("alpha").tolist())
    assert defined == {place for place, (_, text) in enumerate(places) if text.split()[:1] == ["alpha"]}
    for place, (path, _) in enumerate(places):
        assert corpus.listing.paths[corpus.passage(place).file] == path
    starts = [corpus.passage(place).start_line for place in range(len(places))]
    assert starts == [n + 1 for _, number in files for n in range(len(contents[number]))]
    used = set(corpus.find_use("beta").tolist())
    assert used == {place for place, (_, text) in enumerate(places) if text.split()[1:2] == ["beta"]}


@given(trees(), st.sampled_from(["alpha", "beta delta", "http alpha", "absent"]))
def test_scores_are_bm25_over_the_commit_alone(tree, text):
    contents, _, files = tree
    corpus = make_corpus(*tree)
    documents = [
        Counter(terms(chunk)) + Counter(path_terms(path))
        for path, number in files
        for chunk in contents[number]
    ]
    asked = read_query(Query(text))
    found = score_chunks(corpus, asked, Mix(relative=0.0, phrase=0.0)).scores
    mean = max(sum(sum(one.values()) for one in documents) / max(len(documents), 1), 1.0)
    for place, document in enumerate(documents):
        expected = 0.0
        for word in asked.words:
            holding = sum(1 for one in documents if one[word])
            rarity = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
            norm = 1.5 * (1 - 0.75 + 0.75 * sum(document.values()) / mean)
            expected += rarity * document[word] * 2.5 / (document[word] + norm)
        assert found[place] == pytest.approx(expected, rel=1e-4, abs=1e-5)


@settings(max_examples=30)
@given(trees(), trees(), st.sampled_from([0, 150, 3_000_000]))
def test_remembered_terms_are_those_of_one_corpus(one, other, most):
    asked = read_query(Query("alpha beta delta"))
    expected = [score_chunks(make_corpus(*tree), asked) for tree in (one, other)]
    corpora = [make_corpus(*tree) for tree in (one, other)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bm25, "_WEIGHED_MAX", most)
        for corpus, fits in [*zip(corpora, expected, strict=True)] * 2:
            found = score_chunks(corpus, asked)
            assert found.rarity == fits.rarity
            assert found.scores.tolist() == fits.scores.tolist()
        assert bm25._WEIGHED._size <= most


def test_a_term_that_many_chunks_hold_is_forgotten_before_those_that_few_do():
    contents = {1: [f"common word{chr(97 + n % 20)}" for n in range(4_000)]}
    corpus = make_corpus(contents, build_segments(contents, {1: 0}), [(b"a.py", 1)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bm25, "_WEIGHED", bm25._Weighed())
        patch.setattr(bm25, "_WEIGHED_MAX", 5_000)
        for word in ("worda", "common", "wordb", "wordc", *(f"absent{chr(97 + n)}" for n in range(26))):
            score_chunks(corpus, read_query(Query(word)))
        kept = {term.text for _, term in bm25._WEIGHED._kept}
    assert {"worda", "wordb", "wordc", "absentn"} <= kept
    assert "common" not in kept


@given(trees())
def test_a_corpus_of_a_history_has_each_passage_once_at_its_first_file(tree):
    contents, _, files = tree
    corpus = make_corpus(*tree, distinct=True)
    expected, seen = [], set()
    for path, number in files:
        for text in contents[number]:
            if text not in seen:
                seen.add(text)
                expected.append((path, text))
    assert [corpus.listing.paths[file] for file in corpus.files] == [path for path, _ in expected]
    for term in ("alpha", "http"):
        chunks, _ = corpus.find_word(term)
        assert sorted(chunks.tolist()) == [
            place for place, (_, text) in enumerate(expected) if term in terms(text)
        ]


@given(trees(), st.sets(st.integers(1, 6)), st.sampled_from([1, 3, 1_000_000]))
def test_merged_segments_say_what_their_parts_said_without_what_is_left_out(tree, left_out, at_once):
    _, segments, _ = tree
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "AT_ONCE", at_once)
        check_merged(segments, left_out)


def check_merged(segments, left_out):
    lists = {key: said for segment in segments for key, said in blob_rows(segment).items()}
    passages = {key: said for segment in segments for key, said in passage_rows(segment).items()}
    merged = merge(segments)
    assert (blob_rows(merged), passage_rows(merged)) == (lists, passages)
    merged = merge(segments, without=np.array(sorted(left_out), np.int64))
    left = {key: said for key, said in lists.items() if key not in left_out}
    held = {number for said in left.values() for number, _ in said}
    assert blob_rows(merged) == left
    assert passage_rows(merged) == {key: said for key, said in passages.items() if key in held}


@given(trees())
def test_a_segment_read_back_is_the_one_that_was_written(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("segment") / "one.segment"
    for segment in tree[1]:
        segment.write(path)
        again = Segment.map(path)
        assert (blob_rows(again), passage_rows(again)) == (blob_rows(segment), passage_rows(segment))


def test_a_file_of_arrays_that_is_cut_short_or_foreign_is_refused(tmp_path):
    path = tmp_path / "arrays"
    write_arrays(path, {"a": np.arange(100), "none": np.zeros(0, np.uint8)}, {"fact": "é"})
    arrays, facts = map_arrays(path)
    assert arrays["a"].tolist() == list(range(100))
    assert (arrays["none"].size, facts) == (0, {"fact": "é"})
    whole = path.read_bytes()
    for size in range(0, len(whole), 13):
        path.write_bytes(whole[:size])
        with pytest.raises(StorageFailed):
            map_arrays(path)
    path.write_bytes(b"x" * len(whole))
    with pytest.raises(StorageFailed):
        map_arrays(path)
    with pytest.raises(FileNotFoundError):
        map_arrays(tmp_path / "absent")


def test_arrays_that_cannot_be_written_leave_nothing(tmp_path):
    (tmp_path / "in-the-way").mkdir()
    (tmp_path / "in-the-way" / "file").touch()
    with pytest.raises(StorageFailed):
        write_arrays(tmp_path / "in-the-way", {"a": np.arange(3)}, {})
    with pytest.raises(StorageFailed):
        write_arrays(tmp_path / "absent" / "file", {"a": np.arange(3)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["in-the-way"]


@given(st.binary(max_size=60).map(lambda path: path.replace(b"/", b"_")))
def test_any_path_has_a_flavour_that_stands_for_it(path):
    of = flavour(path)
    assert flavour(canonical_path(of)) == of
    assert detect(canonical_path(of), b"") == detect(path, b"")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"a/b.py", "*.py"),
        (b"A.PY", "*.py"),
        (b"jquery.min.js", "*.min.js"),
        (b"x/package-lock.json", "package-lock.json"),
        (b"Makefile", "Makefile"),
        (b"bin/tool", "*"),
        (b"a.unheardof", "*"),
        (b"caf\xe9.py", "*.py"),
        (b"\xff\xfe", "*"),
    ],
)
def test_flavours(path, expected):
    assert flavour(path) == expected

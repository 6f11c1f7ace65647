"""The promises of `imprint.semantic.embedding.ports.Encoder`, on every implementation."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from imprint.semantic.embedding.choice import open_encoder
from imprint.semantic.embedding.ports import Passage
from imprint.semantic.embedding.transformer import Resume, TransformerEncoder

PASSAGES = [
    Passage("def read_file(path):\n    return open(path).read()", "read_file", "python"),
    Passage("func connect(host string) error {\n\treturn dial(host)\n}", "connect", "go"),
    Passage("SELECT 1", "", "sql"),
]


def make_model(folder):
    """A real sentence-transformers model, very small, of seeded random weights."""
    pytest.importorskip("sentence_transformers", reason="the extra transformers is not installed")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as models
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers import models as pieces
    from torch import manual_seed
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    manual_seed(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(pieces.WordPiece({piece: at for at, piece in enumerate(known)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=64
    ).save_pretrained(folder / "bert")
    BertModel(
        BertConfig(
            vocab_size=len(known),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        )
    ).save_pretrained(folder / "bert")
    modules = [models.Transformer(str(folder / "bert")), models.Pooling(32)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "model"))
    return folder / "model"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(params=["static", "transformer"], scope="module")
def encoder(request):
    if request.param == "static":
        return open_encoder(None)
    return TransformerEncoder.open(str(request.getfixturevalue("model")), device="cpu")


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


def test_a_question_is_nearest_to_what_it_asks_for():
    encoder = open_encoder("static")  # the other implementation's sample model knows nothing
    nearness = encoder.encode_passages(PASSAGES) @ encoder.encode_question("read the contents of a file")
    assert nearness.argmax() == 0


def test_threads_may_share_it(encoder):
    alone = encoder.encode_passages(PASSAGES)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: encoder.encode_passages(PASSAGES), range(16)):
            assert np.allclose(vectors, alone, atol=1e-6)


def test_its_name_says_which_vectors(encoder):
    assert encoder.name
    assert encoder.path_share >= 0


def test_a_run_is_told_its_progress_and_goes_on_where_it_stopped(model, tmp_path):
    encoder = TransformerEncoder.open(str(model), device="cpu", batch=2)
    passages, told = [Passage(f"call {letter}") for letter in "abcde"], []

    def stop_at_four(done, total):
        told.append((done, total))
        if done == 4:
            raise KeyboardInterrupt

    resume = Resume(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        encoder.encode_passages(passages, stop_at_four, resume)
    assert told == [(2, 5), (4, 5)]
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert len(kept) == 2
    vectors = encoder.encode_passages(passages, resume=resume)
    assert np.allclose(vectors, encoder.encode_passages(passages), atol=1e-6)
    assert all(file.stat().st_mtime_ns == at for file, at in kept.items())


def test_a_model_that_is_missing_is_said_and_the_shipped_table_used(caplog):
    encoder = open_encoder("/srv/models/none")
    assert encoder.name == open_encoder(None).name
    (record,) = [each for each in caplog.records if each.name == "imprint.semantic"]
    assert record.levelname == "WARNING"
    assert "/srv/models/none" in record.getMessage()

"""Tokenizers: the same tokens as those of the libraries that the models were trained with, and texts that come back."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from models_table import NOISE, TEXTS, needs, stored

from tinygrad_lora.errors import ModelFileError
from tinygrad_lora.models.files.cache import model_file
from tinygrad_lora.models.files.gguf import read_gguf
from tinygrad_lora.models.files.llama_cpp import chat_tokenizer, configuration
from tinygrad_lora.models.text.bpe import BytePairEncoding, words
from tinygrad_lora.models.text.tokens import padded
from tinygrad_lora.models.text.wordpiece import WordPiece

SMALL = stored("wordpiece.json")
PIECES = WordPiece(SMALL["vocabulary"])
BPE_FILE = stored("bpe.json")
BPE = BytePairEncoding(BPE_FILE["vocabulary"], BPE_FILE["joins"], special=[0, 1])
VECTORS = stored("vectors.json")

# --- WordPiece ---


@pytest.mark.parametrize("text, tokens", list(zip(TEXTS, SMALL["tokens"], strict=True)))
def test_wordpiece_gives_the_tokens_of_hugging_face(text, tokens):
    assert PIECES.encode(text) == tokens


@pytest.mark.parametrize("tokens, text", list(zip(SMALL["tokens"], SMALL["texts"], strict=True)))
def test_wordpiece_gives_the_text_of_hugging_face(tokens, text):
    assert PIECES.decode([n for n in tokens if n != PIECES.unknown]) == text


def test_special_tokens_are_text_unless_asked_for():
    assert PIECES.mask not in PIECES.encode("a [MASK] b")
    assert PIECES.encode("a [MASK] b", special=True)[2] == PIECES.mask


def test_a_long_sentence_is_cut_and_still_ends():
    tokens = PIECES.encode("the dogs " * 50, longest=8)
    assert len(tokens) == 8 and tokens[0] == PIECES.begin and tokens[-1] == PIECES.end
    with pytest.raises(ValueError, match="longest is 1"):
        PIECES.encode("a", longest=1)


def test_a_batch_is_padded_and_masked():
    tokens, mask = PIECES.encode_batch(["the dogs", "the quick brown fox"])
    assert tokens.shape == mask.shape == (2, 6)
    assert (tokens[mask == 0] == PIECES.padding).all() and mask.sum(axis=1).tolist() == [4, 6]
    with pytest.raises(TypeError, match=r"\[sentence\]"):
        PIECES.encode_batch("the dogs")


def texts(longest):
    """Any text. (`st.text()` gives as much, and first spends seconds on a table of all characters.)"""
    letters = st.sampled_from("aZ 0.é漢🙂\u0300\x00\n") | (st.integers(0, 0xD7FF) | st.integers(0xE000, 0x10FFFF)).map(
        chr
    )
    return st.lists(letters, max_size=longest).map("".join)


@given(texts(60))
def test_wordpiece_takes_any_text(text):
    assert all(0 <= n < len(PIECES) for n in PIECES.encode(text))


def test_a_vocabulary_needs_its_special_tokens(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\na\n")
    with pytest.raises(ModelFileError, match=r"\[CLS\]"):
        WordPiece.from_file(tmp_path / "vocab.txt")
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelFileError, match="UTF-8"):
        WordPiece.from_file(tmp_path / "vocab.txt")


@pytest.mark.parametrize("number", [-1, 10**9])
@pytest.mark.parametrize("tokenizer", [PIECES, BPE])
def test_an_unknown_number_is_refused(tokenizer, number):
    with pytest.raises(ValueError, match="no token number"):
        tokenizer.decode([number])


# --- Byte pairs ---


@pytest.mark.parametrize("text, tokens", list(zip(TEXTS + NOISE, BPE_FILE["tokens"], strict=True)))
def test_byte_pairs_are_those_of_hugging_face(text, tokens):
    assert BPE.encode(text) == tokens
    assert BPE.decode(tokens) == text


@given(texts(60))
def test_any_text_comes_back(text):
    assert BPE.decode(BPE.encode(text)) == text
    assert "".join(words(text)) == text


@given(texts(30))
def test_streamed_text_is_the_text(text):
    assert "".join(BPE.decode_each(BPE.encode(text))) == text


def test_a_character_comes_with_its_last_byte():
    tokens = BPE.encode("é👍")
    assert len(tokens) > 2
    assert [piece for piece in BPE.decode_each(tokens) if piece] == ["é", "👍"]


def test_half_a_character_is_shown_as_one():
    assert BPE.decode(BPE.encode("👍")[:-1]) == "\ufffd"


def test_a_mark_in_a_text_is_text_unless_asked_for():
    assert 1 not in BPE.encode("<|im_end|>") and BPE.decode(BPE.encode("<|im_end|>")) == "<|im_end|>"
    assert BPE.encode("a<|im_end|>", special=True)[-1] == 1
    assert BPE.decode([1]) == "" and BPE.decode([1], special=True) == "<|im_end|>"


def test_a_surrogate_is_refused_in_words():
    with pytest.raises(ValueError, match=r"U\+D800"):
        BPE.encode("a\ud800")


def test_a_join_must_make_a_token():
    with pytest.raises(ModelFileError, match="'b a' needs the token 'b'"):
        BytePairEncoding(["a"], ["b a"])


def test_the_pairs_that_are_looked_at_grow_with_the_word_and_no_faster():
    looked_at = []

    class Counted(dict):
        def get(self, pair):
            looked_at.append(pair)
            return super().get(pair)

    tokenizer = BytePairEncoding(BPE_FILE["vocabulary"], BPE_FILE["joins"])
    tokenizer._joins = Counted(tokenizer._joins)
    for n in (1_000, 10_000):
        looked_at.clear()
        tokenizer.encode("ab" * n)
        assert 2 * n < len(looked_at) < 8 * n


# --- The real vocabularies ---


@needs("minilm")
def test_minilm_has_the_tokens_of_hugging_face():
    tokenizer = WordPiece.from_file(model_file("minilm", "vocab.txt"))
    assert [tokenizer.encode(text) for text in TEXTS] == VECTORS["minilm"]


@needs("smollm2")
def test_smollm2_has_the_tokens_of_hugging_face():
    with read_gguf(model_file("smollm2", "model.gguf")) as file:
        tokenizer = chat_tokenizer(file, configuration(file)["vocab_size"])
    assert [tokenizer.encode(text) for text in TEXTS + NOISE] == VECTORS["smollm2"]
    assert tokenizer.encode(VECTORS["chats"][0], special=True) == VECTORS["question"]


def test_rows_of_a_wanted_length():
    assert padded([[1], [2, 3]], 0, 4).tokens.tolist() == [[1, 0, 0, 0], [2, 3, 0, 0]]
    assert padded([], 0).tokens.shape == (0, 0)
    with pytest.raises(ValueError, match="does not fit into rows of 1"):
        padded([[2, 3]], 0, 1)
    assert padded([[1]], 0).mask.dtype == np.int64

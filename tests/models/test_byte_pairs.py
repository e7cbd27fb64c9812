"""A byte-pair encoding that is learned here: the same joins as by counting everything anew, and any text comes back."""

from collections import Counter
from itertools import pairwise

import pytest

import tinygrad_lora as tl
from tinygrad_lora.models.text.bpe import visible_bytes, words

TEXT = "low lower lowest, new newer newest: wide wider widest. " * 3 + "aaaa aaaaa bababab 2024 naïve 日本語\n\n  x"


def by_counting_anew(text, most):
    """The joins by the definition: all pairs are counted after each."""
    visible = visible_bytes()
    tokens = [[visible[byte] for byte in word.encode()] for word in words(text)]
    joins = []
    while len(joins) < most:
        counts = Counter(pair for word in tokens for pair in pairwise(word))
        if not counts or max(counts.values()) < 2:
            break
        left, right = min(pair for pair, n in counts.items() if n == max(counts.values()))
        joins.append(f"{left} {right}")
        for word in tokens:
            i = 0
            while i + 1 < len(word):
                if word[i : i + 2] == [left, right]:
                    word[i : i + 2] = [left + right]
                i += 1
    return joins


@pytest.mark.parametrize("text", [TEXT, "", "a", "abcabcabc" * 5, "aaaaaaaaaaaaaaaa " * 2, "ab ba ab ba aab"])
def test_the_joins_are_those_of_the_definition(text):
    joins = by_counting_anew(text, 40)
    tokenizer = tl.train_byte_pairs(text, 256 + 40)
    left_right = [join.replace(" ", "") for join in joins]
    assert tokenizer.vocabulary[256:] == list(dict.fromkeys(left_right))


def test_any_text_comes_back():
    tokenizer = tl.train_byte_pairs(TEXT, 300)
    for text in (TEXT, "never seen: ßÿ€😀\x00", ""):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode(TEXT)) < 0.6 * len(TEXT.encode())


def test_frequent_words_are_one_token():
    tokenizer = tl.train_byte_pairs(["the cat and the dog"] * 10, 400)
    assert tokenizer.tokenize("the dog") == ["the", "Ġdog"]


def test_texts_are_a_text_or_several_in_any_order():
    parts = TEXT.split(". ")
    assert tl.train_byte_pairs(parts, 300).vocabulary == tl.train_byte_pairs(parts[::-1], 300).vocabulary


def test_special_tokens_come_last_and_are_no_text():
    tokenizer = tl.train_byte_pairs(TEXT, 270, ["<|start|>", "<|end|>"])
    assert len(tokenizer) == 270
    assert tokenizer.encode("<|end|>", special=True) == [269]
    assert len(tokenizer.encode("<|end|>")) > 1
    assert tokenizer.decode([268, *tokenizer.encode("low"), 269]) == "low"


@pytest.mark.parametrize(
    ("size", "special", "message"),
    [
        (255, [], "a vocabulary of 255 has no room: 256 bytes and 0 special tokens"),
        (257, ["<a>", "<b>"], "256 bytes and 2 special tokens"),
        (300, ["<a>", "<a>"], "names of their own"),
        (300, ["a"], "'a' is a token of text already"),
    ],
)
def test_a_vocabulary_that_cannot_be_is_refused(size, special, message):
    with pytest.raises(ValueError, match=message):
        tl.train_byte_pairs(TEXT, size, special)


def test_a_size_is_a_whole_number():
    with pytest.raises(TypeError, match="size must be a whole number, not str"):
        tl.train_byte_pairs(TEXT, "300")

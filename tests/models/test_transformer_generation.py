"""Tokens from the cached decoder are those that the network gives without any cache."""

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.errors import DtypeError, ShapeError
from tinygrad_lora.models.generation import CachedDecoder
from tinygrad_lora.models.llama import LlamaForCausalLM

CONFIG = {
    "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip
PROMPT = [3, 1, 4, 1, 5, 9, 2, 6, 5]


@pytest.fixture(scope="module")
def network():
    return LlamaForCausalLM.from_config(CONFIG, seed=4, dtype=np.float64)


@pytest.fixture(scope="module")
def decoder(network):
    return CachedDecoder(network, capacity=32, chunk=4)


def without_cache(network, prompt, count):
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(network([tokens]).value[0, -1].argmax()))
    return tokens[len(prompt) :]


@pytest.mark.parametrize("length", [1, 3, 4, 5, 8, 9])
def test_the_cache_changes_nothing(network, decoder, length):
    result = list(decoder.generate(PROMPT[:length], 12))
    assert result == without_cache(network, PROMPT[:length], 12)
    assert len(set(result)) > 2  # not one token again and again
    assert len(decoder.step.programs) <= 2  # one for a chunk, one for a token


def test_the_scores_are_those_of_the_whole_text(network, decoder):
    seen = []

    class Spy(CachedDecoder):
        def _scores(self, *args):
            seen.append(super()._scores(*args))
            return seen[-1]

    spy = Spy(network, capacity=32, chunk=4)
    tokens = PROMPT + list(spy.generate(PROMPT, 6))
    whole = network([tokens]).value[0]
    wanted = [3, 7, 8, *range(9, 14)]  # the last of each chunk, then every token but the newest
    for position, scores in zip(wanted, seen, strict=True):
        np.testing.assert_allclose(scores, whole[position], rtol=1e-12, atol=1e-12)


def test_tokens_come_one_by_one(decoder, monkeypatch):
    runs = []
    step = decoder.step
    monkeypatch.setattr(decoder, "step", lambda *args: runs.append(args[0].shape) or step(*args))
    tokens = decoder.generate(PROMPT[:4], 5)
    assert runs == []
    next(tokens)
    assert runs == [(1, 4)]
    next(tokens)
    assert runs == [(1, 4), (1, 1)]
    assert len(list(tokens)) == 3 and len(runs) == 5  # no scores that nobody asks for


def test_two_texts_at_once_do_not_mix(decoder):
    alone = [list(decoder.generate(p, 6)) for p in (PROMPT, PROMPT[::-1])]
    pairs = list(zip(decoder.generate(PROMPT, 6), decoder.generate(PROMPT[::-1], 6), strict=True))
    assert [list(tokens) for tokens in zip(*pairs, strict=True)] == alone


def test_it_ends_when_the_capacity_is_used_up_or_a_stop_comes(network, decoder):
    assert len(list(decoder.generate(PROMPT, 1000))) == 32 + 1 - len(PROMPT)
    assert len(list(decoder.generate([1] * 32, 1000))) == 1
    tokens = without_cache(network, PROMPT, 6)
    assert list(decoder.generate(PROMPT, 6, stop=[tokens[3]])) == tokens[: tokens.index(tokens[3])]


def test_a_temperature_draws_by_the_scores(network):
    decoder = CachedDecoder(network, capacity=16, chunk=16)
    draws = [next(decoder.generate(PROMPT, 1, temperature=0.7, seed=seed)) for seed in range(400)]
    scores = network([PROMPT]).value[0, -1] / 0.7
    shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    result = np.bincount(draws, minlength=40) / len(draws)
    assert np.abs(result - shares).max() < 0.08
    twice = [list(decoder.generate(PROMPT, 5, temperature=1.0, seed=7)) for _ in range(2)]
    assert twice[0] == twice[1]
    assert list(decoder.generate(PROMPT, 5, temperature=1e-6, seed=0)) == without_cache(network, PROMPT, 5)
    assert list(decoder.generate(PROMPT, 5, temperature=1.0, top_k=1, seed=0)) == without_cache(network, PROMPT, 5)


def test_an_adapter_speaks_and_is_switched_off():
    network = LlamaForCausalLM.from_config(CONFIG, seed=4, dtype=np.float32)
    decoder = CachedDecoder(network, capacity=32)
    plain = list(decoder.generate(PROMPT, 8))
    tl.adapt(network, 2, target_modules=["q_proj", "v_proj"], seed=0)
    rng = np.random.default_rng(0)
    for p in network.parameters():
        p.value = rng.normal(size=p.shape)
    adapted = list(decoder.generate(PROMPT, 8))
    assert adapted == without_cache(network, PROMPT, 8) != plain
    with tl.disabled(network):
        assert list(decoder.generate(PROMPT, 8)) == plain
    assert list(decoder.generate(PROMPT, 8)) == adapted


@pytest.mark.parametrize(
    ("prompt", "error", "message"),
    [
        ([], ShapeError, "at least one token"),
        ([[1, 2]], ShapeError, "at least one token"),
        ([1.0], DtypeError, "whole numbers"),
        ([-1], ValueError, "tokens are 0 to 39"),
        ([40], ValueError, "tokens are 0 to 39"),
        ([1] * 33, ShapeError, "33 tokens, and the capacity is 32"),
    ],
)
def test_what_is_no_prompt_is_refused_at_once(decoder, prompt, error, message):
    with pytest.raises(error, match=message):
        decoder.generate(prompt, 3)


def test_numbers_that_make_no_sense_are_refused(network, decoder):
    with pytest.raises(ValueError, match="temperature"):
        decoder.generate(PROMPT, 3, temperature=-1)
    with pytest.raises(ValueError, match="max_new_tokens"):
        decoder.generate(PROMPT, 0)
    with pytest.raises(ShapeError, match="64 positions"):
        CachedDecoder(network, capacity=65)

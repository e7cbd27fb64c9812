"""Sampling: frequencies are the probabilities, and only what may be drawn is."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lora as tl
from tinygrad_lora.errors import ShapeError

SCORES = np.log([0.05, 0.4, 0.3, 0.2, 0.05])


def frequencies(scores, n=4000, **options):
    rng = np.random.default_rng(0)
    return np.bincount([tl.sample(scores, seed=rng, **options) for _ in range(n)], minlength=len(scores)) / n


def test_a_choice_is_as_frequent_as_it_is_probable():
    assert_allclose(frequencies(SCORES), np.exp(SCORES), atol=0.02)
    hot = np.exp(SCORES / 2)
    assert_allclose(frequencies(SCORES, temperature=2), hot / hot.sum(), atol=0.02)
    assert_allclose(frequencies(SCORES + 1000), np.exp(SCORES), atol=0.02, err_msg="a shift changes nothing")


def test_temperature_zero_takes_the_highest_and_the_first_of_equal_ones():
    assert tl.sample(SCORES, 0) == 1
    assert tl.sample([1.0, 3.0, 3.0], 0) == 1
    assert tl.sample([1, 3, 2], 1e-300, seed=0) == 1


def test_of_infinite_scores_one_is_drawn():
    assert tl.sample([1.0, np.inf], seed=0) == 1
    assert_allclose(frequencies([np.inf, 1.0, np.inf]), [0.5, 0, 0.5], atol=0.03)
    assert_allclose(frequencies([np.inf, 1.0, np.inf], n=50, top_k=1), [1, 0, 0])


def test_only_the_k_highest_are_drawn():
    assert_allclose(frequencies(SCORES, top_k=2), [0, 4 / 7, 3 / 7, 0, 0], atol=0.02)
    assert_allclose(frequencies(SCORES, top_k=1), [0, 1, 0, 0, 0])
    assert_allclose(frequencies(np.zeros(4), top_k=2), [0.5, 0.5, 0, 0], atol=0.03)
    assert_allclose(frequencies(SCORES, top_k=9), np.exp(SCORES), atol=0.02)


def test_only_the_most_probable_that_reach_p_are_drawn():
    assert_allclose(frequencies(SCORES, top_p=0.39), [0, 1, 0, 0, 0])
    assert_allclose(frequencies(SCORES, top_p=0.41), [0, 4 / 7, 3 / 7, 0, 0], atol=0.02)
    assert_allclose(frequencies(SCORES, top_p=0.71), [0, 4 / 9, 3 / 9, 2 / 9, 0], atol=0.02)
    assert_allclose(frequencies(SCORES, top_p=1.0), np.exp(SCORES), atol=0.02)
    assert_allclose(frequencies(SCORES, top_p=1e-9), [0, 1, 0, 0, 0])


def test_p_counts_among_the_k():
    """Of the two that are left, the first has four sevenths."""
    assert_allclose(frequencies(SCORES, top_k=2, top_p=0.57), [0, 1, 0, 0, 0])
    assert_allclose(frequencies(SCORES, top_k=2, top_p=0.58), [0, 4 / 7, 3 / 7, 0, 0], atol=0.02)


def test_a_seed_decides_and_a_generator_goes_on():
    assert len({tl.sample(SCORES, seed=5) for _ in range(20)}) == 1
    assert len({tl.sample(SCORES, seed=seed) for seed in range(20)}) > 1
    scores = np.array([0.0, -np.inf, 0.0])
    assert {tl.sample(scores, seed=seed) for seed in range(40)} == {0, 2}, "minus infinity is never drawn"


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([[1.0]],), {}, ShapeError, r"one vector.*\(1, 1\)"),
        (([],), {}, ShapeError, "one vector"),
        (([1.0, np.nan],), {}, ValueError, "NaN"),
        (([-np.inf, -np.inf],), {}, ValueError, "minus infinity"),
        ((SCORES, -1), {}, ValueError, "the temperature must be"),
        ((SCORES,), {"top_k": 0}, ValueError, "top_k"),
        ((SCORES,), {"top_p": 0}, ValueError, "top_p must be above 0 and at most 1, not 0"),
        ((SCORES,), {"top_p": 1.5}, ValueError, "top_p must be above 0"),
    ],
)
def test_what_means_nothing_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        tl.sample(*arguments, **options)

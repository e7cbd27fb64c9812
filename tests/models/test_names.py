"""The model of first names: it learns, sees no future, counts no padding, and its seed alone decides."""

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.data import names
from tinygrad_lora.models.names import LETTERS, LONGEST, PAD, NameModel, encode, letter_loss, trained_names

ROWS = encode(names()[1][:8])


def test_names_are_told_apart_and_split_by_the_seed_alone():
    train, test = names()
    every = train + test
    assert len(every) == len(set(every)) == 5130 and len(test) == 500
    assert all(word.isascii() and word.islower() and 3 <= len(word) <= LONGEST for word in every)
    assert names() == (train, test) and names(seed=1)[0] != train
    assert sorted([*names(seed=1)[0], *names(seed=1)[1]]) == sorted(every)


def test_a_row_holds_the_letters_between_two_dots():
    assert encode(["abba"]).tolist() == [[0, 1, 2, 2, 1, 0, *[PAD] * 7]]
    assert ["".join(LETTERS[i] for i in row if i < PAD) for row in ROWS] == [f".{word}." for word in names()[1][:8]]


def test_no_score_sees_a_later_letter():
    model, tokens = NameModel(), ROWS[:, :-1]
    later = tokens.copy()
    later[:, 4:] = 5
    before, after = model(tokens).value, model(later).value
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 0.1


def test_the_loss_is_the_cross_entropy_of_what_is_no_padding():
    scores, letters = NameModel(dtype=np.float64)(ROWS[:, :-1]), ROWS[:, 1:]
    real = letters != PAD
    expected = tl.cross_entropy(scores.value[real], letters[real])
    np.testing.assert_allclose(letter_loss(scores, letters).value, expected, rtol=1e-12)


def test_each_place_needs_a_letter():
    with pytest.raises(tl.errors.ShapeError, match="need a letter for each place"):
        letter_loss(NameModel()(ROWS[:, :1]), ROWS[:, 1:])


@pytest.mark.slow
def test_training_takes_it_below_what_pairs_of_letters_can_say():
    first, second = trained_names(300), trained_names(300)
    rows = encode(names()[1])
    assert float(letter_loss(first(rows[:, :-1]), rows[:, 1:]).value) < 2.3
    assert all(np.array_equal(a.value, b.value) for a, b in zip(first.parameters(), second.parameters(), strict=True))

"""The digits: what is in them, and that a seed alone decides the split."""

import numpy as np
import pytest

from tinygrad_lora.data import digits


def test_there_are_1797_images_of_64_pixels():
    d = digits()
    assert d.x_train.shape == (1438, 64) and d.y_train.shape == (1438,)
    assert d.x_test.shape == (359, 64) and d.y_test.shape == (359,)
    assert d.x_train.dtype == d.x_test.dtype == np.float64
    assert d.y_train.dtype == d.y_test.dtype == np.int64


def test_pixels_run_from_zero_to_one():
    x = np.concatenate([digits().x_train, digits().x_test])
    assert x.min() == 0 and x.max() == 1
    assert np.array_equal(x * 16, np.round(x * 16))


def test_classes_are_the_published_ones_and_about_balanced_in_each_part():
    d = digits()
    train, test = np.bincount(d.y_train, minlength=10), np.bincount(d.y_test, minlength=10)
    # Counts in the test file of the UCI repository, 0 to 9.
    assert (train + test).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert train.min() > 0.8 * train.mean() and test.min() > 0.5 * test.mean()


def test_float32_holds_the_same_pixels():
    # Sixteenths are exact in every floating type.
    assert digits(dtype=np.float32).x_train.dtype == np.float32
    assert np.array_equal(digits(dtype=np.float32).x_train, digits().x_train)


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    assert all(np.array_equal(a, b) for a, b in zip(digits(seed=3), digits(seed=3), strict=True))
    assert not np.array_equal(digits(seed=3).y_train, digits(seed=4).y_train)


@pytest.mark.parametrize("turns", [-1, 1, 2, 3])
def test_turning_keeps_the_split_and_turns_every_image(turns):
    upright, turned = digits(seed=5), digits(turns, seed=5)
    assert np.array_equal(upright.y_train, turned.y_train)
    assert np.array_equal(upright.y_test, turned.y_test)
    for before, after in [(upright.x_train, turned.x_train), (upright.x_test, turned.x_test)]:
        for a, b in zip(before.reshape(-1, 8, 8), after.reshape(-1, 8, 8), strict=True):
            assert np.array_equal(np.rot90(a, turns), b)


def test_four_quarter_turns_are_none():
    assert all(np.array_equal(a, b) for a, b in zip(digits(), digits(4), strict=True))


@pytest.mark.parametrize("fraction, tests", [(0.5, 898), (0.001, 2), (0.9, 1617)])
def test_the_fraction_decides_the_size_and_nothing_is_lost(fraction, tests):
    d = digits(test_fraction=fraction)
    assert len(d.x_test) == len(d.y_test) == tests
    assert len(d.x_train) == len(d.y_train) == 1797 - tests


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"rotated": 0.5}, "rotated counts quarter turns"),
        ({"rotated": True}, "rotated counts quarter turns"),
        ({"test_fraction": 0}, "test_fraction must lie between 0 and 1"),
        ({"test_fraction": 1.5}, "test_fraction must lie between 0 and 1"),
        ({"test_fraction": float("nan")}, "test_fraction must lie between 0 and 1"),
        ({"test_fraction": 1e-6}, "leaves one part empty"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": None}, "seed must be a whole number"),
        ({"test_fraction": "half"}, "test_fraction must lie between 0 and 1"),
        ({"test_fraction": None}, "test_fraction must lie between 0 and 1"),
        ({"dtype": np.int64}, "dtype must be a floating type"),
        ({"dtype": complex}, "dtype must be a floating type"),
        ({"dtype": "abc"}, "dtype must be a floating type such as np.float32, not 'abc'"),
        ({"dtype": 7}, "dtype must be a floating type"),
    ],
)
def test_a_wrong_argument_is_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        digits(**arguments)

"""Batches: every example once in each epoch, in an order that the seed alone decides."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.errors import DtypeError, ShapeError

X, Y = np.arange(14.0).reshape(7, 2), np.arange(7)
WORDS = [[1, 2], [3], [], [4, 5, 6]]


def test_every_example_comes_once_in_each_epoch_with_its_own_label():
    parts = list(tl.batches(X, Y, size=3, epochs=2))
    assert [len(y) for _, y in parts] == [3, 3, 1] * 2
    for x, y in parts:
        assert_array_equal(x, X[y])
    first, second = (np.concatenate([y for _, y in parts[i : i + 3]]) for i in (0, 3))
    assert sorted(first) == sorted(second) == list(Y)
    assert list(first) != list(second), "another order in another epoch"


def test_the_seed_decides_and_nothing_else():
    def order(**options):
        return [int(i) for (part,) in tl.batches(Y, size=2, **options) for i in part]

    assert order() == order(seed=0) != order(seed=1)
    assert order(seed=np.random.default_rng(0)) == order()
    assert order(shuffle=False) == list(range(7))
    np.random.seed(3)
    assert order() == order()


def test_padded_batches_have_one_shape_and_a_mask():
    parts = list(tl.batches(X, Y, size=3, pad=-1, shuffle=False))
    assert {(x.shape, y.shape, mask.shape) for x, y, mask in parts} == {((3, 2), (3,), (3,))}
    x, y, mask = parts[-1]
    assert_array_equal(mask, [True, False, False])
    assert_array_equal(y, [6, -1, -1])
    assert_array_equal(x, [X[6], [-1, -1], [-1, -1]])
    assert y.dtype == Y.dtype


def test_sequences_are_filled_up_to_the_longest_of_their_batch():
    parts = list(tl.batches(WORDS, np.arange(4), size=3, pad=0, shuffle=False))
    assert_array_equal(parts[0][0], [[1, 2], [3, 0], [0, 0]])
    assert_array_equal(parts[0][2], [[True, True], [True, False], [False, False]])
    assert_array_equal(parts[1][0], [[4, 5, 6], [0, 0, 0], [0, 0, 0]])
    assert_array_equal(parts[1][1], [3, 0, 0])
    assert_array_equal(parts[1][2], [[True] * 3, [False] * 3, [False] * 3])
    assert sum(mask.sum() for *_, mask in parts) == 6


def test_a_list_of_sequences_has_a_mask_of_one_rank():
    """Whether or not those of this list happen to be equally long."""
    for words in ([[1, 2], [3, 4]], [[1, 2], [3]], [[], []]):
        ((tokens, mask),) = tl.batches(words, size=3, pad=0, shuffle=False)
        assert tokens.shape == mask.shape == (3, max(map(len, words)))


def test_a_batch_is_no_view_of_the_data():
    data = np.zeros(4)
    for (part,) in tl.batches(data, size=2, shuffle=False):
        part += 1
    assert not data.any()


def test_a_masked_mean_is_that_of_the_examples():
    """What the mask is for: a compiled program sees one shape, and the mean is that of all examples."""
    mean = tl.compile(lambda x, mask: tl.sum(x * mask) / tl.sum(mask))
    for x, mask in tl.batches(Y * 1.0, size=4, pad=0):
        assert mean(x, mask) == pytest.approx(x[mask].mean())
    assert len(mean.programs) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tl.batches(size=2), TypeError, "takes arrays"),
        (lambda: tl.batches(X, size=0), ValueError, "at least one example"),
        (lambda: tl.batches(X, Y[:3], size=2), ShapeError, r"\[7, 3\] examples"),
        (lambda: tl.batches(3.0, size=2), ShapeError, "array 0 is one number"),
        (lambda: tl.batches(WORDS, size=2), ShapeError, "say what fills them up, as in pad=0"),
        (lambda: tl.batches([[1], [[2], [3]]], size=2, pad=0), (ShapeError, DtypeError), "array 0"),
        (lambda: tl.batches(WORDS, WORDS[::-1], size=2, pad=0), ShapeError, "one mask must fit"),
        (lambda: tl.batches(Y, size=2, pad=0.5), ValueError, "which has no 0.5"),
        (lambda: tl.batches(Y, size=2, pad=np.nan), ValueError, "which has no nan"),
        (lambda: tl.batches(Y, size=2, pad="a"), DtypeError, "pad is the text 'a'"),
        (lambda: tl.batches(Y, size=2, pad=[1, 2]), ShapeError, "pad is one number"),
        (lambda: tl.batches(Y, size=2.5), TypeError, "size and epochs are whole numbers, not 2.5 and 1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_at_once(call, error, message):
    with pytest.raises(error, match=message):
        call()

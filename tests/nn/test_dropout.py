"""Dropout: a pure function of its seed, equal whether eager or compiled, with the right mean."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lora as tl
from tinygrad_lora.errors import CompileError, DtypeError, ShapeError

X = np.random.default_rng(0).normal(size=(40, 50))


def test_the_mean_stays():
    y = tl.dropout(np.ones((400, 500)), 0.25, 7)
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert abs(np.mean(y == 0) - 0.25) < 0.005
    assert abs(y.mean() - 1) < 0.005


def test_the_seed_the_stream_and_the_shape_decide():
    y = tl.dropout(X, 0.5, 3)
    assert_array_equal(tl.dropout(tl.constant(X), 0.5, tl.constant(3)).value, y)
    assert_array_equal(tl.dropout(X, 0.5, np.int32(3)), y)
    others = [tl.dropout(X, 0.5, 4), tl.dropout(X, 0.5, 3, stream=1), tl.dropout(X, 0.5, -3), tl.dropout(X, 0.5, 2**62)]
    for i, one in enumerate([y, *others]):
        for other in [y, *others][:i]:
            assert 0.4 < np.mean((one == 0) == (other == 0)) < 0.6, "masks are independent"


@pytest.mark.parametrize("seed", [np.uint64(2**63 + 5), -1, np.int8(-1)])
def test_any_whole_number_is_a_seed(seed):
    compiled = tl.compile(lambda x, seed: tl.dropout(x, 0.5, seed), check=True)
    assert_array_equal(compiled(X, seed), tl.dropout(X, 0.5, seed))
    with pytest.raises(TypeError, match=r"dropout: stream is the float .*: pass a whole number"):
        tl.dropout(X, 0.5, seed, stream=1.5)


def test_each_step_has_another_mask_in_one_program():
    compiled = tl.compile(lambda x, seed: tl.dropout(tl.tanh(x), 0.5, seed), check=True)
    for seed in range(3):
        assert_array_equal(compiled(X, np.array(seed)), tl.dropout(tl.tanh(tl.constant(X)), 0.5, seed).value)
    assert len(compiled.programs) == 1
    assert "uniform_numbers(seed, 0, (40, 50))" in compiled.source


def test_what_is_dropped_gets_no_gradient():
    x = tl.parameter(X)
    y = tl.dropout(x, 0.5, 3)
    tl.sum(y).backward()
    assert_array_equal(x.gradient, np.where(y.value == 0, 0.0, 2.0))
    slopes = tl.compile(lambda x, seed: tl.gradients(tl.sum(tl.dropout(x, 0.5, seed) ** 2), x), check=True)
    assert_array_equal(slopes(X, np.array(3)), 2 * y.value * x.gradient)


def test_the_same_mask_is_drawn_once():
    """Equal calls are one, and calls of other streams are not."""
    compiled = tl.compile(lambda x, seed: tl.dropout(x, 0.5, seed) * tl.dropout(x + 1.0, 0.5, seed)).prepare(
        X, np.array(3)
    )
    assert compiled.source.count("= uniform_numbers(") == 1
    compiled = tl.compile(lambda x, seed: tl.dropout(x, 0.5, seed) * tl.dropout(x + 1.0, 0.5, seed, 1))
    assert compiled.prepare(X, np.array(3)).source.count("= uniform_numbers(") == 2


def test_evaluation_drops_nothing():
    x = tl.constant(X)
    assert tl.dropout(x, 0.5) is x
    assert tl.dropout(x, 0.0, 3) is x


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_dtype_stays(dtype):
    assert tl.dropout(X.astype(dtype), 0.1, 3).dtype == dtype


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1.0, 3), ValueError, "rate must be at least 0 and below 1, not 1.0"),
        ((-0.1, 3), ValueError, "rate must be"),
        ((0.5, 0.5), DtypeError, "a seed is a whole number"),
        ((0.5, tl.constant(0.5)), DtypeError, "a seed is a whole number"),
        ((0.5, np.arange(2)), ShapeError, r"one whole number, not an array of shape \(2,\)"),
        ((0.5, 3, 0.5), TypeError, "float"),
        ((0.5, 3, 2**70), ValueError, "a stream is a whole number"),
    ],
)
def test_what_means_nothing_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        tl.dropout(tl.constant(X), *arguments)


def test_an_engine_that_cannot_draw_the_same_numbers_says_so():
    pytest.importorskip("numba", reason='engine="numba" needs the extra speed')
    with pytest.raises(CompileError, match=r'cannot translate the operation random_uniform.*engine="numpy"'):
        tl.compile(lambda x, seed: tl.dropout(x, 0.5, seed), engine="numba")(X, np.array(3))

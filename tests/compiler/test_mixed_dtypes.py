"""Random programs on floats of both sizes, whole numbers and truth values, with nan and infinity: compiled is eager."""

import operator

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.errors import ShapeError

SHAPES = [(), (3,), (2, 3), (3, 3), (0, 3), (2, 3, 3), (1, 3)]
STEPS = [
    lambda a, b, c: a + b,
    lambda a, b, c: a - b,
    lambda a, b, c: a * b,
    lambda a, b, c: a * c,
    lambda a, b, c: a @ b,
    lambda a, b, c: a.mT,
    lambda a, b, c: tl.relu(a),
    lambda a, b, c: tl.sum(a, axis=-1, keepdims=True),
    lambda a, b, c: tl.exp(tl.tanh(a)),
    lambda a, b, c: tl.where(a > b, a, b),
    lambda a, b, c: a / (b * b + 1.0),
    lambda a, b, c: tl.reshape(a, (-1,)),
    lambda a, b, c: tl.mean(a),
    lambda a, b, c: tl.constant(c) * a + c,
]


def random_array(rng):
    dtype = rng.choice([np.float64, np.float32, np.int64, np.bool_], p=[0.4, 0.35, 0.15, 0.1])
    array = np.array(rng.integers(-3, 4, SHAPES[rng.integers(len(SHAPES))]), dtype)
    if array.dtype.kind == "f":
        array *= dtype(rng.choice([1.0, 0.37]))
        if array.size and rng.random() < 0.15:
            array.flat[0] = rng.choice([np.nan, np.inf, -np.inf, -0.0])
    return array[()]


def random_program(rng):
    steps = [
        (rng.integers(len(STEPS)), *rng.integers(100, size=2), rng.choice([0, 1, 2, -1, 0.5, 3, 1.0])) for _ in range(8)
    ]

    def program(*inputs):
        values = list(inputs)
        for k, i, j, c in steps:
            try:
                values.append(STEPS[k](values[i % len(values)], values[j % len(values)], float(c)))
            except (ShapeError, TypeError):
                continue  # these two do not fit (NumPy has no difference of truth values): leave the step out
        return [tl.identity(y) for y in values[-3:]]

    return program


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # nan and infinity are meant
@pytest.mark.parametrize("seed", range(300))
def test_compiled_has_the_dtypes_and_the_numbers_of_eager(seed):
    rng = np.random.default_rng(seed)
    arrays = [random_array(rng) for _ in range(rng.integers(1, 4))]
    program = random_program(rng)
    expected = program(*map(tl.constant, arrays))
    result = tl.compile(program)(*arrays)
    for a, b in zip(result, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        tolerance = 1e-5 if a.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(a, b.value, rtol=tolerance, atol=1e-6, equal_nan=True)


NUMBERS = [2, 0.5, True, np.float64(0.5), np.int64(2), np.float32(0.5)]
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda x: f"{type(x).__name__}")
@pytest.mark.parametrize("operation", OPERATORS, ids=lambda f: f.__name__)
def test_a_single_number_takes_the_dtype_of_the_node_in_every_operation(operation, number):
    """As in `x / np.sqrt(n)`, where a float64 would make all that follows float64."""
    x = tl.parameter(np.array([1.0, 2.0], np.float32))
    for y, expected in (
        (operation(x, number), operation(x.value, float(number))),
        (operation(number, x), operation(float(number), x.value)),
    ):
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y.value, expected)


@pytest.mark.parametrize("operation", [*OPERATORS, operator.matmul, operator.gt, operator.lt], ids=lambda f: f.__name__)
def test_an_array_on_either_side_of_an_operator_asks_the_node(operation):
    x, array = tl.parameter([[1.0, 2.0], [3.0, 4.0]]), np.array([[4.0, 3.0], [2.0, 1.0]])
    for a, b, expected in ((x, array, operation(x.value, array)), (array, x, operation(array, x.value))):
        y = operation(a, b)
        assert isinstance(y, tl.ComputationNode)
        np.testing.assert_array_equal(y.value, expected)


def test_a_gradient_has_the_dtype_of_what_it_is_of():
    x, y = tl.parameter(np.ones(3, np.float32)), tl.parameter(np.ones(3))
    tl.sum(x * y).backward()
    assert (x.gradient.dtype, y.gradient.dtype) == (np.float32, np.float64)


def test_no_gradient_passes_through_whole_numbers():
    x = tl.parameter([0.5, 1.5])
    (tl.sum(tl.cast(x, int) * 1.0) + tl.sum(tl.cast(x, np.float32))).backward()
    np.testing.assert_array_equal(x.gradient, [1.0, 1.0])


def test_one_number_is_the_length_of_one_axis():
    x = np.ones((1, 3))
    assert tl.placeholder(3).shape == tl.reshape(x, np.int64(3)).shape == tl.broadcast(2.0, 3).shape == (3,)


def test_numpys_numbers_count_beside_whole_numbers():
    """There they may be too large for the array's dtype, and NumPy makes room."""
    small, byte = tl.constant(np.int8([1])), tl.constant(np.uint8([200]))
    assert (small + np.int64(300)).value == [301] and (byte * np.int64(2)).value == [400]
    assert (byte - np.int64(1)).value == [199] and (byte > np.int64(100)).value == [True]
    mask = tl.greater(tl.parameter(np.ones(2, np.float32)), 0.0)
    assert (mask * np.float32(2)).dtype == tl.where(mask, np.float32(1), np.float32(0)).dtype == np.float32
    with pytest.raises(OverflowError, match="300"):
        small + 300


def test_equality_is_identity_beside_arrays_too():
    x, array = tl.parameter([1.0, 1.0]), np.ones(2)
    assert (x == array, array == x, x != array, x == np.float64(1)) == (False, False, True, False)
    assert x in [array, x] and [array, x].index(x) == 1

"""Random programs on floats of both sizes, whole numbers and truth values, with nan and infinity: compiled is eager."""

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
    found = tl.compile(program)(*arrays)
    for a, b in zip(found, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        tolerance = 1e-5 if a.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(a, b.value, rtol=tolerance, atol=1e-6, equal_nan=True)

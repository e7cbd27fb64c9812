"""The engine against its twin: the same random programs, one number at a time."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import LIMIT, arrays, assert_same, examples, inputs_for, matmul_chains, random_graphs
from twin import Number, number

import tinygrad_lora as tl

lift = np.vectorize(Number, otypes=[object])
values = np.vectorize(lambda x: number(x).value, otypes=[float])
gradients = np.vectorize(lambda x: number(x).gradient, otypes=[float])


def each(name):
    return np.vectorize(lambda x: x.apply(name), otypes=[object])


def objects(x):
    """What NumPy made of an array of numbers, as an array again: it hands out a lone number as it is."""
    return np.asarray(x, dtype=object)


larger = np.vectorize(lambda a, b: a if a.value > b.value else b, otypes=[object])
chosen = np.vectorize(lambda a, b, c, d: c if a.value > b.value else d, otypes=[object])

# The operations of a program once more, on arrays of the twin's numbers. NumPy only moves them about.
TWIN = {
    "constant": lambda array: lift(array),
    "add": lambda a, b: objects(a + b),
    "subtract": lambda a, b: objects(a - b),
    "multiply": lambda a, b: objects(a * b),
    "scale": lambda x, factor: objects(x * factor),
    "matmul": lambda a, b: objects(a @ b),
    "transpose": lambda x: x.swapaxes(-1, -2),
    "sum": lambda x, axis, keepdims: objects(x.sum(axis=axis, keepdims=keepdims)),
    "reshape": lambda x, shape: x.reshape(shape),
    "broadcast": lambda x, shape: np.broadcast_to(x, shape),
    "relu": each("relu"),
    "maximum": lambda a, b: objects(larger(a, b)),
    "where": lambda a, b, c, d: objects(chosen(a, b, c, d)),
    "concatenate": lambda *arrays, axis: np.concatenate(arrays, axis=axis),
    "index": lambda x, key: objects(x[key]),
    "take": lambda x, indices: x[indices],
    "identity": lambda x: x,
    "divide": lambda a, b: objects(a / b),
    "power": lambda x, exponent: objects(x**exponent),
} | {name: each(name) for name in ("exp", "log", "sqrt", "tanh")}


def weights(y):
    """So that each element of an output counts differently."""
    return np.arange(1.0, 1 + y.size).reshape(y.shape) % 5 - 2


@examples(120)
@given(random_graphs(parameters=True) | matmul_chains())
def test_a_program_has_the_values_and_gradients_of_its_twin(drawn):
    program, examples = drawn
    numbers = [objects(lift(a)) for a in [*examples, *(w.value for w in program.parameters)]]
    twins = program.run(TWIN, numbers)
    sum((number(t) * w for y in twins for t, w in zip(y.flat, weights(y).flat, strict=True)), Number(0)).backward()

    inputs = [tl.parameter(a) for a in examples]
    outputs = program(*inputs)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    loss = sum((tl.sum(y * weights(y)) for y in outputs), tl.constant(0.0))
    assert np.abs(loss.value) < LIMIT * 2**10
    for y, twin in zip(outputs, twins, strict=True):
        assert_same(y.value, values(twin))
    leaves = [*inputs, *program.parameters]
    for g, x, twin in zip(tl.gradients(loss, leaves), leaves, numbers, strict=True):
        assert_same(g.value, gradients(twin).reshape(x.shape))


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "relu", "divide", "power", "scale", "multiply"])
@examples(40)
@given(st.data())
def test_a_smooth_operation_has_the_value_and_gradient_of_its_twin(name, draw):
    op = tl.Op.registry[name]
    case = draw.draw(inputs_for(op))
    seed = draw.draw(arrays(np.broadcast_shapes(*(x.shape for x in case.operands))))
    numbers = [objects(lift(x)) if x.size else x.astype(object) for x in case.operands]
    twin = objects(TWIN[name](*numbers, **case.params)) if seed.size else seed.astype(object)
    sum((t * w for t, w in zip(twin.flat, seed.flat, strict=True)), Number(0)).backward()

    xs = [tl.parameter(x) for x in case.operands]
    y = op(*xs, **case.params)
    np.testing.assert_allclose(y.value, values(twin) if seed.size else seed, rtol=1e-12)
    for g, x in zip(tl.gradients(y, xs, seed=seed), numbers, strict=True):
        expected = gradients(x) if x.size else np.zeros(x.shape)
        np.testing.assert_allclose(g.value, expected, rtol=1e-12, atol=1e-12)


def test_the_twin_by_hand():
    x, y = Number(3.0), Number(2.0)
    z = x * x * y + x / y - y**3
    z.backward()
    assert (z.value, x.gradient, y.gradient) == (11.5, 12.5, -3.75)

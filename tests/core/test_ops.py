"""Each operation, through `Op.registry`: a new one is tested by existing, once strategies.FACTORIES has its inputs."""

import copy
import pickle
from math import prod

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from numpy.testing import assert_array_equal
from strategies import FACTORIES, NOT_ANALYTIC, arrays, assert_close, assert_same, examples, inner, inputs_for

import tinygrad_lora as tl
from tinygrad_lora.core import ops
from tinygrad_lora.core.node import Op

# All but the one that draws numbers: nn/test_dropout.py has its laws.
OPERATIONS = sorted((op for op in tl.Op.registry.values() if op.name != "random_uniform"), key=str)
DIFFERENTIABLE = [op for op in OPERATIONS if op.differentiable]
ANALYTIC = [op for op in DIFFERENTIABLE if op.name not in NOT_ANALYTIC]
KINKED = [op for op in DIFFERENTIABLE if op.name in NOT_ANALYTIC]

every_operation = pytest.mark.parametrize("op", OPERATIONS, ids=str)
every_differentiable_operation = pytest.mark.parametrize("op", DIFFERENTIABLE, ids=str)
few = examples(15)
TINY = 1e-30


def rule(op, g, y, operands, params):
    """What the backward rule gives, with the work it puts off done."""
    return [part() if callable(part) else part for part in op.vjp(g, y, *operands, **params)]


def placeholders(case):
    return [tl.placeholder(x.shape, x.dtype) for x in case.operands]


def directions(draw, arrays_):
    """For each array, one of its shape: where to step from it."""
    return [draw.draw(arrays(np.shape(x))).astype(np.asarray(x).dtype) for x in arrays_]


def stepped(case, step, along):
    """The operands, those that are real moved by `step` times their direction."""
    return [x + step * d if i in case.real else x for i, (x, d) in enumerate(zip(case.operands, along, strict=True))]


# --- The registry ---


@every_operation
def test_an_operation_has_inputs_to_be_tested_on(op):
    inputs_for(op)


def test_a_line_for_an_operation_that_no_longer_exists_is_taken_out():
    assert set(FACTORIES) == set(tl.Op.registry)


def test_an_operation_without_inputs_is_told_where_to_put_them():
    class Cube(tl.Op):
        signature, numpy = "x", "x * x * x"

    op = Cube()
    del tl.Op.registry["cube"]
    with pytest.raises(pytest.fail.Exception, match=r"'cube' has no inputs.*FACTORIES in tests/strategies.py"):
        inputs_for(op)


@every_operation
def test_an_operation_is_one_object(op):
    assert pickle.loads(pickle.dumps(op)) is op
    assert copy.deepcopy(op) is op
    assert tl.Op.registry[op.name] is op and str(op) == op.name


@every_operation
def test_a_docstring_opens_with_the_equation(op):
    words = type(op).__doc__
    assert words and words.startswith("$") and words.partition("\n")[0].count("$") % 2 == 0, "open with $y = ...$"


# --- Forward ---


@every_operation
@few
@given(st.data())
def test_the_line_of_numpy_is_the_forward(op, draw):
    case = draw.draw(inputs_for(op))
    namespace = {"np": np}
    exec(op.prelude, namespace)
    line = eval(f"lambda {op.signature}: {op.numpy}", namespace)
    expected = line(*case.operands, **case.params)
    assert_same(op(*case.operands, **case.params), expected)
    assert_close(op(*map(tl.constant, case.operands), **case.params).value, expected)


@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.ufunc], ids=str)
@few
@given(st.data())
def test_the_ufunc_writes_the_same_numbers_into_an_array(op, draw):
    case = draw.draw(inputs_for(op))
    expected = op(*case.operands, **case.params)
    out = np.empty(np.shape(expected), np.asarray(expected).dtype)
    eval(op.ufunc, {"np": np})(*case.operands, *case.params.values(), out=out)
    assert_close(out, expected)


@every_operation
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@few
@given(st.data())
def test_shape_and_dtype_are_known_before_the_numbers(op, dtype, draw):
    case = draw.draw(inputs_for(op)).astype(dtype)
    try:
        value = op.forward(*case.operands, **case.params)
    except (ValueError, RuntimeWarning) as error:  # eighths become 0, and NumPy has no 1 / 0 and no whole 2**-1
        assume(dtype != "int64")
        raise error
    symbolic = op(*placeholders(case), **case.params)
    assert not symbolic.known
    assert (symbolic.shape, symbolic.dtype) == (np.shape(value), value.dtype)


COUNTS = {
    "(x > 1) * 2.0": lambda x: (x > 1) * 2.0,
    "(x > 1) * 2": lambda x: (x > 1) * 2,
    "(x > 1) * x": lambda x: (x > 1) * x,
    "1 - (x > 1)": lambda x: 1 - (x > 1),
    "sum(x > 1)": lambda x: tl.sum(x > 1),
    "mean(x > 1)": lambda x: tl.mean(x > 1),
}


@pytest.mark.parametrize("f", COUNTS.values(), ids=COUNTS)
def test_what_is_computed_from_true_and_false_has_its_dtype_before_the_numbers(f):
    x = np.array([0.5, 1.0, 2.0])
    graph = tl.trace(f, x)
    assert graph.outputs[0].dtype == graph(x)[0].dtype == f(tl.constant(x)).dtype


@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.elementwise], ids=str)
@few
@given(st.data())
def test_an_elementwise_operation_looks_at_one_element_at_a_time(op, draw):
    case = draw.draw(inputs_for(op))
    whole = op(*case.operands, **case.params)
    assume(np.size(whole))
    i = draw.draw(st.integers(0, whole.size - 1))
    alone = [np.broadcast_to(x, whole.shape).reshape(-1)[i] for x in case.operands]
    assert_close(op(*alone, **case.params), whole.reshape(-1)[i])


@every_operation
@few
@given(st.data())
def test_a_view_shares_memory_and_nothing_else_does(op, draw):
    case = draw.draw(inputs_for(op))
    result = op.forward(*case.operands, **case.params)
    assume(isinstance(result, np.ndarray) and result.size)  # a NumPy scalar is a copy
    shared = [np.shares_memory(result, x) for x in case.operands]
    assert any(shared) == op.view


@every_operation
@few
@given(st.data())
def test_the_cost_is_a_whole_number_and_a_view_is_free(op, draw):
    case = draw.draw(inputs_for(op))
    out = np.shape(op(*case.operands, **case.params))
    flops = op.flops(out, *(x.shape for x in case.operands), **case.params)
    assert isinstance(flops, int) and flops >= 0
    if op.elementwise or op.view:
        assert flops == (0 if op.view else prod(out))


def test_the_cost_of_a_product_is_two_operations_for_each_pair_of_numbers():
    assert ops.matmul.flops((5, 2, 4), (5, 2, 3), (3, 4)) == 2 * 5 * 2 * 3 * 4
    assert ops.reduce_sum.flops((2,), (2, 7), axis=(1,), keepdims=False) == 14


# --- Backward ---


@pytest.mark.parametrize("op", ANALYTIC, ids=str)
@examples(30)
@given(st.data())
def test_a_vjp_is_the_complex_step(op, draw):
    case = draw.draw(inputs_for(op))
    y = op(*case.operands, **case.params)
    along, seed = directions(draw, case.operands), draw.draw(arrays(np.shape(y)))
    slope = inner(seed, np.imag(op.forward(*stepped(case, TINY * 1j, along), **case.params)) / TINY)
    parts = rule(op, seed, y, case.operands, case.params)
    terms = [parts[i] * along[i] for i in case.real if parts[i] is not None]
    tolerance = 1e-12 * (1 + sum(np.abs(term).sum() for term in terms))
    assert sum(term.sum() for term in terms) == pytest.approx(slope, rel=0, abs=tolerance)


@pytest.mark.parametrize("op", KINKED, ids=str)
@examples(30)
@given(st.data())
def test_a_vjp_is_the_central_difference_where_there_are_kinks(op, draw):
    case = draw.draw(inputs_for(op))
    y = op(*case.operands, **case.params)
    along, seed = directions(draw, case.operands), draw.draw(arrays(np.shape(y)))
    h = 2.0**-10  # small beside the eighths between the numbers and their kinks; a cast to float32 keeps it
    ahead, behind = (op.forward(*stepped(case, step, along), **case.params) for step in (h, -h))
    slope = inner(seed, (ahead.astype(float) - behind) / (2 * h))
    parts = rule(op, seed, y, case.operands, case.params)
    assert sum(inner(parts[i], along[i]) for i in case.real) == pytest.approx(slope, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("op", [op for op in OPERATIONS if not op.differentiable], ids=str)
@few
@given(st.data())
def test_nothing_passes_back_through_an_operation_that_is_not_differentiable(op, draw):
    case = draw.draw(inputs_for(op))
    xs = [tl.parameter(x) for x in case.operands]
    y = op(*xs, **case.params)
    assert not y.requires_gradient
    for x, g in zip(xs, tl.gradients(tl.sum(tl.cast(y, dtype="float64")), xs), strict=True):
        assert_same(g.value, np.zeros(x.shape))


@pytest.mark.slow
@every_differentiable_operation
@few
@given(st.data())
def test_a_rule_gives_the_same_numbers_on_arrays_and_on_nodes(op, draw):
    case = draw.draw(inputs_for(op))
    leaves = [tl.constant(x) for x in case.operands]
    y = op(*leaves, **case.params)
    g = tl.constant(draw.draw(arrays(y.shape)).astype(y.dtype))
    eager = rule(op, g, y, leaves, case.params)
    operands, seed = [x.value for x in leaves], g.value
    numbers = rule(op, seed, y.value, operands, case.params)
    free = placeholders(case)
    g = tl.placeholder(seed.shape, seed.dtype)
    symbolic = rule(op, g, op(*free, **case.params), free, case.params)
    assert [p is None for p in numbers] == [p is None for p in eager] == [p is None for p in symbolic]
    kept = [i for i, part in enumerate(numbers) if part is not None]
    run = tl.Graph([*free, g], [symbolic[i] for i in kept])(*operands, seed)
    for i, ran in zip(kept, run, strict=True):
        assert (symbolic[i].shape, symbolic[i].dtype) == (np.shape(ran), ran.dtype)
        assert_same(eager[i].value, numbers[i])
        assert_same(ran, numbers[i])


@every_differentiable_operation
@examples(15)
@given(st.data())
def test_the_gradient_of_the_gradient(op, draw):
    # The derivative of <d, gradient of sum(seed y y)>; the square makes it a question even where y is linear in x.
    case = draw.draw(inputs_for(op))
    leaves = [tl.placeholder(x.shape) if i in case.real else tl.constant(x) for i, x in enumerate(case.operands)]
    real = [leaves[i] for i in case.real]
    y = tl.cast(op(*leaves, **case.params), dtype="float64") if op.name == "cast" else op(*leaves, **case.params)
    seed = draw.draw(arrays(y.shape))
    first = tl.gradients(tl.sum(y * y * seed), real)
    d, e = (directions(draw, [case.operands[i] for i in case.real]) for _ in range(2))
    slope = sum((tl.sum(g * a) for g, a in zip(first, d, strict=True)), tl.constant(0.0))
    second = tl.Graph(real, tl.gradients(slope, real))(*(case.operands[i] for i in case.real))
    result = sum(inner(g, b) for g, b in zip(second, e, strict=True))
    run = tl.Graph(real, [slope])
    h = 1j * TINY if op in ANALYTIC else 2.0**-10
    ahead, behind = (
        run(*(case.operands[i] + step * b for i, b in zip(case.real, e, strict=True)))[0] for step in (h, -h)
    )
    numeric = ahead.imag / TINY if op in ANALYTIC else (ahead - behind) / (2 * h)
    scale = 1 + sum(np.abs(g * b).sum() for g, b in zip(second, e, strict=True))
    assert result == pytest.approx(numeric, rel=0, abs=(1e-11 if op in ANALYTIC else 1e-5) * scale)


def test_equal_largest_elements_share_the_gradient():
    x = tl.parameter(np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]))
    tl.sum(tl.max(x, axis=1)).backward()
    np.testing.assert_allclose(x.gradient, [[0, 1 / 2, 1 / 2], [1 / 3, 1 / 3, 1 / 3]])


def test_at_its_kink_relu_is_flat_and_maximum_takes_the_second():
    x, a, b = tl.parameter(np.zeros(2)), tl.parameter(np.ones(2)), tl.parameter(np.ones(2))
    assert_same(tl.gradients(tl.sum(tl.relu(x)), x).value, np.zeros(2))
    of_a, of_b = tl.gradients(tl.sum(tl.maximum(a, b)), [a, b])
    assert_same(of_a.value, np.zeros(2))
    assert_same(of_b.value, np.ones(2))


# --- float32 stays float32 ---


@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.name != "cast"], ids=str)
@few
@given(st.data())
def test_float32_stays_float32_there_and_back(op, draw):
    case = draw.draw(inputs_for(op)).astype(np.float32)
    xs = [tl.parameter(x) if x.dtype.kind == "f" else tl.constant(x) for x in case.operands]
    y = op(*xs, **case.params)
    assert y.dtype == (bool if op.name == "greater" else np.float32)
    if op.differentiable:
        y.backward(seed=np.ones(y.shape))
        assert all(xs[i].gradient is None or xs[i].gradient.dtype == np.float32 for i in case.real)
        graph = tl.gradients(y, [xs[i] for i in case.real], seed=np.ones(y.shape))
        assert all(g.dtype == np.float32 for g in graph)


def test_a_cast_gives_the_gradient_back_in_the_dtype_it_took():
    x = tl.parameter(np.ones(3, np.float32))
    y = tl.sum(tl.cast(x, dtype="float64"))
    y.backward()
    assert y.dtype == np.float64 and x.gradient.dtype == np.float32


MIXED = {
    "x + 1": lambda x: x + 1,
    "1 - x": lambda x: 1 - x,
    "0.1 * x": lambda x: 0.1 * x,
    "x * 2": lambda x: x * 2,
    "x / 3": lambda x: x / 3,
    "1 / x": lambda x: 1 / x,
    "x ** 2": lambda x: x**2,
    "x ** -0.5": lambda x: x**-0.5,
    "-x": lambda x: -x,
    "x @ ones": lambda x: x @ np.ones((3, 2), np.float32),
    "where": lambda x: tl.where(x > 1, x, 0.0),
    "maximum": lambda x: tl.maximum(x, 0.5),
    "relu": tl.relu,
    "sigmoid": tl.sigmoid,
    "gelu": tl.gelu,
    "softmax": tl.softmax,
    "log_softmax": tl.log_softmax,
    "layer_norm": tl.layer_norm,
    "mean": tl.mean,
    "max": tl.max,
    "mse": lambda x: tl.mse(x, np.zeros((2, 3), np.float32)),
    "cross_entropy": lambda x: tl.cross_entropy(x, np.array([0, 2])),
    "x[0]": lambda x: x[0],
    "take": lambda x: tl.take(x, np.array([1, 0, 1])),
    "concatenate": lambda x: tl.concatenate([x, x]),
}


@pytest.mark.parametrize("f", MIXED.values(), ids=MIXED)
def test_python_numbers_leave_float32_as_it_is(f):
    array = np.array([[0.5, 1.0, 2.0], [1.5, 3.0, 0.25]], np.float32)
    x = tl.parameter(array)
    y = f(x)
    y.backward(seed=np.ones(y.shape))
    assert y.dtype == y.value.dtype == x.gradient.dtype == np.float32
    graph = tl.trace(f, array)
    assert graph.outputs[0].dtype == graph(array)[0].dtype == np.float32


# --- As NumPy has it ---

INFIX = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a / b": lambda a, b: a / b,
    "a > b": lambda a, b: a > b,
    "a < b": lambda a, b: a < b,
    "a @ b": lambda a, b: a @ b,
}
A, B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[2.0, 1.0], [5.0, -4.0]])


@pytest.mark.parametrize("f", INFIX.values(), ids=INFIX)
def test_an_operator_does_what_numpy_does_whichever_side_the_node_is_on(f):
    for result in (f(tl.constant(A), tl.constant(B)), f(tl.constant(A), B), f(A, tl.constant(B))):
        assert isinstance(result, tl.ComputationNode)
        assert_same(result.value, f(A, B))


@pytest.mark.parametrize("number", [2, -0.5, np.float64(1.5), np.float32(2.0), np.int64(3), True])
@pytest.mark.parametrize("f", [INFIX[k] for k in INFIX if k != "a @ b"], ids=[k for k in INFIX if k != "a @ b"])
def test_an_operator_takes_a_number_on_either_side(f, number):
    for result, expected in ((f(tl.constant(A), number), f(A, number)), (f(number, tl.constant(A)), f(number, A))):
        assert isinstance(result, tl.ComputationNode)
        assert_same(result.value, expected)


def test_the_opposite_of_whole_numbers_is_whole():
    assert_same((-tl.constant(np.array([1, -2]))).value, np.array([-1, 2]))


@pytest.mark.parametrize("a, b", [((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((3,), (5, 3, 2)), ((5, 2, 3), (3,))])
def test_a_product_with_a_vector_has_the_shape_that_numpy_gives_it(a, b):
    x, y = np.arange(1.0, 1 + prod(a)).reshape(a), np.arange(2.0, 2 + prod(b)).reshape(b)
    result = tl.constant(x) @ tl.constant(y)
    assert_same(result.value, x @ y)
    assert (tl.placeholder(a) @ tl.placeholder(b)).shape == (x @ y).shape
    assert_same(tl.matmul(x, y), x @ y)
    tl.check_gradients(lambda x, y: tl.sum(x @ y), x, y)


FAST = [op for op in tl.Op.registry.values() if hasattr(type(op).apply, "__signature__")]


@pytest.mark.parametrize("op", FAST, ids=str)
@few
@given(st.data())
def test_the_fast_call_makes_the_node_that_the_general_call_makes(op, draw):
    case = draw.draw(inputs_for(op))
    nodes = [tl.parameter(x) if x.dtype.kind == "f" else tl.constant(x) for x in case.operands]
    fast, general = op(*nodes), tl.Op.__call__(op, *nodes)
    assert_same(fast.value, general.value)
    for field in set(tl.ComputationNode.__slots__) - {"_value", "created"}:
        assert getattr(fast, field) == getattr(general, field), field
    if op.differentiable:
        parts = zip(op.pullback(fast.value, fast), tl.Op.pullback(op, fast.value, fast), strict=True)
        for one, other in ([p() if callable(p) else p for p in pair] for pair in parts):
            assert (one is None and other is None) or assert_same(one, other) is None


def test_matmul_is_among_the_operations_with_a_fast_call():
    assert ops.matmul in FAST and ops.add in FAST and ops.scale not in FAST


def test_a_scalar_is_a_numpy_scalar_of_no_axes():
    y = tl.sum(tl.constant(A))
    assert y.shape == () and y.ndim == 0 and y.size == 1 and float(y) == 10.0


def test_an_operation_made_of_another_one_has_calls_of_its_own():
    class Leaky(ops.Relu):
        r"""$y = \max(x, s x)$."""

        signature, numpy, ufunc = "x, *, slope", "np.maximum(x, slope * x)", None

        def vjp(self, g, y, x, *, slope):
            return (g * tl.where(x > 0, 1.0, slope),)

    try:
        x = tl.parameter(np.array([-1.0, 2.0]))
        y = Leaky()(x, slope=0.1)
        tl.sum(y).backward()
        assert_array_equal(y.value, [-0.1, 2.0])
        assert_array_equal(x.gradient, [0.1, 1.0])
    finally:
        del Op.registry["leaky"]

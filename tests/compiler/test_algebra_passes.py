"""Laws of algebra as passes: the same numbers in exact arithmetic, and what is left over counted."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import ENGINE, FILLED, LIMIT, Program, Value, Writer, arrays, broadcasts

import tinygrad_lora as tl
from tinygrad_lora.compiler.cost import graph_cost
from tinygrad_lora.compiler.operations import add_at, inner_product, row_products
from tinygrad_lora.compiler.passes.collect_factors import collect_factors
from tinygrad_lora.compiler.passes.distribute_products import distribute_products
from tinygrad_lora.compiler.passes.expand_powers import expand_powers
from tinygrad_lora.compiler.passes.flatten_products import flatten_products
from tinygrad_lora.compiler.passes.inner_products import SHORTEST_ROW, inner_products
from tinygrad_lora.compiler.passes.join_scatters import join_scatters
from tinygrad_lora.compiler.passes.narrow_takes import narrow_takes
from tinygrad_lora.compiler.passes.raise_reshapes import raise_reshapes
from tinygrad_lora.compiler.passes.sums_as_products import sums_as_products
from tinygrad_lora.compiler.pipeline import DEFAULT, improving
from tinygrad_lora.core import ops

WHOLE = st.integers(-4, 4)


def operations(graph):
    return [n.op.name for n in graph.nodes if n.parents]


def improved(function, *inputs, passes=(*DEFAULT[:-1], ())):
    """What all passes but the last, which joins operations into one expression, make of a function."""
    graph = tl.trace(function, *inputs)
    for s in improving(graph, passes):
        graph = s.after if s.kept else graph
    return graph


def assert_same(graph, better, *inputs):
    """Not one bit differs, and no dtype."""
    for a, b in zip(graph(*inputs), better(*inputs), strict=True):
        assert (np.shape(a), a.dtype) == (np.shape(b), b.dtype)
        assert_array_equal(a, b)


def applied(apply, function, *inputs):
    """The operations that a pass leaves; the numbers are checked on the way."""
    graph = tl.trace(function, *inputs)
    better = apply(graph)
    assert_same(graph, better, *inputs)
    return operations(better)


# --- Scattered gradients ---


@st.composite
def one_label_a_row(draw):
    n, c = draw(st.integers(0, 4)), draw(st.integers(1, 4))
    labels = draw(arrays((n,), st.integers(-c, c - 1))).astype(np.int64)
    return draw(arrays((n,), WHOLE)), draw(arrays((n, c), WHOLE)), labels


def scatter(v, y, labels):
    return ops.scatter_add(v, tl.constant(np.arange(v.shape[0])), labels, shape=y.shape)


SCATTERED = [
    (lambda v, y, t: scatter(v, y, t) + y, ["add_at"]),
    (lambda v, y, t: y + scatter(v, y, t), ["add_at"]),
    (lambda v, y, t: y - scatter(v, y, t), ["scale", "add_at"]),
    (lambda v, y, t: scatter(v, y, t) - y, ["scale", "add_at"]),
    (lambda v, y, t: 2 * scatter(v, y, t) + y, ["scale", "add_at"]),
    (lambda v, y, t: 2 * scatter(v, y, t), ["scale", "scatter_add"]),
]


@pytest.mark.parametrize(("function", "left"), SCATTERED)
@given(one_label_a_row(), st.sampled_from((np.float64, np.float32)))
def test_one_scattered_element_a_row_is_added_in_its_place(function, left, case, dtype):
    v, y, labels = case
    assert applied(join_scatters, function, v.astype(dtype), y.astype(dtype), labels) == left


@given(one_label_a_row(), st.booleans())
def test_the_sum_of_a_row_with_one_element_is_that_element(case, keepdims):
    def f(v, y, t):
        s = scatter(v, y, t)
        return tl.sum(s, axis=1, keepdims=keepdims), tl.exp(s)

    assert applied(join_scatters, f, *case) == ["reshape", "scatter_add", "exp"]


def test_a_sum_alone_keeps_the_scatter_because_that_refuses_wrong_labels():
    graph = tl.trace(lambda v, y, t: tl.sum(scatter(v, y, t), axis=1), np.ones(2), np.ones((2, 3)), np.zeros(2, int))
    assert operations(join_scatters(graph)) == ["scatter_add", "reduce_sum"]


def test_places_that_may_coincide_are_not_joined():
    def columns(v, y, i, j):
        return y + ops.scatter_add(v, i, j, shape=y.shape)

    inputs = np.ones(3), np.ones((3, 3)), np.array([1, 1, 1]), np.array([2, 2, 2])
    assert "scatter_add" in applied(join_scatters, columns, *inputs)

    def one_row(v, y, j):
        return y + ops.scatter_add(v, tl.constant(np.arange(1)), j, shape=y.shape)

    assert "scatter_add" in applied(join_scatters, one_row, np.ones(3), np.ones((1, 2)), np.array([1, 1, 1]))


def test_a_scatter_into_another_dtype_or_shape_stays():
    inputs = np.ones(2, np.float32), np.ones((2, 3)), np.zeros(2, int)
    assert "scatter_add" in applied(join_scatters, lambda v, y, t: scatter(v, y, t) + y, *inputs)
    assert "scatter_add" in applied(join_scatters, lambda v, y, t: scatter(v, y, t) + y[0], np.ones(2), *inputs[1:])


def test_the_helper_adds_without_changing_its_operand():
    y = np.zeros((2, 3))
    assert_array_equal(add_at(y, np.array([1.0, 2.0]), np.arange(2), np.array([2, 0])), [[0, 0, 1], [2, 0, 0]])
    assert not y.any() and add_at.name not in tl.Op.registry


# --- Takes ---


@st.composite
def picked(draw):
    n, c, k = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    shapes = draw(st.sampled_from([(n, c), (n, 1), (1, c), (c,), (1,), ()])), (n, c)
    rows, columns = (draw(arrays((k,), st.integers(-m, m - 1))).astype(np.int64) for m in (n, c))
    return [draw(arrays(s, WHOLE)) for s in shapes] + [rows, columns]


@given(picked(), st.booleans(), st.booleans())
def test_elements_are_taken_before_or_after_an_elementwise_operation(case, both, twice):
    def f(a, b, rows, columns):
        y = a * 2 - b
        y = tl.relu(y) + y if twice else tl.where(y > a, y, b)
        return tl.take(y, rows, columns) if both else tl.take(y, rows)

    applied(narrow_takes, f, *case)


def test_a_take_moves_past_what_nobody_else_needs():
    def f(a, b, rows, columns):
        return tl.take(a - b, rows, columns)

    inputs = np.ones((30, 50)), np.ones((30, 1)), np.array([1, 2]), np.array([3, 4])
    assert applied(narrow_takes, f, *inputs) == ["take", "take", "subtract"]
    assert applied(narrow_takes, f, *np.ones((2, 30, 50)), *inputs[2:]) == ["take", "take", "subtract"]
    in_order = applied(narrow_takes, lambda a, b, t: f(a, b, tl.constant(np.arange(30)), t), *inputs[:2], np.arange(30))
    assert in_order == ["take", "reshape", "subtract"]  # a column's only elements, in order, are the column


def test_a_take_stays_where_moving_it_saves_nothing():
    def f(a, b, rows, columns):
        y = a - b
        return tl.take(y, rows, columns), y

    inputs = np.ones((30, 50)), np.ones((30, 50)), np.array([1, 2]), np.array([3, 4])
    assert applied(narrow_takes, f, *inputs) == ["subtract", "take"]
    small = np.ones((2, 2)), np.ones((2, 2)), np.array([1]), np.array([1])
    assert applied(narrow_takes, lambda *x: f(*x)[0], *small) == ["subtract", "take"]


# --- Reshapes ---


@st.composite
def grouped(draw):
    a, b, c = (draw(st.integers(0, 3)) for _ in range(3))
    return draw(arrays((a * b, c), WHOLE)), draw(arrays((a * b, 1), WHOLE)), draw(arrays((c,), WHOLE)), (a, b)


@given(grouped(), st.sampled_from([(0,), (1,), (2,), (0, 1), (0, 1, 2), (1, 2)]), st.booleans())
def test_reshapes_rise_past_elementwise_operations_and_sums(case, axis, keepdims):
    x, column, row, groups = case

    def f(x, column, row):
        y = tl.relu(tl.reshape(x, (*groups, x.shape[1])) * row) - tl.reshape(column, (*groups, 1))
        return y, tl.sum(y, axis=axis, keepdims=keepdims), tl.reshape(tl.reshape(y, x.shape) + x, y.shape)

    applied(raise_reshapes, f, x, column, row)


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x: tl.reshape(tl.exp(tl.reshape(x, (2, 3, 4))), (6, 4)), ["exp", "reshape"]),
        (lambda x: tl.reshape(x, (2, 3, 4)) + tl.reshape(x, (2, 3, 4)), ["add", "reshape"]),
        (lambda x: tl.sum(tl.reshape(x, (2, 3, 4)), axis=(0, 1)), ["reduce_sum", "reshape"]),
        (lambda x: tl.sum(tl.reshape(x, (2, 3, 4)), axis=-1), ["reduce_sum", "reshape"]),
        (lambda x: tl.sum(tl.reshape(x, (2, 3, 4))), ["reduce_sum", "reshape"]),
        (lambda x: tl.reshape(tl.sum(x, axis=1), (6, 1)), ["reduce_sum"]),
        (lambda x: tl.reshape(tl.max(x, axis=0, keepdims=True), (4,)), ["reduce_max"]),
        (lambda x: tl.reshape(tl.broadcast(tl.sum(x), (4,)), (2, 2)), ["reduce_sum", "reshape", "broadcast"]),
        (lambda x: tl.reshape(x, (6, 2, 2)) + x[0, 0], ["reshape", "index", "add"]),  # the last axis is another
        (lambda x: tl.sum(tl.reshape(x, (2, 3, 4)), axis=1), ["reshape", "reduce_sum"]),
    ],
)
def test_raise_reshapes_knows(function, left):
    assert applied(raise_reshapes, function, np.arange(24.0).reshape(6, 4)) == left


# --- Sums of products ---


class Dividing(Program):
    """A program that may divide as well."""

    def __call__(self, *inputs):
        result = self.run(ENGINE | {"divide": tl.divide}, inputs)
        return result[0] if len(result) == 1 else result


def divided(writer):
    """One more line: an earlier value divided by the first or the second array, which hold powers of two."""
    x, divisor = writer.pick(), writer.draw(st.sampled_from((0, 1)))
    if broadcasts([writer.values[x].shape, writer.values[divisor].shape]):
        v = writer.together((x, divisor), 2 * writer.values[x].bound)
        writer.write(Value(v.shape, v.bound, writer.values[x].halvings + 2), "divide", x, divisor)


# Without the pass, and without the last one, as in `improved`.
WITHOUT = [*(tuple(p for p in row if p is not distribute_products) for row in DEFAULT[:-1]), ()]


@st.composite
def sums_of_products(draw, dividing=True):
    """A program of sums, products, quotients and scales of few arrays: many terms have factors in common."""
    writer = Writer(draw, LIMIT)
    n, c = draw(FILLED), draw(FILLED)
    shapes = draw(st.lists(st.sampled_from([(n, c), (n, c), (n, 1), (c,), ()]), min_size=1, max_size=4))
    given_arrays = [draw(arrays(shape, st.sampled_from((0.5, 1, 2, 4)))) for shape in [(n, 1), (n, c)]]
    writer.values += [Value(x.shape, 4, 1) for x in given_arrays]
    given_arrays += [writer.leaf(shape, 2) for shape in shapes]
    kinds = [Writer.sum_or_difference, Writer.multiply, Writer.multiply, Writer.scale, Writer.sum]
    kinds += [divided, divided] if dividing else []
    for _ in range(draw(st.integers(2, 14))):
        draw(st.sampled_from(kinds))(writer)
    last = len(writer.values) - 1
    outputs = dict.fromkeys([last, *draw(st.lists(st.integers(0, last), max_size=1))])
    return Dividing(given_arrays, writer.steps, outputs)


@given(sums_of_products())
def test_factors_are_collected_exactly_and_at_no_cost(program):
    graph = tl.trace(program, *program.arrays)
    better = collect_factors(graph)
    assert_same(graph, better, *program.arrays)
    assert graph_cost(better).nanoseconds <= graph_cost(graph).nanoseconds * (1 + 1e-12)


@given(sums_of_products(dividing=False))
def test_whole_numbers_stay_what_they_are(program):
    inputs = [x.astype(np.int64) for x in program.arrays]
    applied(collect_factors, program, *inputs)


@given(sums_of_products())
def test_all_passes_together_keep_every_bit_of_sums_of_products(program):
    assert_same(tl.trace(program, *program.arrays), improved(program, *program.arrays), *program.arrays)


@given(sums_of_products())
def test_collecting_factors_again_finds_little(program):
    graph = tl.trace(program, *program.arrays)
    for _ in range(6):
        graph, before = collect_factors(graph), graph
    assert graph_cost(graph).nanoseconds == graph_cost(before).nanoseconds


SQUARE = (4, 3)
COLLECTED = [
    (lambda a, b, c, s, r: a * b + a * c, ["add", "multiply"]),
    (lambda a, b, c, s, r: a * b - c * a, ["subtract", "multiply"]),
    (lambda a, b, c, s, r: 2 * (a * b) + a * b, ["multiply", "scale"]),
    (lambda a, b, c, s, r: a / s + b / s, ["add", "divide"]),
    (lambda a, b, c, s, r: 0.5 * a + 0.5 * b, ["add", "scale"]),
    (lambda a, b, c, s, r: 3 * (a + 2 * (a * (b * b))), ["multiply", "scale", "add", "multiply"]),
    (lambda a, b, c, s, r: -(a * b) - a * c, ["add", "multiply", "scale"]),
    (lambda a, b, c, s, r: (a * s) * s + b, ["multiply", "multiply", "add"]),  # the square of a column is smaller
    (lambda a, b, c, s, r: tl.sum(a * s, axis=1, keepdims=True), ["reduce_sum", "multiply"]),
    (lambda a, b, c, s, r: tl.sum(a * s, axis=1), ["reshape", "reduce_sum", "multiply"]),
    (lambda a, b, c, s, r: tl.sum(r * a * 0.5, axis=0), ["reduce_sum", "multiply", "scale"]),
    (lambda a, b, c, s, r: (tl.exp(a * b), (b * (c * a))), ["multiply", "exp", "multiply"]),  # a b exists
    (lambda a, b, c, s, r: (tl.exp(a / s), a * b / s), ["divide", "exp", "multiply"]),  # so does a / s
    # Nothing to gain.
    (lambda a, b, c, s, r: a * b + c * s, ["multiply", "multiply", "add"]),
    (lambda a, b, c, s, r: a / s / s, ["divide", "divide"]),  # the square of a divisor may overflow
    (lambda a, b, c, s, r: a * b - a * b, ["multiply", "multiply", "subtract"]),  # infinity minus itself is no number
    (lambda a, b, c, s, r: a * s / s, ["multiply", "divide"]),  # nor is 0 / 0
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("function", "left"), COLLECTED)
def test_collect_factors_knows(function, left, dtype):
    inputs = [np.arange(12.0).reshape(4, 3), np.full((4, 3), 3), np.ones((4, 3)), np.full((4, 1), 2), np.full(3, 0.5)]
    assert applied(collect_factors, function, *(x.astype(dtype) for x in inputs)) == left


def test_a_sum_that_others_use_is_computed_once():
    def f(a, b, c):
        y = a * b + a * c
        return y, y * a

    inputs = np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3))
    assert sorted(applied(collect_factors, f, *inputs)) == ["add", "multiply", "multiply"]


def test_arrays_of_several_dtypes_keep_theirs():
    def f(a, b, c):
        return a * b + a * c, tl.sum(a * b) + tl.sum(a * c)

    applied(collect_factors, f, np.full((2, 3), 2, np.float32), np.full((2, 3), 3.0), np.ones((2, 1), np.int64))


def test_a_long_chain_takes_no_deeper_stack():
    graph = tl.trace(lambda x, a: [x := x * a + x for _ in range(1_500)][-1], np.ones(2), np.ones(2))
    assert graph_cost(collect_factors(graph)).calls <= graph_cost(graph).calls
    total = tl.trace(lambda x: sum((x * (i + 2) for i in range(1_500)), x), np.ones(2))
    assert operations(collect_factors(total)) == ["scale"]


# --- Sums ---

ROW = SHORTEST_ROW


@pytest.mark.parametrize(
    ("function", "shape", "left"),
    [
        (lambda a, b: tl.sum(a * b), (2, 3), ["inner_product"]),
        (lambda a, b: tl.sum(a * a), (2, 3, 4), ["inner_product"]),
        (lambda a, b: tl.sum(a * b, keepdims=True), (2, 3), ["inner_product", "reshape"]),
        (lambda a, b: tl.sum(a * b), (0, 3), ["inner_product"]),
        (lambda a, b: tl.sum(a * b, axis=-1), (2, ROW), ["row_products"]),
        (lambda a, b: tl.sum(a * b, axis=-1, keepdims=True), (2, 3, ROW), ["row_products", "reshape"]),
        (lambda a, b: tl.sum(a * b, axis=-1), (0, ROW), ["row_products"]),
        # Short rows, other axes, operands that repeat, products that somebody else uses, and other dtypes.
        (lambda a, b: tl.sum(a * b, axis=-1), (2, ROW - 1), ["multiply", "reduce_sum"]),
        (lambda a, b: tl.sum(a * b, axis=0), (ROW, ROW), ["multiply", "reduce_sum"]),
        (lambda a, b: tl.sum(a * b[0]), (2, 3), ["index", "multiply", "reduce_sum"]),
        (lambda a, b: (tl.sum(c := a * b), c), (2, 3), ["multiply", "reduce_sum"]),
        (lambda a, b: tl.sum(ops.cast(a, dtype="float16") * ops.cast(b, dtype="float16")), (2, 3),
         ["cast", "cast", "multiply", "cast", "reduce_sum", "cast"]),
        (lambda a, b: tl.sum((a > b) * (b > a)), (2, 3), ["greater", "greater", "multiply", "reduce_sum"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_product_that_is_summed_up_is_an_inner_product(function, shape, left, dtype):
    a, b = np.random.default_rng(0).integers(-4, 5, (2, *shape)).astype(dtype)
    assert applied(inner_products, function, a, b) == left
    assert not {inner_product.name, row_products.name} & set(tl.Op.registry)


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x: tl.sum(x, axis=-1, keepdims=True), (["matmul"], ["reshape", "matmul", "reshape"])),
        (lambda x: tl.sum(x, axis=-1), (["matmul", "reshape"], ["reshape", "matmul", "reshape"])),
        (lambda x: tl.sum(x, axis=tuple(range(x.ndim - 1))), (["matmul", "reshape"], ["reshape", "matmul", "reshape"])),
        (lambda x: tl.sum(x), (["reduce_sum"], ["reduce_sum"])),
        (lambda x: tl.sum(ops.cast(x, dtype="int64"), axis=-1), (["cast", "reduce_sum"], ["cast", "reduce_sum"])),
    ],
)
@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (3, 0), (1, 1), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_rows_and_columns_are_products_with_ones(function, left, shape, dtype):
    x = np.random.default_rng(0).integers(-4, 5, shape).astype(dtype)
    assert applied(sums_as_products, function, x) == left[len(shape) > 2]


# --- Products of stacks ---


@st.composite
def stacks(draw):
    *leading, rows, inner, columns = (draw(st.integers(0, 3)) for _ in range(draw(st.integers(3, 5))))
    x, w = draw(arrays((*leading, rows, inner), WHOLE)), draw(arrays((inner, columns), WHOLE))
    return x, w, draw(arrays((*leading, rows, columns), WHOLE))


@given(stacks())
def test_a_stack_of_products_and_its_gradients_are_matrix_products(case):
    def f(x, w, g):
        y = tl.relu(x @ w) @ w.mT
        return y, *tl.gradients(tl.sum((x @ w) * g), [x, w])

    graph = tl.trace(f, *case)
    better = flatten_products(graph)
    assert_same(graph, better, *case)
    assert all(n.ndim == 2 for n in better.nodes if n.op is ops.matmul)
    assert_same(graph, improved(f, *case), *case)


def test_the_whole_chain_between_products_is_of_matrices():
    def f(x, w, a, b):
        return tl.relu(x @ w + 2.0 * (x @ a) @ b) @ w.mT

    inputs = np.ones((2, 3, 8)), np.ones((8, 8)), np.ones((8, 2)), np.ones((2, 8))
    graph = improved(f, *inputs)
    assert operations(graph).count("reshape") == 2  # into the chain and out of it
    assert all(n.ndim <= 2 for n in graph.nodes if n.op.elementwise or n.op is ops.matmul)
    assert_same(tl.trace(f, *inputs), graph, *inputs)


def test_a_stack_of_products_that_somebody_else_uses_is_kept():
    def f(x, g):
        y = x.mT @ g
        return tl.sum(y, axis=0), y

    assert applied(flatten_products, f, *np.ones((2, 3, 4, 4))) == ["transpose", "matmul", "reduce_sum"]


# --- Powers ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("exponent", "left"),
    [
        (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (7, 4), (8, 3), (-1, 1), (-2, 2), (-3, 3), (-8, 4), (0.5, 1), (-0.5, 2),
    ],
)  # fmt: skip
def test_powers_are_products_roots_and_quotients(exponent, left, dtype):
    x = np.tile(np.array([0.25, 1.0, 4.0, 16.0], dtype), 1000)  # exact: powers of 4
    graph = expand_powers(tl.trace(lambda x: x**exponent, x))
    assert len(operations(graph)) == left and "power" not in operations(graph)
    assert_same(tl.trace(lambda x: x**exponent, x), graph, x)


@pytest.mark.parametrize(("exponent", "left"), [(1, 0), (2, 1), (3, 2), (8, 3)])
def test_powers_of_whole_numbers_are_products(exponent, left):
    x = np.tile([-3, 0, 2, 10**9], 1000)
    graph = expand_powers(tl.trace(lambda x: x**exponent, x))
    assert operations(graph) == ["multiply"] * left
    assert_same(tl.trace(lambda x: x**exponent, x), graph, x)


@pytest.mark.parametrize(
    ("x", "exponent"),
    [(np.ones(1000), 9), (np.ones(1000), 1.5), (np.ones(1000), 0), (np.ones(1000, int), 0.5), (np.ones(2), 4)],
)
def test_other_powers_stay(x, exponent):
    assert applied(expand_powers, lambda x: x**exponent, x) == ["power"]


def test_each_power_is_judged_alone():
    small, large = np.ones(2), np.ones((100, 100))
    assert applied(expand_powers, lambda x, y: (x**4, y**4), small, large) == ["power", "multiply", "multiply"]
    # What is right for one is no reason to leave the rest as it was.
    graph = improved(lambda x, y: (x**3, y**2, tl.exp(y.T.T + 0.0)), small, large)
    assert operations(graph) == ["power", "multiply", "exp"]


def test_several_powers_share_their_squares():
    graph = improved(lambda x: (x**2, x**4, x**8), np.ones(10_000))
    assert operations(graph) == ["multiply"] * 3


# --- All passes together ---


def gelu(x, g):
    y = tl.gelu(x)
    return y, tl.gradients(y, x, seed=g)


def deep_gelu(x, g):
    y = tl.gelu(tl.gelu(tl.gelu(x)))
    return y, tl.gradients(y, x, seed=g)


def softmax(x, g):
    y = tl.softmax(x)
    return y, tl.gradients(y, x, seed=g)


def layer_norm(x, g, weight, bias):
    y = tl.layer_norm(x, weight, bias)
    return y, *tl.gradients(y, [x, weight, bias], seed=g)


def cross_entropy(x, labels):
    loss = tl.cross_entropy(x, labels)
    return loss, tl.gradients(loss, x)


def mlp_step(x, labels, w1, a1, b1, w2, a2, b2, rate):
    """Two layers with frozen weights and trained adapters, and a step of gradient descent."""
    h = tl.gelu(x @ w1 + 2.0 * (x @ a1) @ b1)
    loss = tl.cross_entropy(h @ w2 + 2.0 * (h @ a2) @ b2, labels)
    adapters = [a1, b1, a2, b2]
    return loss, *(p - rate * g for p, g in zip(adapters, tl.gradients(loss, adapters), strict=True))


RNG = np.random.default_rng(0)
X, G, LABELS = RNG.normal(size=(16, 32)), RNG.normal(size=(16, 32)), RNG.integers(0, 12, 16)
WEIGHTS = [RNG.normal(size=s) / 4 for s in [(32, 24), (32, 2), (2, 24), (24, 12), (24, 2), (2, 12)]]
PROGRAMS = [
    (gelu, [X, G], 17),
    (deep_gelu, [X, G], 51),
    (softmax, [X, G], 8),
    (layer_norm, [X, G, G[0], G[1]], 22),
    (cross_entropy, [X, LABELS], 12),
    (mlp_step, [X, LABELS, *WEIGHTS, np.array(0.5)], 58),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("function", "inputs", "most"), PROGRAMS)
def test_a_compiled_program_is_the_eager_one_in_few_operations(function, inputs, most, dtype):
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in inputs]
    graph = improved(function, *inputs)
    assert len([n for n in graph.nodes if n.parents and not n.op.view]) <= most
    eager = [y.value for y in function(*map(tl.constant, inputs))]
    for a, b in zip(tl.compile(function)(*inputs), eager, strict=True):
        assert a.dtype == b.dtype == dtype
        assert_allclose(a, b, rtol=1e-12 if dtype == np.float64 else 2e-5, atol=1e-12 if dtype == np.float64 else 2e-6)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 4), (0, 4), (2, 3, 4)])
@pytest.mark.parametrize("function", [gelu, softmax, layer_norm])
def test_empty_and_single_axes_change_nothing(function, shape):
    x, g = RNG.normal(size=(2, *shape))
    inputs = [x, g, np.full(shape[-1], 0.5), np.ones(shape[-1])] if function is layer_norm else [x, g]
    eager = [y.value for y in function(*map(tl.constant, inputs))]
    for a, b in zip(improved(function, *inputs)(*inputs), eager, strict=True):
        assert a.shape == b.shape
        assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_a_label_that_is_no_class_is_refused_after_all_passes():
    graph = improved(cross_entropy, X, LABELS)
    loss, slope = graph(X, LABELS - 32)  # counted from the end, as NumPy does
    assert loss == graph(X, LABELS)[0]
    assert_array_equal(slope, graph(X, LABELS)[1])
    for wrong in (32, -33):
        with pytest.raises(IndexError, match="out of bounds"):
            graph(X, np.full(16, wrong))
        with pytest.raises(IndexError, match="out of bounds"):
            tl.Graph(graph.inputs, graph.outputs[1:])(X, np.full(16, wrong))


def test_attention_of_many_heads_is_the_eager_one():
    def attention(x, q, k, v, g):
        y = tl.softmax((x @ q) @ (x @ k).mT * 0.5) @ (x @ v)
        return y, *tl.gradients(y, [x, q, k, v], seed=g)

    inputs = [RNG.normal(size=s) for s in [(2, 3, 5, 4), (4, 4), (4, 4), (4, 4), (2, 3, 5, 4)]]
    eager = [y.value for y in attention(*map(tl.constant, inputs))]
    for a, b in zip(improved(attention, *inputs)(*inputs), eager, strict=True):
        assert_allclose(a, b, rtol=1e-12, atol=1e-12)


# --- Products in sums ---


def whole(*shapes):
    """Arrays of small whole numbers: sums of their products are exact."""
    rng = np.random.default_rng(7)
    return [rng.integers(-3, 4, size=shape).astype(float) for shape in shapes]


# x is (8, 48), g is (8, 40), W and V are (48, 40); A B and C D are as large.
INPUTS = whole((8, 48), (8, 40), (48, 40), (48, 40), (48, 2), (2, 40), (48, 3), (3, 40))
TAKEN_APART = {
    "a sum": lambda x, g, W, V, A, B, C, D: x @ (W + A @ B),
    "product first": lambda x, g, W, V, A, B, C, D: x @ (A @ B + W),
    "scaled": lambda x, g, W, V, A, B, C, D: x @ (W + 2.0 * (0.5 * (A @ B))),
    "a difference": lambda x, g, W, V, A, B, C, D: x @ (W - A @ B),
    "less a matrix": lambda x, g, W, V, A, B, C, D: x @ (A @ B - W),
    "on the left": lambda x, g, W, V, A, B, C, D: (W + 2.0 * (A @ B)) @ g.mT,
    "a transposed sum": lambda x, g, W, V, A, B, C, D: g @ (W + 2.0 * (A @ B)).mT,
    "a transposed sum on the left": lambda x, g, W, V, A, B, C, D: (W - 2.0 * (A @ B)).mT @ x.mT,
    "a transposed product": lambda x, g, W, V, A, B, C, D: x @ (W + (B.mT @ A.mT).mT),
    "a transposed product in a transposed sum": lambda x, g, W, V, A, B, C, D: g @ (W + 2.0 * (B.mT @ A.mT).mT).mT,
    "two readers": lambda x, g, W, V, A, B, C, D: (x @ (y := W + A @ B), tl.exp(x * 0.0) @ y),
    "read both ways": lambda x, g, W, V, A, B, C, D: (x @ (y := W + A @ B), g @ y.mT),
    "two products": lambda x, g, W, V, A, B, C, D: x @ (W + A @ B - 2.0 * (C @ D)),
    "products alone": lambda x, g, W, V, A, B, C, D: x @ (A @ B + C @ D),
    "a sum in a difference": lambda x, g, W, V, A, B, C, D: x @ (W - (A @ B - C @ D)),
    "a stack": lambda x, g, W, V, A, B, C, D: tl.reshape(x, (2, 4, 48)) @ (W + A @ B),
    "a sum times a sum": lambda x, g, W, V, A, B, C, D: (x + g @ V.mT) @ (W + A @ B),
    "the same sum twice": lambda x, g, W, V, A, B, C, D: x @ (W + A @ B) + x @ (W + A @ B),
}
LEFT_ALONE = {
    "the sum is a result": lambda x, g, W, V, A, B, C, D: (x @ (y := W + A @ B), y),
    "its transpose is a result": lambda x, g, W, V, A, B, C, D: (x @ (y := W + A @ B), y.mT),
    "read by something else": lambda x, g, W, V, A, B, C, D: (x @ (y := W + A @ B), tl.exp(y)),
    "the product is a result": lambda x, g, W, V, A, B, C, D: (x @ (W + (p := A @ B)), p),
    "the product is read elsewhere": lambda x, g, W, V, A, B, C, D: (x @ (W + (p := A @ B)), tl.tanh(p)),
    "no product": lambda x, g, W, V, A, B, C, D: x @ (W + V),
    "broadcast": lambda x, g, W, V, A, B, C, D: x @ (W[0] + A @ B),
    "many rows": lambda x, g, W, V, A, B, C, D: tl.broadcast(x, (50, 8, 48)) @ (W + A @ B),
    "a square": lambda x, g, W, V, A, B, C, D: (y := W[:40] + A[:40] @ B) @ y,
    "a square of both kinds": lambda x, g, W, V, A, B, C, D: (y := W + A @ B) @ y.mT,
    "a full rank": lambda x, g, W, V, A, B, C, D: tl.broadcast(x, (4, 8, 48)) @ (W + V @ (g.mT @ g)),
}


def formed(graph):
    """The operations that make a matrix as large as the weight."""
    return [n for n in graph.nodes if n.parents and not n.op.view and n.shape in ((48, 40), (40, 48))]


@pytest.mark.parametrize("form", TAKEN_APART)
def test_a_sum_that_only_products_read_is_not_formed(form):
    graph = tl.trace(TAKEN_APART[form], *INPUTS)
    assert formed(graph)
    once = distribute_products(graph)
    assert_same(graph, once, *INPUTS)
    assert not [n for n in formed(once) if n.op in (ops.add, ops.subtract)]
    final = improved(TAKEN_APART[form], *INPUTS)
    assert_same(graph, final, *INPUTS)
    assert not formed(final) and final.flops < graph.flops


@pytest.mark.parametrize("form", LEFT_ALONE)
def test_a_sum_that_is_needed_or_cheap_stays(form):
    graph = tl.trace(LEFT_ALONE[form], *INPUTS)
    assert distribute_products(graph) is graph


def test_a_sum_of_frozen_weights_is_kept_from_call_to_call():
    x, W, A, B = (INPUTS[i] for i in (0, 2, 4, 5))

    def compiled(trainable):
        w, a, b = (tl.parameter(array, trainable=trainable) for array in (W, A, B))
        return tl.compile(lambda x: x @ (w + a @ b)).prepare(x)

    names = [{s.name for s in compiled(trainable).snapshots} for trainable in (True, False)]
    assert [("distribute_products" in passes) for passes in names] == [True, False]
    assert_array_equal(compiled(False)(x), compiled(True)(x))
    assert compiled(False).program.calls == 1


def test_a_term_of_another_dtype_stays():
    inputs = [a.astype(np.float32) if i == 2 else a for i, a in enumerate(INPUTS)]
    graph = tl.trace(TAKEN_APART["a sum"], *inputs)
    assert distribute_products(graph) is graph
    narrow = [a.astype(np.float32) for a in INPUTS]
    assert not formed(improved(TAKEN_APART["a sum"], *narrow))


# Without the pass, and without the last one, as in `improved`.
WITHOUT = [*(tuple(p for p in row if p is not distribute_products) for row in DEFAULT[:-1]), ()]


@st.composite
def sums_of_products(draw):
    """A sum of matrices and products, each perhaps scaled or transposed, and a few readers of it."""
    kinds = draw(st.permutations("WVPQ"))[: draw(st.integers(2, 4))]
    terms = [(kind, draw(st.booleans()), draw(st.booleans())) for kind in kinds]
    readers = draw(st.lists(st.sampled_from(("x", "g", "left", "turned", "sum", "tanh")), min_size=1, max_size=3))
    factor = draw(st.sampled_from((1.0, 2.0, -0.5)))

    def f(x, g, W, V, A, B, C, D):
        made = {"W": lambda: W, "V": lambda: factor * V, "P": lambda: factor * (A @ B), "Q": lambda: (D.mT @ C.mT).mT}
        total = made[terms[0][0]]()
        for kind, added, first in terms[1:]:
            term = made[kind]()
            total = term + total if added and first else total + term if added else total - term
        reading = {
            "x": lambda: x @ total, "g": lambda: g @ total.mT, "left": lambda: total @ g.mT,
            "turned": lambda: total.mT @ x.mT, "sum": lambda: tl.sum(total, axis=0), "tanh": lambda: tl.relu(total),
        }  # fmt: skip
        return [reading[reader]() for reader in readers]

    f.__doc__ = f"{terms} times {factor}, read by {readers}"
    return f


@given(sums_of_products())
def test_distributing_changes_no_bit_and_costs_no_more(f):
    print(f.__doc__)
    graph = tl.trace(f, *INPUTS)
    assert_same(graph, distribute_products(graph), *INPUTS)
    final, without = improved(f, *INPUTS), improved(f, *INPUTS, passes=WITHOUT)
    assert_same(graph, final, *INPUTS)
    assert graph_cost(final).nanoseconds <= graph_cost(without).nanoseconds * (1 + 1e-9), f.__doc__


def paper_step(*, more=lambda weight, merged, x: [], inputs=()):
    """The paper's formula and the gradients of both adapter matrices, and of whatever else is asked for."""
    shapes = {"x": (64, 256), "target": (64, 128), "W": (256, 128), "A": (256, 4), "B": (4, 128)}
    arrays = [RNG.normal(size=shape) for shape in shapes.values()]

    def step(x, target, W, A, B):
        merged = W + 2.0 * (A @ B)
        loss = tl.mse(x @ merged, target)
        return loss, *tl.gradients(loss, [A, B, *({"W": W, "x": x}[name] for name in inputs)]), *more(W, merged, x)

    return step, arrays


@pytest.mark.parametrize(
    ("options", "most", "taken_apart"),
    [
        ({}, 4.70e6, True),
        ({"inputs": ["W"]}, 8.90e6, True),
        ({"inputs": ["x"]}, 9.11e6, True),
        ({"inputs": ["W", "x"]}, 13.4e6, True),
        ({"more": lambda weight, merged, x: [merged]}, 4.92e6, False),
        ({"more": lambda weight, merged, x: [tl.sum(merged * merged)]}, 5.0e6, False),
    ],
)
def test_the_papers_formula_costs_as_little_as_the_cheap_form(options, most, taken_apart):
    step, arrays = paper_step(**options)
    final, without = improved(step, *arrays), improved(step, *arrays, passes=WITHOUT)
    assert final.flops <= most and graph_cost(final).nanoseconds <= graph_cost(without).nanoseconds
    assert (graph_cost(final).nanoseconds < graph_cost(without).nanoseconds) == taken_apart
    for a, b in zip(step(*map(tl.constant, arrays)), tl.compile(step)(*arrays), strict=True):
        assert_allclose(b, a.value, rtol=1e-11, atol=1e-11)


class PaperLinear(tl.Layer):
    """A linear layer whose adapter is added to its weight in every call."""

    def __init__(self, n, m, seed):
        rng = np.random.default_rng(seed)
        self.weight = tl.parameter(rng.normal(size=(n, m)) / np.sqrt(n), trainable=False)
        self.A, self.B = tl.parameter(rng.normal(size=(n, 2)) / np.sqrt(n)), tl.parameter(rng.normal(size=(2, m)))

    def __call__(self, x):
        return x @ (self.weight + 0.5 * (self.A @ self.B))


def paper_network():
    return tl.Sequential(PaperLinear(96, 128, 0), tl.tanh, PaperLinear(128, 112, 1), tl.tanh, PaperLinear(112, 80, 2))


def test_a_network_of_the_papers_layers_trains_alike_and_forms_no_weight():
    x, target = RNG.normal(size=(16, 96)), RNG.normal(size=(16, 80))
    losses = []
    for without in ((), ("distribute_products",)):
        model = paper_network()
        step = tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), lr=0.05), without=without)
        losses.append([step(x, target) for _ in range(5)])
        large = {p.shape for p in model.named_parameters().values() if 2 not in p.shape}
        sums = [n for n in step.graph.nodes if n.op in (ops.add, ops.subtract) and n.shape in large]
        assert len(sums) == (3 if without else 0)
    assert_allclose(*losses, rtol=1e-12)
    assert losses[0][-1] < losses[0][0]


def test_a_sum_that_many_products_read_is_worth_forming():
    w, a, b = (tl.parameter(x) for x in whole((48, 48), (48, 2), (2, 48)))

    def recurrent(xs):
        merged, h = w + a @ b, xs[0]
        for i in range(1, 20):
            h = tl.relu(xs[i] + h @ merged) * 0.0
        return h

    graph = tl.trace(recurrent, np.ones((20, 8, 48)))
    assert distribute_products(graph) is graph

"""A graph of n runs gives what n graphs of one run give, whatever differs between the runs."""

from itertools import product

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.core import ops
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.core.node import Op
from tinygrad_lora.errors import SweepError
from tinygrad_lora.sweeps.stacking import RULES, stacked

N = 3
NEVER_STACKED = {"parameter", "constant", "input", "random_uniform", "later", "checkpoint"}

# Functions of one run, and the shapes of what they take.
FUNCTIONS = {
    "matmul": (lambda a, b: a @ b, (4, 5), (5, 2)),
    "matmul of a batch": (lambda a, b: a @ b, (2, 4, 5), (5, 3)),
    "matmul with a batch": (lambda a, b: a @ b, (4, 5), (2, 5, 3)),
    "two batches": (lambda a, b: a @ b, (6, 2, 4, 5), (2, 5, 3)),
    "vector": (lambda a, b: a @ b, (5,), (5, 3)),
    "bias": (lambda a, b: tl.tanh(a + b), (2, 4, 5), (5,)),
    "column": (lambda a, b: a * b - b / (a * a + 1.0), (4, 5), (4, 1)),
    "number": (lambda a, b: a * b, (), (4, 5)),
    "where": (lambda a, b: tl.where(a > b, a, 2.0 * b), (4, 5), (5,)),
    "transpose": (lambda a, b: a.T @ b.T, (5, 4), (3, 5)),
    "reshape": (lambda a, b: tl.reshape(a, (2, -1)) + tl.reshape(b, (-1,)), (4, 5), (2, 5)),
    "broadcast": (lambda a, b: tl.broadcast(a, (3, 4, 5)) * tl.broadcast(b, (3, 4, 5)), (4, 5), (4, 1)),
    "sums": (lambda a, b: tl.sum(a, 0) + tl.max(b, (0, 2)) + tl.mean(a * a, -1, keepdims=True), (4, 4), (2, 4, 3)),
    "parts": (lambda a, b: a[1:3, ::2] + b[..., None, 0:3], (4, 5), (5,)),
    "concatenate": (lambda a, b: tl.concatenate([a, b, a], axis=1), (4, 5), (4, 2)),
    "place": (lambda a, b: ops.place(a, key=(slice(1, 3),), shape=(5, 4)) * b, (2, 4), (4,)),
    "rows": (lambda a, b: tl.take(a, np.array([[0, 3], [1, 1]])) * b, (4, 5), (5,)),
    "rows from the end": (lambda a, b: tl.take(a, np.array([-1, 0])) * b, (4, 5), (5,)),
    "elements": (lambda a, b: tl.take(a, np.arange(4), np.array([4, 0, 2, 2])) + b, (4, 5), (4,)),
    "scatter": (lambda a, b: ops.scatter_add(a, np.array([0, 2, 0]), shape=(4, 5)) + b, (3, 5), (5,)),
    "attention": (lambda a, b: tl.softmax(a @ a.T) @ b, (4, 5), (4, 3)),
    "norm": (lambda a, b: tl.layer_norm(a, b), (2, 4, 5), (5,)),
    "loss": (lambda a, b: tl.cross_entropy(a @ b, np.array([0, 2, 1, 1])), (4, 5), (5, 3)),
    "square": (lambda a, b: tl.mse(tl.gelu(a), b), (4, 5), (4, 5)),
    "copies": (lambda a, b: tl.stop_gradient(a) * tl.identity(b), (4,), (4,)),
}  # fmt: skip


@pytest.mark.parametrize("differing", [(True, True), (True, False), (False, True), (False, False)], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_n_runs_at_once_are_n_runs(name, differing):
    f, *shapes = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    sizes = [(N, *shape) if several else shape for shape, several in zip(shapes, differing, strict=True)]
    arrays = [rng.normal(size=size) for size in sizes]
    one = [tl.placeholder(shape) for shape in shapes]
    several = [tl.placeholder(array.shape) for array in arrays]
    [y] = stacked([f(*one)], dict(zip(one, several, strict=True)), N)
    [values] = tl.Graph(several, [y])(*arrays)
    for i in range(N):
        alone = f(*(tl.constant(x[i] if many else x) for x, many in zip(arrays, differing, strict=True)))
        np.testing.assert_allclose(values[i] if any(differing) else values, alone.value, rtol=1e-13, atol=1e-14)


def test_n_batches_are_one_batch_in_the_graph_of_n_runs():
    x, w, a = tl.placeholder((4, 5, 6)), tl.parameter(np.ones((6, 3))), tl.placeholder((6, 3))
    y = tl.softmax(tl.gelu(x @ w + x @ a), axis=-1)
    [several] = stacked([y], {x: tl.placeholder((N, 4, 5, 6)), a: tl.placeholder((N, 6, 3))}, N)
    nodes = topological_order([several])
    shapes = {node.shape for node in nodes if node.op.elementwise and node.size == N * 60}
    assert shapes == {(N * 4, 5, 3)}
    assert {node.shape for node in nodes if node.op is ops.matmul} == {(N * 4, 5, 3), (N, 20, 3)}


def test_a_constant_is_not_repeated_for_each_run():
    x, constant = tl.placeholder((4, 5)), np.arange(20.0).reshape(4, 5)
    [several] = stacked([tl.tanh(x * constant)], {x: tl.placeholder((N, 4, 5))}, N)
    assert ops.concatenate not in [node.op for node in topological_order([several])]


@pytest.mark.parametrize("differing", list(product([True, False], repeat=2))[:3], ids=str)
def test_indices_may_differ_between_runs(differing):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, 4, 5) if differing[0] else (4, 5))
    rows = rng.integers(-4, 4, (N, 6) if differing[1] else (6,))
    one = [tl.placeholder((4, 5)), tl.placeholder((6,), np.int64)]
    several = [tl.placeholder(x.shape), tl.placeholder(rows.shape, np.int64)]
    ys = stacked([tl.take(*one), tl.cross_entropy(tl.take(*one), one[1])], dict(zip(one, several, strict=True)), N)
    taken, losses = tl.Graph(several, ys)(x, rows % 4)
    for i in range(N):
        own = x[i] if differing[0] else x, (rows[i] if differing[1] else rows) % 4
        np.testing.assert_array_equal(taken[i], own[0][own[1]])
        np.testing.assert_allclose(losses[i], tl.cross_entropy(tl.take(*own), own[1]).value, rtol=1e-13)


def test_every_operation_has_a_form_for_several_runs():
    without = {name for name, op in Op.registry.items() if not op.elementwise and op not in RULES}
    assert without <= NEVER_STACKED


def test_an_operation_without_one_is_named():
    class Sorted(Op):
        """y is x, sorted."""

        signature, numpy = "x", "np.sort(x)"

        def __init__(self):
            """Not registered."""

        def shape(self, x):
            return x

    x = tl.placeholder((4,))
    with pytest.raises(SweepError, match="sorted has no form for several runs"):
        stacked([Sorted()(x)], {x: tl.placeholder((N, 4))}, N)


def test_what_is_shared_is_computed_once():
    x, a = tl.placeholder((4, 5)), tl.placeholder((5, 2))
    shared = tl.tanh(x)
    [y] = stacked([shared @ a], {a: tl.placeholder((N, 5, 2))}, N)
    assert y.parents[0] is shared


def test_a_weight_that_all_share_is_one_product_of_all_rows():
    x, w = tl.placeholder((4, 5)), tl.placeholder((5, 2))
    [y] = stacked([x @ w], {x: tl.placeholder((N, 4, 5))}, N)
    products = [node for node in tl.Graph([w, *_leaves(y, w)], [y]).nodes if node.op is ops.matmul]
    assert [product.shape for product in products] == [(4 * N, 2)]


def _leaves(y, known):
    nodes, stack = [], [y]
    while stack:
        node = stack.pop()
        stack += node.parents
        nodes += [] if node.parents or node is known else [node]
    return nodes

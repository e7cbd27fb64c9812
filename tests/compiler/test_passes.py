"""Every pass alone and all of them together: the same numbers, and no more work."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal
from strategies import examples, matmul_chains, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.compiler.cost import graph_cost
from tinygrad_lora.compiler.operations import Fused
from tinygrad_lora.compiler.passes.fold_constants import fold_constants
from tinygrad_lora.compiler.passes.fold_scales import fold_scales
from tinygrad_lora.compiler.passes.fuse_elementwise import fuse_elementwise
from tinygrad_lora.compiler.passes.merge_duplicates import merge_duplicates
from tinygrad_lora.compiler.passes.rebracket import rebracket
from tinygrad_lora.compiler.passes.simplify import simplify
from tinygrad_lora.compiler.passes.sink_transposes import sink_transposes
from tinygrad_lora.compiler.pipeline import DEFAULT, improving
from tinygrad_lora.core import ops

PASSES = [p for row in DEFAULT for p in row]
EVERY_PASS = pytest.mark.parametrize("apply", PASSES, ids=lambda p: p.__name__)


def trace(function, *arrays):
    return tl.trace(function, *arrays)


def operations(graph):
    return [n.op.name for n in graph.nodes if n.parents]


def assert_exactly(graph, improved, arrays):
    for a, b in zip(graph(*arrays), improved(*arrays), strict=True):
        assert a.dtype == b.dtype
        assert_array_equal(a, b)


def test_every_pass_is_in_the_pipeline_and_states_its_law():
    assert {p.__name__ for p in PASSES} == {
        "fold_constants", "simplify", "expand_powers", "merge_duplicates", "flatten_products", "raise_reshapes",
        "narrow_takes", "join_scatters", "sink_transposes", "distribute_products", "rebracket", "collect_factors",
        "fold_scales", "inner_products", "fuse_elementwise", "drop_shifts", "square_powers", "factor_products",
        "separate_sums",
    }  # fmt: skip
    for p in PASSES:
        assert p.__doc__ and len(p.__doc__.splitlines()[0]) > 20


@pytest.mark.slow
@EVERY_PASS
@given(random_graphs())
def test_a_pass_keeps_every_bit_of_exact_arithmetic(apply, program):
    function, arrays = program
    graph = trace(function, *arrays)
    assert_exactly(graph, apply(graph), arrays)


@given(random_graphs() | matmul_chains())
def test_the_pipeline_keeps_every_bit_and_costs_no_more(program):
    function, arrays = program
    graph = trace(function, *arrays)
    cost = graph_cost(graph).nanoseconds
    final = graph
    for s in improving(graph):
        assert_exactly(graph, s.after, arrays)
        if s.kept:
            final = s.after
    assert graph_cost(final).nanoseconds <= cost * (1 + 1e-12)


@given(random_graphs(), st.permutations(PASSES))
def test_the_order_of_the_passes_changes_no_number(program, order):
    function, arrays = program
    graph = trace(function, *arrays)
    improved = graph
    for apply in order:
        improved = apply(improved)
    assert_exactly(graph, improved, arrays)


@given(random_graphs() | matmul_chains())
def test_emitted_source_is_the_graph(program):
    function, arrays = program
    graph = trace(function, *arrays)
    result = tl.compile(function)(*arrays)
    result = list(result) if isinstance(result, tuple | list) else [result]
    for a, b in zip(graph(*arrays), result, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert_array_equal(a, b)


@EVERY_PASS
def test_a_pass_that_finds_nothing_gives_the_same_graph(apply):
    graph = trace(lambda x, w: tl.tanh(x @ w), np.ones((2, 3)), np.ones((3, 2)))
    assert apply(graph).outputs == graph.outputs


# --- One law at a time ---


def test_constants_are_computed_once_but_never_repeated_into_arrays():
    graph = fold_constants(trace(lambda x: x + tl.exp(tl.constant(0.0)) * 2.0, np.ones(3)))
    assert operations(graph) == ["add"] and graph.nodes[1].value == 2.0
    kept = fold_constants(trace(lambda x: x @ tl.broadcast(tl.constant(1.0), (3, 3)), np.ones((3, 3))))
    assert operations(kept) == ["broadcast", "matmul"]


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x: x + 0.0, []),
        (lambda x: 0.0 + x, []),
        (lambda x: x - 0.0, []),
        (lambda x: x * 1.0, []),
        (lambda x: x / 1.0, []),
        (lambda x: x.mT.mT, []),
        (lambda x: tl.identity(tl.stop_gradient(x)), []),
        (lambda x: tl.reshape(tl.reshape(x, (6,)), (3, 2)), ["reshape"]),
        (lambda x: tl.reshape(x, (2, 3)), []),
        (lambda x: tl.scale(tl.scale(x, factor=2), factor=3), ["scale"]),
        (lambda x: x + x, ["scale"]),
        (lambda x: x * tl.constant(3.0), ["scale"]),
        (lambda x: tl.broadcast(tl.constant(3.0), (2, 3)) * x, ["scale"]),
        (lambda x: x + tl.scale(tl.exp(x), factor=-1), ["exp", "subtract"]),
        (lambda x: x - tl.scale(tl.exp(x), factor=-1), ["exp", "add"]),
        (lambda x: x * tl.broadcast(x[0], (2, 3)), ["index", "multiply"]),
        (lambda x: ops.cast(x, dtype="float64"), []),
        (lambda x: ops.reduce_sum(x, axis=(), keepdims=False), []),
    ],
)
def test_simplify_knows(function, left):
    arrays = [np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 4.0]])]
    graph = trace(function, *arrays)
    improved = simplify(graph)
    assert operations(improved) == left
    assert_exactly(graph, improved, arrays)


def test_simplify_never_changes_a_dtype():
    graph = trace(lambda x: x + tl.constant(np.float64(0.0)), np.ones(3, np.float32))
    assert simplify(graph).outputs[0].dtype == np.float64
    whole = trace(lambda x: x * 1.0, np.ones(3, np.int64))
    assert simplify(whole).outputs[0].dtype == np.float64


def test_transposes_sink_to_the_leaves():
    graph = sink_transposes(trace(lambda a, b: (2 * (a @ b)).mT, np.ones((2, 3)), np.ones((3, 4))))
    assert operations(graph) == ["transpose", "transpose", "matmul", "scale"]


def test_duplicates_are_merged_whatever_the_order_of_a_sum():
    graph = merge_duplicates(trace(lambda x, y: tl.exp(x + y) * tl.exp(y + x), np.ones(3), np.ones(3)))
    assert operations(graph) == ["add", "exp", "multiply"]
    different = trace(lambda x: tl.scale(x, factor=1) + tl.scale(x, factor=1.0), np.ones(3, np.int64))
    assert operations(merge_duplicates(different)).count("scale") == 2


def test_a_mirrored_product_is_a_transpose_in_either_order():
    for first, second in itertools.permutations([lambda a, b: a @ b, lambda a, b: tl.exp(b.mT @ a.mT)]):
        graph = trace(lambda a, b, f=first, g=second: (f(a, b), g(a, b)), np.ones((2, 3)), np.ones((3, 4)))
        assert operations(merge_duplicates(graph)).count("matmul") == 1


@pytest.mark.parametrize(
    ("function", "shapes", "flops"),
    [
        (lambda a, b, c: a @ (b @ c), [(1, 50), (50, 50), (50, 50)], 2 * (50 * 50 + 50 * 50)),
        (lambda a, b, c: (a @ b) @ c, [(50, 50), (50, 50), (50, 1)], 2 * (50 * 50 + 50 * 50)),
        (lambda a, b, c: 3 * (a @ (2 * (b @ c))), [(1, 50), (50, 50), (50, 50)], 2 * (50 * 50 + 50 * 50) + 1 * 50),
        (lambda x, a, b: x @ (a @ b), [(2, 7, 64), (64, 2), (2, 64)], 2 * 14 * 64 * 2 * 2),
    ],
)
def test_chains_are_bracketed_at_least_cost(function, shapes, flops):
    arrays = [np.ones(s) for s in shapes]
    graph = trace(function, *arrays)
    improved = rebracket(graph)
    assert improved.flops == flops < graph.flops
    assert_exactly(graph, improved, arrays)


def test_a_shared_product_is_kept_where_taking_it_apart_costs_more():
    def shared(a, b, c, d):
        y = a @ b
        return y @ c, y @ d

    graph = trace(shared, *[np.ones((30, 30))] * 4)
    assert operations(rebracket(graph)).count("matmul") == 3


def test_a_shared_product_is_taken_apart_where_that_is_cheaper():
    def shared(a, b, x, y):
        w = a @ b
        return x @ w, y @ w

    shapes = [(100, 2), (2, 100), (10, 100), (10, 100)]
    improved = rebracket(trace(shared, *[np.ones(s) for s in shapes]))
    assert (100, 100) not in {n.shape for n in improved.nodes}


def test_very_long_chains_are_left_alone():
    graph = trace(lambda x, w: [x := x @ w for _ in range(100)][-1], np.ones((2, 2)), np.ones((2, 2)))
    assert operations(rebracket(graph)) == ["matmul"] * 100


def test_scales_move_to_the_smallest_array():
    graph = fold_scales(trace(lambda a, b: 2 * (a @ b), np.ones((64, 4)), np.ones((4, 128))))
    scaled = next(n for n in graph.nodes if n.op is tl.scale)
    assert scaled.shape == (64, 4)
    total = fold_scales(trace(lambda x: tl.sum(2 * x, axis=0), np.ones((5, 3))))
    assert operations(total) == ["reduce_sum", "scale"]


def test_a_product_with_two_users_is_not_computed_twice_to_save_a_scale():
    def both(a, b):
        y = a @ b
        return 2 * y, tl.exp(y)

    graph = trace(both, np.ones((64, 4)), np.ones((4, 128)))
    assert operations(fold_scales(graph)).count("matmul") == 1


def test_elementwise_chains_become_one_expression():
    graph = fuse_elementwise(trace(lambda x, b: tl.tanh(x * 0.5 + b) - 1.0, np.ones((2, 3)), np.ones(3)))
    (node,) = [n for n in graph.nodes if n.parents]
    assert isinstance(node.op, Fused)
    assert node.op.numpy == "np.tanh(x0 * 0.5 + x1) - x2"
    assert [step.op.name for step in node.op.steps] == ["scale", "add", "tanh", "subtract"]


def test_what_is_used_twice_or_named_is_not_fused_away():
    def twice(x):
        y = tl.exp(x)
        return y * x + y

    assert "exp" in operations(fuse_elementwise(trace(twice, np.ones(3))))

    def named(x):
        y = tl.exp(x)
        y.name = "grown"
        return y + 1.0

    assert "exp" in operations(fuse_elementwise(trace(named, np.ones(3))))


def test_a_fused_line_stays_readable():
    def long(x):
        for _ in range(30):
            x = tl.tanh(x) + 0.25
        return x

    graph = fuse_elementwise(trace(long, np.ones(3)))
    assert all(len(n.op.numpy) <= 88 for n in graph.nodes if isinstance(n.op, Fused))


def test_a_pass_that_makes_things_worse_is_declined_and_said_so():
    def wasteful(graph):
        """$x = 1 x$: an example of a pass that nobody needs."""
        return tl.Graph(graph.inputs, [tl.scale(y, factor=1) for y in graph.outputs], graph.captured)

    graph = trace(lambda x: tl.exp(x), np.ones(3))
    (snapshot,) = improving(graph, [wasteful])
    assert not snapshot.kept and "declined: right, but not worth it" in snapshot.note
    compiled = tl.compile(lambda x: tl.exp(x), passes=[wasteful])
    compiled(np.ones(3))
    assert "* 1" not in compiled.source and "declined" in compiled.report


@examples(20)
@given(matmul_chains())
def test_improving_again_changes_nothing(program):
    function, arrays = program
    graph = trace(function, *arrays)
    repeated = DEFAULT[:-1]
    final = next((s.after for s in reversed(list(improving(graph, [*repeated, ()]))) if s.kept), graph)
    assert not [s for s in improving(final, [*repeated, ()]) if s.kept and s.cost_after != s.cost_before]


def test_a_factor_that_makes_floats_of_whole_numbers_stays_with_them():
    def f(x, y):
        return (x * 0.5) @ y, tl.sum(x * 0.5, axis=0)

    arrays = [np.ones((3, 2), bool), np.ones((2, 4), np.float32)]
    graph = trace(f, *arrays)
    for apply in (fold_scales, rebracket):
        improved = apply(graph)
        assert [y.dtype for y in improved.outputs] == [y.dtype for y in graph.outputs] == [np.float64, np.float64]
        assert_exactly(graph, improved, arrays)

"""What compiled results may differ in, and how the step and the part of the graph are found that are to blame."""

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.compiler.checks.agreement import FACTOR, disagreement, evaluate
from tinygrad_lora.compiler.checks.culprit import find_culprit
from tinygrad_lora.compiler.cost import FREE
from tinygrad_lora.compiler.pipeline import Snapshot, improving
from tinygrad_lora.core.graph import Graph

RNG = np.random.default_rng(0)


def traced(function, *arrays):
    graph = tl.trace(function, *arrays)
    with np.errstate(all="ignore"):
        return graph, arrays, evaluate(graph, arrays)


def test_eager_agrees_with_itself():
    graph, arrays, results = traced(lambda x: (tl.exp(x), x > 0.0, tl.sum(x)), RNG.normal(size=(3, 4)))
    assert disagreement(graph, arrays, results) is None


def test_below_the_smallest_normal_number_floats_are_equally_far_apart():
    graph, arrays, (result,) = traced(lambda x: x * x * (1.0 - x) * 2.0, np.float32([1.425e-21, 2e-21]))
    step = np.finfo(np.float32).smallest_subnormal
    assert 0 < result[0] < np.finfo(np.float32).tiny
    assert disagreement(graph, arrays, [result + step]) is None
    assert disagreement(graph, arrays, [result * np.float32(1.5)]) is not None


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool"])
def test_whole_numbers_and_truth_values_are_equal(dtype):
    x = np.ones((2, 3), dtype)
    graph, arrays, (result,) = traced(lambda x: tl.concatenate([x, x]), x)
    assert disagreement(graph, arrays, [result]) is None
    wrong = result.copy()
    wrong[3, 1] = 0
    difference = disagreement(graph, arrays, [wrong])
    assert (difference.output, difference.index, difference.expected, difference.actual) == (0, (3, 1), 1, 0)


def test_another_shape_or_dtype_is_told():
    graph, arrays, (result,) = traced(lambda x: tl.sum(x, 1), np.ones((2, 3), np.float32))
    assert str(disagreement(graph, arrays, [result[None]])) == "output 0 is float32[1, 2], and eagerly float32[2]"
    assert str(disagreement(graph, arrays, [result + 0j])) == "output 0 is complex64[2], and eagerly float32[2]"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rounding_is_allowed_and_more_is_not(dtype):
    x = RNG.uniform(1, 2, (40, 50)).astype(dtype)
    graph, arrays, (result,) = traced(lambda x: tl.sum(x * x, 1), x)
    backwards = (x * x)[:, ::-1].cumsum(1)[:, -1].astype(dtype)
    assert disagreement(graph, arrays, [backwards]) is None
    epsilon = float(np.finfo(dtype).eps)
    too_much = result.copy()
    too_much[7] *= 1 + max(300 * epsilon, 2e-5 if dtype == "float32" else 2e-11)
    difference = disagreement(graph, arrays, [too_much])
    assert difference.index == (7,) and abs(difference.actual - difference.expected) > difference.bound


def test_where_terms_cancel_the_bound_is_that_of_the_terms():
    a, b = np.array([1e16, 1.0]), np.array([-1e16, 1.0])
    graph, arrays, _ = traced(lambda a, b: (a + 3.0) + b, a, b)
    assert disagreement(graph, arrays, [np.array([3.0, 5.0])]) is None
    difference = disagreement(graph, arrays, [np.array([3.0, 5.1])])
    assert difference.index == (1,), "beside it nothing cancels"
    assert disagreement(graph, arrays, [np.array([1e6, 5.0])]) is not None, "rounding is not a thousand spacings"


def test_a_comparison_that_rounding_can_turn_gives_either_result():
    x = np.array([0.1, 0.5, 0.7])

    def function(x):
        y = x + 0.2
        return tl.where(y > 0.30000000000000004, 1.0, -1.0), y > 0.30000000000000004

    graph, arrays, (chosen, truth) = traced(function, x)
    assert chosen[0] == -1 and not truth[0]
    chosen[0], truth[0] = 1, True
    assert disagreement(graph, arrays, [chosen, truth]) is None
    chosen[1] = -1
    assert disagreement(graph, arrays, [chosen, truth]).index == (1,)


def test_of_many_equal_numbers_each_is_the_largest_in_some_run():
    x = np.linspace(0.7, 2.9, 40)

    def slope(x):
        y = 0.9640275800758169 * x / x
        return tl.gradients(tl.max(y) * tl.max(y), x)

    graph, arrays, (result,) = traced(slope, x)
    quotients = 0.9640275800758169 * x / x
    largest = np.flatnonzero(quotients == quotients.max())
    assert len(largest) > 2
    for n in largest:
        close = result.copy()
        close[n] += 2e-17
        assert disagreement(graph, arrays, [close]) is None
    assert disagreement(graph, arrays, [result + 1e-13]) is not None


def test_nothing_turns_a_comparison_of_what_was_given():
    x = np.array([0.5, 1.0])
    graph, arrays, (result,) = traced(lambda x: tl.where(x > 0.5, 1.0, 0.0), x)
    assert disagreement(graph, arrays, [1 - result]) is not None


def test_what_is_finite_stays_finite():
    x = np.array([1.0, 2.0])
    graph, arrays, (result,) = traced(lambda x: tl.sqrt(tl.log(x)), x)
    assert disagreement(graph, arrays, [result]) is None
    for other in (np.nan, np.inf, -np.inf):
        difference = disagreement(graph, arrays, [np.array([result[0], other])])
        assert difference.index == (1,)
    graph, arrays, (result,) = traced(tl.log, np.array([-1.0, 0.0, 1.0]))
    assert disagreement(graph, arrays, [result]) is None
    assert disagreement(graph, arrays, [np.array([np.nan, np.inf, 0.0])]).index == (1,)
    assert disagreement(graph, arrays, [np.array([0.0, -np.inf, 0.0])]).index == (0,)


def test_beyond_what_is_promised_infinities_and_nan_can_be_left_out():
    x = np.array([1e200, 2.0])
    graph, arrays, (result,) = traced(lambda x: x * x * x, x)
    for other in (np.nan, -np.inf, 7.0):
        wrong = np.array([other, result[1]])
        assert disagreement(graph, arrays, [wrong]).index == (0,)
        assert disagreement(graph, arrays, [wrong], promised_only=True) is None
    assert disagreement(graph, arrays, [np.array([np.inf, 8.1])], promised_only=True).index == (1,)
    assert disagreement(graph, arrays, [np.array([np.inf, np.nan])], promised_only=True) is None
    graph, arrays, (result,) = traced(lambda x: x * x * x, np.array([1e30, 2.0]))
    assert disagreement(graph, arrays, [np.array([np.nan, result[1]])], promised_only=True).index == (0,)


def test_a_result_may_be_finite_where_only_the_order_of_eager_overflows():
    x = np.array([1e30, 1.0], np.float32)
    graph, arrays, (result,) = traced(lambda x: (x * x) * 1e-30, x)
    assert np.isinf(result[0])
    assert disagreement(graph, arrays, [np.array([1e30, 1e-30], np.float32)]) is None
    assert disagreement(graph, arrays, [np.array([2e30, 1e-30], np.float32)]) is not None


def test_a_new_value_is_compared_by_its_change():
    w = np.full(4, 100.0, np.float32)
    graph, arrays, (result,) = traced(lambda w, g: w - 1e-3 * g, w, np.full(4, 0.9, np.float32))
    forgotten = w.copy()
    assert disagreement(graph, arrays, [forgotten]) is None, "nine millionths of 100"
    assert disagreement(graph, arrays, [forgotten], previous={0: w}) is not None
    assert disagreement(graph, arrays, [result], previous={0: w}) is None


def test_noise_that_moves_an_index_out_of_range_is_no_error():
    x = np.nextafter(np.array([3.0]), 0.0)
    graph, arrays, (result,) = traced(lambda x, table: tl.take(table, tl.cast(x * 1.0, "int64")), x, np.arange(3.0))
    assert disagreement(graph, arrays, [result]) is None
    assert disagreement(graph, arrays, [result + 0.5]).index == (0,)


def test_the_noise_is_the_same_every_time():
    graph, arrays, (result,) = traced(lambda x: tl.sum(tl.exp(x), 0), RNG.normal(size=(5, 3)))
    first, second = (disagreement(graph, arrays, [result * 1.001]) for _ in range(2))
    assert first == second and 0 < first.bound < 1e-9 * FACTOR


# --- The step to blame ---


def wrong_sum(graph):
    """sum(a + b) = sum(a): a pass as a student may write it."""

    def rule(node):
        if node.op is tl.ops.reduce_sum and node.parents[0].op is tl.add:
            return tl.ops.reduce_sum(node.parents[0].parents[0], **node.params)
        return None

    return graph.rewrite(rule)


def test_the_pass_and_the_smallest_part_are_found():
    x, y = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
    graph = tl.trace(lambda x, y: tl.tanh(tl.sum(tl.exp(x) + y * 2.0, 1)) * 3.0 + 1.0, x, y)
    snapshots = [*improving(graph, [wrong_sum])]
    culprit = find_culprit(graph, snapshots, [x, y], passes={"wrong_sum": wrong_sum})
    assert culprit.step == "wrong_sum"
    assert [n.op.name for n in culprit.before.nodes if n.parents] == ["add", "reduce_sum"]
    assert [n.op.name for n in culprit.after.nodes if n.parents] == ["reduce_sum"]
    assert disagreement(culprit.before, culprit.values, evaluate(culprit.after, culprit.values)) == culprit.difference
    assert "the pass wrong_sum turns" in str(culprit) and "reduce_sum" in str(culprit)
    assert find_culprit(graph, snapshots, [x, y]).before is graph, "without the function it is the whole graph"


def test_a_program_that_does_not_compute_its_graph_is_found():
    x = RNG.normal(size=(3, 4))
    graph = tl.trace(lambda x: tl.sum(tl.relu(tl.exp(x) - 1.0) * 2.0), x)

    def wrong_relu(part, arrays):
        wrong = {n: tl.ops.identity(n.parents[0]) for n in part.nodes if n.op is tl.relu}
        changed = part.map(lambda node, parents: wrong[node] if node in wrong else node.op(*parents, **node.params))
        return evaluate(changed, arrays)

    culprit = find_culprit(graph, [], [x], run=wrong_relu)
    assert culprit.step == "" and culprit.after is None
    assert [n.op.name for n in culprit.before.nodes if n.parents] == ["relu"]
    assert find_culprit(graph, [], [x], run=evaluate) is None


def test_a_pass_whose_graph_raises_is_found():
    graph = tl.trace(lambda x: tl.take(tl.exp(x), [1]), np.ones(3))
    after = Graph(graph.inputs, [tl.take(graph.outputs[0].parents[0], [7])])
    culprit = find_culprit(graph, [Snapshot("too_far", graph, after, FREE, FREE, kept=True)], [np.ones(3)])
    assert culprit.step == "too_far" and isinstance(culprit.difference, IndexError) and "IndexError" in str(culprit)


def test_captured_parameters_take_part():
    w = tl.parameter(RNG.normal(size=(4, 2)), "w")
    x = RNG.normal(size=(3, 4))
    graph = tl.trace(lambda x: x @ w, x)
    assert disagreement(graph, [x], [x @ w.value]) is None
    assert disagreement(graph, [x, 2 * w.value], [x @ w.value]) is not None


# --- Exact zeros ---


def twice(x):
    """The same product in two ways: equal but for rounding."""
    return x @ x.mT * 0.1, (x * 0.1) @ x.mT


def two_lora(x, W, A, B):
    return x @ (W + A @ B), x @ W + (x @ A) @ B


ZEROS = {
    "a logarithm of a distance": (lambda *a: tl.log(tl.mse(*two_lora(*a))), [(50, 60), (60, 60), (60, 4), (4, 60)]),
    "a logarithm of one product": (lambda x: tl.log(tl.mse(*twice(x))), [(50, 60)]),
    "counted comparisons": (lambda x: tl.sum(tl.cast(twice(x)[0] > twice(x)[1], "float32")), [(50, 60)]),
    "counted as whole numbers": (lambda x: tl.sum(tl.cast(twice(x)[0] > twice(x)[1], "int64")), [(50, 60)]),
    "comparisons": (lambda x: twice(x)[0] > twice(x)[1], [(50, 60)]),
    "signs": (lambda x: tl.sum(tl.sign(twice(x)[0] - twice(x)[1])), [(50, 60)]),
    "an inverse": (lambda x: 1 / (twice(x)[0] - twice(x)[1]), [(50, 60)]),
    "an inverse of a sum": (lambda x: 1 / (tl.mse(*twice(x)) + 1e-60), [(50, 60)]),
    "a logarithm of a quotient": (lambda x: 1 / tl.log(twice(x)[0] / twice(x)[1]), [(50, 60)]),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("check", [None, True])
@pytest.mark.parametrize("name", ZEROS)
def test_a_program_in_which_two_sides_become_equal_is_right(name, check):
    f, shapes = ZEROS[name]
    random = np.random.default_rng(0)
    tl.compile(f, check=check)(*(random.normal(size=shape) for shape in shapes))  # a MiscompiledWarning is an error


def test_of_a_difference_that_is_zero_but_for_rounding_only_what_follows_is_allowed():
    x = RNG.normal(size=(50, 60))
    graph, arrays, (result,) = traced(lambda x: tl.log(tl.mse(*twice(x))), x)
    assert disagreement(graph, arrays, [np.array(-np.inf)]) is None
    for wrong in (np.inf, np.nan, 700.0, result - 200.0):
        assert disagreement(graph, arrays, [np.array(wrong)]) is not None
    graph, arrays, (result,) = traced(lambda x: 1 / (tl.mse(*twice(x)) + 1e-60), x)
    assert disagreement(graph, arrays, [np.array(1e60)]) is None
    for wrong in (np.inf, -np.inf, 1.001e60, 0.9e60, 1e45, -1e60):
        assert disagreement(graph, arrays, [np.array(wrong)]) is not None
    graph, arrays, (result,) = traced(lambda x: twice(x)[0] - twice(x)[1], x)
    assert disagreement(graph, arrays, [np.zeros_like(result)]) is None
    for wrong in (np.inf, np.nan, 1e-12):
        assert disagreement(graph, arrays, [np.full_like(result, wrong)]) is not None


def test_a_logarithm_is_infinite_only_where_rounding_can_make_it_so():
    x = RNG.normal(size=(50, 60))
    graph, arrays, (result,) = traced(lambda x: tl.log(tl.mse(twice(x)[0], twice(x)[1] + 1e-9)), x)
    assert disagreement(graph, arrays, [result]) is None
    assert disagreement(graph, arrays, [np.array(-np.inf)]) is not None


def test_equal_sides_turn_a_count_to_what_lies_between_and_no_further():
    x = RNG.normal(size=(50, 60))
    graph, arrays, (count,) = traced(lambda x: tl.sum(tl.cast(twice(x)[0] > twice(x)[1] + 0.0, "int64")), x)
    for right in (0, 2500):
        assert disagreement(graph, arrays, [np.full_like(count, right)]) is None
    for wrong in (-1, 2501):
        assert disagreement(graph, arrays, [np.full_like(count, wrong)]) is not None
    graph, arrays, (count,) = traced(lambda x: tl.sum(tl.cast(twice(x)[0] > twice(x)[1] + 1e-9, "int64")), x)
    assert count == 0 and disagreement(graph, arrays, [np.ones_like(count)]) is not None


def test_what_is_whole_but_for_rounding_may_be_cast_to_that_number():
    x = np.arange(1000.0)
    graph, arrays, (result,) = traced(lambda x: tl.sum(tl.cast(x * 0.7 * (1 / 0.7), "int64")), x)
    exact = x.astype(np.int64).sum()
    assert result < exact and disagreement(graph, arrays, [exact]) is None
    assert disagreement(graph, arrays, [exact + 1]) is not None
    graph, arrays, (result,) = traced(lambda x: tl.sum(tl.cast(x * 0.7 * (1 / 0.7) + 0.5, "int64")), x)
    assert result == exact and disagreement(graph, arrays, [exact - 1]) is not None
    graph, arrays, (result,) = traced(lambda x: tl.sum(tl.cast(tl.exp(x) * 0.0 + 2.0, "int64")), np.ones(1000))
    assert result == 2000 and disagreement(graph, arrays, [result - 1000]) is None
    assert disagreement(graph, arrays, [result - 1001]) is not None


def test_nothing_that_was_given_becomes_equal():
    x = np.array([0.0, 1.0, -1.0])
    graph, arrays, (truth, sign) = traced(lambda x: (x > 0.0, tl.sign(x) * 1.0), x)
    assert disagreement(graph, arrays, [np.array([True, True, False]), sign]).output == 0
    assert disagreement(graph, arrays, [truth, np.array([0.0, 0.0, -1.0])]).output == 1

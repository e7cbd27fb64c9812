"""`check_pass`: passes that people have believed in are refuted, the compiler's own are not."""

import pickle
import re
import warnings

import numpy as np
import pytest
from wrong_passes import WRONG

import tinygrad_lora as tl
from tinygrad_lora.checking import Programs, Style
from tinygrad_lora.checking.trials import PassTrial
from tinygrad_lora.compiler.passes.repeat_rows import repeat_rows
from tinygrad_lora.compiler.pipeline import DEFAULT, PASSES
from tinygrad_lora.core import ops
from tinygrad_lora.core.graph import rebuilt
from tinygrad_lora.errors import CounterexampleError
from tinygrad_lora.view.errors.failure import _html as failure_in_notebooks

Node = tl.ComputationNode
OURS = [p for p in PASSES.values() if p is not repeat_rows]
SEARCHES = ((0, 250), (0, 500), (1, 500))  # seed and number of programs: nearly all wrong passes are found by the first


def refutation(a_pass, **options):
    with pytest.raises(CounterexampleError) as caught:
        tl.check_pass(a_pass, **options)
    return caught.value.counterexample


def refutation_by_some_search(a_pass):
    """The counterexample, and how many programs were looked at."""
    programs = 0
    for seed, n in SEARCHES:
        try:
            programs += tl.check_pass(a_pass, seed=seed, programs=n).programs
        except CounterexampleError as error:
            return error.counterexample, programs + error.counterexample.programs
    pytest.fail(f"{a_pass.__name__} was not refuted")


def frozen_parameters(graph):
    return [leaf for leaf in graph.inputs if leaf.op.name == "parameter" and not leaf.requires_gradient]


# --- Wrong and right passes ---


# For these the search is longest.
LATE = {
    "where_as_arithmetic", "nothing_times_anything", "exponentials_join", "relu_as_a_product", "mean_of_means",
    "a_factor_leaves_a_sum_of_bytes", "sum_over_a_broadcast_axis", "a_quotient_is_one",
}  # fmt: skip


@pytest.mark.parametrize(
    "a_pass",
    [pytest.param(p, marks=pytest.mark.slow if p.__name__ in LATE or i % 4 else ()) for i, p in enumerate(WRONG)],
    ids=lambda p: p.__name__,
)
def test_a_wrong_rewrite_is_refuted_by_a_program_of_a_few_steps(a_pass):
    counterexample, programs = refutation_by_some_search(a_pass)
    assert programs <= 1_250 and len(counterexample.program.steps) <= 4
    assert all(array.size <= 16 for array in counterexample.program.arrays)
    assert counterexample.sentence.startswith(a_pass.__name__)


BY_HAND = {"matrices_commute", "sum_of_a_product", "differences_commute", "order_does_not_matter", "square_of_a_sum"}


@pytest.mark.parametrize("a_pass", [p for p in WRONG if p.__name__ in BY_HAND], ids=lambda p: p.__name__)
def test_what_refutes_a_pass_can_be_run_by_hand(a_pass):
    counterexample = refutation(a_pass)
    graph = tl.trace(counterexample.program, *counterexample.program.arrays)
    for y, expected in zip(graph(*counterexample.program.arrays), counterexample.expected, strict=True):
        np.testing.assert_array_equal(y, expected)
    results = a_pass(graph)(*counterexample.program.arrays)
    assert any(not np.array_equal(y, z) for y, z in zip(results, counterexample.expected, strict=False))


@pytest.mark.slow
@pytest.mark.parametrize("a_pass", OURS, ids=lambda p: p.__name__)
def test_our_own_passes_are_right_for_finite_numbers(a_pass):
    tl.check_pass(a_pass, special=False, programs=40)


@pytest.mark.slow
@pytest.mark.parametrize("a_pass", OURS, ids=lambda p: p.__name__)
def test_our_own_passes_are_right_on_many_programs(a_pass):
    tl.check_pass(a_pass, special=False, programs=120, seed=1)


@pytest.mark.slow
def test_what_is_done_with_frozen_weights_is_right():
    def with_frozen_weights(graph):
        return repeat_rows(graph, frozen_parameters(graph))

    assert tl.check_pass(with_frozen_weights, special=False, programs=150).applied


def test_passes_that_count_the_cost_are_right_where_there_is_something_to_save():
    programs = Programs(0, "exact", Style(sizes=(2, 2, 40), large=(), largest=4_000, dtypes=("float64",)))
    costly = [p for p in OURS if p.__name__ in ("rebracket", "collect_factors", "square_powers")]
    changed = dict.fromkeys(costly, 0)
    for program, _ in zip(programs, range(60), strict=False):
        for a_pass in costly:
            applied, fault = PassTrial(a_pass).run(program)
            assert fault is None, f"{fault.sentence}\n{program}"
            changed[a_pass] += applied
    assert all(changed.values()), changed


@pytest.mark.slow
def test_a_law_for_finite_numbers_can_be_judged_as_one():
    def difference(graph):
        r"""$x - x = 0$."""

        def rule(node):
            match node:
                case Node(ops.subtract, [a, b]) if a is b:
                    return tl.broadcast(tl.constant(node.dtype.type(0)), node.shape)
            return None

        return graph.rewrite(rule)

    counterexample = refutation(difference)
    assert "special=False" in counterexample.hint and not np.isfinite(counterexample.program.arrays[0]).all()
    result = tl.check_pass(difference, special=False, programs=200)
    assert result.applied > 0 and "finite numbers only" in repr(result)


def test_a_pass_that_never_applies_is_not_called_right():
    def nothing(graph):
        return graph

    result = tl.check_pass(nothing, programs=20)
    assert result.applied == 0
    assert repr(result) == "nothing was never applied: it changed none of 20 programs, so nothing was checked"


@pytest.mark.slow
def test_the_same_seed_finds_the_same_counterexample():
    wrong = next(p for p in WRONG if p.__name__ == "matrices_commute")
    first, second = refutation(wrong, seed=3), refutation(wrong, seed=3)
    assert str(first) == str(second) and first.programs == second.programs


# --- Passes that are no functions of graphs ---


def test_a_pass_may_raise_nothing():
    def broken(graph):
        return graph.map(lambda old, parents: rebuilt(old, parents) if old.op is not ops.exp else {}["no such key"])

    counterexample = refutation(broken)
    assert "raises KeyError: 'no such key'" in counterexample.sentence and len(counterexample.program.steps) == 1


def test_a_pass_must_come_to_an_end():
    def forever(graph):
        return graph.rewrite(lambda node: node * 1.0 if node.op is ops.add else ops.identity(node) + 0.0)

    counterexample = refutation(forever)
    assert "comes to no end" in counterexample.sentence and len(counterexample.program.steps) <= 1


def test_a_pass_leaves_its_graph_alone():
    def careless(graph):
        for node in graph.nodes:
            if node.op is ops.scale:
                node.params["factor"] = 2.0
        return graph

    assert "changes the graph that it is given" in refutation(careless).sentence
    tl.check_pass(DEFAULT[1][0], special=False, programs=20)  # and what it changed is seen by nobody else


def test_a_pass_is_a_function_of_the_graph_alone():
    calls = []

    def moody(graph):
        calls.append(graph)
        if len(calls) % 2:
            return tl.Graph(graph.inputs, [ops.identity(y) for y in graph.outputs], graph.captured)
        return graph

    assert "another graph when it is asked again" in refutation(moody).sentence


def test_a_pass_returns_a_graph_each_time():
    def forgetful(graph):
        if any(node.op is ops.relu for node in graph.nodes):
            return None
        return graph

    counterexample = refutation(forgetful)
    assert "gives None instead of a graph" in counterexample.sentence and [
        s.word for s in counterexample.program.steps
    ] == ["relu"]


def test_a_node_is_what_it_says():
    def liar(graph):
        if all(y.dtype != "int64" for y in graph.outputs):
            return graph
        outputs = [Node(ops.relu, (y,), {}, y.shape, y.dtype) for y in graph.outputs]
        return tl.Graph(graph.inputs, outputs, graph.captured)

    assert "makes a node of relu that says it is int64" in refutation(liar).sentence


def test_inputs_are_handed_on():
    def greedy(graph):
        used = [x for x in graph.inputs if any(x in node.parents for node in graph.nodes)]
        return tl.Graph(used, [ops.identity(y) for y in graph.outputs], graph.captured) if used else graph

    assert re.search("inputs where the graph has|raises GraphError", refutation(greedy).sentence)


# --- What is shown ---


def test_a_counterexample_shows_the_program_both_results_and_both_graphs():
    counterexample = refutation(next(p for p in WRONG if p.__name__ == "relu_of_a_sum"))
    text = counterexample.text
    for part in ("relu_of_a_sum changes output 0", "def f(", "tl.relu(", "without the pass", "with the pass", "before",
                 "after", "reduce" if "reduce" in text else "add("):  # fmt: skip
        assert part in text
    html = counterexample.html
    assert html.count("<img") == 2 and "CounterexampleError" in html and "before" in html
    assert str(CounterexampleError(counterexample)) == text


def test_a_notebook_shows_the_counterexample_of_an_error():
    counterexample = refutation(next(p for p in WRONG if p.__name__ == "relu_of_a_sum"))
    error = CounterexampleError(counterexample)
    assert failure_in_notebooks(error) == counterexample.html == counterexample._repr_html_()
    assert failure_in_notebooks(pickle.loads(pickle.dumps(error))) is None  # graphs stay in the process that made them


def test_a_program_that_refutes_is_source_that_runs():
    counterexample = refutation(next(p for p in WRONG if p.__name__ == "relu_of_a_sum"))
    namespace = {"tl": tl, "np": np}
    exec(str(counterexample.program), namespace)
    arrays = [namespace[name] for name in namespace if re.fullmatch(r"x\d+", name)]
    y = namespace["f"](*map(tl.constant, arrays))
    np.testing.assert_array_equal(y.value, counterexample.expected[0])


# --- What is refused ---


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (3, "takes a pass, a function from a graph to a graph, not int"),
        (tl.Linear, "not Linear"),
        (lambda: None, "cannot be called with a graph alone"),
        (lambda graph, node: graph, "cannot be called with a graph alone"),
        (lambda graph: None, "gives None: does it return graph.rewrite"),
        (lambda graph: graph.outputs, "gives tuple"),
        (DEFAULT, "not tuple"),
    ],
)
def test_what_is_no_pass_is_refused_with_a_sentence(argument, message):
    with pytest.raises(TypeError, match=message):
        tl.check_pass(argument)


def test_a_number_of_programs_is_a_number():
    for programs in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="how many to try"):
            tl.check_pass(next(iter(WRONG)), programs=programs)


def test_check_pass_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tl.check_pass(DEFAULT[1][0], programs=60)

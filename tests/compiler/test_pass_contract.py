"""What a pass may not do, and how it is told: a typed error with the node, both kinds and a picture, never a number."""

import pickle
from functools import partial

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.compiler.pipeline import DEFAULT
from tinygrad_lora.core import ops
from tinygrad_lora.core.graph import Graph
from tinygrad_lora.errors import CompileError, PassError

X = np.arange(6.0).reshape(2, 3)


def rows(x):
    return tl.exp(tl.sum(x * 2.0, 1))


def replacing(find, make):
    """A pass that makes something else of each node that `find` finds."""

    def a_pass(graph):
        return graph.rewrite(lambda node: make(node) if find(node) else None)

    return a_pass


def is_sum(node):
    return node.op is ops.reduce_sum


def drops_the_axis(graph):
    return graph.rewrite(
        lambda n: ops.reduce_sum(n.parents[0], axis=(0,), keepdims=False) if n.params.get("axis") == (1,) else None
    )


def halves_the_digits(graph):
    return graph.rewrite(lambda n: ops.cast(n, dtype="float32") if n.op is ops.exp else None)


@pytest.mark.parametrize(
    ("a_pass", "message"),
    [
        (
            drops_the_axis,
            r"^drops_the_axis: reduce_sum \(2,\) float64 became reduce_sum \(3,\) float64: what replaces a",
        ),
        (halves_the_digits, r"^halves_the_digits: exp \(2,\) float64 became cast \(2,\) float32: what replaces a node"),
    ],
)
@pytest.mark.parametrize(
    "row", [lambda p: [p], lambda p: [*DEFAULT[:3], p, *DEFAULT[3:]], lambda p: [(p, *DEFAULT[8])]]
)
def test_a_replacement_of_another_kind_is_an_error_and_no_number(a_pass, message, row):
    with pytest.raises(PassError, match=message) as caught:
        tl.compile(rows, passes=row(a_pass))(X)
    error = caught.value
    assert str(error).endswith(f"({__file__.rpartition('/')[2]}:{error.replaced.origin[1]})")
    assert error.replaced in error.before.nodes and isinstance(error.before, Graph)
    kinds = [(node.shape, node.dtype) for node in (error.replaced, error.replacement)]
    assert kinds[0] != kinds[1]


def test_a_replacement_within_the_graph_counts_as_much_as_an_output():
    # The result would have the shape that is wanted: the fault shows at the node where it is.
    def f(x):
        return tl.sum(tl.exp(x))

    broken = replacing(lambda n: n.op is ops.exp, lambda n: n.mT)
    with pytest.raises(PassError, match=r"a_pass: exp \(2, 3\) float64 became transpose \(3, 2\)"):
        tl.compile(f, passes=[broken])(X)


def by_hand(outputs=lambda graph: graph.outputs, inputs=lambda graph: graph.inputs):
    def a_pass(graph):
        return Graph(inputs(graph), outputs(graph), graph.captured)

    return a_pass


def another_input(graph):
    x, *others = graph.inputs
    new = tl.placeholder(x.shape, x.dtype)
    return Graph([new, *others], [tl.exp(new), new])


@pytest.mark.parametrize(
    ("a_pass", "message"),
    [
        (lambda graph: None, "it gave None, not a graph: a pass ends with `return graph.map"),
        (lambda graph: graph.outputs, r"it gave \(.*\), not a graph"),
        (another_input, "the graph that it gave has other inputs: pass on `graph.inputs`"),
        (by_hand(lambda graph: graph.outputs[:1]), "it was given a graph of 2 outputs and gave one of 1: each output"),
        (by_hand(lambda graph: graph.outputs * 2), "it was given a graph of 2 outputs and gave one of 4"),
        (by_hand(lambda graph: graph.outputs[::-1]), r"exp \(2,\) float64 became multiply \(2, 3\) float64: what repl"),
        (
            by_hand(lambda graph: [tl.placeholder((2,)), graph.outputs[1]]),
            "the outputs depend on .* which is not one of the inputs",
        ),
        (lambda graph: graph.map(lambda node, parents: None), "scale became None, which is not a node|multiply became"),
        (lambda graph: graph.map(lambda node, parents: 2.0), "multiply became 2.0, which is not a node"),
    ],
)
def test_a_pass_that_gives_something_else_is_told_in_a_sentence(a_pass, message):
    def f(x):
        return tl.exp(tl.sum(x * x, 1)), x * x

    a_pass.__name__ = "mine"
    with pytest.raises(PassError, match=f"^mine: ({message})"):
        tl.compile(f, passes=[a_pass])(X)


def test_captured_parameters_stay_inputs():
    w = tl.parameter(np.ones(3))

    def forgets(graph):
        return Graph(graph.inputs[:1], [tl.exp(graph.inputs[0])])

    with pytest.raises(PassError, match="forgets: the graph that it gave has other inputs"):
        tl.compile(lambda x: x * w, passes=[forgets])(X)


def test_a_pass_without_a_name_is_told_by_its_kind():
    with pytest.raises(PassError, match=r"^partial: it gave None"):
        tl.compile(rows, passes=[partial(lambda graph: None)])(X)


def test_a_mistake_inside_a_pass_is_its_own():
    def mistaken(graph):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tl.compile(rows, passes=[mistaken])(X)


def test_the_error_is_drawn_before_and_after():
    with pytest.raises(PassError) as caught:
        tl.compile(rows, passes=[drops_the_axis])(X)
    explanation = tl.failure(caught.value)
    assert explanation.text.splitlines()[0] == str(caught.value) == str(explanation).splitlines()[0]
    before, after = ([(b.operation, b.shape) for b in shown.boxes] for shown, _ in explanation.pictures.values())
    assert [operation for operation, _ in before] == ["input", "scale", "reduce_sum"]
    assert before[:-1] == after[:-1] and (before[-1][1], after[-1][1]) == ("(2,)", "(3,)")
    assert (
        explanation.html.count("<img") == 2
        and "PassError" in explanation.html
        and explanation._repr_html_() == explanation.html
    )
    nothing = tl.failure(PassError("mine: it gave None, not a graph"))
    assert nothing.text == "mine: it gave None, not a graph" and "<img" not in nothing.html


def test_the_error_can_be_sent_to_another_process():
    with pytest.raises(PassError) as caught:
        tl.compile(rows, passes=[drops_the_axis])(X)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_what_cannot_be_called_is_no_pass():
    with pytest.raises(CompileError, match="a pass is a function that takes a graph and gives one, not 'simplify'"):
        tl.compile(rows, passes=["simplify"])

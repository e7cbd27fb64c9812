"""From a Python function to a graph."""

import numpy as np
import pytest
from hypothesis import given
from strategies import assert_same, examples, matmul_chains, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.errors import TraceError


def eager(program, examples):
    result = program(*map(tl.constant, examples))
    return [y.value for y in (result if isinstance(result, list) else [result])]


@examples(100)
@given(random_graphs(parameters=True) | matmul_chains())
def test_a_traced_function_gives_what_the_function_gives(drawn):
    program, examples = drawn
    graph = tl.trace(program, *examples)
    assert not any(node.known for node in graph.nodes if node.parents and any(not p.known for p in node.parents))
    for result, expected in zip(graph(*examples), eager(program, examples), strict=True):
        assert_same(result, expected)


@examples(40)
@given(random_graphs(parameters=True))
def test_parameters_change_without_tracing_again(drawn):
    program, examples = drawn
    graph = tl.trace(program, *examples)
    for w in program.parameters:
        w.value = w.value + 1.0
    other = [2.0 - a for a in examples]
    for result, expected in zip(graph(*other), eager(program, other), strict=True):
        assert_same(result, expected)


@examples(40)
@given(random_graphs(parameters=True))
def test_a_trace_computes_nothing_on_weights(drawn):
    program, examples = drawn
    graph = tl.trace(program, *examples)
    assert all(w in program.parameters for w in graph.captured)
    assert len(graph.inputs) == len(examples) + len(graph.captured)
    for leaf, w in zip(graph.inputs[len(examples) :], graph.captured, strict=True):
        assert not leaf.known and leaf.op is w.op
        assert (leaf.name, leaf.shape, leaf.dtype) == (w.name, w.shape, w.dtype)
        assert leaf.requires_gradient == w.requires_gradient
    assert not any(w in graph.nodes for w in program.parameters)


def test_inputs_have_the_names_that_the_author_wrote():
    def f(image, target, *rest):
        return image + target + rest[0]

    graph = tl.trace(f, *(np.ones(2) for _ in range(3)))
    assert [x.name for x in graph.inputs] == ["image", "target", "x2"]
    graph = tl.trace(lambda *arrays, scale=1: arrays[0] + arrays[1], np.ones(2), np.ones(2))
    assert [x.name for x in graph.inputs] == ["x0", "x1"]


def test_a_function_without_a_signature_can_be_traced():
    class Opaque:
        @property
        def __signature__(self):
            raise ValueError("no signature")

        def __call__(self, x, y):
            return x * y

    graph = tl.trace(Opaque(), np.ones(2), np.ones(2))
    assert [x.name for x in graph.inputs] == ["x0", "x1"]


def test_a_number_is_static_and_an_array_is_not():
    def f(x, n, flag, y):
        return x * n if flag == "times" else x + y

    graph = tl.trace(f, np.ones(2), 3, "times", np.ones(2))
    assert [x.name for x in graph.inputs] == ["x", "y"]
    assert_same(graph(np.array([1.0, 2.0]), np.zeros(2))[0], np.array([3.0, 6.0]))
    (plus,) = tl.trace(f, np.ones(2), 3, None, np.ones(2))(np.ones(2), np.ones(2))
    assert_same(plus, np.full(2, 2.0))


def test_a_numpy_scalar_and_a_node_are_examples_of_an_input():
    graph = tl.trace(lambda x, y: x * y, np.float32(2.0), tl.constant(np.ones(3, np.float32)))
    assert [(x.shape, x.dtype) for x in graph.inputs] == [((), np.float32), ((3,), np.float32)]
    assert_same(graph(np.float32(3.0), np.ones(3, np.float32))[0], np.full(3, 3.0, np.float32))


def test_a_function_may_return_one_node_or_several_or_its_input():
    x = np.ones(2)
    assert len(tl.trace(lambda x: x, x).outputs) == 1
    assert len(tl.trace(lambda x: (x, x + 1), x).outputs) == 2
    assert len(tl.trace(lambda x: [x + 1], x).outputs) == 1
    w = tl.parameter([5.0])
    graph = tl.trace(lambda x: w, x)
    w.value = [7.0]
    assert_same(graph(x)[0], np.array([7.0]))


def test_a_parameter_that_is_used_twice_is_captured_once():
    w = tl.parameter(np.ones((2, 2)), name="w")
    graph = tl.trace(lambda x: x @ w + w, np.ones((2, 2)))
    assert graph.captured == [w] or tuple(graph.captured) == (w,)
    assert [x.name for x in graph.inputs] == ["x", "w"]


def test_constants_stay_in_the_graph():
    graph = tl.trace(lambda x: x + np.array([1.0, 2.0]), np.zeros(2))
    assert len(graph.inputs) == 1 and graph.captured == ()
    assert_same(graph(np.zeros(2))[0], np.array([1.0, 2.0]))


def test_a_graph_of_gradients_can_be_traced():
    w = tl.parameter(np.array([2.0, 3.0]), name="w")

    def step(x):
        loss = tl.sum(tl.tanh(x * w))
        return loss, tl.gradients(loss, w)

    x = np.array([0.5, -1.0])
    graph = tl.trace(step, x)
    for value in (w.value, np.array([0.1, 0.2])):
        w.value = value
        loss, gradient = graph(x)
        assert loss == pytest.approx(np.tanh(x * value).sum(), rel=1e-14)
        np.testing.assert_allclose(gradient, x * (1 - np.tanh(x * value) ** 2), rtol=1e-13)


# --- What cannot be traced says what to do instead ---


@pytest.mark.parametrize("result", [3, None, 2.5, "text", np.ones(2), {"a": 1}])
def test_a_traced_function_returns_nodes(result):
    with pytest.raises(TraceError, match=f"must return nodes, not {type(result).__name__}"):
        tl.trace(lambda x: result, np.ones(2))
    with pytest.raises(TraceError, match="must return nodes"):
        tl.trace(lambda x: [x, result], np.ones(2))


def assign(x):
    x[0] = 1.0
    return x


NEEDS_NUMBERS = {
    "if": (lambda x: x if x > 0 else -x, TraceError, r"use tl.where\(condition, a, b\)"),
    "bool": (lambda x: bool(x), TraceError, r"use tl.where"),
    "and": (lambda x: x and x, TraceError, r"use tl.where"),
    "not": (lambda x: not x, TraceError, r"use tl.where"),
    "float": (lambda x: float(x), TraceError, r"symbolic: it has a shape, and no value"),
    "value": (lambda x: x.value, TraceError, r"symbolic: it has a shape, and no value"),
    "np.asarray": (lambda x: np.asarray(x), TraceError, r"symbolic: it has a shape, and no value"),
    "np.exp": (lambda x: np.exp(x), TypeError, "np.exp does not work on nodes"),
    "np.mean": (lambda x: np.mean(x), TypeError, "np.mean does not work on nodes"),
    "np.concatenate": (lambda x: np.concatenate([x, x]), TypeError, "np.concatenate does not work on nodes"),
    "iteration": (lambda x: list(x), TypeError, "not iterable"),
    "unpacking": (lambda x: (lambda a, b: a)(*x), TypeError, "iterable"),
    "assignment": (assign, TypeError, r"read-only: build a new one with tl.where\(mask, a, b\) or tl.concatenate"),
}


@pytest.mark.parametrize("f, error, sentence", NEEDS_NUMBERS.values(), ids=NEEDS_NUMBERS)
def test_what_needs_numbers_is_refused_while_there_are_none(f, error, sentence):
    with pytest.raises(error, match=sentence):
        tl.trace(f, np.ones(2))

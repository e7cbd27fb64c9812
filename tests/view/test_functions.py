"""Calls of library functions are boxes: closed by default, opened on request, and never by a pattern."""

import weakref
from inspect import signature

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.nn.activations import exact_gelu, silu
from tinygrad_lora.nn.attention import attention, heads, padding_mask
from tinygrad_lora.view.diagram.collapse import with_functions_closed
from tinygrad_lora.view.diagram.data import diagram
from tinygrad_lora.view.diagram.layers import every
from tinygrad_lora.view.diagram.text import listing
from tinygrad_lora.view.graphviz.draw import draw
from tinygrad_lora.view.stepper.page import step_through

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
LABELS = np.array([0, 3, 1])
FUNCTIONS = {
    "softmax": tl.softmax, "log_softmax": tl.log_softmax, "gelu": tl.gelu, "sigmoid": tl.sigmoid, "mean": tl.mean,
    "exact_gelu": exact_gelu, "silu": silu,
    "layer_norm": lambda x: tl.layer_norm(x, *np.ones((2, 4), x.dtype)),
    "maximum": lambda x: tl.maximum(x, 0.5), "mse": lambda x: tl.mse(x, np.zeros((3, 4), x.dtype)),
    "cross_entropy": lambda x: tl.cross_entropy(x, LABELS), "padding_mask": lambda x: padding_mask(x, x.dtype),
    "heads": lambda x: heads(tl.reshape(x, (1, 3, 4)), 2),
    "attention": lambda x: attention(*[heads(tl.reshape(x, (1, 3, 4)), 2)] * 3),
}  # fmt: skip


def operations(shown):
    return [box.operation for box in shown.boxes if box.role == "operation"]


def mlp(x, labels=LABELS):
    model = tl.Sequential(tl.Linear(4, 5, seed=0), tl.relu, tl.Linear(5, 4, seed=1))
    return tl.cross_entropy(model(x), labels)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_call_is_one_box_with_numbers_and_without(name, dtype):
    x = tl.constant(X.astype(dtype), "x")
    traced = tl.trace(lambda x: tl.tanh(FUNCTIONS[name](x)), X.astype(dtype))
    for obj in (tl.tanh(FUNCTIONS[name](x)), traced):
        shown = draw(obj).diagram
        assert operations(shown)[-2:] == [name, "tanh"]
        box = shown.boxes[-2]
        assert box.inside > 1 and box.dtype == str(np.dtype(dtype))
        opened = draw(obj, open=name).diagram
        assert name not in operations(opened) and name in [frame.title for frame in every(opened.clusters)]
    assert draw(tl.tanh(FUNCTIONS[name](x))).diagram.boxes[1:] == draw(traced).diagram.boxes[1:]


def test_a_loss_has_a_box_for_each_thing_that_it_does():
    loss = mlp(tl.constant(X, "x"))
    assert (len(diagram(loss).boxes), len(draw(loss).diagram.boxes)) == (24, 11)
    graph = tl.trace(mlp, X, LABELS)
    assert len(draw(graph).diagram.boxes) == 12
    assert draw(graph).diagram.boxes[-1].expression == "cross_entropy(%10, labels)"
    assert "cross_entropy(%10, labels)" in listing(graph) and "exp" not in listing(graph)
    assert "exp" in listing(graph, open=True)


def test_names_are_those_of_the_whole_graph():
    graph = tl.trace(mlp, X, LABELS)
    names = {box.id: box.label for box in diagram(graph).boxes}
    assert all(names[box.id] == box.label for box in draw(graph).diagram.boxes)
    lines = str(graph).splitlines()
    assert all(line.split()[0] == box.label for line, box in zip(lines, diagram(graph).boxes, strict=False))


def test_what_is_around_an_open_function_is_open_and_what_is_inside_is_closed():
    loss = tl.scale(mlp(tl.constant(X, "x")), 2.0)
    opened = operations(draw(loss, open="cross_entropy").diagram)
    assert {"log_softmax", "mean"} < {*opened} and "cross_entropy" not in opened and "exp" not in opened
    inner = operations(draw(loss, open=["log_softmax"]).diagram)
    assert {"mean", "exp"} < {*inner} and not {"log_softmax", "cross_entropy"} & {*inner}


def test_a_function_that_is_all_there_is_to_see_is_open():
    assert operations(draw(tl.softmax(tl.constant(X))).diagram)[-1] == "divide"


def test_the_boxes_of_a_gradient_are_its_own():
    def f(x, w):
        y = tl.mean(tl.gelu(x @ w))
        return [y, *tl.gradients(y, [w])]

    graph = tl.trace(f, X, np.ones((4, 2)))
    ids = {node: f"n{i}" for i, node in enumerate(graph.nodes)}
    forward = {ids[node] for node in topological_order([graph.outputs[0]])}
    made = {box for f in every(diagram(graph).clusters) if f.function != "seed" for box in f.boxes if f.function}
    assert made and made <= forward and {"gelu", "mean", "matmul"} < {*operations(draw(graph).diagram)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_pass_keeps_a_box_or_opens_it_and_no_box_hides_an_input(name):
    compiled = tl.compile(lambda x, w: tl.tanh(FUNCTIONS[name](x @ w) * 3.0)).prepare(X, np.eye(4))
    for snapshot in compiled.snapshots:
        full, few = diagram(snapshot.after), with_functions_closed(diagram(snapshot.after)).diagram
        leaves = {box.id for box in full.boxes if box.role in ("input", "trainable", "frozen")}
        assert leaves <= {box.id for box in few.boxes}
        places = {box.id: i for i, box in enumerate(few.boxes)}
        assert all(places[arrow.start] < places[arrow.end] for arrow in few.arrows)


def test_a_graph_on_other_inputs_has_the_same_boxes():
    """Parameters of a traced graph are inputs of their own, so every node is built again."""
    w = tl.parameter(np.eye(4), "w")
    graph = tl.trace(lambda x: tl.tanh(tl.softmax(x @ w)), X)
    assert operations(draw(graph).diagram) == ["matmul", "softmax", "tanh"]
    twice = graph.map(lambda old, parents: old.op(*parents, **old.params), {graph.inputs[0]: tl.constant(X, "y")})
    assert operations(draw(twice).diagram) == ["matmul", "softmax", "tanh"]


def test_equal_calls_merge():
    compiled = tl.compile(lambda x: tl.softmax(x) * tl.softmax(x), buffers=False).prepare(X)
    merged = next(s for s in compiled.snapshots if s.name == "merge_duplicates" and s.kept)
    assert operations(with_functions_closed(diagram(merged.after)).diagram).count("softmax") == 1


def test_a_step_through_a_function_is_one_step_and_its_numbers_are_right():
    loss = mlp(tl.constant(X, "x"))
    steps, opened = step_through(loss), step_through(loss, open=True)
    assert len(steps) < len(opened)
    last, open_last = steps.events[-1].states, opened.events[-1].states
    assert last == {box: open_last[box] for box in last}
    (made,) = [e for e in steps if e.note == "what the function gives"]
    assert made.states[made.box].value == opened.events[-1].states[made.box].value


def test_a_result_remembers_the_outermost_call_only():
    nodes = topological_order([tl.cross_entropy(tl.constant(X), LABELS)])
    calls = [node.call[0].__name__ for node in nodes if node.call]
    assert calls == ["log_softmax", "mean", "cross_entropy"] and nodes[-1].call[0].__name__ == "cross_entropy"


def test_a_picture_that_is_made_is_not_opened():
    with pytest.raises(TypeError, match="open cannot be changed"):
        draw(draw(tl.softmax(tl.constant(X))), open=True)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    ("function", "array"),
    [(tl.mse, np.zeros((3, 4))), (tl.cross_entropy, LABELS), (tl.maximum, np.zeros((3, 4)))],
    ids=["mse", "cross_entropy", "maximum"],
)
def test_a_result_keeps_no_array_of_its_call_alive(function, array, named):
    array = array.copy()
    second = [*signature(function).parameters][1]
    args, kwargs = ((), {second: array}) if named else ((array,), {})
    y = function(tl.parameter(X, "x"), *args, **kwargs)
    there = weakref.ref(array)
    del array, args, kwargs
    assert there() is None
    assert f"{function.__name__}(x)" in listing(tl.tanh(y))

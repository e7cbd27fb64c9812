"""A training step explains itself: its outputs are named, and the gradient part stands in a frame of its own."""

import re

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.view.diagram.collapse import with_functions_closed
from tinygrad_lora.view.diagram.data import diagram
from tinygrad_lora.view.diagram.layers import every
from tinygrad_lora.view.graphviz.draw import draw
from tinygrad_lora.view.svg.draw import draw_svg

X, T = np.ones((5, 4)), np.ones((5, 3))


def lora():
    layer = tl.LoRALinear(tl.Linear(4, 3, seed=0), 2, seed=1)

    def step(x, t):
        loss = tl.mse(layer(x), t)
        return [loss, *tl.gradients(loss, layer.parameters())]

    return layer, tl.trace(step, X, T)


def region(shown):
    return next(frame for frame in shown.clusters if frame.title.startswith("gradient of"))


def inside(frame):
    return {box for part in every([frame]) for box in part.boxes}


def test_outputs_are_named_after_what_they_are():
    _, graph = lora()
    assert [box.label for box in draw(graph).diagram.boxes if box.output] == ["loss", "dL/dlora_A", "dL/dlora_B"]
    assert "Output: loss, a number; dL/dlora_A" in diagram(graph).alternative


def test_names_that_users_chose_stay():
    a, b = tl.parameter(2.0, "a"), tl.parameter(3.0, "b")
    energy = a * b * a
    energy.name = "energy"
    assert [diagram(g).boxes[-1].label for g in tl.gradients(energy, [a, b])] == ["denergy/da", "denergy/db"]


def test_the_gradient_part_is_a_frame_and_forward_is_outside():
    _, graph = lora()
    shown = diagram(graph)
    ids = {node: f"n{i}" for i, node in enumerate(graph.nodes)}
    forward = {ids[node] for node in topological_order([graph.outputs[0]])}
    leaves = {ids[node] for node in graph.nodes if not node.parents and node.name}
    assert inside(region(shown)) == {*ids.values()} - forward - leaves
    assert [frame.title for frame in region(shown).clusters] == ["back through lora", "seed"]


def test_the_seed_is_one_box_that_opens():
    _, graph = lora()
    closed, opened = draw(graph).diagram, draw(graph, open="seed").diagram
    (seed,) = [box for box in closed.boxes if box.operation == "seed"]
    assert seed.inside == 4 and seed.shape == "(5, 3)"
    assert "broadcast" not in {box.operation for box in closed.boxes}
    assert "broadcast" in {box.operation for box in opened.boxes}


def test_a_kept_value_crosses_on_a_dashed_arrow():
    _, graph = lora()
    shown = with_functions_closed(diagram(graph)).diagram
    back = inside(region(shown))
    operations = {box.id for box in shown.boxes if box.role == "operation"}
    for arrow in shown.arrows:
        assert arrow.kept == (arrow.end in back and arrow.start in operations - back)
        assert not (arrow.end in back and arrow.gradient)
    assert shown.keeps and "dashed arrow: a value kept for the gradient" in draw_svg(shown, legend=True)
    assert "style=dashed" in draw(graph).source and "dashed arrow" in draw(graph).source


def test_grad_names_the_argument():
    graph = tl.trace(tl.grad(lambda w: tl.mean(w * w * w)), np.ones(3))
    assert diagram(graph).boxes[-1].label == "dL/dx0"


def test_a_second_derivative_is_named_and_drawn():
    graph = tl.trace(tl.grad(tl.grad(lambda x: x * x * x)), np.ones(()))
    labels = [box.label for box in draw(graph).diagram.boxes]
    assert len({*labels}) == len(labels) and labels[-1] == "dL/dx0"


def test_without_gradients_nothing_changes():
    shown = diagram(tl.trace(lambda x: tl.mean(x * x), X))
    assert not shown.keeps and all(frame.function for frame in shown.clusters)


def layers(*more):
    return tl.Sequential(tl.Linear(4, 6, seed=0), *more, tl.Linear(6, 3, seed=1))


STEPS = {
    "linear": (lambda: tl.Sequential(tl.Linear(4, 3, seed=0)), tl.mse, tl.SGD),
    "relu": (lambda: layers(tl.relu), tl.cross_entropy, tl.AdamW),
    "lora": (lambda: tl.adapt(layers(tl.gelu), 2), tl.cross_entropy, tl.Adam),
    "a loss of my own": (lambda: layers(tl.tanh), lambda y, t: tl.sum((y - t) ** 2), tl.SGD),
}


@pytest.mark.parametrize("engine", ["numpy", pytest.param("numba", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", STEPS)
def test_a_compiled_step_keeps_its_names_and_its_frame_after_every_pass(name, engine):
    make, loss, optimizer = STEPS[name]
    model = make()
    trained = [p for p in model.parameters() if p.requires_gradient]
    step = tl.compile_training_step(model, loss, optimizer(trained, lr=0.1), engine=engine)
    step(X, np.array([0, 1, 2, 0, 1]) if loss is tl.cross_entropy else T)
    for graph in (step, step.program.traced, *(snapshot.after for snapshot in step.snapshots)):
        shown = diagram(graph)
        labels = [box.label for box in shown.boxes]
        assert labels.count("loss") == 1 and sum(label.startswith("dL/d") for label in labels) == len(trained)
        named = {box.id for box in shown.boxes if box.label.startswith("dL/d")}
        assert region(shown).title == "gradient of loss" and named <= inside(region(shown))


@pytest.mark.parametrize("buffers", [True, False])
def test_a_named_output_says_which_variable_holds_it(buffers):
    w = tl.parameter(np.ones((4, 3)), "W")

    def step(x, t):
        loss = tl.mse(x @ w, t)
        return [loss, tl.gradients(loss, w)]

    compiled = tl.compile(step, buffers=buffers).prepare(X, T)
    boxes = {box.label: box for box in draw(compiled).diagram.boxes if box.output}
    assert [*boxes] == ["loss", "dL/dW"]
    assert all(re.search(rf"\b{box.variable}\b", compiled.source) for box in boxes.values())
    assert ("variable", boxes["loss"].variable) in boxes["loss"].lines


def test_what_a_gradient_shares_with_the_forward_part_keeps_its_own_name():
    w = tl.parameter(np.ones(3), "w")

    def step(x):
        loss = tl.sum(x * w)
        return [loss, tl.gradients(loss, w)]

    shown = diagram(tl.compile(step).prepare(np.ones(3)))
    assert [box.label for box in shown.boxes if not box.operands] == ["x", "w"]


def test_numbers_are_what_they_were():
    layer, graph = lora()
    loss = tl.mse(layer(tl.constant(X)), T)
    loss.backward()
    for got, parameter in zip(graph(X, T)[1:], layer.parameters(), strict=True):
        np.testing.assert_array_equal(got, parameter.gradient)

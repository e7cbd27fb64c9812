"""Which layer made which nodes: frames around the parts of any graph, and large graphs drawn by their layers."""

import gc
import itertools
import threading
import weakref

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.nn.calls import calls_behind
from tinygrad_lora.view.diagram.collapse import MOST_BOXES, collapsed
from tinygrad_lora.view.diagram.data import diagram
from tinygrad_lora.view.graphviz.draw import draw
from tinygrad_lora.view.stepper.page import step_through


def adapted():
    model = tl.Sequential(tl.Linear(4, 3, seed=0), tl.relu, tl.Linear(3, 2, seed=1))
    return tl.adapt(model, 1, seed=2)


def deep(blocks=6, layers=12):
    """A model whose loss has many hundred nodes."""
    return tl.Sequential(*(tl.Sequential(*(tl.Linear(2, 2, seed=j) for j in range(layers))) for _ in range(blocks)))


def loss_of(model, size, batch=3):
    x = tl.constant(np.ones((batch, size)), "x")
    y = model(x)
    return tl.mse(y, np.zeros(y.shape))


def titles(clusters):
    return {cluster.title: titles(cluster.clusters) for cluster in clusters if not cluster.function}


def layers(shown):
    """The frames of layers that stand in no other."""
    return [cluster for cluster in shown.clusters if not cluster.function]


def framed(shown):
    """For each frame's title the labels of the boxes in it, inner frames left out."""
    labels, labels_by_frame, waiting = {box.id: box.label for box in shown.boxes}, {}, layers(shown)
    while waiting:
        cluster = waiting.pop()
        labels_by_frame[cluster.title] = [labels[name] for name in cluster.boxes]
        waiting += cluster.clusters
    return labels_by_frame


# --- Frames ---


def ways():
    """The same model as a loss made of numbers, as a traced graph and as a node without numbers."""
    model = adapted()
    x = np.ones((3, 4))
    yield "numbers", loss_of(model, 4)
    yield "traced", tl.trace(lambda x: tl.mse(model(x), np.zeros((3, 2))), x)
    yield "symbols", tl.mse(model(tl.placeholder((3, 4), name="x")), np.zeros((3, 2)))


def test_a_loss_has_the_frames_of_its_layers_however_it_was_made():
    expected = {
        "Sequential": {
            "0: LoRALinear": {"0.base: Linear": {}, "0.lora: LoRALayer": {}},
            "2: LoRALinear": {"2.base: Linear": {}, "2.lora: LoRALayer": {}},
        }
    }
    inside = []
    for way, obj in ways():
        shown = diagram(obj)
        assert titles(shown.clusters) == expected, way
        inside.append(framed(shown))
    assert [[*frame] for frame in inside[1:]] == [[*inside[0]]] * 2
    for frame in inside:
        assert {"0.base.weight", "0.base.bias"} < set(frame["0.base: Linear"])
        assert {"lora_A", "lora_B"} < {label.rpartition(".")[2] for label in frame["0.lora: LoRALayer"]}


def test_what_is_not_in_a_layer_is_in_no_frame():
    model = adapted()
    shown = diagram(loss_of(model, 4))
    outside = {box.id for box in shown.boxes} - {n for f in every(layers(shown)) for n in f.boxes}
    assert {"x", "subtract", "scale"} <= {box.title for box in shown.boxes if box.id in outside}
    assert not {"matmul"} & {box.title for box in shown.boxes if box.id in outside}


def every(clusters):
    for cluster in clusters:
        yield cluster
        yield from every(cluster.clusters)


def test_each_node_is_in_one_frame_at_most():
    for way, obj in ways():
        boxes = [name for cluster in every(diagram(obj).clusters) for name in cluster.boxes]
        assert len(boxes) == len(set(boxes)), way


def test_a_layer_called_twice_on_numbers_has_two_frames():
    layer = tl.Linear(3, 3, seed=0)
    y = layer(tl.tanh(layer(tl.constant(np.ones((1, 3)), "x"))))
    first, second = diagram(y).clusters
    assert (first.title, second.title) == ("Linear", "Linear (call 2)")
    labels = {box.id: box.label for box in diagram(y).boxes}
    assert {"weight", "bias"} < {labels[name] for name in first.boxes}
    assert [labels[name] for name in second.boxes if labels[name] in ("weight", "bias")] == []


def test_an_earlier_loss_is_not_the_present_one():
    model = adapted()
    first, second = loss_of(model, 4), loss_of(model, 4)
    for loss in (second, first):
        assert len(layers(diagram(loss))) == 1
        calls = calls_behind(topological_order([loss]))
        assert len({call.layer for call in calls}) == len(calls) == 7
    assert len(layers(diagram(first + second))) == 2


def test_after_a_step_of_training_the_loss_still_has_its_frames():
    model = adapted()
    loss = loss_of(model, 4)
    loss.backward()
    before = titles(diagram(loss).clusters)
    tl.SGD(model.parameters(), lr=0.1).step()
    assert titles(diagram(loss).clusters) == before


def test_a_gradient_is_outside_of_the_layers():
    model = adapted()
    graph = tl.trace(lambda x: tl.gradients(tl.mse(model(x), np.zeros((3, 2))), model.parameters()), np.ones((3, 4)))
    shown = diagram(graph)
    assert list(titles(shown.clusters)) == ["Sequential"]
    inside = {name for cluster in every(shown.clusters) for name in cluster.boxes}
    outputs = {box.id for box in shown.boxes if box.output}
    assert outputs and not outputs & inside


def test_a_compiled_function_keeps_the_frames_of_what_is_left():
    model = adapted()
    compiled = tl.compile(lambda x: tl.mse(model(x), np.zeros((3, 2)))).prepare(np.ones((3, 4)))
    assert "0: LoRALinear" in {cluster.title for cluster in every(diagram(compiled).clusters)}


def test_calls_of_another_thread_are_its_own():
    model, other = adapted(), []
    x = tl.constant(np.ones((3, 4)), "x")

    def both(x):
        thread = threading.Thread(target=lambda: other.append(model(x)))
        thread.start()
        thread.join()
        return model(x)

    mine = both(x)
    assert len(diagram(mine).clusters) == len(diagram(other[0]).clusters) == 1
    assert not set(topological_order([mine])) & {n for n in topological_order(other) if n.parents}


# --- Large graphs ---


def test_a_large_loss_is_drawn_by_its_layers():
    model = deep()
    loss = loss_of(model, 2)
    assert len(diagram(loss).boxes) > MOST_BOXES
    picture = draw(loss, open=["Linear", "Sequential"])  # so that no block is folded
    boxes = picture.diagram.boxes
    assert len(boxes) <= MOST_BOXES
    closed = [box for box in boxes if box.operation == "Linear"]
    assert closed and all(box.label.startswith(tuple("012345")) and box.shape == "(3, 2)" for box in closed)
    assert picture.diagram.title == f"Computation of mse ({len(diagram(loss).boxes)} nodes, some layers as one box)"
    assert len(draw(diagram(loss)).diagram.boxes) == len(diagram(loss).boxes)  # as data it is drawn as it is


@pytest.mark.parametrize("kind", ["numbers", "traced"])
def test_boxes_are_named_after_the_layers(kind):
    model = tl.adapt(tl.Sequential(*(tl.Linear(2, 2, seed=j) for j in range(100))), 1, seed=0)
    if kind == "numbers":
        few = collapsed(diagram(loss_of(model, 2)), "LoRALinear")
    else:
        few = collapsed(diagram(tl.trace(model, np.ones((3, 2)))), "LoRALinear")
    named = [box for box in few.diagram.boxes if box.operation == "LoRALinear"]
    assert [box.label for box in named] == [str(i) for i in range(100 - len(named), 100)]
    assert {arrow.start for arrow in few.diagram.arrows} >= {box.id for box in named[:-1]}
    inner = [box for box in few.diagram.boxes if box.operation == "LoRALayer"]
    assert all(box.label.endswith(".lora") for box in inner)


def test_a_large_loss_is_stepped_through_layer_by_layer():
    model = deep()
    loss = loss_of(model, 2)
    steps = step_through(loss, open=["Linear", "Sequential"])
    assert "some of its layers are shown as one box each" in steps.timeline.note
    places = [event.label for event in steps if event.phase == "forward" and event.note == "what the layer gives"]
    assert places and all(place.endswith(": Linear") for place in places)
    back = {(e.label, e.to) for e in steps if e.kind == "contribute"}
    assert {(b, a) for a, b in itertools.pairwise(places)} <= back
    assert "every gradient is complete" in steps.events[-1].note


def test_without_layers_the_end_of_a_large_graph_is_shown():
    y = tl.parameter(1.0, "x")
    for _ in range(MOST_BOXES):
        y = y + 1.0
    assert len(draw(y).diagram.boxes) == 2 * MOST_BOXES + 1
    few = collapsed(diagram(y))
    assert few.diagram.boxes[-1].output and len(few.diagram.boxes) == MOST_BOXES and not few.layers
    assert "the last 200 are shown" in few.note


def test_the_passes_of_a_large_program_are_shown_by_layer():
    model = deep()
    compiled = tl.compile(lambda x: tl.mean(model(x))).prepare(np.ones((3, 2)))
    steps = step_through(compiled)
    ids = [{box.id for box in picture.boxes} for picture in steps.timeline.pictures]
    assert 0 < len(ids[0]) <= MOST_BOXES
    assert all(set(event.states) == ids[event.picture] for event in steps if ids[event.picture])


def test_of_passes_without_layers_no_large_picture_is_made():
    def f(x):
        for i in range(150):
            x = tl.tanh(x) * (x + float(i))
        return x

    steps = step_through(tl.compile(f).prepare(np.ones(2)))
    assert steps.timeline.pictures[0].boxes == ()
    assert steps.timeline.note.endswith("nodes; pictures are drawn of up to 200.")
    assert "<li>" in steps.html


# --- What is noted costs little, and is forgotten ---


@pytest.mark.slow
def test_a_long_loop_leaves_nothing_behind():
    gc.collect()
    before = sum(type(x) is tl.ComputationNode for x in gc.get_objects())
    model = adapted()
    for _ in range(1000):
        loss = loss_of(model, 4)
    model_ref, layer_ref = weakref.ref(model), weakref.ref(model[0])
    gc.collect()
    assert sum(type(x) is tl.ComputationNode for x in gc.get_objects()) < before + 100  # one loss, not a thousand
    del model, loss
    gc.collect()
    assert model_ref() is layer_ref() is None


def test_symbolic_notes_keep_no_layer_alive():
    model = adapted()
    graph = tl.trace(lambda x: tl.mean(tl.relu(x @ np.ones((4, 4)))), np.ones((3, 4)))
    y = model[0](tl.placeholder((3, 4), name="x"))
    layer_ref = weakref.ref(model[0])
    del model
    gc.collect()
    assert layer_ref() is None
    assert len(diagram(y).boxes) > len(layers(diagram(graph))) == 0
    assert diagram(y).clusters == ()  # a layer that is gone has no name


def test_a_note_says_nothing_of_a_layer_that_is_gone():
    loss = loss_of(adapted(), 4)
    gc.collect()
    assert layers(diagram(loss)) == []


def test_a_closed_layer_has_no_frame():
    layer = tl.Linear(3, 2, seed=0)
    y = layer(tl.constant(np.ones((1, 3)), "x"))
    assert len(diagram(y).clusters) == 1
    layer.close()
    assert diagram(y).clusters == ()

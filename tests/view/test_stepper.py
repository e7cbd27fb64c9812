"""Stepping through a computation: the events, as data and as text, and the page, as far as no browser is needed."""

import itertools
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from strategies import assert_same, examples, random_graphs

import tinygrad_lora as tl
from tinygrad_lora.commands.step import add_command
from tinygrad_lora.compiler.techniques import LAWS
from tinygrad_lora.core.autodiff import pulling_back
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.core.node import Op
from tinygrad_lora.errors import GradientError, ShapeError, StaleGraphError, TraceError
from tinygrad_lora.named_object import named_object
from tinygrad_lora.view.contributions import contributions, trainable
from tinygrad_lora.view.diagram.collapse import MOST_BOXES
from tinygrad_lora.view.equations import equation, in_line, plain
from tinygrad_lora.view.stepper.page import step_through
from tinygrad_lora.view.stepper.steps import brief
from tinygrad_lora.view.written import LineRecord

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = [
    "<script>alert(1)</script>", "</script><b>", "<!--", '"><img src=x onerror=alert(1)>', "a & b", "it's", 'quo"te',
    "back\\slash", "$x_1$", "\\bar x", "\N{SNAKE}", "line\nbreak", "\x1b[31mred", "mark0_", "np.exp", "\ud800",
]  # fmt: skip

LISTING = """\
Computation of z
   1  forward   visit       x        x = 3; a trainable parameter, given
   2  forward   visit       y        y = 4; a trainable parameter, given
   3  forward   evaluate    %2       %2 = x * y = 3 * 4 = 12
   4  forward   evaluate    z        z = %2 + y = 12 + 4 = 16
   5  forward   done        z        z = 16; every value is known
   6  backward  ready       z        z.gradient = 1; where backward starts
   7  backward  contribute  z -> %2  %2.gradient += z.gradient = 1; 1 of 1 contribution
   8  backward  contribute  z -> y   y.gradient += z.gradient = 1; 1 of 2 contributions, waiting for 1
   9  backward  ready       %2       %2.gradient = 1
  10  backward  contribute  %2 -> x  x.gradient += %2.gradient * y = 1 * 4 = 4; 1 of 1 contribution
  11  backward  contribute  %2 -> y  y.gradient += %2.gradient * x = 1 * 3 = 3; 2 of 2 contributions
  12  backward  ready       y        y.gradient = 1 + 3 = 4; both contributions are in; a leaf, so it sends nothing on
  13  backward  ready       x        x.gradient = 4; a leaf, so it sends nothing on
  14  backward  done        z        y.gradient = 4, x.gradient = 4; every gradient is complete"""


def tiny(x="x", y="y"):
    x, y = tl.parameter(3.0, x), tl.parameter(4.0, y)
    z = x * y + y
    z.name = "z"
    return z


def lora_loss():
    rng = np.random.default_rng(0)
    x, target = tl.constant(rng.normal(size=(2, 4)), "x"), np.ones((2, 3))
    frozen = tl.parameter(rng.normal(size=(4, 3)), "W", trainable=False)
    a, b = tl.parameter(rng.normal(size=(4, 1)), "A"), tl.parameter(rng.normal(size=(1, 3)), "B")
    loss = tl.mse(tl.relu(x @ frozen + 2.0 * (x @ a @ b)), target)
    loss.name = "loss"
    return loss


def layer():
    return tl.Sequential(tl.LoRALinear(tl.Linear(4, 3, seed=0), 1, seed=0), tl.relu, tl.Linear(3, 2, seed=1))


def compiled():
    w, a, b = tl.parameter(np.ones((4, 3)), "W"), tl.parameter(np.ones((4, 1)), "A"), tl.parameter(np.ones((1, 3)), "B")

    def naive(x):
        return tl.mean((x @ w + 2.0 * (x @ (a @ b))) * 2.0 * 3.0)

    return tl.compile(naive).prepare(np.ones((2, 4)))


# --- The events are the engine's ---


def test_the_listing_tells_everything_that_happens():
    assert str(step_through(tiny())) == LISTING


def test_forward_events_are_the_nodes_that_running_yields_and_ready_events_those_of_pulling_back():
    loss = lora_loss()
    steps = step_through(loss, open=True).events
    order = [f"n{i}" for i, _ in enumerate(topological_order([loss]))]
    ids = dict(zip(topological_order([loss]), order, strict=True))
    assert [e.box for e in steps if e.kind in ("visit", "evaluate")] == order
    pulled = list(pulling_back(loss, np.float64(1.0)))
    ready = [e for e in steps if e.kind == "ready"]
    assert [e.box for e in ready] == [ids[node] for node, _ in pulled]
    assert [e.states[e.box].gradient for e in ready] == [brief(g) for _, g in pulled]


@examples(60)
@given(random_graphs(parameters=True))
def test_the_contributions_add_up_to_the_gradient_that_the_engine_yields(drawn):
    program, arrays = drawn
    outputs = program(*(tl.parameter(x) for x in map(np.asarray, arrays)))
    output = tl.sum(outputs[-1] if isinstance(outputs, list) else outputs)
    if not output.requires_gradient:
        return
    values = {node: node.value for node in topological_order([output])}
    total = {output: np.ones(())[()]}
    for node, g in pulling_back(output, np.float64(1.0)):
        assert_same(total.pop(node), g)
        for _, parent, part in contributions(node, g, values, trainable):
            total[parent] = total[parent] + part if parent in total else part
    assert not total  # whatever was sent something was visited


def test_a_rule_sends_to_every_operand_and_what_broadcasting_repeated_is_summed():
    x, b = tl.constant(np.ones((2, 3)), "x"), tl.parameter(np.zeros(3), "b")
    y = x + b
    (_, *first), (_, *second) = contributions(y, np.ones((2, 3)))
    assert first[0] is x and second[0] is b
    np.testing.assert_array_equal(first[1], np.ones((2, 3)))
    np.testing.assert_array_equal(second[1], [2, 2, 2])
    assert [i for i, _, _ in contributions(y, np.ones((2, 3)), wanted=lambda p: p is b)] == [1]
    assert not list(contributions(x, np.ones((2, 3))))  # a leaf
    weight = tl.parameter(np.full((3, 1), 2.0))  # the rule of a product gives functions: work that may not be needed
    sent = {parent: part for _, parent, part in contributions(x @ weight, np.ones((2, 1)))}
    np.testing.assert_array_equal(sent[x], np.full((2, 3), 2.0))
    np.testing.assert_array_equal(sent[weight], np.full((3, 1), 2.0))
    symbolic = {parent: part for _, parent, part in contributions(y, tl.placeholder((2, 3)))}
    assert symbolic[b].shape == (3,) and isinstance(symbolic[x], tl.ComputationNode)


@examples(25)
@given(random_graphs(parameters=True))
def test_any_program_can_be_stepped_through(drawn):
    program, arrays = drawn
    outputs = program(*(tl.parameter(x) for x in map(np.asarray, arrays)))
    steps = step_through(tl.sum(outputs[-1] if isinstance(outputs, list) else outputs)).events
    assert [e.number for e in steps] == list(range(1, len(steps) + 1))
    waiting = {}
    for e in steps:
        if e.kind == "contribute":
            n, of = (int(word) for word in e.note.split(" contribution")[0].split(" of "))
            assert n == waiting.get(e.to_box, 0) + 1 and (", waiting for" in e.note) == (n < of)
            waiting[e.to_box] = n
            if n == of:
                del waiting[e.to_box]
        if e.kind == "ready":
            assert e.box not in waiting
    assert not waiting


def test_after_the_last_step_the_boxes_show_what_backward_leaves():
    loss = lora_loss()
    steps = step_through(loss, open=True)
    last = steps.events[-1]
    assert all(node.gradient is None for node in topological_order([loss]))  # stepping changes nothing
    loss.backward()
    for i, node in enumerate(topological_order([loss])):
        shown = last.states[f"n{i}"]
        assert shown.gradient == ("" if node.gradient is None else brief(node.gradient))
        assert shown.mark == ("aside" if node.gradient is None else "done")


def test_steps_can_be_taken_again_and_events_cannot_be_changed():
    steps = step_through(tiny())
    assert list(steps) == list(steps) == list(steps.events)
    assert len(steps) == 14 and repr(steps) == "<14 steps of Computation of z>"
    with pytest.raises(AttributeError):
        steps.events[0].number = 2


def test_what_is_frozen_is_sent_nothing_and_the_step_says_so():
    steps = step_through(lora_loss()).events
    assert not [e for e in steps if e.phase == "backward" and "W" in (e.label, e.to)]
    x, w = tl.constant(2.0, "x"), tl.parameter(3.0, "w", trainable=False)
    b = tl.parameter(1.0, "b")
    notes = [e.note for e in step_through(x * b + b * w) if e.kind == "ready"]
    assert any("nothing goes to w (frozen)" in note for note in notes)
    assert any("nothing goes to x (a constant)" in note for note in notes)


def test_a_box_that_waits_says_how_many_contributions_are_in():
    event = step_through(tiny()).events[7]
    assert event.note == "1 of 2 contributions, waiting for 1"
    assert event.states["n1"] == ("4", "1, waiting for 1 of 2", "waiting")
    assert event.states["n3"] == ("16", "1", "active")
    assert (event.box, event.to_box) == ("n3", "n1")


def test_a_node_that_is_used_twice_by_one_operation_gets_two_contributions():
    a = tl.parameter(3.0, "a")
    steps = step_through(a * a).events
    sent = [e for e in steps if e.kind == "contribute"]
    assert [e.numbers for e in sent] == ["a.gradient += %1.gradient * a = 1 * 3 = 3"] * 2
    assert steps[-2].numbers == "a.gradient = 3 + 3 = 6"


# --- Words and numbers ---


@pytest.mark.parametrize("text", [*map(equation, Op.registry.values()), *map(plain, LAWS.values())])
def test_an_equation_is_plain_text(text):
    assert text and not set(text) & set("\\${}")


def test_letters_say_which_node_is_meant():
    by_label = {e.label: e for e in step_through(lora_loss()) if e.kind == "evaluate"}
    product = by_label["%2"]
    bar, turned = "\N{COMBINING MACRON}", "\N{MODIFIER LETTER CAPITAL T}"
    assert product.equation == f"Y = A B, so A{bar} = Y{bar} B{turned} and B{bar} = A{turned} Y{bar}."
    assert product.letters == "A is x, B is W, Y is %2"


@pytest.mark.parametrize(
    ("build", "numbers"),
    [
        (lambda x: x - -2.0, "x.gradient += %2.gradient = 1"),
        (lambda x: 6.0 / x, "x.gradient += -(%2.gradient * %2 / x) = -(1 * -2 / -3) = -0.6667"),
        (lambda x: x**2, "x.gradient += %1.gradient * (x * 2) = 1 * (-3 * 2) = -6"),
        (lambda x: x**3, "x.gradient += %1.gradient * (x ** 2 * 3) = 1 * ((-3) ** 2 * 3) = 27"),
        (lambda x: tl.exp(x), "x.gradient += %1.gradient * %1 = 1 * 0.04979 = 0.04979"),
        (
            lambda x: tl.tanh(x),
            "x.gradient += %1.gradient * (1.0 - %1 * %1) = 1 * (1.0 - -0.9951 * -0.9951) = 0.009866",
        ),
        (lambda x: tl.relu(x), "x.gradient += %1.gradient * (%1 > 0.0) = 1 * (0 > 0.0) = 0"),
    ],
)
def test_a_contribution_is_the_rule_with_this_steps_numbers(build, numbers):
    steps = step_through(build(tl.parameter(-3.0, "x"))).events
    text = next(e.numbers for e in steps if e.kind == "contribute")
    assert text == numbers


def test_what_broadcasting_repeated_is_summed_in_the_formula():
    x, b = tl.parameter(np.ones((2, 3)), "x"), tl.parameter(np.zeros(3), "b")
    y = x + b
    y.name = "y"
    steps = step_through(y, seed=np.ones((2, 3))).events
    sent = next(e for e in steps if e.to == "b")
    assert sent.numbers == "b.gradient += y.gradient.sum(axis=0) = (2, 3).sum(axis=0) = [2, 2, 2]"


def test_large_arrays_are_shape_range_mean_and_first_numbers():
    array = np.arange(100.0).reshape(10, 10)
    assert in_line(array) == "shape (10, 10): 0 to 99, mean 49.5, [0, 1, 2, ...]"
    assert brief(array) == "0 to 99"
    assert brief(np.zeros((5, 5))) == "all 0" and brief(np.empty((0, 2))) == "no elements"
    assert in_line(np.array([[-0.0, 1.0]])) == "[[0, 1]]"
    assert in_line(np.empty((0, 3))) == "shape (0, 3): no elements"
    assert brief(np.array([np.nan, 1.0, 2.0, 3.0, np.inf])) == "holds nan"


def test_a_rule_for_arrays_alone_is_shown_by_its_result():
    class Halve(Op):
        signature, numpy = "x", "x * 0.5"

        def vjp(self, g, y, x):
            return (np.ldexp(g, -1),)

    halve = Halve()
    try:
        steps = step_through(halve(tl.parameter(3.0, "x"))).events
    finally:
        del Op.registry["halve"]
    sent = next(e for e in steps if e.kind == "contribute")
    assert sent.numbers == "x.gradient += 0.5" and sent.equation == "y = x * 0.5"


# --- What can be stepped through ---


def test_a_graph_and_a_function_run_forward_on_arrays():
    def f(x, y):
        return x * y + x

    expected = ["x", "y", "%2", "%3", "%3"]
    graph = tl.trace(f, np.float64(3), np.float64(4))
    for steps in (step_through(graph, 3.0, 4.0), step_through(f, np.float64(3), np.float64(4))):
        assert [e.label for e in steps] == expected
        assert [e.kind for e in steps] == ["visit", "visit", "evaluate", "evaluate", "done"]
        assert steps.events[-1].numbers == "%3 = 15"


def test_a_function_goes_back_to_its_parameters_and_to_nodes_that_it_is_given():
    w = tl.parameter(2.0, "w")

    def f(x):
        return w * x * x

    steps = step_through(f, np.float64(3))
    assert steps.events[-1].numbers == "w.gradient = 9" and not steps.timeline.note and w.gradient is None
    graph = tl.trace(f, np.float64(3))
    assert list(step_through(graph, 3.0)) == list(steps)
    assert step_through(graph, 3.0, seed=2.0).events[-1].numbers == "w.gradient = 18"
    steps = step_through(f, tl.parameter(3.0))
    assert steps.events[-1].numbers == "x.gradient = 12, w.gradient = 9"
    several = step_through(lambda x: x @ (w * np.ones((3, 2))), np.ones((1, 3)), seed=[[1.0, 5.0]])
    assert several.events[-1].numbers == "w.gradient = 18"


def test_forward_only_is_said_and_then_a_seed_is_refused():
    w, x = tl.parameter(np.ones(3), "w"), np.ones(3)
    cases = [
        (lambda x: x * 2.0, "the output depends on no parameter"),
        (lambda x: (x * w, w), "backward starts at one output, and there are 2"),
        (tl.compile(lambda x: tl.mean(tl.gelu(x * w) * w)).prepare(x).graph, "has no gradient rule"),
    ]
    for f, reason in cases:
        assert reason in step_through(f, x).timeline.note and step_through(f, x).events[-1].phase == "forward"
        with pytest.raises(GradientError, match=f"Forward only: .*{reason}.*; so a seed leads nowhere"):
            step_through(f, x, seed=1.0)
    assert "pass seed=np.ones" in step_through(lambda x: x * w, x).timeline.note
    with pytest.raises(TypeError, match=r"its passes: .* pass no seed"):
        step_through(compiled(), seed=1.0)


def test_every_label_is_that_of_its_node_wherever_the_inputs_stand():
    x, c = tl.placeholder((), name="x"), tl.constant(2.0, "c")
    numbers = [e.numbers for e in step_through(c * x, 3.0)]
    assert numbers == ["x = 3", "c = 2", "%2 = c * x = 2 * 3 = 6", "%2 = 6"]


def test_a_wrong_number_of_arrays_is_told_in_one_and_many():
    x, y = tl.placeholder((), name="x"), tl.placeholder((), name="y")
    refusals = [
        (tl.Graph([x], [x * 2.0]), (), "the graph was given 0 arrays; its input is x: pass an array for it"),
        (x * y, (1.0,), "multiply was given 1 array; its inputs are x, y: pass an array for each"),
        (tiny(), (1.0,), "z was given 1 array; it has its numbers: pass no arrays"),
    ]
    for obj, arrays, message in refusals:
        with pytest.raises(TraceError, match=f"^{message}$"):
            step_through(obj, *arrays)
    with pytest.raises(ShapeError, match="input x has shape"):
        step_through(x * y, np.ones(2), 1.0)


def test_a_symbolic_node_is_run_on_arrays_for_its_inputs():
    x = tl.placeholder((), name="x")
    steps = step_through(x * 2.0, 3.0)
    assert steps.events[-1].numbers == "%1 = 6"
    with pytest.raises(TraceError, match="scale was given 0 arrays; its input is x: pass an array for it"):
        step_through(x * 2.0)
    with pytest.raises(TraceError, match="pass no arrays"):
        step_through(tiny(), 3.0)


def test_a_layer_runs_on_an_example_with_the_names_of_its_parameters():
    steps = step_through(layer(), np.ones((1, 4)))
    assert "0.lora.lora_A" in [e.label for e in steps]
    assert "Forward only" in steps.timeline.note and "Forward only" in str(steps)
    back = step_through(layer(), np.ones((1, 4)), seed=np.ones((1, 2)))
    assert {"0.lora.lora_A", "2.weight"} <= {e.to for e in back}
    assert "0.base.weight" not in {e.to for e in back}
    with pytest.raises(TraceError, match="pass one example"):
        step_through(layer())


def test_a_compiled_function_shows_what_each_pass_did():
    function = compiled()
    steps = step_through(function)
    assert [e.label for e in steps] == ["naive", *(s.name for s in function.snapshots)]
    assert steps.events[0].kind == "traced" and {e.kind for e in steps.events[1:]} <= {"applied", "declined"}
    for event, snapshot in zip(steps.events[1:], function.snapshots, strict=True):
        assert event.note == snapshot.note
        new = {f"n{i}" for i, n in enumerate(snapshot.after.nodes) if n not in set(snapshot.before.nodes)}
        marked = {box for box, state in event.states.items() if state.mark == "active"}
        shown = {box.id for box in steps.timeline.pictures[event.picture].boxes if box.shape.endswith(", new")}
        assert marked == shown == (new if snapshot.kept else set())


def test_a_declined_pass_leaves_the_picture():
    def costlier(graph):
        return graph.map(lambda old, parents: tl.identity(Op.__call__(old.op, *parents, **old.params)) * 1.0)

    function = tl.compile(lambda x: tl.exp(x), passes=[costlier]).prepare(np.ones(1000))
    declined = [e for e in step_through(function) if e.kind == "declined"]
    assert declined and "right, but not worth it" in declined[0].note
    assert {state.mark for state in declined[0].states.values()} == {"done"}


def test_of_a_large_graph_the_end_is_shown():
    x = tl.parameter(1.0, "x")
    y = x
    for _ in range(400):
        y = y + 1.0
    steps = step_through(y)
    assert "801 nodes; the last 200 are shown" in steps.timeline.note
    assert len(steps.timeline.pictures[0].boxes) == MOST_BOXES
    assert steps.events[0].number == 1 and len({e.box for e in steps if e.phase == "forward"}) == MOST_BOXES
    assert max(len(e.states) for e in steps) == MOST_BOXES
    assert len(steps.html) < 700_000


def test_of_a_large_model_each_layer_is_one_box():
    blocks = [tl.Sequential(*(tl.Linear(2, 2, seed=j) for j in range(40))) for _ in range(5)]
    model = tl.Sequential(*blocks)
    x, seed = np.ones((1, 2)), np.ones((1, 2))
    steps = step_through(model, x, seed=seed, open=["Linear", "Sequential"])
    assert steps.timeline.note == "The graph has 801 nodes: some of its layers are shown as one box each."
    shown = steps.timeline.pictures[0]
    boxes = [box for box in shown.boxes if box.operation == "Sequential"]
    closed = [f"{box.label}: Sequential" for box in boxes]
    assert closed and len(shown.boxes) <= MOST_BOXES and len(shown.clusters) == len(blocks) - len(closed)
    forward = [e for e in steps if e.phase == "forward" and e.label in closed]
    assert [(e.kind, e.label, e.note) for e in forward if e.kind != "done"] == [
        ("evaluate", label, "what the layer gives") for label in closed
    ]
    into = {(e.label, e.to) for e in steps if e.kind == "contribute" and {e.label, e.to} & set(closed)}
    assert {(b, a) for a, b in itertools.pairwise(closed)} <= into
    ids = {box.id for box in shown.boxes}
    assert all({e.box} | {e.to_box} - {""} <= ids and set(e.states) == ids for e in steps)
    last = steps.events[-1].states
    assert {last[box.id].mark for box in boxes} == {"done"}
    assert " and 16 more; every gradient is complete" in steps.events[-1].text


def test_refusals_say_what_to_do():
    with pytest.raises(TypeError, match="can be stepped through, not int"):
        step_through(3)
    x = tl.parameter(np.ones(2), "x")
    with pytest.raises(ShapeError, match=r"the seed has shape \(3,\)"):
        step_through(x * 2.0, seed=np.ones(3))
    assert "pass seed=np.ones((2,))" in step_through(x * 2.0).timeline.note
    assert "no parameter that requires a gradient" in step_through(tl.constant(1.0) * 2.0).timeline.note
    w = tl.parameter(1.0, "w")
    loss = w * 2.0
    w.value = 3.0
    with pytest.raises(StaleGraphError):
        step_through(loss)

    class NoRule(Op):
        signature, numpy = "x", "x * 1.0"

    no_rule = NoRule()
    try:
        assert step_through(no_rule(w)).timeline.note == "Forward only: no_rule has no gradient rule."
    finally:
        del Op.registry["no_rule"]


# --- The page ---


class Page(HTMLParser):
    """What is on a page: elements with their attributes, and the text of each kind of element."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def training_step():
    model = tl.Sequential(tl.Linear(2, 8, seed=0), tl.relu, tl.Linear(8, 8, seed=1), tl.relu, tl.Linear(8, 1, seed=2))
    step = tl.compile_training_step(model, tl.mse, tl.AdamW(model.parameters(), lr=0.1))
    step(np.ones((4, 2)), np.ones((4, 1)))
    return step


PAGES = {
    "training step": lambda: step_through(training_step()),
    "tiny": lambda: step_through(tiny()),
    "lora": lambda: step_through(lora_loss()),
    "layer": lambda: step_through(layer(), np.ones((1, 4))),
    "compiled": lambda: step_through(compiled()),
}


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_there_is_an_image_and_a_list_of_all_steps(name):
    steps = PAGES[name]()
    page = Page(steps.html)
    assert not page.open
    assert len(page.all("li")) == len(steps)
    for image in page.all("img"):
        assert image["alt"] and image["src"].startswith("data:image/svg+xml;base64,")
        ET.fromstring(b64decode(image["src"].split(",")[1]))
    for event in steps:
        assert not event.numbers or ("span", event.numbers) in page.texts


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_small_and_asks_for_nothing(name, tmp_path):
    steps = PAGES[name]()
    assert len(steps.html.encode()) < 220_000
    path = steps.save(tmp_path / "new" / "steps.html")
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert text.startswith('<!doctype html>\n<html lang="en">') and steps.html in text
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    sources = [v for _, attrs in page.elements for k, v in attrs.items() if k in ("src", "href")]
    assert all(source.startswith("data:") for source in sources)
    assert not {tag for tag, _ in page.elements} & {"link", "iframe", "object", "base"}
    for word in ("http:", "https:", "@import", "url(", "fetch(", "XMLHttp", "import("):
        assert word not in text.replace("http://www.w3.org/", "")


def test_the_data_for_the_script_are_the_changes_from_step_to_step():
    steps = step_through(tiny())
    page = Page(steps.html)
    data = json.loads(next(text for tag, text in page.texts if tag == "script"))["steps"]
    assert [d["kind"] for d in data] == [e.kind for e in steps]
    shown = {}
    for entry, event in zip(data, steps, strict=True):
        shown |= {box: tuple(state) for box, state in entry["changes"].items()}
        assert {b: shown.get(b, ("", "", "waiting")) for b in event.states} == event.states


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_text(name):
    steps = step_through(tiny(name, f"{name}2"), title=name)
    page = Page(steps.html)
    assert not page.open
    plain_page = Page(step_through(tiny()).html)
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain_page.elements]
    assert [sorted(attrs) for _, attrs in page.elements] == [sorted(attrs) for _, attrs in plain_page.elements]
    label = steps.events[0].label
    assert ("span", f"{label} = 3") in page.texts
    assert "\x1b" not in str(steps) and str(steps).count("\n") == LISTING.count("\n")


@pytest.mark.slow
def test_the_same_object_gives_the_same_bytes_in_every_process():
    code = (
        "import numpy as np, tinygrad_lora as tl\nfrom tinygrad_lora.view.stepper.page import step_through\n"
        "x, w = tl.constant(np.ones((2, 3)), 'x'), tl.parameter(np.ones((3, 2)), 'w')\n"
        "f = tl.compile(lambda x: tl.sum((x @ w * 2.0) * 3.0)).prepare(np.ones((2, 3)))\n"
        "print(step_through(tl.mean((x @ w) * (x @ w))).html, step_through(f).html)"
    )
    pages = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert pages[0] == pages[1] and len(pages[0]) > 10_000
    assert step_through(tiny()).html == step_through(tiny()).html


def test_many_large_pictures_of_passes_become_two(monkeypatch):
    monkeypatch.setattr("tinygrad_lora.view.stepper.page.LARGEST_PICTURES", 100)
    steps = step_through(compiled())
    page = Page(steps.html)
    assert len(page.all("img")) == 2 and any("first and the last are drawn" in text for _, text in page.texts)


def test_a_notebook_gets_the_page_and_the_listing():
    steps = step_through(tiny())
    assert steps._repr_mimebundle_() == {"text/plain": LISTING, "text/html": steps.html}
    assert set(steps._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert set(steps._repr_mimebundle_(exclude=["text/html"])) == {"text/plain"}


def test_saving_takes_the_kind_from_the_ending(tmp_path):
    steps = step_through(tiny())
    assert steps.save(tmp_path / "steps.txt").read_text(encoding="utf-8") == LISTING + "\n"
    with pytest.raises(ValueError, match=r"\.html or \.txt"):
        steps.save(tmp_path / "steps.pdf")


# --- The command ---

LESSON = """
import numpy as np
import tinygrad_lora as tl

def loss():
    x, y = tl.parameter(3.0, "x"), tl.parameter(4.0, "y")
    z = x * y + y
    z.name = "z"
    return z

def needs(x):
    return x

def no_node():
    return 3

fast = tl.compile(lambda x: x * 2.0 * 3.0).prepare(np.ones(3))
number = 3
"""


def command(tmp_path, *arguments):
    import argparse

    (tmp_path / "lesson.py").write_text(LESSON, encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers())
    options = parser.parse_args(["step", f"{tmp_path}/lesson.py:{arguments[0]}", *arguments[1:]])
    return options.run(options)


def test_the_command_prints_the_steps_of_what_a_function_gives(tmp_path, capsys):
    command(tmp_path, "loss")
    assert capsys.readouterr().out == LISTING + "\n"
    command(tmp_path, "fast")
    assert "simplify" in capsys.readouterr().out


def test_the_command_writes_a_page(tmp_path, capsys):
    path = tmp_path / "steps.html"
    command(tmp_path, "loss", "--out", str(path))
    assert capsys.readouterr().out == f"14 steps: {path}\n"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


DATACLASS = """
from __future__ import annotations
from dataclasses import dataclass
import tinygrad_lora as tl

@dataclass
class Settings:
    start: float = {start}

def loss():
    w = tl.parameter(Settings().start, "w")
    return w * w

def source():
    import inspect
    return inspect.getsource(Settings)
"""


def test_a_layer_by_its_name_is_not_called(tmp_path):
    path = tmp_path / "has_a_layer.py"
    path.write_text("import tinygrad_lora as tl\nlayer = tl.Linear(3, 2, seed=0)\n", encoding="utf-8")
    assert isinstance(named_object(f"{path}:layer", "a layer"), tl.Linear)
    del sys.modules["has_a_layer"]


def test_a_file_runs_as_a_module_and_two_of_one_name_are_two(tmp_path):
    before = set(sys.modules)
    for start in (2.0, 3.0):
        path = tmp_path / str(start) / "with_a_dataclass.py"
        path.parent.mkdir()
        path.write_text(DATACLASS.format(start=start), encoding="utf-8")
        assert named_object(f"{path}:loss", "a loss").value == start**2
        assert f"start: float = {start}" in named_object(f"{path}:source", "a source")
    path.write_text("import tinygrad_lora\n1 / 0\n", encoding="utf-8")
    there = set(sys.modules)
    with pytest.raises(ValueError, match="stops, line 2: `1 / 0`: ZeroDivisionError"):
        named_object(f"{path}:loss", "a loss")
    assert set(sys.modules) == there
    for name in there - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "has no .missing."),
        ("number", "not int"),
        ("needs", "needs x; it must be a function without arguments"),
        ("no_node", "not int"),
    ],
)
def test_the_command_says_in_one_sentence_what_is_wrong(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        command(tmp_path, name)


# --- The user's own lines ---


def two_lines():
    x = tl.parameter(3.0, "x")
    doubled = x + x

    return tl.tanh(
        doubled * x,
    )


def lines_of(steps):
    """The code of the user's line at each step, and what the page shows around it."""
    shown = {(e.file, line.number): line.text.strip() for e in steps.timeline.source for line in e.lines}
    return [shown.get(event.origin) for event in steps.events], [*shown.values()]


def test_each_step_of_a_function_stands_at_the_line_that_made_its_node():
    at, shown = lines_of(step_through(two_lines))
    assert at[:4] == [None, "doubled = x + x", "doubled * x,", "return tl.tanh("]
    assert shown[0] == "def two_lines():" and shown[-1] == ")"
    assert at[-4:] == ["doubled = x + x", "doubled = x + x", None, "return tl.tanh("]


def test_lines_of_values_are_those_that_gave_variables_their_nodes():
    x = tl.parameter(3.0, "x")
    doubled = x + x
    z = doubled * x + doubled
    assert lines_of(step_through(z))[0][:4] == [
        'x = tl.parameter(3.0, "x")', "doubled = x + x", "z = doubled * x + doubled", "z = doubled * x + doubled"
    ]  # fmt: skip


def test_lines_in_a_function_that_is_called_and_in_the_caller_are_told_apart():
    def square(v):
        return v * v

    def f(v):
        return square(v) + square(v + 1.0) * 2.0

    inner, outer = "return v * v", "return square(v) + square(v + 1.0) * 2.0"
    p = tl.parameter(3.0)
    for steps in (step_through(f, np.asarray(3.0)), step_through(lambda: f(p))):
        at = [x for x, event in zip(lines_of(steps)[0], steps.events, strict=True) if event.kind == "evaluate"]
        assert at == [inner, outer, inner, outer, outer]


class Doubling(tl.Layer):
    def __init__(self):
        super().__init__()
        self.inner = tl.Linear(3, 2, seed=0)

    def __call__(self, x):
        y = self.inner(x)
        return y * 2.0


def test_a_layer_shows_its_class_and_a_layer_of_the_package_no_code():
    at, shown = lines_of(step_through(Doubling(), np.ones((2, 3))))
    assert shown[0] == "class Doubling(tl.Layer):" and {"y = self.inner(x)", "return y * 2.0"} <= set(at)
    assert not step_through(tl.Linear(3, 2, seed=0), np.ones((2, 3))).timeline.source
    assert not step_through(compiled()).timeline.source


def test_watching_lines_leaves_the_debugger_where_it_was():
    seen = []
    before = sys.gettrace()
    try:
        sys.settrace(mine := lambda *event: seen.append(event))
        step_through(two_lines)
        with pytest.raises(ZeroDivisionError):
            step_through(lambda: 1 / 0)
        assert sys.gettrace() is mine
    finally:
        sys.settrace(before)


def data_of(html):
    return json.loads(html.partition('type="application/json">')[2].partition("</script>")[0])["steps"]


def test_the_page_holds_the_lines_and_says_which_is_at_work():
    steps = step_through(two_lines)
    data = data_of(steps.html)
    assert [row["line"] for row in data[:4]] == [-1, 2, 5, 4]
    assert 'class="written" role="group" aria-label="Your code"' in steps.html
    assert [row["line"] for row in data_of(step_through(compiled()).html)] == [-1] * len(step_through(compiled()))


def test_the_command_knows_the_lines_of_the_function_that_it_calls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = "import tinygrad_lora as tl\ndef loss():\n  x = tl.parameter(3.0, 'x')\n  y = x * x\n  return y + x\n"
    (tmp_path / "lesson.py").write_text(source, encoding="utf-8")
    shown = named_object("lesson.py:loss", "a node", LineRecord().noting)
    assert lines_of(step_through(shown))[0][:3] == ["x = tl.parameter(3.0, 'x')", "y = x * x", "return y + x"]


# --- Two runs side by side ---


def shifted(x, y):
    return x * y + y


def test_two_runs_differ_first_where_their_numbers_do():
    same, other = (step_through(shifted, np.asarray(3.0), np.asarray(y)) for y in (4.0, 5.0))
    assert same.beside(same).first_difference is None and same.beside(same).note == "No step differs."
    pair = same.beside(other)
    assert [event.label for event in pair.first_difference] == ["y", "y"]
    assert [event.numbers for event in pair.first_difference] == ["y = 4", "y = 5"]
    assert all(one.place == two.place and one.kind == two.kind for one, two in pair)
    assert [" ≠ " in line for line in str(pair).splitlines()[1:-1]] == [
        one.numbers != two.numbers for one, two in pair
    ]  # fmt: skip


def test_a_mistake_of_the_engine_shows_where_it_matters_first():
    z = tiny()
    right = step_through(z)
    with tl.bug("no_accumulate"):
        wrong = step_through(z)
        assert wrong.events
    one, two = right.beside(wrong).first_difference
    assert (one.kind, one.label, one.numbers) == ("ready", "y", "y.gradient = 1 + 3 = 4") and two.label == "y"


def test_before_and_after_a_pass_what_is_new_stands_alone():
    graph = tl.trace(lambda x: tl.sum((x + 0.0) * 2.0), np.ones(3))
    after = tl.compile(lambda x: tl.sum((x + 0.0) * 2.0)).prepare(np.ones(3)).graph
    x = np.arange(3.0)
    pair = step_through(graph, x).beside(step_through(after, x))
    assert any(None in both for both in pair)
    numbers = [[event.number for event in side if event] for side in zip(*pair, strict=True)]
    assert all(sorted(side) == list(range(1, len(side) + 1)) for side in numbers)  # every step once
    assert numbers[0] == sorted(numbers[0])


# --- A value that can be moved ---


def two_numbers(x, y):
    return tl.sum(x * y + tl.tanh(x))


def test_a_moved_value_gives_what_the_steps_give_that_begin_with_it():
    x, y = tl.parameter(np.array([1.0, 2.0]), "x"), tl.parameter(np.array([3.0, -1.0]), "y")
    steps = step_through(two_numbers, x, y).moving("x", -2.0, 2.0)
    assert [slider.label for slider in steps.sliders] == ["x[0]", "x[1]"]
    last = steps.events[-1].states
    for i, slider in enumerate(steps.sliders):
        assert slider.places[slider.start] == x.value[i] and not slider.shown[slider.start]
        assert slider.places[0] == -2.0 and slider.places[-1] == 2.0
        for place, shown in list(zip(slider.places, slider.shown, strict=True))[::5]:
            moved = x.value.copy()
            moved[i] = place
            fresh = step_through(two_numbers, tl.parameter(moved, "x"), y).events[-1].states
            assert {box: (last | shown)[box][:2] for box in last} == {box: state[:2] for box, state in fresh.items()}


def test_a_value_may_be_moved_to_where_nothing_is_finite():
    steps = step_through(lambda x: tl.sum(tl.log(x)), tl.parameter(1.0, "x")).moving("x", -1.0, 1.0)
    texts = {state.value for shown in steps.sliders[0].shown for state in shown.values()}
    assert {"nan", "-inf"} <= texts


@pytest.mark.parametrize("make", [tiny, lora_loss])
def test_a_leaf_of_values_can_be_moved_and_nothing_is_changed(make):
    loss = make()
    leaf = next(node for node in topological_order([loss]) if not node.parents and node.requires_gradient)
    before = np.array(leaf.value)
    steps = step_through(loss).moving(leaf.name)
    assert len(steps.sliders) == leaf.size and all(any(slider.shown) for slider in steps.sliders)
    np.testing.assert_array_equal(leaf.value, before)
    assert str(steps) == str(step_through(loss))


def test_what_cannot_be_moved_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="no leaf is called 'w'; there are x, y"):
        step_through(tiny()).moving("w")
    with pytest.raises(ValueError, match="x has 9 numbers of float64: up to 8"):
        step_through(lambda x: tl.sum(x), tl.parameter(np.ones(9), "x")).moving("x")
    with pytest.raises(ValueError, match="no value to move"):
        step_through(compiled()).moving("x")


def test_a_step_has_the_numbers_of_a_small_array_for_a_picture_in_colors():
    x = np.array([[1.0, -2.0], [1.156e-18, -0.0]])
    w = tl.parameter(np.ones((2, 30)), "w")
    steps = step_through(lambda x: tl.sum((x @ w) @ np.ones((30, 30))), x)
    heat = {(event.phase, event.place): event.heat for event in steps}
    assert heat["forward", "x"] == ((1.0, -2.0), (0.0, 0.0))
    assert [len(rows) for (_, place), rows in heat.items() if place == "w"] == [2, 2]  # its value, and its gradient
    assert all(not rows or len(rows) * len(rows[0]) <= 256 for rows in heat.values())
    assert () in heat.values()  # of the large constant, and of single numbers


def test_each_place_of_a_slider_is_another_number():
    w = tl.parameter(np.random.default_rng(0).normal(size=8), "w")
    for slider in step_through(tl.sum(w * w)).moving("w").sliders:
        assert len({f"{place:.4g}" for place in slider.places}) == len(slider.places)
        assert slider.places[slider.start] in w.value


def test_what_is_only_rounding_is_about_zero():
    x = tl.parameter(np.array([1.156e-18, -0.0, 2.0]), "x")
    steps = step_through(tl.sum(tl.tanh(x) * x))
    assert "e-" not in str(steps) and "-0" not in str(steps)
    assert steps.events[0].text.startswith("x = [~0, 0, 2]") and "[~0, 0, 1.105]" in steps.events[-1].text

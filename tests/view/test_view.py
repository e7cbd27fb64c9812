"""Pictures as plain data, as text and as DOT: no browser and no Graphviz engine is needed here."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.core.node import Op
from tinygrad_lora.errors import RenderError
from tinygrad_lora.nn.adapters.lora_linear import LoRALinear
from tinygrad_lora.nn.layer import Layer
from tinygrad_lora.nn.linear import Linear, Sequential
from tinygrad_lora.view import draw, listing
from tinygrad_lora.view.diagram.data import ROLES, diagram
from tinygrad_lora.view.diagram.looks import LOOKS, SYMBOLS
from tinygrad_lora.view.render import svg
from tinygrad_lora.view.svg.draw import draw_svg
from tinygrad_lora.view.words.sentences import short_array

ROOT = Path(__file__).resolve().parents[2]

# Three pictures that every reader of the book meets. They are programs, so that a fresh process can draw them too.
CANONICAL = {
    "tiny": """
x, y = tl.parameter(3.0, "x"), tl.parameter(4.0, "y")
z = x * y + y
z.name = "z"
z.backward()
picture = draw(z, values=True, gradients=True)
""",
    "lora": """
x = tl.placeholder((2, 4), name="x")
W = tl.parameter(np.ones((4, 3)), "W", trainable=False)
A, B = tl.parameter(np.ones((4, 1)), "A"), tl.parameter(np.zeros((1, 3)), "B")
picture = draw(tl.mean(x @ W + 2.0 * (x @ A @ B)), title="LoRA")
""",
    "layers": """
from tinygrad_lora.nn.linear import Linear, Sequential
from tinygrad_lora.nn.adapters.lora_linear import LoRALinear
picture = draw(Sequential(LoRALinear(Linear(4, 3, seed=0), 1, seed=0), tl.relu, Linear(3, 2, seed=1)), (5, 4))
""",
}
HEADER = "import numpy as np\nimport tinygrad_lora as tl\nfrom tinygrad_lora.view import draw\n"


def canonical(name):
    scope = {"np": np, "tl": tl, "draw": draw}
    exec(CANONICAL[name], scope)
    return scope["picture"]


def tiny():
    x, y = tl.parameter(3.0, "x"), tl.parameter(4.0, "y")
    z = x * y + y
    z.name = "z"
    return z


def lora():
    x = tl.placeholder((2, 4), name="x")
    frozen = tl.parameter(np.ones((4, 3)), "W", trainable=False)
    a, b = tl.parameter(np.ones((4, 1)), "A"), tl.parameter(np.zeros((1, 3)), "B")
    return x @ frozen + 2.0 * (x @ a @ b) + 1.0


def model():
    return Sequential(LoRALinear(Linear(4, 3, seed=0), 1, seed=0), tl.relu, Linear(3, 2, seed=1))


# --- The plain data ---


def test_a_node_is_drawn_with_everything_that_it_depends_on():
    shown = diagram(tiny())
    assert [box.id for box in shown.boxes] == ["n0", "n1", "n2", "n3"]
    assert [box.label for box in shown.boxes] == ["x", "y", "%2", "z"]
    assert [(arrow.start, arrow.end) for arrow in shown.arrows] == [
        ("n0", "n2"),
        ("n1", "n2"),
        ("n2", "n3"),
        ("n1", "n3"),
    ]
    assert [box.output for box in shown.boxes] == [False, False, False, True]


def test_roles_are_told_apart_and_the_legend_names_only_those_present():
    shown = diagram(lora())
    assert {box.label: box.role for box in shown.boxes if box.named} == {
        "x": "input", "W": "frozen", "A": "trainable", "B": "trainable",
    }  # fmt: skip
    assert [role for role, _ in shown.legend] == [*ROLES, "output"]
    assert [role for role, _ in diagram(tiny()).legend] == ["trainable", "operation", "output"]


def test_arrows_name_operands_where_the_order_matters():
    labels = {
        box.operation: [a.label for a in diagram(lora()).arrows if a.end == box.id] for box in diagram(lora()).boxes
    }
    assert labels["matmul"] == ["a", "b"]
    assert labels["add"] == ["", ""]
    assert labels["scale"] == [""]


def test_what_is_frozen_sends_no_gradient_back():
    shown = diagram(lora())
    labels = {box.id: box.label for box in shown.boxes}
    leaves = {labels[arrow.start]: arrow.gradient for arrow in shown.arrows if labels[arrow.start] in "xWAB"}
    assert leaves == {"x": False, "W": False, "A": True, "B": True}
    assert shown.marks_gradients
    assert not diagram(tiny()).marks_gradients  # every arrow carries one: nothing to tell apart


def test_a_gradient_is_a_dash_until_backward_has_run():
    z = tiny()
    assert [box.gradient for box in diagram(z, gradients=True).boxes] == [("-",)] * 4
    z.backward()
    assert [box.gradient for box in diagram(z, values=True, gradients=True).boxes] == [("4",), ("4",), ("1",), ("1",)]
    assert [box.value for box in diagram(z, values=True).boxes] == [("3",), ("4",), ("12",), ("16",)]
    assert all(box.gradient == box.value == () for box in diagram(z).boxes)


def test_a_symbolic_node_has_no_value_to_show():
    shown = diagram(tl.placeholder((2,), name="x") + 1.0, values=True)
    assert [box.value for box in shown.boxes] == [("-",), ("1",), ("-",)]


def test_a_small_constant_shows_its_number():
    box = next(box for box in diagram(tl.placeholder((), name="x") + 0.5).boxes if box.role == "constant")
    assert box.title == "0.5"


def test_a_heatmap_has_a_cell_with_its_number_for_each_number_and_a_scale():
    x = tl.constant(np.array([[1.0, -2.5], [0.0, 0.5]]), "x")
    shown = diagram(x, values="heatmap")
    assert shown.boxes[0].heat == ((1.0, -2.5), (0.0, 0.5))
    picture = draw_svg(shown)
    cells = re.findall(r'<rect [^>]*class="cell (\w+)"[^>]*fill-opacity="([\d.]+)"[^>]*><title>([^<]*)', picture)
    assert cells == [
        ("above", "0.40", "[0, 0] = 1"), ("below", "1.00", "[0, 1] = -2.5"),
        ("above", "0.00", "[1, 0] = 0"), ("above", "0.20", "[1, 1] = 0.5"),
    ]  # fmt: skip
    assert "\N{PLUS-MINUS SIGN}2.5" in picture and diagram(x, values=True).boxes[0].heat == ()


@pytest.mark.parametrize(
    "array", [np.ones(257), np.ones((33, 2)), np.array([1.0, np.nan]), np.ones(()), np.ones((0, 2))]
)
def test_what_is_too_large_or_not_finite_has_no_heatmap(array):
    assert diagram(tl.constant(array), values="heatmap").boxes[0].heat == ()
    assert draw_svg(diagram(tl.tanh(tl.constant(array)), values="heatmap"))


def test_rounding_is_about_zero_in_a_picture_and_exact_in_words():
    y = tl.constant(np.array([1.156e-18, -0.0, -2.5e-3, 3e-14]), "y")
    assert diagram(y, values=True).boxes[0].value == ("[~0, ~0, -0.0025, 3e-14]",)
    assert diagram(tl.constant(-1e-200, "z"), values=True).boxes[0].value == ("~0",)
    assert short_array(y.value) == ("[1.156e-18, -0, -0.0025, 3e-14]",)


@pytest.mark.parametrize(
    ("array", "lines"),
    [
        (3, ("3",)),
        (np.array([1.0, 0.25]), ("[1, 0.25]",)),
        (np.eye(2), ("[1, 0]", "[0, 1]")),
        (np.array([True, False]), ("[True, False]",)),
        (np.zeros((0, 3)), ("no elements",)),
        (np.zeros(100), ("all 0",)),
        (np.arange(100.0), ("0 to 99, mean 49.5", "[0, 1, 2, ...]")),
        (np.full(9, np.nan), ("nan to nan, mean nan", "[nan, nan, nan, ...]")),
        (np.array([np.inf, -np.inf, 0, 0, 0]), ("-inf to inf, mean nan", "[inf, -inf, 0, ...]")),
        (np.arange(9) * 1j, ("[0+0j, 0+1j, 0+2j, ...]",)),
        (np.array([0, 6e4, 6e4, 6e4, 6e4], np.float16), ("0 to 6e+04, mean 4.8e+04", "[0, 6e+04, 6e+04, ...]")),
    ],
)
def test_an_array_is_told_in_a_few_words(array, lines):
    assert short_array(array) == lines


def test_parameters_of_operations_are_shown():
    x = tl.placeholder((4, 3), name="x")
    shown = diagram(tl.sum(x, 0) + x[1, ::2, None][0, 0] + tl.reshape(x, (12,))[0])
    parameters = [pair for box in shown.boxes for pair in box.parameters]
    assert ("axis", "(0,)") in parameters
    assert ("key", "(1, ::2, None)") in parameters
    assert ("shape", "(12,)") in parameters


def test_names_are_unique_and_on_one_line():
    a, b = tl.parameter(1.0, "w"), tl.parameter(2.0, "w")
    c, d = tl.parameter(3.0, "new\nline\0"), tl.parameter(4.0, "%1")
    labels = [box.label for box in diagram(a + b + c + d).boxes]
    assert len(set(labels)) == len(labels)
    assert all(label.isprintable() for label in labels)
    assert "new line" in labels


def test_a_traced_graph_shows_the_numbers_of_the_parameters_that_it_captured():
    w = tl.parameter(np.ones(2), "w")
    graph = tl.trace(lambda x: x * w, np.ones(2))
    assert [box.value for box in diagram(graph, values=True).boxes] == [("-",), ("[1, 1]",), ("-",)]
    assert diagram(graph).title == "Graph(x)"


def test_a_compiled_function_is_drawn_as_its_graph():
    compiler = pytest.importorskip("tinygrad_lora.compiler")

    def smooth(x):
        return tl.mean(tl.gelu(x))

    f = compiler.compile(smooth, buffers=False)
    f(np.ones((2, 3)))
    shown = diagram(f)
    assert shown.title == "smooth(x)"
    assert any(box.formula for box in shown.boxes if box.operation == "fused")
    assert not any(arrow.gradient for arrow in shown.arrows)


def test_what_cannot_be_drawn_is_refused_with_advice():
    with pytest.raises(TypeError, match="draw its graph"):
        diagram(lambda x: x)
    with pytest.raises(TypeError, match="for layers only"):
        diagram(tiny(), np.ones(3))
    with pytest.raises(ValueError, match="rankdir"):
        draw(tiny(), rankdir="down")


def test_options_for_what_is_made_already_are_refused():
    picture, shown = draw(tiny(), rankdir="LR"), diagram(tiny())
    assert draw(picture) is draw(picture, rankdir="LR") is picture and diagram(shown) is shown
    with pytest.raises(TypeError, match="a Picture is made already, and values and rankdir and legend cannot be"):
        draw(picture, rankdir="RL", values=True, legend=False)
    with pytest.raises(TypeError, match="a Diagram is made already, and gradients cannot be changed"):
        draw(shown, gradients=True)
    with pytest.raises(TypeError, match="and title cannot be"):
        diagram(shown, title="Another")
    with pytest.raises(TypeError, match="and example cannot be"):
        draw(picture, np.ones(3))
    assert draw(shown, rankdir="LR", legend=False).rankdir == "LR"


# --- Layers ---


def test_a_layer_is_drawn_with_a_frame_around_each_part():
    shown = diagram(model(), (5, 4))
    first, last = shown.clusters
    assert (first.title, last.title) == ("0: LoRALinear", "2: Linear")
    assert [part.title for part in first.clusters] == ["0.base: Linear", "0.lora: LoRALayer"]
    assert first.lines == ("22 parameters, 7 trainable",)
    assert first.clusters[0].lines == ("15 parameters, frozen",)
    assert last.lines == ("8 parameters, trainable",)
    labels = {box.id: box.label for box in shown.boxes}
    assert {"0.base.weight", "0.base.bias"} < {labels[name] for name in first.clusters[0].boxes}
    framed = [name for frame in walk(shown.clusters) for name in frame.boxes]
    assert len(set(framed)) == len(framed)
    assert [box.title for box in shown.boxes if box.id not in framed] == ["x", "relu"]
    assert shown.boxes[0].shape == "(5, 4)"


def walk(clusters):
    for cluster in clusters:
        yield cluster
        yield from walk(cluster.clusters)


def test_a_layer_called_twice_has_two_frames_and_one_set_of_parameters():
    class Twice(Layer):
        def __init__(self):
            self.part = Linear(3, 3, seed=0)
            self.input_shape = (3,)

        def __call__(self, x):
            return self.part(self.part(x))

    shown = diagram(Twice())
    assert [cluster.title for cluster in shown.clusters] == ["part: Linear", "part: Linear (call 2)"]
    assert [len(cluster.boxes) for cluster in shown.clusters] == [4, 2]


def test_an_example_array_gives_a_layer_values_and_none_is_needed_for_its_shape():
    layer = Linear(3, 2, seed=0)
    x = np.ones((4, 3))
    assert diagram(layer, x, values=True).boxes[-1].value[0] == short_array(layer.forward(x))[0]
    assert diagram(layer).boxes[0].shape == "(1, 3)"


def test_the_listing_of_a_layer_is_its_tree_with_counts():
    lines = listing(model()).splitlines()
    assert lines[1].split() == ["model", "Sequential", "30", "15", "trainable"]
    assert lines[2].split() == ["0", "LoRALinear", "22", "7", "trainable"]
    assert [line.split()[0] for line in lines[3:9]] == ["base", "weight", "bias", "lora", "lora_A", "lora_B"]
    assert lines[3].startswith("    base")


# --- Text ---


def test_the_listing_is_aligned_and_says_what_the_picture_says():
    z = tiny()
    z.backward()
    assert listing(z, values=True, gradients=True).splitlines() == [
        "Computation of z",
        "name  computed as     shape   dtype    role               value  gradient",
        "x     parameter       scalar  float64  trainable          3      4",
        "y     parameter       scalar  float64  trainable          4      4",
        "%2    multiply(x, y)  scalar  float64  operation          12     1",
        "z     add(%2, y)      scalar  float64  operation, output  16     1",
    ]


def test_every_picture_has_a_text_alternative():
    words = draw(lora(), title="LoRA").alternative
    assert words.startswith("LoRA: 1 input (x), 2 trainable parameters (A, B), 1 frozen parameter (W), 1 constant, ")
    assert "%2 = matmul(x, W)" in words
    assert words.endswith("an array of shape (2, 3).")


# --- DOT ---


@pytest.mark.parametrize("name", CANONICAL)
def test_the_dot_text_is_as_agreed(name, golden):
    golden(f"view_{name}.dot", canonical(name).source)


@pytest.mark.slow
def test_a_picture_is_the_same_whatever_the_hash_seed():
    program = HEADER + "".join(code + "print(picture.source, picture.text)\n" for code in CANONICAL.values())
    texts = {
        subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            cwd=ROOT, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "12345")
    }  # fmt: skip
    assert len(texts) == 1


def test_the_emitter_keeps_its_rules():
    for name in CANONICAL:
        picture = canonical(name)
        source = picture.source
        assert "record" not in source and "ortho" not in source
        assert source.count("CELLPADDING") == source.count('CELLPADDING="6"') + source.count('CELLPADDING="2"')
        nodes = [line for line in source.splitlines() if line.strip().startswith("n") and "label=<" in line]
        assert len([line for line in nodes if "->" not in line]) == len(picture.diagram.boxes)
        for box in picture.diagram.boxes:
            line = next(line for line in nodes if line.strip().startswith(f"{box.id} ["))
            assert f"id={box.id}" in line and "class=" in line and "tooltip=" in line


def test_a_role_is_told_by_the_border_and_not_by_color_alone():
    assert set(LOOKS) == set(ROLES)
    assert len({(look.style, look.width) for look in LOOKS.values()}) == len(ROLES)


def test_every_operation_says_what_it_does():
    missing = {name for name, op in Op.registry.items() if type(op).__module__.startswith("tinygrad_lora")} - set(
        SYMBOLS
    )
    assert not missing, f"give {missing} a symbol in view/diagram/looks.py"


def test_a_picture_is_a_graphviz_digraph():
    graphviz = pytest.importorskip("graphviz")
    picture = draw(tiny())
    assert isinstance(picture, graphviz.Digraph)
    assert draw(picture) is picture


def test_an_unnamed_operation_of_a_student_is_drawn_too():
    class Cube(Op):
        r"""$y = x^3$."""

        signature, numpy = "x", "x**3"

    cube = Cube()
    try:
        assert "cube" in draw(cube(tl.placeholder((2,), name="x"))).source
    finally:
        del Op.registry["cube"]


# --- Size ---


def chain(n):
    node = tl.placeholder((2,), name="x")
    for _ in range(n):
        node = tl.tanh(node)
    return node


@pytest.mark.slow
def test_a_deep_graph_is_listed_without_recursion_and_refused_as_a_picture():
    shown = diagram(chain(100_000))
    assert len(shown.boxes) == 100_001
    assert listing(shown).count("\n") == 100_002  # a title, a heading and a line for each box
    assert "and 99988 more" in shown.alternative
    with pytest.raises(RenderError, match=r"100,001 boxes cannot be read.*listing"):
        draw(shown)


def test_every_id_in_a_picture_is_there_once():
    model = tl.adapt(tl.Sequential(tl.Linear(4, 3, seed=0), tl.relu, tl.Linear(3, 2, seed=1)), 2, seed=2)
    ids = re.findall(r'\sid="([^"]+)"', svg(model))
    assert ids and len(ids) == len(set(ids))


def test_what_a_notebook_does_not_want_is_not_drawn(monkeypatch):
    def drawn(picture):
        raise AssertionError("it was drawn")

    picture = draw(tiny())
    monkeypatch.setattr(type(picture), "svg", drawn)
    assert picture._repr_mimebundle_(include=["text/plain"]) == {"text/plain": picture.text}
    assert picture._repr_mimebundle_(exclude=["text/html", "image/svg+xml"]) == {"text/plain": picture.text}


def test_graphs_layers_and_compiled_functions_draw_themselves_in_a_notebook():
    code = (
        "import sys, types; sys.modules['ipykernel'] = types.ModuleType('ipykernel')\n"
        "import numpy as np, tinygrad_lora as tl\n"
        "layer = tl.Linear(3, 2, seed=0)\n"
        "graph = tl.trace(layer, np.ones((1, 3)))\n"
        "compiled = tl.compile(layer).prepare(np.ones((1, 3)))\n"
        "for shown in (layer, graph, compiled):\n"
        "    bundle = shown._repr_mimebundle_()\n"
        "    assert bundle['text/html'].startswith('<img') and 'matmul' in bundle['text/plain'], bundle\n"
        "assert set(tl.compile(layer)._repr_mimebundle_()) == {'text/plain'}\n"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr

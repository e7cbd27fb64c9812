"""The compiler explorer: what it says is what the compiler did, and the page is whole without a network or a script."""

import os
import re
import subprocess
import sys
from base64 import b64decode
from html import unescape
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from html_reader import Reader
from programs import PROGRAMS

import tinygrad_lora as tl
from tinygrad_lora.commands.explore import compiled_function
from tinygrad_lora.commands.main import main
from tinygrad_lora.compiler.cost import graph_cost
from tinygrad_lora.compiler.pipeline import PASSES
from tinygrad_lora.errors import CompileError
from tinygrad_lora.named_object import EXAMPLE
from tinygrad_lora.view.diagram.data import diagram
from tinygrad_lora.view.diagram.layers import every
from tinygrad_lora.view.explorer import checks
from tinygrad_lora.view.explorer.code import changed
from tinygrad_lora.view.explorer.explore import Exploration, explore
from tinygrad_lora.view.explorer.picture import pictures_of
from tinygrad_lora.view.explorer.steps import UNKNOWN, rule_of
from tinygrad_lora.view.explorer.union import ADDED, KEPT, REMOVED, REWIRED, short
from tinygrad_lora.view.graphviz.draw import draw
from tinygrad_lora.view.written import GONE, NEW, SAME, CodeLine

HOSTILE = ["</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & <b>'\"\\ $x$", "\N{SNAKE}"]
KINDS = [pytest.param(make, id=name) for name, make in PROGRAMS.items()]


class Drawn(Reader):
    """The text of drawings belongs to the text."""

    HIDDEN = Reader.HIDDEN - {"svg"}


def explored(make, **options):
    function, arrays = make()
    return explore(tl.compile(function, **options).prepare(*arrays))


@pytest.fixture(scope="module")
def flagship():
    return explore(compiled_function(f"{EXAMPLE}:naive_lora"))


@pytest.fixture(scope="module")
def training():
    rng = np.random.default_rng(0)
    model = tl.adapt(tl.Sequential(tl.Linear(6, 5), tl.relu, tl.Linear(5, 3)), 2)
    optimizer = tl.Adam([p for p in model.parameters() if p.requires_gradient], lr=0.01)
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer)
    step(rng.normal(size=(4, 6)), rng.integers(0, 3, 4))
    return explore(step)


# --- What it says ---


@pytest.mark.slow
@pytest.mark.parametrize("make", KINDS)
def test_each_step_is_what_the_compiler_did(make):
    exploration = explored(make)
    program = exploration.story.program
    assert [s.name for s in exploration.steps] == ["trace", *(s.name for s in program.snapshots), "program"]
    for step, snapshot in zip(exploration.steps[1:-1], program.snapshots, strict=True):
        assert (step.before, step.after, step.kept) == (snapshot.cost_before, snapshot.cost_after, snapshot.kept)
        assert step.stage.graph is snapshot.after
    assert exploration.steps[0].after == graph_cost(program.traced)
    assert [line.text for line in exploration.steps[-1].lines] == program.source.rstrip("\n").split("\n")


@pytest.mark.parametrize("make", KINDS)
def test_no_pass_changes_a_number_on_random_inputs(make):
    # float32 is as exact as 1e-6; every other program of the list computes in float64
    assert all(step.difference is None or step.difference < 1e-6 for step in explored(make).steps)


def test_a_wrong_pass_is_found_out():
    def double_scales(graph):
        """$s x = 2 s x$: wrong."""
        done = set()

        def rule(node):
            if str(node.op) == "scale" and node not in done:
                result = tl.scale(node.parents[0], factor=2 * node.params["factor"])
                done.add(result)
                return result
            return None

        return graph.rewrite(rule)

    compiled = tl.compile(lambda x: 3.0 * x, passes=((double_scales,), ())).prepare(np.ones(4))
    step = explore(compiled).steps[1]
    assert step.name == "double_scales" and step.difference == 1.0
    assert "of your own" in step.rule.legal and "def double_scales" in step.rule.source


@pytest.mark.parametrize("make", KINDS)
def test_a_box_is_one_number_in_every_graph(make):
    exploration = explored(make)
    union, values = exploration.story.union, {}
    for stage in union.stages:
        checks.run(stage.graph, exploration.story.inputs, values)
        boxes = {union.boxes[node] for node in stage.graph.nodes}
        assert len(boxes) == len(stage.graph.nodes), "two nodes of one graph share a box"
    for stage in union.stages:
        for node in stage.graph.nodes:
            box = union.boxes[node]
            first = next(n for n, b in union.boxes.items() if b == box)
            assert str(first.op) == str(node.op) and checks.same(values[node], values[first])


@pytest.mark.parametrize("make", KINDS)
def test_a_box_is_marked_for_what_became_of_it(make):
    union = explored(make).story.union
    for stage in union.stages:
        if stage.snapshot is None:
            assert set(stage.states.values()) == {KEPT}
            continue
        after = {union.boxes[node] for node in stage.graph.nodes}
        for box, state in stage.states.items():
            assert (box in after) == (state != REMOVED)
            inputs = {edge: target for edge, target in stage.edges.items() if edge.end == box}
            if state == KEPT:
                assert set(inputs.values()) <= {KEPT}
            if state == REWIRED:
                assert {REWIRED, REMOVED} & set(inputs.values())
            if state == ADDED:
                assert set(inputs.values()) <= {ADDED}


def test_the_flagship_loses_the_large_product_and_gains_the_small_ones(flagship):
    rebracket = next(step for step in flagship.steps if step.name == "rebracket")
    names, states = flagship.story.union.names, rebracket.stage.states
    texts = {
        state: {rebracket.stage.descriptions[box].split(", (")[0] for box in states if states[box] == state}
        for state in (ADDED, REMOVED)
    }
    assert any(text.endswith("= matmul(A, B)") for text in texts[REMOVED])
    assert any(text.endswith("= matmul(x, A)") for text in texts[ADDED])
    assert rebracket.after.flops < 0.4 * rebracket.before.flops
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("make", KINDS)
def test_a_variable_is_the_same_value_after_every_pass(make):
    exploration = explored(make)
    owners = {}
    for step in exploration.steps[:-1]:
        for line in step.lines:
            match = re.match(r"    (\w+) = ", line.text)
            if match and line.boxes:
                owner = [box for box in line.boxes if exploration.story.union.names[box] == match[1]]
                assert owners.setdefault(match[1], owner) == owner


@pytest.mark.parametrize("make", KINDS)
def test_a_difference_read_without_its_marks_is_the_code_before_and_after(make):
    steps = explored(make).steps
    for step, following in pairwise(steps[:-1]):
        if step.kept:
            after = [line.text.split() for line in step.lines if line.state != GONE and line.text.strip()]
            before = [line.text.split() for line in following.lines if line.state != NEW and line.text.strip()]
            assert sorted(after) == sorted(before)


def test_what_a_variable_was_stands_right_above_what_it_is():
    before, after = (
        [CodeLine(f"{x} = {y}") for x, y in lines] for lines in ([("a", 1), ("b", 2)], [("a", 3), ("b", 4)])
    )
    states = [(line.text, line.state) for line in changed(before, after)]
    assert states == [("a = 1", GONE), ("a = 3", NEW), ("b = 2", GONE), ("b = 4", NEW)]
    assert [line.state for line in changed([CodeLine("a  = 1")], [CodeLine("a = 1")])] == [SAME]


def test_source_lines_boxes_and_generated_lines_know_each_other(flagship):
    source = {line.text.strip(): set(line.boxes) for excerpt in flagship.story.written for line in excerpt.lines}
    formula = source["y = x @ W + b + 2 * (x @ (A @ B))"]
    code = {line.text.split("#")[0].strip(): set(line.boxes) for line in flagship.steps[0].lines}
    assert code["t0 = x @ W"] <= formula
    assert next(boxes for text, boxes in code.items() if text.endswith("= A @ B")) <= formula
    planned = {line.text.split("#")[0].strip(): set(line.boxes) for line in flagship.steps[-1].lines}
    assert planned["x.dot(W, t0)"] == code["t0 = x @ W"]


def named_boxes(shown):
    """What a picture calls each box that has a name, with its operation."""
    return {(box.label, box.operation) for box in shown.boxes if box.named}


def names_and_variables(shown):
    """The names in a picture, and the variables beside them, with their operations."""
    return named_boxes(shown) | {(box.variable, box.operation) for box in shown.boxes}


def product_and_sum(x, y):
    return x * y + tl.exp(x * x)


def several_outputs(x, y):
    z = x * y
    z.name = "z"
    return z, tl.sum(tl.softmax(z)), x @ (2.0 * y)


SAME_GRAPH = [
    *KINDS,
    pytest.param(lambda: (product_and_sum, [np.ones(3), np.ones(3)]), id="expression"),
    pytest.param(lambda: (several_outputs, [np.ones(3), np.ones(3)]), id="several outputs"),
]


@pytest.mark.parametrize("make", SAME_GRAPH)
def test_a_node_has_one_name_in_draw_step_through_and_explore(make):
    function, arrays = make()
    graph = tl.trace(function, *arrays)
    names = [box.label for box in diagram(graph).boxes]
    steps = tl.step_through(graph, *arrays, open=True)
    evaluated = [event.label for event in steps if event.kind in ("visit", "evaluate")]
    (drawn,) = steps.timeline.pictures
    shown = {box.label for box in drawn.boxes}
    assert {*evaluated} == {*names} & {*evaluated} and shown & {*names} == {*evaluated}
    union = explored(make).story.union
    assert [union.names[union.boxes[node]] for node in union.stages[0].graph.nodes] == names
    labels = {box.id: box.label for picture in pictures_of(union, "x") for box in picture.diagram.boxes}
    assert labels.items() <= union.names.items()


def test_an_expression_has_the_names_of_the_function_that_computes_it():
    x, y = tl.parameter(np.ones(3), "x"), tl.parameter(np.ones(3), "y")
    names = [box.label for box in diagram(product_and_sum(x, y)).boxes]
    union = explore(tl.compile(product_and_sum).prepare(np.ones(3), np.ones(3))).story.union
    assert [union.names[union.boxes[node]] for node in union.stages[0].graph.nodes] == names == ["x", "y", *names[2:]]
    assert (
        names[2] == "%2"
        and "%2 = multiply(x, y), (3,) float64"
        in union.stages[0].descriptions[next(box for box, name in union.names.items() if name == "%2")]
    )


def test_the_code_beside_a_training_step_has_the_variable_of_each_number(training):
    union, (step, *_) = training.story.union, training.steps
    graph = step.stage.graph
    boxes = {box.id: box for box in union.diagram.boxes}
    numbers = [(i, boxes[union.boxes[node]]) for i, node in enumerate(graph.nodes)]
    assert all(box.label in (f"%{i}", box.label.lstrip("%")) for i, box in numbers)
    numbered = [box for _, box in numbers if box.label.startswith("%")]
    assert len(numbered) > 50 and all(("variable", box.variable) in box.lines for box in numbered)
    computed = {match[1]: line for line in step.lines if (match := re.match(r"    (\w+) = ", line.text))}
    tied = [box.id in computed[box.variable].boxes for box in numbered if box.variable in computed]
    assert len(tied) > 30 and all(tied)


@pytest.mark.parametrize("make", KINDS)
def test_names_functions_and_frames_are_those_of_a_picture_of_the_program(make):
    function, arrays = make()
    compiled = tl.compile(function).prepare(*arrays)
    union = explore(compiled).story.union
    assert named_boxes(diagram(compiled)) <= names_and_variables(union.diagram)
    frames = {frame.title for frame in every(diagram(compiled).clusters)}
    assert frames <= {frame.title for frame in every(union.diagram.clusters)}
    closed, *opened = pictures_of(union, "x")
    shown = names_and_variables(closed.diagram) | names_and_variables(union.diagram)
    assert named_boxes(draw(compiled).diagram) <= shown
    assert bool(opened) == any(box.inside for box in closed.diagram.boxes)


def test_a_closed_function_is_marked_for_what_became_of_what_is_inside(training):
    union = training.story.union
    closed, opened = pictures_of(union, "x")
    (loss,) = [box for box in closed.diagram.boxes if box.operation == "cross_entropy"]
    assert loss.label == "loss" and loss.inside > 5
    inside = closed.inside[loss.id]
    for stage in union.stages:
        states = {stage.states[box] for box in inside if box in stage.states}
        (shown,) = [g for g in ElementTree.fromstring(closed.picture(stage, "")) if {*data_box(g)} & {*inside}]
        assert data_box(shown) == [box for box in inside if box in stage.states]
        assert shown.get("class") == (states.pop() if len(states) == 1 else REWIRED)
    assert len(opened.diagram.boxes) == len(union.diagram.boxes)


def data_box(element):
    return element.get("data-box", "").split()


def test_every_pass_has_a_reason_and_its_own_source():
    for name in PASSES:
        rule = rule_of(name)
        assert f"def {name}(" in rule.source and rule.legal != UNKNOWN and rule.legal.endswith(".")
        assert rule.equation and not set("\\$") & set(rule.equation + rule.more)


def test_a_training_step_shows_its_model_and_compares_what_it_writes(training):
    assert training.story.written[0].title == "Sequential"
    assert any("lora_A" in line.text for line in training.story.written[0].lines)
    assert training.steps[-1].difference < 1e-6


def test_a_cell_of_a_notebook_is_called_a_cell(tmp_path):
    path = tmp_path / "ipykernel_7" / "2598061565.py"
    path.parent.mkdir()
    path.write_text(
        "import numpy as np\nimport tinygrad_lora as tl\n\n\ndef f(x):\n    return x + 1.0\n\n\n"
        "def main():\n    return tl.compile(f).prepare(np.ones(3))\n"
    )
    exploration = explore(compiled_function(f"{path}:main"))
    assert [excerpt.title for excerpt in exploration.story.written] == ["cell, line 5"]


def test_a_function_without_module_or_source_is_explored():
    names = {}
    exec("def f(x):\n    return x * 2.0", names)
    assert names["f"].__module__ in (None, "builtins")
    names["f"].__module__ = None
    exploration = explore(tl.compile(names["f"]).prepare(np.ones(3)))
    assert exploration.story.written == [] and exploration.steps[-1].difference == 0


def test_random_whole_numbers_are_valid_indices_and_other_numbers_give_finite_results():
    table = tl.parameter(np.ones((3, 2)), "table")
    graph = tl.trace(lambda i, x: tl.log(tl.take(table, i)) * tl.sqrt(x), np.zeros(50, int), np.ones((50, 2)))
    index, *_ = arrays = checks.random_inputs(graph)
    assert index.min() == 0 and index.max() == 2
    values = {}
    checks.run(graph, arrays, values)
    assert all(np.isfinite(values[node]).all() for node in graph.outputs)


def test_differences_are_relative_and_a_nan_in_one_place_alone_counts():
    assert checks.difference([np.array([1.0, 2.0])], [np.array([1.0, 4.0])]) == 0.5
    assert checks.difference([np.array([np.nan])], [np.array([np.nan])]) == 0
    assert np.isnan(checks.difference([np.array([np.nan, 1.0])], [np.array([1.0, 1.0])]))


def test_time_is_measured_on_request(flagship):
    measured = explore(tl.compile(lambda x: x + 1.0).prepare(np.ones(3)), measure=True)
    assert all(step.microseconds > 0 for step in measured.steps)
    assert "microseconds, measured" in measured.html and "microseconds" in str(measured)
    assert "microseconds by itself" in measured.html and "microseconds by itself" not in flagship.html
    box = next(box for box in measured.story.union.diagram.boxes if box.role == "operation")
    assert re.search(r"3 flops, \d+\.\d µs$", box.shape) and box.shape in measured.html
    assert " µs" not in flagship.html and "measured" not in flagship.html and "microseconds" not in str(flagship)


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (999, "999"), (4_690_000, "4.69M"), (131_072, "131k")])
def test_large_numbers_are_short(number, text):
    assert short(number) == text


# --- The page ---


def test_the_page_is_sound_and_small_and_loads_nothing(flagship, training):
    for exploration, limit in ((flagship, 300_000), (training, 750_000)):
        page = exploration.page
        assert len(page.encode()) < limit
        read = Drawn(page)
        assert not [attributes for _, attributes in read.elements if {"src", "onload", "onclick"} & set(attributes)]
        links = [attributes["href"] for _, attributes in read.elements if "href" in attributes]
        ids = {attributes["id"] for _, attributes in read.elements if "id" in attributes}
        assert links and {link.removeprefix("#") for link in links} <= ids
        assert "http:" not in page and "https:" not in page and "@import" not in page


@pytest.mark.parametrize("make", KINDS)
def test_a_page_of_a_small_program_is_under_300_kilobytes(make):  # with functions closed, and open
    assert len(explored(make).page.encode()) < 300_000


def test_without_a_script_every_step_can_be_read(flagship):
    read = Drawn(flagship.page)
    text = "".join(read.texts)
    for i, step in enumerate(flagship.steps):
        assert any(a.get("id", "").endswith(f"-{i}") and a.get("class") == "step" for _, a in read.elements)
        if step.rule:
            assert step.rule.legal in text and f"{i + 1}. {step.name}" in text
    assert flagship.story.program.source.split("\n")[-3].strip().split("  ")[0] in text
    # With functions closed and open, a picture for each step; boxes and heads
    assert sum(tag == "svg" for tag, _ in read.elements) == 2 * (len(flagship.steps) + 2)


class Untrusted(Reader):
    """What a notebook that is not trusted leaves of a page: no style, no script; of drawings the text alone."""

    def handle_starttag(self, tag, attributes):
        super().handle_starttag(tag, attributes)
        if self.open and dict(attributes).get("style") == "display: none":
            self.open[-1] = "hidden"

    def handle_endtag(self, tag):
        if self.open[-1:] == ["hidden"]:
            self.open[-1] = tag
        super().handle_endtag(tag)

    def handle_data(self, data):
        if "svg" in self.open and "hidden" not in self.open:
            self.texts.append(data)


def test_where_drawings_are_taken_away_no_text_of_theirs_is_left_and_an_image_is(flagship, training):
    for exploration in (flagship, training):
        read = Untrusted(exploration.html)
        assert read.texts == []
        (image,) = [attributes for tag, attributes in read.elements if tag == "img"]
        kind, _, code = image["src"].partition(";base64,")
        picture = ElementTree.fromstring(b64decode(code))
        assert kind == "data:image/svg+xml" and picture.tag.endswith("svg")
        shown = draw(exploration.story.program.graph).diagram
        assert sum("data-box" in part.attrib for part in picture.iter()) == len(shown.boxes)
        assert image["alt"].startswith(f"The graph of the program {exploration.story.name}: ")
    assert len(flagship.html.encode()) < 300_000


def test_every_picture_says_in_words_what_it_shows_and_is_well_formed(flagship):
    pictures = re.findall(r"<svg .*?</svg>", flagship.html, re.DOTALL)
    assert all(ElementTree.fromstring(picture) is not None for picture in pictures)
    labels = [unescape(label) for label in re.findall(r'<svg [^>]*aria-label="([^"]*)"', flagship.html)]
    assert labels[::2] == labels[1::2]  # functions closed and open
    for step, label in zip(flagship.steps, labels[::2], strict=True):
        names = [name for box, name in flagship.story.union.names.items() if step.stage.states.get(box) == ADDED]
        assert {*names} <= {*re.split("[:,.]? ", label)}


def test_changes_are_marked_by_sign_and_dash_and_not_by_color_alone(flagship):
    style = flagship.html[: flagship.html.index("</style>")]
    assert ".removed { --mark: var(--removed); --dashes: 7 4" in style
    assert ".rewired { --mark: var(--rewired); --dashes: 2 4" in style
    changes = [state for step in flagship.steps for state in step.stage.states.values() if state != KEPT]
    pictures = re.findall(r"<svg [^>]*role=.*?</svg>", flagship.html, re.DOTALL)
    assert sum(picture.count('class="sign"') for picture in pictures[1::2]) == len(changes)
    assert flagship.html.count("<ins") == sum(line.state == NEW for step in flagship.steps for line in step.lines)


def test_names_and_source_are_shown_as_text(tmp_path):
    path = tmp_path / "hostile <b>.py"
    path.write_text(
        "import numpy as np\nimport tinygrad_lora as tl\n"
        f"names = {HOSTILE!r}\n"
        "weights = [tl.parameter(np.ones((3, 3)), name) for name in names]\n\n\n"
        "def f(x):\n"
        f"    {HOSTILE[0]!r}\n"
        "    for w in weights:\n"
        "        x = x @ w  # </script><script>alert(2)</script> & <b>\n"
        "    return x\n\n\n"
        "def main():\n    return tl.compile(f).prepare(np.ones((2, 3)))\n",
        encoding="utf-8",
    )
    exploration = explore(compiled_function(f"{path}:main"))
    read = Drawn(exploration.page)
    tags = [tag for tag, _ in read.elements]
    assert tags.count("script") == 1 and "img" not in tags
    text = "".join(read.texts)
    assert "</script><script>alert(2)</script> & <b>" in text and HOSTILE[1] in text and HOSTILE[3] in text
    assert str(tmp_path) not in exploration.page, "the page tells where the file lies"


@pytest.mark.slow
def test_the_same_program_gives_the_same_bytes_in_every_process(tmp_path):
    pages = set()
    for seed in ("0", "1"):
        out = tmp_path / f"{seed}.html"
        code = f"from tinygrad_lora.commands.main import main; main(['explore', '--quiet', '--out', {str(out)!r}])"
        environment = os.environ | {"PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        pages.add(out.read_bytes())
    assert len(pages) == 1


def test_two_different_explorers_share_no_id(flagship):
    other = explored(PROGRAMS["affine"])
    ids = [set(re.findall(r'\bid="([^"]+)"', exploration.html)) for exploration in (flagship, other)]
    assert ids[0] and ids[1] and not ids[0] & ids[1]


def test_a_graph_of_very_many_boxes_is_left_to_the_code():
    def chain(x):
        for i in range(320):
            x = tl.tanh(x) * (1.0 + i)
        return x

    exploration = explore(tl.compile(chain, passes=()).prepare(np.ones(2)))
    assert "too many for a picture" in exploration.html and "<use" not in exploration.html


# --- As an object and as a command ---


def test_an_exploration_shows_itself_as_html_and_as_text(flagship, tmp_path):
    bundle = flagship._repr_mimebundle_()
    assert bundle == {"text/html": flagship.html, "text/plain": str(flagship)}
    assert set(flagship._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert set(flagship._repr_mimebundle_(exclude=["text/html"])) == {"text/plain"}
    assert flagship.save(tmp_path / "new" / "page.html").read_text(encoding="utf-8") == flagship.page
    assert repr(flagship) == f"<exploration of naive_lora_step, {len(flagship.steps)} steps>"
    assert str(flagship).endswith(flagship.story.program.source.rstrip())
    assert "(AB)C = A(BC): bracket each chain so that it costs least." in str(flagship)


def test_explore_can_write_the_page_at_once(tmp_path):
    compiled = tl.compile(lambda x: x + 1.0).prepare(np.ones(3))
    exploration = explore(compiled, tmp_path / "page.html")
    assert (
        isinstance(exploration, Exploration)
        and (tmp_path / "page.html").read_text(encoding="utf-8") == exploration.page
    )


def test_only_compiled_functions_that_know_their_arguments_can_be_explored():
    with pytest.raises(TypeError, match="compiled function, not function"):
        explore(lambda x: x)
    with pytest.raises(CompileError, match="has not seen any arguments yet"):
        explore(tl.compile(lambda x: x))


@pytest.mark.slow
def test_a_program_of_another_library_is_shown_and_not_compared():
    pytest.importorskip("numba")
    pytest.importorskip("scipy")
    exploration = explored(PROGRAMS["affine"], engine="numba")
    assert exploration.steps[-1].difference is None and "another library runs it" in exploration.html


def test_the_command_writes_the_flagship(tmp_path, capsys):
    assert main(["explore", "--out", str(tmp_path / "page.html")]) == 0
    printed = capsys.readouterr().out
    assert "rebracket" in printed and str(tmp_path / "page.html") in printed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "write MODULE:NAME"),
        ("no_such_module:f", "there is no module 'no_such_module'"),
        ("no_such_file.py:f", "there is no file"),
        ("json:no_such_name", "has no 'no_such_name'"),
        ("json:no.such.name", "has no 'no.such.name'"),
        ("json:dumps", "needs obj; it must be a compiled function"),
        ("sys:maxsize", "is an int; it must be a compiled function"),
    ],
)
def test_the_command_says_what_it_needs(name, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        compiled_function(name)

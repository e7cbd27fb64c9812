"""Our own layout and its SVG: nothing overlaps, arrows lead where they should, few lines cross, every time the same."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import examples

import tinygrad_lora as tl
from tinygrad_lora.models.bert import BertModel
from tinygrad_lora.view.diagram.collapse import with_functions_closed
from tinygrad_lora.view.diagram.data import ROLES, Arrow, Box, Diagram, diagram
from tinygrad_lora.view.diagram.layers import LayerFrame, every
from tinygrad_lora.view.layout import Frame, LayoutBlock, LayoutLine, arrange, text_width
from tinygrad_lora.view.layout.order import crossings, order_rows
from tinygrad_lora.view.layout.ranks import ranks
from tinygrad_lora.view.layout.rows import LayoutEdge, in_rows
from tinygrad_lora.view.svg.boxes import PAD, SIZE
from tinygrad_lora.view.svg.draw import draw_svg, lay_out
from tinygrad_lora.view.svg.layout import LABEL
from tinygrad_lora.view.svg.style import DARK, LIGHT, ROOT

CHILD_ROOT = Path(__file__).resolve().parents[2]
DIRECTIONS = ["TB", "LR", "BT", "RL"]
SVG = "{http://www.w3.org/2000/svg}"


def box(name, role="operation", **more):
    operation = "matmul" if role == "operation" else "parameter"
    fields = {"operands": (), "parameters": (), "shape": "(2, 3)", "dtype": "float64", "output": False}
    return Box(name, more.pop("label", name), operation, role=role, **fields | more)


def graph(n, pairs, labels=(), clusters=()):
    """A diagram of n boxes, by numbers."""
    arrows = [
        Arrow(f"n{a}", f"n{b}", label, i % 2 == 0)
        for i, ((a, b), label) in enumerate(zip(pairs, [*labels, *[""] * len(pairs)], strict=False))
    ]
    return Diagram("graph", tuple(box(f"n{i}") for i in range(n)), tuple(arrows), clusters)


def tiny():
    x, y = tl.parameter(3.0, "x"), tl.parameter(4.0, "y")
    z = x * y + y
    z.name = "z"
    z.backward()
    return diagram(z, values=True, gradients=True)


def lora():
    x = tl.placeholder((2, 4), name="x")
    frozen = tl.parameter(np.ones((4, 3)), "W", trainable=False)
    a, b = tl.parameter(np.ones((4, 1)), "A"), tl.parameter(np.zeros((1, 3)), "B")
    return diagram(tl.mean(x @ frozen + 2.0 * (x @ a @ b)))


def two_layers():
    """A network with two layers, its loss and all gradients."""
    x, target = tl.placeholder((8, 4), name="x"), tl.placeholder((8, 2), name="target")
    w1, b1 = tl.parameter(np.ones((4, 16)), "W1"), tl.parameter(np.ones(16), "b1")
    w2, b2 = tl.parameter(np.ones((16, 2)), "W2"), tl.parameter(np.ones(2), "b2")
    loss = tl.mse(tl.tanh(x @ w1 + b1) @ w2 + b2, target)
    return diagram(tl.Graph([x, target], [loss, *tl.gradients(loss, [w1, b1, w2, b2])]))


def adapted():
    return tl.adapt(tl.Sequential(tl.Linear(4, 3, seed=0), tl.relu, tl.Linear(3, 2, seed=1)), 2, seed=2)


def training_step():
    model = adapted()
    parameters = [p for p in model.named_parameters().values() if p.requires_gradient]
    step = tl.compile_training_step(model, tl.cross_entropy, tl.AdamW(parameters, 1e-3))
    step(np.ones((5, 4)), np.zeros(5, dtype=int))
    return diagram(step)


KNOWN = {
    "tiny": tiny,
    "lora": lora,
    "two_layers": two_layers,
    "adapted": lambda: diagram(adapted()),
    "training_step": training_step,
    "empty": lambda: Diagram("nothing", (), ()),
    "alone": lambda: graph(3, []),
    "operands": lambda: graph(3, [(0, 2), (1, 2), (0, 2)], ["condition", "a", "b"]),
    "narrow": lambda: graph(4, [(0, 3), (1, 3), (2, 3), (0, 3)], ["target", "y", "", "indices[10]"]),
}


@st.composite
def graphs(draw, most=100):
    """Random graphs: each box has up to three operands among those before it, near ones more often."""
    n = draw(st.integers(1, most))
    pairs, labels = [], []
    for end in range(1, n):
        for _ in range(draw(st.integers(0, 3))):
            far = draw(st.booleans())
            pairs.append((draw(st.integers(0 if far else max(0, end - 5), end - 1)), end))
            labels.append(draw(st.sampled_from(["", "a", "target", "condition"])))
    return graph(n, pairs, labels)


def clustered(shown, size):
    """The same graph with frames around runs of boxes, and smaller ones inside."""
    names = [b.id for b in shown.boxes]
    clusters = []
    for i in range(0, len(names), size):
        inner = LayerFrame(f"i{i}", f"inner {i}", f"inner: Layer{i}", (), tuple(names[i : i + size // 3]))
        rest = tuple(names[i + size // 3 : i + size - 1])
        clusters.append(LayerFrame(f"c{i}", f"part {i}", f"part {i}: Layer", ("12 parameters",), rest, (inner,)))
    return replace(shown, clusters=tuple(clusters))


# --- Measuring what was laid out ---


def points(path):
    """The path as points, curves sampled."""
    polyline = []
    for command, text in re.findall(r"([MLC])([^MLC]*)", path):
        numbers = [float(number) for number in text.split()]
        ends = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command != "C":
            polyline += ends
            continue
        curve = [polyline[-1], *ends]
        for i in range(1, 17):
            t = i / 16
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            polyline.append(tuple(sum(w * p[axis] for w, p in zip(weights, curve, strict=True)) for axis in (0, 1)))
    return polyline


def overlap(a, b, by=0.0):
    return all(a[i] + a[i + 2] > b[i] + by and b[i] + b[i + 2] > a[i] + by for i in (0, 1))


def holds(outer, inner):
    return all(outer[i] < inner[i] and inner[i] + inner[i + 2] < outer[i] + outer[i + 2] for i in (0, 1))


def check(shown, rankdir="TB"):
    """Everything that holds for every picture."""
    laid = lay_out(shown, rankdir=rankdir)
    assert list(laid.boxes) == [b.id for b in shown.boxes]
    assert not [pair for pair in combinations(laid.boxes, 2) if overlap(*(laid.boxes[name] for name in pair))]
    whole = (0.0, 0.0, laid.width, laid.height)
    assert all(holds(whole, place) for place in (*laid.boxes.values(), *laid.frames.values()))
    assert [(start, end) for start, end, _ in laid.arrows] == [(a.start, a.end) for a in shown.arrows]
    along, sign = (0 if rankdir in ("LR", "RL") else 1), (-1 if rankdir in ("BT", "RL") else 1)
    across = 1 - along
    for (start, end, path), (tip, toward) in zip(laid.arrows, laid.heads, strict=True):
        line = points(path)
        first, last = laid.boxes[start], laid.boxes[end]
        leaves, enters = first[along] + first[along + 2], last[along]
        if sign < 0:
            leaves, enters = first[along], last[along] + last[along + 2]
        assert abs(line[0][along] - leaves) < 0.11 and abs(line[-1][along] - enters) < 0.11
        assert first[across] < line[0][across] < first[across] + first[across + 2]
        assert last[across] < line[-1][across] < last[across] + last[across + 2]
        assert np.allclose(tip, line[-1], atol=0.11) and round(toward[along]) == sign and round(toward[across]) == 0
        steps = [sign * (b[along] - a[along]) for a, b in pairwise(line)]
        assert min(steps) > -0.11 and sum(steps) > 10
    check_labels(shown, laid, rankdir)
    return laid


def check_labels(shown, laid, rankdir):
    """The names of operands stand beside their arrows and over no other, and no two of a box touch."""
    named = [(arrow, place) for arrow, place in zip(shown.arrows, laid.labels, strict=True) if arrow.label]
    places = [(x, y - 9, text_width(arrow.label, LABEL), 11) for arrow, (x, y) in named]
    for (arrow, _), (left, _, width, _) in zip(named, places, strict=True):
        x, _, whole, _ = laid.boxes[arrow.end]
        assert rankdir in ("LR", "RL") or x - 0.1 < left < left + width < x + whole + 0.1
    for (a, (arrow, _)), (b, (other, _)) in combinations(enumerate(named), 2):
        assert arrow.end != other.end or not overlap(places[a], places[b], -1)
    for (arrow, _), place in zip(named, places, strict=True):
        for other, (tip, toward) in zip(shown.arrows, laid.heads, strict=True):
            before = [(tip[0] - t * toward[0], tip[1] - t * toward[1]) for t in (0, 5, 10)]
            on_it = [(x, y) for x, y in before if overlap((x - 2, y - 2, 4, 4), place)]
            assert arrow.end != other.end or not on_it


def check_clear(shown, laid):
    """No arrow passes through a box that is not one of its ends."""
    for start, end, path in laid.arrows:
        line = points(path)
        for name, (x, y, width, height) in laid.boxes.items():
            if name not in (start, end):
                inside = [p for p in line if x + 1 < p[0] < x + width - 1 and y + 1 < p[1] < y + height - 1]
                assert not inside, f"{start} -> {end} passes through {name}"


def check_frames(shown, laid):
    """A frame holds what is its own and nothing else."""
    waiting = [(cluster, ()) for cluster in shown.clusters]
    while waiting:
        cluster, outer = waiting.pop()
        place = laid.frames.get(cluster.id)
        own = set(cluster.boxes) | {name for part in parts(cluster) for name in part.boxes}
        if place:
            for name, box_place in laid.boxes.items():
                assert holds(place, box_place) if name in own else not overlap(place, box_place)
            assert all(holds(laid.frames[name], place) for name in outer)
        names = (*outer, cluster.id) if place else outer
        waiting += [(part, names) for part in cluster.clusters]


def parts(cluster):
    for part in cluster.clusters:
        yield part
        yield from parts(part)


# --- Places ---


@pytest.mark.parametrize("rankdir", DIRECTIONS)
@pytest.mark.parametrize("name", KNOWN)
def test_nothing_overlaps_and_arrows_lead_from_border_to_border(name, rankdir):
    shown = KNOWN[name]()
    laid = check(shown, rankdir)
    check_clear(shown, laid)
    check_frames(shown, laid)


@pytest.mark.slow
@examples(30)
@given(graphs())
def test_a_random_graph_is_laid_out_by_the_same_rules(shown):
    check_clear(shown, check(shown))


@examples(30)
@given(graphs(most=40), st.integers(3, 12), st.sampled_from(DIRECTIONS))
def test_frames_hold_what_is_theirs_and_nothing_else(shown, size, rankdir):
    shown = clustered(shown, size)
    laid = check(shown, rankdir)
    check_clear(shown, laid)
    check_frames(shown, laid)


def test_a_frame_that_a_line_leaves_and_enters_again_is_left_away():
    frame = LayerFrame("c0", "part", "part: Layer", (), ("n0", "n2"))
    other = LayerFrame("c1", "rest", "rest: Layer", (), ("n3",))
    laid = check(graph(4, [(0, 1), (1, 2), (2, 3)], clusters=(frame, other)))
    assert list(laid.frames) == ["c1"]


def test_a_cycle_is_refused():
    with pytest.raises(ValueError, match="cycle"):
        lay_out(graph(2, [(0, 1), (1, 0)]))


def test_an_operand_that_only_one_operation_needs_stands_right_above_it():
    chain = [(i, i + 1) for i in range(9)]
    assert ranks(12, [*chain, (10, 8), (11, 10)], set(), set())[8] - 1 == 7
    rank = ranks(12, [*chain, (10, 8), (11, 10)], set(), set())
    assert (rank[10], rank[11]) == (7, 6)


def test_what_hangs_together_moves_together():
    # 10 and 11 feed 12, which feeds the end of a long chain: all three belong near that end.
    rank = ranks(13, [*((i, i + 1) for i in range(9)), (10, 12), (11, 12), (12, 9)], set(), set())
    assert (rank[9], rank[12], rank[10], rank[11]) == (9, 8, 7, 7)


def test_operands_stand_in_their_order_where_no_line_crosses():
    laid = lay_out(graph(3, [(1, 2), (0, 2)]))
    assert laid.boxes["n1"][0] < laid.boxes["n0"][0]


def test_a_line_that_passes_rows_is_straight():
    laid = lay_out(graph(8, [*((i, i + 1) for i in range(6)), (0, 7), (6, 7)]))
    assert laid.arrows[6][2].count("C") <= 2


def test_lines_from_one_box_are_one_line_as_long_as_they_can():
    edges = [LayoutEdge(0, end) for end in range(1, 9)] + [LayoutEdge(i, i + 1) for i in range(1, 8)]
    rows = in_rows([10.0] * 9, range(9), edges)
    assert len(rows.rank) - rows.blocks == 7  # bends: 28 if each line went its own way


# --- Crossings ---


def ordered(n, pairs):
    rank = ranks(n, pairs, set(), set())
    rows = in_rows([20.0] * n, rank, [LayoutEdge(*pair) for pair in pairs])
    order_rows(rows)
    return rows


def counted_one_by_one(rows):
    links = range(len(rows.upper))
    return sum(
        rows.rank[rows.upper[a]] == rows.rank[rows.upper[b]]
        and (rows.starts(a) - rows.starts(b)) * (rows.ends(a) - rows.ends(b)) < 0
        for a, b in combinations(links, 2)
    )


@examples(30)
@given(graphs(most=40))
def test_crossings_are_counted_right(shown):
    pairs = list(dict.fromkeys((int(a.start[1:]), int(a.end[1:])) for a in shown.arrows))
    rows = in_rows(
        [20.0] * len(shown.boxes), ranks(len(shown.boxes), pairs, set(), set()), [LayoutEdge(*p) for p in pairs]
    )
    before = crossings(rows)
    assert before == counted_one_by_one(rows)
    order_rows(rows)
    assert crossings(rows) == counted_one_by_one(rows) <= before


BINARY_TREE = [(i, (i - 1) // 2) for i in range(1, 31)]
LATTICE = [(4 * i + j, 4 * (i + a) + j + b) for i in range(4) for j in range(4) for a, b in ((0, 1), (1, 0))
           if i + a < 4 and j + b < 4]  # fmt: skip


@pytest.mark.parametrize(
    ("n", "pairs", "least"),
    [
        (31, BINARY_TREE, 0),
        (16, LATTICE, 0),
        (4, [(0, 2), (0, 3), (1, 2), (1, 3)], 1),
        (6, [(a, b) for a in (0, 1, 2) for b in (3, 4, 5)], 9),
        (12, [(0, i) for i in range(1, 11)] + [(i, 11) for i in range(1, 11)], 0),
        (8, [(0, 7), (1, 6), (2, 5), (3, 4)], 0),
    ],
)
def test_small_graphs_cross_no_more_than_they_must(n, pairs, least):
    assert crossings(ordered(n, pairs)) == least


@pytest.mark.parametrize(("name", "most"), [("tiny", 0), ("lora", 0), ("two_layers", 3), ("training_step", 30)])
def test_few_lines_cross_in_the_pictures_of_the_book(name, most):
    shown = KNOWN[name]()
    numbers = {b.id: i for i, b in enumerate(shown.boxes)}
    assert crossings(ordered(len(numbers), [(numbers[a.start], numbers[a.end]) for a in shown.arrows])) <= most


# --- Size ---


def test_a_deep_graph_needs_no_recursion():
    n = 1500
    assert n > sys.getrecursionlimit()
    laid = lay_out(graph(n, [(i, i + 1) for i in range(n - 1)]))
    assert len({round(x + width / 2, 3) for x, _, width, _ in laid.boxes.values()}) == 1  # one straight column


def test_deep_frames_need_no_recursion():
    cluster = LayerFrame("f", "f", "f", (), ("n0",))
    for i in range(1200):
        cluster = LayerFrame(f"c{i}", "c", "c", (), (), (cluster,))
    made = Frame("f", ("b",), ())
    for i in range(1200):
        made = Frame(f"f{i}", (), (made,), left=1.0)
    blocks = [LayoutBlock("b", 10, 10), LayoutBlock("a", 10, 10)]
    assert arrange(blocks, [LayoutLine("a", "b", 5, 5)], [made]).blocks["b"][0] >= 1200


def test_text_is_measured_as_helvetica():
    assert text_width("matmul", 1000) == 833 + 556 + 278 + 833 + 556 + 222
    assert text_width("AW", 1000, bold=True) == 722 + 944
    assert text_width("中", 10) > 10 and text_width("e\u0301", 10) == text_width("e", 10)


# --- The SVG ---


def root_of(shown, **options):
    return ET.fromstring(draw_svg(shown, **options))


def texts(root, name=""):
    return [e for e in root.iter(f"{SVG}text") if name in e.get("class", "").split() or not name]


@pytest.mark.parametrize("name", KNOWN)
def test_the_svg_has_a_name_a_description_and_every_box_and_arrow(name):
    shown = KNOWN[name]()
    root = root_of(shown, prefix="p1", caption=True, legend=True)
    assert root.get("role") == "img" and root.get("class") == ROOT
    assert {root.get("aria-labelledby"), root.get("aria-describedby")} == {"p1-title", "p1-desc"}
    assert (root[0].text, root[1].text) == (shown.title, shown.alternative)
    boxes = [e for e in root.iter(f"{SVG}g") if e.get("data-box")]
    assert [(e.get("data-box"), e.get("id")) for e in boxes] == [(b.id, f"p1-{b.id}") for b in shown.boxes]
    assert [b.role for b in shown.boxes] == [e.get("class").split()[1] for e in boxes]
    arrows = [e for e in root.iter(f"{SVG}g") if e.get("data-from")]
    assert [(e.get("data-from"), e.get("data-to")) for e in arrows] == [(a.start, a.end) for a in shown.arrows]
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))


def test_the_svg_of_a_small_graph_is_as_agreed(golden):
    golden("view_tiny.svg", draw_svg(tiny(), caption=True, legend=True).replace("><", ">\n<"))


def test_a_box_tells_what_the_listing_tells():
    root = root_of(tiny())
    shown = {e.get("data-box"): [t.text for t in texts(e)] for e in root.iter(f"{SVG}g") if e.get("data-box")}
    assert shown["n0"] == ["x", "trainable", "value", "3", "gradient", "4"]
    assert shown["n3"] == ["z = add", "a + b", "scalar", "output", "value", "16", "gradient", "1"]


def test_a_script_finds_texts_to_fill_and_room_for_them():
    shown = lora()
    plain, roomy = lay_out(shown), lay_out(shown, widths={"n0": 40})
    for laid, filled in ((plain, set()), (roomy, {"n0"})):
        boxes = [e for e in root_of(shown, laid=laid).iter(f"{SVG}g") if e.get("data-box")]
        numbers = {box.id for box in shown.boxes if box.value}
        assert {e.get("data-box") for e in boxes if len(texts(e, "gradient")) == 1} == filled
        assert {e.get("data-box") for e in boxes if len(texts(e, "value")) == 1} == filled | numbers
    assert roomy.boxes["n0"][2] > plain.boxes["n0"][2] + 100
    assert roomy.boxes["n0"][3] > plain.boxes["n0"][3] + 30


def test_classes_are_added_to_boxes_and_arrows():
    root = root_of(tiny(), classes={"n0": "active", "n1->n2": "flows back"})
    assert [e.get("data-box") for e in root.iter() if "active" in e.get("class", "").split()] == ["n0"]
    marked = [e for e in root.iter() if "flows" in e.get("class", "").split()]
    assert [(e.get("data-from"), e.get("data-to")) for e in marked] == [("n1", "n2")]


def test_the_legend_names_the_roles_that_occur():
    words = [t.text for t in texts(root_of(lora(), legend=True), "words")]
    assert words[:-1] == [meaning for _, meaning in lora().legend] and words[-1].startswith("thick arrow")
    assert not texts(root_of(lora()), "words")


HOSTILE = ['<b>"&\'', r"\N\G\l", "naïve 中文 🐍", "$\\frac{1}{2}$", "]]>", "</svg><script>alert(1)</script>", "--> x",
           "&lt;", "x" * 300, "\ud800", "a\x01b"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_text(name):
    boxes = (box("n0", "trainable", label=name, value=(name,)), box("n1", label=name, output=True))
    cluster = LayerFrame("c0", name, name, (name,), ("n0",))
    shown = Diagram(name, boxes, (Arrow("n0", "n1", name, True),), (cluster,))
    root = root_of(shown, caption=True, legend=True)
    assert not [e for e in root.iter() if e.tag.removeprefix(SVG) in ("script", "b")]
    readable = "".join(c if c.isprintable() else " " for c in name).strip()
    assert sum(readable[:80] in (t.text or "") for t in texts(root)) >= 5


@pytest.mark.slow
def test_the_same_object_gives_the_same_bytes_whatever_the_hash_seed():
    program = (
        "import sys; sys.path[:0] = ['tests', 'tests/view']\n"
        "import conftest\n"  # what the module's strategies ask for
        "from test_layout import KNOWN, draw_svg\n"
        "print(*(draw_svg(make(), caption=True, legend=True) for make in KNOWN.values()))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=CHILD_ROOT, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(CHILD_ROOT)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }  # fmt: skip
    assert len(outputs) == 1 and len(outputs.pop()) > 100_000


# --- Colors ---


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_the_contrast_that_readers_need(colors):
    assert set(LIGHT) == set(DARK)
    for role in (*ROLES, "wrong"):
        for text in ("ink", "muted", "value", "gradient"):
            assert contrast(colors[text], colors[f"{role}-fill"]) >= 4.5, (text, role)  # WCAG 2, level AA
        assert contrast(colors[role], colors["paper"]) >= 3, role
    for text in ("ink", "muted"):
        assert contrast(colors[text], colors["tint"]) >= 4.5 and contrast(colors[text], colors["paper"]) >= 4.5
    assert min(contrast(colors[line], colors["tint"]) for line in ("line", "back")) >= 3


@pytest.mark.parametrize("rankdir", ["TB", "BT"])
def test_no_line_crosses_the_text_of_a_frame(rankdir):
    config = {"hidden_size": 8, "vocab_size": 11, "intermediate_size": 12, "num_attention_heads": 2}
    model = BertModel.from_config({**config, "num_hidden_layers": 1, "max_position_embeddings": 16}, seed=0)
    shown = with_functions_closed(diagram(model)).diagram
    laid = lay_out(shown, rankdir=rankdir)
    assert len(laid.captions) > 15
    for frame in every(shown.clusters):
        if frame.id not in laid.frames:
            continue
        top = laid.frames[frame.id][1] + PAD
        texts = [text_width(frame.title, SIZE, True), *(text_width(line, SIZE) for line in frame.lines)]
        left, right = laid.captions[frame.id], laid.captions[frame.id] + max(texts)
        for _, _, path in laid.arrows:
            for x1, y1, x2, y2 in straight(path):
                assert not (left < x1 < right and min(y1, y2) < top + 8 < max(y1, y2)), (frame.title, x2)


def straight(path):
    """The straight parts of an SVG path, as the places of their ends."""
    at = (0.0, 0.0)
    for kind, numbers in re.findall(r"([MLC])([^MLC]*)", path):
        *_, x, y = map(float, re.findall(r"-?[\d.]+", numbers))
        if kind == "L":
            yield *at, x, y
        at = (x, y)

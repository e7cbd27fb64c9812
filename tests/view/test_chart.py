"""Charts: scales, ticks and contours as laws; what stands in the SVG is read back from it."""

import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st
from test_plots import EVERY_PLOT

import tinygrad_lora as tl
from tinygrad_lora.errors import DtypeError, ShapeError
from tinygrad_lora.view.chart import Chart, Panels, images
from tinygrad_lora.view.chart.contour import contour
from tinygrad_lora.view.chart.layout import panel, wrapped
from tinygrad_lora.view.chart.scales import linear_ticks, log_ticks, tick_texts
from tinygrad_lora.view.chart.style import COLORS, DASHES, FORMS, ON_DARK, SERIES
from tinygrad_lora.view.chart.write import MOST_CELLS
from tinygrad_lora.view.layout import text_width
from tinygrad_lora.view.svg.style import DARK, LIGHT

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<b>&\"'\\ $x_1$ \N{SLIGHTLY SMILING FACE} \n % \0"
x = np.linspace(-1, 1, 30)


def everything():
    """A chart with every kind of mark."""
    chart = Chart("All of it", x="across", y="up", percent="y", grid="xy")
    chart.image(np.outer(x, x), label="the scale", extent=(-1, 1, -1, 1)).contours(x, x, np.outer(x, x), 5)
    chart.line(x, x**2, "line", points=True).band(x, x - 1, x).points(x, x, "points").points(x, x, ring=True)
    chart.bars([0, 0.5], [0.2, 0.3], "bars").boxes([0], [0.1], [0], [0.1]).rule(y=0.5, label="rule").rule(x=0)
    return chart.text(0.5, 0.5, "words")


CHARTS = EVERY_PLOT | {
    "everything": everything,
    "empty": Chart,
    "images": lambda: images([np.eye(4)] * 7, range(7)),
    "nasty": lambda: Chart(NASTY, x=NASTY, y=NASTY).line([1], [1], NASTY).text(1, 1, NASTY),
    "panels": lambda: Panels([None, everything(), Chart("b")], 2, "title", note="a note"),
    "logarithmic": lambda: Chart("t", log="xy").line([1e-300, 1, 1e300], [1e-9, 2, 3], "line"),
}  # fmt: skip
each_chart = pytest.mark.parametrize("name", CHARTS)


def parsed(plot):
    return ElementTree.fromstring(plot.svg())


def numbers(text):
    return [float(n) for n in re.findall(r"-?\d+\.?\d*", text)]


# --- Every chart ---


@each_chart
def test_a_chart_is_one_sound_svg_with_a_title_a_description_and_no_script(name):
    plot = CHARTS[name]()
    svg = plot.svg()
    root = ElementTree.fromstring(svg)
    title, description, style = root[:3]
    assert root.get("role") == "img" and title.text and description.text
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert "prefers-color-scheme:dark" in style.text and "data-theme" in style.text
    assert not re.search(r"<script|href|url\(|nan|inf\b", svg.removeprefix("http://").replace("inference", ""))
    assert svg == CHARTS[name]().svg()
    assert str(plot) and plot.alternative.endswith(".")


@each_chart
def test_every_text_stands_inside_the_picture(name):
    root = parsed(CHARTS[name]())
    left, top, width, height = numbers(root.get("viewBox"))
    sizes = {"title": 12.0, "muted": 12.0}

    def look(element, dx, dy):
        if move := element.get("transform"):
            if "rotate" in move:
                return
            a, b = numbers(move)[:2] if "translate" in move else (0.0, 0.0)
            dx, dy = dx + a, dy + b
        if element.tag == f"{SVG}text" and element.text:
            kind = (element.get("class") or "").split()
            size = 11.0 if {"tick", "small"} & {*kind} else sizes.get(kind[0] if kind else "", 12.0)
            long = text_width(element.text, size, "title" in kind)
            start = dx + float(element.get("x")) - long * (0.5 if "middle" in kind else "end" in kind)
            assert left - 0.6 <= start and start + long <= left + width + 0.6, element.text
            assert top <= dy + float(element.get("y")) <= top + height, element.text
        for part in element:
            look(part, dx, dy)

    look(root, 0.0, 0.0)


def test_the_legend_stands_above_the_plot():
    """So it covers no data: the plot begins at 0, and every word of the legend is higher."""
    labels = {f"a rather long name of a line, number {i}" for i in range(7)}
    chart = Chart("t", y="y")
    for label in sorted(labels):
        chart.line(x, x, label)
    texts = [element for element in parsed(chart).iter(f"{SVG}text") if element.text in labels]
    assert len(texts) == 7 and all(float(text.get("y")) < 0 for text in texts)
    assert len({text.get("y") for text in texts}) > 1


# --- Scales ---


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12), st.booleans())
def test_ticks_are_few_and_at_multiples_of_one_two_or_five(low, length, most, whole):
    high = low + length
    ticks = linear_ticks(low, high, most, whole)
    slack = 1e-6 * (abs(low) + abs(high))
    assert len(ticks) <= max(most, 6) and all(low - slack <= tick <= high + slack for tick in ticks)
    if whole:
        assert all(tick == int(tick) for tick in ticks)
    if len(ticks) > 1:
        steps = np.diff(ticks)
        np.testing.assert_allclose(steps, steps[0], rtol=1e-4)
        assert round(float(f"{steps[0]:.6e}".split("e")[0]), 3) in (1, 2, 5, 10)
    assert whole or len(ticks) > 1


@given(st.floats(1e-12, 1e12), st.floats(1.5, 1e12))
def test_ticks_of_a_log_scale_are_inside_it_and_between_two_and_eight(low, factor):
    ticks = log_ticks(low, low * factor)
    assert 2 <= len(ticks) <= 8 and ticks == sorted(ticks)
    assert low <= ticks[0] and ticks[-1] <= low * factor


def test_ticks_are_written_alike():
    assert tick_texts([0.0, 0.5, 1.0]) == ["0.0", "0.5", "1.0"]
    assert tick_texts([0.0, 1000.0]) == ["0", "1,000"]
    assert tick_texts([1e-6, 1.0, 1e20], log=True) == ["1e-6", "1", "1e20"]
    assert tick_texts([0.025, 1.0], percent=True) == ["2.5%", "100%"]


def test_integers_have_ticks_at_whole_numbers_and_others_need_not():
    def ticks(values):
        return [tick for tick, _ in panel(Chart().line(values, [0.0] * len(values))).x.ticks]

    assert all(tick == int(tick) for tick in ticks(range(1, 4)))
    assert ticks(range(1, 4)) == [1, 2, 3]
    assert 1.5 in ticks([1.0, 2.0, 3.0])
    assert [t for t, _ in panel(Chart().bars([1, 2, 3], [0.5, 1.5, 2.5])).x.ticks] == [1, 2, 3]


def test_a_scale_runs_from_its_limits_or_its_data_and_may_be_turned_round():
    up = panel(Chart(ylim=(3, 0)).line([0, 1], [1, 2])).y
    assert (up(3.0), up(0.0)) == (0, 220)
    across = panel(Chart(xlim=(0, None)).line([1.0, 2.0], [0, 0])).x
    assert across.low == 0 and 2 < across.high < 2.1
    one = panel(Chart().line([5.0], [0.0]))
    assert one.x.low < 5 < one.x.high and one.y.low < 0 < one.y.high


def test_a_log_axis_needs_a_positive_number():
    with pytest.raises(ValueError, match="none of these 2 is positive"):
        Chart(log="y").line([1, 2], [0, -1]).svg()


# --- Marks ---


def test_a_line_breaks_where_it_has_no_place():
    def parts(chart):
        return next(e.get("d") for e in parsed(chart).iter(f"{SVG}path") if e.get("class").startswith("line")).count(
            "M"
        )

    assert parts(Chart().line(range(5), [1.0, 2.0, np.nan, 2.0, 1.0])) == 2
    assert parts(Chart(log="y").line(range(5), [1, 2, 0, 2, 1])) == 2
    assert parts(Chart().line(range(5), [1, np.inf, 2, -np.inf, 1])) == 3
    assert parts(Chart().line(range(5), range(5))) == 1


def test_each_mark_takes_the_next_series_or_the_one_that_it_names():
    chart = Chart()
    for _ in range(SERIES + 1):
        chart.line(x, x)
    chart.points(x, x, series=5).band(x, x, x).rule(y=0).rule(y=1, label="rule")
    assert [mark.series for mark in chart.marks] == [*range(SERIES), 0, 5, 5, -1, 1]


def test_bars_stand_on_their_numbers_or_between_their_edges():
    (middle,), (edges,) = Chart().bars([1, 2], [3, 4]).marks, Chart().bars([0, 1, 3], [3, 4]).marks
    np.testing.assert_allclose(middle.xs, [[0.6, 1.6], [1.4, 2.4]])
    np.testing.assert_allclose(edges.xs, [[0, 1], [1, 3]])
    np.testing.assert_allclose(edges.ys, [[0, 0], [3, 4]])


@pytest.mark.parametrize("colors", ["signed", "ink", "share", "class"])
def test_the_cells_of_an_image_can_be_read_back(colors):
    """Each cell is painted once at most, in the color and strength of its number."""
    rng = np.random.default_rng(0)
    cells = rng.integers(0, SERIES, (7, 5)) if colors == "class" else rng.normal(size=(7, 5))
    cells = abs(cells) if colors in ("ink", "share") else cells
    root = parsed(Chart().image(cells, colors=colors))
    painted, strength = np.full((7, 5), -1), np.zeros((7, 5))
    for path in (path for path in root.iter(f"{SVG}path") if path.get("class").startswith("image")):
        for a, i, n in re.findall(r"M(\d+) (\d+)h(\d+)", path.get("d")):
            where = int(i), slice(int(a), int(a) + int(n))
            assert (painted[where] == -1).all()
            painted[where], strength[where] = int(path.get("class")[-1]), float(path.get("fill-opacity"))
    if colors == "class":
        np.testing.assert_array_equal(painted, cells)
    else:
        np.testing.assert_allclose(strength, abs(cells) / abs(cells).max(), atol=0.03)
        series = {"signed": np.where(cells > 0, 1, 0), "ink": 7, "share": 0}[colors]
        assert ((painted == series) | (strength == 0)).all()


def test_a_large_image_is_drawn_in_blocks_and_keeps_its_largest_numbers():
    cells = np.zeros((500, 3))
    cells[[17, 300], [0, 2]] = -5.0, 4.0
    chart = Chart().image(cells)
    rows = [e for e in parsed(chart).iter(f"{SVG}svg") if e.get("preserveAspectRatio") == "none"]
    assert numbers(rows[0].get("viewBox"))[2:] == [3, 125] and MOST_CELLS >= 125
    assert [path.get("fill-opacity") for path in rows[0]] == ["1.00", "0.81"]
    np.testing.assert_array_equal(chart.marks[0].cells, cells)


@given(st.floats(0.2, 0.9), st.floats(-0.1, 0.1))
def test_the_contour_of_a_cone_is_a_circle(radius, moved):
    grid = np.linspace(-1, 1, 41)
    (line,) = contour(grid, grid, np.hypot(grid - moved, grid[:, None]), radius)
    np.testing.assert_allclose(np.hypot(line[:, 0] - moved, line[:, 1]), radius, atol=2e-3)
    np.testing.assert_array_equal(line[0], line[-1])


def test_contours_are_whole_lines_and_a_saddle_has_two():
    grid = np.linspace(-1, 1, 11)
    z = np.outer(grid, grid)
    for level in (0.03, -0.03):
        lines = contour(grid, grid, z, level)
        assert len(lines) == 2
        for line in lines:
            assert abs(abs(line[[0, -1]]).max(axis=1) - 1).max() < 1e-12, "it ends at the edge"
            np.testing.assert_allclose(line[:, 0] * line[:, 1], level, atol=0.01)
    assert contour(grid, grid, z, 2.0) == []
    # In one cell: what the middle belongs to is joined.
    for corner, joined in ((0.9, True), (0.1, False)):
        lines = contour(np.arange(2), np.arange(2), np.array([[1.0, 0.0], [0.0, corner]]), 0.4)
        assert len(lines) == 1 + (corner > 0.4)
        if joined:
            ends = {tuple(np.round(line.mean(axis=0), 1)) for line in lines}
            assert ends == {(0.8, 0.2), (0.2, 0.8)}


def test_what_has_no_place_is_left_out_and_the_rest_is_drawn():
    chart = Chart(log="y").bars([1, 2], [0.0, 5.0]).text(1, -1, "nowhere").rule(y=-3).band([1, 2], [0, 1], [1, 2])
    chart.boxes([1], [2], [np.nan], [1]).image([[np.nan, 1.0], [np.inf, -2]], extent=(1, 2, 1, 2)).points(
        [1, 2], [1, 0]
    )
    svg = chart.svg()
    assert "nan" not in svg.replace(chart.alternative, "") and "nowhere" not in svg
    heights = re.findall(r'class="boxes s0" d="[^"]*?v([\d.-]+)[^"]*?v([\d.-]+)', svg)[0]
    assert float(heights[0]) == 0 and float(heights[1]) != 0
    assert images([]).svg() and Panels([]).alternative == "Empty."
    assert [chart.title for chart in images(np.ones((2, 3, 3)), np.array([4, 7])).charts] == ["4", "7"]


# --- Words ---


def test_a_chart_is_told_in_characters_and_in_a_sentence():
    chart = Chart("Two", x="step").line([1, 2, 3], [0.0, 0.5, 1.0], "up").line([1, 2, 3], [0.5] * 3, "flat")
    assert str(chart) == (
        "Two\n  up    ▁▅█  3 points, x 1 to 3, y 0 to 1\n  flat  ▅▅▅  3 points, x 1 to 3, y 0.5"
    )  # fmt: skip
    assert chart.alternative == "Two. up: 3 points, x 1 to 3, y 0 to 1; flat: 3 points, x 1 to 3, y 0.5. x: step."
    assert Chart("Why?").alternative == "Why? empty."
    assert repr(Chart()) == "an empty chart" and Chart(alternative="Own.").alternative == "Own."


def test_lines_of_a_title_are_as_wide_as_the_picture_allows():
    words = "a title of many words " * 5
    lines = wrapped(words, 100)
    assert " ".join(lines) == words.strip() and max(text_width(line, 12.0) for line in lines) <= 100


def test_a_chart_is_saved_as_svg_or_as_a_page(tmp_path):
    chart = everything()
    assert chart.save(tmp_path / "new" / "a.svg").read_text(encoding="utf-8") == f"{chart.svg()}\n"
    page = chart.save(tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and chart.svg() in page and "color-scheme:light dark" in page
    with pytest.raises(ValueError, match=r"'a\.png': a chart is written as SVG or as a page"):
        chart.save(tmp_path / "a.png")


# --- Refusals ---


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        (lambda c: c.line([1, 2, 3], [1, 2]), ShapeError, "x has 3, y has 2"),
        (lambda c: c.line(np.ones((2, 2)), [1]), ShapeError, r"x must have one axis .* not shape \(2, 2\)"),
        (lambda c: c.line(["a"], [1]), DtypeError, "x must hold real numbers"),
        (lambda c: c.line([1], [1j]), DtypeError, "y must hold real numbers .* not complex128"),
        (lambda c: c.bars([1, 2, 3, 4], [1, 2]), ShapeError, "x has 4, height has 2"),
        (lambda c: c.image([1, 2]), ShapeError, "a matrix of real numbers"),
        (lambda c: c.image([[1]], colors="red"), ValueError, "colors is one of ink, share, signed, class"),
        (lambda c: c.contours([1, 2], [1, 2, 3], np.ones((2, 3))), ShapeError, r"it must be \(3, 2\)"),
        (lambda c: c.contours([1, 2], [1, 2], [[1, 2], [3, np.nan]]), ShapeError, "finite"),
        (lambda c: Chart(log="z"), ValueError, "names axes"),
        (lambda c: Chart(grid=True), ValueError, "names axes"),
        (lambda c: c.line([1], [2], series="a"), ValueError, "whole number from 0 to 7"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, error, words):
    with pytest.raises(error, match=words):
        draw(Chart())


def test_numbers_may_be_labels():
    drawn = tl.Chart(2, x=3).line([1, 2], [3, 4], 8).svg()
    assert all(f">{number}<" in drawn for number in (2, 3, 8))


def test_the_public_name_is_the_same_and_nodes_are_numbers():
    assert tl.Chart is Chart
    node = tl.parameter(np.array([1.0, 2.0]))
    assert Chart().line([1, 2], node * 2).marks[0].ys[0].tolist() == [2, 4]


# --- Colors ---

# Machado, Oliveira and Fernandes 2009: what those see who lack one kind of cones, from linear RGB.
SEEN_BY = {
    "all": np.eye(3),
    "protanopes": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "deuteranopes": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "tritanopes": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
THEMES = {"light": (COLORS, LIGHT["paper"]), "dark": (ON_DARK, DARK["paper"])}


def linear(color):
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b*, in which the distance of two colors is how different they look."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], LUMINANCE, [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    x, y, z = np.cbrt(xyz / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("reader", SEEN_BY)
def test_series_look_different_to_every_reader(theme, reader):
    seen = [lab(SEEN_BY[reader] @ linear(color)) for color in THEMES[theme][0]]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 9
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen[:2], 2)) > 40
    assert len({*DASHES}) == len({*FORMS}) == len(seen) == SERIES


@pytest.mark.parametrize("theme", THEMES)
def test_series_stand_out_from_the_paper(theme):
    colors, paper = THEMES[theme]
    for i, color in enumerate(colors):
        low, high = sorted(linear(c) @ LUMINANCE + 0.05 for c in (color, paper))
        assert high / low >= (3 if i < 4 else 2), color


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "chart",
    [
        lambda: Chart().bars([1, np.nan], [np.inf, 3]),
        lambda: Chart(log="x").bars([1, 10, 100], [1, 2, 3]),
        lambda: Chart().bars(np.array([0, 6e4], np.float16), np.array([0, 6e4], np.float16)),
        lambda: Chart().line([0, 1, 2], [1e308, -1e308, 0]),
        lambda: Chart(log="y").line([0, 1], [5e-324, 1.7e308]),
        lambda: Chart().line([0, 1], [0, 5e-324]),
        lambda: Chart(xticks=[0, np.nan, 1e300]).line([0, 1], [0, 1]),
        lambda: Chart(xlim=(0, 1), xticks={0: 5, 9: "far"}).line([0, 9], [0, 1]),
        lambda: Chart().contours([], [], np.zeros((0, 0))),
        lambda: Chart().contours([0, 1], [0, 1], [[0, 1], [1, 2]], np.int64(3)),
    ],
)
def test_numbers_at_the_edge_leave_a_picture_of_the_usual_size(chart):
    svg = ElementTree.fromstring(str(chart().svg()))
    assert 400 < float(svg.get("width")) < 600
    assert str(chart())


@pytest.mark.filterwarnings("error")
def test_a_cell_that_is_no_number_has_no_class():
    cells = [p for p in ElementTree.fromstring(str(Chart().image([[1.0, np.nan]], colors="class").svg())).iter()
             if "image" in p.get("class", "")]  # fmt: skip
    assert [path.get("d") for path in cells] == ["M0 0h1v1h-1z"]


@pytest.mark.parametrize("limits", [(1, 1), (np.nan, 1), (0, np.inf)])
def test_limits_without_an_axis_between_are_refused(limits):
    with pytest.raises(ValueError, match="an axis runs from one number to another"):
        Chart(xlim=limits).line([0, 1], [0, 1]).svg()
    with pytest.raises(ValueError, match="from one positive number to another, not from -0"):
        Chart(log="x").image([[1, 2]]).svg()


def test_shares_that_differ_have_texts_that_differ():
    assert tick_texts([0.9999, 0.99995], percent=True) == ["99.99%", "99.995%"]
    assert tick_texts([0.07, 10], percent=True) == ["7%", "1000%"]


@pytest.mark.parametrize("at", [{}, {"x": 1, "y": 2}, {"x": [1, 2]}])
def test_a_rule_stands_at_one_number(at):
    with pytest.raises(TypeError, match="at one x or at one y"):
        Chart().rule(**at)

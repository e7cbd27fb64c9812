"""A picture of charts as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from ...core import Array
from ..layout import text_width
from ..svg.boxes import Rectangle, number, sides
from ..words.markup import Markup, element, joined
from ..words.sentences import one_line
from . import marks as m
from .layout import BETWEEN, LINE, SIZE, Panel, align, panel, swatch, wrapped
from .style import FORMS, ROOT, SERIES, style_sheet

if TYPE_CHECKING:
    from .chart import Chart

MARGIN = 8.0
OVER = 5.0  # how far the form of a point may stand out of the plot
FEW, SMALL = 60, 0.6  # the points of a line that are drawn large, and how large more of them are
STEPS = 32  # strengths of a color in an image
TINT = 0.22  # the strength of a class's color in the ground
MOST_CELLS = 128  # of an image, in a row or column; a larger one is drawn in blocks


def draw(rows: Sequence[Sequence[Chart | None]], title: str, note: str, alternative: str) -> Markup:
    """The charts as one `svg` element. The title of a single chart is its own."""
    single = len(rows) == 1 == len(rows[0])
    panels = [[panel(chart) if chart else None for chart in row] for row in rows]
    across, down = align(panels)
    width = max(across[-1] - BETWEEN, 120.0)
    heading = [] if single else [(line, "title") for line in wrapped(title, width, bold=True)]
    heading += [(line, "muted") for line in wrapped(note, width)]
    top = LINE * len(heading) + 4 * bool(heading)
    parts: list[Markup] = [_text(line, 0, LINE * i + SIZE, kind) for i, (line, kind) in enumerate(heading)]
    for i, row in enumerate(panels):
        for j, each in enumerate(row):
            if each:
                at = f"translate({number(across[j] + each.left)} {number(top + down[i] + each.top)})"
                parts.append(element("g", *_panel(each), transform=at))
    high = top + down[-1] - BETWEEN / 2
    name = f"c{sha256(joined(parts).encode()).hexdigest()[:8]}"
    box = f"{number(-MARGIN)} {number(-MARGIN)} {number(width + 2 * MARGIN)} {number(high + 2 * MARGIN)}"
    return element(
        "svg", element("title", one_line(title) or "Chart", id=f"{name}-title"),
        element("desc", alternative, id=f"{name}-desc"), element("style", Markup(style_sheet())),
        element("rect", class_="paper", x=number(-MARGIN), y=number(-MARGIN), width="100%", height="100%"), *parts,
        xmlns="http://www.w3.org/2000/svg", class_=ROOT, style="max-width:100%;height:auto", role="img",
        width=number(width + 2 * MARGIN), height=number(high + 2 * MARGIN), viewBox=box,
        aria_labelledby=f"{name}-title {name}-desc",
    )  # fmt: skip


def _panel(panel: Panel) -> Iterator[Markup]:
    """The parts of one chart, with the upper left corner of its plot at (0, 0)."""
    width, height = panel.chart.size
    base = -panel.top + SIZE
    for line in panel.title:
        yield _text(line, -panel.left, base, "title")
        base += LINE
    for row in panel.legend:
        x = -panel.left
        for mark in row:
            yield from _swatch(mark, x, base - 4)
            yield _text(mark.label, x + swatch(mark) + 6, base)
            x += swatch(mark) + 6 + text_width(mark.label, SIZE) + BETWEEN
        base += LINE
    for i, line in enumerate(reversed(panel.above)):
        yield _text(line, -panel.left, -12 - LINE * i, "muted")
    yield from _axes(panel, width, height)
    plot = sides((-OVER, -OVER, width + 2 * OVER, height + 2 * OVER))
    marks = (part for mark in panel.chart.marks for part in _mark(mark, panel))
    yield element("svg", *marks, **plot, viewBox=" ".join(plot.values()), style="overflow:hidden")
    for mark in panel.chart.marks:
        if isinstance(mark, m.Text):
            x, y = panel.x(mark.xs[0])[0] + mark.shift[0], height - panel.y(mark.ys[0])[0] - mark.shift[1]
            if np.isfinite(x + y):
                yield _text(mark.words, x, y + 4, f"{mark.tone} {mark.anchor} small")


def _axes(panel: Panel, width: float, height: float) -> Iterator[Markup]:
    """Lines at the ticks, the two axes, and their texts."""
    axes = panel.chart.axes
    framed = any(isinstance(mark, m.Image) for mark in panel.chart.marks)
    at_x = [(float(panel.x(tick)), text) for tick, text in panel.x.ticks]
    at_y = [(height - float(panel.y(tick)), text) for tick, text in panel.y.ticks]
    lines = [f"M0 {number(y)}h{number(width)}" for y, _ in at_y if axes["y"].grid and not framed]
    lines += [f"M{number(x)} 0v{number(height)}" for x, _ in at_x if axes["x"].grid and not framed]
    if lines:
        yield element("path", class_="grid", d="".join(lines))
    ticks = [f"M{number(x)} {number(height)}v4" for x, _ in at_x] + [f"M0 {number(y)}h-4" for y, _ in at_y]
    if ticks or framed:
        corner = f"M0 0H{number(width)}V{number(height)}H0z" if framed else f"M0 0V{number(height)}H{number(width)}"
        yield element("path", class_="axis", d=corner + "".join(ticks))
    for y, text in at_y:
        yield _text(text, -7, y + 4, "tick end")
    for x, text in at_x:
        if panel.turned:
            turn = f"translate({number(x + 4)} {number(height + 7)}) rotate(-90)"
            yield element("text", text, transform=turn, class_="tick end")
        else:
            yield _text(text, x, height + 16, "tick middle")
    below = height + panel.bottom - LINE * len(panel.below)
    for i, line in enumerate(panel.below):
        yield _text(line, width / 2, below + LINE * i + 11, "muted middle")


def _mark(mark: m.Mark, panel: Panel) -> Iterator[Markup]:
    """A mark of the chart, in pixels of its plot."""
    (width, height), kind = panel.chart.size, f"s{mark.series}"
    xs, ys = [panel.x(x) for x in mark.xs], [height - panel.y(y) for y in mark.ys]
    match mark:
        case m.Line():
            yield element("path", class_=f"line {kind}", d=_polyline(xs[0], ys[0]))
            if mark.points:
                yield _points(xs[0], ys[0], mark.series, size=1.0 if len(xs[0]) <= FEW else SMALL)
        case m.Points():
            yield _points(xs[0], ys[0], mark.series, mark.ring)
        case m.Band():
            good = np.isfinite(xs[0] + ys[0] + ys[1])
            x, low, high = xs[0][good], ys[0][good], ys[1][good]
            around = _polyline(np.append(x, x[::-1]), np.append(low, high[::-1]))
            yield element("path", class_=f"band {kind}", d=f"{around}z" if around else "")
        case m.Boxes():
            ends = zip((*xs, *ys), (0, 0, height, height), strict=True)
            a, b, c, d = (np.nan_to_num(side, nan=end) for side, end in ends)
            sides = zip(a, c, b - a, d - c, strict=True)  # a bar on a log axis begins where the axis does
            paths = [f"M{number(x)} {number(y)}h{number(w)}v{number(h)}h{number(-w)}z" for x, y, w, h in sides]
            yield element("path", class_=f"boxes {kind}", d="".join(paths))
        case m.RuleLine():
            look, at = "rule" if mark.series < 0 else f"line {kind}", (*xs, *ys)[0][0]
            d = f"M0 {number(at)}h{number(width)}" if ys else f"M{number(at)} 0v{number(height)}"
            yield element("path", class_=look, d=d if np.isfinite(at) else "")
        case m.Image():
            (left, right), (top, bottom) = xs[0], ys[0]
            cells = _blocks(mark.cells) if mark.colors != "class" else mark.cells
            yield _grid(cells, mark, (left, top, right - left, bottom - top))
        case m.Contours():
            for i, lines in enumerate(mark.lines):
                placed = [_polyline(panel.x(line[:, 0]), height - panel.y(line[:, 1])) for line in lines]
                strength = f"{0.25 + 0.75 * (i + 1) / len(mark.lines):.2f}"
                yield element("path", class_="contour", stroke_opacity=strength, d="".join(placed))


def _swatch(mark: m.Mark, x: float, y: float) -> Iterator[Markup]:
    """A sample of a mark for the legend, whose middle is at the height y."""
    kind, here = f"s{mark.series}", (np.array([x + swatch(mark) / 2]), np.array([y]))
    if isinstance(mark, m.Line | m.RuleLine):
        yield element("path", class_=f"line {kind}", d=f"M{number(x)} {number(y)}h{number(swatch(mark))}")
    if isinstance(mark, m.Points) or (isinstance(mark, m.Line) and mark.points):
        yield _points(*here, mark.series, isinstance(mark, m.Points) and mark.ring)
    if isinstance(mark, m.Boxes):
        yield element("path", class_=f"boxes {kind}", d=f"M{number(x + 1)} {number(y - 6)}h12v12h-12z")
    if isinstance(mark, m.Image):
        low = -mark.limit if mark.colors == "signed" else 0.0
        yield _grid(np.linspace(low, mark.limit, 14)[None], mark, (x, y - 6, swatch(mark), 12))


def _polyline(x: Array, y: Array) -> str:
    """A path through the points, in parts where a number is not finite."""
    good = np.isfinite(x) & np.isfinite(y)
    commands = np.where(np.append(False, good[:-1]), "L", "M")[good].tolist()
    points = zip(commands, x[good].tolist(), y[good].tolist(), strict=True)
    return "".join(f"{command}{number(a)} {number(b)}" for command, a, b in points)


def _points(x: Array, y: Array, series: int, ring: bool = False, size: float = 1.0) -> Markup:
    """A mark at each point, in the form of its series."""
    places = [(a, b) for a, b in zip((x / size).tolist(), (y / size).tolist(), strict=True) if np.isfinite(a + b)]
    d = "".join(f"M{number(a)} {number(b)}{FORMS[series]}" for a, b in places)
    look = "ring" if ring else f"points s{series}"
    return element("path", class_=look, transform=f"scale({size})" if size != 1 else None, d=d)


def _blocks(cells: Array) -> Array:
    """Each block of a large matrix by the number in it that is farthest from 0."""
    cells = cells.astype(np.float64)
    for axis in (0, 1):
        size = -(-cells.shape[axis] // MOST_CELLS)
        at = np.arange(0, cells.shape[axis], size)
        high, low = np.maximum.reduceat(cells, at, axis), np.minimum.reduceat(cells, at, axis)
        cells = np.where(high >= -low, high, low)
    return cells


def _grid(cells: Array, mark: m.Image, place: Rectangle) -> Markup:
    """The cells of an image, stretched to fill a rectangle."""
    box = f"0 0 {cells.shape[1]} {len(cells)}"
    return element("svg", *_cells(cells, mark), **sides(place), viewBox=box, preserveAspectRatio="none")


def _cells(cells: Array, mark: m.Image) -> Iterator[Markup]:
    """The cells of an image, a path for each color; equal neighbors in a row are one rectangle."""
    if mark.colors == "class":
        fine = np.isfinite(cells)
        keys = (np.where(fine, cells, 0).astype(np.int64) % SERIES * STEPS + round(TINT * STEPS)) * fine
    else:
        strength = np.nan_to_num(np.clip(np.rint(np.abs(cells) / mark.limit * (STEPS - 1)), 0, STEPS - 1))
        series = np.where(cells > 0, 1, 0) if mark.colors == "signed" else 7 if mark.colors == "ink" else 0
        keys = (strength + STEPS * series).astype(np.int64)
    paths: dict[int, list[str]] = {}
    for i, row in enumerate(keys):
        starts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist()]
        for a, b in zip(starts, [*starts[1:], len(row)], strict=True):
            paths.setdefault(int(row[a]), []).append(f"M{a} {i}h{b - a}v1h{a - b}z")
    for key in sorted(key for key in paths if key % STEPS):
        opacity = f"{key % STEPS / (STEPS - 1):.2f}"
        yield element("path", class_=f"image s{key // STEPS}", fill_opacity=opacity, d="".join(paths[key]))


def _text(words: str, x: float, y: float, kind: str | None = None) -> Markup:
    return element("text", one_line(words), x=number(x), y=number(y), class_=kind)

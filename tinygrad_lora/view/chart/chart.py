"""`Chart`: lines, points, bars, images and contours on two axes, and `Panels` of several charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ...core import Array
from ...errors import DtypeError, ShapeError
from ...files import FilePath, write_atomically
from ..words.bundle import Forms, Shown, picture_forms
from ..words.markup import Markup, page
from . import marks as m, words
from .contour import contour
from .scales import ChartAxis
from .style import SERIES
from .write import draw

Limits = tuple[float | None, float | None]
Ticks = Mapping[Any, str] | Sequence[Any] | None
Series = int | None
AUTOMATIC: Limits = (None, None)
PAGE = ":root{color-scheme:light dark}"
COLORS = ("ink", "share", "signed", "class")


class Panels(Shown):
    """Charts side by side, under a title and a note.

    The plots of a row or a column are aligned. A single `Chart` is the panels of itself alone.

    charts: a list of charts; None leaves a place empty
    columns: how many stand in a row
    title: goes above
    note: goes below
    alternative: the picture in words; "" makes them from the charts

    >>> from tinygrad_lora.view.chart import Panels
    >>> both = Panels([tl.Chart("a").line([0, 1], [1, 2]), tl.Chart("b").bars([0, 1], [3, 1])])
    >>> both.svg()[:4], both.alternative[:20]
    ('<svg', 'a: line: 2 points, x')
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(both.save(pathlib.Path(folder, "both.svg")).name)
    both.svg
    """

    def __init__(
        self, charts: Sequence[Chart | None], columns: int = 2, title: str = "", *, note: str = "",
        alternative: str = "",
    ) -> None:  # fmt: skip
        self.charts, self.columns, self.title, self.note = list(charts), columns, str(title), str(note)
        self._alternative = alternative

    @property
    def alternative(self) -> str:
        """The picture in words, for those who do not see it."""
        return self._alternative or words.alternative(self.title, filter(None, self.charts))

    def svg(self) -> Markup:
        """The picture as one SVG element, which follows the theme of the page or of the system.

        Returns a text.
        """
        rows = [self.charts[i : i + self.columns] for i in range(0, len(self.charts), self.columns)]
        return draw(rows, self.title, self.note, self.alternative)

    def save(self, path: FilePath) -> Path:
        """Write the picture to a file.

        path: that of the file, which ends in .svg or .html
        Returns the path.
        Raises ValueError for another ending.
        """
        path = Path(path)
        if path.suffix.lower() not in (".svg", ".html"):
            raise ValueError(f"{path.name!r}: a chart is written as SVG or as a page: end the name in .svg or .html")
        svg, as_page = self.svg(), path.suffix.lower() == ".html"
        return write_atomically(path, page(self.title or "Chart", svg, style=PAGE) if as_page else f"{svg}\n")

    def __repr__(self) -> str:
        return words.text(self.title, filter(None, self.charts))

    def _forms(self) -> Forms:
        return picture_forms(lambda: str(self), self.svg, self.alternative)


class Chart(Panels):
    """Lines, points, bars, images and contours on two axes. Every method adds something and returns the chart.

    What has a label is in the legend. Each mark takes the next of 8 series, which say its color, the form of its points
    and the dashes of its lines, unless it names its `series`, 0 to 7.

    title: goes above
    x, y: the names of the axes
    log: axes that are logarithmic: "x", "y", "xy" or ""
    percent: axes whose shares are written as percents
    grid: axes with lines at their ticks
    xlim, ylim: where an axis begins and ends; None follows the data
    xticks, yticks: numbers, or a dict of their texts; None puts ticks at round numbers, and at whole ones where all the
        data are integers
    size: width and height of the plot in pixels
    alternative: the picture in words; "" makes them from what is drawn
    Raises ValueError for names of axes that are none.

    >>> chart = tl.Chart("Loss", x="step", y="loss", log="y")
    >>> chart = chart.line([0, 1, 2], [1.0, 0.1, 0.01], "train", points=True)
    >>> chart = chart.band([0, 1, 2], [0.9, 0.09, 0.009], [1.1, 0.11, 0.011])
    >>> chart.points([2], [0.01], ring=True).rule(y=0.05).text(1.0, 0.5, "falls", anchor="start")
    Loss
      train   █▅▁  3 points, x 0 to 2, y 0.01 to 1
      points       1 point, x 2, y 0.01
    >>> tl.Chart().boxes([0], [1], [0], [2]).contours([0, 1], [0, 1], [[0.0, 1.0], [1.0, 2.0]]).svg()[:4]
    '<svg'
    >>> tl.Chart().image(np.eye(3)).alternative
    'image: 3 by 3 numbers, 0 to 1.'
    >>> tl.Chart().bars([1, 2], [3.0, 4.0], "count").alternative
    'count: x 0.6 to 2.4, y 0 to 4.'
    """

    def __init__(
        self, title: str = "", *, x: str = "", y: str = "", log: str = "", percent: str = "", grid: str = "y",
        xlim: Limits = AUTOMATIC, ylim: Limits = AUTOMATIC, xticks: Ticks = None, yticks: Ticks = None,
        size: tuple[float, float] = (420, 220), alternative: str = "",
    ) -> None:  # fmt: skip
        super().__init__([self], 1, title, alternative=alternative)
        self.marks: list[m.Mark] = []
        self.size, self._series = size, 0
        for what, names in (("log", log), ("percent", percent), ("grid", grid)):
            if not isinstance(names, str) or not set(names) <= {"x", "y"}:
                raise ValueError(f'{what} names axes, "x", "y", "xy" or "", not {names!r}')
        given = {"x": (str(x), xlim, xticks), "y": (str(y), ylim, yticks)}
        self.axes = {
            name: ChartAxis(label, name in log, name in percent, name in grid, limits, ticks)
            for name, (label, limits, ticks) in given.items()
        }

    def line(self, x: ArrayLike, y: ArrayLike, label: str = "", *, points: bool = False, series: Series = None) -> Self:
        """A line through the points (x, y). It breaks where a number is not finite.

        x, y: arrays of as many numbers (n,); one number stands for n equal ones
        label: what the legend calls it; "" leaves it out
        points: True adds a mark at each point
        series: 0 to 7; None takes the next one
        Returns the chart.
        Raises ShapeError for arrays of two lengths, DtypeError for what are no real numbers.
        """
        xs, ys = _alike(x=x, y=y)
        return self._add(m.Line(xs=(xs,), ys=(ys,), label=label, series=self._next(series), points=points))

    def points(self, x: ArrayLike, y: ArrayLike, label: str = "", *, ring: bool = False, series: Series = None) -> Self:
        """A mark at each point (x, y).

        x, y: arrays of as many numbers (n,); one number stands for n equal ones
        label: what the legend calls it; "" leaves it out
        ring: True draws the outline only
        series: 0 to 7; None takes the next one
        Returns the chart.
        """
        xs, ys = _alike(x=x, y=y)
        return self._add(m.Points(xs=(xs,), ys=(ys,), label=label, series=self._next(series), ring=ring))

    def band(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, *, series: Series = None) -> Self:
        """The area between two lines.

        x, low, high: arrays of as many numbers (n,)
        series: 0 to 7; None takes the color of the line before it
        Returns the chart.
        """
        xs, bottom, top = _alike(x=x, low=low, high=high)
        before = max(self.marks[-1].series, 0) if self.marks else 0
        return self._add(m.Band(xs=(xs,), ys=(bottom, top), series=before if series is None else series))

    def bars(self, x: ArrayLike, height: ArrayLike, label: str = "", *, series: Series = None) -> Self:
        """A bar from 0 to each height.

        x: as many numbers as heights: their middles; or one more: their edges
        height: an array (n,)
        label: what the legend calls it; "" leaves it out
        series: 0 to 7; None takes the next one
        Returns the chart.
        """
        xs, heights = _numbers(x, "x"), _numbers(height, "height")
        if len(xs) == len(heights) + 1:
            return self.boxes(xs[:-1], xs[1:], np.zeros(len(heights), int), heights, label, series=series)
        xs, heights = _alike(x=xs, height=heights)
        whole, xs = xs.dtype.kind in "iu", xs.astype(np.float64)
        places = np.unique(xs[np.isfinite(xs)])
        half = 0.4 * (float(np.diff(places).min()) if len(places) > 1 else 1.0)
        if len(places) and not self.axes["x"].log:
            self._frame("x", places[0] - 1.5 * half, places[-1] + 1.5 * half, whole=whole)
        return self.boxes(xs - half, xs + half, np.zeros(len(heights), int), heights, label, series=series)

    def boxes(
        self, left: ArrayLike, right: ArrayLike, bottom: ArrayLike, top: ArrayLike, label: str = "", *,
        series: Series = None,
    ) -> Self:  # fmt: skip
        """Rectangles, each from left to right and from bottom to top.

        left, right, bottom, top: arrays of as many numbers (n,)
        label: what the legend calls it; "" leaves it out
        series: 0 to 7; None takes the next one
        Returns the chart.
        """
        a, b, c, d = _alike(left=left, right=right, bottom=bottom, top=top)
        return self._add(m.Boxes(xs=(a, b), ys=(c, d), label=label, series=self._next(series)))

    def image(
        self, cells: ArrayLike, *, colors: str = "signed", limit: float | None = None, label: str = "",
        extent: tuple[float, float, float, float] | None = None,
    ) -> Self:  # fmt: skip
        """A matrix as colored cells, its first row at the top. Of a large one, a block is drawn by its largest number.

        cells: an array (rows, columns) of real numbers
        colors: "signed": zero has the color of the paper, positive numbers are vermilion and negative ones blue; in
            "ink" and "share" numbers from 0 on become dark, or blue; "class" paints each cell in the color of a series
        limit: the number that has the strongest color; None takes the largest
        label: shows the scale in the legend; "" leaves it out
        extent: (left, right, bottom, top) on the axes; None takes the rows and columns
        Returns the chart.
        Raises ShapeError for what is no matrix of real numbers, ValueError for other colors.
        """
        matrix = np.asarray(cells)
        if matrix.ndim != 2 or not matrix.size or matrix.dtype.kind not in "biuf":
            raise ShapeError(f"an image is a matrix of real numbers, not an array of {matrix.dtype}, {matrix.shape}")
        if colors not in COLORS:
            raise ValueError(f"colors is one of {', '.join(COLORS)}, not {colors!r}")
        n, k = matrix.shape
        left, right, bottom, top = extent or (-0.5, k - 0.5, n - 0.5, -0.5)
        self._frame("x", left, right, whole=extent is None)
        self._frame("y", bottom, top, whole=extent is None)
        strongest = float(np.abs(matrix[np.isfinite(matrix)]).max(initial=0)) if limit is None else limit
        xs, ys = (np.array([left, right]),), (np.array([top, bottom]),)
        return self._add(m.Image(xs=xs, ys=ys, label=label, cells=matrix, colors=colors, limit=strongest or 1.0))

    def contours(self, x: ArrayLike, y: ArrayLike, z: ArrayLike, levels: int | Sequence[float] = 10) -> Self:
        """Lines of equal height. The higher, the darker.

        x: an array (columns,)
        y: an array (rows,)
        z: an array (rows, columns) of finite heights
        levels: how many lines, at equal distances, or their heights
        Returns the chart.
        Raises ShapeError where the three do not fit together, and for heights that are not finite.
        """
        xs, ys, heights = _numbers(x, "x"), _numbers(y, "y"), np.asarray(z, np.float64)
        if heights.shape != (len(ys), len(xs)) or not np.isfinite(heights).all():
            problem = f"z has shape {heights.shape}, for {len(ys)} numbers of y and {len(xs)} of x"
            raise ShapeError(f"{problem}: it must be {(len(ys), len(xs))}, of finite numbers")
        low, high = (float(heights.min()), float(heights.max())) if heights.size else (0.0, 0.0)
        even: Any = levels
        if isinstance(levels, int | np.integer):
            even = np.linspace(low, high, max(int(levels), 0) + 2)[1:-1]
        return self._add(m.Contours(xs=(xs,), ys=(ys,), lines=[contour(xs, ys, heights, float(at)) for at in even]))

    def rule(self, *, x: float | None = None, y: float | None = None, label: str = "", series: Series = None) -> Self:
        """A line across the chart. Without a label or a series it is thin and gray.

        x, y: where it stands; one of the two is given
        label: what the legend calls it; "" leaves it out
        series: 0 to 7
        Returns the chart.
        Raises TypeError unless just one of x and y is a number.
        """
        if np.shape([at for at in (x, y) if at is not None]) != (1,):
            raise TypeError("a rule stands at one x or at one y: rule(x=3) or rule(y=0.5)")
        xs, ys = (() if at is None else (_numbers(at, "a rule"),) for at in (x, y))
        series = self._next(series) if label or series is not None else -1
        return self._add(m.RuleLine(xs=xs, ys=ys, label=label, series=series))

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "middle", shift: tuple[float, float] = (0, 0),
        tone: str = "muted",
    ) -> Self:  # fmt: skip
        """Words at a point.

        x, y: two numbers
        words: what stands there
        anchor: which part of the words is at the point: "start", "middle" or "end"
        shift: pixels to the right and up
        tone: "muted" is gray, "ink" as dark as the axes
        Returns the chart.
        """
        xs, ys = (_numbers(x, "x"),), (_numbers(y, "y"),)
        return self._add(m.Text(xs=xs, ys=ys, words=words, anchor=anchor, shift=shift, tone=tone))

    def _add(self, mark: m.Mark) -> Self:
        self.marks.append(replace(mark, label=str(mark.label)))  # a label is often a number, such as a rank
        return self

    def _next(self, series: Series) -> int:
        """The series that is asked for, or the next one."""
        if not (series is None or isinstance(series, int | np.integer)):
            raise ValueError(f"a series is a whole number from 0 to {SERIES - 1}, not {series!r}")
        self._series += series is None
        return (self._series - 1 if series is None else series) % SERIES

    def _frame(self, name: str, low: float, high: float, whole: bool) -> None:
        """Let the axis run from `low` to `high`, unless it has limits."""
        axis = self.axes[name]
        limits = (low, high) if axis.limits == AUTOMATIC else axis.limits
        self.axes[name] = axis._replace(limits=limits, whole=axis.whole or whole)


def images(
    matrices: Sequence[ArrayLike], titles: Sequence[object] = (), *, columns: int = 6, colors: str = "ink",
    size: float = 56, x: str = "", y: str = "", title: str = "",
) -> Panels:  # fmt: skip
    """Small images side by side, each under its title.

    matrices: a list of arrays (rows, columns)
    titles: one for each; () for none
    columns: how many stand in a row
    colors: as in `Chart.image`
    size: the width of an image in pixels
    x, y: the names of the axes
    title: goes above all
    Returns `Panels`.
    Raises ValueError where there are not as many titles as images.

    >>> from tinygrad_lora.view.chart import images
    >>> len(images([np.eye(3), np.ones((3, 3))], ["eye", "ones"]).charts)
    2
    """
    charts, names = [], [str(title) for title in titles] or [""] * len(matrices)
    for name, matrix in zip(names, matrices, strict=True):
        chart = Chart(name, x=x, y=y, xticks=(), yticks=()).image(matrix, colors=colors)
        chart.size = size, size * np.shape(matrix)[0] / np.shape(matrix)[1]
        charts.append(chart)
    return Panels(charts, columns, title)


def _numbers(values: ArrayLike, what: str) -> Array:
    """The values as an array of real numbers along one axis. Raises DtypeError or ShapeError."""
    array = np.atleast_1d(np.asarray(values))
    if array.dtype.kind not in "biuf":
        raise DtypeError(f"{what} must hold real numbers to be drawn, not {array.dtype}")
    if array.ndim != 1:
        raise ShapeError(f"{what} must have one axis to be drawn, not shape {array.shape}: ravel() gives it one")
    return array


def _alike(**named: ArrayLike) -> list[Array]:
    """The arrays, as long as the longest: a single number stands for all. Raises ShapeError for other lengths."""
    arrays = {name: _numbers(values, name) for name, values in named.items()}
    longest = max(map(len, arrays.values()))
    if any(len(array) not in (1, longest) for array in arrays.values()):
        lengths = ", ".join(f"{name} has {len(array)}" for name, array in arrays.items())
        raise ShapeError(f"one number of each belongs to every point: {lengths}")
    return [np.broadcast_to(array, longest) for array in arrays.values()]

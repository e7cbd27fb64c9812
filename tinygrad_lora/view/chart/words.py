"""A chart in words: a sentence for each mark, and small lines of characters for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...core.node import Array
from ..words.grammar import counted
from ..words.sentences import number, one_line, table
from . import marks as m

if TYPE_CHECKING:
    from .chart import Chart

LEVELS = "▁▂▃▄▅▆▇█"
WIDTH = 24  # characters of a small line
NAMES = {"Line": "line", "Points": "points", "Band": "band", "Boxes": "bars", "Rule": "line across", "Image": "image",
         "Contours": "contours"}  # fmt: skip


def alternative(title: str, charts: Iterable[Chart]) -> str:
    """The charts as one paragraph."""
    sentences = [title] * bool(title)
    for chart in charts:
        named = f"{chart.title}: " if chart.title != title and chart.title else ""
        parts = [_sentence(mark) for mark in chart.marks if not isinstance(mark, m.Text | m.Band)]
        sentences.append(f"{named}{'; '.join(parts) or 'empty'}")
        axes = {name: axis for name, axis in chart.axes.items() if axis.label}
        sentences += [f"{name}: {axis.label}{', logarithmic' * axis.log}" for name, axis in axes.items()]
    return f"{'. '.join(one_line(sentence) for sentence in sentences)}."


def text(title: str, charts: Iterable[Chart]) -> str:
    """The charts as lines of text: the title, then a line for each mark, with its form in characters."""
    lines = [title] * bool(title)
    for chart in charts:
        lines += [chart.title] * (chart.title not in ("", title))
        rows = [_row(mark, chart) for mark in chart.marks if not isinstance(mark, m.Text | m.Band)]
        lines += [f"  {line}" for line in table(rows)] if rows else []
    return "\n".join(lines) or "an empty chart"


def _row(mark: m.Mark, chart: Chart) -> tuple[str, str, str]:
    name = one_line(mark.label) or NAMES[type(mark).__name__]
    form = _form(mark.ys[-1], chart.axes["y"].log) if isinstance(mark, m.Line | m.Boxes) else ""
    return name, form, _sentence(mark).removeprefix(f"{name}: ")


def _sentence(mark: m.Mark) -> str:
    """What a mark shows, and over which range."""
    name = one_line(mark.label) or NAMES[type(mark).__name__]
    if isinstance(mark, m.Image):
        return f"{name}: {' by '.join(map(str, mark.cells.shape))} numbers from {_range(mark.cells)}"
    ranges = [f"{axis} {_range(*arrays)}" for axis, arrays in (("x", mark.xs), ("y", mark.ys)) if arrays]
    counts = [counted(mark.xs[0].size, "point")] if isinstance(mark, m.Line | m.Points) else []
    return f"{name}: {', '.join([*counts, *ranges])}"


def _range(*arrays: Array) -> str:
    numbers = np.concatenate([np.ravel(array) for array in arrays])
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return "no number"
    low, high = number(finite.min()), number(finite.max())
    return low if low == high else f"{low} to {high}"


def _form(heights: Sequence[float] | Array, log: bool) -> str:
    """The heights as characters, from the lowest to the highest."""
    y = np.asarray(heights, np.float64)[np.linspace(0, len(heights) - 1, min(len(heights), WIDTH)).round().astype(int)]
    with np.errstate(all="ignore"):
        y = np.log(y) if log else y
        finite = y[np.isfinite(y)]
        spread = np.ptp(finite) if finite.size else 0
        places = (y - finite.min()) / spread * (len(LEVELS) - 1) if spread else 0 * y
    return "".join(LEVELS[round(place)] if np.isfinite(place) else " " for place in places.tolist())

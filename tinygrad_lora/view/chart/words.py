"""A chart in words: a sentence for each mark, and a small line of characters for each line and histogram."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...core import Array
from ..words.grammar import counted
from ..words.sentences import number, one_line, table
from . import marks as m

if TYPE_CHECKING:
    from .chart import Chart

LEVELS = "▁▂▃▄▅▆▇█"
WIDTH = 24  # characters of a small line


def alternative(title: str, charts: Iterable[Chart]) -> str:
    """The charts as one paragraph."""
    sentences = [title] * bool(title)
    for chart in charts:
        parts = [f"{_name(mark)}: {_range(mark)}" for mark in _described(chart)]
        sentences.append(f"{chart.title}: " * (chart.title not in ("", title)) + ("; ".join(parts) or "empty"))
        axes = {name: axis for name, axis in chart.axes.items() if axis.label}
        sentences += [f"{name}: {axis.label}{', logarithmic' * axis.log}" for name, axis in axes.items()]
    whole = [one_line(sentence) for sentence in sentences or ["Empty"]]
    return " ".join(f"{sentence}{'.' * (sentence[-1:] not in '?!')}" for sentence in whole)


def text(title: str, charts: Iterable[Chart]) -> str:
    """The charts as lines of text: the title, then a line for each mark, with its form in characters."""
    lines = [title] * bool(title)
    for chart in charts:
        lines += [chart.title] * (chart.title not in ("", title))
        curves = [mark.ys[-1] for mark in chart.marks if isinstance(mark, m.Line | m.Boxes)]
        forms = iter(_forms(curves, chart.axes["y"].log))
        shown = [(k, next(forms) if isinstance(k, m.Line | m.Boxes) else "") for k in _described(chart)]
        lines += [f"  {line}" for line in table([(_name(k), form, _range(k)) for k, form in shown])]
    return "\n".join(lines) or "an empty chart"


def _described(chart: Chart) -> list[m.Mark]:
    """What words speak of: not of texts, of the bands around lines, and of lines that only guide the eye."""
    return [k for k in chart.marks if not isinstance(k, m.Text | m.Band) and (k.label or not isinstance(k, m.RuleLine))]


def _name(mark: m.Mark) -> str:
    return one_line(mark.label) or type(mark).__name__.lower()


def _range(mark: m.Mark) -> str:
    """How many numbers a mark shows, and their range."""
    if isinstance(mark, m.Image):
        return f"{' by '.join(map(str, mark.cells.shape))} numbers, {_ends(mark.cells)}"
    ranges = [f"{axis} {_ends(*arrays)}" for axis, arrays in (("x", mark.xs), ("y", mark.ys)) if arrays]
    counts = [counted(mark.xs[0].size, "point")] if isinstance(mark, m.Line | m.Points) else []
    return ", ".join([*counts, *ranges])


def _ends(*arrays: Array) -> str:
    numbers = np.concatenate([np.ravel(array) for array in arrays])
    finite = numbers[np.isfinite(numbers)]
    ends = dict.fromkeys(number(end) for end in (finite.min(), finite.max())) if finite.size else ["no number"]
    return " to ".join(ends)


@np.errstate(all="ignore")
def _forms(curves: Sequence[Array], log: bool) -> list[str]:
    """The heights of each curve as characters, all on one scale."""
    heights = [np.log(y) if log else y.astype(np.float64) for y in curves]
    finite = np.concatenate([y[np.isfinite(y)] for y in heights]) if heights else np.zeros(0)
    low, spread = (finite.min(), np.ptp(finite) or 1.0) if finite.size else (0.0, 1.0)
    forms = []
    for y in heights:
        some = y[np.linspace(0, len(y) - 1, min(len(y), WIDTH)).round().astype(int)] if len(y) else y
        places = ((some - low) / spread * (len(LEVELS) - 1)).tolist()
        forms.append("".join(LEVELS[round(place)] if np.isfinite(place) else " " for place in places))
    return forms

"""The place of everything in a picture of charts. The legend stands above the plot, where it covers no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..layout import text_width
from .marks import Image, Mark
from .scales import AxisScale, scale

if TYPE_CHECKING:
    from .chart import Chart

SIZE, TICK = 12.0, 11.0  # of the font
LINE = 17.0  # from line to line
SWATCH = {"Line": 28.0, "RuleLine": 28.0, "Image": 56.0}  # the width of a sample in the legend; 14 for others
BETWEEN = 14.0  # between entries of the legend, and between charts
NARROWEST = 96.0  # what is left for a title, however small the chart is
PER_TICK = 46, 34  # pixels of an axis for each tick, across and up


def swatch(mark: Mark) -> float:
    """The width of a sample of a mark in the legend."""
    return SWATCH.get(type(mark).__name__, 14.0)


@dataclass(slots=True)
class Panel:
    """A chart with its scales, the lines of its texts, and the width of its margins."""

    chart: Chart
    x: AxisScale
    y: AxisScale
    turned: bool  # whether the texts at the ticks of x are vertical
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    title: list[str] = field(default_factory=list)
    above: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    legend: list[list[Mark]] = field(default_factory=list)

    @property
    def bottom(self) -> float:
        ticks = [text for _, text in self.x.ticks]
        high = max(text_width(text, TICK) for text in ticks) + 10 if self.turned else 18 * bool(ticks)
        return high + LINE * len(self.below) + 4


def panel(chart: Chart) -> Panel:
    """The chart with its scales and margins."""
    (width, height), across, up = chart.size, chart.axes["x"], chart.axes["y"]
    tight = any(isinstance(mark, Image) for mark in chart.marks)
    x = scale(across, [a for mark in chart.marks for a in mark.xs], width, max(2, int(width // PER_TICK[0])), tight)
    y = scale(up, [a for mark in chart.marks for a in mark.ys], height, max(2, int(height // PER_TICK[1])), tight)
    texts = [text_width(text, TICK) for _, text in x.ticks]
    result = Panel(chart, x, y, turned=sum(texts) + 6 * len(texts) > width + 6)
    result.left = max((text_width(text, TICK) + 9 for _, text in y.ticks), default=2.0)
    overhang = float(x(x.ticks[-1][0])) + texts[-1] / 2 - width if texts and not result.turned else 0.0
    widest = max(text_width(text, SIZE, True) for text in (chart.title, across.label, up.label))
    room = max(result.left + width + max(overhang, 6.0), min(NARROWEST, widest))
    result.title = wrapped(chart.title, room, bold=True)
    result.above, result.below = wrapped(up.label, room), wrapped(across.label, room)
    edge = room
    for mark in (mark for mark in chart.marks if mark.label):
        needed = swatch(mark) + 6 + text_width(mark.label, SIZE)
        if edge + needed > room:
            result.legend.append([])
            edge = 0.0
        result.legend[-1].append(mark)
        edge += needed + BETWEEN
        room = max(room, needed)
    result.right = room - result.left - width
    result.top = LINE * (len(result.title) + len(result.legend) + len(result.above)) + 8
    return result


def wrapped(text: str, width: float, bold: bool = False) -> list[str]:
    """The text in lines of at most this width, broken at spaces."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", SIZE, bold) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def align(rows: Sequence[Sequence[Panel | None]]) -> tuple[list[float], list[float]]:
    """Give the charts of a column the same margins; where columns and rows begin, and where the last end."""
    across, down = [0.0], [0.0]
    for i in range(max(map(len, rows), default=0)):
        column = [panel for row in rows if i < len(row) and (panel := row[i])]
        left = max((panel.left for panel in column), default=0.0)
        right = max((panel.chart.size[0] + panel.right for panel in column), default=0.0)
        for panel in column:
            panel.left = left
        across.append(across[-1] + left + right + BETWEEN)
    for row in rows:
        top, bottom = (max((getattr(p, side) for p in row if p), default=0.0) for side in ("top", "bottom"))
        for panel in filter(None, row):
            panel.top = top
        height = max((panel.chart.size[1] for panel in row if panel), default=0.0)
        down.append(down[-1] + top + height + bottom + BETWEEN / 2)
    return across, down

"""One level of the picture: blocks and lines without frames, from numbers of blocks to places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .columns import columns
from .order import order_rows
from .ranks import ranks
from .rows import LayoutEdge, Rows, in_rows, spread_entries

LEAST_GAP, MOST_GAP = 26.0, 80.0  # between two rows
STEEP = 0.08  # a line that goes so far sideways in a gap gets this share of it in height


class Segment(NamedTuple):
    """A part of a line that goes straight down. Between two of them the line is a curve."""

    x: float
    top: float
    bottom: float

    def moved(self, x: float, y: float) -> Segment:
        """The same elsewhere."""
        return Segment(self.x + x, self.top + y, self.bottom + y)


class Level(NamedTuple):
    """Places: the middle and the upper edge of each block, the straight segments of each edge."""

    width: float
    height: float
    middles: list[float]
    tops: list[float]
    lines: list[list[Segment]]


def level(
    widths: Sequence[float], heights: Sequence[float], edges: Sequence[LayoutEdge], first: set[int], last: set[int]
) -> Level:
    """Lay out blocks of these sizes. Those in `first` are gates through which lines come in from above, a row for
    themselves; those in `last` are gates through which they leave. A line goes through a gate from top to bottom.
    """
    if not widths:
        return Level(0.0, 0.0, [], [], [])
    rows = in_rows(widths, ranks(len(widths), [edge[:2] for edge in edges], first, last), edges)
    order_rows(rows)
    spread_entries(rows, edges)
    xs = columns(rows)
    upper, lower = _heights(rows, heights, xs)
    tops = [(upper[rows.rank[i]] + lower[rows.rank[i]] - heights[i]) / 2 for i in range(len(widths))]
    gates = first | last
    lines = []
    for edge, chain in zip(edges, rows.chains, strict=True):
        start = tops[edge.start] + (0 if edge.start in gates else heights[edge.start])
        line = [Segment(xs[edge.start] + edge.leave, start, lower[rows.rank[edge.start]])]
        for link in chain[:-1]:
            bend = rows.lower[link]
            line.append(Segment(xs[bend], upper[rows.rank[bend]], lower[rows.rank[bend]]))
        end = tops[edge.end] + (heights[edge.end] if edge.end in gates else 0)
        line.append(Segment(xs[edge.end] + rows.enter[chain[-1]], upper[rows.rank[edge.end]], end))
        lines.append(line)
    width = max(x + w / 2 for x, w in zip(xs, rows.widths, strict=True))
    return Level(width, lower[-1], xs[: len(widths)], tops, lines)


def _heights(rows: Rows, heights: Sequence[float], xs: Sequence[float]) -> tuple[list[float], list[float]]:
    """Upper and lower edge of each row. Where lines go far sideways, the gap below it is higher."""
    upper, lower = [], []
    y = 0.0
    for row in rows.rows:
        upper.append(y)
        y += max((heights[item] for item in row if item < rows.blocks), default=0.0)
        lower.append(y)
        sideways = max(
            (
                abs(xs[item] + rows.leave[link] - xs[rows.lower[link]] - rows.enter[link])
                for item in row
                for link in rows.down[item]
            ),
            default=0.0,
        )
        y += min(LEAST_GAP + STEEP * sideways, MOST_GAP)
    return upper, lower

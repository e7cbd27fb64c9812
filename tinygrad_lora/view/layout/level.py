"""Lays out one level of nesting: blocks, given by number, and lines between them, without frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .columns import columns
from .order import order_rows
from .ranks import ranks
from .rows import LayoutEdge, Rows, in_rows, spread_entries

Sizes = Sequence[float]
LEAST_GAP, MOST_GAP = 22.0, 80.0  # between two rows
GATE_GAP = 6.0  # between a row and gates that straight lines lead to
STEEP = 0.08  # the share of a line's way sideways by which its gap grows


class Segment(NamedTuple):
    """A part of a line that goes straight down. Between two of them the line is a curve."""

    x: float
    top: float
    bottom: float

    def moved(self, x: float, y: float) -> Segment:
        """The segment moved by x and y."""
        return Segment(self.x + x, self.top + y, self.bottom + y)


class Level(NamedTuple):
    """Places: the middle and the upper edge of each block, the straight segments of each edge."""

    width: float
    height: float
    middles: list[float]
    tops: list[float]
    lines: list[list[Segment]]


NOTHING = Level(0.0, 0.0, [], [], [])


def level(widths: Sizes, heights: Sizes, edges: Sequence[LayoutEdge], first: set[int], last: set[int]) -> Level:
    """Lay out blocks of these sizes.

    Those in `first` are gates in a row of their own, through which lines enter from above; those in `last` are gates
    through which lines leave. A line passes a gate from top to bottom.
    """
    if not widths:
        return NOTHING
    rows = in_rows(widths, ranks(len(widths), [edge[:2] for edge in edges], first, last), edges)
    order_rows(rows)
    spread_entries(rows, edges)
    xs = columns(rows)
    gates = first | last
    upper, lower = _heights(rows, heights, xs, gates)
    tops = [(upper[rows.rank[i]] + lower[rows.rank[i]] - heights[i]) / 2 for i in range(len(widths))]
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


def _heights(rows: Rows, heights: Sizes, xs: Sizes, gates: set[int]) -> tuple[list[float], list[float]]:
    """The upper and lower edge of each row. The gap below a row is higher if lines go far sideways there."""
    upper, lower = [], []
    y = 0.0
    for i, row in enumerate(rows.rows):
        upper.append(y)
        y += max((heights[item] for item in row if item < rows.blocks), default=0.0)
        lower.append(y)
        sideways = max((abs(rows.bent(xs, link)) for item in row for link in rows.down[item]), default=0.0)
        straight = sideways < 1 and any(gates.issuperset(next_to) for next_to in (row, *rows.rows[i + 1 : i + 2]))
        y += GATE_GAP if straight else min(LEAST_GAP + STEEP * sideways, MOST_GAP)
    return upper, lower

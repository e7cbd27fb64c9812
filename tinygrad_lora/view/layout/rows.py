"""The data of the layout: items in rows, joined by links that lead exactly one row down."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

APART = 26.0  # between two blocks
BEND_APART = 16.0  # between a line and a block, or two lines


class LayoutEdge(NamedTuple):
    """From one block down to another, by number.

    Edges that leave one block by the same `port` share one line for as long as possible. `leave` is where the edge
    starts and `enter` where it arrives, each counted from the middle of the block; None: wherever there is as much
    room as it needs on its `left` and `right`.
    """

    start: int
    end: int
    port: Hashable = None
    leave: float = 0.0
    enter: float | None = None
    left: float = 0.0
    right: float = 0.0


@dataclass(slots=True)
class Rows:
    """Items in rows: first the blocks, then the bends, where a long line passes a row. Items and links are numbered."""

    blocks: int  # how many of the items are blocks
    rows: list[list[int]]  # items from left to right
    widths: list[float] = field(default_factory=list)
    rank: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)  # of each item in its row
    upper: list[int] = field(default_factory=list)  # the item above each link
    lower: list[int] = field(default_factory=list)
    leave: list[float] = field(default_factory=list)  # where the link starts, from the middle of its upper item
    enter: list[float] = field(default_factory=list)
    up: list[list[int]] = field(default_factory=list)  # links above each item
    down: list[list[int]] = field(default_factory=list)
    chains: list[list[int]] = field(default_factory=list)  # for each edge its links from the top down

    def sort(self, rows: Sequence[Sequence[int]]) -> None:
        """Set the order of the items in each row."""
        self.rows = [list(row) for row in rows]
        for row in self.rows:
            for i, item in enumerate(row):
                self.place[item] = i

    def apart(self, left: int, right: int) -> float:
        """How far apart the middles of two neighbors in a row must be."""
        both_blocks = left < self.blocks and right < self.blocks
        return (self.widths[left] + self.widths[right]) / 2 + (APART if both_blocks else BEND_APART)

    def starts(self, link: int) -> float:
        """Where a link starts, as a place in the row: between two whole numbers where it leaves beside the middle."""
        item = self.upper[link]
        return self.place[item] + self.leave[link] / (self.widths[item] + 1)

    def ends(self, link: int) -> float:
        """Where a link ends, likewise."""
        item = self.lower[link]
        return self.place[item] + self.enter[link] / (self.widths[item] + 1)

    def bent(self, xs: Sequence[float], link: int) -> float:
        """How far to the right of its lower end a link begins, if `xs` are the middles of the items."""
        return xs[self.upper[link]] + self.leave[link] - xs[self.lower[link]] - self.enter[link]

    def add_item(self, rank: int, width: float = 0.0) -> int:
        """Add an item at the end of a row; returns its number."""
        self.widths.append(width)
        self.rank.append(rank)
        self.up.append([])
        self.down.append([])
        self.place.append(len(self.rows[rank]))
        self.rows[rank].append(len(self.rank) - 1)
        return len(self.rank) - 1

    def add_link(self, upper: int, lower: int, leave: float, enter: float) -> int:
        """Add a link between two items; returns its number."""
        link = len(self.upper)
        self.upper.append(upper)
        self.lower.append(lower)
        self.leave.append(leave)
        self.enter.append(enter)
        self.down[upper].append(link)
        self.up[lower].append(link)
        return link


def in_rows(widths: Sequence[float], rank: Sequence[int], edges: Sequence[LayoutEdge]) -> Rows:
    """The blocks in rows, in the order in which they are numbered; long edges pass bends."""
    placed = Rows(len(widths), [[] for _ in range(max(rank, default=-1) + 1)])
    for r, width in zip(rank, widths, strict=True):
        placed.add_item(r, width)
    lines: dict[tuple[int, Hashable], list[int]] = {}  # the links of the shared line down to its last bend
    for edge in edges:
        line = lines.setdefault((edge.start, edge.port), [])
        bends = rank[edge.end] - rank[edge.start] - 1
        while len(line) < bends:
            above = placed.lower[line[-1]] if line else edge.start
            bend = placed.add_item(rank[edge.start] + len(line) + 1)
            line.append(placed.add_link(above, bend, 0.0 if line else edge.leave, 0.0))
        above, leave = (placed.lower[line[bends - 1]], 0.0) if bends else (edge.start, edge.leave)
        placed.chains.append([*line[:bends], placed.add_link(above, edge.end, leave, edge.enter or 0.0)])
    return placed


def spread_entries(rows: Rows, edges: Sequence[LayoutEdge]) -> None:
    """Spread the links that enter a block side by side, from left to right as they come from above."""
    arriving: dict[int, list[int]] = {}
    for i, edge in enumerate(edges):
        if edge.enter is None:
            arriving.setdefault(edge.end, []).append(i)
    for end, indices in arriving.items():
        indices.sort(key=lambda i: (rows.starts(rows.chains[i][-1]), i))
        arriving_links = [rows.chains[i][-1] for i in indices]
        needed = 0.0
        for i, link in zip(indices, arriving_links, strict=True):
            rows.enter[link] = needed + edges[i].left
            needed += edges[i].left + edges[i].right
        # The ends are in the middle of the block, as far as the block is wide enough for the room beside them.
        spare = max(0.0, rows.widths[end] - needed) / 2
        middle = (rows.enter[arriving_links[0]] + rows.enter[arriving_links[-1]]) / 2
        middle = max(needed / 2 - spare, min(middle, needed / 2 + spare))
        for link in arriving_links:
            rows.enter[link] -= middle

"""Moves items closer together where there is room, without bending a straight line.

Items that straight lines join form a group and move together. Each group moves to where its other lines would be
straight, in the median, as far as its neighbors leave room. So no items change places, and lines get shorter in sum.
"""

from collections.abc import Iterator
from math import inf

from .ranks import connected
from .rows import Rows

ROUNDS = 12
LARGE = 4_000  # items, bends included; from this many on there are a third of the rounds
STRAIGHT = 0.05  # a line that goes less sideways than this looks straight


def settle(rows: Rows, xs: list[float]) -> None:
    """Move the middles of the items, `xs`, in place."""
    for step in range(ROUNDS if len(xs) < LARGE else ROUNDS // 3):
        straight = [link for link in range(len(rows.upper)) if abs(rows.bent(xs, link)) <= STRAIGHT]
        joined = connected(len(xs), [(rows.lower[link], rows.upper[link]) for link in straight])
        groups = sorted(joined, key=lambda group: xs[group[0]], reverse=step % 2 == 1)
        moved = max((_move(rows, xs, group) for group in groups), default=0.0)
        if moved < 1:
            break


def _move(rows: Rows, xs: list[float], group: list[int]) -> float:
    """Move one group; returns how far."""
    wishes = sorted(shift for item in group for shift in _wishes(rows, xs, item) if abs(shift) > STRAIGHT)
    if not wishes:
        return 0.0
    low, high = -inf, inf
    for item in group:
        row, i = rows.rows[rows.rank[item]], rows.place[item]
        if i > 0:
            low = max(low, xs[row[i - 1]] + rows.apart(row[i - 1], item) - xs[item])
        if i < len(row) - 1:
            high = min(high, xs[row[i + 1]] - rows.apart(item, row[i + 1]) - xs[item])
    wish = (wishes[(len(wishes) - 1) // 2] + wishes[len(wishes) // 2]) / 2
    by = max(low, min(wish, high))
    for item in group:
        xs[item] += by
    return abs(by)


def _wishes(rows: Rows, xs: list[float], item: int) -> Iterator[float]:
    """For each line of an item, how far the item would have to move to make it straight."""
    for link in rows.up[item]:
        yield rows.bent(xs, link)
    for link in rows.down[item]:
        yield -rows.bent(xs, link)

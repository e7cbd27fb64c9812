"""Sorts each row so that few lines cross.

Method: K. Sugiyama, S. Tagawa, M. Toda, Methods for visual understanding of hierarchical system structures, 1981;
medians and swaps of neighbors as in E. R. Gansner et al., A technique for drawing directed graphs, 1993; crossings
are counted as inversions, as in W. Barth, P. Mutzel, M. Jünger, Simple and efficient bilayer cross counting, 2004.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from math import inf

from .rows import Rows

SWEEPS = 24
SWAPS = 4  # rounds of swaps after each sweep
LARGE = 4_000  # items, bends included; from this many on there are fewer sweeps
EDGES_TO_SWAP = 12  # items with more lines than this are not swapped with their neighbors


def order_rows(rows: Rows) -> None:
    """Sort the rows; of equally good orders the first one found stays."""
    best: tuple[float, list[list[int]]] = inf, []
    sweeps, swaps = (SWEEPS, SWAPS) if len(rows.rank) < LARGE else (SWEEPS // 4, 0)
    for start in (_followed(rows, upward=True), _followed(rows, upward=False)):
        rows.sort(start)
        best = _better(rows, best)
        stale = 0
        for sweep in range(sweeps):
            _sweep(rows, downward=sweep % 2 == 0, turn=sweep % 4 > 1)
            _swap_neighbors(rows, swaps)
            previous = best
            best = _better(rows, best)
            stale = 0 if best is not previous else stale + 1
            if best[0] == 0 or stale == 6:
                break
    rows.sort(best[1])
    _swap_neighbors(rows, 1, least=0)


def crossings(rows: Rows) -> int:
    """How many pairs of lines cross; lines that share an end do not."""
    return sum(_crossings_below(rows, row) for row in rows.rows)


def _better(rows: Rows, best: tuple[float, list[list[int]]]) -> tuple[float, list[list[int]]]:
    count = crossings(rows)
    return best if best[0] <= count else (count, [list(row) for row in rows.rows])


def _crossings_below(rows: Rows, row: Sequence[int]) -> int:
    """The pairs of links below a row that end in the opposite order: for each link, the earlier ones that end later."""
    links = [link for item in row for link in rows.down[item]]
    ends: list[float] = []  # of the links so far, in order; links from one place come in the order of their ends
    count = 0
    for _, end in sorted((rows.starts(link), rows.ends(link)) for link in links):
        count += len(ends) - bisect_right(ends, end)
        insort(ends, end)
    return count


def _followed(rows: Rows, upward: bool) -> list[list[int]]:
    """A first order: follow the lines from the results to their operands, or from the leaves down, depth first."""
    order: list[list[int]] = [[] for _ in rows.rows]
    seen = [False] * len(rows.rank)
    ahead, far = (rows.up, rows.upper) if upward else (rows.down, rows.lower)
    for first in (item for row in (reversed(rows.rows) if upward else rows.rows) for item in row):
        stack = [first]
        while stack:
            item = stack.pop()
            if not seen[item]:
                seen[item] = True
                order[rows.rank[item]].append(item)
                stack += [far[link] for link in reversed(ahead[item])]
    return order


def _sweep(rows: Rows, downward: bool, turn: bool) -> None:
    """Row by row, sort the items by the median of their neighbors in the row before; `turn` reverses equal ones."""
    links, place = (rows.up, rows.starts) if downward else (rows.down, rows.ends)
    for row in rows.rows[1:] if downward else rows.rows[-2::-1]:
        medians = {item: _median(sorted(map(place, links[item]))) for item in row if links[item]}
        ordered = iter(sorted(reversed(medians) if turn else medians, key=medians.__getitem__))
        row[:] = [next(ordered) if item in medians else item for item in row]
        for i, item in enumerate(row):
            rows.place[item] = i


def _median(places: list[float]) -> float:
    """The median; for an even number of places, a point between the two middle ones, nearer to the denser side."""
    n = len(places)
    middle = n // 2
    if n % 2:
        return places[middle]
    left, right = places[middle - 1] - places[0], places[-1] - places[middle]
    if left + right == 0:
        return (places[middle - 1] + places[middle]) / 2
    return (places[middle - 1] * right + places[middle] * left) / (left + right)


def _swap_neighbors(rows: Rows, most: int, least: int = 1) -> None:
    """Swap neighbors in a row if fewer lines cross then; with `least` 0, also to put operands in their order."""
    for row in rows.rows:
        for _ in range(most):
            improved = False
            for i in range(len(row) - 1):
                left, right = row[i], row[i + 1]
                gain = _gain(rows, left, right)
                if gain >= least and (gain > 0 or _out_of_order(rows, left, right)):
                    row[i], row[i + 1] = right, left
                    rows.place[left], rows.place[right] = i + 1, i
                    improved = True
            if not improved:
                break


def _out_of_order(rows: Rows, left: int, right: int) -> bool:
    """Whether both lead to the same item, the right one as an earlier operand: edges are numbered in that order."""
    first, second = ({rows.lower[link]: link for link in reversed(rows.down[item])} for item in (left, right))
    return sum((first[item] > second[item]) - (first[item] < second[item]) for item in first if item in second) > 0


def _gain(rows: Rows, left: int, right: int) -> int:
    """How many crossings fewer there are if the two are swapped."""
    gain = 0
    for links, place in ((rows.up, rows.starts), (rows.down, rows.ends)):
        if links[left] and links[right] and max(len(links[left]), len(links[right])) <= EDGES_TO_SWAP:
            of_left, of_right = [place(link) for link in links[left]], [place(link) for link in links[right]]
            gain += sum((a > b) - (a < b) for a in of_left for b in of_right)
    return gain

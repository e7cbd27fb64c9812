"""Where each item stands in its row, so that lines are straight and nothing overlaps.

Method: U. Brandes, B. Köpf, Fast and simple horizontal coordinate assignment, 2001: items that a line joins are aligned
in blocks; this is done from each of four corners, and the middle of the four results is taken. Here items have widths,
and lines may start and end beside the middle, so it is the lines that are aligned, not the items.

Then items move closer together where there is room. Those that straight lines join form a group and move together.
Each group moves to where its other lines would be straight, in the median, as far as its neighbors leave room. So no
items change places, no straight line bends, and lines get shorter in sum.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product
from math import inf

from .ranks import connected, topological
from .rows import Rows

ROUNDS = 12
LARGE = 4_000  # items, bends included; from this many on there are a third of the rounds
STRAIGHT = 0.05  # a line that goes less sideways than this looks straight


def columns(rows: Rows) -> list[float]:
    """The middle of each item, such that the leftmost block begins at 0."""
    crossed = _crossed_by_bends(rows)
    ways = product((True, False), (False, True))  # downward or not, mirrored or not
    candidates = [_compacted(rows, *_aligned(rows, crossed, *way), mirrored=way[1]) for way in ways]
    extents = [_extent(rows, xs) for xs in candidates]
    left, right = min(extents, key=lambda extent: extent[1] - extent[0])
    moves = [right - end if i % 2 else left - start for i, (start, end) in enumerate(extents)]
    moved = [[x + by for x in xs] for xs, by in zip(candidates, moves, strict=True)]
    middle = [sum(sorted(four)[1:3]) / 2 for four in zip(*moved, strict=True)]
    _settle(rows, middle)
    left, _ = _extent(rows, middle)
    return [x - left for x in middle]


def _extent(rows: Rows, xs: Sequence[float]) -> tuple[float, float]:
    """The left and the right end of all items."""
    sides = [(x - width / 2, x + width / 2) for x, width in zip(xs, rows.widths, strict=True)]
    return min(left for left, _ in sides), max(right for _, right in sides)


def _crossed_by_bends(rows: Rows) -> set[int]:
    """Links that cross a link between two bends. The latter is kept straight, so these are not aligned."""
    crossed: set[int] = set()
    for row in rows.rows[1:]:
        since, low = 0, -inf
        for i, item in enumerate(row):
            inner = [link for link in rows.up[item] if min(item, rows.upper[link]) >= rows.blocks]
            if not inner and i < len(row) - 1:
                continue
            high = rows.starts(inner[0]) if inner else inf
            for other in row[since : i + 1]:
                for link in rows.up[other]:
                    if not low <= rows.starts(link) <= high and link not in inner:
                        crossed.add(link)
            since, low = i + 1, high
    return crossed


def _aligned(rows: Rows, crossed: set[int], downward: bool, mirrored: bool) -> tuple[list[int], list[float]]:
    """For each item the first item of its block, and how far its middle is to the right of that one's."""
    root, shift = list(range(len(rows.rank))), [0.0] * len(rows.rank)
    links, far = (rows.up, rows.upper) if downward else (rows.down, rows.lower)
    place: Callable[[int], float] = rows.starts if downward else rows.ends
    there, here = (rows.leave, rows.enter) if downward else (rows.enter, rows.leave)
    for row in rows.rows if downward else reversed(rows.rows):
        taken: set[int] = set()
        limit = inf if mirrored else -inf
        for item in reversed(row) if mirrored else row:
            ordered = sorted((place(link), link) for link in links[item])
            middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
            for at, link in reversed(middle) if mirrored else middle:
                other = far[link]
                free = at < limit if mirrored else at > limit
                if root[item] == item and free and other not in taken and link not in crossed:
                    root[item] = root[other]
                    shift[item] = shift[other] + there[link] - here[link]
                    taken.add(other)
                    limit = at
    return root, shift


def _compacted(rows: Rows, root: list[int], shift: list[float], mirrored: bool) -> list[float]:
    """Places for the blocks: as far left as possible, then moved right where there is room; mirrored, the reverse."""
    sign = -1.0 if mirrored else 1.0
    after: list[dict[int, float]] = [{} for _ in root]  # how far behind each item the others in its row are
    before: list[dict[int, float]] = [{} for _ in root]
    for row in rows.rows:
        for a, b in pairwise(row):
            left, right = (b, a) if mirrored else (a, b)
            distance = rows.apart(a, b) + sign * (shift[left] - shift[right])
            start, end = root[left], root[right]
            if distance > after[start].get(end, -inf):
                after[start][end] = before[end][start] = distance
    order = topological(before, after)
    x = [0.0] * len(root)
    for item in order:
        x[item] = max((x[other] + distance for other, distance in before[item].items()), default=0.0)
    for item in reversed(order):
        x[item] = max(x[item], min((x[other] - distance for other, distance in after[item].items()), default=-inf))
    return [sign * x[root[item]] + shift[item] for item in range(len(root))]


def _settle(rows: Rows, xs: list[float]) -> None:
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

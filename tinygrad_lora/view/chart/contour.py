"""Lines of equal height through a grid of numbers: marching squares, then the pieces joined end to end."""

from collections import defaultdict

import numpy as np

from ...core import Array

Edge = tuple[int, int, int]  # of the grid: from the point (row, column) to the right (0) or to the next row (1)


def contour(x: Array, y: Array, z: Array, level: float) -> list[Array]:
    """The lines along which z, of shape (len(y), len(x)), is `level`: arrays of points (x, y)."""
    above = z > level
    four = np.stack([above[:-1, :-1], above[:-1, 1:], above[1:, 1:], above[1:, :-1]])
    neighbors: dict[Edge, list[Edge]] = defaultdict(list)
    for i, j in np.argwhere(four.any(axis=0) & ~four.all(axis=0)).tolist():
        around: list[Edge] = [(i, j, 0), (i, j + 1, 1), (i + 1, j, 0), (i, j, 1)]
        corners = [bool(corner) for corner in four[:, i, j]]
        cut = [edge for k, edge in enumerate(around) if corners[k] != corners[(k + 1) % 4]]
        if len(cut) == 4 and (z[i : i + 2, j : j + 2].mean() > level) != corners[0]:  # a saddle: its middle decides
            cut = [*cut[1:], cut[0]]
        for a, b in zip(cut[::2], cut[1::2], strict=True):
            neighbors[a].append(b)
            neighbors[b].append(a)

    def point(edge: Edge) -> tuple[float, float]:
        i, j, down = edge
        k, m = (i + 1, j) if down else (i, j + 1)
        t = (level - z[i, j]) / (z[k, m] - z[i, j])
        return float(x[j] + t * (x[m] - x[j])), float(y[i] + t * (y[k] - y[i]))

    lines = []
    for start in [edge for edge, ends in neighbors.items() if len(ends) == 1] + [*neighbors]:  # open lines, then loops
        line, edge = [start], start
        while neighbors[edge]:
            following = neighbors[edge].pop()
            neighbors[following].remove(edge)
            line.append(edge := following)
        if len(line) > 1:
            lines.append(np.array([point(edge) for edge in line]))
    return lines

"""Chooses the row of each block: below all its operands, where the lines are short."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

ROUNDS = 8


def ranks(n: int, edges: Iterable[tuple[int, int]], first: set[int], last: set[int]) -> list[int]:
    """A row for each of `n` blocks, counted from 0 at the top; every edge leads at least one row down.

    Blocks in `first` have the first row to themselves, those in `last` the last. The longest path from above gives the
    row; then each block moves, as far as its neighbors allow, to where lines are shorter.
    Raises ValueError if the edges form a cycle.
    """
    above, below = neighbors(n, edges)
    order = topological(above, below)
    if len(order) < n:
        raise ValueError("arrows that form a cycle cannot all point downward")
    rank = [0] * n
    for v in order:
        rank[v] = 0 if v in first else max((rank[u] + 1 for u in above[v]), default=int(bool(first)))
    bottom = max((rank[v] + (v not in last) for v in order), default=0)
    for v in last:
        rank[v] = bottom
    free = [v for v in order if v not in first and v not in last and (above[v] or below[v])]
    edges = [(u, v) for u in range(n) for v in below[u]]
    for _ in range(ROUNDS):
        before = list(rank)
        _move_groups(edges, rank, first, last)
        _shorten(list(reversed(free)), rank, above, below, down=True)
        _shorten(free, rank, above, below, down=False)
        if rank == before:
            break
    used = {r: i for i, r in enumerate(sorted(set(rank)))}
    return [used[r] for r in rank]


def _shorten(free: list[int], rank: list[int], above: list[list[int]], below: list[list[int]], down: bool) -> None:
    """Move blocks toward the side where more lines get shorter.

    All edges that leave a block are drawn as one line, as long as the longest of them. So a block that moves down makes
    its own line shorter, and lines from above longer if they end at it. If that is equal it moves down, so that leaves
    stay near the operation that uses them.
    """
    end = [max((rank[w] for w in below[v]), default=0) for v in range(len(rank))]
    for v in free:
        longer = sum(rank[v] >= end[u] for u in above[v])
        if down and below[v] and longer <= 1:
            rank[v] = max(rank[v], min(rank[w] for w in below[v]) - 1)
        elif not down and longer > len(below[v][:1]):
            rank[v] = max(rank[u] for u in above[v]) + 1


def _move_groups(edges: Sequence[tuple[int, int]], rank: list[int], first: set[int], last: set[int]) -> None:
    """Move each group of blocks that edges of length 1 connect toward the side where more edges get shorter."""
    fixed, bottom = first | last, max(rank, default=0)
    groups = connected(len(rank), [(u, v) for u, v in edges if rank[v] == rank[u] + 1])
    group_of = {v: i for i, group in enumerate(groups) for v in group}
    entering: dict[int, list[tuple[int, int]]] = defaultdict(list)
    leaving: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for u, v in edges:
        if group_of[u] != group_of[v]:
            leaving[group_of[u]].append((u, v))
            entering[group_of[v]].append((u, v))
    for i, group in enumerate(groups):
        into, out = entering[i], leaving[i]
        if len(into) == len(out) or not fixed.isdisjoint(group):
            continue
        down = len(out) > len(into)
        slack = min(rank[v] - rank[u] - 1 for u, v in (out if down else into))
        if down and last:
            slack = min(slack, bottom - 1 - max(rank[v] for v in group))
        elif first and not down:
            slack = min(slack, min(rank[v] for v in group) - 1)
        for v in group:
            rank[v] += slack if down else -slack


def connected(n: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The numbers below `n` in groups: those that a chain of pairs connects are in one group."""
    leader = list(range(n))

    def find(v: int) -> int:
        while leader[v] != v:
            leader[v] = v = leader[leader[v]]
        return v

    for u, v in pairs:
        leader[find(u)] = find(v)
    groups: dict[int, list[int]] = defaultdict(list)
    for v in range(n):
        groups[find(v)].append(v)
    return list(groups.values())


def neighbors(n: int, edges: Iterable[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    """For each block the blocks above it and those below it, without duplicates."""
    above: list[list[int]] = [[] for _ in range(n)]
    below: list[list[int]] = [[] for _ in range(n)]
    for start, end in dict.fromkeys(edges):
        above[end].append(start)
        below[start].append(end)
    return above, below


def topological(above: Sequence[Collection[int]], below: Sequence[Collection[int]]) -> list[int]:
    """The blocks, each after those above it. Blocks on a cycle, and those below one, are left out."""
    waiting = [len(nodes) for nodes in above]
    order = [v for v, n in enumerate(waiting) if n == 0]
    for v in order:
        for w in below[v]:
            waiting[w] -= 1
            if waiting[w] == 0:
                order.append(w)
    return order

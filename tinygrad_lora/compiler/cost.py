r"""What a graph costs: $t \approx \text{calls}\,c + \text{flops}/f + \text{bytes}/b + \text{slow functions}$.

The constants describe one core of a recent computer running NumPy. They only have to rank two graphs that mean the
same, so being right within a factor of two is enough. Times here are estimates, never results.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from ..core.graph import Graph
from ..core.node import ComputationNode

NS_PER_CALL = 500.0  # entering and leaving a NumPy function, and making its result
FLOPS_PER_NS = 30.0  # a matrix product in float32
BYTES_PER_NS = 10.0  # reading and writing arrays that do not fit the cache
NS_PER_ELEMENT = {"exp": 1.0, "log": 1.0, "tanh": 3.0, "power": 10.0}  # functions that take longer than their memory
NS_PER_POWER = {-1: 1.0, 0: 0.0, 0.5: 0.0, 1: 0.0, 2: 1.0}  # exponents for which NumPy has a shortcut


class Cost(NamedTuple):
    """Floating-point operations, bytes moved, NumPy calls, and nanoseconds in slow functions. Views are free."""

    flops: int = 0
    bytes: int = 0
    calls: int = 0
    slow: float = 0.0

    @property
    def nanoseconds(self) -> float:
        """The estimate that decides whether a pass is worth it."""
        return self.calls * NS_PER_CALL + self.flops / FLOPS_PER_NS + self.bytes / BYTES_PER_NS + self.slow


FREE = Cost()


def product_cost(m: int, n: int, p: int, itemsize: int) -> Cost:
    """The cost of the product of two matrices, (m, n) and (n, p)."""
    return Cost(2 * m * n * p, (m * n + n * p + m * p) * itemsize, 1)


def sum_cost(size: int, itemsize: int) -> Cost:
    """The cost of adding two arrays of this many elements."""
    return Cost(size, 3 * size * itemsize, 1)


def node_cost(node: ComputationNode) -> Cost:
    """The cost of one operation on its operands."""
    op, parents = node.op, node.parents
    if op.view:
        return FREE
    flops = op.flops(node.shape, *[p.shape for p in parents], **node.params)
    moved = prod(node.shape) * node.dtype.itemsize
    for p in parents:
        moved += prod(p.shape) * p.dtype.itemsize
    slow = sum(map(_slow, op.steps)) if hasattr(op, "steps") else _slow(node)
    return Cost(flops, moved, 1, slow)


def _slow(step: Any) -> float:
    nanoseconds = NS_PER_ELEMENT.get(step.op.name, 0.0)
    if step.op.name == "power":
        nanoseconds = NS_PER_POWER.get(step.params["exponent"], nanoseconds)
    return nanoseconds * prod(step.shape)


def node_costs(graph: Graph) -> dict[ComputationNode, Cost]:
    """The cost of each node. What this graph shares with the one it was made of is not counted again."""
    known: dict[ComputationNode, Cost] = graph.memory.setdefault(node_cost, {})
    for node in graph.nodes:
        if node not in known:
            known[node] = node_cost(node)
    return known


def graph_cost(graph: Graph) -> Cost:
    """The cost of one run."""
    known = node_costs(graph)
    costs = [known[node] for node in graph.nodes]
    return Cost(
        sum([cost.flops for cost in costs]),
        sum([cost.bytes for cost in costs]),
        sum([cost.calls for cost in costs]),
        sum([cost.slow for cost in costs]),
    )

r"""What a graph costs: $t \approx \text{calls}\,c + \text{flops}/f + \text{bytes}/b + \text{slow functions}$.

The constants describe one core of a recent computer running NumPy. They only have to rank two graphs that mean the
same, so being right within a factor of two is enough. Times here are estimates, never results.
"""

from __future__ import annotations

from typing import NamedTuple

from ..core.graph import Graph
from ..core.node import ComputationNode

NS_PER_CALL = 500.0  # entering and leaving a NumPy function, and making its result
FLOPS_PER_NS = 30.0  # a matrix product in float32
BYTES_PER_NS = 10.0  # reading and writing arrays that do not fit the cache
NS_PER_ELEMENT = {"exp": 1.0, "log": 1.0, "tanh": 3.0, "power": 10.0}  # functions that take longer than their memory
FAST_EXPONENTS = (-1, 0, 0.5, 1, 2)  # powers for which NumPy has a shortcut


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


def node_cost(node: ComputationNode) -> Cost:
    """The cost of one operation on its operands."""
    if node.op.view:
        return Cost()
    flops = node.op.flops(node.shape, *(p.shape for p in node.parents), **node.params)
    moved = sum(n.size * n.dtype.itemsize for n in (node, *node.parents))
    return Cost(flops, moved, 1, sum(_slow(part) for part in getattr(node.op, "parts", (node,))))


def _slow(node: ComputationNode) -> float:
    fast = node.params.get("exponent") in FAST_EXPONENTS
    return 0.0 if fast else NS_PER_ELEMENT.get(node.op.name, 0.0) * node.size


def graph_cost(graph: Graph) -> Cost:
    """The cost of one run."""
    costs = [node_cost(node) for node in graph.nodes]
    return Cost(
        sum(c.flops for c in costs),
        sum(c.bytes for c in costs),
        sum(c.calls for c in costs),
        sum(c.slow for c in costs),
    )

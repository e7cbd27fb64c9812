r"""What a graph costs: $t \approx \text{calls}\,c + \text{flops}/f + \text{bytes}/b$.

The three constants describe one core of a recent computer running NumPy. They only have to rank two graphs that mean
the same, so being right within a factor of two is enough. Times are estimates; `benchmarks` measure.
"""

from __future__ import annotations

from typing import NamedTuple

from ..core.graph import Graph
from ..core.node import ComputationNode

NS_PER_CALL = 500.0  # entering and leaving a NumPy function, and making its result
FLOPS_PER_NS = 30.0  # a matrix product in float32
BYTES_PER_NS = 10.0  # reading and writing arrays that do not fit the cache


class Cost(NamedTuple):
    """Floating-point operations, bytes read and written, and NumPy calls. Views are free."""

    flops: int = 0
    bytes: int = 0
    calls: int = 0

    @property
    def nanoseconds(self) -> float:
        """The estimate that decides whether a pass is worth it."""
        return self.calls * NS_PER_CALL + self.flops / FLOPS_PER_NS + self.bytes / BYTES_PER_NS


def node_cost(node: ComputationNode) -> Cost:
    """The cost of one operation on its operands."""
    if node.op.view:
        return Cost()
    flops = node.op.flops(node.shape, *(p.shape for p in node.parents), **node.params)
    moved = sum(n.size * n.dtype.itemsize for n in (node, *node.parents))
    return Cost(flops, moved, 1)


def graph_cost(graph: Graph) -> Cost:
    """The cost of one run."""
    flops, moved, calls = zip(*(node_cost(n) for n in graph.nodes), strict=True) if graph.nodes else ((), (), ())
    return Cost(sum(flops), sum(moved), sum(calls))

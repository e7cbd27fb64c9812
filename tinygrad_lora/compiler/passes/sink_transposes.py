"""Move transposes towards the leaves, where they are free views of arrays that exist anyway."""

from __future__ import annotations

from ...core import ops
from ...core.graph import Graph
from ...core.node import ComputationNode as Node


def sink_transposes(graph: Graph) -> Graph:
    r"""$(AB)^\top = B^\top A^\top$ and $(sA)^\top = s A^\top$: products become visible to their neighbors."""

    def rule(node: Node) -> Node | None:
        match node:
            case Node(ops.transpose, [Node(ops.transpose, [x])]):
                return x
            case Node(ops.transpose, [Node(ops.matmul, [a, b])]):
                return b.mT @ a.mT
            case Node(ops.transpose, [Node(ops.scale, [x]) as inner]):
                return ops.scale(x.mT, **inner.params)
        return None

    return graph.rewrite(rule)

"""Move transposes towards the leaves, where they are free views of arrays that exist anyway."""

from __future__ import annotations

from ... import ops
from ...core.graph import Graph
from ...core.node import ComputationNode as Node

DEEPEST = 100  # products inside products that one transpose sinks through


def sink_transposes(graph: Graph) -> Graph:
    r"""$(AB)^\top = B^\top A^\top$ and $(sA)^\top = s A^\top$: products become visible to their neighbors."""

    def rule(node: Node) -> Node | None:
        match node:
            case Node(ops.transpose, [Node(ops.matmul | ops.scale | ops.transpose) as x]):
                return _transposed(x, DEEPEST)
        return None

    return graph.rewrite(rule)


def _transposed(x: Node, depth: int) -> Node:
    match x:
        case Node(ops.transpose, [inner]):
            return inner
        case Node(ops.matmul, [a, b]) if depth:
            return _transposed(b, depth - 1) @ _transposed(a, depth - 1)
        case Node(ops.scale, [inner]) if depth:
            scaled: Node = ops.scale(_transposed(inner, depth - 1), **x.params)
            return scaled
    return x.mT

"""Compute at compile time what depends on constants alone."""

from __future__ import annotations

from ... import ops
from ...core.graph import Graph
from ...core.node import ComputationNode, constant
from .patterns import is_constant


def fold_constants(graph: Graph) -> Graph:
    r"""$f(c_1, c_2) = c_3$: an operation on constants is a constant."""

    def rule(node: ComputationNode) -> ComputationNode | None:
        if not node.parents or not all(is_constant(p) for p in node.parents):
            return None
        if node.op is ops.broadcast:  # a number that is repeated is smaller than the array it fills
            return None
        return constant(node.value)

    return graph.rewrite(rule)

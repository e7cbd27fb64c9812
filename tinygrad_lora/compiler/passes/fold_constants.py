"""Compute at compile time what depends on constants alone.

Why it is legal. No input reaches these operations, so every run would compute the same number. It is computed once,
now.
"""

from ...core import ComputationNode, Graph, constant, ops


def fold_constants(graph: Graph) -> Graph:
    r"""$f(c_1, c_2) = c_3$: an operation on constants is a constant."""

    return graph.rewrite(_rule)


def _rule(node: ComputationNode) -> ComputationNode | None:
    for p in node.parents:
        if p.parents or not p.known:
            return None
    if not node.parents or node.op is ops.broadcast:  # a number that is repeated is smaller than the array it fills
        return None
    return constant(node.value)

"""One product of matrices in the place of many small ones. The reshapes around it are free views.

Why it is legal. Each row of a product depends on its own row alone. Whether the rows come as a stack of matrices or as
one tall matrix makes no difference to them.
"""

from math import prod

from ...core import ComputationNode as Node, Graph, ops
from ..patterns import is_real, rewrite_unshared, shaped


def flatten_products(graph: Graph) -> Graph:
    r"""$(X_i W)_i = (X W)_i$ and $\sum_i X_i^\top G_i = X^\top G$ with all $X_i$ below each other in one matrix $X$.

    A weight of (32, 8) numbers for 8 sentences of 16 tokens, forward and backward, takes half to two thirds of the
    time: `python tests/benchmarks/passes.py flatten_products`.
    """
    if not any(node.op is ops.matmul and node.ndim > 2 for node in graph.nodes):
        return graph
    forms = (ops.matmul, ops.reduce_sum)
    return rewrite_unshared(graph, _flat, lambda node: node.op is ops.matmul and node.ndim > 2, at=forms)


def _flat(node: Node, once: set[Node]) -> Node:
    match node:
        case Node(ops.matmul, [x, w]) if x.ndim > 2 and w.ndim == 2:
            return shaped(_matrix(x) @ w, node.shape)
        case Node(ops.reduce_sum, [Node(ops.matmul, [Node(ops.transpose, [x]), g]) as y]) if (
            y in once
            and is_real(node)
            and is_real(y)
            and x.shape[:-1] == g.shape[:-1]
            and node.params == {"axis": tuple(range(y.ndim - 2)), "keepdims": False}
        ):
            return _matrix(x).mT @ _matrix(g)
    return node


def _matrix(x: Node) -> Node:
    """All rows of `x` below each other."""
    shape = prod(x.shape[:-1]), x.shape[-1]
    return x.parents[0] if x.op is ops.reshape and x.parents[0].shape == shape else shaped(x, shape)

"""Move reshapes, which are free views, towards the outputs, where two of them meet and become one.

Why it is legal. An elementwise operation treats each element by itself. A reshape keeps the elements and their order,
so the two may change places.
"""

from math import prod

import numpy as np

from ...core import ComputationNode as Node, Graph, Op, Shape, ops
from ..patterns import rewrite_unshared, shaped

REDUCTIONS = (ops.reduce_sum, ops.reduce_max)


def raise_reshapes(graph: Graph) -> Graph:
    r"""$f(\mathrm{reshape}\,x) = \mathrm{reshape}\,f(x)$ where the last axis stays; sums reshape by themselves."""
    return rewrite_unshared(graph, _raised_all, lambda node: node.op in REDUCTIONS, ops.reshape)


def _raised_all(node: Node, once: set[Node]) -> Node:
    while (better := _raised(node, once)) is not None:
        node = better
    return node


def _raised(node: Node, once: set[Node]) -> Node | None:
    if node.op is not ops.reshape and ops.reshape not in [p.op for p in node.parents]:
        return None
    match node:
        case Node(ops.reshape, [Node(ops.reshape, [x])]):
            return ops.reshape(x, **node.params)
        case Node(ops.reshape, [Node(ops.broadcast, [x])]) if x.size == 1:
            return ops.broadcast(ops.reshape(x, shape=()), shape=node.shape)
        case Node(ops.reshape, [Node(ops.reduce_sum | ops.reduce_max as op, [x]) as y]) if y in once:
            params = {"axis": y.params["axis"], "keepdims": not y.params["keepdims"]}
            return op(x, **params) if op.shape(x.shape, **params) == node.shape else None
        case Node(ops.reduce_sum | ops.reduce_max as op, [Node(ops.reshape, [x]) as y]) if x.shape[-1:] == y.shape[-1:]:
            axes, last, leading = node.params["axis"], y.ndim - 1, tuple(range(y.ndim - 1))
            if axes not in ((last,), leading, (*leading, last)) or not axes or not _same_order(op, x, y):
                return None
            where = (x.ndim - 1,) if axes == (last,) else tuple(range(x.ndim - (axes == leading)))
            return ops.reshape(op(x, axis=where, keepdims=False), shape=node.shape) if where else None
        case Node(op, operands) if op.elementwise and (under := _below(node)) is not None:
            lower = [shaped(x.parents[0], (*under[:-1], x.shape[-1])) if x.ndim > 1 else x for x in operands]
            raised = op(*lower, **node.params)
            return ops.reshape(raised, shape=node.shape) if raised.shape == under else None
    return None


def _same_order(op: Op, x: Node, y: Node) -> bool:
    """Whether rows stay rows (an array without columns may get more of them), and sums nearly keep their digits."""
    return prod(x.shape[:-1]) == prod(y.shape[:-1]) and (op is ops.reduce_max or x.dtype != np.float16)


def _below(node: Node) -> Shape | None:
    """The shape below the reshapes on which this elementwise operation works, if all regroup the same leading axes.

    Where they do it from several shapes, that of the fewest axes serves all.
    """
    regrouped = [x for x in node.parents if x.ndim > 1]
    if not regrouped or not all(_regroups(x) and x.shape[:-1] == node.shape[:-1] for x in regrouped):
        return None
    leading: Shape = min((x.parents[0].shape[:-1] for x in regrouped), key=lambda shape: (len(shape), shape))
    return *leading, node.shape[-1]


def _regroups(x: Node) -> bool:
    return x.op is ops.reshape and x.parents[0].ndim > 1 and x.parents[0].shape[-1] == x.shape[-1]

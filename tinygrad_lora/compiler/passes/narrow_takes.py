"""Compute only the elements that are taken: log-probabilities, for example, of the right classes alone.

Why it is legal. An element of an elementwise result depends on the same element of each operand alone. What is not
taken need not be computed.
"""

import numpy as np

from ...core import ComputationNode as Node, Graph, constant, ops, rebuilt
from ..cost import price
from ..patterns import counts, rewrite_unshared, shaped


def narrow_takes(graph: Graph) -> Graph:
    r"""$f(x, y)_i = f(x_i, y_i)$: take first, where that leaves fewer elements to compute."""
    return rewrite_unshared(graph, _narrowed, lambda node: node.op.elementwise, ops.take)


def _narrowed(node: Node, once: set[Node]) -> Node:
    """`take` moved past the operations below it as long as that costs less."""
    if node.op is not ops.take or node.parents[0] not in once or node.size >= node.parents[0].size:
        return node
    x, *indices = node.parents
    taken = [_taken(p, x, indices) for p in x.parents]
    moved: Node = x.op(*taken, **x.params)
    if sum(price(n) for n in {moved, *taken}.difference(x.parents)) > price(x) + price(node):
        return node
    return rebuilt(moved, tuple(_narrowed(p, once) for p in taken))


def _taken(p: Node, x: Node, indices: list[Node]) -> Node:
    """The elements of the operand `p` that belong to those taken of the elementwise result `x`."""
    missing = x.ndim - p.ndim  # axes that p does not have: it is the same all along them
    chosen = []
    for axis, index in enumerate(indices[missing:], missing):
        repeated = p.shape[axis - missing] != x.shape[axis]
        chosen.append(constant(np.int64(0)) if repeated else index)
    if not chosen:
        return p
    rows, *others = chosen
    if others and p.shape == (rows.size,) + (1,) * len(others) and counts(rows):
        return shaped(p, rows.shape)  # the only element of each row, in order
    return ops.take(p, *chosen)

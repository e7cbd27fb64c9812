"""Compute only the elements that are taken: log-probabilities, for example, of the right classes alone.

Why it is legal. An element of an elementwise result depends on the same element of each operand alone. What is not
taken need not be computed.
"""

from __future__ import annotations

import numpy as np

from ...core import ops
from ...core.graph import Graph, rebuilt
from ...core.node import ComputationNode as Node
from ...core.node import constant
from ..cost import node_cost
from ..patterns import is_constant, uses


def narrow_takes(graph: Graph) -> Graph:
    r"""$f(x, y)_i = f(x_i, y_i)$: take first, where that leaves fewer elements to compute."""
    if not any(node.op is ops.take for node in graph.nodes):
        return graph
    once: set[Node] = set()  # elementwise results with one user: nobody else needs the rest of their elements

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        if node.op is ops.take:
            node = _narrowed(node, once)
        if uses(graph, old) == 1 and node.op.elementwise:
            once.add(node)
        return node

    return graph.map(build)


def _narrowed(node: Node, once: set[Node]) -> Node:
    """`take` moved past the operations below it as long as that costs less."""
    x, *indices = node.parents
    if x not in once or node.size >= x.size:
        return node
    taken = [_taken(p, x, indices) for p in x.parents]
    moved: Node = x.op(*taken, **x.params)
    if sum(_price(n) for n in {moved, *taken}.difference(x.parents)) > _price(x) + _price(node):
        return node
    return rebuilt(moved, tuple(_narrowed(p, once) if p.op is ops.take else p for p in taken))


def _price(node: Node) -> float:
    return node_cost(node).nanoseconds


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
    if others and p.shape == (rows.size,) + (1,) * len(others) and is_constant(rows) and _counts(rows):
        column: Node = ops.reshape(p, shape=rows.shape)  # the only element of each row, in order
        return column
    taken: Node = ops.take(p, *chosen)
    return taken


def _counts(rows: Node) -> bool:
    return rows.ndim == 1 and np.array_equal(rows.value, np.arange(rows.size))

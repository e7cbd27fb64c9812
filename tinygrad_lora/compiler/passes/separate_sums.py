"""A sum of products, factor by factor: what does not depend on an index stands before the sum over it.

Why it is legal. Sums may be taken in any order. What does not depend on an index is a common factor of the sum over it.
"""

from functools import reduce
from operator import mul
from typing import NamedTuple

from ...core import Graph, ops
from ...core.node import ComputationNode as Node, Shape, tick
from ..cost import price, price_of_new
from ..patterns import is_real, padded, rewrite_unshared, shaped

FORMS = (ops.matmul, ops.multiply, ops.reshape, ops.transpose)  # of a product
MOST_FACTORS = 3  # of more, a part could leave the range of the dtype where the whole does not
MOST_TIMES = 8  # a sum sinks through no more products of a long chain: each time looks at the whole graph
LONGEST = 384  # numbers: a longer sum loses more digits as a product than as NumPy's sum, see sums_as_products


class SeparatedSum(NamedTuple):
    """Another form of a sum, and the products that nobody needs any more."""

    node: Node
    gone: list[Node]


def separate_sums(graph: Graph) -> Graph:
    r"""$\sum_i (AB)_{ij} = (\sum_i A_i) B$, $\sum_{ij} v_i u_j = \sum_i v_i \sum_j u_j$, $\sum_j A_{ij} u_j = A u$."""
    if not any(node.op is ops.reduce_sum and _may_separate(node.parents[0]) for node in graph.nodes):
        return graph
    for _ in range(MOST_TIMES):  # what is left of a sum may be separated in its turn
        before = graph
        graph = rewrite_unshared(graph, _cheaper, lambda node: node.op in FORMS, at=(*FORMS, ops.reduce_sum))
        if graph is before:
            break
    return graph


def _cheaper(node: Node, once: set[Node]) -> Node:
    """Another form of a sum, if it costs less; any other operation as it is."""
    if node.op is not ops.reduce_sum or node.parents[0] not in once or not is_real(node):
        return node
    start = tick()
    form = _separated(node, once)
    if form is None or price_of_new(form.node, lambda new: new.created > start) >= sum(map(price, [node, *form.gone])):
        return node
    return form.node


def _may_separate(summed: Node) -> bool:
    """Whether it is a product of matrices, or one of arrays of several shapes; seen quickly."""
    if summed.op is not ops.multiply:
        return summed.op in FORMS
    nested = [summed, *(p for p in summed.parents if p.op in (ops.multiply, ops.matmul))]  # MOST_FACTORS go no deeper
    return any(p.parents[0].shape != p.parents[1].shape for p in nested)


def _separated(total: Node, once: set[Node]) -> SeparatedSum | None:
    (x,), axes = total.parents, total.params["axis"]
    if x.op is ops.reshape and len(axes) == x.ndim and x.parents[0] in once:  # the sum of all elements has no order
        (x,) = x.parents
        axes = tuple(range(x.ndim))
    elif x.op is ops.transpose and not {x.ndim - 1, x.ndim - 2}.isdisjoint(axes) and x.parents[0] in once:
        (x,) = x.parents
        swapped = {x.ndim - 1: x.ndim - 2, x.ndim - 2: x.ndim - 1}
        axes = tuple(sorted(swapped.get(i, i) for i in axes))
    if x.op is ops.matmul and is_real(x):
        return _of_matrices(x, axes, total.shape)
    return _of_factors(x, axes, total.shape, once) if x.op is ops.multiply else None


def _of_matrices(product: Node, axes: Shape, shape: Shape) -> SeparatedSum | None:
    """The rows of the first factor are added up before the product, and the columns of the second."""
    (a, b), rows, columns = product.parents, product.ndim - 2, product.ndim - 1
    if rows in axes:
        a = ops.reduce_sum(a, axis=(a.ndim - 2,), keepdims=True)
    if columns in axes:
        b = ops.reduce_sum(b, axis=(b.ndim - 1,), keepdims=True)
    if (a, b) == product.parents:
        return None
    return SeparatedSum(_summed(a @ b, tuple(i for i in axes if i < rows), shape), [product])


def _of_factors(product: Node, axes: Shape, shape: Shape, once: set[Node]) -> SeparatedSum | None:
    """The sum over one axis of the factors that depend on it, times the others, summed over the other axes."""
    factors, gone = _factors(product, once)
    shapes = [padded(f, product.ndim) for f in factors]
    for axis in axes:
        depends = [s[axis] != 1 for s in shapes]
        if product.shape[axis] == 1 or all(depends) or not any(depends):
            continue
        summand = reduce(mul, [f for f, inside in zip(factors, depends, strict=True) if inside])
        part = ops.reduce_sum(summand, axis=(axis - product.ndim + summand.ndim,), keepdims=True)
        rest = reduce(mul, [part, *(f for f, inside in zip(factors, depends, strict=True) if not inside)])
        rest = shaped(rest, padded(rest, product.ndim))  # axes along which every factor has length 1 are missing
        return SeparatedSum(_summed(rest, tuple(i for i in axes if i != axis), shape), gone)
    return _of_vector(factors, shapes, product, axes, shape)


def _of_vector(
    factors: list[Node], shapes: list[Shape], product: Node, axes: Shape, shape: Shape
) -> SeparatedSum | None:
    """A matrix times a vector, where one of two factors is a vector along the summed axis."""
    if len(factors) != 2 or product.ndim != 2 or len(axes) != 1 or not 1 < product.shape[axes[0]] <= LONGEST:
        return None
    along = (1, product.shape[1]) if axes == (1,) else (product.shape[0], 1)
    for i, matrix in enumerate(factors):
        if matrix.shape == product.shape and shapes[1 - i] == along and product.shape != along:
            vector = ops.reshape(factors[1 - i], shape=along[::-1])
            return SeparatedSum(_summed(matrix @ vector if axes == (1,) else vector @ matrix, (), shape), [product])
    return None


def _factors(product: Node, once: set[Node]) -> tuple[list[Node], list[Node]]:
    """What is multiplied, and the products of that; the product's own operands, if there are too many."""
    factors, gone, stack = list[Node](), list[Node](), [product]
    while stack:
        node = stack.pop()
        outer = node.op is ops.matmul and node.ndim == 2 and node.parents[0].shape[1] == 1  # a column times a row
        if (outer or node.op is ops.multiply) and (node is product or node in once) and is_real(node):
            gone.append(node)
            stack += reversed(node.parents)
        else:
            factors.append(node)
    return (factors, gone) if len(factors) <= MOST_FACTORS else (list(product.parents), [product])


def _summed(x: Node, axes: Shape, shape: Shape) -> Node:
    return shaped(ops.reduce_sum(x, axis=axes, keepdims=True) if axes else x, shape)

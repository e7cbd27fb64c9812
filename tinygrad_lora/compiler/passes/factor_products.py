"""Take a common factor out of a sum of matrix products: one product in the place of two.

Why it is legal. Matrix multiplication distributes over addition, and backwards: a factor that two products share can be
factored out, and the other factors added first.
"""

from typing import NamedTuple

from ...core import ComputationNode as Node, Graph, ops
from ..cost import product_price, sum_price
from ..patterns import ORDINARY, SUMS, decades, is_real, one_factor, rewrite_unshared, scaled, shaped

FORMS = (*SUMS, ops.matmul, ops.scale, ops.reshape)


class ScaledProduct(NamedTuple):
    """A number times the product of two matrices; `like` is the product as it is in the graph."""

    number: float
    a: Node
    b: Node
    like: Node


def factor_products(graph: Graph) -> Graph:
    r"""$AC + BC = (A + B)C$ and $CA + CB = C(A + B)$, also with numbers before them: one product less."""
    if not any(node.op in SUMS and all(p.op in FORMS for p in node.parents) for node in graph.nodes):
        return graph
    return rewrite_unshared(graph, _factored, lambda node: node.op in FORMS, at=FORMS)


def _factored(total: Node, once: set[Node]) -> Node:
    if total.op not in SUMS or not is_real(total) or not once.issuperset(total.parents):
        return total
    p, q = (_product(x, once) if x.shape == total.shape else None for x in total.parents)
    if p is None or q is None or p.like.shape != q.like.shape:
        return total
    if p.b is q.b and p.a.shape == q.a.shape and _pays(p.a, p.like):
        product = total.op(scaled(p.a, p.number), scaled(q.a, q.number)) @ p.b
    elif p.a is q.a and _pays(p.b, p.like):
        product = p.a @ total.op(scaled(p.b, p.number), scaled(q.b, q.number))
    else:
        return total
    return shaped(product, total.shape)


def _product(node: Node, once: set[Node]) -> ScaledProduct | None:
    """What a node is as a number times a product of matrices, perhaps in another shape; None if it is not."""
    number, node = _unscaled(node, 1.0, once)
    if number is not None and node.op is ops.reshape and node in once:
        number, node = _unscaled(node.parents[0], number, once)
    if node.op is not ops.matmul or node not in once or node.ndim != 2 or not is_real(node):
        return None
    number, a = _unscaled(node.parents[0], number, once)
    number, b = _unscaled(node.parents[1], number, once)
    if number is None or decades(number) > ORDINARY[node.dtype.itemsize]:
        return None
    return ScaledProduct(number, a, b, node)


def _unscaled(node: Node, number: float | None, once: set[Node]) -> tuple[float | None, Node]:
    """The array below a scale that nobody else needs, and the number times that factor; None if that is not right."""
    if number is None or node.op is not ops.scale or node not in once or not is_real(node):
        return number, node
    return one_factor(number, node.params["factor"], node.dtype), node.parents[0]


def _pays(summed: Node, product: Node) -> bool:
    """Whether a sum of factors like this costs less than a second product and the sum of the two."""
    (rows, inner), columns, size = product.parents[0].shape, product.shape[1], product.dtype.itemsize
    return sum_price(summed.size, size) < product_price(rows, inner, columns, size) + sum_price(product.size, size)

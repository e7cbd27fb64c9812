"""Multiply by a number where the array is smallest.

Why it is legal. A product is linear in each factor. A number may scale the left factor, the right one or the result,
whichever is smallest.
"""

from ...core import ComputationNode as Node, Graph, ops
from ..patterns import is_ordinary, is_real, one_factor, rewrite_unshared

MOVABLE = {ops.scale, ops.matmul, ops.broadcast}  # what the rules below look for under an operation
FORMS = MOVABLE | {ops.reduce_sum, ops.multiply, ops.divide, ops.transpose}


def fold_scales(graph: Graph) -> Graph:
    r"""$s(AB) = (sA)B = A(sB)$ and $\sum s x = s \sum x$: scale whichever array is smallest.

    Scaled scores of 64 queries and 96 keys of 8 numbers take four fifths of the time:
    `python tests/benchmarks/passes.py fold_scales`.
    """
    return rewrite_unshared(graph, _folded, lambda x: x.op in MOVABLE and is_real(x) and _may_move(x), ops.scale, FORMS)


def _folded(node: Node, once: set[Node]) -> Node:
    while (better := _moved(node, once)) is not None:
        node = better
    return node


def _moved(node: Node, once: set[Node]) -> Node | None:
    if node.op is ops.scale:
        return _into(node, *node.parents) if node.parents[0] in once and _may_move(node) else None
    return _out_of(node, once) if ops.scale in [p.op for p in node.parents] and is_real(node) else None


def _may_move(node: Node) -> bool:
    """Whether this is no scale by a number that could make an array infinite, or zero."""
    return node.op is not ops.scale or is_ordinary(node)


def _into(node: Node, x: Node) -> Node | None:
    """A scale moved into what it scales, if a smaller array is there."""
    match x:
        # Two in a row meet where one of them came from further up.
        case Node(ops.scale, [inner]):
            both = one_factor(x.params["factor"], node.params["factor"], inner.dtype)
            return None if both is None else ops.scale(inner, factor=both)
        case Node(ops.matmul, [a, b]) if min(a.size, b.size) < x.size:
            return _scaled(a, node) @ b if a.size <= b.size else a @ _scaled(b, node)
        case Node(ops.broadcast, [inner]):
            return ops.broadcast(_scaled(inner, node), **x.params)
    return None


def _out_of(node: Node, once: set[Node]) -> Node | None:
    """An operation on what is scaled, scaled afterwards, if the result is smaller or may meet a smaller array."""
    match node:
        # Out of a factor, if the result or the other factor is smaller.
        case Node(ops.matmul, [Node(ops.scale, [a]) as s, b]) if s in once and node.size <= min(a.size, b.size):
            return _scaled(a @ b, s)
        case Node(ops.matmul, [a, Node(ops.scale, [b]) as s]) if s in once and node.size <= min(a.size, b.size):
            return _scaled(a @ b, s)
        case Node(ops.matmul, [Node(ops.scale, [a]) as s, b]) if s in once and b.size < a.size:
            return a @ _scaled(b, s)
        case Node(ops.matmul, [a, Node(ops.scale, [b]) as s]) if s in once and a.size < b.size:
            return _scaled(a, s) @ b
        # Sums are smaller than what is summed.
        case Node(ops.reduce_sum, [Node(ops.scale, [x]) as s]) if s in once:
            return _scaled(ops.reduce_sum(x, **node.params), s)
        # Past operations that it commutes with, towards the output.
        case Node(ops.multiply, [Node(ops.scale, [a]) as s, b]) if s in once and a.size == node.size:
            return _scaled(a * b, s)
        case Node(ops.multiply, [a, Node(ops.scale, [b]) as s]) if s in once and b.size == node.size:
            return _scaled(a * b, s)
        case Node(ops.divide, [Node(ops.scale, [a]) as s, b]) if s in once and a.size == node.size:
            return _scaled(a / b, s)
        case Node(ops.transpose, [Node(ops.scale, [x]) as s]) if s in once:
            return _scaled(node.op(x, **node.params), s)
    return None


def _scaled(x: Node, like: Node) -> Node:
    """x times the factor of the scale node `like`; two factors in a row become one where they can."""
    factor = like.params["factor"]
    if x.op is ops.scale and (both := one_factor(x.params["factor"], factor, x.dtype)) is not None:
        x, factor = x.parents[0], both
    return ops.scale(x, factor=factor)

"""Remove operations that do nothing, and write the others in their shortest form.

Why it is legal. These are identities of arithmetic: they hold for every number. Shape and dtype must stay as they are,
or the rule does not apply.
"""

from collections.abc import Callable

from ...core import ComputationNode as Node, Graph, Op, ops
from ..patterns import one_factor, uniform


def simplify(graph: Graph) -> Graph:
    r"""$x + 0 = 1x = (x^\top)^\top = x$, $x + x = 2x$, $a(bx) = (ab)x$, $\max(\max(x, 0), 0) = \max(x, 0)$ ...

    Equal numbers: the sign of a zero may differ, as in $-0 + 0$.
    """
    return graph.rewrite(_rule)


def _rule(node: Node) -> Node | None:
    rule = RULES.get(node.op)
    better = rule(node) if rule else None
    if better is None and node.op.elementwise:
        better = _without_repeating(node)
    # A rule may not change what the result is: a float64 constant makes a float32 array float64, a factor does not.
    return better if better is not None and (better.shape, better.dtype) == (node.shape, node.dtype) else None


def _copy(node: Node) -> Node | None:
    """Copies and changes of shape that change nothing."""
    x = node.parents[0]
    match node:
        case Node(ops.identity | ops.stop_gradient):  # gradients have been taken by now
            return x
        case Node(ops.reshape | ops.broadcast | ops.cast) if (x.shape, x.dtype) == (node.shape, node.dtype):
            return x
        case Node(ops.transpose, [Node(ops.transpose, [inner])]):
            return inner
        case Node(ops.reshape, [Node(ops.reshape, [inner])]):
            return ops.reshape(inner, **node.params)
        case Node(ops.broadcast, [Node(ops.broadcast, [inner])]):
            return ops.broadcast(inner, **node.params)
        case Node(ops.reduce_sum) if not node.params["axis"]:
            return x
    return None


def _scale(node: Node) -> Node | None:
    x, s = node.parents[0], node.params["factor"]
    if s == 1:
        return x
    if x.op is ops.scale and (both := one_factor(x.params["factor"], s, x.parents[0].dtype)) is not None:
        return ops.scale(x.parents[0], factor=both)
    return None


def _product(node: Node) -> Node | None:
    a, b = node.parents
    if (number := uniform(b)) is not None:
        return ops.scale(a, factor=number)
    number = uniform(a)
    return None if number is None else ops.scale(b, factor=number)


def _sum(node: Node) -> Node | None:
    a, b = node.parents
    if a is b and node.op is ops.add:
        return ops.scale(a, factor=2)
    # Nothing added.
    if uniform(b) == 0:
        return a
    if node.op is ops.add and uniform(a) == 0:
        return b
    # Signs.
    if b.op is ops.scale and b.params["factor"] == -1 and b.parents[0].dtype == b.dtype and _negates(b, node):
        return a - b.parents[0] if node.op is ops.add else a + b.parents[0]
    return None


def _negates(b: Node, total: Node) -> bool:
    """Whether -1 times a number is its negative in this sum: among whole numbers, -(-128) is -128 in eight bits."""
    return b.dtype.kind == "f" or all(p.dtype == total.dtype for p in total.parents)


def _quotient(node: Node) -> Node | None:
    return node.parents[0] if uniform(node.parents[1]) == 1 else None


def _without_repeating(node: Node) -> Node | None:
    """NumPy repeats the operands of an elementwise operation by itself."""
    for x in node.parents:
        if x.op is ops.broadcast:
            # The others have the full shape already, or the result would get smaller and the rule would not apply.
            return node.op(*(p.parents[0] if p.op is ops.broadcast else p for p in node.parents), **node.params)
    return None


def _positive(node: Node) -> Node | None:
    return node.parents[0] if node.parents[0].op is ops.relu else None


COPIES = (ops.identity, ops.stop_gradient, ops.reshape, ops.broadcast, ops.cast, ops.transpose, ops.reduce_sum)
RULES: dict[Op, Callable[[Node], Node | None]] = {
    **dict.fromkeys(COPIES, _copy), ops.scale: _scale, ops.multiply: _product, ops.add: _sum, ops.subtract: _sum,
    ops.divide: _quotient, ops.relu: _positive,
}  # fmt: skip

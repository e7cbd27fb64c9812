"""Remove operations that do nothing, and write the others in their shortest form."""

from __future__ import annotations

from ... import ops
from ...core.graph import Graph
from ...core.node import ComputationNode as Node
from .patterns import one_factor, uniform


def simplify(graph: Graph) -> Graph:
    r"""$x + 0 = 1x = (x^\top)^\top = x$, $x + x = 2x$, $a(bx) = (ab)x$ and their kind.

    Equal numbers: the sign of a zero may differ, as in $-0 + 0$.
    """
    return graph.rewrite(_rule)


def _rule(node: Node) -> Node | None:
    better = _shorter(node)
    # A rule may not change what the result is: a float64 constant makes a float32 array float64, a factor does not.
    return better if better is not None and (better.shape, better.dtype) == (node.shape, node.dtype) else None


def _shorter(node: Node) -> Node | None:
    match node:
        # Copies and changes of shape that change nothing.
        case Node(ops.identity | ops.stop_gradient, [x]):  # gradients have been taken by now
            return x
        case Node(ops.reshape | ops.broadcast | ops.cast, [x]) if (x.shape, x.dtype) == (node.shape, node.dtype):
            return x
        case Node(ops.transpose, [Node(ops.transpose, [x])]):
            return x
        case Node(ops.reshape, [Node(ops.reshape, [x])]):
            return ops.reshape(x, **node.params)
        case Node(ops.broadcast, [Node(ops.broadcast, [x])]):
            return ops.broadcast(x, **node.params)
        case Node(ops.reduce_sum, [x]) if not node.params["axis"]:
            return x
        # Scales.
        case Node(ops.scale, [x]) if node.params["factor"] == 1:
            return x
        case Node(ops.scale, [Node(ops.scale, [x]) as inner]):
            factor = one_factor(inner.params["factor"], node.params["factor"], x.dtype)
            return None if factor is None else ops.scale(x, factor=factor)
        case Node(ops.multiply, [x, c]) if (number := uniform(c)) is not None:
            return ops.scale(x, factor=number)
        case Node(ops.multiply, [c, x]) if (number := uniform(c)) is not None:
            return ops.scale(x, factor=number)
        case Node(ops.add, [x, y]) if x is y:
            return ops.scale(x, factor=2)
        # Nothing added.
        case Node(ops.add | ops.subtract, [x, c]) if uniform(c) == 0:
            return x
        case Node(ops.add, [c, x]) if uniform(c) == 0:
            return x
        case Node(ops.divide, [x, c]) if uniform(c) == 1:
            return x
        # Signs.
        case Node(ops.add, [x, Node(ops.scale, [y]) as s]) if s.params["factor"] == -1 and y.dtype == s.dtype:
            return x - y
        case Node(ops.subtract, [x, Node(ops.scale, [y]) as s]) if s.params["factor"] == -1 and y.dtype == s.dtype:
            return x + y
        # The sign of a number that is never negative is a yes or no, which takes an eighth of the memory.
        case Node(ops.multiply, [g, Node(ops.sign, [Node(ops.relu) as y])]):
            return g * (y > 0.0)
        # NumPy computes small whole powers much faster as products.
        case Node(ops.power, [x]) if node.params["exponent"] == 1:
            return x
        case Node(ops.power, [x]) if node.params["exponent"] == 2:
            return x * x
        case Node(ops.power, [x]) if node.params["exponent"] == 3:
            return x * x * x
        # NumPy repeats the operands of an elementwise operation by itself.
        case Node(op, operands) if op.elementwise and any(x.op is ops.broadcast for x in operands):
            # The others have the full shape already, or the result would get smaller and the rule would not apply.
            return op(*(x.parents[0] if x.op is ops.broadcast else x for x in operands), **node.params)
    return None
